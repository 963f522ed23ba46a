"""Every output field, hidden state and attention of DeiT equals Transformers', over many configs."""

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

FAMILY = "DeiT"
SIZES = [(32, 32), (48, 40), (16, 64), (35, 9), (8, 8), (100, 33)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", VIT)
def test_every_field_equals_upstream(name, dtype):
    check_every_field(FAMILY, name, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES)
def test_interpolated_positions_equal_upstream(size, dtype):
    check_sizes(FAMILY, SMALL, size, TOLERANCE[dtype], dtype, interpolate_pos_encoding=True)


def test_another_size_needs_interpolation():
    config, _, ours = pair(FAMILY, SMALL, "float32")
    with pytest.raises(InputError, match="40×32.*takes 32×32.*interpolate_pos_encoding=True"):
        ours(make_pixels(config, height=40, width=32))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_masked_patches_equal_upstream(dtype):
    check_masked_patches(FAMILY, SMALL, dtype, use_mask_token=True)
    bigger = {"size": (48, 40), "inputs": {"interpolate_pos_encoding": True}}
    check_masked_patches(FAMILY, SMALL, dtype, **bigger, use_mask_token=True)


def test_without_pooling_layer():
    config, theirs, ours = pair(FAMILY, SMALL, "float32", add_pooling_layer=False)
    pixels = make_pixels(config)
    found, wanted = ours(pixels), upstream.run(theirs, pixel_values=pixels)
    assert found.pooler_output is None is wanted.pooler_output
    assert found.keys() == ["last_hidden_state"]
    assert_close(found[0], wanted[0], TOLERANCE["float32"], "last_hidden_state")


def test_tuple_output_has_upstreams_layout():
    check_tuple(FAMILY)


@pytest.mark.slow
def test_real_size():
    check_real_size(FAMILY, {})
