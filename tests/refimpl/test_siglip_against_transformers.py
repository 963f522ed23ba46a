"""Every output field and every hidden state of SigLIP equals Transformers', over many configs."""

import numpy as np
import pytest
import transformers
import upstream
from comparing import assert_close
from siglip_model_cases import (
    CONFIGS,
    SMALL_TEXT,
    SMALL_VISION,
    TOLERANCE,
    config_values,
    make_ids,
    make_pixels,
    pair,
)

from refimpl.configs import SiglipConfig, SiglipTextConfig, SiglipVisionConfig
from refimpl.models import (
    SiglipForImageClassification,
    SiglipModel,
    SiglipTextModel,
    SiglipVisionModel,
)
from refimpl.params import fill

WATCH = {"output_hidden_states": True, "output_attentions": True}


def assert_towers_equal(found, wanted, tolerance, name):
    assert_close(found.last_hidden_state, wanted.last_hidden_state, tolerance, f"{name}.last")
    if wanted.pooler_output is None:
        assert found.pooler_output is None
    else:
        assert_close(found.pooler_output, wanted.pooler_output, tolerance, f"{name}.pooled")
    for field in ("hidden_states", "attentions"):
        ours, theirs = getattr(found, field), getattr(wanted, field)
        assert len(ours) == len(theirs)
        for index, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            assert_close(a, b, tolerance, f"{name}.{field}[{index}]")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CONFIGS)
def test_every_field_equals_upstream(name, dtype):
    config, theirs, ours = pair(name, dtype)
    ids, pixels = make_ids(config, 3), make_pixels(config, 3).astype(dtype)
    inputs = {"input_ids": ids, "pixel_values": pixels, "return_loss": True}
    wanted = upstream.run(theirs, **inputs, **WATCH)
    found = ours(**inputs, **WATCH)
    assert list(found) == list(wanted)
    tolerance = TOLERANCE[dtype]
    for field in ("loss", "logits_per_image", "logits_per_text", "text_embeds", "image_embeds"):
        assert_close(getattr(found, field), getattr(wanted, field), tolerance, field)
    for tower in ("text_model_output", "vision_model_output"):
        assert_towers_equal(found[tower], wanted[tower], tolerance, tower)
    text, image = wanted.text_model_output, wanted.vision_model_output
    assert_close(ours.get_text_features(ids), text.pooler_output, tolerance, "text_features")
    assert_close(ours.get_image_features(pixels), image.pooler_output, tolerance, "image_features")


MASKS = {
    "all": [[1] * 13] * 3,
    "right": [[1] * 13, [1] * 9 + [0] * 4, [1] * 2 + [0] * 11],
    "left": [[1] * 13, [0] * 4 + [1] * 9, [0] * 12 + [1]],
    "holes": [[1, 0] * 6 + [1], [0, 1] * 6 + [0], [1, 1, 0, 0] * 3 + [1]],
    "nothing_visible": [[1] * 13, [0] * 13, [0] * 13],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", [np.int64, np.float32, np.bool_])
@pytest.mark.parametrize("mask", MASKS)
def test_masks_equal_upstream(mask, kind, dtype):
    theirs, ours = single(SiglipTextModel, SiglipTextConfig, SMALL_TEXT, dtype)
    ids = make_ids(SiglipConfig(**config_values("small")), 3)
    given = np.array(MASKS[mask]).astype(kind)
    wanted = upstream.run(theirs, input_ids=ids, attention_mask=given, **WATCH)
    found = ours(input_ids=ids, attention_mask=given, **WATCH)
    assert_towers_equal(found, wanted, TOLERANCE[dtype], mask)
    without = ours(input_ids=ids).pooler_output
    assert np.array_equal(found.pooler_output, without) == (mask == "all")


@pytest.mark.parametrize("length", [1, 5, 13, 16])
def test_the_last_position_is_pooled_so_padding_counts(length):
    config, theirs, ours = pair("small", "float32")
    ids = make_ids(config, 2, length)
    wanted = upstream.run(theirs.text_model, input_ids=ids).pooler_output
    assert_close(ours.get_text_features(ids), wanted, 1e-5, "features")
    if length < 16:
        padded = np.pad(ids, ((0, 0), (0, 1)), constant_values=1)
        assert np.abs(ours.get_text_features(padded) - wanted.numpy()).max() > 1e-2


@pytest.mark.parametrize("rows", [1, 3])
def test_position_ids_equal_upstream(rows):
    config, theirs, ours = pair("small", "float32")
    ids = make_ids(config, 3)
    positions = np.random.default_rng(4).integers(0, 16, (rows, 13))
    wanted = upstream.run(theirs.text_model, input_ids=ids, position_ids=positions).pooler_output
    assert_close(ours.get_text_features(ids, position_ids=positions), wanted, 1e-5, "features")
    found = ours(input_ids=ids, position_ids=positions, pixel_values=make_pixels(config, 1))
    assert_close(found.text_model_output.pooler_output, wanted, 1e-5, "pooled")


@pytest.mark.parametrize(("texts", "images"), [(1, 1), (1, 4), (5, 2)])
def test_batches_of_different_size(texts, images):
    config, theirs, ours = pair("small", "float32")
    inputs = {"input_ids": make_ids(config, texts), "pixel_values": make_pixels(config, images)}
    wanted, found = upstream.run(theirs, **inputs), ours(**inputs)
    assert_close(found.logits_per_image, wanted.logits_per_image, 1e-5, "logits_per_image")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [(32, 32), (48, 40), (16, 64), (35, 9), (8, 8), (100, 33)])
