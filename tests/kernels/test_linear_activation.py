"""The product with bias and activation against its numpy twin, wrong twins, and which way runs."""

import math
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
import torch
from guarded import DTYPES, TOLERANCES, as_float64, guarded, watched_outputs
from hypothesis import given, settings
from hypothesis import strategies as st
from rewritten import rewritten

from kernels import linear_activation as kernel
from kernels import ops
from kernels.activation_functions import FUNCTIONS
from kernels.errors import KernelError
from refimpl import ops as numpy_ops
from refimpl.activations import ACTIVATIONS

SMALL = (16, 16, 32, 1, 1)
"""A tile of which even small products need many, in more than one group."""


def mlp(weight, bias):
    return SimpleNamespace(path="mlp", fc1=SimpleNamespace(weight=weight, bias=bias))


def twin(x, weight, bias, activation):
    return numpy_ops.linear_activation(mlp(weight, bias), x, activation)


def close(found, wanted, x, weight, bias, dtype):
    """Compare with what one rounding allows, and float32 sums of terms that may cancel."""
    terms = np.abs(x) @ np.abs(weight).T + np.abs(0.0 if bias is None else bias)
    bound = TOLERANCES[dtype] * np.linalg.norm(wanted) + 1e-6 * np.linalg.norm(terms)
    error = np.linalg.norm(as_float64(found) - wanted)
    assert error <= bound, (error, bound)  # a NaN fails


def check(module, rows, numbers, width, dtype, activation, tile, gap=0, biased=True, device="cpu"):
    rng = np.random.default_rng(rows * numbers + width)
    x = guarded(rng.standard_normal((rows, numbers)), device, dtype, gap)
    weight = guarded(rng.standard_normal((width, numbers)) / numbers**0.5, device, dtype, gap)
    bias = guarded(rng.standard_normal(width), device, dtype) if biased else None
    with watched_outputs(), mock.patch.object(module, "TILES", {DTYPES[dtype]: (tile,)}):
        found = module.linear_activation(x, weight, bias, activation)
    assert found.shape == (rows, width) and found.dtype == DTYPES[dtype] and found.is_contiguous()
    given = [None if each is None else as_float64(each) for each in (x, weight, bias)]
    close(found, twin(*given, activation), *given, dtype)


@settings(max_examples=30)
@given(
    rows=st.sampled_from([0, 1, 15, 17, 50, 77, 129, 197]),
    numbers=st.sampled_from([1, 2, 31, 64, 72, 128, 160, 588]),
    width=st.sampled_from([1, 3, 16, 33, 64, 127, 160]),
    dtype=st.sampled_from(list(DTYPES)),
    activation=st.sampled_from(["quick_gelu", "gelu", "gelu_pytorch_tanh", "relu", "tanh"]),
    size=st.integers(0, 2),
    gap=st.sampled_from([0, 1, 7]),
    biased=st.booleans(),
)
def test_it_equals_its_twin(device, rows, numbers, width, dtype, activation, size, gap, biased):
    tile = kernel.TILES[DTYPES[dtype]][size % len(kernel.TILES[DTYPES[dtype]])]
    check(kernel, rows, numbers, width, dtype, activation, tile, gap, biased, device)


@pytest.mark.parametrize("rows,width", [(150, 20), (17, 129)])
def test_many_tiles_in_groups(device, rows, width):
    check(kernel, rows, 40, width, "float32", "gelu", SMALL, device=device)


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_every_activation(device, activation):
    assert set(FUNCTIONS) == set(ACTIVATIONS)
    check(kernel, 15, 50, 17, "float32", activation, (16, 32, 64, 1, 1), device=device)


