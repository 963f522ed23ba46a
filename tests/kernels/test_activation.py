"""The activation functions inside kernels, bias + activation, and swiglu, against numpy."""

import numpy as np
import pytest
import torch
from comparing import relative_l2
from guarded import DTYPES, TOLERANCES, as_float64, guarded, watched_outputs
from hypothesis import given, settings
from hypothesis import strategies as st
from rewritten import rewritten

from kernels import activation as kernel
from kernels import activation_functions as functions
from kernels import ops
from kernels.errors import KernelError
from refimpl import ops as numpy_ops
from refimpl.activations import ACTIVATIONS

WIDTHS = st.sampled_from([1, 3, 15, 17, 50, 64, 72, 127, 129, 257, 384, 577, 768])
ROWS = st.sampled_from([0, 1, 3, 5, 17])
NAMES = sorted({function: name for name, function in functions.FUNCTIONS.items()}.values())

EXTREMES = [0.0, -0.0, 1e-6, -1e-6, 9.99, 10.01, 30, -30, 90, -90, 200, -200, 1e4, -1e4, 3e4, -3e4]
NOT_FINITE = [float("inf"), -float("inf"), float("nan")]


def check_function(module, name, device):
    """Compare number by number, from tiny to huge, and where the results are no numbers."""
    small = np.concatenate([np.linspace(-8, 8, 997), np.geomspace(1e-5, 1, 99)])
    values = np.concatenate([small, -small[997:], EXTREMES, NOT_FINITE]).astype(np.float32)
    found = as_float64(module.bias_activation(torch.tensor(values, device=device), None, name))
    with np.errstate(all="ignore"):
        wanted = ACTIVATIONS[name](values.astype(np.float64))
    assert np.array_equal(np.isnan(found), np.isnan(wanted)), values[
        np.isnan(found) != np.isnan(wanted)
    ]
    assert np.array_equal(np.isinf(found), np.isinf(wanted))
    finite = np.isfinite(wanted)
    # 1 − Φ and exp(−x) lose what float32 has not got left of −3: hence the absolute part
    found, wanted, values = found[finite], wanted[finite], values[finite]
    error = np.abs(found - wanted) / (0.2 + np.abs(wanted))
    assert error.max() <= 3e-6, (values[error.argmax()], error.max())
    near = (np.abs(values) < 1e-2) & (name != "laplace")  # which is no zero there, and cancels
    assert relative_l2(found[near], wanted[near]) <= 2e-6


@pytest.mark.parametrize("name", NAMES)
def test_each_function_equals_its_twin(name, device):
    check_function(kernel, name, device)


def test_the_names_are_those_of_the_configs():
    assert functions.FUNCTIONS.keys() == ACTIVATIONS.keys()
    for name, function in functions.FUNCTIONS.items():
        twin = ACTIVATIONS[name]
        assert function == twin.__name__, name


