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
from kernels import ops
from kernels.errors import KernelError
from refimpl import ops as numpy_ops

WIDTHS = st.sampled_from([1, 3, 15, 17, 50, 64, 72, 127, 129, 257, 384, 577, 768, 1152, 1408, 1664])
ROWS = st.sampled_from([0, 1, 2, 5, 9])


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


@settings(max_examples=30)
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


@pytest.mark.parametrize(("width", "dtype"), [(2049, "float32"), (5000, "bfloat16")])
def test_rows_wider_than_a_warp(width, dtype, device):
    check(kernel, 2, width, dtype, 3, 1.0, 1.0, 11, device)


def test_leading_axes_and_strides_between_them(device):
    x = torch.randn(3, 5, 48, device=device)[:, 1:4, :32]
    weight, bias = torch.randn(32, 2, device=device).unbind(1)  # strides of 2 in themselves
    found = kernel.layer_norm(x, weight, bias, 1e-6)
    wanted = numpy_ops.layer_norm(as_float64(x), as_float64(weight), as_float64(bias), 1e-6)
    assert relative_l2(as_float64(found), wanted) <= 2e-6


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_a_number_stays_in_its_row(bad, device):
    x = torch.randn(4, 40, device=device)
    x[2, 7] = bad
    found = kernel.layer_norm(x, torch.ones(40, device=device), torch.zeros(40, device=device), 0.1)
    assert found.isnan().any(1).tolist() == [False, False, True, False]


def test_a_row_of_one_value_is_the_bias(device):
    x = torch.full((3, 72), 1e4, device=device)
    weight, bias = torch.randn(2, 72, device=device)
    assert torch.equal(kernel.layer_norm(x, weight, bias, 1e-6), bias.expand(3, 72))


def test_every_tile_covers_its_row_and_fills_its_warps():
    for size in (2, 4):
        for width in [*range(1, 2100, 7), 384, 768, 1152, 1280, 1664, 5000, kernel.WIDEST]:
            pieces, rows, warps = kernel.tiles(width, size)
            assert sum(pieces) >= width and rows & (rows - 1) == 0 and 1 <= rows <= 16
            assert sum(pieces) < 1.34 * width or sum(pieces) - width < 16
            assert rows * sum(pieces) <= 100 * 32 * warps  # float32 in registers
            assert warps == 1 or width > 2048


def test_the_choice_can_be_asked(device):
    x, vector = torch.randn(2, 8, device=device), torch.randn(8, device=device)
    found = ops.layer_norm(x, vector, vector, 1e-5)
    assert torch.equal(found, kernel.layer_norm(x, vector, vector, 1e-5))
    assert ops.last_choice() == ("layer_norm", "layer_norm", "8 wide")
    wide = torch.randn(1, kernel.WIDEST + 1, device=device)
    found = ops.layer_norm(wide, wide[0], wide[0], 1e-5)
    assert found.shape == wide.shape
    assert ops.last_choice() == (
        "layer_norm", "torch", "rows have 16385 numbers, not 1 to 16384",
    )  # fmt: skip


MUTANTS = {
    "eps outside the root": ("tl.sqrt(squares / WIDTH + eps)", "(tl.sqrt(squares / WIDTH) + eps)"),
    "variance divided by D - 1": ("squares / WIDTH + eps", "squares / (WIDTH - 1) + eps"),
    "the mean of the tile, not of the row": (") / WIDTH\n", ") / (P1 + P2 + P3)\n"),
    "lanes outside count": ("< WIDTH, x, 0.0)", "< WIDTH + P, x, 0.0)"),
    "one column too many": ("inside & (column < WIDTH)", "inside & (column <= WIDTH)"),
    "no mask on the last piece": (
        "if FIRST + P > WIDTH:\n        inside",
        "if FIRST > WIDTH:\n        inside",
    ),
    "the third piece forgotten in the mean": (
        "row_sums(x2, P2) + row_sums(x3, P3)) / WIDTH",
        "row_sums(x2, P2)) / WIDTH",
    ),
    "the last rows forgotten": ("live = row < rows", "live = row < rows - 1"),
    "the stride of y for x": ("0, P1, WIDTH)\n    x2 = piece(x_ptr, row, live, x_stride",
                              "0, P1, WIDTH)\n    x2 = piece(x_ptr, row, live, y_stride"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_twin_is_noticed(name, device):
    wrong = rewritten(kernel, *MUTANTS[name])
    with pytest.raises(AssertionError):
        for width in (3, 50, 768, 896):
            check(wrong, 5, width, "float32", 1, 1e-2, 1e-2, 7, device)


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
