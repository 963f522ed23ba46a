"""Every output field, hidden state and attention of ViT and DeiT equals Transformers'."""

import pytest
import upstream
from comparing import assert_close
from vit_cases import (
    SMALL,
    TOLERANCE,
    VIT,
    check_every_field,
    check_masked_patches,
    check_real_size,
    check_sizes,
    check_tuple,
    make_pixels,
    pair,
)

from refimpl.errors import InputError

pytestmark = pytest.mark.parametrize("family", ["ViT", "DeiT"])
SIZES = [(32, 32), (48, 40), (16, 64), (35, 9), (8, 8), (100, 33)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", VIT)
def test_every_field_equals_upstream(family, name, dtype):
    check_every_field(family, name, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES)
def test_interpolated_positions_equal_upstream(family, size, dtype):
    check_sizes(family, SMALL, size, TOLERANCE[dtype], dtype, interpolate_pos_encoding=True)


def test_another_size_needs_interpolation(family):
    config, _, ours = pair(family, SMALL, "float32")
    with pytest.raises(InputError, match="40×32.*takes 32×32.*interpolate_pos_encoding=True"):
        ours(make_pixels(config, height=40, width=32))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_masked_patches_equal_upstream(family, dtype):
    check_masked_patches(family, SMALL, dtype, use_mask_token=True)
    bigger = {"size": (48, 40), "inputs": {"interpolate_pos_encoding": True}}
    check_masked_patches(family, SMALL, dtype, **bigger, use_mask_token=True)


def test_without_pooling_layer(family):
    config, theirs, ours = pair(family, SMALL, "float32", add_pooling_layer=False)
    pixels = make_pixels(config)
    found, wanted = ours(pixels), upstream.run(theirs, pixel_values=pixels)
    assert found.pooler_output is None is wanted.pooler_output
    assert found.keys() == ["last_hidden_state"]
    assert_close(found[0], wanted[0], TOLERANCE["float32"], "last_hidden_state")


def test_tuple_output_has_upstreams_layout(family):
    check_tuple(family)


@pytest.mark.slow
def test_real_size(family):
    check_real_size(family, {})
