"""From dataclass to message and back: a table of fields beside the wire format.

A message class is a dataclass whose fields have a `Proto` beside their type: number and kind. From
that table alone `read_message` and `write_message` do their work, so model_file.py can look like the
.proto file that it follows. A message remembers two more things, so that writing gives back what
was read: which fields the file had (`given`), and those that the table does not know (`unknown`).

Between protobuf.py (the bytes) and model_file.py (the messages).
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar, get_type_hints

from tokenizers_py.errors import TokenizerError
from tokenizers_py.sentencepiece.protobuf import (
    BYTES,
    FIXED32,
    VARINT,
    Field,
    bits_of,
    float_of,
    read_fields,
    write_field,
)

T = TypeVar("T")

Scalar = Literal["bool", "int32", "uint64", "float", "bytes", "text", "exact text", "texts"]


class Repeated(NamedTuple):
    """A message that stands there any number of times; `quick` may read one of the usual shape."""

    message: type
    quick: Callable[[bytes], Any]


class Choice(NamedTuple):
    """An enum: what each number stands for. A number that stands for nothing is kept as unknown."""

    meanings: dict[int, Any]


class Proto(NamedTuple):
    """What stands beside a field's type: its number on the wire, and its kind.

    A kind is the name of a scalar, a Choice, a message class, or a Repeated one. "text" that is
    not UTF-8 is kept by Python's surrogateescape; "exact text" that is not is refused.
    """

    number: int
    kind: Scalar | type | Choice | Repeated


def read_message(message: type[T], data: bytes) -> T:
    """Read the bytes of a message.

    Raises:
        TokenizerError: They are none; it says at which byte.
    """
    builder = _Builder(message)
    builder.read(data, 0, len(data), 0)
    read: T = builder.finish()
    return read


def write_message(message: Any) -> bytes:
    """Write a message: the fields of its table by number, then the unknown ones."""
    out = bytearray()
    kind: Any = type(message)
    for number, row in _table(kind).items():
        value = getattr(message, row.name)
        if row.name in message.given or value != row.default:
            for one in value if isinstance(value, tuple) else (value,):
                out += _write_value(number, row.kind, one)
    return bytes(out + message.unknown)


class _Row(NamedTuple):
    name: str
    kind: Any
    wire: int
    default: Any


@functools.cache
def _table(message: Any) -> dict[int, _Row]:
    """List a message's fields by their numbers."""
    rows = {}
    hints = get_type_hints(message, include_extras=True)
    for field in dataclasses.fields(message):
        for note in getattr(hints[field.name], "__metadata__", ()):
            if isinstance(note, Proto):
                rows[note.number] = _Row(field.name, note.kind, _wire(note.kind), field.default)
    return dict(sorted(rows.items()))


def _wire(kind: Any) -> int:
    if kind in ("bool", "int32", "uint64") or isinstance(kind, Choice):
        return VARINT
    return FIXED32 if kind == "float" else BYTES


class _Builder:
    """A message being read. Its bytes may come in several parts: later ones add and override."""

    def __init__(self, message: type) -> None:
        self.message = message
        self.values: dict[str, Any] = {}
        self.unknown = bytearray()

    def read(self, data: bytes, start: int, end: int, depth: int) -> None:
        table = _table(self.message)
        for field in read_fields(data, start, end, depth):
            row = table.get(field.number)
            if row is None or field.wire != row.wire or not self._take(data, field, row, depth):
                self.unknown += write_field(field)

    def _take(self, data: bytes, field: Field, row: _Row, depth: int) -> bool:
        """Take a field of the right wire type; an enum's unknown value is left to `unknown`."""
        name, kind, _, _ = row
        if isinstance(kind, Repeated):
            part = kind.quick(field.value)  # type: ignore[arg-type]
            if part is None:
                builder = _Builder(kind.message)
                builder.read(data, field.place, field.place + _size(field), depth + 1)
                part = builder.finish()
            self.values.setdefault(name, []).append(part)
        elif kind == "texts":
            self.values.setdefault(name, []).append(_value("text", field))
        elif isinstance(kind, type):
            inner = self.values.setdefault(name, _Builder(kind))
            inner.read(data, field.place, field.place + _size(field), depth + 1)
        else:
            value = _value(kind, field)
            if value is None:
                return False
            self.values[name] = value
        return True

    def finish(self) -> Any:
        values = {name: _finished(value) for name, value in self.values.items()}
        return self.message(**values, unknown=bytes(self.unknown), given=_names(*values))


def _finished(value: Any) -> Any:
    if isinstance(value, _Builder):
        return value.finish()
    return tuple(value) if isinstance(value, list) else value


@functools.lru_cache(maxsize=1024)
def _names(*names: str) -> frozenset[str]:
    return frozenset(names)


def _size(field: Field) -> int:
    assert isinstance(field.value, bytes)
    return len(field.value)


def _value(kind: Any, field: Field) -> Any:
    """Turn what stood on the wire into what it means; None for an enum's unknown value."""
    value = field.value
    if isinstance(value, bytes):
        return _text(kind, field) if kind != "bytes" else value
    if kind == "bool":
        return value != 0
    if kind == "float":
        return float_of(value)
    if kind == "uint64":
        return value
    number = (value & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000  # the low 32 bits, with their sign
    return number if kind == "int32" else kind.meanings.get(number)


def _text(kind: Any, field: Field) -> str:
    assert isinstance(field.value, bytes)
    try:
        return field.value.decode("utf-8", "strict" if kind == "exact text" else "surrogateescape")
    except UnicodeDecodeError as error:
        raise TokenizerError(
            f"byte {field.place + error.start}: a text is not UTF-8: {error.reason}"
        ) from error


def _write_value(number: int, kind: Any, value: Any) -> bytes:
    if isinstance(kind, Choice):
        value = next(key for key, meaning in kind.meanings.items() if meaning == value)
    elif isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    elif dataclasses.is_dataclass(value):
        value = write_message(value)
    elif kind == "float":
        value = bits_of(value)
    wire = _wire(kind)
    return write_field(Field(number, wire, value if wire == BYTES else int(value), 0))
