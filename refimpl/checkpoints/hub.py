"""A name or a path -> a place on this machine: downloads a checkpoint when there is no such path.

The download is huggingface_hub's (the optional extra "hub", imported only when it is needed), so
its cache, its login and its environment variables work as everywhere: HF_HOME, HF_HUB_CACHE,
HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE. Only data is fetched: JSON, text, a SentencePiece model and
safetensors weights; never code, never pickles. Read on in folder.py.
"""

import os
import re
from pathlib import Path

from refimpl.errors import InputError

__all__ = ["resolve"]

_PATTERNS = (
    "*.json",
    "*.txt",
    "spiece.model",
    "model.safetensors",
    "model-*-of-*.safetensors",
)
_SUBFOLDERS = "*/*"  # "*" also matches "/", so the patterns above would reach into them
_HUB_ID = re.compile(r"(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*", re.ASCII)


def resolve(
    name_or_folder: str | os.PathLike[str],
    *,
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    endpoint: str | None = None,
) -> Path:
    """Find a checkpoint: a folder or file that exists, or one from the hub.

    Args:
        name_or_folder: a path, taken as it is when something is there; otherwise a hub id such as
            "openai/clip-vit-base-patch32". A `pathlib.Path` is always a path.
        revision: branch, tag or commit on the hub; its main branch by default.
        cache_dir: the hub's cache folder, if not the usual one.
        local_files_only: take what the cache holds and do not touch the network.
        endpoint: address of the hub, if not the usual one.

    Returns:
        The path given, or the folder of the snapshot in the cache.

    Raises:
        InputError: there is no such path and it cannot be a hub id; or huggingface_hub is not
            installed, there is no such repository or revision (or no access to it), it is not in
            the cache while offline, or the network fails.
    """
    text = os.fspath(name_or_folder)
    if os.path.lexists(text):
        return Path(text)
    if not isinstance(name_or_folder, str) or not _looks_like_hub_id(text):
        raise InputError(f"{text!r}: there is no such folder or file, and it is no hub id")
    return _download(text, revision, cache_dir, local_files_only, endpoint)


def _looks_like_hub_id(text: str) -> bool:
    weights = text.endswith((".safetensors", ".bin", ".json", ".pt"))
    return len(text) <= 96 and not weights and _HUB_ID.fullmatch(text) is not None


def _download(
    name: str,
    revision: str | None,
    cache_dir: str | os.PathLike[str] | None,
    local_files_only: bool,
    endpoint: str | None,
) -> Path:
    try:
        import huggingface_hub
        from huggingface_hub import errors as hub
    except ImportError as error:
        raise InputError(
            f"{name!r}: there is no such folder; to fetch it from the hub: "
            'pip install "clip-refimpl[hub]"'
        ) from error
    which = repr(name) if revision is None else f"{name!r}, revision {revision!r}"
    try:
        folder = huggingface_hub.snapshot_download(
            name,
            revision=revision,
            cache_dir=None if cache_dir is None else Path(cache_dir),
            local_files_only=local_files_only,
            endpoint=endpoint,
            allow_patterns=list(_PATTERNS),
            ignore_patterns=[_SUBFOLDERS],
        )
    except hub.GatedRepoError as error:
        raise InputError(
            f"{which}: ask for access on its hub page, then log in (hf auth login) or set HF_TOKEN"
        ) from error
    except hub.RepositoryNotFoundError as error:
        raise InputError(
            f"{which}: neither a folder here nor a repository on the hub that you may read"
        ) from error
    except hub.RevisionNotFoundError as error:
        raise InputError(f"{which}: the repository has no such revision") from error
    except hub.LocalEntryNotFoundError as error:
        raise InputError(
            f"{which}: no folder here, not complete in the hub's cache, and not fetched: "
            + ("only local files were asked for" if local_files_only else _first_line(error))
        ) from error
    except Exception as error:  # the network's errors have no common type across its versions
        raise InputError(f"{which}: fetching from the hub failed: {_first_line(error)}") from error
    return Path(folder)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
