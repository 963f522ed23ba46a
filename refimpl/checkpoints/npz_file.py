"""An .npz file, which big_vision's checkpoints are: a zip archive of numpy arrays.

Each entry `name.npy` is a short text that gives type, order and shape, then the numbers. Only plain
number types are read: an array of objects would be a pickle, and is refused. bfloat16, which numpy
knows only as "two bytes of something" (V2), comes back as float32, as big_vision reads it.
Called by folder.py; the rules of the zip format are in zip_archive.py.
Source: numpy/lib/_format_impl.py of numpy 2.4 (format versions 1.0 to 3.0); big_vision's
utils.py, recover_dtype, for V2.
"""

import math
import os
import re

from refimpl.checkpoints.stored_types import MAX_RANK, in_file, loaded
from refimpl.checkpoints.zip_archive import read_directory, read_entry
from refimpl.errors import InputError
from refimpl.files import open_for_reading
from refimpl.shapes import Array, Shaped, UInt8

__all__ = ["read_npz"]

_MAGIC = b"\x93NUMPY"
_MAX_HEADER_BYTES = 4096  # that of a plain array has 118
_TYPES = {"b1": "BOOL", "V2": "BF16"} | {
    f"{letter}{size}": f"{name}{size * 8}"
    for letter, name, sizes in (
        ("f", "F", (2, 4, 8)),
        ("i", "I", (1, 2, 4, 8)),
        ("u", "U", (1, 2, 4, 8)),
    )
    for size in sizes
}
# Exactly what numpy writes; no array of plain numbers has another header.
_HEADER = re.compile(
    r"\{'descr': '([<>|=])([a-zA-Z]\d*)', 'fortran_order': (True|False), "
    r"'shape': \(([\d, ]*)\), \} *\n"
)


def read_npz(path: str | os.PathLike[str]) -> dict[str, Shaped[Array, "..."]]:
    """Read every array of an .npz file, packed or not. Names may have slashes: "params/img/t".

    Dtype:  as stored; V2 (bfloat16) comes back as float32, which holds each of its values exactly.

    Raises:
        InputError: the file cannot be read, is not a zip archive of .npy entries, is damaged,
            unpacks to far more than its size, or holds objects, texts or complex numbers.
    """
    with open_for_reading(path) as file:
        entries = read_directory(file, str(path))
        arrays: dict[str, Array] = {}
        for name, entry in entries.items():
            where = f"{path}: array {name[:200]!r}"
            if not name.endswith(".npy"):
                raise InputError(f"{where}: its name does not end in .npy")
            raw = read_entry(file, entry, str(path))
            arrays[name.removesuffix(".npy")] = _array(raw, where)
        return arrays


def _array(raw: UInt8[Array, " n"], where: str) -> Shaped[Array, "..."]:
    """Read one .npy entry."""
    text, begin = _header(raw[: _MAX_HEADER_BYTES + 12].tobytes(), where)
    matched = _HEADER.fullmatch(text)
    if matched is None:
        raise InputError(f"{where}: its header is not one of a plain array: {text[:120]!r}")
    order, kind, fortran, sizes = matched.groups()
    if kind not in _TYPES:
        raise InputError(
            f"{where}: numbers of type {order + kind!r} are not read"
            + (": objects are a pickle, which may be code" if kind[0] == "O" else "")
        )
    shape = _shape(sizes, where)
    item = in_file(_TYPES[kind], ">" if order == ">" else "<")
    needed = math.prod(shape) * item.itemsize
    if needed != raw.size - begin:
        raise InputError(
            f"{where}: {order}{kind} of shape {str(shape)[:80]} needs {needed:,} bytes, but "
            f"{raw.size - begin:,} are there"
        )
    numbers = raw[begin:].view(item).reshape(shape, order="F" if fortran == "True" else "C")
    try:
        numbers = numbers.copy(order="C")
    except (MemoryError, ValueError) as error:
        raise InputError(f"{where}: shape {str(shape)[:80]} does not fit memory") from error
    return loaded(numbers, _TYPES[kind], where)


def _header(head: bytes, where: str) -> tuple[str, int]:
    """Read the text of the header, and where the numbers begin."""
    version = head[6:8]
    if head[:6] != _MAGIC or version not in (b"\1\0", b"\2\0", b"\3\0"):
        raise InputError(f"{where}: not an array in numpy's format, versions 1.0 to 3.0")
    text_at = 10 if version == b"\1\0" else 12
    length = int.from_bytes(head[8:text_at], "little")
    if length > _MAX_HEADER_BYTES or text_at + length > len(head):
        raise InputError(
            f"{where}: a header of {length:,} bytes; at most {_MAX_HEADER_BYTES:,} are read"
        )
    return head[text_at : text_at + length].decode("latin-1"), text_at + length


def _shape(sizes: str, where: str) -> tuple[int, ...]:
    parts = [part.strip() for part in sizes.split(",")]
    if parts[-1] == "":
        parts.pop()
    if len(parts) > MAX_RANK or not all(part.isdigit() and len(part) <= 19 for part in parts):
        raise InputError(f"{where}: the shape must be up to {MAX_RANK} numbers, got {sizes[:80]!r}")
    shape = tuple(map(int, parts))
    if math.prod(max(length, 1) for length in shape) * 8 >= 2**63:
        raise InputError(f"{where}: the shape {sizes[:80]} is too large")
    return shape
