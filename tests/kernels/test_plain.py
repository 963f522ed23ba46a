"""Every operation in plain torch against its numpy twin, and the protocol's names and arguments."""

import inspect
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from comparing import relative_l2

from kernels import activations, ops, plain
from kernels.errors import KernelError
from refimpl import activations as numpy_activations
from refimpl import ops as numpy_ops
from refimpl.graph.interface import Mask, Ops

RNG = np.random.default_rng(3)
OPERATIONS = [name for name in vars(Ops) if not name.startswith("_")]


def draw(*shape):
    return RNG.standard_normal(shape)


NODE = SimpleNamespace(path="node")
IDS = RNG.integers(0, 7, (2, 5))
KERNEL = SimpleNamespace(path="patches", weight=draw(6, 3, 4, 4), bias=draw(6))
NORM = SimpleNamespace(path="norm", weight=draw(6), bias=draw(6))
LAYERS = [SimpleNamespace(weight=draw(n, 6), bias=b) for n, b in ((4, draw(4)), (5, None))]
MLP = SimpleNamespace(path="mlp", fc1=SimpleNamespace(weight=draw(8, 6), bias=draw(8)))
X = draw(2, 5, 6)
SEEN = RNG.random((2, 5, 5)) < 0.5
PADDING = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 1]], bool)
HEADS = {"heads": 2, "scale": 0.6}

CASES = {
    "tap": (NODE, "point", X),
    "embedding": (draw(7, 6), IDS),
    "patch_embedding": (draw(2, 3, 9, 13), KERNEL.weight, KERNEL.bias),
    "embed_patches": (NODE, draw(2, 3, 8, 8), KERNEL, draw(6), draw(5, 6)),
    "interpolate_positions": (draw(9, 6), 5, 2),
    "relative_position_bias": (draw(12, 2), 4, 3),
    "cumulative_sum": (PADDING,),
    "concatenate": ([X, draw(2, 1, 6)], 1),
    "repeat_batch": (draw(6), 3),
    "layer_norm": (X, NORM.weight, NORM.bias, 1e-5),
    "linear": (X, draw(4, 6), draw(4)),
    "linears": (X, LAYERS),
    "add_layer_norm": (NODE, "sum", X, draw(2, 5, 6), NORM, 1e-5),
    "layer_norm_of_sum": (NODE, "sum", X, draw(2, 5, 6), NORM, 1e-5),
    "linear_activation": (MLP, X, "quick_gelu"),
    "swiglu": (X,),
    "attention": (NODE, X, draw(2, 5, 6), draw(2, 5, 6), {**HEADS, "mask": Mask()}),
    "relative_query_scores": (X, draw(11, 3), 2, 5),
    "relative_key_scores": (X, draw(11, 3), 2, 5),
    "argmax": (np.array([[1, 7, 7], [0, 0, 0]]),),
    "pick_rows": (X, np.array([4, 0])),
    "mean": (X, 1),
    "l2_normalize": (X,),
    "exp": (X,),
    "tanh": (X,),
    "log_sum_exp": (1000 * X,),
    "identity_like": (draw(4, 4),),
    "log_softmax": (1000 * X,),
    "log_sigmoid": (1000 * X,),
}


def moved(value, dtype):
    """The same arguments as torch tensors."""
    if isinstance(value, np.ndarray):
        tensor = torch.from_numpy(value.copy())
        return tensor.to(dtype) if tensor.is_floating_point() else tensor
    if isinstance(value, (list, tuple)):
        return type(value)(moved(each, dtype) for each in value)
    if isinstance(value, SimpleNamespace):
        return SimpleNamespace(**{n: moved(each, dtype) for n, each in vars(value).items()})
    if isinstance(value, Mask):
        fields = ("causal", "key_padding", "visible", "bias", "segments")
        return Mask(**{name: moved(getattr(value, name), dtype) for name in fields})
    if isinstance(value, dict):
        return {name: moved(each, dtype) for name, each in value.items()}
    return value


def run(module, name, arguments):
    *positional, last = arguments
    named = last if isinstance(last, dict) else {}
    found = getattr(module, name)(*(positional if named else arguments), **named)
    return found if isinstance(found, tuple) else (found,)


def compare(module, name, arguments, dtype, tolerance):
    wanted = run(numpy_ops, name, arguments)
    found = run(module, name, moved(arguments, dtype))
    assert len(found) == len(wanted)
    for each, right in zip(found, wanted, strict=True):
        assert tuple(each.shape) == right.shape
        assert each.is_floating_point() == (right.dtype.kind == "f")
        assert relative_l2(each.double().numpy(), right) <= tolerance


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("module", [plain, ops], ids=["plain", "ops"])
def test_every_operation_equals_its_twin_in_float64(module, name):
    compare(module, name, CASES[name], torch.float64, 1e-14)


@pytest.mark.parametrize("name", OPERATIONS)
def test_and_in_float32_where_kernels_may_run(name):
    compare(ops, name, CASES[name], torch.float32, 2e-6)


