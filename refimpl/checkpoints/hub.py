"""A name or a path -> a place on this machine: downloads a checkpoint when there is no such path.

How it is fetched stands in tokenizers_py/folders/hub.py, which tokenizers use too, so that a model and its
tokenizer come out of one cache. Only data is fetched: JSON, text, a SentencePiece model and
safetensors weights; never code, never pickles. Read on in folder.py.
"""

import os
from pathlib import Path

import tokenizers_py.folders.hub
from refimpl.errors import InputError
from tokenizers_py.errors import TokenizerError

__all__ = ["resolve"]

_PATTERNS = (
    "*.json",
    "*.txt",
    "spiece.model",
    "model.safetensors",
    "model-*-of-*.safetensors",
)


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
    try:
        return tokenizers_py.folders.hub.resolve(
            name_or_folder,
            _PATTERNS,
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            endpoint=endpoint,
        )
    except TokenizerError as error:
        raise InputError(str(error)) from error
