"""The single steps and the sizes, against transformers' own functions; the batch dictionary."""

import pickle
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import image_transforms as theirs
from transformers.image_utils import ChannelDimension, get_image_size_for_max_height_width

from refimpl.errors import InputError
from refimpl.images import BatchFeature, transforms
from refimpl.images.batch import stack
from refimpl.images.sizes import read_crop_size, read_size, resized

FIRST = ChannelDimension.FIRST
edges = st.integers(1, 3000)


@settings(max_examples=50, deadline=None)
@given(height=edges, width=edges, short=edges, more=st.integers(0, 3000))
def test_sizes_equal_upstream(height, width, short, more):
    blank = np.broadcast_to(np.uint8(0), (3, height, width))
    want = theirs.get_resize_output_image_size(blank, short, False, input_data_format=FIRST)
    assert resized(height, width, {"shortest_edge": short}) == want
    size = {"shortest_edge": short, "longest_edge": short + more}
    want = theirs.get_size_with_aspect_ratio((height, width), short, short + more)
    assert resized(height, width, size) == want
    want = get_image_size_for_max_height_width((height, width), short, more + 1)
    assert resized(height, width, {"max_height": short, "max_width": more + 1}) == want


@pytest.mark.parametrize(
    ("size", "want"),
    [({"shortest_edge": 32, "longest_edge": 40}, (31, 40)), ({"shortest_edge": 32}, (32, 41))],
)
def test_the_long_edge_is_heeded_as_version_5_does(size, want):
    assert resized(47, 61, size) == want  # version 4 gives (32, 41) for both


def test_reading_sizes():
    assert read_size([3, 4]) == {"height": 3, "width": 4}
    assert read_crop_size((3, 4)) == {"height": 3, "width": 4}
    given_size = {"height": 3, "width": 4}
    assert read_size(given_size) is not given_size
    with pytest.raises(InputError, match="crop_size"):
        read_crop_size({"shortest_edge": 3})
    with pytest.raises(InputError, match="my_size must hold positive ints"):
        read_size({"shortest_edge": True}, "my_size")


@settings(max_examples=30, deadline=None)
@given(shape=st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_steps_equal_upstream(shape):
    pixels = np.random.default_rng(0).integers(0, 256, (3, *shape), np.uint8)
    before = pixels.copy()
    pixels.flags.writeable = False
    want = theirs.center_crop(pixels, (16, 21), input_data_format=FIRST)
    assert np.array_equal(transforms.center_crop(pixels, 16, 21), want)
    want = theirs.rescale(pixels, 1 / 255, input_data_format=FIRST)
    got = transforms.rescale(pixels, 1 / 255)
    assert np.array_equal(got, want)
    assert got.dtype == want.dtype == np.float32
    mean, std = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]
    for dtype in (np.uint8, np.float16, np.float32, np.float64):
        typed = pixels.astype(dtype)
        want = theirs.normalize(typed, mean, std, input_data_format=FIRST)
        got = transforms.normalize(typed, mean, std)
        assert np.array_equal(got, want)
        assert got.dtype == want.dtype
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize("pad", [(2, 2), (3, 3), (4, 5), (3, 1)])
def test_odd_padding_puts_the_extra_line_before(pad):
    ones = np.ones((1, 2, 2), np.uint8)
    want = theirs.center_crop(ones, pad, input_data_format=FIRST)
    assert np.array_equal(transforms.center_crop(ones, *pad), want)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA", "P"])
def test_the_alpha_rule_is_upstreams(mode):
    rng = np.random.default_rng(0)
    bands = len(Image.new(mode, (1, 1)).getbands())
    image = Image.frombytes(mode, (8, 8), rng.integers(0, 256, 64 * bands, np.uint8).tobytes())
    if mode in ("P", "PA"):
        image.putpalette(rng.integers(0, 256, 768, np.uint8).tobytes())
    if mode == "P":
        image.info["transparency"] = 3
    ours = np.asarray(transforms.convert_to_rgb(image))
    assert np.array_equal(ours, theirs.convert_to_rgb(image, return_numpy=True))
    if mode != "P":
        assert not np.array_equal(ours, np.asarray(image.convert("RGB")))  # alpha dropped


def test_a_mode_without_a_way_to_rgb_is_refused():
    with pytest.raises(InputError, match="'La' cannot be converted to RGB"):
        transforms.convert_to_rgb(Image.new("La", (2, 2)))


def test_a_batch_is_a_dict_with_attributes():
    batch = BatchFeature(a=1)
    assert (batch.a, batch["a"], dict(**batch)) == (1, 1, {"a": 1})
    assert not hasattr(batch, "b")
    with pytest.raises(AttributeError, match=r"holds .'a'., no 'b'"):
        _ = batch.b
    copy = pickle.loads(pickle.dumps(batch))
    assert (type(copy), copy) == (BatchFeature, batch)


def test_moving_a_batch():
    tensors = BatchFeature(pixel_values=torch.ones(2))
    assert tensors.to("cpu", torch.float16).pixel_values.dtype == torch.float16
    arrays = BatchFeature(pixel_values=np.ones(2))
    assert arrays.to("cpu").to(torch.device("cpu")).pixel_values.dtype == np.float64
    for argument in (torch.float16, np.float16, 3):
        with pytest.raises(InputError, match="stay on the CPU"):
            arrays.to(argument)


def test_torch_tensors_need_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it now raises ImportError
    with pytest.raises(InputError, match="needs torch"):
        stack([np.ones(2)], "pt")
