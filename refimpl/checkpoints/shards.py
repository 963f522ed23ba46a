"""Weights in several files: an index says which tensor lies in which of them.

    model.safetensors.index.json    {"weight_map": {"logit_scale": "model-00001-of-00002...", ...}}
    pytorch_model.bin.index.json    the same, for files of PyTorch

The index must name every tensor of its files and no other, and each only once. Called by folder.py.
"""

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from refimpl.checkpoints.names import shortened
from refimpl.checkpoints.safetensors_file import read_safetensors, read_safetensors_header
from refimpl.checkpoints.torch_file import read_torch_file
from refimpl.errors import InputError
from refimpl.shapes import Array, Shaped
from refimpl.strict_json import read_json

__all__ = ["read_shards"]

_MAX_INDEX_BYTES = 32 * 2**20


def read_shards(index: Path) -> dict[str, Shaped[Array, "..."]]:
    """Read all tensors that an index names.

    Raises:
        InputError: the index is not one, names files that are not in its own folder, or does not
            fit what its files hold (all told at once); or a file breaks a rule of its format.
    """
    ending = ".safetensors" if index.name.endswith(".safetensors.index.json") else ".bin"
    planned = _read_index(index, ending)
    folder = index.parent
    if ending == ".safetensors":  # their names can be checked before anything else is read
        _check(index, planned, lambda path: read_safetensors_header(path).tensors)
        tensors: dict[str, Array] = {}
        for shard in sorted(set(planned.values())):
            tensors |= read_safetensors(folder / shard)
        return tensors
    read: dict[Path, dict[str, Array]] = {}
    _check(index, planned, lambda path: read.setdefault(path, read_torch_file(path)))
    return {name: x for shard in read.values() for name, x in shard.items()}


def _check(
    index: Path, planned: dict[str, str], names_in: Callable[[Path], Collection[str]]
) -> None:
    """Compare the index with the names in its files."""
    problems = []
    found: dict[str, str] = {}
    missing = set()
    for shard in sorted(set(planned.values())):
        if not os.path.exists(index.parent / shard):
            problems.append(f"{shard}: there is no such file")
            missing.add(shard)
            continue
        for name in names_in(index.parent / shard):
            if name in found:
                problems.append(f"{name}: stands in two shards, {found[name]} and {shard}")
            elif planned.get(name) != shard:
                problems.append(f"{name}: is in {shard}, but the index does not say so")
            found[name] = shard
    problems += [
        f"{name}: is not in {shard}, but the index says so"
        for name, shard in planned.items()
        if name not in found and shard not in missing
    ]
    if problems:
        listing = "\n".join(f"  {line}" for line in shortened(problems))
        raise InputError(f"{index}: does not fit its shards\n{listing}")


def _read_index(path: Path, ending: str) -> dict[str, str]:
    """Read which file holds which tensor."""
    index: Any = read_json(path, _MAX_INDEX_BYTES)
    planned = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(planned, dict) or not planned:
        raise InputError(f"{path}: needs a weight_map from tensor names to file names")
    for name, shard in planned.items():
        if not isinstance(shard, str) or not _is_plain_file_name(shard, ending):
            raise InputError(
                f"{path}: {name!r} must be in a {ending} file of this folder, "
                f"got {str(shard)[:80]!r}"
            )
    return planned


def _is_plain_file_name(name: str, ending: str) -> bool:
    """Tell a name that can only lie in the folder itself, on every system, from any other."""
    return name.endswith(ending) and not any(sign in name for sign in "/\\:\0")