def test_interpolated_positions_equal_upstream(size, dtype):
    config, theirs, ours = pair("small", dtype)
    pixels = make_pixels(config, 2, height=size[0], width=size[1]).astype(dtype)
    inputs = {"pixel_values": pixels, "interpolate_pos_encoding": True}
    wanted = upstream.run(theirs.vision_model, **inputs, **WATCH)
    tolerance = 1e-6 if dtype == "float32" else 1e-10
    assert_close(ours.get_image_features(**inputs), wanted.pooler_output, tolerance, "features")
    tower = ours(input_ids=make_ids(config, 1), **inputs, **WATCH).vision_model_output
    assert_towers_equal(tower, wanted, 3 * tolerance, "tower")


def single(ours_class, config_class, values, dtype):
    """Upstream's lone tower on random weights, and ours on the same."""
    hf_config = getattr(transformers, config_class.__name__)(**values)
    theirs = upstream.build(getattr(transformers, ours_class.__name__), hf_config, dtype)
    ours = ours_class(config_class(**values), dtype=dtype)
    weights = upstream.weights(theirs)
    prefix = "text_model." if "Text" in ours_class.__name__ else "vision_model."
    ours.params = fill(ours.params, {prefix + name: x for name, x in weights.items()}, dtype)
    return theirs, ours


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["small", "projection_size_not_given", "three_heads"])
def test_lone_text_tower(name, dtype):
    values = config_values(name)
    theirs, ours = single(SiglipTextModel, SiglipTextConfig, values["text_config"], dtype)
    ids = make_ids(SiglipConfig(**values), 2)
    wanted, found = upstream.run(theirs, input_ids=ids, **WATCH), ours(input_ids=ids, **WATCH)
    assert list(found) == list(wanted)
    assert_towers_equal(found, wanted, TOLERANCE[dtype], "text")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("head", [True, False])
def test_lone_image_tower(head, dtype):
    values = {**SMALL_VISION, "vision_use_head": head}
    theirs, ours = single(SiglipVisionModel, SiglipVisionConfig, values, dtype)
    pixels = make_pixels(SiglipConfig(**config_values("small")), 2).astype(dtype)
    wanted = upstream.run(theirs, pixel_values=pixels, **WATCH)
    found = ours(pixel_values=pixels, **WATCH)
    assert list(found) == [name for name in wanted if wanted[name] is not None]
    assert ("pooler_output" in found) == head
    assert any(name.startswith("vision_model.head.") for name in ours.state_dict()) == head
    assert_towers_equal(found, wanted, TOLERANCE[dtype], "vision")


LABELS = {
    "single": (5, None, np.array([0, 4, 2])),
    "single_ignored": (5, None, np.array([0, -100, 2])),
    "several": (5, None, np.random.default_rng(3).random((3, 5)).astype(np.float32)),
    "regression": (1, None, np.float32([0.5, -1, 2])),
    "regression_many": (
        4,
        "regression",
        np.random.default_rng(3).standard_normal((3, 4)).astype(np.float32),
    ),
    "no_labels": (3, None, None),
}


