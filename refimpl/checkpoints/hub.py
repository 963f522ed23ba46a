"""A name or a path -> a place on this machine: downloads a checkpoint when there is no such path.

How it is fetched stands in tokenizers_py/folders/hub.py, which tokenizers use too, so that a model and
its tokenizer come out of one cache. Only data is fetched: JSON, text, a SentencePiece model, and
weights in one format: safetensors where the repository has them, else the files of PyTorch, else
those of Flax. Never code, never two formats. Read on in folder.py.
"""

import os
from pathlib import Path

import tokenizers_py.folders.hub
from refimpl.errors import InputError
from tokenizers_py.errors import TokenizerError

__all__ = ["resolve"]

_SETTINGS = ("*.json", "*.txt", "spiece.model")
# One row for each form that weights come in, the best first: the patterns to fetch, and the files of
# which one is there when the repository has this form. An index is among _SETTINGS.
_WEIGHTS = (
    (("model.safetensors", "model-*-of-*.safetensors"), "model.safetensors*"),
    (("open_clip_model.safetensors",), "open_clip_model.safetensors"),
    (("pytorch_model.bin", "pytorch_model-*-of-*.bin"), "pytorch_model*.bin"),
    (("open_clip_pytorch_model.bin",), "open_clip_pytorch_model.bin"),
    (("flax_model.msgpack",), "flax_model.msgpack"),
)
_NO_WEIGHTS: tuple[tuple[tuple[str, ...], str], ...] = (((), "*"),)


def resolve(
    name_or_folder: str | os.PathLike[str],
    *,
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
    endpoint: str | None = None,
    weights: bool = True,
) -> Path:
    """Find a checkpoint: a folder or file that exists, or one from the hub.

    huggingface_hub's environment variables work as everywhere: HF_HOME, HF_HUB_CACHE,
    HF_HUB_OFFLINE, HF_ENDPOINT, HF_TOKEN.

    Args:
        name_or_folder: a path, taken as it is when something is there; otherwise a hub id such as
            "openai/clip-vit-base-patch32". A `pathlib.Path` is always a path.
        revision: branch, tag or commit on the hub; its main branch by default.
        cache_dir: the hub's cache folder, if not the usual one.
        local_files_only: take what the cache holds and do not touch the network.
        token: what to log in with, if not HF_TOKEN or the stored login; False: nothing.
        endpoint: address of the hub, if not the usual one.
        weights: whether weights are needed; a processor does without.

    Returns:
        The path given, or the folder of the snapshot in the cache.

    Raises:
        InputError: there is no such path and it cannot be a hub id; or huggingface_hub is not
            installed, there is no such repository or revision (or no access to it), it is not in
            the cache while offline, or the network fails.
    """
    for patterns, present in _WEIGHTS if weights else _NO_WEIGHTS:
        try:
            place = tokenizers_py.folders.hub.resolve(
                name_or_folder,
                _SETTINGS + patterns,
                revision=revision,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
                token=token,
                endpoint=endpoint,
            )
        except TokenizerError as error:
            raise InputError(str(error)) from error
        if place == Path(name_or_folder) or any(place.glob(present)):
            break
        # The folder of a snapshot has its commit as its name. From here on it is that commit, so
        # that a branch which moves in between cannot mix two versions.
        revision = place.name
    return place
