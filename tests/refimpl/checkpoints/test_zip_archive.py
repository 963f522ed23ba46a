"""The zip format: what Python's zipfile writes is read, zip64 too; both ends are held together.

How weight files use it, and what a hostile one tries, is in test_torch_file_hostile.py and
test_npz_file.py.
"""

import io
import struct
import tempfile
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.checkpoints import zip_archive
from refimpl.checkpoints.zip_archive import read_directory, read_entry
from refimpl.errors import InputError


def read(content):
    with tempfile.TemporaryFile() as file:
        file.write(content)
        entries = read_directory(file, "x.zip")
        return {name: read_entry(file, entry, "x.zip").tobytes() for name, entry in entries.items()}


def zipped(entries, method=zipfile.ZIP_STORED):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name, raw in entries.items():
            file.writestr(name, raw, method)
    return made.getvalue()


METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]
NAMES = st.from_regex(r"[a-zé大]{1,3}(/[a-z.]{1,3}[a-z]){0,2}", fullmatch=True)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(NAMES, st.binary(max_size=200), max_size=5), st.sampled_from(METHODS))
def test_what_zipfile_writes(entries, method):
    assert read(zipped(entries, method)) == entries


def test_packed_entry_of_many_chunks(monkeypatch):
    monkeypatch.setattr(zip_archive, "_CHUNK_BYTES", 100)
    raw = np.random.default_rng(0).integers(0, 4, 5000, dtype=np.uint8).tobytes()
    assert read(zipped({"a": raw}, zipfile.ZIP_DEFLATED)) == {"a": raw}


@pytest.fixture
def zip64(monkeypatch):
    """A tiny archive with the large fields, as one above 4 GiB has them."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1)
    return zipped({"a": b"first", "b/c": b"second"})


def test_zip64(zip64):
    assert zip64.count(struct.pack("<L", 2**32 - 1)) >= 4 and b"PK\6\6" in zip64
    assert read(zip64) == {"a": b"first", "b/c": b"second"}


def changed(content, signature, offset, raw):
    """Overwrite bytes at an offset after the last place of a signature."""
    place = content.rindex(signature) + offset
    return content[:place] + raw + content[place + len(raw) :]


BROKEN = {
    "the zip64 end is not where it should be": ((b"PK\6\7", 8, struct.pack("<Q", 5)), "is damaged"),
    "the zip64 end is beyond the file": ((b"PK\6\7", 8, b"\xff" * 8), "is damaged"),
    "no zip64 end": ((b"PK\6\6", 0, b"PK\6\5"), "is damaged"),
    "the ends disagree": ((b"PK\5\6", 10, b"\7\0"), "is damaged"),
    "2^63 entries": ((b"PK\6\6", 24, struct.pack("<2Q", 2**63, 2**63)), "is damaged"),
    "directory of 2^63 bytes": ((b"PK\6\6", 40, struct.pack("<Q", 2**63)), "is damaged"),
    "a size that is missing": ((b"PK\1\2", 46 + 3, b"\2\0"), "missing from the zip64 field"),
    "a size of 2^64 - 1": ((b"PK\1\2", 46 + 3 + 4, b"\xff" * 8), "not packed, yet|overlaps"),
    "entry beyond the file": ((b"PK\1\2", 46 + 3 + 4 + 16, b"\xff" * 8), "overlaps"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_zip64(name, zip64):
    change, message = BROKEN[name]
    with pytest.raises(InputError, match=r"^x\.zip: .*" + message):
        read(changed(zip64, *change))


@pytest.mark.parametrize("count", [0, 3])
def test_number_of_entries_is_bounded(count, monkeypatch):
    monkeypatch.setattr(zip_archive, "MAX_ENTRIES", 2)
    content = zipped({str(i): b"" for i in range(count)})
    if count <= 2:
        assert read(content) == {}
        return
    with pytest.raises(InputError, match="of 3 entries; at most 2"):
        read(content)


@pytest.mark.parametrize(
    "name",
    ["..", "../a", "a/../b", "a/..", "/a", "a\\b", "c:a", "", "..\\a"],
)
def test_names_that_lead_out(name):
    content = zipped({"x" * len(name.encode()): b""}) if name else zipped({"x": b""})
    content = content.replace(b"x" * max(len(name), 1), name.encode() or b"\0")
    with pytest.raises(InputError, match="leads out of the archive"):
        read(content)


def test_name_that_is_not_utf8():
    with pytest.raises(InputError, match="name is not UTF-8"):
        read(zipped({"xx": b""}).replace(b"xx", b"\xff\xfe"))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_damage_ends_in_the_same_bytes_or_one_error(data):
    entries = {"a": b"first" * 9, "b/c": b""}
    content = bytearray(zipped(entries, data.draw(st.sampled_from(METHODS))))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        got = read(bytes(content))
    except InputError as error:
        assert str(error).startswith("x.zip: ")
        return
    assert set(got.values()) <= set(entries.values())  # names are not summed: they may change
