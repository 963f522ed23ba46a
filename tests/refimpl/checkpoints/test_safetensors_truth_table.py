"""Files that break one rule each: ours and the reference reader must agree, or the row says why.

The verdicts are checked on both sides: what we say here, and what the installed safetensors says.
"""

import json
import struct
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.checkpoints import safetensors_header
from refimpl.checkpoints.safetensors_file import read_safetensors, read_safetensors_header
from refimpl.errors import InputError

F32 = '"dtype":"F32","shape":[1],"data_offsets":[0,4]'
META = '"__metadata__":{"format":"pt"}'


def build(header, data=b""):
    raw = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(raw)) + raw + data


def one(data=b"\0\0\0\0", **changes):
    """A file with one tensor, some of its fields changed; None removes a field."""
    fields = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **changes}
    fields = {key: value for key, value in fields.items() if value is not None}
    return build(json.dumps({"a": fields}), data)


def several(*tensors, data):
    fields = {
        name: {"dtype": dtype, "shape": shape, "data_offsets": list(span)}
        for name, dtype, shape, span in tensors
    }
    return build(json.dumps(fields), data)


@dataclass
class Row:
    name: str
    content: bytes
    ours: bool  # whether it is read
    reference: bool | None = None  # where it differs from ours


A, R = True, False
ROWS = [
    # the length field
    Row("empty file", b"", R),
    Row("7 bytes", b"\2\0\0\0\0\0\0", R),
    Row("N = 0", struct.pack("<Q", 0), R),
    Row("N beyond the file", struct.pack("<Q", 3) + b"{}", R),
    Row("N = 2^63", struct.pack("<Q", 2**63) + b"{}", R),
    Row("N = 2^64 - 1", struct.pack("<Q", 2**64 - 1) + b"{}", R),
    Row("N = 100 000 001", struct.pack("<Q", 100_000_001) + b"{}", R),
    # the text of the header
    Row("no tensors", build("{}"), A),
    Row("a list", build("[]"), R),
    Row("null", build("null"), R),
    Row("leading spaces, as writers may pad", build("  {}"), A),
    Row("trailing spaces, as writers do pad", build("{}      "), A),
    Row("trailing NUL", build("{}\0"), R),
    Row("byte order mark", build("\ufeff{}"), R),
    Row("UTF-16", build("{}".encode("utf-16")), R),
    Row("bad UTF-8", build(b'{"\xff":{' + F32.encode() + b"}}", bytes(4)), R),
    Row("cut JSON", build('{"a":{' + F32, bytes(4)), R),
    Row("two documents", build("{}{}"), R),
    Row("comment", build("{}//"), R),
    Row("trailing comma", build('{"a":{' + F32 + "},}", bytes(4)), R),
    Row("NaN", build('{"a":{' + F32 + ',"x":NaN}}', bytes(4)), R),
    Row("Infinity", build('{"a":{' + F32 + ',"x":Infinity}}', bytes(4)), R),
    Row("nesting 5000", build("[" * 5000 + "]" * 5000), R),
    Row("deep unknown field", build('{"a":{' + F32 + ',"x":' + "[" * 200 + "]" * 200 + "}}"), R),
    Row("lone surrogate", build('{"\\ud800":{' + F32 + "}}", bytes(4)), R),
    # keys
    Row("tensor twice", build('{"a":{' + F32 + '},"a":{' + F32 + "}}", bytes(4)), R, reference=A),
    Row("tensor twice, escaped", build('{"a":{' + F32 + '},"\\u0061":{' + F32 + "}}", bytes(4)), R,
        reference=A),
    Row("field twice", build('{"a":{' + F32 + ',"shape":[1]}}', bytes(4)), R),
    Row("metadata twice", build("{" + META + "," + META + "}"), R),
    Row("empty name", build('{"":{' + F32 + "}}", bytes(4)), A),
    Row("NUL in a name", build('{"a\\u0000b":{' + F32 + "}}", bytes(4)), A),
    Row("path as a name", build('{"../../x":{' + F32 + "}}", bytes(4)), A),
    # fields
    Row("plain", one(), A),
    Row("tensor is null", build('{"a":null}'), R),
    Row("no dtype", one(dtype=None), R),
    Row("no shape", one(shape=None), R),
    Row("no offsets", one(data_offsets=None), R),
    Row("unknown dtype", one(dtype="F31"), R),
    Row("lower-case dtype", one(dtype="f32"), R),
    Row("dtype is a list", one(dtype=["F32"]), R),
    Row("negative dimension", one(shape=[-1]), R),
    Row("two negative dimensions", one(shape=[-1, -1]), R),
    Row("negative zero", build('{"a":{"dtype":"F32","shape":[-0],"data_offsets":[0,0]}}'), R),
    Row("float dimension", one(shape=[1.0]), R),
    Row("2e0", build('{"a":{"dtype":"F32","shape":[2e0],"data_offsets":[0,8]}}', bytes(8)), R),
    Row("string dimension", one(shape=["1"]), R),
    Row("bool dimension", one(shape=[True]), R),
    Row("shape is a number", one(shape=1), R),
    Row("negative offset", one(data_offsets=[-4, 0]), R),
    Row("end before begin", one(data_offsets=[4, 0]), R),
    Row("one offset", one(data_offsets=[4]), R),
    Row("three offsets", one(data_offsets=[0, 4, 4]), R),
    Row("bool offsets", one(shape=[0], data_offsets=[False, False], data=b""), R),
    Row("offset 2^64", one(data_offsets=[0, 2**64]), R),
    Row("offset with 5000 digits", build('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,'
        + "9" * 5000 + "]}}"), R),
    Row("product overflows", one(shape=[2**33, 2**33], data_offsets=[0, 4]), R),
    Row("product overflows to the right size", one(shape=[2**63, 2, 1], data_offsets=[0, 0]), R),
    Row("bytes overflow", one(shape=[2**62], data_offsets=[0, 0], data=b""), R),
    Row("2^62 2^62 0", one(shape=[2**62, 2**62, 0], data_offsets=[0, 0], data=b""), R),
    # the reference's header check passes these two; numpy then fails with a ValueError
    Row("0 2^62", one(shape=[0, 2**62], data_offsets=[0, 0], data=b""), R),
    Row("rank 100", one(shape=[1] * 100), R),
    Row("rank 33: numpy 1 cannot", one(shape=[1] * 33), R,
        reference=np.lib.NumpyVersion(np.__version__) >= "2.0.0"),
    Row("rank 32", one(shape=[1] * 32), A),
    # layout
    Row("past the end", one(data=b"\0\0\0"), R),
    Row("trailing bytes", one(data=b"\0" * 5), R),
    Row("trailing bytes without tensors", build("{}", b"\0"), R),
    Row("hole between", several(("a", "U8", [1], (0, 1)), ("b", "U8", [1], (2, 3)), data=b"123"), R),
    Row("hole at the start", several(("a", "U8", [1], (1, 2)), data=b"12"), R),
    Row("same bytes twice", several(("a", "U8", [2], (0, 2)), ("b", "U8", [2], (0, 2)), data=b"12"),
        R),
    Row("partial overlap", several(("a", "U8", [2], (0, 2)), ("b", "U8", [2], (1, 3)), data=b"123"),
        R),
    Row("size is not shape x dtype", one(shape=[2]), R),
    Row("names not in the order of the bytes",
        several(("a", "U8", [1], (1, 2)), ("b", "U8", [1], (0, 1)), data=b"12"), A),
    Row("unaligned", several(("a", "U8", [1], (0, 1)), ("b", "F32", [1], (1, 5)), data=b"12345"),
        A),
    Row("zero-size between",
        several(("a", "U8", [1], (0, 1)), ("z", "F32", [0, 7], (1, 1)), ("b", "U8", [1], (1, 2)),
                data=b"12"), A),
    Row("rank 0", one(shape=[]), A),
    Row("odd F4", one(dtype="F4", shape=[1], data_offsets=[0, 1], data=b"1"), R),
    # metadata
    Row("number in the metadata", build('{"__metadata__":{"a":1}}'), R),
    Row("metadata is a list", build('{"__metadata__":[]}'), R),
    Row("metadata value null", build('{"__metadata__":{"a":null}}'), R),
    Row("metadata null", build('{"__metadata__":null}'), A),
    Row("only metadata", build("{" + META + "}"), A),
    # values
    Row("NaN and infinity",
        one(shape=[2], data_offsets=[0, 8], data=np.float32([np.nan, np.inf]).tobytes()), A),
    Row("BOOL 0 and 1", one(dtype="BOOL", shape=[2], data_offsets=[0, 2], data=b"\0\1"), A),
    Row("BOOL 2", one(dtype="BOOL", data_offsets=[0, 1], data=b"\2"), R, reference=A),
    Row("BOOL 255", one(dtype="BOOL", data_offsets=[0, 1], data=b"\xff"), R, reference=A),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_verdict(row, tmp_path):
    path = tmp_path / "file.safetensors"
    path.write_bytes(row.content)
    reference_reads = row.ours if row.reference is None else row.reference
    if reference_reads:
        reference = safetensors.numpy.load(row.content)
    else:
        with pytest.raises((safetensors.SafetensorError, ValueError)):
            safetensors.numpy.load(row.content)
    if not row.ours:
        with pytest.raises(InputError, match=r"file\.safetensors"):
            read_safetensors(path)
        return
    ours = read_safetensors(path)
    assert ours.keys() == reference.keys()
    for name, x in ours.items():
        np.testing.assert_array_equal(x, reference[name], strict=True)
        assert x.flags.aligned and x.flags.writeable and x.flags.c_contiguous


def test_unknown_field_is_read_with_a_warning(tmp_path):
    path = tmp_path / "file.safetensors"
    path.write_bytes(one(strides=[1]))
    assert safetensors.numpy.load(path.read_bytes()).keys() == {"a"}
    with pytest.warns(UserWarning, match="file.safetensors: .*'strides'"):
        assert read_safetensors(path).keys() == {"a"}


def test_error_names_the_tensor_and_the_place(tmp_path):
    path = tmp_path / "file.safetensors"
    path.write_bytes(one(shape=[2]))
    with pytest.raises(InputError, match=r"'a': F32 of shape \[2\] needs 8 bytes.*hold 4"):
        read_safetensors(path)
    path.write_bytes(several(("a", "U8", [1], (0, 1)), ("b", "U8", [1], (2, 3)), data=b"123"))
    with pytest.raises(InputError, match=r"a gap of 1 bytes at byte 1 of .* between 'a' and 'b'"):
        read_safetensors(path)


def test_header_limit_comes_before_the_header_is_read(tmp_path):
    path = tmp_path / "file.safetensors"
    with open(path, "wb") as file:  # a sparse file: the bytes announced are there
        file.write(struct.pack("<Q", safetensors_header.MAX_HEADER_BYTES + 1))
        file.truncate(safetensors_header.MAX_HEADER_BYTES + 100)
    with pytest.raises(InputError, match="at most 33,554,432 are read"):
        read_safetensors(path)


def tiny_file():
    header = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "BOOL", "shape": [2], "data_offsets": [0, 2]},
        "b": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [2, 6]},
        "é": {"dtype": "I64", "shape": [], "data_offsets": [6, 14]},
    }
    return build(json.dumps(header, ensure_ascii=False), bytes(14))