@pytest.mark.parametrize("module", [plain, ops], ids=["plain", "ops"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_names_and_arguments_are_the_protocols(module, name):
    given = list(inspect.signature(getattr(module, name)).parameters)
    assert given == [each for each in inspect.signature(getattr(Ops, name)).parameters][1:]


def test_the_module_is_an_interpreter():
    assert isinstance(ops, Ops)


MASKS = {
    "causal": Mask(causal=True),
    "padding": Mask(key_padding=PADDING),
    "both, a row that sees nothing": Mask(causal=True, key_padding=PADDING),
    "visible": Mask(visible=SEEN),
    "bias": Mask(bias=draw(1, 2, 5, 5)),
    "everything": Mask(causal=True, key_padding=PADDING, visible=SEEN, bias=draw(2, 1, 5, 5)),
}


@pytest.mark.parametrize("name", MASKS)
def test_attention_under_every_mask(name):
    arguments = (NODE, X, draw(2, 5, 6), draw(2, 5, 6), {**HEADS, "mask": MASKS[name]})
    compare(ops, "attention", arguments, torch.float64, 1e-14)
    compare(ops, "attention", arguments, torch.float32, 2e-6)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_in_packed_texts(causal):
    mask = Mask(causal=causal, segments=np.array([0, 2, 2, 7]))
    q, k, v = draw(3, 1, 7, 6)
    compare(ops, "attention", (NODE, q, k, v, {**HEADS, "mask": mask}), torch.float64, 1e-14)
    compare(ops, "attention", (NODE, q, k, v, {**HEADS, "mask": mask}), torch.float32, 2e-6)


def test_heads_are_weighed():
    weights = {**HEADS, "mask": Mask(), "head_mask": np.array([0.0, 0.5])}
    arguments = (NODE, X, draw(2, 5, 6), draw(2, 5, 6), weights)
    compare(ops, "attention", arguments, torch.float64, 1e-14)
    compare(ops, "attention", arguments, torch.float32, 2e-6)


def test_queries_behind_a_cache():
    q, k, v = draw(2, 2, 6), draw(2, 5, 6), draw(2, 5, 6)
    arguments = (NODE, q, k, v, {**HEADS, "mask": Mask(causal=True)})
    compare(ops, "attention", arguments, torch.float64, 1e-14)
    compare(ops, "attention", arguments, torch.float32, 2e-6)


@pytest.mark.parametrize("name", numpy_activations.ACTIVATIONS)
def test_every_activation_equals_its_twin(name):
    x = np.concatenate([np.linspace(-12, 12, 401), [-1e4, -40.0, 40.0, 1e4, 0.0]])
    wanted = numpy_activations.activation(name)(x)
    found = activations.activate(name, torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-13, atol=1e-14)
    half = activations.activate(name, torch.from_numpy(x[:-5]).half())
    assert half.dtype == torch.float16
    np.testing.assert_allclose(
        half.double().numpy(),
        numpy_activations.activation(name)(torch.from_numpy(x[:-5]).half().double().numpy()),
        rtol=6e-4,
        atol=2e-6,
    )


def test_both_tables_of_activations_have_the_same_names():
    assert set(activations.ACTIVATIONS) == set(numpy_activations.ACTIVATIONS)


def test_weights_that_lie_side_by_side_are_one_product():
    whole, biases, x = torch.randn(9, 6), torch.randn(9), torch.randn(2, 6)
    layers = [
        SimpleNamespace(weight=w, bias=b)
        for w, b in zip(whole.split([4, 3, 2]), biases.split([4, 3, 2]), strict=True)
    ]
    assert plain.side_by_side([each.weight for each in layers]).data_ptr() == whole.data_ptr()
    parts = plain.linears(x, layers)
    assert [part.stride() for part in parts] == [(9, 1)] * 3
    assert torch.equal(torch.cat(parts, 1), torch.nn.functional.linear(x, whole, biases))
    for wrong in ([1, 0, 2], [0, 2], [0, 0, 1]):  # neighbours in another order are not one
        assert plain.side_by_side([layers[n].weight for n in wrong]) is None
    layers[1] = SimpleNamespace(weight=layers[1].weight, bias=None)
    biases[4:7] = 0
    wanted = torch.nn.functional.linear(x, whole, biases)
    torch.testing.assert_close(torch.cat(plain.linears(x, layers), 1), wanted)


def test_refusals():
    with pytest.raises(KernelError, match=r"weight must be \(6,\), the last axis of x \(2, 6\)"):
        ops.layer_norm(torch.ones(2, 6), torch.ones(5), torch.ones(5), 1e-5)
    with pytest.raises(KernelError, match=r"takes rows of 3; x is \(2, 6\)"):
        ops.linear(torch.ones(2, 6), torch.ones(4, 3))
    with pytest.raises(KernelError, match="'gelu2' is unknown; known are gelu, "):
        ops.linear_activation(moved(MLP, torch.float32), torch.ones(2, 6), "gelu2")
    with pytest.raises(KernelError, match="10 positions, no square grid"):
        ops.interpolate_positions(torch.ones(10, 3), 2, 2)
    with pytest.raises(KernelError, match=r"13 rows, not \(2s − 1\)² \+ 3"):
        ops.relative_position_bias(torch.ones(13, 3), 2, 2)
