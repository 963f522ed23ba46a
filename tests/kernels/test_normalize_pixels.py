"""Normalising bytes against the functions of images/transforms.py, and wrong twins."""

import numpy as np
import pytest
import torch
from guarded import DTYPES, guarded, watched_outputs
from hypothesis import given, settings
from hypothesis import strategies as st
from rewritten import rewritten

from kernels import normalize_pixels as kernel
from kernels import ops
from kernels.errors import KernelError
from refimpl.images.transforms import normalize, rescale

ROUNDING = {"float32": 0.0, "float16": 2.0**-11, "bfloat16": 2.0**-8}
"""Half a unit in the last place, for the one rounding that the twin in float32 does not have."""


def pictures(batch, height, width, channels, layout, rng, device):
    """Random bytes (batch, height, width, channels) that lie in some way."""
    shape = (batch, height, width, channels)
    if layout == "channels first":
        x = rng.integers(0, 256, (batch, channels, height, width), dtype=np.uint8)
        return guarded(x, device).permute(0, 2, 3, 1)
    if layout == "cut out":
        x = rng.integers(0, 256, (batch, height + 3, width + 2, channels), dtype=np.uint8)
        return guarded(x, device)[:, 2:-1, 1:-1]
    if layout == "one for all":
        x = rng.integers(0, 256, (1, *shape[1:]), dtype=np.uint8)
        return guarded(x, device).expand(shape)
    x = rng.integers(0, 256, shape, dtype=np.uint8)
    if layout == "not at a word":
        whole = guarded(np.concatenate([np.zeros(1, np.uint8), x.reshape(-1)]), device)
        return whole[1:].view(shape)
    return guarded(x, device, gap=1 if layout == "a gap behind each pixel" else 0)


def check(module, x, mean, std, factor, dtype):
    with watched_outputs():
        found = module.normalize_pixels(x, mean, std, factor, DTYPES[dtype])
    batch, height, width, channels = x.shape
    assert found.shape == (batch, channels, height, width) and found.is_contiguous()
    assert found.dtype == DTYPES[dtype]
    each = x.permute(0, 3, 1, 2).cpu().numpy()
    for y, picture in zip(found.float().cpu().numpy(), each, strict=True):
        wanted = normalize(rescale(picture, factor), mean, std)
        middle, deviation = (np.abs(np.float64(one)).reshape(-1, 1, 1) for one in (mean, std))
        bound = 2.0**-21 * (picture * factor + middle) / deviation  # see the kernel's header
        bound += ROUNDING[dtype] * (np.abs(wanted) + bound)
        difference = np.abs(np.float64(y) - wanted)
        assert (difference <= bound).all(), difference.max()


MEAN, STD = [0.48, 0.46, 0.41, 0.5], [0.27, 0.26, 0.28, 0.5]
LAYOUTS = [
    "packed", "channels first", "cut out", "one for all", "not at a word", "a gap behind each pixel"
]  # fmt: skip


@settings(max_examples=40)
@given(
    batch=st.sampled_from([0, 1, 2]),
    height=st.sampled_from([1, 2, 15, 16, 17, 50]),
    width=st.sampled_from([1, 8, 17, 50, 77]),
    channels=st.sampled_from([1, 2, 3, 3, 3, 4]),
    layout=st.sampled_from(LAYOUTS),
    dtype=st.sampled_from(list(DTYPES)),
    factor=st.sampled_from([1 / 255, 1 / 127.5, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_equals_its_twin(device, batch, height, width, channels, layout, dtype, factor, seed):
    rng = np.random.default_rng(seed)
    x = pictures(batch, height, width, channels, layout, rng, device)
    mean, std = rng.uniform(-1, 1, channels).tolist(), rng.uniform(0.1, 2, channels).tolist()
    check(kernel, x, mean, std, factor, dtype)


def test_large_pictures_of_either_variant(device):
    rng = np.random.default_rng(1)
    for layout, runs in (("packed", "packed"), ("cut out", "planes"), ("channels first", "planes")):
        x = pictures(2, 68, 257, 3, layout, rng, device)
        assert kernel.variant(x) == runs
        check(kernel, x, MEAN[:3], STD[:3], 1 / 255, "float32")


def test_one_number_for_all_channels(device):
    x = pictures(1, 4, 4, 3, "packed", np.random.default_rng(1), device)
    found = kernel.normalize_pixels(x, 0.5, 0.5)
    assert torch.equal(found, kernel.normalize_pixels(x, [0.5] * 3, (0.5, 0.5, 0.5)))
    assert found.dtype == torch.float32 and abs(found).max() <= 1


MUTANTS = {
    "the mean not divided by the std": ("-mean / deviation", "-mean"),
    "the fours out of order": ("tl.join(x0, x2), tl.join(x1, x3)", "tl.join(x0, x1), tl.join(x2, x3)"),
    "seven bits of a byte": ("& 255", "& 127"),
    "green and blue changed over": ("factor1, shift1, PIXELS", "factor2, shift2, PIXELS"),
    "the last pixels of a picture forgotten": ("four * 4 < pixels", "four * 4 < pixels - 4"),
    "a plane's channel and picture changed over": ("channel = plane % channels", "channel = plane // channels"),
    "rows that run on": ("(row < height) & (column < width)", "(row < height) & (column <= width)"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_twin_is_noticed(name, device):
    wrong = rewritten(kernel, *MUTANTS[name])
    with pytest.raises(AssertionError):
        for layout in ("packed", "cut out"):
            x = pictures(2, 16, 17, 3, layout, np.random.default_rng(5), device)
            check(wrong, x, MEAN[:3], STD[:3], 1 / 255, "float32")


def test_which_runs_can_be_asked(device):
    x = pictures(2, 16, 17, 3, "packed", np.random.default_rng(5), device)
    by_kernel = ops.normalize_pixels(x, MEAN[:3], STD[:3])
    assert ops.last_choice("normalize_pixels").runs == "normalize_pixels_packed"
    ops.normalize_pixels(x[:, 4:], 0.5, 0.5, dtype=torch.bfloat16)
    assert ops.last_choice("normalize_pixels").runs == "normalize_pixels_packed"
    ops.normalize_pixels(x[:, :, 1:], 0.5, 0.5, dtype=torch.bfloat16)
    assert ops.last_choice("normalize_pixels").runs == "normalize_pixels_planes"
    by_torch = ops.normalize_pixels(x, MEAN[:3], STD[:3], dtype=torch.float64)
    assert ops.last_choice("normalize_pixels").why == "float64 has no kernel"
    assert by_torch.is_contiguous() and abs(by_torch - by_kernel).max() < 2e-6


def test_refusals():
    x = torch.zeros(2, 5, 4, 3, dtype=torch.uint8)
    with pytest.raises(KernelError, match=r"got float32 \(2, 5, 4, 3\)"):
        kernel.normalize_pixels(x.float(), 0.5, 0.5)
    with pytest.raises(KernelError, match=r"got uint8 \(2, 3, 5, 9\). Channels first\?"):
        kernel.normalize_pixels(torch.zeros(2, 3, 5, 9, dtype=torch.uint8), 0.5, 0.5)
    with pytest.raises(KernelError, match="mean has 2 numbers for pictures of 3 channels"):
        kernel.normalize_pixels(x, [0.5, 0.5], 0.5)
    with pytest.raises(KernelError, match="a std is 0"):
        kernel.normalize_pixels(x, 0.5, [1, 0, 1])
    with pytest.raises(KernelError, match="float64 has no kernel"):
        kernel.normalize_pixels(x, 0.5, 0.5, dtype=torch.float64)