def read_or_refuse(path, content):
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            return read_safetensors(path)
        except InputError:
            return None


def test_every_truncation_is_refused(tmp_path):
    content = tiny_file()
    assert read_or_refuse(tmp_path / "whole", content) is not None
    for length in range(len(content)):
        assert read_or_refuse(tmp_path / "cut", content[:length]) is None, length


def test_every_byte_flip_ends_in_an_error_or_a_result(tmp_path):
    content = tiny_file()
    read = 0
    for place in range(len(content)):
        for mask in (1, 32, 128, 255):
            damaged = bytearray(content)
            damaged[place] ^= mask
            tensors = read_or_refuse(tmp_path / "file", bytes(damaged))
            assert tensors is None or len(tensors) == 3
            read += tensors is not None
    assert read > 0  # a flip in the data or in a name is still a file


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_random_headers_agree_with_the_reference(tmp_path_factory, data):
    number = st.sampled_from([0, 1, 2, 3, 4, 8, 2**31, 2**63, -1, 1.5, True, None, "1"])
    fields = st.fixed_dictionaries(
        {},
        optional={
            "dtype": st.sampled_from(["F32", "U8", "I16", "F64", "f32", 3]),
            "shape": st.lists(number, max_size=3),
            "data_offsets": st.lists(number, max_size=3),
        },
    )
    header = data.draw(st.dictionaries(st.sampled_from(["a", "b", ""]), fields, max_size=2))
    content = build(json.dumps(header), bytes(data.draw(st.sampled_from([0, 1, 4, 8, 12]))))
    try:
        reference = safetensors.numpy.load(content)
    except (safetensors.SafetensorError, ValueError):
        reference = None
    ours = read_or_refuse(tmp_path_factory.mktemp("random") / "file", content)
    assert (ours is None) == (reference is None)
    if ours is not None:
        for name, x in ours.items():
            np.testing.assert_array_equal(x, reference[name], strict=True)


def test_many_tensors_stay_bounded(tmp_path):
    path = tmp_path / "file.safetensors"
    count = 20_000
    path.write_bytes(
        several(*((f"t{i}", "U8", [1], (i, i + 1)) for i in range(count)), data=bytes(count))
    )
    assert len(read_safetensors_header(path).tensors) == count
