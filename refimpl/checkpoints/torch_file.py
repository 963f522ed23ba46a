"""A PyTorch file (.bin, .pt, .pth, .ckpt) -> its state dict as numpy arrays, without PyTorch.

Three formats have these endings, and the first bytes tell them apart:

    torch.save since 1.6    a zip archive: data.pkl says which tensors there are, data/0, data/1, ...
                            hold the numbers
    torch.jit.save          the same archive, and code/; OpenAI's CLIP files are of this kind
    torch.save before 1.6   five pickles in a row, then the numbers

The pickle is read by a machine of our own that knows a short list of names (pickle_machine.py,
torch_globals.py); the code in code/ is never opened. Anything else in a file ends in an InputError.
There is no other, more generous reader to fall back to.

Which state dict: the one with the most tensors among what was saved itself and what it holds under
`state_dict`, `model_state_dict`, `model` and `module`, where training scripts put it. Of a
TorchScript archive, every tensor of its modules under its dotted path ("visual.conv1.weight"),
which are its parameters and buffers. What is not a tensor is left out, names are as they stand
("module." and all), and the caller compares them with what the model needs (names.py).
"""

import os
from collections.abc import Mapping
from typing import Any, BinaryIO

from refimpl.checkpoints.pickle_machine import run_pickle
from refimpl.checkpoints.pickle_stack import Record
from refimpl.checkpoints.torch_globals import (
    Storage,
    Tensor,
    find_global,
    find_script_global,
    make_storage,
    remember,
)
from refimpl.checkpoints.torch_legacy import LegacyFile, is_legacy
from refimpl.checkpoints.torch_tensors import read_tensors
from refimpl.checkpoints.zip_archive import ZipEntry, read_directory, read_entry
from refimpl.errors import InputError
from refimpl.files import open_for_reading
from refimpl.shapes import Array, Shaped, UInt8

__all__ = ["read_torch_file"]

_PLACES = ("state_dict", "model_state_dict", "model", "module")
_MAX_PICKLE_BYTES = 32 * 2**20  # as much as a safetensors header
_MAX_PATH = 512  # letters of a dotted name; CLIP's have up to 60
_MAX_ATTRIBUTES = 200_000  # of all modules; CLIP's have some 6000
_BYTE_ORDERS = {b"little": "<", b"big": ">"}


def read_torch_file(path: str | os.PathLike[str]) -> dict[str, Shaped[Array, "..."]]:
    """Read the state dict of a PyTorch file, without PyTorch and without running anything of it.

    Dtype:  as stored; BF16 comes back as float32, which holds each of its values exactly.
    Trap:   tied tensors come back as the same array.
    Trap:   a TorchScript archive does not say which buffers its module would not save, so all of
            them are here.

    Raises:
        InputError: the file cannot be read, is not PyTorch's or older than 2017 (a tar archive),
            names anything that is not on the short list, is damaged, holds no tensors, or its
            tensors are of a type that no model of ours uses (complex, quantized, float8).
    """
    where = str(path)
    with open_for_reading(path) as file:
        head = file.read(512)
        if head[:4] == b"PK\3\4":
            return _read_zip(file, where)
        if is_legacy(head):
            legacy = LegacyFile(file, where)
            tensors = _find_state_dict(legacy.saved, where)
            size = file.seek(0, os.SEEK_END)
            return read_tensors(tensors, legacy.read_storage, "<", size, where)
    if head[257:262] == b"ustar":
        raise InputError(
            f"{where}: a tar archive, as PyTorch wrote them before 2017: not read here. Load it "
            "with an old PyTorch and save the state dict with a newer one"
        )
    raise InputError(f"{where}: not a file of torch.save or torch.jit.save")


