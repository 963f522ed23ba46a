"""A checkpoint is a folder: config.json beside weights in one of several formats.

    config = read_config(folder)
    tensors = read_weights(folder)
    write_folder(folder, config, tensors)

The path of a weight file stands for that file with the config.json beside it. Names are as the
files spell them; names.py brings them to the model's spelling. In a folder the first of these is
read, whatever else lies there:

    model.safetensors, or shards with model.safetensors.index.json
    open_clip_model.safetensors
    pytorch_model.bin, or shards with pytorch_model.bin.index.json
    open_clip_pytorch_model.bin
    flax_model.msgpack

Readers: safetensors_file.py, torch_file.py (no pickle is ever executed), msgpack_file.py, and
npz_file.py for the path of a single .npz. Shards: shards.py. Where a folder comes from a hub:
hub.py.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from refimpl.checkpoints.msgpack_file import read_flax_msgpack
from refimpl.checkpoints.npz_file import read_npz
from refimpl.checkpoints.safetensors_file import read_safetensors, write_safetensors
from refimpl.checkpoints.shards import read_shards
from refimpl.checkpoints.torch_file import read_torch_file
from refimpl.errors import InputError
from refimpl.files import make_folder
from refimpl.shapes import Array, Shaped
from refimpl.strict_json import encode_json, read_json, write_json

__all__ = [
    "CONFIG_NAME",
    "INDEX_NAME",
    "WEIGHTS_NAME",
    "read_config",
    "read_weights",
    "write_config",
    "write_folder",
]

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"
_IN_A_FOLDER = (
    WEIGHTS_NAME,
    INDEX_NAME,
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "open_clip_pytorch_model.bin",
    "flax_model.msgpack",
)
_REFUSED = ("tf_model.h5",)
_MAX_CONFIG_BYTES = 16 * 2**20  # 21 000 class names, twice, are about 2 MB
_HOW_TO_CONVERT = (
    "load it once with Transformers and call model.save_pretrained(folder), which writes "
    + WEIGHTS_NAME
)
_READERS: Mapping[str, Callable[[Path], dict[str, Array]]] = {
    ".safetensors": read_safetensors,
    ".bin": read_torch_file,
    ".pt": read_torch_file,
    ".pth": read_torch_file,
    ".ckpt": read_torch_file,
    ".npz": read_npz,
    ".msgpack": read_flax_msgpack,
    ".index.json": read_shards,
}


def read_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read config.json of a checkpoint: its folder, its weight file, or the JSON file itself.

    Nothing in it is followed: `auto_map` and `_name_or_path` are plain entries.

    Raises:
        InputError: no such folder, no config.json in it, or not one JSON object
            (strict_json.py has the rules).
    """
    file = Path(path)
    if file.suffix != ".json" or os.path.isdir(file):
        folder, _ = _locate(path)
        file = folder / CONFIG_NAME
        if not os.path.exists(file):
            raise InputError(f"{folder}: there is no {CONFIG_NAME} here, so this is no checkpoint")
    config = read_json(file, _MAX_CONFIG_BYTES)
    if not isinstance(config, dict):
        raise InputError(f"{file}: must be a JSON object, got {type(config).__name__}")
    return config


def read_weights(path: str | os.PathLike[str]) -> dict[str, Shaped[Array, "..."]]:
    """Read every tensor of a checkpoint: a folder, one weight file, or the index of shards.

    A folder that holds both one file and an index is read from the one file, as upstream does.

    Raises:
        InputError: no such folder, no weights in it, only weights of another format, a file that
            breaks a rule of its format, or an index that does not fit its shards.
    """
    folder, file = _locate(path)
    if file is None:
        file = _weights_in(folder)
    return _READERS[_ending(file)](file)


def _locate(path: str | os.PathLike[str]) -> tuple[Path, Path | None]:
    """Tell a folder (folder, None) from a weight file (its folder, file)."""
    place = Path(path)
    if os.path.isdir(place):
        return place, None
    if not os.path.exists(place):
        raise InputError(f"{str(place)!r}: there is no such folder or file")
    if place.suffix == ".h5":
        raise InputError(f"{place}: TensorFlow's weights are not read: {_HOW_TO_CONVERT}")
    if _ending(place) not in _READERS:
        endings = " ".join(_READERS)
        raise InputError(f"{place}: neither a folder nor a file of weights ({endings})")
    return place.parent, place


def _ending(file: Path) -> str:
    return ".index.json" if file.name.endswith(".index.json") else file.suffix


def _weights_in(folder: Path) -> Path:
    for name in _IN_A_FOLDER:
        if os.path.exists(folder / name):
            return folder / name
    refused = [name for name in _REFUSED if os.path.exists(folder / name)]
    if refused:
        raise InputError(
            f"{folder}: TensorFlow's weights are not read, and here is only {refused[0]}: "
            + _HOW_TO_CONVERT
        )
    raise InputError(f"{folder}: no weights here: none of {', '.join(_IN_A_FOLDER)}")


def write_config(folder: str | os.PathLike[str], config: Mapping[str, Any]) -> None:
    """Write config.json, making the folder if there is none. An old one is replaced at once.

    The keys are sorted, so equal configs are equal files.

    Raises:
        InputError: the config is not JSON (NaN is not), or the folder cannot be written.
    """
    write_json(Path(folder) / CONFIG_NAME, config)


def write_folder(
    folder: str | os.PathLike[str],
    config: Mapping[str, Any],
    tensors: Mapping[str, Shaped[Array, "..."]],
) -> None:
    """Write model.safetensors and config.json, making the folder if there is none.

    Each file is replaced all at once or not at all (files.py); the weights come first. Equal
    checkpoints are equal files.

    Raises:
        InputError: the config is not JSON (NaN is not), a tensor cannot be stored, or the folder
            cannot be written.
    """
    config_file = Path(folder) / CONFIG_NAME
    encode_json(config, str(config_file))  # refused before anything is written
    make_folder(config_file.parent)
    write_safetensors(Path(folder) / WEIGHTS_NAME, tensors)
    write_json(config_file, config)