def check(module, rows, width, name, dtype, gap, biased, in_place, seed, device):
    rng = np.random.default_rng(seed)
    x = guarded(rng.standard_normal((rows, width)) * 3, device, dtype, gap)
    bias = guarded(rng.standard_normal(width), device, dtype) if biased else None
    before = as_float64(x)
    memory = x.as_strided((x.untyped_storage().nbytes() // x.element_size(),), (1,), 0)
    blanks = memory.isnan()
    with watched_outputs() as given_out:
        found = module.bias_activation(x, bias, name, in_place=in_place)
        assert len(given_out) == (not in_place)
    assert torch.equal(memory.isnan(), blanks), "written beside x"
    assert (found is x) == in_place and found.shape == x.shape and found.dtype == DTYPES[dtype]
    if not in_place:
        assert np.array_equal(as_float64(x), before), "x was changed"
    wanted = ACTIVATIONS[name](before + (as_float64(bias) if biased else 0))
    assert relative_l2(as_float64(found), wanted) <= TOLERANCES[dtype]


@settings(max_examples=40)
@given(
    rows=ROWS,
    width=WIDTHS,
    name=st.sampled_from(["quick_gelu", "gelu", "gelu_pytorch_tanh", "relu", "silu"]),
    dtype=st.sampled_from(list(DTYPES)),
    gap=st.sampled_from([0, 1, 7]),
    biased=st.booleans(),
    in_place=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_bias_and_activation(device, rows, width, name, dtype, gap, biased, in_place, seed):
    check(kernel, rows, width, name, dtype, gap, biased, in_place, seed, device)


@pytest.mark.parametrize("in_place", [False, True])
def test_leading_axes_strides_and_copies(in_place, device):
    whole = torch.randn(3, 4, 72, device=device)
    for x in (whole[:, 1:3], whole[..., ::2], whole.swapaxes(0, 2), whole[0, 0], whole[:, :0]):
        x = x if in_place else x.clone(memory_format=torch.preserve_format)
        bias = torch.randn(2 * x.shape[-1], device=device)[::2]
        wanted = ACTIVATIONS["gelu"](as_float64(x) + as_float64(bias))
        found = kernel.bias_activation(x, bias, "gelu", in_place=in_place)
        assert relative_l2(as_float64(found), wanted) <= 2e-6
        assert (found is x) == in_place


def check_swiglu(module, rows, width, dtype, gap, seed, device):
    rng = np.random.default_rng(seed)
    x = guarded(rng.standard_normal((rows, 2 * width)) * 3, device, dtype, gap)
    with watched_outputs():
        found = module.swiglu(x)
    assert found.shape == (rows, width) and found.dtype == DTYPES[dtype] and found.is_contiguous()
    assert relative_l2(as_float64(found), numpy_ops.swiglu(as_float64(x))) <= TOLERANCES[dtype]


@settings(max_examples=25)
@given(
    rows=ROWS,
    width=WIDTHS,
    dtype=st.sampled_from(list(DTYPES)),
    gap=st.sampled_from([0, 1, 7]),
    seed=st.integers(0, 2**32 - 1),
)
def test_swiglu(device, rows, width, dtype, gap, seed):
    check_swiglu(kernel, rows, width, dtype, gap, seed, device)


def test_swiglu_of_extreme_values_and_axes(device):
    values = torch.tensor(EXTREMES + NOT_FINITE, device=device)
    x = torch.cat([values, values.flip(0)]).expand(2, 3, -1)
    with np.errstate(all="ignore"):
        wanted = numpy_ops.swiglu(as_float64(x))
    found = as_float64(kernel.swiglu(x))
    assert np.array_equal(np.isnan(found), np.isnan(wanted))
    np.testing.assert_allclose(found, wanted, rtol=3e-6, atol=1e-12)


def test_the_choice_can_be_asked(device):
    x = torch.randn(2, 3, 34, device=device)
    assert torch.equal(ops.swiglu(x), kernel.swiglu(x))
    assert ops.last_choice() == ("swiglu", "activation_swiglu", "17 wide")
    wanted = numpy_ops.swiglu(as_float64(x))
    assert relative_l2(as_float64(ops.swiglu(x.double())), wanted) <= 1e-14
    assert ops.last_choice() == ("swiglu", "torch", "float64 has no kernel")


def test_every_tile_has_1024_numbers():
    for width in range(1, 5000):
        rows, columns = kernel.tiles(width)
        assert rows * columns == 1024 and 16 <= columns <= 256
        assert columns >= min(width, 256) and (columns < 2 * width or columns == 16)


WRONG_FUNCTIONS = {
    "quick_gelu": ("1.702", "1.7"),
    "gelu": ("where(x < 0, half, 1 - half)", "where(x < 0, 1 - half, half)"),
    "gelu_10": ("clip(x * normal(x), -10.0, 10.0)", "x * normal(x)"),
    "gelu_new": ("0.044715", "0.0447"),
    "hardswish": ("(1 / 6)", "0.1667"),
    "laplace": ("x - 0.707107", "x"),
    "leaky_relu": ("0.01 * x", "0.0 * x"),
    "mish": ("tl.where(x > 20, 20.0, x)", "x"),
    "relu": ("tl.where(x < 0, 0.0, x)  #", "tl.where(x > 0, x, 0.0)  #"),
    "relu2": ("tl.where(x < 0, 0.0, x * x)", "x * x"),
    "relu6": ("clip(x, 0.0, 6.0)", "clip(x, 0.0, 7.0)"),
    "silu": ("y = x * tl.sigmoid(x)", "y = tl.sigmoid(x)"),
    "sqrtsoftplus": ("+ 1 / 5", "+ 1 / 4"),
    "tanh": ("tl.abs(x) < 0.625", "tl.abs(x) < 0.0"),
    "linear": ("        y = x\n", "        y = -x\n"),
}


@pytest.mark.parametrize("name", WRONG_FUNCTIONS)
def test_a_wrong_function_is_noticed(name, device):
    wrong = rewritten(functions, *WRONG_FUNCTIONS[name])
    with pytest.raises(AssertionError):
        user = rewritten(kernel, "from kernels.activation_functions", f"from {wrong.__name__}")
        check_function(user, name, device)


MUTANTS = {
    "the bias is taken away": ("x += tl.load(bias_ptr", "x -= tl.load(bias_ptr"),
    "the bias of the first tile for all": ("bias_ptr + column", "bias_ptr + column % COLUMNS"),
    "one column too many": ("(column < width)\n", "(column <= width)\n"),
    "the last row forgotten": ("(row < rows)", "(row < rows - 1)"),
    "the tiles of a row swapped with rows": ("0) // across", "0) % across"),
    "the stride of x for y": ("y_ptr + row * y_stride", "y_ptr + row * x_stride", 2),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_twin_is_noticed(name, device):
    wrong = rewritten(kernel, *MUTANTS[name])
    with pytest.raises(AssertionError):
        check(wrong, 5, 577, "gelu", "float32", 7, True, False, 7, device)
        check(wrong, 5, 577, "gelu", "float32", 7, True, True, 7, device)


WRONG_GATES = {
    "the second half is bent": ('activate(gate, "silu") * gated', 'activate(gated, "silu") * gate'),
    "another function": ('activate(gate, "silu")', 'activate(gate, "quick_gelu")'),
    "the halves overlap": ("at + width,", "at + width - 1,"),
    "a sum": ("* gated", "+ gated"),
}


@pytest.mark.parametrize("name", WRONG_GATES)
def test_a_wrong_gate_is_noticed(name, device):
    wrong = rewritten(kernel, *WRONG_GATES[name])
    with pytest.raises(AssertionError):
        check_swiglu(wrong, 5, 257, "float32", 1, 7, device)


def test_refusals():
    x = torch.randn(2, 8)
    with pytest.raises(KernelError, match="hidden_act 'gelv' is unknown; known are gelu, gelu_10"):
        kernel.bias_activation(x, None, "gelv")
    with pytest.raises(KernelError, match=r"bias must be \(8,\).*got \(9,\)"):
        kernel.bias_activation(x, torch.ones(9), "gelu")
    with pytest.raises(KernelError, match="x is float32 and bias float16"):
        kernel.bias_activation(x, torch.ones(8).half(), "gelu")
    with pytest.raises(KernelError, match="float64 has no kernel"):
        kernel.bias_activation(x.double(), None, "gelu")
    with pytest.raises(KernelError, match="float64 has no kernel"):
        kernel.swiglu(x.double())
    with pytest.raises(KernelError, match="two halves"):
        kernel.swiglu(torch.ones(2, 7))


def test_expanded_rows_cannot_be_changed_in_place(device):
    with pytest.raises(KernelError, match="x was expanded"):
        kernel.bias_activation(
            torch.randn(8, device=device).expand(3, 8), None, "gelu", in_place=True
        )
