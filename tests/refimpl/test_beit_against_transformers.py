"""Every output field, hidden state and attention of BEiT equals Transformers', over many configs."""

import pytest
import upstream
from comparing import assert_close
from vit_cases import (
    BEIT,
    SMALL,
    TOLERANCE,
    WATCH,
    assert_outputs_equal,
    check_every_field,
    check_masked_patches,
    check_real_size,
    check_sizes,
    check_tuple,
    config_values,
    make_pixels,
    pair,
)

SIZES = [(48, 40), (16, 64), (35, 9), (8, 8), (100, 33)]
WITHOUT_POSITIONS = ["small", "distances", "shared_distances"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BEIT)
def test_every_field_equals_upstream(name, dtype):
    check_every_field("Beit", name, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", [*WITHOUT_POSITIONS, "positions", "all_positions"])
def test_pictures_of_another_size_equal_upstream(name, size, dtype):
    check_sizes("Beit", config_values("Beit", name), size, TOLERANCE[dtype], dtype)


def test_interpolation_is_no_switch():
    config, theirs, ours = pair("Beit", config_values("Beit", "all_positions"), "float32")
    pixels = make_pixels(config, height=40, width=24)
    inputs = {"pixel_values": pixels, "interpolate_pos_encoding": True, **WATCH}
    wanted = upstream.run(theirs, **inputs)
    assert_outputs_equal(ours(**inputs), wanted, TOLERANCE["float32"], "interpolated")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_masked_patches_equal_upstream(dtype):
    values = {**SMALL, "use_mask_token": True, "use_absolute_position_embeddings": True}
    check_masked_patches("Beit", values, dtype)
    check_masked_patches("Beit", values, dtype, size=(48, 40))


@pytest.mark.parametrize("name", ["small", "class_token"])
def test_without_pooling_layer(name):
    values = config_values("Beit", name)
    config, theirs, ours = pair("Beit", values, "float32", add_pooling_layer=False)
    pixels = make_pixels(config)
    found, wanted = ours(pixels), upstream.run(theirs, pixel_values=pixels)
    assert found.pooler_output is None is wanted.pooler_output
    assert_close(found[0], wanted[0], TOLERANCE["float32"], "last_hidden_state")


def test_tuple_output_has_upstreams_layout():
    check_tuple("Beit")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["small", "all_positions"])
def test_real_size(name):
    check_real_size("Beit", BEIT[name])
