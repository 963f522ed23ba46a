"""Tensors go through a file unchanged, ours and the reference's in both directions."""

import os
import tracemalloc

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from safetensors import safe_open

from refimpl.checkpoints import safetensors_file
from refimpl.checkpoints.safetensors_file import (
    read_safetensors,
    read_safetensors_header,
    write_safetensors,
)
from refimpl.errors import InputError

DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]
SHAPES = [(), (1,), (0,), (3, 0, 2), (7,), (3, 5), (2, 1, 3, 1, 2)]


def random_array(dtype, shape, seed=0):
    """Random bytes seen as the type, so that every bit pattern can come, NaN included."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype) == bool:
        return np.asarray(rng.integers(0, 2, shape), bool)
    count = int(np.prod(shape))
    return np.frombuffer(rng.bytes(count * np.dtype(dtype).itemsize), dtype).reshape(shape)


def every_kind():
    return {
        f"{dtype}{shape}": random_array(dtype, shape, seed)
        for seed, (dtype, shape) in enumerate((d, s) for d in DTYPES for s in SHAPES)
    }


def assert_same(got, want):
    assert got.keys() == want.keys()
    for name, x in want.items():
        assert got[name].dtype == x.dtype and got[name].shape == x.shape, name
        assert got[name].tobytes() == x.tobytes(), name  # NaN payloads included


def test_round_trip_of_every_type_and_shape(tmp_path):
    write_safetensors(tmp_path / "file", every_kind())
    assert_same(read_safetensors(tmp_path / "file"), every_kind())


def test_reference_reads_ours_and_we_read_the_reference(tmp_path):
    write_safetensors(tmp_path / "ours", every_kind())
    assert_same(safetensors.numpy.load_file(tmp_path / "ours"), every_kind())
    safetensors.numpy.save_file(every_kind(), tmp_path / "theirs")
    assert_same(read_safetensors(tmp_path / "theirs"), every_kind())


def test_bytes_are_the_reference_writers(tmp_path):
    write_safetensors(tmp_path / "ours", every_kind())
    safetensors.numpy.save_file(every_kind(), tmp_path / "theirs", metadata={"format": "pt"})
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_order_of_the_dict_does_not_matter(tmp_path):
    write_safetensors(tmp_path / "one", every_kind(), {"b": "2", "a": "1"})
    backwards = dict(reversed(every_kind().items()))
    write_safetensors(tmp_path / "two", backwards, {"a": "1", "b": "2"})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_every_bfloat16_widens_as_in_torch(tmp_path):
    every = torch.arange(2**16, dtype=torch.int32).to(torch.uint16).view(torch.bfloat16)
    safetensors.torch.save_file(
        {"a": every.reshape(256, 256), "b": every[1].clone()}, tmp_path / "file"
    )
    got = read_safetensors(tmp_path / "file")
    want = every.float().numpy()
    finite = ~np.isnan(want)
    assert got["a"].dtype == np.float32 and got["a"].shape == (256, 256) and got["b"].shape == ()
    assert got["a"].ravel()[finite].tobytes() == want[finite].tobytes()
    assert np.isnan(got["a"].ravel()[~finite]).all()


def test_torch_halves_and_integers_come_as_stored(tmp_path):
    tensors = {
        "half": torch.randn(3, 2, dtype=torch.float16),
        "long": torch.arange(4).reshape(1, 4),
        "bool": torch.tensor([True, False]),
    }
    safetensors.torch.save_file(tensors, tmp_path / "file")
    assert_same(read_safetensors(tmp_path / "file"), {k: x.numpy() for k, x in tensors.items()})


@pytest.mark.parametrize(
    "change",
    [np.asfortranarray, lambda x: x[::2, ::-1], lambda x: x.T, lambda x: x.astype(">f4")],
    ids=["fortran", "strided", "transposed", "big-endian"],
)
def test_any_memory_layout_is_written_by_value(change, tmp_path):
    x = change(np.arange(24, dtype=np.float32).reshape(4, 6))
    x.setflags(write=False)
    write_safetensors(tmp_path / "file", {"x": x})
    got = read_safetensors(tmp_path / "file")["x"]
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, x)


def test_metadata(tmp_path):
    write_safetensors(tmp_path / "default", {})
    assert read_safetensors_header(tmp_path / "default").metadata == {"format": "pt"}
    write_safetensors(tmp_path / "own", {"a": np.zeros(2)}, {"ключ": "значение"})
    header = read_safetensors_header(tmp_path / "own")
    assert header.metadata == {"ключ": "значение"}
    assert header.tensors["a"].shape == (2,) and header.tensors["a"].dtype == "F64"
    with safe_open(tmp_path / "own", "np") as file:
        assert file.metadata() == {"ключ": "значение"}
    write_safetensors(tmp_path / "none", {"a": np.zeros(2)}, {})
    assert read_safetensors_header(tmp_path / "none").metadata == {}


@pytest.mark.parametrize(
    ("tensors", "metadata", "message"),
    [
        ({"a": np.zeros(1, complex)}, {}, "'a' of type complex128"),
        ({"a": np.array([None])}, {}, "'a' of type object"),
        ({"a": np.array("text")}, {}, "'a' of type <U4"),
        ({"a": np.zeros(1, np.longdouble)}, {}, "cannot be written"),
        ({"__metadata__": np.zeros(1)}, {}, "cannot be the name"),
        ({"\ud800": np.zeros(1)}, {}, "not text"),
        ({"a": np.zeros(1)}, {"x": "\ud800"}, "not text"),
    ],
)
def test_what_cannot_be_written_is_refused_before_a_file_is_touched(
    tensors, metadata, message, tmp_path
):
    with pytest.raises(InputError, match=message):
        write_safetensors(tmp_path / "file", tensors, metadata)
    assert list(tmp_path.iterdir()) == []


def test_file_can_be_overwritten_and_deleted_while_its_arrays_live(tmp_path):
    path = tmp_path / "file"
    write_safetensors(path, {"x": np.ones(5000, np.float32)})
    x = read_safetensors(path)["x"]
    path.write_bytes(b"\xff" * path.stat().st_size)
    path.unlink()
    assert (x == 1).all()


def test_file_that_shrinks_while_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_safetensors(path, {"x": np.ones(50_000, np.float32)})

    def read_header_then_shrink(file, where):
        header = read_header(file, where)
        os.truncate(path, 70_000)
        return header

    read_header = safetensors_file.read_header
    monkeypatch.setattr(safetensors_file, "read_header", read_header_then_shrink)
    with pytest.raises(InputError, match=r"'x': the file ended after [\d,]+ of 200,000 bytes"):
        read_safetensors(path)


def test_paths_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("fifo", "folder", "loop", "dangling", "missing", "fifo/below", "x" * 300, "a\0b"):
        with pytest.raises(InputError):
            read_safetensors(tmp_path / name)
    with pytest.raises(InputError, match="not a regular file"):
        read_safetensors("/dev/zero")


def test_link_to_a_file_is_read(tmp_path):
    write_safetensors(tmp_path / "blob", {"x": np.ones(3)})
    (tmp_path / "link").symlink_to("blob")
    assert_same(read_safetensors(str(tmp_path / "link")), {"x": np.ones(3)})


class Interrupted(BaseException):
    pass


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), Interrupted()])
def test_failure_midway_leaves_the_old_file_and_nothing_else(error, tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_safetensors(path, {"x": np.ones(3)})
    before = path.read_bytes()
    written = []

    def fail_at_the_second(array):
        written.append(array)
        if len(written) == 2:
            raise error
        return array.tobytes()

    monkeypatch.setattr(safetensors_file, "_raw_bytes", fail_at_the_second)
    with pytest.raises(InputError if isinstance(error, OSError) else Interrupted):
        write_safetensors(path, {"x": np.zeros(3), "y": np.zeros(3)})
    assert len(written) == 2
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_writing_where_it_is_impossible(tmp_path):
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "missing" / "file", tmp_path / ("x" * 300)):
        with pytest.raises(InputError, match="cannot be written"):
            write_safetensors(path, {"x": np.zeros(1)})
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_new_file_has_the_usual_permissions(tmp_path):
    write_safetensors(tmp_path / "ours", {})
    (tmp_path / "usual").write_bytes(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize(("stored", "most"), [("F32", 1.05), ("BF16", 1.3)])
def test_reading_takes_little_more_memory_than_the_tensors(stored, most, tmp_path):
    dtype = {"F32": torch.float32, "BF16": torch.bfloat16}[stored]
    tensors = {f"t{i}": torch.ones((512, 1024), dtype=dtype) for i in range(8)}
    safetensors.torch.save_file(tensors, tmp_path / "file")
    tracemalloc.start()  # numpy tells it of its arrays
    got = read_safetensors(tmp_path / "file")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size = sum(x.nbytes for x in got.values())
    assert size == 8 * 512 * 1024 * 4
    assert size <= peak < size * most