@pytest.mark.parametrize("head", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", LABELS)
def test_image_classification(case, dtype, head):
    count, problem_type, labels = LABELS[case]
    values = {**config_values("small"), "num_labels": count, "problem_type": problem_type}
    values["vision_config"]["vision_use_head"] = head
    hf_config = transformers.SiglipConfig(**values)
    theirs = upstream.build(transformers.SiglipForImageClassification, hf_config, dtype)
    config = SiglipConfig(**values)
    ours = SiglipForImageClassification(config, dtype=dtype)
    ours.params = fill(ours.params, upstream.weights(theirs), dtype)
    pixels = make_pixels(config, 3).astype(dtype)
    if labels is not None and labels.dtype.kind == "f":
        labels = labels.astype(dtype)
    wanted = upstream.run(theirs, pixel_values=pixels, labels=labels, **WATCH)
    found = ours(pixel_values=pixels, labels=labels, **WATCH)
    assert list(found) == list(wanted)
    assert_close(found.logits, wanted.logits, TOLERANCE[dtype], "logits")
    if labels is not None:
        assert_close(found.loss, wanted.loss, TOLERANCE[dtype], "loss")
    for name in ("hidden_states", "attentions"):
        for a, b in zip(found[name], wanted[name], strict=True):
            assert_close(a, b, TOLERANCE[dtype], name)


def test_classification_of_a_picture_of_another_size():
    values = {**config_values("small"), "num_labels": 3}
    hf_config = transformers.SiglipConfig(**values)
    theirs = upstream.build(transformers.SiglipForImageClassification, hf_config, "float32")
    config = SiglipConfig(**values)
    ours = SiglipForImageClassification(config)
    ours.params = fill(ours.params, upstream.weights(theirs), "float32")
    inputs = {"pixel_values": make_pixels(config, 2, height=24, width=56)}
    wanted = upstream.run(theirs, **inputs, interpolate_pos_encoding=True).logits
    assert_close(ours(**inputs, interpolate_pos_encoding=True).logits, wanted, 1e-5, "logits")
    # by position, as documented: labels, two switches, return_dict, interpolate_pos_encoding
    (logits,) = ours(inputs["pixel_values"], None, None, None, False, True)
    assert_close(logits, wanted, 1e-5, "logits")


def test_tuple_output_has_upstreams_layout():
    config, theirs, ours = pair("small", "float32")
    inputs = {
        "input_ids": make_ids(config, 2),
        "pixel_values": make_pixels(config, 2),
        "return_loss": True,
    }
    wanted = upstream.run(theirs, **inputs, return_dict=False)
    found = ours(**inputs, return_dict=False)
    assert isinstance(found, tuple) and len(found) == len(wanted) == 7
    for index in range(5):
        assert_close(found[index], wanted[index], 1e-5, f"[{index}]")
    for ours_tower, theirs_tower in zip(found[5:], wanted[5:], strict=True):
        assert isinstance(ours_tower, tuple)
        for a, b in zip(ours_tower, theirs_tower, strict=True):
            assert_close(a, b, 1e-5, "tower")
    named = ours(**inputs)
    assert all(np.array_equal(a, b) for a, b in zip(named.to_tuple()[:5], found[:5], strict=True))
    texts = ours.get_text_features(inputs["input_ids"], return_dict=False)
    assert np.array_equal(texts, named.text_model_output.pooler_output)


@pytest.mark.slow
def test_real_sizes():
    hf_config = transformers.SiglipConfig()
    theirs = upstream.build(transformers.SiglipModel, hf_config, "float32")
    config = SiglipConfig()
    spec = SiglipModel.spec(config)
    ours = SiglipModel(config, params=fill(spec, upstream.weights(theirs), "float32"))
    inputs = {"input_ids": make_ids(config, 2, 64), "pixel_values": make_pixels(config, 2)}
    watch = {"output_hidden_states": True}
    wanted, found = upstream.run(theirs, **inputs, **watch), ours(**inputs, **watch)
    for field in ("logits_per_image", "text_embeds", "image_embeds"):
        assert_close(getattr(found, field), getattr(wanted, field), 1e-5, field)
    for tower in ("text_model_output", "vision_model_output"):
        states = zip(found[tower].hidden_states, wanted[tower].hidden_states, strict=True)
        for index, (a, b) in enumerate(states):
            assert_close(a, b, 1e-5, f"{tower}[{index}]")
