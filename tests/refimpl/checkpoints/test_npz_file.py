"""Archives of numpy arrays: numpy reads the good ones as we do; the bad ones end in one InputError."""

import io
import struct
import warnings
import zipfile
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

from refimpl.checkpoints.npz_file import read_npz
from refimpl.errors import InputError

ARRAYS = {
    "params/img/embedding/kernel": np.arange(12, dtype=np.float32).reshape(2, 2, 3, 1),
    "params/t": np.float32(2.5),
    "opt/0": np.zeros((0, 4), np.float16),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "turned": np.arange(6, dtype=np.int16).reshape(2, 3).T,
    "big-endian": np.arange(3, dtype=">i4"),
    "bool": np.array([True, False]),
    "": np.uint8([255]),
    "größe/大": np.int8([-1]),
}


def assert_same(got, want):
    assert got.keys() == want.keys()
    for name, x in want.items():
        x = np.asarray(x)
        x = x.astype(x.dtype.newbyteorder("="))
        np.testing.assert_array_equal(got[name], x, strict=True)
        assert got[name].flags.c_contiguous and got[name].flags.writeable


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_saves(save, tmp_path):
    save(tmp_path / "m.npz", **ARRAYS)
    assert_same(read_npz(tmp_path / "m.npz"), dict(np.load(tmp_path / "m.npz")))
    assert_same(read_npz(tmp_path / "m.npz"), ARRAYS)


def test_no_arrays_at_all(tmp_path):
    np.savez(tmp_path / "m.npz")
    assert read_npz(tmp_path / "m.npz") == {}


def test_saved_to_a_stream_that_cannot_seek(tmp_path):
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.parts = []

        def writable(self):
            return True

        def write(self, data):
            self.parts.append(bytes(data))
            return len(data)

    pipe = Pipe()
    np.savez(pipe, **ARRAYS)
    (tmp_path / "m.npz").write_bytes(b"".join(pipe.parts))
    assert_same(read_npz(tmp_path / "m.npz"), ARRAYS)


@settings(max_examples=50, deadline=None)
@given(
    np_st.arrays(
        np_st.integer_dtypes(endianness="?") | np_st.floating_dtypes(endianness="?", sizes=(16, 32, 64))
        | np_st.unsigned_integer_dtypes(endianness="?") | np_st.boolean_dtypes(),
        np_st.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3),
    ),
    st.booleans(),
)  # fmt: skip
def test_any_array(tmp_path_factory, x, turned):
    path = tmp_path_factory.mktemp("npz") / "m.npz"
    np.savez(path, x=x.T if turned else x)
    assert_same(read_npz(path), {"x": x.T if turned else x})


def test_bfloat16_as_big_vision_saves_it(tmp_path):
    """numpy's name for JAX's bfloat16 is V2, two bytes of anything."""
    import torch

    x = torch.tensor([[1.0, -2.5, 3e38], [float("nan"), 0.0, -0.0]]).to(torch.bfloat16)
    np.savez(tmp_path / "m.npz", x=x.view(torch.uint16).numpy().view("V2"))
    got = read_npz(tmp_path / "m.npz")["x"]
    np.testing.assert_array_equal(got, x.float().numpy(), strict=True)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_versions_of_the_format(version, tmp_path):
    made = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.lib.format.write_array(made, np.arange(3), version)
    assert_same(read_one(tmp_path, made.getvalue()), {"x": np.arange(3)})


# --- files that lie


def read_one(folder, raw):
    (folder / "m.npz").write_bytes(zipped({"x.npy": raw}))
    return read_npz(folder / "m.npz")


def zipped(entries, method=zipfile.ZIP_STORED):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as file:
        for name, raw in entries.items():
            file.writestr(name, raw)
    return made.getvalue()


def npy(descr="<f4", shape="(2,)", fortran="False", data=bytes(8), header=None, version=b"\1\0"):
    text = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}"
    text = text if header is None else header
    raw = text.encode("latin-1") + b" " * 8 + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(raw)) + raw + data


def array_bytes(x):
    made = io.BytesIO()
    np.lib.format.write_array(made, x, allow_pickle=True)
    return made.getvalue()


@dataclass
class Row:
    name: str
    content: bytes
    message: str | None
    numpy_reads: bool = False


