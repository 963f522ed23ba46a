"""A flax_model.msgpack -> arrays with the path of each as its name.

Flax writes nested dicts in the MessagePack format, with two types of its own for arrays (1) and
for single numbers (3): each again MessagePack, of (shape, name of the type, bytes). An array of
more than 1 GiB is a dict of chunks. Nested keys are joined by "/":
"text_model/embeddings/position_ids".

The format itself is read by the package msgpack (the optional extra "flax", imported only when it
is needed), within the limits below. Called by folder.py.
Source: flax/serialization.py of Flax 0.10.
"""

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from refimpl.checkpoints.stored_types import MAX_RANK, in_file, loaded
from refimpl.errors import InputError
from refimpl.files import open_for_reading
from refimpl.shapes import Array, Shaped

__all__ = ["read_flax_msgpack"]

_ARRAY, _NUMBER = 1, 3
_TYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
_MAX_KEYS = 4096  # of one dict; the package keeps up to 1024 open within each other
_MAX_TOTAL = 200_000  # of keys, dicts and lists together
_MAX_ITEMS = 1024  # of one list; only shapes are lists
_MAX_PATH = 512  # letters of a name
_CHUNKED = "__msgpack_chunked_array__"


def read_flax_msgpack(path: str | os.PathLike[str]) -> dict[str, Shaped[Array, "..."]]:
    """Read every array of a Flax checkpoint; what is not an array (a step count) is left out.

    Dtype:  as stored; bfloat16 comes back as float32, which holds each of its values exactly.

    Raises:
        InputError: the package msgpack is missing, the file cannot be read or is damaged, breaks a
            limit above, has a key twice, or holds numbers of a type that no weights have.
    """
    try:
        import msgpack
    except ImportError as error:
        raise InputError(
            f'{path}: to read Flax weights: pip install "clip-refimpl[flax]"'
        ) from error
    reader = _Reader(msgpack.unpackb)
    try:
        with open_for_reading(path) as file:
            data = file.read()
        tree = msgpack.unpackb(
            data,
            ext_hook=reader.extension,
            object_pairs_hook=reader.mapping,
            list_hook=reader.listing,
            max_array_len=_MAX_ITEMS,
            max_map_len=_MAX_KEYS,
        )
        return _flat(tree)
    except InputError as error:
        named = str(error).startswith(str(path))
        raise InputError(str(error) if named else f"{path}: {error}") from error
    except (ValueError, MemoryError, msgpack.UnpackException) as error:
        reason = str(error) or type(error).__name__
        raise InputError(f"{path}: not valid MessagePack: {reason[:200]}") from error


class _Reader:
    """What becomes of the dicts and the arrays; it counts the keys, the dicts and the lists."""

    def __init__(self, unpack: Callable[..., Any]) -> None:
        self.unpack = unpack
        self.total = 0

    def count(self, number: int) -> None:
        self.total += number
        if self.total > _MAX_TOTAL:
            raise InputError(f"more than {_MAX_TOTAL:,} keys, dicts and lists")

    def listing(self, values: list[Any]) -> list[Any]:
        self.count(1)  # an empty one takes one byte in the file, and many here
        return values

    def mapping(self, pairs: list[tuple[Any, Any]]) -> Any:
        self.count(1 + len(pairs))
        made = dict(pairs)
        if len(made) != len(pairs) or not all(type(key) is str for key in made):
            raise InputError(f"a key that is no text or stands there twice: {list(made)[:5]}")
        return _joined(made) if _CHUNKED in made else made

    def extension(self, kind: int, raw: bytes) -> Any:
        if kind not in (_ARRAY, _NUMBER):
            raise InputError(f"a value of the extension type {kind}, which is no array")
        parts = self.unpack(raw, max_array_len=_MAX_ITEMS)
        if type(parts) is not list or len(parts) != 3:
            raise InputError("an array that is not (shape, type, bytes)")
        shape, type_name, numbers = parts
        if type(type_name) is not str or type_name not in _TYPES or type(numbers) is not bytes:
            raise InputError(f"an array of type {str(type_name)[:40]!r}, which is not read")
        item = in_file(_TYPES[type_name], "<")
        shape = _shape(shape, len(numbers) // item.itemsize)
        if len(numbers) % item.itemsize:
            raise InputError(f"{len(numbers)} bytes are not an array of {type_name}")
        stored = np.frombuffer(numbers, item).reshape(shape).copy()
        return loaded(stored, _TYPES[type_name], "an array")


def _joined(parts: dict[str, Any]) -> Shaped[Array, "..."]:
    """Put a large array together again: {_CHUNKED: True, "shape": ..., "chunks": ...}.

    Both lists are dicts with the keys "0", "1", ....
    """
    lists = []
    for name in ("shape", "chunks"):
        values = parts.get(name)
        if type(values) is not dict or list(values) != [str(i) for i in range(len(values))]:
            raise InputError(f"an array in chunks whose {name} are not numbered")
        lists.append(list(values.values()))
    sizes, chunks = lists
    if not chunks or not all(isinstance(x, np.ndarray) and x.ndim == 1 for x in chunks):
        raise InputError("an array in chunks that are no rows of numbers")
    if len({chunk.dtype for chunk in chunks}) != 1:
        raise InputError("an array in chunks of different types")
    whole = np.concatenate(chunks)
    return whole.reshape(_shape(sizes, whole.size))


def _shape(sizes: Any, count: int) -> tuple[int, ...]:
    """Check that a shape has as many numbers as are there."""
    if type(sizes) is not list or not all(type(n) is int and 0 <= n < 2**62 for n in sizes):
        raise InputError("an array whose shape is not a list of whole numbers >= 0")
    too_large = math.prod(max(n, 1) for n in sizes) * 8 >= 2**63
    if len(sizes) > MAX_RANK or too_large or math.prod(sizes) != count:
        raise InputError(f"an array of shape {str(sizes)[:80]} with {count:,} numbers")
    return tuple(sizes)


def _flat(tree: Any) -> dict[str, Shaped[Array, "..."]]:
    """Name each array by its path."""
    if type(tree) is not dict:
        raise InputError(f"must be a dict of arrays, got {type(tree).__name__}")
    arrays: dict[str, Array] = {}
    nodes: list[tuple[str, Any]] = [("", tree)]
    while nodes:
        path, node = nodes.pop()
        children = []
        for key, value in node.items():
            name = f"{path}/{key}" if path else key
            if len(name) > _MAX_PATH:
                raise InputError(f"an array whose path has more than {_MAX_PATH} letters")
            if type(value) is dict:
                children.append((name, value))
            elif isinstance(value, np.ndarray):
                if name in arrays:
                    raise InputError(f"two arrays have the path {name!r}")
                arrays[name] = value
        nodes += reversed(children)
    return arrays
