"""The kernel that ranks texts for pictures against its numpy twin, and wrong twins."""

import math

import numpy as np
import pytest
import torch
from comparing import relative_l2
from guarded import DTYPES, as_float64, guarded, watched_outputs
from hypothesis import given, settings
from hypothesis import strategies as st
from rewritten import rewritten

from kernels import ops, plain_ends
from kernels import top_matches as kernel
from kernels.errors import KernelError
from refimpl.matching import top_matches as twin

pytestmark = pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning")  # the interpreter's max

BIAS = -10.0


def check(module, images, texts, width, k, activation, dtype, gap, scale, seed, device):
    rng = np.random.default_rng(seed)
    image = guarded(3 * rng.standard_normal((images, width)), device, dtype, gap)
    text = guarded(rng.standard_normal((texts, width)), device, dtype, gap)
    scale = guarded(np.array(scale), device, dtype)
    bias = guarded(np.array([BIAS]), device, dtype) if activation == "sigmoid" else None
    given = (image, text, scale) if bias is None else (image, text, scale, bias)
    with watched_outputs():
        found, places = module.top_matches(*given, k=k, activation=activation)
    assert found.shape == places.shape == (images, k)
    assert found.dtype == torch.float32 and places.dtype == torch.int64
    wide = [as_float64(each) for each in given]
    wanted, _ = twin(*wide, k=k, activation=activation)
    every, order = twin(*wide, k=texts, activation=activation)
    places = places.cpu().numpy()
    assert ((places >= 0) & (places < texts)).all()
    assert all(len(set(row)) == k for row in places.tolist())
    by_number = np.empty_like(every)
    np.put_along_axis(by_number, order, every, axis=1)
    # an error of a logit is a relative error of a probability
    tolerance = 2e-6 * (1 + math.exp(as_float64(scale).item()))
    assert relative_l2(as_float64(found), wanted) <= tolerance
    assert relative_l2(np.take_along_axis(by_number, places, axis=1), wanted) <= tolerance