ROWS = [
    Row("plain", npy(), None, True),
    Row("objects", array_bytes(np.array([{}, print], dtype=object)), "objects are a pickle"),
    Row("objects, nothing in them", npy("|O", "(0,)", data=b""), "objects are a pickle"),
    Row("object type with a size", npy("|O8", data=bytes(16)), "objects are a pickle"),
    Row("text", array_bytes(np.array(["a"])), "'<U1' are not read", True),
    Row("bytes", array_bytes(np.array([b"a"])), r"'\|S1' are not read", True),
    Row("complex", array_bytes(np.complex64([1])), "'<c8' are not read", True),
    Row("dates", array_bytes(np.array(["2020"], "M8[s]")), "not one of a plain array", True),
    Row("long double", npy("<f16", data=bytes(32)), "'<f16' are not read", True),
    Row("fields", array_bytes(np.zeros(1, [("a", "f4")])), "not one of a plain array", True),
    Row("three bytes of anything", npy("|V3", data=bytes(6)), "are not read", True),
    Row("bool 2", npy("|b1", data=b"\1\2"), "must be 0 or 1, got 2", True),
    Row("too few bytes", npy(data=bytes(7)), "needs 8 bytes, but 7"),
    Row("too many bytes: numpy does not look", npy(data=bytes(9)), "needs 8 bytes, but 9", True),
    Row("huge shape", npy(shape="(1000000000000,)"), "needs 4,000,000,000,000 bytes"),
    Row("product overflows", npy(shape="(4294967296, 4294967296)"), "too large"),
    Row("product overflows to the right size", npy(shape="(9223372036854775808, 2, 1)"), "too large"),
    Row("product overflows beside a 0", npy(shape="(4611686018427387904, 0, 4)", data=b""), "too large"),
    Row("size of 5000 digits", npy(shape=f"({'9' * 2000},)"), "must be up to 32 numbers"),
    Row("negative size", npy(shape="(-2,)"), "not one of a plain array"),
    Row("size that is a bool", npy(shape="(True, 2)"), "not one of a plain array"),
    Row("size that is a float", npy(shape="(2.0,)"), "not one of a plain array"),
    Row("shape that is no tuple", npy(shape="2"), "not one of a plain array"),
    Row("rank 33", npy(shape="(" + "1, " * 33 + ")", data=bytes(4)), "must be up to 32", True),
    Row("rank 65", npy(shape="(" + "1, " * 65 + ")", data=bytes(4)), "must be up to 32"),
    Row("holes in the shape", npy(shape="(2,,)"), "must be up to 32"),
    Row("digits with a space", npy(shape="(2 2,)"), "must be up to 32"),
    Row("header that is a call", npy(header="__import__('os').system('true')"), "not one of a plain"),
    Row("header that is nested", npy(header="(" * 3000 + ")" * 3000), "at most 4,096 are read"),
    Row("header that is nested less", npy(header="(" * 1500 + ")" * 1500), "not one of a plain array"),
    Row("header with another key", npy(header="{'descr': '<f4', 'fortran_order': False, 'shape': (2,), "
        "'x': 1, }"), "not one of a plain array"),
    Row("header with a key twice", npy(header="{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, "
        "'shape': (2,), }"), "not one of a plain array", True),
    Row("empty header", npy(header=""), "not one of a plain array"),
    Row("header longer than the limit", npy(header=" " * 20_000), "at most 4,096 are read"),
    Row("header longer than the entry", npy()[:20], "a header of"),
    Row("no magic: numpy gives the bytes", b"NUMPY" + npy()[5:], "not an array in numpy's format", True),
    Row("version 9", npy(version=b"\x09\0"), "not an array in numpy's format"),
    Row("empty entry: numpy gives the bytes", b"", "not an array in numpy's format", True),
    Row("Fortran order that is no bool", npy(fortran="1"), "not one of a plain array"),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row(row, tmp_path):
    (tmp_path / "m.npz").write_bytes(zipped({"x.npy": row.content}))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = np.load(tmp_path / "m.npz")["x"]
    except Exception:
        theirs = None
    assert (theirs is not None) == row.numpy_reads
    if row.message is None:
        assert_same(read_one(tmp_path, row.content), {"x": theirs})
        return
    with pytest.raises(InputError, match=r"m\.npz: array 'x\.npy': .*" + row.message):
        read_one(tmp_path, row.content)


ARCHIVES = {
    "bomb": (zipped({"x.npy": array_bytes(np.zeros(10**7))}, zipfile.ZIP_DEFLATED), "unpack to"),
    "bomb of bzip2": (zipped({"x.npy": npy()}, zipfile.ZIP_BZIP2), "packed by method 12"),
    "bomb of LZMA": (zipped({"x.npy": npy()}, zipfile.ZIP_LZMA), "packed by method 14"),
    "not an array": (zipped({"x.npy": npy(), "readme": b"x"}), "does not end in .npy"),
    "path that leads out": (zipped({"../x.npy": npy()}), "leads out of the archive"),
    "absolute path": (zipped({"/x.npy": npy()}), "leads out of the archive"),
    "an array without an archive": (npy(), "not stand at the end|not a zip archive"),
    "empty file": (b"", "not a zip archive"),
    "no archive": (b"x" * 100, "does not stand at the end"),
    "safetensors": (struct.pack("<Q", 2) + b"{}" + bytes(30), "does not stand at the end"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archive(name, tmp_path):
    content, message = ARCHIVES[name]
    (tmp_path / "m.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"m\.npz: .*" + message):
        read_npz(tmp_path / "m.npz")


def lying_size(content, size, new):
    """Change the unpacked size that an archive names, in both places."""
    return content.replace(struct.pack("<L", size), struct.pack("<L", new))


@pytest.mark.parametrize("change", [-1, 1, 1000])
def test_packed_entry_of_another_size(change, tmp_path):
    raw = npy(data=np.arange(2, dtype=np.float32).tobytes())
    content = zipped({"x.npy": raw}, zipfile.ZIP_DEFLATED)
    (tmp_path / "m.npz").write_bytes(lying_size(content, len(raw), len(raw) + change))
    with pytest.raises(InputError, match="unpacks to"):
        read_npz(tmp_path / "m.npz")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_every_truncation_and_every_byte_flip(method, tmp_path):
    content = zipped({"a.npy": npy(), "b.npy": npy("|b1", data=b"\1\0")}, method)
    path = tmp_path / "m.npz"
    path.write_bytes(content)
    want = read_npz(path)
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(InputError):
            read_npz(path)
    read = 0
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 255
        path.write_bytes(damaged)
        try:
            got = read_npz(path)
        except InputError:
            continue
        assert_same(got, want)  # its check sums let nothing else through
        read += 1
    assert read > 0


def test_folder_instead_of_a_file(tmp_path):
    with pytest.raises(InputError, match="not a regular file"):
        read_npz(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read_npz(tmp_path / "m.npz")
