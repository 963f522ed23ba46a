"""The number types of weight files: how each lies in a file, and which numpy array it becomes.

The names are those of safetensors ("F32", "BF16"); torch_file.py, npz_file.py and msgpack_file.py
translate theirs. numpy has no bfloat16, so such bytes become float32, which holds each of their
values exactly. A bool must be 0 or 1, because numpy gives no meaning to others.
"""

from typing import Any

import numpy as np

from refimpl.errors import InputError
from refimpl.shapes import Array, Shaped

__all__ = ["MAX_RANK", "STORED_TYPES", "in_file", "loaded"]

MAX_RANK = 32  # the most axes that numpy 1 can hold; no weight has more than five

STORED_TYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("f8"),
    "F32": np.dtype("f4"),
    "F16": np.dtype("f2"),
    "BF16": np.dtype("u2"),
    "I64": np.dtype("i8"),
    "I32": np.dtype("i4"),
    "I16": np.dtype("i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("u8"),
    "U32": np.dtype("u4"),
    "U16": np.dtype("u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("u1"),
}
"""The numpy type as which the bytes are read; see `loaded` for what becomes of them."""


def in_file(type_name: str, byte_order: str) -> np.dtype[Any]:
    """Give the numpy type of numbers as they lie in a file; `byte_order` is "<" or ">"."""
    stored: np.dtype[Any] = np.dtype(byte_order + STORED_TYPES[type_name].str[1:])
    return stored


def loaded(stored: Shaped[Array, "*shape"], type_name: str, where: str) -> Shaped[Array, "*shape"]:
    """Give numbers read from a file their meaning, in this machine's byte order.

    It may be the same array or a new one.

    >>> loaded(np.uint16([0x3F80, 0xC000]), "BF16", "example").tolist()
    [1.0, -2.0]

    Raises:
        InputError: a bool that is neither 0 nor 1.
    """
    stored = stored.astype(STORED_TYPES[type_name], copy=False)
    if type_name == "BOOL":
        if stored.max(initial=0) > 1:
            raise InputError(f"{where}: a bool must be 0 or 1, got {stored.max()}")
        return stored.astype(np.bool_)
    if type_name == "BF16":  # the upper half of a float32
        wide = stored.astype(np.uint32)
        wide <<= np.uint32(16)
        return wide.view(np.float32)
    return stored
