"""A checkpoint is a folder: config.json beside model.safetensors, or beside shards and an index.

    config = read_config(folder)
    tensors = read_weights(folder)
    write_folder(folder, config, tensors)

The path of a .safetensors file stands for that file with the config.json beside it. Names are as
the files spell them; names.py brings them to the model's spelling. Pickled weights
(pytorch_model.bin) are never opened. Where the folder comes from a hub: hub.py.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from refimpl.checkpoints.names import shortened
from refimpl.checkpoints.safetensors_file import (
    read_safetensors,
    read_safetensors_header,
    write_safetensors,
)
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
_OTHER_WEIGHTS = (
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "tf_model.h5",
    "flax_model.msgpack",
)
_MAX_CONFIG_BYTES = 16 * 2**20  # 21 000 class names, twice, are about 2 MB
_MAX_INDEX_BYTES = 32 * 2**20
_HOW_TO_CONVERT = (
    "load it once with Transformers and call model.save_pretrained(folder), which writes "
    + WEIGHTS_NAME
)


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
    """Read every tensor of a checkpoint: a folder, or one weight file.

    A folder that holds both one file and an index is read from the one file, as upstream does.

    Raises:
        InputError: no such folder, no weights in it, only weights of another format, a file that
            breaks a rule (safetensors_header.py), or an index that does not fit its shards.
    """
    folder, file = _locate(path)
    if file is not None:
        return read_safetensors(file)
    if os.path.exists(folder / WEIGHTS_NAME):
        return read_safetensors(folder / WEIGHTS_NAME)
    if os.path.exists(folder / INDEX_NAME):
        return _read_shards(folder)
    others = [name for name in _OTHER_WEIGHTS if os.path.exists(folder / name)]
    if others:
        raise InputError(
            f"{folder}: only safetensors weights are read, and here is only {', '.join(others)}: "
            + _HOW_TO_CONVERT
        )
    raise InputError(f"{folder}: no weights here: neither {WEIGHTS_NAME} nor {INDEX_NAME}")


def _locate(path: str | os.PathLike[str]) -> tuple[Path, Path | None]:
    """Tell a folder (folder, None) from a weight file (its folder, file)."""
    place = Path(path)
    if os.path.isdir(place):
        return place, None
    if not os.path.exists(place):
        raise InputError(f"{str(place)!r}: there is no such folder or file")
    if place.suffix in (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack"):
        raise InputError(f"{place}: only safetensors weights are read: {_HOW_TO_CONVERT}")
    if place.suffix != ".safetensors":
        raise InputError(f"{place}: neither a folder nor a .safetensors file")
    return place.parent, place


def _read_shards(folder: Path) -> dict[str, Shaped[Array, "..."]]:
    planned = _read_index(folder / INDEX_NAME)
    problems = []
    found: dict[str, str] = {}
    for shard in sorted(set(planned.values())):
        if not os.path.exists(folder / shard):
            problems.append(f"{shard}: there is no such file")
            continue
        for name in read_safetensors_header(folder / shard).tensors:
            if name in found:
                problems.append(f"{name}: stands in two shards, {found[name]} and {shard}")
            elif planned.get(name) != shard:
                problems.append(f"{name}: is in {shard}, but the index does not say so")
            found[name] = shard
    problems += [
        f"{name}: is not in {shard}, but the index says so"
        for name, shard in planned.items()
        if name not in found and os.path.exists(folder / shard)
    ]
    if problems:
        listing = "\n".join(f"  {line}" for line in shortened(problems))
        raise InputError(f"{folder / INDEX_NAME}: does not fit its shards\n{listing}")
    tensors: dict[str, Array] = {}
    for shard in sorted(set(planned.values())):
        tensors |= read_safetensors(folder / shard)
    return tensors


def _read_index(path: Path) -> dict[str, str]:
    """Read which shard holds which tensor."""
    index = read_json(path, _MAX_INDEX_BYTES)
    planned = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(planned, dict) or not planned:
        raise InputError(f"{path}: needs a weight_map from tensor names to file names")
    for name, shard in planned.items():
        if not isinstance(shard, str) or not _is_plain_file_name(shard):
            raise InputError(
                f"{path}: {name!r} must be in a .safetensors file of this folder, "
                f"got {str(shard)[:80]!r}"
            )
    return planned


def _is_plain_file_name(name: str) -> bool:
    """Tell a name that can only lie in the folder itself, on every system, from any other."""
    return name.endswith(".safetensors") and not any(sign in name for sign in "/\\:\0")


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