def _read_zip(file: BinaryIO, where: str) -> dict[str, Shaped[Array, "..."]]:
    entries = read_directory(file, where)
    root = _root(entries, where)
    storages: dict[str, Storage] = {}
    is_script = f"{root}/constants.pkl" in entries
    pickled = entries[f"{root}/data.pkl"]
    if pickled.size > _MAX_PICKLE_BYTES:
        raise InputError(f"{where}: its pickle has {pickled.size:,} bytes, {_MAX_PICKLE_BYTES:,}")
    data = read_entry(file, pickled, where).tobytes()
    saved, end = run_pickle(
        data,
        0,
        where,
        find_script_global if is_script else find_global,
        lambda saved_id: remember(storages, make_storage(saved_id)),
    )
    if end != len(data):
        raise InputError(f"{where}: {len(data) - end:,} bytes follow the end of its pickle")
    tensors = _find_module_tensors(saved, where) if is_script else _find_state_dict(saved, where)

    def read_storage(storage: Storage) -> UInt8[Array, " n"]:
        entry = entries.get(f"{root}/data/{storage.key}")
        if entry is None or entry.deflated or entry.size != storage.stored_bytes:
            raise InputError(
                f"{where}: storage {storage.key[:40]!r} must be an entry of "
                f"{storage.stored_bytes:,} bytes, not packed; "
                + ("there is none" if entry is None else f"it has {entry.size:,}")
            )
        return read_entry(file, entry, where)

    byte_order = _byte_order(file, entries.get(f"{root}/byteorder"), where)
    size = file.seek(0, os.SEEK_END)
    return read_tensors(tensors, read_storage, byte_order, size, where)


def _root(entries: Mapping[str, ZipEntry], where: str) -> str:
    """Find the folder in the archive that everything stands in."""
    roots = [name.removesuffix("/data.pkl") for name in entries if name.endswith("/data.pkl")]
    if len(roots) != 1 or "/" in roots[0]:
        raise InputError(
            f"{where}: a zip archive that PyTorch did not write: it needs one entry data.pkl in "
            f"one folder, and has {len(roots)}"
        )
    return roots[0]


def _byte_order(file: BinaryIO, entry: ZipEntry | None, where: str) -> str:
    if entry is None:  # before 2.1, and always little
        return "<"
    text = read_entry(file, entry, where).tobytes() if entry.size < 10 else b"?"
    if text not in _BYTE_ORDERS:
        raise InputError(f"{where}: the byte order must be little or big, got {text!r}")
    return _BYTE_ORDERS[text]


def _find_state_dict(saved: Any, where: str) -> dict[str, Tensor]:
    """Find the mapping with the most tensors: what was saved, or one of its usual places."""
    places = [saved]
    if type(saved) is dict:
        places += [saved[place] for place in _PLACES if place in saved]
    found = [
        {name: x for name, x in place.items() if type(name) is str and type(x) is Tensor}
        for place in places
        if type(place) is dict
    ]
    best = max(found, key=len, default={})
    if not best and saved != {}:
        raise InputError(
            f"{where}: holds no state dict: no names with tensors at its top or under "
            + ", ".join(_PLACES)
        )
    return best


def _find_module_tensors(saved: Any, where: str) -> dict[str, Tensor]:
    """Collect the tensors of a tree of modules by their dotted paths, each module's own first."""
    if type(saved) is not Record:
        raise InputError(f"{where}: a TorchScript archive that does not hold a module")
    tensors: dict[str, Tensor] = {}
    modules = [("", saved)]
    seen = 0  # modules and attributes; one that is reached in two ways counts twice
    while modules:
        prefix, module = modules.pop()
        seen += 1 + len(module.attributes or {})
        if seen > _MAX_ATTRIBUTES or len(prefix) > _MAX_PATH:
            raise InputError(f"{where}: too many modules, or a module within itself")
        children = []
        for name, value in (module.attributes or {}).items():
            if type(name) is not str or "." in name:
                raise InputError(f"{where}: {prefix}{name!r} is not the name of an attribute")
            if type(value) is Tensor:
                tensors[prefix + name] = value
            elif type(value) is Record:
                children.append((f"{prefix}{name}.", value))
        modules += reversed(children)
    if not tensors:
        raise InputError(f"{where}: a TorchScript archive whose modules hold no tensors")
    return tensors
