"""Every output field, hidden state and attention of DINOv2 equals Transformers'."""

import pytest
from vit_cases import (
    DINO,
    DINOV2,
    check_every_field,
    check_masked_patches,
    check_real_size,
    check_sizes,
    check_tuple,
    make_mask,
    make_pixels,
    pair,
)

from refimpl.errors import InputError

SIZES = [(48, 40), (16, 64), (35, 9), (8, 8), (100, 33)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", DINOV2)
def test_every_field_equals_upstream(name, dtype):
    check_every_field("Dinov2", name, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES)
def test_pictures_of_another_size_equal_upstream(size, dtype):
    # Upstream resamples positions in float32 also where the model is float64.
    check_sizes("Dinov2", DINO, size, 1e-5, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_masked_patches_equal_upstream(dtype):
    check_masked_patches("Dinov2", DINO, dtype)


def test_masked_patches_need_a_mask_token():
    config, _, ours = pair("Dinov2", {**DINO, "use_mask_token": False}, "float32")
    with pytest.raises(InputError, match="no mask token"):
        ours(make_pixels(config, 2), make_mask(config, 2))


def test_tuple_output_has_upstreams_layout():
    check_tuple("Dinov2")


@pytest.mark.slow
@pytest.mark.parametrize(
    "values",
    [{"image_size": 518}, {"num_hidden_layers": 4, "use_swiglu_ffn": True, "hidden_size": 1536,
                           "num_attention_heads": 24}],
    ids=["base", "giant, four layers"],
)  # fmt: skip
def test_real_size(values):
    check_real_size("Dinov2", values)
