"""Every output field of every pair of towers equals Transformers'."""

import numpy as np
import pytest
import torch
import upstream
from comparing import assert_close
from dual_encoder_cases import PAIRS, make_inputs, pair
from vit_cases import TOLERANCE, WATCH, assert_outputs_equal

FIELDS = ("loss", "logits_per_image", "logits_per_text", "text_embeds", "image_embeds")


def check(config, theirs, ours, inputs, tolerance):
    wanted = upstream.run(theirs, **inputs, return_loss=True, **WATCH)
    found = ours(**inputs, return_loss=True, **WATCH)
    assert list(found) == [key for key in wanted if wanted[key] is not None]
    for field in FIELDS:
        assert_close(found[field], wanted[field], tolerance, field)
    for tower in ("text_model_output", "vision_model_output"):
        assert_outputs_equal(found[tower], wanted[tower], tolerance, tower)
    texts = {name: x for name, x in inputs.items() if name != "pixel_values"}
    return texts, found


@pytest.mark.parametrize(("vision", "text"), PAIRS)
def test_every_pair_equals_upstream(vision, text):
    config, theirs, ours = pair(vision, text)
    inputs = make_inputs(config)
    texts, _ = check(config, theirs, ours, inputs, TOLERANCE["float32"])
    # 5.x returns an object; the documented surface is the array, which 5.x has as pooled.
    with torch.no_grad():
        wanted = theirs.get_text_features(**{n: torch.tensor(x) for n, x in texts.items()})
        images = theirs.get_image_features(pixel_values=torch.tensor(inputs["pixel_values"]))
    assert_close(ours.get_text_features(**texts), wanted.pooler_output, 1e-5, "text features")
    found = ours.get_image_features(inputs["pixel_values"])
    assert_close(found, images.pooler_output, 1e-5, "image features")


@pytest.mark.parametrize(("vision", "text"), PAIRS[::4])
def test_in_float64(vision, text):
    config, theirs, ours = pair(vision, text, "float64")
    check(config, theirs, ours, make_inputs(config, dtype="float64"), TOLERANCE["float64"])


@pytest.mark.parametrize("joint", [{"projection_dim": 51}, {"projection_dim": 7}])
def test_other_joint_spaces(joint):
    config, theirs, ours = pair("ViTConfig", "BertConfig", **joint)
    assert config.projection_dim == joint["projection_dim"]
    check(config, theirs, ours, make_inputs(config), TOLERANCE["float32"])


@pytest.mark.parametrize("text", ["BertConfig", "RobertaConfig", "CLIPTextConfig"])
def test_position_ids_equal_upstream(text):
    config, theirs, ours = pair("CLIPVisionConfig", text)
    positions = np.random.default_rng(4).integers(2, 20, (3, 13))
    inputs = {**make_inputs(config), "position_ids": positions}
    check(config, theirs, ours, inputs, TOLERANCE["float32"])


@pytest.mark.parametrize(("texts", "images"), [(1, 1), (1, 4), (5, 2)])
def test_batches_of_different_size(texts, images):
    config, theirs, ours = pair("DeiTConfig", "RobertaConfig")
    inputs = make_inputs(config, texts)
    inputs["pixel_values"] = make_inputs(config, images)["pixel_values"]
    wanted, found = upstream.run(theirs, **inputs), ours(**inputs)
    assert_close(found.logits_per_image, wanted.logits_per_image, 1e-5, "logits_per_image")
    assert found.loss is None


@pytest.mark.parametrize("text", ["BertConfig", "CLIPTextConfig"])
def test_tuple_output_has_upstreams_layout(text):
    config, theirs, ours = pair("BeitConfig", text)
    inputs = {**make_inputs(config), "return_loss": True}
    wanted = upstream.run(theirs, **inputs, return_dict=False)
    found = ours(**inputs, return_dict=False)
    assert isinstance(found, tuple) and len(found) == len(wanted) == 7
    for index in range(5):
        assert_close(found[index], wanted[index], 1e-5, f"[{index}]")
    for index in (5, 6):
        assert isinstance(found[index], tuple) and len(found[index]) == len(wanted[index])
        for a, b in zip(found[index], wanted[index], strict=True):
            assert_close(a, b, 1e-5, f"[{index}]")
