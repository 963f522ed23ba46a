"""Every output field and every hidden state of CLIP equals Transformers', over many configs."""

import numpy as np
import pytest
import transformers
import upstream
from clip_cases import (
    CONFIGS,
    SMALL_TEXT,
    SMALL_VISION,
    TOLERANCE,
    config_values,
    make_ids,
    make_pixels,
    pair,
)
from comparing import assert_close

from refimpl.configs import CLIPConfig, CLIPTextConfig, CLIPVisionConfig
from refimpl.models import (
    CLIPForImageClassification,
    CLIPModel,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
)
from refimpl.params import fill, named_leaves


def assert_towers_equal(found, wanted, tolerance, name, pooled=True):
    assert_close(found.last_hidden_state, wanted.last_hidden_state, tolerance, f"{name}.last")
    if pooled:
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
    watch = {"output_hidden_states": True, "output_attentions": True}
    wanted = upstream.run(theirs, **inputs, **watch)
    found = ours(**inputs, **watch)
    tolerance = TOLERANCE[dtype]
    for field in (
        "loss",
        "logits_per_image",
        "logits_per_text",
        "text_embeds",
        "image_embeds",
    ):
        assert_close(getattr(found, field), getattr(wanted, field), tolerance, field)
    # 5.x holds projected features in the towers' pooler_output, the documented surface does not
    text, image = upstream.project_pooled(theirs, wanted)
    assert_close(ours.get_text_features(ids), text, tolerance, "text_features")
    assert_close(ours.get_image_features(pixels), image, tolerance, "image_features")
    for tower in ("text_model_output", "vision_model_output"):
        assert_towers_equal(getattr(found, tower), wanted[tower], tolerance, tower, pooled=False)
    pooled = upstream.run(theirs.text_model, input_ids=ids).pooler_output
    assert_close(found.text_model_output.pooler_output, pooled, tolerance, "text pooled")
    pooled = upstream.run(theirs.vision_model, pixel_values=pixels).pooler_output
    assert_close(found.vision_model_output.pooler_output, pooled, tolerance, "vision pooled")


