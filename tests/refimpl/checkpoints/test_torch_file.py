"""Files of torch.save and torch.jit.save, old and new: torch reads them, and so do we.

What a hostile file may try is in test_torch_file_hostile.py.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.checkpoints.torch_file import read_torch_file
from refimpl.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")

FORMATS = {
    **{f"zip, protocol {p}": {"pickle_protocol": p} for p in (2, 3, 4, 5)},
    **{
        f"legacy, protocol {p}": {"pickle_protocol": p, "_use_new_zipfile_serialization": False}
        for p in (2, 4)
    },
}


def assert_same(got, want):
    assert got.keys() == want.keys()
    for name, x in want.items():
        x = x.detach()
        x = x.float() if x.dtype == torch.bfloat16 else x
        np.testing.assert_array_equal(got[name], x.numpy(), strict=True)
        assert got[name].flags.c_contiguous and got[name].flags.aligned


def numbers(dtype):
    if dtype == torch.bool:
        return torch.tensor([[True, False, True], [False, False, True]])
    if dtype.is_floating_point:
        return torch.tensor([[1.5, -2.0, float("nan")], [float("inf"), 0.0, -0.0]], dtype=dtype)
    return torch.tensor([[1, 2, 3], [4, 5, 127]]).to(dtype)


DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32,
    torch.int16, torch.int8, torch.uint8, torch.bool, torch.uint16, torch.uint32, torch.uint64,
]  # fmt: skip


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_type(dtype, form, tmp_path):
    x = numbers(dtype)
    tensors = {"x": x, "scalar": x[0, 0].clone(), "empty": x[:0].clone()}
    torch.save(tensors, tmp_path / "m.pt", **form)
    assert_same(read_torch_file(tmp_path / "m.pt"), tensors)


def odd_views():
    q = torch.randn(6, 4)
    a, b, c = q.chunk(3)
    return {
        "whole": q,
        "first": a,
        "middle": b,
        "last": c,
        "tied": q,
        "turned": q.t(),
        "every other": q[::2, 1::2],
        "axes swapped": torch.randn(2, 3, 4).permute(2, 0, 1),
        "flat": q.view(-1),
        "expanded": torch.ones(3, 1).expand(3, 5),
        "position_ids": torch.arange(7).expand(1, -1),
        "overlapping": torch.arange(6.0).as_strided((3, 3), (1, 1)),
        "no axes": torch.tensor(2.5),
        "no numbers": torch.empty(0),
        "no rows": torch.empty(3, 0, 2),
        "no numbers of a storage": q[3:3],
        "channels last": torch.randn(1, 3, 2, 2).to(memory_format=torch.channels_last),
        "parameter": torch.nn.Parameter(torch.randn(2)),
        "frozen parameter": torch.nn.Parameter(torch.randn(2), requires_grad=False),
        "with gradient": torch.randn(2, requires_grad=True),
        "": torch.ones(1),
        "größe/大": torch.ones(2),
    }


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_strides_ties_and_views(form, tmp_path):
    tensors = odd_views()
    torch.save(tensors, tmp_path / "m.pt", **form)
    got = read_torch_file(tmp_path / "m.pt")
    assert_same(got, tensors)
    assert got["tied"] is got["whole"]
    assert not np.shares_memory(got["first"], got["whole"])


class Part(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 4, 2, bias=False)
        self.norms = torch.nn.Sequential(torch.nn.LayerNorm(4), torch.nn.Dropout())
        self.proj = torch.nn.Parameter(torch.randn(4, 2))

    def forward(self, x):
        return self.norms(self.conv1(x).flatten(2).mean(-1)) @ self.proj


class Whole(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.visual = Part()
        self.logit_scale = torch.nn.Parameter(torch.tensor(2.5))
        self.register_buffer("input_resolution", torch.tensor(8))
        self.register_buffer("mask", torch.full((2, 2), float("-inf")))
        self.names = ["a", "b"]
        self.sizes = [3, 4]
        self.weights = [0.5]
        self.flags = [True]
        self.table = {"x": 1}
        self.maybe = None
        self.tied = self.visual.proj

    def forward(self, x):
        y = self.visual(x) * self.logit_scale.exp()
        return y + self.sizes[0] + self.weights[0] + self.table["x"]


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_state_dict_of_a_module(form, tmp_path):
    model = Whole().half()
    torch.save(model.state_dict(), tmp_path / "m.pt", **form)
    assert_same(read_torch_file(tmp_path / "m.pt"), model.state_dict())


@pytest.mark.parametrize("how", ["script", "trace", "frozen names"])
def test_torchscript(how, tmp_path):
    model = Whole().half() if how == "script" else Whole()
    if how == "trace":
        scripted = torch.jit.trace(model, torch.ones(1, 3, 4, 4), check_trace=False)
    else:
        scripted = torch.jit.script(model)
    torch.jit.save(scripted, tmp_path / "m.pt")
    want = torch.jit.load(tmp_path / "m.pt").state_dict()
    assert "visual.norms.0.weight" in want and "input_resolution" in want
    assert_same(read_torch_file(tmp_path / "m.pt"), want)


@pytest.mark.parametrize("form", [{}, {"_use_new_zipfile_serialization": False}])
@pytest.mark.parametrize("place", [None, "state_dict", "model_state_dict", "model", "module"])
def test_where_the_state_dict_is(place, form, tmp_path):
    weights = {f"module.{name}": torch.randn(2) for name in "abc"}
    if place is None:
        saved = {**weights, "epoch": 3, "note": "x", "nothing": None, 7: torch.ones(1)}
    else:
        model = torch.nn.Linear(2, 2)
        optimizer = torch.optim.AdamW(model.parameters())
        model(torch.ones(2)).sum().backward()
        optimizer.step()
        saved = {
            "epoch": 3,
            "optimizer": optimizer.state_dict(),
            place: weights,
            "best": torch.tensor(0.5),
            "lr": [0.1, 0.2],
        }
    torch.save(saved, tmp_path / "m.pt", **form)
    assert_same(read_torch_file(tmp_path / "m.pt"), weights)


def test_no_weights_at_all(tmp_path):
    torch.save({}, tmp_path / "m.pt")
    assert read_torch_file(tmp_path / "m.pt") == {}
    for saved in (
        {"epoch": 1},
        [torch.ones(1)],
        torch.ones(1),
        "text",
        None,
        {"a": {"b": torch.ones(1)}},
    ):
        torch.save(saved, tmp_path / "m.pt")
        with pytest.raises(InputError, match=r"m\.pt: holds no state dict"):
            read_torch_file(tmp_path / "m.pt")
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), tmp_path / "m.pt")
    with pytest.raises(InputError, match="hold no tensors"):
        read_torch_file(tmp_path / "m.pt")


REFUSED = {
    "ComplexFloatStorage": lambda x: x.to(torch.complex64),
    "float8_e4m3fn": lambda x: x.to(torch.float8_e4m3fn),
    "_rebuild_sparse_tensor": lambda x: x.to_sparse(),
    "QInt8Storage|_rebuild_qtensor": lambda x: torch.quantize_per_tensor(x, 1.0, 0, torch.qint8),
    "_rebuild_meta_tensor_no_storage": lambda x: x.to("meta"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_types_that_no_weights_have(name, tmp_path):
    torch.save({"x": REFUSED[name](torch.ones(2))}, tmp_path / "m.pt")
    with pytest.raises(InputError, match=f"(torch|_utils)\\.({name}), which is not on"):
        read_torch_file(tmp_path / "m.pt")


@pytest.mark.parametrize("form", [{}, {"_use_new_zipfile_serialization": False}])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_whole_model_is_refused(form, tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "m.pt", **form)
    with pytest.raises(InputError, match=r"torch\.nn\.modules\.linear\.Linear.*state_dict\(\)"):
        read_torch_file(tmp_path / "m.pt")


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
@settings(max_examples=8, deadline=None)
@given(st.data())
def test_random_views(form, tmp_path_factory, data):
    path = tmp_path_factory.mktemp("views") / "m.pt"
    storage = torch.arange(24, dtype=torch.float32)
    tensors = {}
    for number in range(data.draw(st.integers(1, 5))):
        shape = data.draw(st.lists(st.integers(0, 3), max_size=3))
        strides = [data.draw(st.integers(0, 4)) for _ in shape]
        offset = data.draw(st.integers(0, 3))
        tensors[str(number)] = storage.as_strided(shape, strides, offset)
    torch.save(tensors, path, **form)
    assert_same(read_torch_file(path), tensors)


def test_neither_torch_nor_pickle_is_imported(tmp_path):
    torch.save({"x": torch.ones(2)}, tmp_path / "m.pt")
    source = (
        "import sys; from refimpl.checkpoints.torch_file import read_torch_file; "
        "numpy_needs = 'pickle' in sys.modules; read_torch_file(sys.argv[1]); "
        "assert 'torch' not in sys.modules; assert ('pickle' in sys.modules) == numpy_needs"
    )
    subprocess.run(
        [sys.executable, "-c", source, tmp_path / "m.pt"], check=True, cwd=Path(__file__).parents[3]
    )
