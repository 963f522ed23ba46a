"""SigLIP's loss without its matrix against the numpy twin, and wrong twins."""

import math

import numpy as np
import pytest
import torch
from guarded import DTYPES, GUARD, as_float64, guarded, watched_outputs
from hypothesis import given, settings
from hypothesis import strategies as st
from paired import pairs_of
from rewritten import rewritten

from kernels import ops
from kernels import sigmoid_loss as kernel
from kernels.errors import KernelError
from refimpl import ops as numpy_ops
from refimpl.graph import chunked_losses


def twin(*given):
    given = [as_float64(each) for each in given]
    return chunked_losses.sigmoid(numpy_ops, *given, 4096).item()


def check(module, pairs, width, dtype, gap, noise, scale, bias, seed, device):
    text, image = pairs_of(pairs, width, dtype, gap, noise, seed, device)
    scale = guarded(np.array([scale]), device, dtype)
    bias = guarded(np.array([bias]), device, dtype)
    with watched_outputs() as given:
        found = module.sigmoid_loss(text, image, scale, bias)
    assert found.shape == () and found.dtype == torch.float32
    numbers = sum(buffer.numel() - 2 * GUARD for buffer in given)
    assert numbers <= pairs + 1, "more than one number for each text"
    wanted = twin(text, image, scale, bias)
    # an error of a logit is at most as large a relative error of its cross entropy
    tolerance = 2e-6 * (1 + math.exp(as_float64(scale).item()))
    assert abs(found.item() - wanted) <= tolerance * wanted, (found.item(), wanted)


@settings(max_examples=25)
@given(
    pairs=st.sampled_from([1, 15, 17, 50, 77, 127, 129, 197, 257]),
    width=st.sampled_from([2, 15, 17, 64, 70]),
    dtype=st.sampled_from(list(DTYPES)),
    gap=st.sampled_from([0, 1, 7]),
    noise=st.sampled_from([0.1, 1.0, 10.0]),
    scale=st.sampled_from([-1.0, 1.0, math.log(100)]),
    bias=st.sampled_from([-10.0, 0.0, 3.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_equals_its_twin(device, pairs, width, dtype, gap, noise, scale, bias, seed):
    check(kernel, pairs, width, dtype, gap, noise, scale, bias, seed, device)


def check_small(module, device):
    """Far apart and all wrong: 34 cross entropies of 9e-9 each, which 1 + x would drown."""
    x = guarded(np.eye(35)[:34], device)
    scale, bias = guarded(np.array(math.log(37)), device), guarded(np.array(-18.5), device)
    found = module.sigmoid_loss(x, x, scale, bias).item()
    wanted = twin(x, x, scale, bias)
    assert wanted < 4e-7 and abs(found - wanted) <= 2e-5 * wanted


def test_a_small_loss_keeps_its_digits(device):
    check_small(kernel, device)


def test_the_same_numbers_give_the_same_bits(device):
    text, image = pairs_of(130, 33, "float32", 0, 1.0, 5, device)
    scale, bias = torch.tensor([[2.0], [-10.0]], device=device)
    first, again = (kernel.sigmoid_loss(text, image, scale, bias) for _ in range(2))
    assert torch.equal(first, again)


def test_a_nan_reaches_the_loss(device):
    text, image = pairs_of(70, 33, "float32", 0, 1.0, 5, device)
    image[66, 3] = float("nan")
    one = torch.ones(1, device=device)
    assert kernel.sigmoid_loss(text, image, one, one).isnan()


MUTANTS = {
    "the bias forgotten": ("logits = bias + temperature", "logits = temperature"),
    "the scale without its exponential": ("tl.exp(tl.load(scale_ptr).to(tl.float32))", "1.5"),
    "right and wrong changed over": ("row[:, None], -logits, logits", "row[:, None], logits, -logits"),
    "columns past the end": ("(column < count)[None, :], entropy", "(column >= 0)[None, :], entropy"),
    "divided by B²": ("mean_of(losses, pairs)", "mean_of(losses, pairs * pairs)"),
    "only what is above 0": ("tl.maximum(wrong, 0.0) + log_1p(tl.exp(-tl.abs(wrong)))", "tl.maximum(wrong, 0.0)"),
    "log(1 + x) as it stands": ("log_1p(tl.exp(", "tl.log(1 + tl.exp("),
    "the last row forgotten": ("total, row < count)", "total, row < count - 1)"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_twin_is_noticed(name, device):
    wrong = rewritten(kernel, *MUTANTS[name])
    with pytest.raises(AssertionError):
        check(wrong, 77, 33, "float32", 1, 1.0, 1.0, -2.0, 7, device)
        check_small(wrong, device)


def test_which_runs_can_be_asked(device):
    text, image = pairs_of(5, 12, "float32", 0, 1.0, 5, device)
    scale, bias = torch.tensor([[2.0], [-10.0]], device=device)
    by_kernel = ops.sigmoid_loss(text, image, scale, bias).item()
    assert ops.last_choice("sigmoid_loss").runs == "sigmoid_loss"
    found = ops.sigmoid_loss(text.double(), image.double(), scale.double(), bias.double())
    assert ops.last_choice("sigmoid_loss").why == "float64 has no kernel"
    assert abs(found.item() - twin(text, image, scale, bias)) < 1e-13
    text.requires_grad_()
    found = ops.sigmoid_loss(text, image, scale, bias)
    assert ops.last_choice("sigmoid_loss").why.startswith("a gradient is wanted")
    found.backward()
    assert text.grad is not None and abs(found.item() - by_kernel) < 1e-4


def test_refusals():
    text, one = torch.randn(3, 8), torch.ones(1)
    with pytest.raises(KernelError, match=r"B and E at least 1; got \(3, 8\) and \(3, 7\)"):
        kernel.sigmoid_loss(text, text[:, :7], one, one)
    with pytest.raises(KernelError, match=r"B and E at least 1; got \(0, 8\) and \(0, 8\)"):
        kernel.sigmoid_loss(text[:0], text[:0], one, one)
    with pytest.raises(KernelError, match="float64 has no kernel"):
        kernel.sigmoid_loss(text.double(), text.double(), one, one)
    with pytest.raises(KernelError, match=r"logit_bias must be one number; got shape \(1, 1\)"):
        kernel.sigmoid_loss(text, text, one, torch.ones(1, 1))
    with pytest.raises(KernelError, match="logit_scale is on meta and the embeddings on cpu"):
        kernel.sigmoid_loss(text, text, torch.ones((), device="meta"), one)