def test_leading_axes_strides_and_a_transposed_weight(device):
    x = torch.randn(3, 5, 48, device=device)[:, 1:4, :32]
    weight = torch.randn(32, 20, device=device).T
    bias = torch.randn(40, device=device)[::2]
    found = kernel.linear_activation(x, weight, bias, "gelu")
    assert found.shape == (3, 3, 20)
    given = [as_float64(each) for each in (x, weight, bias)]
    close(found, twin(*given, "gelu"), *given, "float32")
    across = torch.randn(6, 4, device=device).T  # its last axis has a stride
    narrow = torch.randn(20, 6, device=device)
    found = kernel.linear_activation(across, narrow, None, "relu")
    assert torch.allclose(found, (across @ narrow.T).relu(), atol=1e-5)
    assert kernel.linear_activation(x[:0], weight, bias, "gelu").shape == (0, 3, 20)
    assert kernel.linear_activation(x, weight[:0], None, "gelu").shape == (3, 3, 0)


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu", "gelu_new", "silu", "relu", "mish"])
def test_large_numbers_neither_overflow_nor_vanish(device, activation):
    x = torch.randn(17, 40, device=device) * 1e15
    weight, bias = torch.randn(20, 40, device=device), torch.randn(20, device=device) * 1e15
    found = kernel.linear_activation(x, weight, bias, activation)
    given = [as_float64(each) for each in (x, weight, bias)]
    close(found, twin(*given, activation), *given, "float32")


def test_a_product_beyond_float16_is_infinite(device):
    x, weight = torch.full((2, 32), 300.0, device=device), torch.full((3, 32), 300.0, device=device)
    found = kernel.linear_activation(x.half(), weight.half(), None, "relu")
    assert torch.equal(found, torch.full((2, 3), math.inf, dtype=torch.float16, device=device))


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu", "relu", "relu6", "tanh"])
def test_a_nan_stays_in_its_row_and_column(device, activation):
    x, weight = torch.randn(18, 40, device=device), torch.randn(20, 40, device=device)
    x[2, 7], weight[5, 39] = math.nan, math.nan
    bias = torch.randn(20, device=device)
    bias[11] = math.nan
    found = kernel.linear_activation(x, weight, bias, activation).isnan().cpu()
    wanted = torch.zeros(18, 20, dtype=torch.bool)
    wanted[2], wanted[:, 5], wanted[:, 11] = True, True, True
    assert torch.equal(found, wanted)


