"""The zip format, as far as weight files use it: which entries there are, and the bytes of one.

Two formats of weights are zip archives: PyTorch's (torch_file.py) and numpy's .npz (npz_file.py).
An archive is read by its directory, which stands at the end of the file:

    [header, name, bytes] [header, name, bytes] ... [directory] [zip64 end] [end]

Source: PKWARE's APPNOTE.TXT 6.3.10. Stricter than Python's zipfile, because two readers of one
archive must not see different weights: nothing before the first entry, no comment at the end, no
name twice, no overlap, no name that leads out of a folder, and the name must be equal in both
places where it stands. An archive may not unpack to much more than its own size. Every byte is
checked by its CRC-32, which PyTorch writes but does not read. Entries are read into memory; their
names are never used as paths.
"""

import os
import struct
import zlib
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np

from refimpl.errors import InputError
from refimpl.shapes import Array, UInt8

__all__ = ["ZipEntry", "read_directory", "read_entry"]

MAX_ENTRIES = 200_000
_MAX_DIRECTORY_BYTES = 32 * 2**20
_MOST_GROWTH = 32  # weights hardly shrink when packed; a bomb shrinks a thousandfold
_SLACK_BYTES = 2**20  # a tiny archive may hold a page of zeros
_CHUNK_BYTES = 2**20

_END = struct.Struct("<4s4H2LH")
_END64_PLACE = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_DIRECTORY_ENTRY = struct.Struct("<4s6H3L5H2L")
_HEADER = struct.Struct("<4s5H3L2H")
_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 0x2041  # three bits of the flags, one for each way of hiding something
_FULL16, _FULL32 = 2**16 - 1, 2**32 - 1  # "too large for this field: see zip64"


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """One file of an archive: where it begins, what it may not reach, and how it is packed."""

    name: str
    begin: int
    end_before: int
    packed_bytes: int
    size: int
    crc: int
    deflated: bool


def read_directory(file: BinaryIO, where: str) -> dict[str, ZipEntry]:
    """Read which entries an archive has. `where` names the file in error messages.

    Raises:
        InputError: not a zip archive, cut short, or one that breaks a rule above.
    """
    file_bytes = file.seek(0, os.SEEK_END)
    count, begin, length = _find_directory(file, file_bytes, where)
    if count > MAX_ENTRIES or length > _MAX_DIRECTORY_BYTES:
        raise InputError(f"{where}: a zip archive of {count:,} entries; at most {MAX_ENTRIES:,}")
    file.seek(begin)
    directory = file.read(length)
    entries: list[ZipEntry] = []
    place = 0
    for number in range(count):
        entry, place = _directory_entry(directory, place, f"{where}: zip entry {number}")
        entries.append(entry)
    if place != len(directory):
        raise InputError(f"{where}: the zip directory has more bytes than entries")
    named = {entry.name: entry for entry in entries}
    if len(named) != count:
        raise InputError(f"{where}: two zip entries have one name")
    return {entry.name: entry for entry in _fenced(entries, begin, where)}


def read_entry(file: BinaryIO, entry: ZipEntry, where: str) -> UInt8[Array, " n"]:
    """Read one entry, unpacked, as bytes of its own.

    Raises:
        InputError: the entry is cut short, does not match its directory, or its CRC-32 is wrong.
    """
    place = f"{where}: zip entry {entry.name!r}"
    file.seek(_data_begin(file, entry, place))
    try:
        raw = np.empty(entry.size, np.uint8)
    except MemoryError as error:
        raise InputError(f"{place}: {entry.size:,} bytes do not fit into memory") from error
    if entry.deflated:
        _inflate(file, entry, raw, place)
    elif file.readinto(raw) != entry.size:  # type: ignore[attr-defined]
        raise InputError(f"{place}: the file ends within it; was it changed while it was read?")
    if zlib.crc32(raw.data) != entry.crc:
        raise InputError(
            f"{place}: its bytes do not match their CRC-32, so the file is damaged (or was written "
            "with torch.serialization.set_crc32_options(False))"
        )
    return raw


def _find_directory(file: BinaryIO, file_bytes: int, where: str) -> tuple[int, int, int]:
    """Read the end of the archive: number of entries, begin and length of the directory."""
    end_at = file_bytes - _END.size
    if end_at < 0:
        raise InputError(f"{where}: not a zip archive: only {file_bytes} bytes long")
    signature, *small, comment_bytes = _unpack(file, _END, end_at)
    if signature != b"PK\5\6" or comment_bytes:
        raise InputError(
            f"{where}: a zip archive that is cut short, or that something was added to: its "
            "directory does not stand at the end"
        )
    place_at = end_at - _END64_PLACE.size
    numbers = small
    signature, _, end64_at, _ = _unpack(file, _END64_PLACE, max(place_at, 0))
    if signature == b"PK\6\7":  # torch writes this second end even where nothing is large
        signature, _, _, _, *numbers = _unpack(file, _END64, min(end64_at, place_at))
        fits = all(a in (b, _FULL16, _FULL32) for a, b in zip(small, numbers, strict=True))
        if signature != b"PK\6\6" or end64_at + _END64.size != place_at or not fits:
            raise InputError(f"{where}: a zip64 archive whose end is damaged")
        end_at = end64_at
    disk, first_disk, here, count, length, begin = numbers
    if disk or first_disk or here != count or begin + length != end_at:
        raise InputError(f"{where}: the end of the zip archive does not fit its directory")
    return count, begin, length


