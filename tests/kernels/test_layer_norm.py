"""The layer norm kernel against its numpy twin, and wrong twins that must be noticed."""

import numpy as np
import pytest
import torch
from comparing import relative_l2
from guarded import DTYPES, TOLERANCES, as_float64, guarded, watched_outputs
from hypothesis import given, settings
from hypothesis import strategies as st
from rewritten import rewritten

from kernels import layer_norm as kernel
from kernels.errors import KernelError
from refimpl import ops as numpy_ops

WIDTHS = st.sampled_from([1, 3, 16, 50, 64, 72, 127, 129, 384, 768, 1152, 1664])
ROWS = st.sampled_from([0, 1, 2, 15, 17, 33])


def check(module, rows, width, dtype, gap, scale, offset, seed, device):
    rng = np.random.default_rng(seed)
    x = guarded(rng.standard_normal((rows, width)) * scale + offset, device, dtype, gap)
    weight = guarded(rng.standard_normal(width), device, dtype)
    bias = guarded(rng.standard_normal(width), device, dtype)
    with watched_outputs():
        found = module.layer_norm(x, weight, bias, 1e-5)
    assert found.shape == x.shape and found.dtype == DTYPES[dtype] and found.is_contiguous()
    wanted = numpy_ops.layer_norm(as_float64(x), as_float64(weight), as_float64(bias), 1e-5)
    error = relative_l2(as_float64(found), wanted)
    assert error <= TOLERANCES[dtype] * (1 + abs(offset) / scale), error


@settings(max_examples=40)
@given(
    rows=ROWS,
    width=WIDTHS,
    dtype=st.sampled_from(list(DTYPES)),
    gap=st.sampled_from([0, 1, 7]),
    scale=st.sampled_from([1e-2, 1.0, 1e2]),
    offset=st.sampled_from([0.0, 3.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_equals_its_twin(device, rows, width, dtype, gap, scale, offset, seed):
    check(kernel, rows, width, dtype, gap, scale, offset, seed, device)


def test_leading_axes_and_strides_between_them(device):
    x = torch.randn(3, 5, 48, device=device)[:, 1:4, :32]
    weight, bias = torch.randn(2, 32, device=device)
    found = kernel.layer_norm(x, weight, bias, 1e-6)
    wanted = numpy_ops.layer_norm(as_float64(x), as_float64(weight), as_float64(bias), 1e-6)
    assert relative_l2(as_float64(found), wanted) <= 2e-6


def test_a_nan_stays_in_its_row(device):
    x = torch.randn(4, 40, device=device)
    x[2, 7] = float("nan")
    found = kernel.layer_norm(x, torch.ones(40, device=device), torch.zeros(40, device=device), 0.1)
    assert found.isnan().any(1).tolist() == [False, False, True, False]


MUTANTS = {
    "eps outside the root": ("tl.sqrt(squares / WIDTH + eps)", "(tl.sqrt(squares / WIDTH) + eps)"),
    "variance divided by D - 1": ("squares / WIDTH + eps", "squares / (WIDTH - 1) + eps"),
    "the mean of the tile, not of the row": ("total / WIDTH", "total / (P1 + P2 + P3)"),
    "lanes outside count": (
        "tl.where((column < WIDTH)[None, :], x - mean, 0.0)",
        "x - mean",
    ),
    "one column too many": (
        "(column < WIDTH)[None, :]\n    tl.store",
        "(column <= WIDTH)[None, :]\n    tl.store",
    ),
    "the last rows forgotten": ("live = row < rows", "live = row < rows - 1"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_twin_is_noticed(name, device):
    wrong = rewritten(kernel, *MUTANTS[name])
    with pytest.raises(AssertionError):
        for width in (3, 50, 768):
            check(wrong, 5, width, "float32", 1, 1e-2, 0.0, 7, device)


def test_refusals():
    x, vector = torch.randn(2, 8), torch.ones(8)
    with pytest.raises(KernelError, match=r"weight must be \(8,\).*got \(9,\)"):
        kernel.layer_norm(x, torch.ones(9), vector, 1e-5)
    with pytest.raises(KernelError, match="x is float32 and weight float16"):
        kernel.layer_norm(x, vector.half(), vector, 1e-5)
    with pytest.raises(KernelError, match="float64 has no kernel"):
        kernel.layer_norm(x.double(), vector.double(), vector.double(), 1e-5)
    with pytest.raises(KernelError, match="1 to 16384 numbers; got 16385"):
        kernel.layer_norm(torch.ones(1, 16385), torch.ones(16385), torch.ones(16385), 1e-5)
