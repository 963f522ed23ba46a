"""The header of a safetensors file: every rule of the format, checked before any data is read.

A file is: 8 bytes N (little-endian), N bytes of JSON, then the tensors' bytes. The JSON maps each
name to {"dtype", "shape", "data_offsets": [begin, end]}, the offsets counted from the end of the
JSON; "__metadata__" holds strings. The tensors must fill the rest of the file without a gap,
an overlap or a rest.

Source: the format's README and its reference reader (safetensors 0.8.0). Stricter than that one:
a tensor name that stands there twice (it keeps the last), a header above MAX_HEADER_BYTES (it
allows 100 MB), a rank above MAX_RANK or a zero-size shape that numpy cannot hold (it fails with
numpy's error). Types that no model of ours uses (F8_*, F4, C64) are refused. As lenient as it:
spaces around the JSON (writers pad with them) and any name, even "" and "../x", which is never
used as a path.
Called by safetensors_file.py.
"""

import os
import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, BinaryIO

from refimpl.errors import InputError
from refimpl.strict_json import parse_json

__all__ = ["ITEM_BYTES", "MAX_HEADER_BYTES", "MAX_RANK", "Entry", "Header", "read_header"]

# Bytes per number. The order is the one in which the reference writer lays tensors out in a file.
ITEM_BYTES = {
    "U64": 8,
    "I64": 8,
    "F64": 8,
    "F32": 4,
    "U32": 4,
    "I32": 4,
    "BF16": 2,
    "F16": 2,
    "U16": 2,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
MAX_HEADER_BYTES = 32 * 2**20  # about 300 000 tensors; parsed, it takes some thirty times as much
MAX_RANK = 32  # the most axes that numpy 1 can hold
_MAX_ARRAY_BYTES = 2**63 - 1  # numpy's limit, which counts only the axes that are not zero
_FIELDS = frozenset({"dtype", "shape", "data_offsets"})


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one tensor lies, and what it is. `begin` and `end` count bytes from `data_start`."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself: its metadata and its tensors, in the order of their bytes."""

    metadata: dict[str, str]
    tensors: dict[str, Entry]
    data_start: int


def read_header(file: BinaryIO, where: str) -> Header:
    """Read and check the header of an open file. `where` names the file in error messages.

    Raises:
        InputError: any rule of the format is broken.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    length_field = file.read(8)
    if len(length_field) < 8:
        raise InputError(f"{where}: not a safetensors file: only {size} bytes long")
    length = int.from_bytes(length_field, "little")
    if not 2 <= length <= min(size - 8, MAX_HEADER_BYTES):
        raise InputError(
            f"{where}: not a safetensors file, or cut short: its first 8 bytes announce a header "
            f"of {length:,} bytes; the file has {size:,}, and at most {MAX_HEADER_BYTES:,} are read"
        )
    document = parse_json(file.read(length), f"{where}: header")
    if not isinstance(document, dict):
        raise InputError(f"{where}: header: must be an object, got {type(document).__name__}")
    metadata = _metadata(document.pop("__metadata__", None), where)
    entries = {name: _entry(name, value, where) for name, value in document.items()}
    ordered = dict(sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)))
    _check_layout(ordered, size - 8 - length, where)
    _warn_of_unknown_fields(document, where)
    return Header(metadata, ordered, 8 + length)


def _metadata(value: Any, where: str) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise InputError(f"{where}: header: __metadata__ must map names to strings")
    return value


def _entry(name: str, value: Any, where: str) -> Entry:
    place = f"{where}: tensor {name!r}"
    if not isinstance(value, dict) or not value.keys() >= _FIELDS:
        raise InputError(f"{place}: needs dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise InputError(f"{place}: type {str(dtype)[:40]!r} is not one of {' '.join(ITEM_BYTES)}")
    if not _are_sizes(shape) or len(shape) > MAX_RANK:
        raise InputError(
            f"{place}: the shape must be up to {MAX_RANK} numbers >= 0, got {str(shape)[:80]}"
        )
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise InputError(f"{place}: data_offsets must be [begin, end], got {str(offsets)[:80]}")
    bytes_needed = ITEM_BYTES[dtype]
    for length in shape:
        bytes_needed *= length or 1
    if bytes_needed > _MAX_ARRAY_BYTES:
        raise InputError(f"{place}: the shape {str(shape)[:80]} is too large")
    if 0 in shape:
        bytes_needed = 0
    begin, end = offsets
    if end - begin != bytes_needed:
        raise InputError(
            f"{place}: {dtype} of shape {str(shape)[:80]} needs {bytes_needed:,} bytes, but "
            f"data_offsets {offsets} hold {end - begin:,}"
        )
    return Entry(dtype, tuple(shape), begin, end)


def _are_sizes(value: Any) -> bool:
    # `type() is int`: JSON's true is a bool, which Python counts as an int.
    return isinstance(value, list) and all(
        type(number) is int and 0 <= number < 2**64 for number in value
    )


def _check_layout(tensors: dict[str, Entry], data_bytes: int, where: str) -> None:
    """Check that the tensors, sorted by place, tile the data from its first to its last byte."""
    edges = [("the start of the data", 0, 0)]
    edges += [(repr(name), entry.begin, entry.end) for name, entry in tensors.items()]
    edges += [("the end of the file", data_bytes, data_bytes)]
    for (before, _, end), (after, begin, _) in pairwise(edges):
        if begin != end:
            what = "a gap" if begin > end else "an overlap"
            raise InputError(
                f"{where}: {what} of {abs(begin - end):,} bytes at byte {min(begin, end):,} of "
                f"the data, between {before} and {after}; is the file cut short?"
            )


def _warn_of_unknown_fields(document: dict[str, Any], where: str) -> None:
    unknown = sorted({field for value in document.values() for field in value} - _FIELDS)
    if unknown:
        warnings.warn(f"{where}: header fields not known here: {unknown[:5]}", stacklevel=2)
