"""One .safetensors file: its tensors as numpy arrays, and back.

Reading copies each tensor straight from the file into its own array: aligned, writable, nothing
stays open or mapped, and no more memory is taken than the tensors need. The rules of the format
are in safetensors_header.py. Called by folder.py.
"""

import json
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np

from refimpl.checkpoints.safetensors_header import (
    ITEM_BYTES,
    MAX_HEADER_BYTES,
    MAX_RANK,
    Entry,
    Header,
    read_header,
)
from refimpl.errors import InputError
from refimpl.files import open_for_reading, open_for_replacing
from refimpl.shapes import Array, Shaped

__all__ = ["read_safetensors", "read_safetensors_header", "write_safetensors"]

# How each type lies in the file. numpy has no bfloat16 and a bool must be looked at first, so
# these two are read as plain integers.
_STORED: dict[str, np.dtype[Any]] = {
    "U64": np.dtype("<u8"),
    "I64": np.dtype("<i8"),
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "BF16": np.dtype("<u2"),
    "F16": np.dtype("<f2"),
    "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("u1"),
}
_NAMES = {dtype: name for name, dtype in _STORED.items() if name not in ("BF16", "BOOL")}
_NAMES[np.dtype(bool)] = "BOOL"
_PYTORCH = MappingProxyType({"format": "pt"})  # Transformers refuses a file without this


def read_safetensors_header(path: str | os.PathLike[str]) -> Header:
    """Read what a file holds (metadata, names, types, shapes) without its tensors.

    Raises:
        InputError: the file cannot be read or breaks a rule of the format.
    """
    with open_for_reading(path) as file:
        return read_header(file, str(path))


def read_safetensors(path: str | os.PathLike[str]) -> dict[str, Shaped[Array, "..."]]:
    """Read every tensor of a file, in the order in which they lie there.

    Dtype:  as stored; BF16 comes back as float32, which holds each of its values exactly.
    Trap:   NaN and infinity are values like others here; `names.check_finite` reports them.
    Source: safetensors 0.8.0, its README and its reader.

    Raises:
        InputError: the file cannot be read, breaks a rule of the format, ends early, or holds a
            BOOL that is neither 0 nor 1.
    """
    with open_for_reading(path) as file:
        header = read_header(file, str(path))
        return {
            name: _read_tensor(file, header.data_start, entry, f"{path}: tensor {name!r}")
            for name, entry in header.tensors.items()
        }


def _read_tensor(file: BinaryIO, data_start: int, entry: Entry, where: str) -> Shaped[Array, "..."]:
    try:
        stored = np.empty(entry.shape, _STORED[entry.dtype])
        file.seek(data_start + entry.begin)
        got = file.readinto(stored.reshape(-1).view(np.uint8))  # type: ignore[attr-defined]
        if got != stored.nbytes:
            raise InputError(
                f"{where}: the file ended after {got:,} of {stored.nbytes:,} bytes; "
                "was it changed while it was read?"
            )
        if entry.dtype == "BOOL":
            if stored.max(initial=0) > 1:
                raise InputError(f"{where}: a BOOL must be 0 or 1, got {stored.max()}")
            return stored.view(np.bool_)
        if entry.dtype == "BF16":  # the upper half of a float32
            wide = stored.astype(np.uint32)
            wide <<= np.uint32(16)
            return wide.view(np.float32)
    except MemoryError as error:
        size = entry.end - entry.begin
        raise InputError(f"{where}: {size:,} bytes do not fit into memory") from error
    return stored


def write_safetensors(
    path: str | os.PathLike[str],
    tensors: Mapping[str, Shaped[Array, "..."]],
    metadata: Mapping[str, str] = _PYTORCH,
) -> None:
    """Write tensors to a file that takes the place of `path` only when it is complete.

    Equal tensors and metadata give equal bytes: the tensors are sorted by type, widest first,
    then by name, as the reference writer does, so every one starts at a multiple of its size.

    Dtype:  float64, 32, 16; int64 to 8; uint64 to 8; bool. Any memory layout or byte order.
    Trap:   Transformers 4 refuses a file whose metadata lacks "format"; the default has it.

    Raises:
        InputError: a type that the format or numpy lacks, a name that is no text, or the file
            cannot be written. Nothing half-written stays, and an old file stays as it was.
    """
    arrays = {name: _storable(name, value, str(path)) for name, value in tensors.items()}
    place = {dtype: number for number, dtype in enumerate(ITEM_BYTES)}
    order = sorted(arrays, key=lambda name: (place[_NAMES[arrays[name].dtype]], name))
    document: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    end = 0
    for name in order:
        array = arrays[name]
        begin, end = end, end + array.nbytes
        document[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": array.shape,
            "data_offsets": (begin, end),
        }
    header = _encode(document, str(path))
    with open_for_replacing(path) as file:
        file.write(header)
        for name in order:
            file.write(_raw_bytes(arrays[name]))


def _storable(name: str, value: Shaped[Array, "..."], where: str) -> Shaped[Array, "..."]:
    array = np.asarray(value)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if array.dtype not in _NAMES:
        raise InputError(f"{where}: tensor {name!r} of type {array.dtype} cannot be written")
    if array.ndim > MAX_RANK:
        raise InputError(f"{where}: tensor {name!r} has {array.ndim} axes; at most {MAX_RANK}")
    if not isinstance(name, str) or name == "__metadata__":
        raise InputError(f"{where}: {name!r} cannot be the name of a tensor")
    return array


def _encode(document: dict[str, Any], where: str) -> bytes:
    """Encode the length field and the JSON, padded with spaces so that the data is aligned."""
    try:
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    except (TypeError, UnicodeError) as error:
        raise InputError(f"{where}: a name or the metadata is not text: {error}") from error
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER_BYTES:
        raise InputError(f"{where}: {len(document):,} tensors are more than a header may name")
    return len(text).to_bytes(8, "little") + text


def _raw_bytes(array: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
