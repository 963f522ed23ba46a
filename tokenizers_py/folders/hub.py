"""A name or a path -> a place on this machine: fetches files from the hub if there is no such path.

The download is huggingface_hub's (the optional extra "hub", imported only when it is needed), so
its cache, its login and its environment variables work as everywhere: HF_HOME, HF_HUB_CACHE,
HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE. Only the files that the caller names are fetched, never
code. Called by pretrained.py for tokenizers; refimpl/checkpoints/hub.py fetches weights with it.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import FilePath

__all__ = ["TOKENIZER_PATTERNS", "resolve"]

TOKENIZER_PATTERNS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "*.model",
    "bpe_simple_vocab_16e6.txt.gz",
    "config.json",
)
_SUBFOLDERS = "*/*"  # "*" also matches "/", so "*.model" would reach into them
_HUB_ID = re.compile(r"(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*", re.ASCII)
_WEIGHTS = (".safetensors", ".bin", ".json", ".pt")


def resolve(
    name_or_folder: FilePath,
    patterns: Sequence[str] = TOKENIZER_PATTERNS,
    *,
    revision: str | None = None,
    cache_dir: FilePath | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
    endpoint: str | None = None,
) -> Path:
    """Find a folder or file that exists, or fetch files of a repository on the hub.

    Args:
        name_or_folder: A path, taken as it is when something is there; otherwise a hub id such as
            "openai/clip-vit-base-patch32". A `pathlib.Path` is always a path.
        patterns: Which files to fetch; those in subfolders never are.
        revision: Branch, tag or commit on the hub; its main branch by default.
        cache_dir: The hub's cache folder, if not the usual one.
        local_files_only: Take what the cache holds and do not touch the network.
        token: What to log in with; by default HF_TOKEN or what `hf auth login` has stored.
            False: nothing, even where there is a login. It never appears in a message.
        endpoint: Address of the hub, if not the usual one.

    Returns:
        The path given, or the folder of the snapshot in the cache.

    Raises:
        TokenizerError: There is no such path and it cannot be a hub id; or
            huggingface_hub is not installed, there is no such repository or revision (or no
            access to it), it is not in the cache while offline, or the network fails.
    """
    if not isinstance(name_or_folder, str | os.PathLike):
        raise TokenizerError(f"{name_or_folder!r:.60}: must be a path or a hub id")
    text = os.fspath(name_or_folder)
    if os.path.lexists(text):
        return Path(text)
    if not isinstance(name_or_folder, str) or not _looks_like_hub_id(text):
        raise TokenizerError(f"{text!r}: there is no such folder or file, and it is no hub id")
    try:
        import huggingface_hub
    except ImportError as error:
        raise TokenizerError(
            f"{text!r}: there is no such folder; to fetch it from the hub: "
            'pip install "clip-refimpl[hub]"'
        ) from error
    try:
        folder = huggingface_hub.snapshot_download(
            text,
            revision=revision,
            cache_dir=None if cache_dir is None else Path(cache_dir),
            local_files_only=local_files_only,
            token=token,
            endpoint=endpoint,
            allow_patterns=list(patterns),
            ignore_patterns=[_SUBFOLDERS],
        )
    except Exception as error:  # the network's errors have no common type across its versions
        which = repr(text) if revision is None else f"{text!r}, revision {revision!r}"
        raise TokenizerError(f"{which}: {_reason(error, local_files_only)}") from error
    return Path(folder)


def _looks_like_hub_id(text: str) -> bool:
    return len(text) <= 96 and not text.endswith(_WEIGHTS) and _HUB_ID.fullmatch(text) is not None


def _reason(error: Exception, local_files_only: bool) -> str:
    from huggingface_hub import errors as hub

    first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
    if isinstance(error, hub.GatedRepoError):
        return "ask for access on its hub page, then log in (hf auth login) or set HF_TOKEN"
    if isinstance(error, hub.RepositoryNotFoundError):
        return "neither a folder here nor a repository on the hub that you may read"
    if isinstance(error, hub.RevisionNotFoundError):
        return "the repository has no such revision"
    if isinstance(error, hub.LocalEntryNotFoundError):
        why = "only local files were asked for" if local_files_only else first_line
        return f"no folder here, not complete in the hub's cache, and not fetched: {why}"
    return f"fetching from the hub failed: {first_line}"