MASKS = {
    "right": [[1] * 13, [1] * 9 + [0] * 4, [1] * 2 + [0] * 11],
    "left": [[1] * 13, [0] * 4 + [1] * 9, [0] * 12 + [1]],
    "holes": [[1, 0] * 6 + [1], [0, 1] * 6 + [0], [1, 1, 0, 0] * 3 + [1]],
    "nothing_visible": [[1] * 13, [0] * 13, [0] * 13],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", [np.int64, np.float32, np.bool_])
@pytest.mark.parametrize("mask", MASKS)
def test_masks_equal_upstream(mask, kind, dtype):
    config, theirs, ours = pair("small", dtype)
    inputs = {
        "input_ids": make_ids(config, 3),
        "attention_mask": np.array(MASKS[mask]).astype(kind),
    }
    watch = {"output_hidden_states": True, "output_attentions": True}
    wanted = upstream.run(theirs.text_model, **inputs, **watch)
    text = CLIPTextModel(config.text_config, dtype=dtype)
    text.params = fill(text.params, dict(named_leaves(ours.params)), dtype)
    assert_towers_equal(text(**inputs, **watch), wanted, TOLERANCE[dtype], mask)


@pytest.mark.parametrize("name", ["small", "legacy_eos"])
def test_pooling_without_end_token_and_with_ties(name):
    config, theirs, ours = pair(name, "float32")
    ids = make_ids(config, 4)
    ids[0] = np.minimum(ids[0], 95)  # no end token at all
    ids[1, 3] = ids[1, 7] = 98  # several
    ids[2] = 5  # a tie everywhere
    wanted = upstream.run(theirs.text_model, input_ids=ids).pooler_output
    found = ours(input_ids=ids, pixel_values=make_pixels(config, 1)).text_model_output
    assert_close(found.pooler_output, wanted, 1e-5, "pooled")


@pytest.mark.parametrize("rows", [1, 3])
def test_position_ids_equal_upstream(rows):
    config, theirs, ours = pair("small", "float32")
    ids = make_ids(config, 3)
    positions = np.random.default_rng(4).integers(0, 16, (rows, 13))
    wanted = upstream.run(theirs.text_model, input_ids=ids, position_ids=positions)
    found = ours.get_text_features(ids, position_ids=positions)
    projected = wanted.pooler_output @ theirs.text_projection.weight.T.detach()
    assert_close(found, projected, 1e-5, "features")


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
    wanted = upstream.run(theirs.vision_model, **inputs).pooler_output
    found = ours(input_ids=make_ids(config, 1), **inputs).vision_model_output.pooler_output
    assert_close(found, wanted, 1e-6 if dtype == "float32" else 1e-10, "pooled")


def single(theirs_class, ours_class, config_class, values, dtype):
    hf_config = getattr(transformers, config_class.__name__)(**values)
    theirs = upstream.build(getattr(transformers, theirs_class), hf_config, dtype)
    config = config_class(**values)
    names = {f"text_model.{n}" for n in upstream.weights(theirs)}
    ours = ours_class(config, dtype=dtype)
    weights = upstream.weights(theirs)
    wanted_names = set(dict(named_leaves(ours.params)))
    if not wanted_names <= set(weights):  # 5.x keeps a lone tower without its prefix
        prefix = "text_model." if wanted_names & names else "vision_model."
        weights = {prefix + name: value for name, value in weights.items()}
    ours.params = fill(ours.params, weights, dtype)
    return theirs, ours


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("projected", [False, True])
def test_lone_text_tower(projected, dtype):
    suffix, kind = (
        ("WithProjection", CLIPTextModelWithProjection) if projected else ("", CLIPTextModel)
    )
    theirs, ours = single(f"CLIPTextModel{suffix}", kind, CLIPTextConfig, SMALL_TEXT, dtype)
    ids = make_ids(CLIPConfig(**config_values("small")), 2)
    watch = {"output_hidden_states": True, "output_attentions": True}
    wanted, found = upstream.run(theirs, input_ids=ids, **watch), ours(input_ids=ids, **watch)
    assert list(found) == list(wanted)
    assert_towers_equal(found, wanted, TOLERANCE[dtype], "text", pooled=not projected)
    if projected:
        assert_close(found.text_embeds, wanted.text_embeds, TOLERANCE[dtype], "text_embeds")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("projected", [False, True])
def test_lone_image_tower(projected, dtype):
    suffix, kind = (
        ("WithProjection", CLIPVisionModelWithProjection) if projected else ("", CLIPVisionModel)
    )
    theirs, ours = single(f"CLIPVisionModel{suffix}", kind, CLIPVisionConfig, SMALL_VISION, dtype)
    pixels = make_pixels(CLIPConfig(**config_values("small")), 2).astype(dtype)
    watch = {"output_hidden_states": True, "output_attentions": True}
    wanted = upstream.run(theirs, pixel_values=pixels, **watch)
    found = ours(pixel_values=pixels, **watch)
    assert list(found) == list(wanted)
    assert_towers_equal(found, wanted, TOLERANCE[dtype], "vision", pooled=not projected)
    if projected:
        assert_close(found.image_embeds, wanted.image_embeds, TOLERANCE[dtype], "image_embeds")


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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", LABELS)
def test_image_classification(case, dtype):
    count, problem_type, labels = LABELS[case]
    values = {**config_values("small"), "num_labels": count, "problem_type": problem_type}
    hf_config = transformers.CLIPConfig(**values)
    theirs = upstream.build(transformers.CLIPForImageClassification, hf_config, dtype)
    config = CLIPConfig(**values)
    ours = CLIPForImageClassification(config, dtype=dtype)
    ours.params = fill(ours.params, upstream.weights(theirs), dtype)
    pixels = make_pixels(config, 3).astype(dtype)
    if labels is not None and labels.dtype.kind == "f":
        labels = labels.astype(dtype)
    watch = {"output_hidden_states": True, "output_attentions": True}
    wanted = upstream.run(theirs, pixel_values=pixels, labels=labels, **watch)
    found = ours(pixel_values=pixels, labels=labels, **watch)
    assert list(found) == list(wanted)
    assert_close(found.logits, wanted.logits, TOLERANCE[dtype], "logits")
    if labels is not None:
        assert_close(found.loss, wanted.loss, TOLERANCE[dtype], "loss")
    assert len(found.hidden_states) == len(wanted.hidden_states) == 3


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
    assert isinstance(found[5], tuple) and isinstance(found[6], tuple)
    assert [x.shape for x in found[5]] == [(2, 13, 32), (2, 32)]
    named = ours(**inputs)
    assert all(np.array_equal(a, b) for a, b in zip(named.to_tuple()[:5], found[:5], strict=True))
    assert np.array_equal(named["logits_per_image"], named[1])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ViT-B/32", "ViT-L/14"])
def test_real_sizes(name):
    values = {}
    if name == "ViT-L/14":
        values = {
            "projection_dim": 768,
            "text_config": {
                "hidden_size": 768,
                "intermediate_size": 3072,
                "num_attention_heads": 12,
            },
            "vision_config": {
                "hidden_size": 1024,
                "intermediate_size": 4096,
                "num_hidden_layers": 24,
                "num_attention_heads": 16,
                "patch_size": 14,
            },
        }
    hf_config = transformers.CLIPConfig(**values)
    theirs = upstream.build(transformers.CLIPModel, hf_config, "float32")
    config = CLIPConfig(**values)
    spec = CLIPModel.spec(config)
    ours = CLIPModel(config, params=fill(spec, upstream.weights(theirs), "float32"))
    inputs = {"input_ids": make_ids(config, 2, 77), "pixel_values": make_pixels(config, 2)}
    watch = {"output_hidden_states": True}
    wanted, found = upstream.run(theirs, **inputs, **watch), ours(**inputs, **watch)
    for field in ("logits_per_image", "text_embeds", "image_embeds"):
        assert_close(getattr(found, field), getattr(wanted, field), 1e-5, field)
    for tower in ("text_model_output", "vision_model_output"):
        states = zip(found[tower].hidden_states, wanted[tower].hidden_states, strict=True)
        for index, (a, b) in enumerate(states):
            assert_close(a, b, 1e-5, f"{tower}[{index}]")