@settings(max_examples=20)
@given(
    images=st.sampled_from([0, 1, 15, 17]),
    texts=st.sampled_from([1, 15, 17, 50, 77, 129, 257]),
    width=st.sampled_from([1, 15, 17, 64, 129]),
    k=st.sampled_from([1, 3, 8, 9, 32]),
    activation=st.sampled_from(["softmax", "sigmoid"]),
    dtype=st.sampled_from(list(DTYPES)),
    gap=st.sampled_from([0, 1, 7]),
    scale=st.sampled_from([-1.0, 1.0, math.log(100)]),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_equals_its_twin(device, images, texts, width, k, activation, dtype, gap, scale, seed):
    k = min(k, texts)
    check(kernel, images, texts, width, k, activation, dtype, gap, scale, seed, device)


def check_ties(module, device, k):
    """One-hot vectors: their logits are exactly 0 and 1, many times each."""
    rng = np.random.default_rng(k)
    image = guarded(np.eye(6)[rng.integers(0, 6, 9)] * 4, device)
    text = guarded(
        np.eye(6)[rng.integers(0, 6, 130)] * 2.0 ** rng.integers(-3, 3, (130, 1)), device
    )
    scale = guarded(np.zeros(()), device)
    for activation in ("softmax", "sigmoid"):
        _, places = module.top_matches(image, text, scale, k=k, activation=activation)
        _, wanted = twin(
            as_float64(image), as_float64(text), as_float64(scale), k=k, activation=activation
        )
        assert places.tolist() == wanted.tolist()


@pytest.mark.parametrize("k", [1, 8, 32])
def test_the_lower_number_wins_a_tie(device, k):
    check_ties(kernel, device, k)


def check_zeros(module, device):
    rng = np.random.default_rng(3)
    image, text = rng.standard_normal((3, 20)), rng.standard_normal((5, 20))
    image[1], text[3] = 0, 0
    image, text, scale = (guarded(each, device) for each in (image, text, np.ones(())))
    for activation in ("softmax", "sigmoid"):
        found, places = module.top_matches(image, text, scale, k=5, activation=activation)
        wanted, order = twin(
            as_float64(image), as_float64(text), as_float64(scale), k=5, activation=activation
        )
        assert places.tolist() == order.tolist()
        assert np.allclose(as_float64(found), wanted, rtol=1e-5, atol=0, equal_nan=True)


def test_a_zero_vector_gives_nan_and_ranks_last(device):
    check_zeros(kernel, device)


def test_rows_that_lie_apart(device):
    image = torch.randn(24, 7, device=device).T  # inner stride 7
    text = torch.randn(40, 50, device=device)[::2, 3:27]
    scale = torch.zeros(1, device=device)
    found, places = kernel.top_matches(image, text, scale, k=3, activation="softmax")
    wanted, order = twin(
        as_float64(image), as_float64(text), as_float64(scale), k=3, activation="softmax"
    )
    assert relative_l2(as_float64(found), wanted) <= 4e-6 and places.tolist() == order.tolist()


MUTANTS = {
    "the sum is not rescaled": ("total * tl.exp(highest - risen)", "total"),
    "the scale without its exponential": ("tl.exp(tl.load(scale_ptr).to(tl.float32))", "1.5"),
    "the bias forgotten": ("logits += tl.load(bias_ptr).to(tl.float32)", "logits += 0"),
    "texts of length 1 taken for granted": ("(1 / tl.sqrt(squares))[:, None]", "1.0"),
    "a text too many": ("real = (text < texts)", "real = (text < texts + 1)"),
    "one of each tile kept": ("while tl.max((peak", "if tl.max((peak"),
    "the higher number first": (
        "(0x7FFFFFFF - number).to(tl.int64)\n",
        "number.to(tl.int64)\n",
    ),
    "NaN first": ("logit != logit, -2, bits", "logit != logit, 0x7FFFFFFE, bits"),
    "the order of negative logits turned over": ("bits < 0, bits ^ 0x7FFFFFFF", "bits < 0, bits"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_twin_is_noticed(name, device):
    wrong = rewritten(kernel, *MUTANTS[name])
    with pytest.raises(AssertionError):
        for activation in ("softmax", "sigmoid"):
            check(wrong, 3, 200, 70, 9, activation, "float32", 1, 1.0, 7, device)
        check_ties(wrong, device, 8)
        check_zeros(wrong, device)


def test_which_runs_can_be_asked(device):
    image, text = torch.randn(4, 16, device=device), torch.randn(40, 16, device=device)
    scale, bias = torch.ones(1, device=device), torch.tensor(-10.0, device=device)
    ops.top_matches(image, text, scale, k=5, activation="softmax")
    assert ops.last_choice("top_matches") == ("top_matches", "top_matches", "5 of 40 texts")
    ops.top_matches(image, text, scale, k=33, activation="softmax")
    assert ops.last_choice("top_matches") == ("top_matches", "torch", "k is above 32")
    wide = [each.double() for each in (image, text, scale, bias)]
    for activation in ("softmax", "sigmoid"):
        found, places = ops.top_matches(*wide, k=6, activation=activation)
        wanted, order = twin(*map(as_float64, wide), k=6, activation=activation)
        assert relative_l2(found.cpu(), wanted) < 1e-13 and places.tolist() == order.tolist()
    assert ops.last_choice("top_matches").why == "float64 has no kernel"


def test_plain_torch_has_the_same_ties_and_nan(device):
    check_ties(plain_ends, device, 8)
    check_zeros(plain_ends, device)


def test_refusals():
    image, text, scale = torch.randn(2, 8), torch.randn(40, 8), torch.ones(())

    def call(*given, k=1, activation="softmax"):
        return kernel.top_matches(*given, k=k, activation=activation)

    with pytest.raises(KernelError, match=r"of one width, at least 1; got \(2, 8\) and \(40, 7\)"):
        call(image, text[:, :7], scale)
    with pytest.raises(KernelError, match="1 to the number of texts, 40; got 41"):
        call(image, text, scale, k=41)
    with pytest.raises(KernelError, match="up to 32 texts; got k = 33"):
        call(image, text, scale, k=33)
    with pytest.raises(KernelError, match="got 'tanh'"):
        call(image, text, scale, activation="tanh")
    with pytest.raises(KernelError, match="image is float32 and text float16"):
        call(image, text.half(), scale)
    with pytest.raises(KernelError, match="float64 has no kernel"):
        call(image.double(), text.double(), scale)
    with pytest.raises(KernelError, match=r"logit_scale must be one number; got shape \(2,\)"):
        call(image, text, torch.ones(2))
    with pytest.raises(KernelError, match="logit_bias is on meta and the embeddings on cpu"):
        call(image, text, scale, torch.ones((), device="meta"))
