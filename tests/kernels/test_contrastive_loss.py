"""CLIP's loss without its matrix against the numpy twin, and wrong twins."""

import math

import numpy as np
import pytest
import torch
from guarded import DTYPES, GUARD, as_float64, guarded, watched_outputs
from hypothesis import given, settings
from hypothesis import strategies as st
from paired import pairs_of
from rewritten import rewritten

from kernels import contrastive_loss as kernel
from kernels import ops
from kernels.errors import KernelError
from refimpl import ops as numpy_ops
from refimpl.graph import chunked_losses

pytestmark = pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning")  # the interpreter's max


def twin(text, image, scale):
    given = (as_float64(text), as_float64(image), as_float64(scale))
    return chunked_losses.contrastive(numpy_ops, *given, 4096).item()


def check(module, pairs, width, dtype, gap, noise, scale, seed, device):
    text, image = pairs_of(pairs, width, dtype, gap, noise, seed, device)
    scale = guarded(np.array(scale), device, dtype)
    with watched_outputs() as given:
        found = module.contrastive_loss(text, image, scale)
    assert found.shape == () and found.dtype == torch.float32
    numbers = sum(buffer.numel() - 2 * GUARD for buffer in given)
    assert numbers <= 2 * pairs + 1, "more than one number for each row and column"
    wanted = twin(text, image, scale)
    # an error of a logit is at most twice as large a relative error of a loss
    tolerance = 2e-6 * (1 + math.exp(as_float64(scale).item()))
    assert abs(found.item() - wanted) <= tolerance * wanted + 1e-15, (found.item(), wanted)


@settings(max_examples=25)
@given(
    pairs=st.sampled_from([1, 15, 17, 50, 77, 127, 129, 197, 257]),
    width=st.sampled_from([2, 15, 17, 64, 70]),
    dtype=st.sampled_from(list(DTYPES)),
    gap=st.sampled_from([0, 1, 7]),
    noise=st.sampled_from([0.1, 1.0, 10.0]),
    scale=st.sampled_from([-1.0, 1.0, math.log(100)]),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_equals_its_twin(device, pairs, width, dtype, gap, noise, scale, seed):
    check(kernel, pairs, width, dtype, gap, noise, scale, seed, device)


def check_small(module, device):
    """Orthogonal pairs: the loss is log(1 + 16 · exp(−20)), 3.3e-8, which 1 + x would drown."""
    eye = guarded(np.eye(17), device)
    scale = guarded(np.array([math.log(20)]), device)
    found = module.contrastive_loss(eye, eye, scale).item()
    wanted = math.log1p(16 * math.exp(-math.exp(as_float64(scale).item())))
    assert abs(found - wanted) <= 1e-5 * wanted


def test_a_small_loss_keeps_its_digits(device):
    check_small(kernel, device)


def test_the_same_numbers_give_the_same_bits(device):
    text, image = pairs_of(130, 33, "float32", 0, 1.0, 5, device)
    scale = torch.tensor(math.log(100), device=device)
    first, again = (kernel.contrastive_loss(text, image, scale) for _ in range(2))
    assert torch.equal(first, again)


def test_all_the_same(device):
    text, _ = pairs_of(1, 33, "float32", 0, 1.0, 5, device)
    text = text.expand(70, 33)  # stride 0: every logit is the pair's own
    found = kernel.contrastive_loss(text, text, torch.tensor(math.log(100), device=device))
    assert abs(found.item() - math.log(70)) < 1e-4


def test_a_nan_reaches_the_loss(device):
    text, image = pairs_of(70, 33, "float32", 0, 1.0, 5, device)
    image[66, 3] = float("nan")
    assert kernel.contrastive_loss(text, image, torch.ones(1, device=device)).isnan()


MUTANTS = {
    "the sum is not rescaled": ("total *= tl.exp(highest - risen)", "total *= 1.0"),
    "a pair as its own rival": ("(column[None, :] != row[:, None])", "(column[None, :] >= 0)"),
    "columns past the end": ("(column < count)[None, :] & (column[", "(column >= 0)[None, :] & (column["),
    "the scale without its exponential": ("tl.exp(tl.load(scale_ptr).to(tl.float32))", "1.5"),
    "the texts twice": ("(image, text, losses[1])", "(text, image, losses[1])"),
    "divided by B": ("mean_of(losses, 2 * pairs)", "mean_of(losses, pairs)"),
    "the pair left out of its own sum": ("tl.exp(pair - highest) - 1 + total", "total"),
    "log(1 + x) as it stands": ("log_1p(tl.exp(pair", "tl.log(1 + tl.exp(pair"),
    "the last numbers of the sum forgotten": ("place < count, 0.0)\n    tl.store", "place < count - 1, 0.0)\n    tl.store"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_twin_is_noticed(name, device):
    wrong = rewritten(kernel, *MUTANTS[name])
    with pytest.raises(AssertionError):
        check(wrong, 77, 33, "float32", 1, 10.0, 1.0, 7, device)
        check(wrong, 77, 33, "float32", 0, 10.0, math.log(100), 7, device)
        check_small(wrong, device)


def test_which_runs_can_be_asked(device):
    text, image = pairs_of(5, 12, "float32", 0, 1.0, 5, device)
    scale = torch.ones(1, device=device)
    by_kernel = ops.contrastive_loss(text, image, scale).item()
    assert ops.last_choice("contrastive_loss").runs == "contrastive_loss"
    found = ops.contrastive_loss(text.double(), image.double(), scale.double())
    assert ops.last_choice("contrastive_loss").why == "float64 has no kernel"
    assert abs(found.item() - twin(text, image, scale)) < 1e-13
    scale.requires_grad_()
    found = ops.contrastive_loss(text.half(), image.half(), scale)
    assert ops.last_choice("contrastive_loss").why.startswith("a gradient is wanted")
    found.backward()
    assert scale.grad is not None and abs(found.item() - by_kernel) < 1e-2


def test_refusals():
    text, scale = torch.randn(3, 8), torch.ones(1)
    with pytest.raises(KernelError, match=r"B and E at least 1; got \(3, 8\) and \(2, 8\)"):
        kernel.contrastive_loss(text, text[:2], scale)
    with pytest.raises(KernelError, match=r"B and E at least 1; got \(0, 8\) and \(0, 8\)"):
        kernel.contrastive_loss(text[:0], text[:0], scale)
    with pytest.raises(KernelError, match="text_embeds is float32 and image_embeds float16"):
        kernel.contrastive_loss(text, text.half(), scale)
    with pytest.raises(KernelError, match="float64 has no kernel"):
        kernel.contrastive_loss(text.double(), text.double(), scale)
    with pytest.raises(KernelError, match=r"logit_scale must be one number; got shape \(3,\)"):
        kernel.contrastive_loss(text, text, torch.ones(3))
