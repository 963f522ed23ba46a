"""Protocol buffers' wire format: the little of it that a `.model` file needs, read and written.

A message is a row of fields. Each field is a tag, then a value. The tag is a whole number:
`field number * 8 + wire type`, and the wire type says how the value ends:

    0 VARINT   seven bits a byte, lowest first; the top bit says that more bytes follow
    1 FIXED64  eight bytes
    2 BYTES    a varint with the length, then so many bytes: a string, or a message inside this one
    3 GROUP    fields up to the matching end tag (wire type 4): an old form, only ever unknown here
    5 FIXED32  four bytes: a float

Nothing in the bytes says what a field means: that is the table of the message (model_file.py).
A field that the table does not have is kept and written back.

Everything is read in loops with every length checked, so no bytes can crash, hang or exhaust us.
Source: protobuf.dev/programming-guides/encoding; limits are those of protobuf's C++ parser.
"""

import math
import struct
from collections.abc import Iterator
from typing import NamedTuple

from tokenizers_py.errors import TokenizerError

VARINT, FIXED64, BYTES, GROUP, END_GROUP, FIXED32 = range(6)

MAX_DEPTH = 100  # of messages and groups in one another
_MAX_VARINT_BYTES = 10  # 64 bits, seven a byte
_MAX_TAG_BYTES = 5  # tags and lengths have 32 bits
_MAX_LENGTH = 2**31 - 17  # C++ reserves the last 16 of an int's range


class Field(NamedTuple):
    """One field: its number, its wire type, its value, and the byte at which the value begins.

    A number for VARINT, FIXED64 and FIXED32; the bytes for BYTES; the written fields for GROUP.
    """

    number: int
    wire: int
    value: int | bytes
    place: int


def read_varint(data: bytes, place: int, end: int, max_bytes: int = 10) -> tuple[int, int]:
    r"""Read a number of seven bits a byte, lowest first; return it and where it ends.

    300 is 0b10_0101100: the low seven bits with the top bit set, then the rest.

    >>> read_varint(b"\xac\x02", 0, 2)
    (300, 2)

    Raises:
        TokenizerError: The bytes end before the number does, or it goes on too long.
    """
    number = shift = 0
    for here in range(place, min(end, place + max_bytes)):
        byte = data[here]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & 0xFFFF_FFFF_FFFF_FFFF, here + 1
        shift += 7
    if end < place + max_bytes:
        raise TokenizerError(f"byte {place}: a number is cut off by the end of what holds it")
    raise TokenizerError(f"byte {place}: a number goes on after {max_bytes} bytes")


def write_varint(number: int) -> bytes:
    r"""Write a number of up to 64 bits, seven a byte; a negative one as 64-bit two's complement.

    >>> write_varint(300), len(write_varint(-1))
    (b'\xac\x02', 10)
    """
    number &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_fields(data: bytes, start: int, end: int, depth: int = 0) -> Iterator[Field]:
    r"""Read the fields of the message in data[start:end], which lies `depth` messages deep.

    >>> [tuple(f) for f in read_fields(b"\x08\x05\x12\x02hi", 0, 6)]
    [(1, 0, 5, 1), (2, 2, b'hi', 4)]

    Raises:
        TokenizerError: The bytes are no message; it says at which byte.
    """
    open_groups: list[tuple[int, int]] = []  # number and first byte of each group we are in
    inside = bytearray()  # what the outermost of them holds, written anew
    place = start
    while place < end:
        field, after = _read_field(data, place, end)
        if field.wire == GROUP:
            open_groups.append((field.number, place))
            if len(open_groups) + depth > MAX_DEPTH:
                raise TokenizerError(f"byte {place}: more than {MAX_DEPTH} groups in one another")
        if field.wire == END_GROUP:
            if not open_groups or open_groups[-1][0] != field.number:
                raise TokenizerError(f"byte {place}: the end of group {field.number}, never begun")
        if open_groups:
            inside += write_field(field)
            if field.wire == END_GROUP:
                number, began = open_groups.pop()
                if not open_groups:
                    yield Field(number, GROUP, bytes(inside), began)
                    inside.clear()
        else:
            yield field
        place = after
    if open_groups:
        number, began = open_groups[-1]
        raise TokenizerError(f"byte {began}: group {number} is never ended")


def write_field(field: Field) -> bytes:
    r"""Write one field. A group that was read as a whole is written as it stands.

    >>> write_field(Field(2, BYTES, b"hi", 0))
    b'\x12\x02hi'
    """
    number, wire, value, _ = field
    if wire == GROUP and value:
        assert isinstance(value, bytes)
        return value
    tag = write_varint(number << 3 | wire)
    if isinstance(value, bytes):
        return tag + write_varint(len(value)) + value
    if wire == VARINT:
        return tag + write_varint(value)
    if wire == FIXED64:
        return tag + value.to_bytes(8, "little")
    return tag + (value.to_bytes(4, "little") if wire == FIXED32 else b"")


def float_of(bits: int) -> float:
    """Turn the bits of a FIXED32 into the float that they are.

    The bits of a NaN go over one by one: turned by the machine, some would come back as others.

    >>> float_of(0x3F800000), hex(bits_of(float_of(0x7F800001)))
    (1.0, '0x7f800001')
    """
    if bits & 0x7FFF_FFFF <= 0x7F80_0000:
        number: float = struct.unpack("<f", struct.pack("<I", bits))[0]
    else:
        wide = (bits & 0x8000_0000) << 32 | 0x7FF << 52 | (bits & 0x7F_FFFF) << 29
        number = struct.unpack("<d", struct.pack("<Q", wide))[0]
    return number


def bits_of(number: float) -> int:
    """Turn a float into the 32 bits of the nearest one that a FIXED32 can hold."""
    if math.isnan(number):
        wide = int.from_bytes(struct.pack("<d", number), "little")
        return wide >> 32 & 0x8000_0000 | 0x7F80_0000 | (wide >> 29 & 0x7F_FFFF or 1)
    try:
        return int.from_bytes(struct.pack("<f", number), "little")
    except OverflowError as error:
        raise TokenizerError(f"{number} is too large for a 32-bit float") from error


def _read_field(data: bytes, place: int, end: int) -> tuple[Field, int]:
    tag, after = read_varint(data, place, end, _MAX_TAG_BYTES)
    number, wire = (tag & 0xFFFF_FFFF) >> 3, tag & 7  # what a fifth byte has beyond is dropped
    if number == 0:
        raise TokenizerError(f"byte {place}: {tag} is no field's tag")
    if wire == VARINT:
        value, stop = read_varint(data, after, end, _MAX_VARINT_BYTES)
        return Field(number, wire, value, after), stop
    if wire in (GROUP, END_GROUP):
        return Field(number, wire, 0, after), after
    if wire == BYTES:
        length, after = read_varint(data, after, end, _MAX_TAG_BYTES)
        if length > min(end - after, _MAX_LENGTH):
            raise TokenizerError(
                f"byte {place}: field {number} says that it has {length} bytes; "
                f"{end - after} are left"
            )
        return Field(number, wire, data[after : after + length], after), after + length
    if wire not in (FIXED32, FIXED64):
        raise TokenizerError(f"byte {place}: field {number} has wire type {wire}, which is none")
    size = 4 if wire == FIXED32 else 8
    if end - after < size:
        raise TokenizerError(f"byte {place}: field {number} needs {size} bytes; {end - after} left")
    bits = int.from_bytes(data[after : after + size], "little")
    return Field(number, wire, bits, after), after + size