MUTANTS = {
    "no activation": ("rounded(activate(sums, NAME), ", "rounded(sums, "),
    "the bias after the activation": (
        "sums += spread(bias_ptr, column, inside)\n    y = rounded(activate(sums, NAME), ",
        "sums = activate(sums, NAME) + spread(bias_ptr, column, inside)\n    y = rounded(sums, ",
    ),
    "the first tile's bias everywhere": ("(bias_ptr, column", "(bias_ptr, column % COLUMNS"),
    "the last step forgotten": ("range(0, numbers, STEP)", "range(0, numbers - STEP, STEP)"),
    "the end of a row not masked": ("k[None, :] < numbers - first", "k[None, :] < numbers"),
    "rows without gaps": ("[:, None] * x_stride", "[:, None] * numbers"),
    "a low group as high as the others": ("tl.minimum(tall - first, GROUP)", "GROUP"),
    "one column too many": ("(column < columns)[None", "(column <= columns)[None"),
    "one row too many": ("(row < rows)[:, None] & ", "(row <= rows)[:, None] & "),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_twin_is_noticed(name, device):
    wrong = rewritten(kernel, *MUTANTS[name])
    with pytest.raises(AssertionError):
        check(wrong, 130, 33, 20, "float32", "gelu", SMALL, gap=3, device=device)


def test_refusals():
    x, weight, bias = torch.randn(2, 8), torch.randn(5, 8), torch.randn(5)
    with pytest.raises(KernelError, match=r"weight must be \(M, D\).*\(2, 8\); got \(8, 5\)"):
        kernel.linear_activation(x, weight.T, bias, "gelu")
    with pytest.raises(KernelError, match=r"bias must be \(5,\).*got \(6,\)"):
        kernel.linear_activation(x, weight, torch.randn(6), "gelu")
    with pytest.raises(KernelError, match="x is float32 and weight float16"):
        kernel.linear_activation(x, weight.half(), bias, "gelu")
    with pytest.raises(KernelError, match="float64 has no kernel"):
        kernel.linear_activation(x.double(), weight.double(), bias.double(), "gelu")
    with pytest.raises(KernelError, match="rows of 0 numbers"):
        kernel.linear_activation(x[:, :0], weight[:, :0], bias, "gelu")
    for run in (kernel.linear_activation, lambda x, w, b, name: ops_result(x, w, b, name)):
        with pytest.raises(KernelError, match=r"'gellu' is unknown; known are gelu, .*tanh"):
            run(x, weight, bias, "gellu")


# Which of the two ways runs, and who watches


def ops_result(x, weight, bias, activation, **tap):
    return ops.linear_activation(mlp(weight, bias), x, activation, **tap)


def parts(device, dtype="float32"):
    rng = np.random.default_rng(3)
    shapes = ((2, 7, 40), (24, 40), (24,))
    return [guarded(rng.standard_normal(shape), device, dtype) for shape in shapes]


def test_the_table_of_ways():
    half, single = torch.bfloat16, torch.float32
    assert ops.way_of_linear_activation(50, 3072, half) == ops.FUSED  # ViT-B/32, one picture
    assert ops.way_of_linear_activation(12_800, 3072, half) == ops.TWO_PASSES
    assert ops.way_of_linear_activation(50, 3072, single) == ops.FUSED
    assert ops.way_of_linear_activation(257, 4096, single) == ops.TWO_PASSES
    for dtype, table in ops.WAY.items():
        assert table[-1][0] == math.inf
        for width, most in table:
            width = min(width, 10**6)
            assert ops.way_of_linear_activation(most, width, dtype) == ops.FUSED
            assert ops.way_of_linear_activation(most + 1, width, dtype) == ops.TWO_PASSES


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("way", [ops.FUSED, ops.TWO_PASSES])
def test_both_ways_give_the_twins_numbers(device, way, biased, dtype):
    x, weight, bias = parts(device, dtype)
    bias = bias if biased else None
    with mock.patch.object(ops, "way_of_linear_activation", lambda *_: way):
        found = ops_result(x, weight, bias, "quick_gelu")
    choice = ops.last_choice("linear_activation")
    assert way in choice.why and choice.runs != "torch"
    given = [None if each is None else as_float64(each) for each in (x, weight, bias)]
    tolerance = 2 * TOLERANCES[dtype]  # the way with two passes rounds twice
    wanted = twin(*given, "quick_gelu")
    assert found.shape == (2, 7, 24) and found.dtype == DTYPES[dtype]
    assert np.linalg.norm(as_float64(found) - wanted) <= tolerance * np.linalg.norm(wanted)


def test_plain_torch_serves_float64(device):
    x, weight, bias = (each.double() for each in parts(device))
    found = ops_result(x, weight, bias, "gelu")
    assert ops.last_choice("linear_activation").runs == "torch"
    given = [as_float64(each) for each in (x, weight, bias)]
    assert np.allclose(as_float64(found), twin(*given, "gelu"), rtol=1e-12)


def test_watching_does_not_change_the_numbers(device):
    x, weight, bias = parts(device)
    seen = {}

    def watch(p, point, value):
        assert p.path == "mlp"
        seen[point] = value
        return value

    found = ops_result(x, weight, bias, "gelu", tap=watch)
    assert torch.equal(found, ops_result(x, weight, bias, "gelu"))
    assert list(seen) == ["fc1", "activation"] and seen["activation"] is found
    assert torch.allclose(seen["fc1"], x @ weight.T + bias, atol=1e-5)


def test_a_tap_can_hand_back_another_value(device):
    x, weight, bias = parts(device)
    other = torch.randn(2, 7, 24, device=device)
    fed = ops_result(
        x, weight, bias, "relu", tap=lambda p, point, y: other if point == "fc1" else y
    )
    assert torch.equal(fed, other.relu())
    last = ops_result(
        x, weight, bias, "relu", tap=lambda p, point, y: other if point == "activation" else y
    )
    assert last is other
