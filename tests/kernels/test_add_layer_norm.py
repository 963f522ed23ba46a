"""Residual + bias + norm against the numpy twin, watched and fed, and wrong twins."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from comparing import relative_l2
from guarded import DTYPES, TOLERANCES, as_float64, guarded, watched_outputs
from hypothesis import given, settings
from hypothesis import strategies as st
from rewritten import rewritten

from kernels import add_layer_norm as kernel
from kernels import ops
from kernels.errors import KernelError
from refimpl import ops as numpy_ops

WIDTHS = st.sampled_from([1, 3, 15, 17, 50, 64, 72, 127, 129, 257, 384, 577, 768, 1152, 1664])
ROWS = st.sampled_from([0, 1, 2, 5])


def inputs(rows, width, dtype, gaps, scale, offset, seed, device):
    """x, delta, weight, bias and delta_bias; the stream is `offset` away from 0."""
    rng = np.random.default_rng(seed)
    return (
        guarded(rng.standard_normal((rows, width)) * scale + offset, device, dtype, gaps[0]),
        guarded(rng.standard_normal((rows, width)) * scale, device, dtype, gaps[1]),
        *(guarded(rng.standard_normal(width), device, dtype) for _ in range(2)),
        guarded(rng.standard_normal(width) * scale, device, dtype),
    )


def twin(x, delta, weight, bias, delta_bias):
    """The sum and its norm by numpy in float64, of the values that the kernel got."""
    x, delta, weight, bias = map(as_float64, (x, delta, weight, bias))
    shift = 0 if delta_bias is None else as_float64(delta_bias)
    node, norm = SimpleNamespace(path=""), SimpleNamespace(path="", weight=weight, bias=bias)
    return numpy_ops.add_layer_norm(node, "sum", x, delta + shift, norm, 1e-5)


def check(module, rows, width, dtype, gaps, biased, scale, offset, seed, device):
    x, delta, weight, bias, shift = inputs(rows, width, dtype, gaps, scale, offset, seed, device)
    shift = shift if biased else None
    wanted_total, wanted = twin(x, delta, weight, bias, shift)
    with watched_outputs() as given_out:
        total, y = module.add_layer_norm(x, delta, weight, bias, 1e-5, shift)
        assert len(given_out) == 2
        only = module.layer_norm_of_sum(x, delta, weight, bias, 1e-5, delta_bias=shift)
        assert len(given_out) == 3, "the sum was allocated"
    for found in (total, y, only):
        assert found.shape == x.shape and found.dtype == DTYPES[dtype] and found.is_contiguous()
    assert relative_l2(as_float64(total), wanted_total) <= TOLERANCES[dtype]
    # the sum is computed in float32, so what its rounding costs is float32's also in half precision
    tolerance = TOLERANCES[dtype] + TOLERANCES["float32"] * abs(offset) / scale
    assert relative_l2(as_float64(y), wanted) <= tolerance
    assert relative_l2(as_float64(only), wanted) <= tolerance


@settings(max_examples=25)
@given(
    rows=ROWS,
    width=WIDTHS,
    dtype=st.sampled_from(list(DTYPES)),
    gaps=st.sampled_from([(0, 0), (0, 5), (1, 0), (7, 3)]),
    biased=st.booleans(),
    scale=st.sampled_from([1.0, 1e2]),
    offset=st.sampled_from([0.0, 3.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_they_equal_their_twin(device, rows, width, dtype, gaps, biased, scale, offset, seed):
    check(kernel, rows, width, dtype, gaps, biased, scale, offset, seed, device)


def test_a_row_wider_than_a_warp(device):
    check(kernel, 1, 5000, "bfloat16", (3, 0), True, 1.0, 1.0, 3, device)


def check_float32_inside(module, device):
    """Small differences on a large stream, which bfloat16 of the sum would not hold."""
    rng = np.random.default_rng(5)
    x = guarded(np.full((3, 64), 1024.0), device, "bfloat16")
    delta = guarded(rng.standard_normal((3, 64)), device, "bfloat16")
    weight, bias = (guarded(rng.standard_normal(64), device, "bfloat16") for _ in range(2))
    _, y = module.add_layer_norm(x, delta, weight, bias, 1e-5)
    _, wanted = twin(x, delta, weight, bias, None)
    assert relative_l2(as_float64(y), wanted) <= TOLERANCES["bfloat16"]


def test_the_norm_is_of_the_sum_in_float32(device):
    check_float32_inside(kernel, device)


def test_leading_axes_and_strides_between_them(device):
    x = torch.randn(3, 5, 48, device=device)[:, 1:4, :32]
    delta = torch.randn(3, 32, 3, device=device).swapaxes(1, 2)  # columns first in memory
    weight, bias = torch.randn(2, 32, device=device)
    total, y = kernel.add_layer_norm(x, delta, weight, bias, 1e-5)
    wanted_total, wanted = twin(x, delta, weight, bias, None)
    assert relative_l2(as_float64(total), wanted_total) <= 2e-6
    assert relative_l2(as_float64(y), wanted) <= 2e-6


def test_a_nan_stays_in_its_row(device):
    x, delta = torch.randn(2, 4, 40, device=device)
    x[2, 7], delta[0, 3] = float("nan"), float("inf")
    ones = torch.ones(40, device=device)
    total, y = kernel.add_layer_norm(x, delta, ones, ones, 0.1)
    assert y.isnan().any(1).tolist() == [True, False, True, False]
    assert torch.equal(total.isfinite(), (x + delta).isfinite())


class Watch:
    """A tap that keeps what it sees, and hands back the values of `fed` instead."""

    def __init__(self, **fed):
        self.seen, self.fed = {}, fed

    def __call__(self, p, point, x):
        self.seen[p.path, point] = x
        return self.fed.get(point, x)


def case(device, dtype="bfloat16", width=72):
    x, delta, weight, bias, _ = inputs(5, width, dtype, (0, 0), 1.0, 0.5, 1, device)
    return SimpleNamespace(path="layer"), x, delta, SimpleNamespace(
        path="norm", weight=weight, bias=bias
    )  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_watching_does_not_change_the_numbers(dtype, device):
    p, x, delta, norm = case(device, dtype)
    total, y = ops.add_layer_norm(p, "sum", x, delta, norm, 1e-5)
    assert ops.last_choice() == ("add_layer_norm", "add_layer_norm", "72 wide")
    only = ops.layer_norm_of_sum(p, "sum", x, delta, norm, 1e-5)
    assert ops.last_choice() == ("layer_norm_of_sum", "add_layer_norm_of_sum", "72 wide")
    watch, post = Watch(), Watch()
    watched = ops.add_layer_norm(p, "sum", x, delta, norm, 1e-5, tap=watch)
    assert torch.equal(watched[0], total) and torch.equal(watched[1], y)
    assert torch.equal(ops.layer_norm_of_sum(p, "sum", x, delta, norm, 1e-5, tap=post), only)
    assert torch.equal(only, y)
    for seen in (watch.seen, post.seen):
        assert torch.equal(seen["layer", "sum"], x + delta)
        assert torch.equal(seen["norm", "output"], y)


def test_what_a_tap_hands_back_is_gone_on_with(device):
    p, x, delta, norm = case(device)
    other, output = torch.randn_like(x), torch.randn_like(x)
    wanted = ops.layer_norm(other, norm.weight, norm.bias, 1e-5)
    total, y = ops.add_layer_norm(p, "sum", x, delta, norm, 1e-5, tap=Watch(sum=other))
    assert total is other and torch.equal(y, wanted)
    y = ops.layer_norm_of_sum(p, "sum", x, delta, norm, 1e-5, tap=Watch(sum=other))
    assert torch.equal(y, wanted)
    fed = Watch(output=output)
    assert ops.add_layer_norm(p, "sum", x, delta, norm, 1e-5, tap=fed)[1] is output
    assert ops.layer_norm_of_sum(p, "sum", x, delta, norm, 1e-5, tap=fed) is output


def test_plain_torch_takes_the_rest(device):
    p, x, delta, norm = case(device)
    norm.weight, norm.bias = norm.weight.double(), norm.bias.double()
    wanted = twin(x, delta, norm.weight, norm.bias, None)
    total, y = ops.add_layer_norm(p, "sum", x.double(), delta.double(), norm, 1e-5)
    assert ops.last_choice() == ("add_layer_norm", "torch", "float64 has no kernel")
    assert relative_l2(as_float64(total), wanted[0]) <= 1e-14
    assert relative_l2(as_float64(y), wanted[1]) <= 1e-13
    y = ops.layer_norm_of_sum(p, "sum", x.double(), delta.double()[:1], norm, 1e-5)
    assert ops.last_choice().op == "layer_norm_of_sum" and y.shape == x.shape
    p, x, delta, norm = case(device, "float32")
    ops.add_layer_norm(p, "sum", x, delta[:1], norm, 1e-5)
    assert ops.last_choice() == ("add_layer_norm", "torch", "x and delta differ in shape")


MUTANTS = {
    "the difference": ("return x + delta", "return x - delta"),
    "the bias is multiplied": ("delta += vector(", "delta *= vector("),
    "the stride of x for delta": (
        "piece(delta_ptr, row, live, delta_stride,",
        "piece(delta_ptr, row, live, x_stride,",
    ),
    "the first row of the sum is not kept": (
        "put(sum_ptr, x1, row, live,",
        "put(sum_ptr, x1, row, live & (row > 0),",
    ),
    "the second piece of the sum lies at the third's": (
        "put(sum_ptr, x2, row, live, y_stride, P1, P2, WIDTH)",
        "put(sum_ptr, x2, row, live, y_stride, P1 + P2, P2, WIDTH)",
    ),
    "the last rows forgotten": ("live = row < rows", "live = row < rows - 1"),
    "the norm in place of the sum": (
        "total, y\n\n\ndef layer_norm_of_sum(",
        "y, y\n\n\ndef layer_norm_of_sum(",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_twin_is_noticed(name, device):
    wrong = rewritten(kernel, *MUTANTS[name])
    with pytest.raises(AssertionError):
        for width in (50, 768):
            check(wrong, 5, width, "float32", (1, 7), True, 1.0, 0.0, 7, device)


def test_a_norm_of_the_rounded_sum_is_noticed(device):
    wrong = rewritten(
        kernel, "return x + delta", "return (x + delta).to(tl.bfloat16).to(tl.float32)"
    )
    with pytest.raises(AssertionError):
        check_float32_inside(wrong, device)


def test_refusals():
    x, vector = torch.randn(2, 8), torch.ones(8)
    with pytest.raises(KernelError, match=r"delta must have the shape of x, \(2, 8\); got \(8,\)"):
        kernel.add_layer_norm(x, vector, vector, vector, 1e-5)
    with pytest.raises(KernelError, match=r"layer_norm_of_sum: weight must be \(8,\)"):
        kernel.layer_norm_of_sum(x, x, torch.ones(9), vector, 1e-5)
    with pytest.raises(KernelError, match=r"delta_bias must be \(8,\).*got \(9,\)"):
        kernel.add_layer_norm(x, x, vector, vector, 1e-5, torch.ones(9))
    with pytest.raises(KernelError, match="x is float32 and delta float16"):
        kernel.add_layer_norm(x, x.half(), vector, vector, 1e-5)
    with pytest.raises(KernelError, match="float64 has no kernel"):
        kernel.add_layer_norm(*[each.double() for each in (x, x, vector, vector)], 1e-5)