def _unpack(file: BinaryIO, layout: struct.Struct, at: int) -> tuple[Any, ...]:
    file.seek(at)
    return layout.unpack(file.read(layout.size).ljust(layout.size, b"\0"))


def _directory_entry(directory: bytes, place: int, where: str) -> tuple[ZipEntry, int]:
    if len(directory) - place < _DIRECTORY_ENTRY.size:
        raise InputError(f"{where}: the zip directory is cut short")
    fields = _DIRECTORY_ENTRY.unpack_from(directory, place)
    signature, _, _, flags, method, _, _, crc, packed, size, *lengths = fields[:13]
    disk, begin = fields[13], fields[16]
    if signature != b"PK\1\2" or disk not in (0, _FULL16):
        raise InputError(f"{where}: the zip directory is damaged")
    name_end = place + _DIRECTORY_ENTRY.size + lengths[0]
    extra_end = name_end + lengths[1]
    end = extra_end + lengths[2]
    if end > len(directory):
        raise InputError(f"{where}: the zip directory is cut short")
    name = _name(directory[name_end - lengths[0] : name_end], where)
    if flags & _ENCRYPTED or method not in (_STORED, _DEFLATED):
        raise InputError(f"{where}, {name!r}: encrypted, or packed by method {method}: not read")
    size, packed, begin = _wide(directory[name_end:extra_end], [size, packed, begin], where)
    if method == _STORED and size != packed:
        raise InputError(f"{where}, {name!r}: not packed, yet {packed:,} bytes are {size:,}")
    return ZipEntry(name, begin, 0, packed, size, crc, method == _DEFLATED), end


def _name(raw: bytes, where: str) -> str:
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: its name is not UTF-8") from error
    if not name or ".." in name.split("/") or name[0] == "/" or any(c in name for c in "\\:\0"):
        raise InputError(f"{where}: the name {name[:80]!r} leads out of the archive")
    return name


def _wide(extra: bytes, numbers: list[int], where: str) -> list[int]:
    """Replace the numbers that need more than 32 bits by those of the zip64 extra field."""
    if _FULL32 not in numbers:
        return numbers
    place = 0
    while len(extra) - place >= 4:
        kind, length = struct.unpack_from("<2H", extra, place)
        values = extra[place + 4 : place + 4 + length]
        place += 4 + length
        if kind == 1 and len(values) >= 8 * numbers.count(_FULL32):
            wide = iter(struct.unpack(f"<{len(values) // 8}Q", values[: len(values) // 8 * 8]))
            return [next(wide) if number == _FULL32 else number for number in numbers]
    raise InputError(f"{where}: its sizes are missing from the zip64 field")


def _fenced(entries: list[ZipEntry], data_end: int, where: str) -> list[ZipEntry]:
    """Check that no two entries overlap, and note for each where the next one begins."""
    ordered = sorted(entries, key=lambda entry: entry.begin)
    begins = [*(entry.begin for entry in ordered), data_end]
    if begins[0] != 0:
        raise InputError(f"{where}: {begins[0]:,} bytes stand before the first zip entry")
    for entry, end in zip(ordered, begins[1:], strict=True):
        if entry.begin + _HEADER.size + entry.packed_bytes > end:
            raise InputError(f"{where}: zip entry {entry.name!r} overlaps what comes after it")
    total = sum(entry.size for entry in entries)
    if total > _MOST_GROWTH * data_end + _SLACK_BYTES:
        raise InputError(
            f"{where}: {data_end:,} bytes unpack to {total:,}; more than {_MOST_GROWTH} times as "
            "much is not read"
        )
    fenced = zip(ordered, begins[1:], strict=True)
    return [replace(entry, end_before=end) for entry, end in fenced]


def _data_begin(file: BinaryIO, entry: ZipEntry, place: str) -> int:
    """Find where the bytes begin: after the header that stands before them."""
    fields = _unpack(file, _HEADER, entry.begin)
    signature, _, flags, method = fields[:4]
    name_bytes, extra_bytes = fields[9:11]
    name = file.read(name_bytes)
    begin: int = entry.begin + _HEADER.size + name_bytes + extra_bytes
    expected = _DEFLATED if entry.deflated else _STORED
    if signature != b"PK\3\4" or flags & _ENCRYPTED or method != expected:
        raise InputError(f"{place}: its header is damaged")
    if name != entry.name.encode() or begin + entry.packed_bytes > entry.end_before:
        raise InputError(f"{place}: its header does not fit the zip directory")
    return begin


def _inflate(file: BinaryIO, entry: ZipEntry, raw: UInt8[Array, " n"], place: str) -> None:
    """Unpack into `raw`, never more than it holds."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    filled, left = 0, entry.packed_bytes
    try:
        while not unpacker.eof:
            packed = unpacker.unconsumed_tail or file.read(min(left, _CHUNK_BYTES))
            if not packed:
                break
            left -= 0 if unpacker.unconsumed_tail else len(packed)
            piece = unpacker.decompress(packed, _CHUNK_BYTES)
            if filled + len(piece) > entry.size:
                raise InputError(f"{place}: unpacks to more than the {entry.size:,} bytes it names")
            raw[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
            filled += len(piece)
    except zlib.error as error:
        raise InputError(f"{place}: cannot be unpacked: {error}") from error
    if not unpacker.eof or left or unpacker.unused_data or filled != entry.size:
        raise InputError(f"{place}: unpacks to {filled:,} bytes, but names {entry.size:,}")
