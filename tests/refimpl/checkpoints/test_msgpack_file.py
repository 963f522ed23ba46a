"""Flax checkpoints: trees laid out as flax.serialization writes them, and trees that are not."""

import builtins
from contextlib import nullcontext
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.checkpoints import msgpack_file
from refimpl.checkpoints.msgpack_file import read_flax_msgpack
from refimpl.errors import InputError

FLAX = Path(__file__).parents[2] / "data" / "flax"


def ext(shape, type_name, raw, kind=1):
    return msgpack.ExtType(kind, msgpack.packb((shape, type_name, raw)))


def array(x, kind=1):
    x = np.asarray(x)
    return ext(x.shape, x.dtype.name, x.tobytes(), kind)


def chunked(x, pieces):
    """What flax does with an array of more than 1 GiB."""
    flat = np.array_split(x.reshape(-1), pieces)
    return {
        "__msgpack_chunked_array__": True,
        "shape": {str(i): n for i, n in enumerate(x.shape)},
        "chunks": {str(i): array(piece) for i, piece in enumerate(flat)},
    }


def write(folder, tree):
    raw = tree if isinstance(tree, bytes) else msgpack.packb(tree)
    (folder / "flax_model.msgpack").write_bytes(raw)
    return folder / "flax_model.msgpack"


X = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_tree_of_arrays(tmp_path):
    tree = {
        "text_model": {"embeddings": {"kernel": array(X), "ids": array(np.arange(3))}, "": {}},
        "logit_scale": array(np.float32(2.5), kind=3),
        "flat/name": array(np.zeros((0, 2), np.float16)),
        "step": 3, "note": "x", "nothing": None, "lr": 0.5, "list": [1, 2],
    }  # fmt: skip
    got = read_flax_msgpack(write(tmp_path, tree))
    want = {
        "logit_scale": np.float32(2.5),
        "flat/name": np.zeros((0, 2), np.float16),
        "text_model/embeddings/kernel": X,
        "text_model/embeddings/ids": np.arange(3),
    }
    assert got.keys() == want.keys()
    for name, x in want.items():
        np.testing.assert_array_equal(got[name], np.asarray(x), strict=True)
        assert got[name].flags.writeable


@pytest.mark.parametrize("name", ["plain", "chunked"])
def test_files_that_flax_wrote(name):
    """Flax cannot be installed beside the other judges, so its files are stored."""
    got = read_flax_msgpack(FLAX / f"{name}.msgpack")
    want = dict(np.load(FLAX / "want.npz"))
    assert got.keys() == want.keys() and "vision_model/patch/kernel" in want
    for key, x in want.items():
        np.testing.assert_array_equal(got[key], x, strict=True)


@pytest.mark.parametrize(
    "type_name",
    ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint64", "uint32",
     "uint16", "uint8", "bool"],
)  # fmt: skip
def test_every_type(type_name, tmp_path):
    x = np.array([[0, 1], [1, 0]]).astype(type_name)
    got = read_flax_msgpack(write(tmp_path, {"x": array(x)}))["x"]
    np.testing.assert_array_equal(got, x, strict=True)


def test_bfloat16(tmp_path):
    tree = {"x": ext((2,), "bfloat16", np.uint16([0x3F80, 0xC000]).tobytes())}
    got = read_flax_msgpack(write(tmp_path, tree))["x"]
    np.testing.assert_array_equal(got, np.float32([1, -2]), strict=True)


@pytest.mark.parametrize("pieces", [1, 2, 4])
def test_array_in_chunks(pieces, tmp_path):
    got = read_flax_msgpack(write(tmp_path, {"a": {"x": chunked(X, pieces)}}))
    np.testing.assert_array_equal(got["a/x"], X, strict=True)


def deep(levels):
    raw = b"\xc0"
    for _ in range(levels):
        raw = b"\x81\xa1a" + raw
    return raw


