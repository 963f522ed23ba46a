"""Pillow's resize in numpy: every byte against Pillow itself, all filters, all modes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from refimpl.errors import InputError
from refimpl.images import filters
from refimpl.images import resize_like_pillow as ours
from refimpl.images.filters import FILTERS, facts, windows
from refimpl.images.resize_like_pillow import resize_image_like_pillow, resize_like_pillow

BYTES = ("L", "LA", "La", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
MODES = (*BYTES, "1", "P", "I", "F")
WORDS = ("I;16", "I;16L", "I;16B", "I;16N")
if ours.INSTALLED >= (12, 3):  # before, Pillow's 16 bits overflowed
    MODES = (*MODES, *WORDS)

edges = st.integers(1, 700)
short_edges = st.integers(1, 90)
resamples = st.integers(0, 5)


def noise(mode, width, height, seed=0):
    """Make a Pillow picture whose every bit is random; floats go over many magnitudes."""
    random = np.random.default_rng([seed, width, height])
    data = random.integers(0, 256, len(Image.new(mode, (width, height)).tobytes()), np.uint8)
    if mode == "F":
        data = random.standard_normal(width * height) * 10.0 ** random.integers(-3, 9)
        data = data.astype(np.float32)
    return Image.frombytes(mode, (width, height), data.tobytes())


def equal(image, width, height, resample):
    """Say whether both give the same picture, and what goes with it."""
    want = image.resize((width, height), resample)
    got = resize_image_like_pillow(image, height, width, resample)
    same = got.tobytes() == want.tobytes() and got.getpalette() == want.getpalette()
    return same and (got.mode, got.size, got.info) == (want.mode, want.size, want.info)


@settings(max_examples=150, deadline=None)
@given(
    mode=st.sampled_from(MODES),
    old=st.tuples(short_edges, short_edges),
    new=st.tuples(short_edges, short_edges),
    resample=resamples,
    seed=st.integers(0, 9),
)
def test_every_mode(mode, old, new, resample, seed):
    assert equal(noise(mode, *old, seed), *new, resample)


@settings(max_examples=60, deadline=None)
@given(old=st.tuples(edges, edges), new=st.tuples(edges, edges), resample=resamples)
def test_every_size(old, new, resample):
    assert equal(noise("L", *old), *new, resample)


@pytest.mark.slow
@settings(max_examples=5000, deadline=None)
@given(
    mode=st.sampled_from(MODES),
    old=st.tuples(edges, edges),
    new=st.tuples(edges, edges),
    resample=resamples,
)
def test_every_mode_and_size(mode, old, new, resample):
    assert equal(noise(mode, *old), *new, resample)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("resample", range(6))
def test_every_mode_and_filter(mode, resample):
    for old, new in itertools.product([(37, 23), (5, 61)], [(16, 16), (50, 9), (5, 23)]):
        assert equal(noise(mode, *old), *new, resample)


@pytest.mark.parametrize("resample", range(6))
def test_awkward_sizes(resample):
    sizes = [(1, 1), (1, 9), (9, 1), (10000, 1), (1, 10000), (2, 3), (224, 224)]
    for old, new in itertools.product(sizes, sizes):
        if old[0] * new[1] < 1e7 and new[0] * old[1] < 1e7 and new[0] * new[1] < 1e7:
            assert equal(noise("L", *old), *new, resample), (old, new)


@pytest.mark.parametrize("resample", range(6))
def test_pictures_with_edges(resample):
    """Overshoot is clipped, single pixels spread, and what is constant stays so."""
    board = np.indices((40, 30)).sum(axis=0) % 2 * 255
    impulse = np.zeros((40, 30))
    impulse[20, 15] = 255
    halves = np.repeat([[0] * 15 + [255] * 15], 40, axis=0)
    constant = np.full((40, 30), 77)
    for pixels in (board, impulse, halves, constant, 255 - impulse):
        image = Image.fromarray(pixels.astype(np.uint8))
        for new in ((7, 9), (60, 80), (30, 11), (299, 41)):
            assert equal(image, *new, resample)
    assert (resize_like_pillow(constant.astype(np.uint8), 9, 7, resample) == 77).all()


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_a_cut_out_picture(mode):
    """Where alpha jumps, overshoot leaves colour on pixels that are transparent altogether."""
    image = noise(mode, 30, 20)
    image.putalpha(noise("1", 30, 20).convert("L"))
    assert resize_image_like_pillow(image, 55, 70, 1).getchannel("A").getextrema() == (0, 255)
    for resample in range(6):
        assert equal(image, 70, 55, resample)
        assert equal(image, 13, 11, resample)


@pytest.mark.parametrize("mode", MODES)
def test_nearest_on_a_border(mode):
    """Centres that fall on a border between pixels, where the two ways of rounding differ."""
    for old, new in ((2, 7), (2, 25), (3, 7), (5, 31), (6, 14), (50, 350)):
        assert equal(noise(mode, old, old + 1), new, new + 1, 0)
        assert equal(noise(mode, old, old), new, new, 0)


def test_a_whole_photo_and_a_blown_up_one():
    """Sizes at which work is done in several strips."""
    for old, new in (((1100, 700), (224, 224)), ((30, 20), (1500, 1100))):
        for resample in (1, 3):
            assert equal(noise("RGB", *old), *new, resample)


def test_palette_and_info_come_along():
    image = noise("P", 20, 30)
    image.putpalette(np.random.default_rng(0).integers(0, 256, 768, np.uint8).tobytes())
    image.info.update(transparency=3, dpi=(72, 72))
    got, want = resize_image_like_pillow(image, 9, 7, 3), image.resize((7, 9), 3)
    assert got.convert("RGBA").tobytes() == want.convert("RGBA").tobytes()
    assert got.info == want.info
    assert got.palette.mode == want.palette.mode
    same = resize_image_like_pillow(image, 30, 20, 3)
    assert same is not image
    assert same.tobytes() == image.tobytes()


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3e38])
def test_floats_that_are_no_numbers(value):
    pixels = np.random.default_rng(0).standard_normal((20, 30)).astype(np.float32)
    pixels[4, 7] = value
    want = np.asarray(Image.fromarray(pixels).resize((13, 11), 1))
    assert np.array_equal(resize_like_pillow(pixels, 11, 13, 1), want, equal_nan=True)


def test_any_axes_strides_and_a_picture_that_is_not_changed():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 31, 47), np.uint8)
    before = pixels.copy()
    turned = pixels[:, ::-1, ::-1, ::2].swapaxes(-1, -2)
    turned.flags.writeable = False
    for resample in (0, 3):
        got = resize_like_pillow(turned, 11, 13, resample)
        for batch, band in np.ndindex(2, 5):
            alone = Image.fromarray(np.ascontiguousarray(turned[batch, band]))
            assert np.array_equal(got[batch, band], np.asarray(alone.resize((13, 11), resample)))
    assert np.array_equal(pixels, before)
    assert not np.shares_memory(resize_like_pillow(pixels, 31, 47, 3), pixels)
    assert resize_like_pillow(pixels[:0], 3, 4, 3).shape == (0, 5, 3, 4)


def test_the_order_of_passes_by_version():
    """Beside the installed Pillow, which the other tests hold us to, by the rule alone."""
    tall, wide = ((1000, 5), (10, 4)), ((5, 1000), (4, 10))
    for version, want in (((10, 0), False), ((12, 1), False), ((12, 2), True), ((13, 0), True)):
        assert ours.columns_first(*tall, version) is want
        assert not ours.columns_first(*wide, version)
    at, over = ((90, 50), (70, 40)), ((90, 50), (69, 40))  # twice the pixels, and one more
    assert not ours.columns_first(*at, (13, 0))
    assert ours.columns_first(*over, (13, 0))
    assert not ours.columns_first(*over, (12, 3))
    for old, new in (at, over, tall, wide):
        assert equal(noise("L", *old[::-1]), *new[::-1], 3)


@pytest.mark.parametrize("number", FILTERS)
def test_windows_are_whole(number):
    for old, new in ((640, 224), (5, 70), (7, 7), (1, 9), (9, 1)):
        first, count, weights = windows(old, new, FILTERS[number])
        assert np.allclose(weights.sum(axis=1), 1, rtol=1e-15, atol=0)
        assert (first >= 0).all()
        assert (first + count <= old).all()
        assert facts(old, new, number).taps == weights.shape[1]


def keys_of_opencv(distance):
    return filters.bicubic(distance, a=filters.OPENCV_A)


def without_antialias(old, new, kernel):
    """Lay unstretched windows: the weights of a picture that grows, at the centres of this one."""
    first = np.clip(((np.arange(new) + 0.5) * old / new - 2).astype(int), 0, old - 4)
    distance = first[:, None] + np.arange(4) + 0.5 - (np.arange(new)[:, None] + 0.5) * old / new
    weights = kernel.weight(distance)
    weights /= weights.sum(axis=1, keepdims=True)
    return filters.Windows(first, np.full(new, 4), weights)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("filter_of", lambda _: filters.Filter("bicubic", 2.0, keys_of_opencv)),
        ("windows", without_antialias),
        ("columns_first", lambda *_: True),
        ("PRECISION", 12),
    ],
)
def test_a_wrong_resize_is_noticed(monkeypatch, name, wrong):
    image = noise("RGB", 64, 48)
    assert equal(image, 30, 22, 3)
    monkeypatch.setattr(ours, name, wrong)
    assert not equal(image, 30, 22, 3)


def test_one_rounding_is_not_two():
    """What Pillow would give if it kept fractions between its passes, as torch does for floats."""
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8)
    once = resize_like_pillow(pixels.astype(np.float32), 22, 30, 3)
    once = np.clip(once + 0.5, 0, 255).astype(np.uint8)
    twice = np.asarray(Image.fromarray(pixels).resize((30, 22), 3))
    off = np.abs(once.astype(int) - twice)
    assert off.max() == 1
    assert 0 < (off > 0).mean() < 0.5


@pytest.mark.parametrize("resample", [-1, 6, 99])
def test_an_unknown_filter_is_refused(resample):
    for call in (
        lambda: resize_like_pillow(np.zeros((4, 4), np.uint8), 2, 2, resample),
        lambda: resize_image_like_pillow(Image.new("P", (4, 4)), 2, 2, resample),
        lambda: facts(4, 2, resample),
    ):
        with pytest.raises(InputError, match="1 lanczos, 2 bilinear"):
            call()


def test_what_cannot_be_resized_is_refused():
    empty, floats = np.zeros((3, 0, 4), np.uint8), np.zeros((4, 4))
    with pytest.raises(InputError, match=r"above 0; got \(0, 4\) to \(2, 2\)"):
        resize_like_pillow(empty, 2, 2, 3)
    for height, width in ((0, 2), (2, -1)):
        with pytest.raises(InputError, match="above 0"):
            resize_image_like_pillow(Image.new("L", (4, 4)), height, width, 3)
    with pytest.raises(InputError, match="float64"):
        resize_like_pillow(floats, 2, 2, 3)
    line = np.broadcast_to(np.uint8(0), (1, 80_000_000))
    with pytest.raises(InputError, match="weights"):
        resize_like_pillow(line, 1, 224, 3)
    with pytest.raises(InputError, match="weights"):
        resize_like_pillow(floats.astype(np.uint8), 4, 10**12, 3)