BAD = {
    "list at the top": ([1], "must be a dict of arrays, got list"),
    "array at the top": (array(X), "must be a dict of arrays, got ndarray"),
    "empty file": (b"", "not valid MessagePack"),
    "cut": (msgpack.packb({"x": array(X)})[:-1], "not valid MessagePack"),
    "more after the end": (msgpack.packb({}) + b"\xc0", "not valid MessagePack"),
    "unused first byte": (b"\xc1", "not valid MessagePack"),
    "map that announces 2^32 - 1 keys": (b"\xdf\xff\xff\xff\xff", "not valid MessagePack"),
    "list that announces 2^32 - 1 items": (b"\xdd\xff\xff\xff\xff", "not valid MessagePack"),
    "text that announces 4 GiB": (b"\xdb\xff\xff\xff\xffabc", "not valid MessagePack"),
    "extension that announces 4 GiB": (b"\xc9\xff\xff\xff\xff\1abc", "not valid MessagePack"),
    "nested 100,000 deep": (deep(100_000), "not valid MessagePack"),
    "text that is not UTF-8": (b"\x81\xa1x\xa1\xff", "not valid MessagePack"),
    "key twice": (b"\x82\xa1x\xc0\xa1x\xc0", "stands there twice"),
    "key that is a number": (b"\x81\1\xc0", "not valid MessagePack: int is not allowed"),
    "key that is bytes": (b"\x81\xc4\1x\xc0", "no text"),
    "key that is a list": (b"\x81\x90\xc0", "not valid MessagePack"),
    "date": ({"x": msgpack.Timestamp(1)}, None),
    "broken date": (b"\x81\xa1x\xc7\3\xff123", "not valid MessagePack"),
    "complex number": ({"x": msgpack.ExtType(2, msgpack.packb((1.0, 2.0)))}, "extension type 2"),
    "another extension": ({"x": msgpack.ExtType(42, b"")}, "extension type 42"),
    "array of nothing": ({"x": msgpack.ExtType(1, b"")}, "not valid MessagePack"),
    "array of two parts": ({"x": msgpack.ExtType(1, msgpack.packb((1, 2)))}, "not .shape, type, bytes"),
    "array in an array": (
        {"x": msgpack.ExtType(1, msgpack.packb(((1,), "float32", array(X))))}, "not read"),
    "objects": ({"x": ext((1,), "object", bytes(8))}, "'object', which is not read"),
    "complex": ({"x": ext((1,), "complex64", bytes(8))}, "'complex64', which is not read"),
    "type that is code": ({"x": ext((1,), "__import__('os')", bytes(8))}, "which is not read"),
    "bool 2": ({"x": ext((1,), "bool", b"\2")}, "must be 0 or 1"),
    "too few bytes": ({"x": ext((2,), "float32", bytes(4))}, r"shape \[2\] with 1 numbers"),
    "half a number": ({"x": ext((2,), "float32", bytes(9))}, "9 bytes are not an array of float32"),
    "negative size": ({"x": ext((-1, -1), "float32", bytes(4))}, "whole numbers >= 0"),
    "size that is a bool": ({"x": ext((True,), "float32", bytes(4))}, "whole numbers >= 0"),
    "product overflows": ({"x": ext((2**33, 2**33), "float32", b"")}, "with 0 numbers"),
    "overflow beside a 0": ({"x": ext((2**61, 0, 8), "float32", b"")}, "with 0 numbers"),
    "rank 33": ({"x": ext((1,) * 33, "float32", bytes(4))}, "with 1 numbers"),
    "2,000 axes": ({"x": ext((1,) * 2000, "float32", bytes(4))}, "not valid MessagePack"),
    "chunks without numbers": ({"x": {"__msgpack_chunked_array__": True}}, "shape are not numbered"),
    "chunks in disorder": (
        {"x": {**chunked(X, 2), "chunks": {"1": array(X[0]), "0": array(X[1])}}}, "not numbered"),
    "no chunks": ({"x": {**chunked(X, 2), "chunks": {}}}, "no rows of numbers"),
    "chunks that are no rows": ({"x": {**chunked(X, 1), "chunks": {"0": array(X)}}}, "no rows"),
    "chunks of two types": (
        {"x": {**chunked(X, 2), "chunks": {"0": array(X[0]), "1": array(np.arange(3))}}},
        "different types"),
    "too few chunks": ({"x": {**chunked(X, 1), "chunks": {"0": array(X[0])}}}, "with 3 numbers"),
    "one path twice": ({"a": {"b": array(X)}, "a/b": array(X)}, "two arrays have the path 'a/b'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_file(name, tmp_path):
    content, message = BAD[name]
    path = write(tmp_path, content)
    if message is None:  # plain values beside the arrays are left out
        assert read_flax_msgpack(path) == {}
        return
    with pytest.raises(InputError, match=r"flax_model\.msgpack: .*" + message):
        read_flax_msgpack(path)


def test_limit_of_keys(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="not valid MessagePack"):
        read_flax_msgpack(write(tmp_path, {str(i): None for i in range(4097)}))
    monkeypatch.setattr(msgpack_file, "_MAX_TOTAL", 100)
    with pytest.raises(InputError, match="more than 100 keys"):
        read_flax_msgpack(
            write(tmp_path, {str(i): {str(j): 1 for j in range(20)} for i in range(9)})
        )


@pytest.mark.parametrize("empty", [b"\x90", b"\x80"])
def test_empty_values_are_counted(empty, tmp_path):
    """One byte each in the file, and some sixty in memory."""
    row = b"\xdc\x04\x00"  # the head of a list of 1024
    path = tmp_path / "m.msgpack"
    path.write_bytes(b"\x81\xa1a" + row + (row + empty * 1024) * 1024)
    with pytest.raises(InputError, match="more than 200,000 keys, dicts and lists"):
        read_flax_msgpack(path)


def test_limit_of_a_path(tmp_path):
    tree = {str(number): array(X) for number in range(9)}
    for _ in range(9):
        tree = {"a" * 64: tree}
    with pytest.raises(InputError, match="path has more than 512 letters"):
        read_flax_msgpack(write(tmp_path, tree))


def test_a_file_larger_than_memory(tmp_path, monkeypatch):
    class File:
        def read(self):
            raise MemoryError

    monkeypatch.setattr(msgpack_file, "open_for_reading", lambda path: nullcontext(File()))
    with pytest.raises(InputError, match="m.msgpack: not valid MessagePack: MemoryError"):
        read_flax_msgpack(tmp_path / "m.msgpack")


def read_or_refuse(path, content):
    path.write_bytes(content)
    try:
        return read_flax_msgpack(path)
    except InputError as error:
        assert str(path) in str(error)
        return None


def test_every_truncation_and_every_byte_flip(tmp_path):
    content = msgpack.packb({"a": {"b": array(X)}, "c": chunked(X, 2), "d": array(np.bool_(1), 3)})
    for length in range(len(content)):
        assert read_or_refuse(tmp_path / "m.msgpack", content[:length]) is None
    for place in range(len(content)):
        for mask in (1, 128, 255):
            damaged = bytearray(content)
            damaged[place] ^= mask
            read_or_refuse(tmp_path / "m.msgpack", bytes(damaged))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_end_in_arrays_or_one_error(tmp_path_factory, content):
    read_or_refuse(tmp_path_factory.mktemp("any") / "m.msgpack", content)


def test_package_missing(tmp_path, monkeypatch):
    def without(name, *args, **kwargs):
        if name == "msgpack":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    real = builtins.__import__
    path = write(tmp_path, {})
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r'Flax weights: pip install "clip-refimpl\[flax\]"'):
        read_flax_msgpack(path)
