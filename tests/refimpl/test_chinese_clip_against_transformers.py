"""Every output field and every hidden state of Chinese-CLIP equals Transformers', over many configs.

The judge is 5.23; 4.37.2's documented surface is in test_bert_against_transformers_437.py.
"""

import numpy as np
import pytest
import transformers
import upstream
from bert_model_cases import SMALL, TOLERANCE, WATCH, assert_equal, make_ids, make_types
from clip_cases import SMALL_VISION, make_pixels
from comparing import assert_close

from refimpl.configs import ChineseCLIPConfig, ChineseCLIPVisionConfig
from refimpl.models import ChineseCLIPModel, ChineseCLIPTextModel, ChineseCLIPVisionModel
from refimpl.params import fill

# Text, image and joint fields that differ from the small model.
CONFIGS = {
    "small": ({}, {}, {}),
    "three_heads": (
        {"hidden_size": 27, "num_attention_heads": 3},
        {"hidden_size": 33, "num_attention_heads": 3},
        {},
    ),
    "patch_7_on_30": ({}, {"image_size": 30, "patch_size": 7}, {}),
    "other_activations": ({"hidden_act": "relu"}, {"hidden_act": "gelu"}, {}),
    "one_layer": ({"num_hidden_layers": 1}, {"num_hidden_layers": 1}, {}),
    "deep": ({"num_hidden_layers": 4}, {"num_hidden_layers": 5}, {}),
    "one_head": ({"num_attention_heads": 1}, {"num_attention_heads": 1}, {}),
    "large_eps": ({"layer_norm_eps": 0.1}, {"layer_norm_eps": 0.03}, {}),
    "wide_joint_space": ({}, {}, {"projection_dim": 51}),
    "one_channel": ({}, {"num_channels": 1}, {}),
    "one_type": ({"type_vocab_size": 1}, {}, {}),
    "other_padding": ({"pad_token_id": 4, "vocab_size": 30}, {}, {}),
    "narrow_mlp": ({"intermediate_size": 5}, {"intermediate_size": 3}, {"projection_dim": 7}),
}


def config_values(name):
    text, vision, joint = CONFIGS[name]
    return {
        "text_config": {**SMALL, **text},
        "vision_config": {**SMALL_VISION, **vision},
        "projection_dim": 20,
        **joint,
    }


def pair(name, dtype, seed=0):
    values = config_values(name)
    given = transformers.ChineseCLIPConfig(**values)
    theirs = upstream.build(transformers.ChineseCLIPModel, given, dtype, seed)
    config = ChineseCLIPConfig(**values)
    params = fill(ChineseCLIPModel.spec(config), upstream.weights(theirs), dtype)
    return config, theirs, ChineseCLIPModel(config, dtype=dtype, params=params)


def inputs_of(config, dtype, batch=3):
    ids = make_ids(config.text_config, batch)
    return {
        "input_ids": ids,
        "pixel_values": make_pixels(config, batch).astype(dtype),
        "attention_mask": (ids != config.text_config.pad_token_id).astype(int),
        "token_type_ids": make_types(config.text_config, ids.shape),
        "return_loss": True,
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CONFIGS)
def test_every_field_equals_upstream(name, dtype):
    config, theirs, ours = pair(name, dtype)
    inputs, tolerance = inputs_of(config, dtype), TOLERANCE[dtype]
    wanted, found = upstream.run(theirs, **inputs, **WATCH), ours(**inputs, **WATCH)
    assert list(found) == list(wanted)
    for field in ("loss", "logits_per_image", "logits_per_text", "text_embeds", "image_embeds"):
        assert_close(getattr(found, field), getattr(wanted, field), tolerance, field)
    towers = (found.text_model_output, wanted.text_model_output)
    assert_equal(*towers, tolerance, "text", fields=("last_hidden_state",))
    assert found.text_model_output.pooler_output is None
    towers = (found.vision_model_output, wanted.vision_model_output)
    assert_equal(*towers, tolerance, "vision", fields=("last_hidden_state",))
    pixels = inputs["pixel_values"]
    pooled = upstream.run(theirs.vision_model, pixel_values=pixels).pooler_output
    assert_close(found.vision_model_output.pooler_output, pooled, tolerance, "vision pooled")
    # 5.x holds projected features in the towers' pooler_output, the documented surface does not
    text = [inputs[each] for each in ("input_ids", "attention_mask", "token_type_ids")]
    features = wanted.text_model_output.pooler_output
    assert_close(ours.get_text_features(*text), features, tolerance, "text_features")
    features = wanted.vision_model_output.pooler_output
    assert_close(ours.get_image_features(pixels), features, tolerance, "image_features")


@pytest.mark.parametrize(("texts", "images"), [(1, 1), (1, 4), (5, 2)])
def test_batches_of_different_size(texts, images):
    config, theirs, ours = pair("small", "float32")
    inputs = {
        "input_ids": make_ids(config.text_config, texts),
        "pixel_values": make_pixels(config, images),
        "position_ids": np.random.default_rng(3).integers(0, 20, (1, 11)),
    }
    wanted, found = upstream.run(theirs, **inputs), ours(**inputs)
    assert_close(found.logits_per_image, wanted.logits_per_image, 1e-5, "logits_per_image")


@pytest.mark.parametrize("size", [(32, 32), (48, 40), (35, 9)])
def test_interpolated_positions_equal_upstream(size):
    config, theirs, ours = pair("small", "float64")
    pixels = make_pixels(config, 2, height=size[0], width=size[1]).astype("float64")
    inputs = {"pixel_values": pixels, "interpolate_pos_encoding": True}
    wanted = upstream.run(theirs.vision_model, **inputs).pooler_output
    found = ours(input_ids=make_ids(config.text_config, 1), **inputs).vision_model_output
    assert_close(found.pooler_output, wanted, 1e-10, "pooled")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lone_image_tower(dtype):
    given = transformers.ChineseCLIPVisionConfig(**SMALL_VISION)
    theirs = upstream.build(transformers.ChineseCLIPVisionModel, given, dtype)
    config = ChineseCLIPVisionConfig(**SMALL_VISION)
    ours = ChineseCLIPVisionModel(config, dtype=dtype)
    weights = {
        f"vision_model.{n}".replace("vision_model.vision_model", "vision_model"): x
        for n, x in upstream.weights(theirs).items()
    }
    ours.params = fill(ours.params, weights, dtype)
    pixels = make_pixels(ChineseCLIPConfig(**config_values("small")), 2).astype(dtype)
    wanted = upstream.run(theirs, pixel_values=pixels, **WATCH)
    found = ours(pixel_values=pixels, **WATCH)
    assert list(found) == list(wanted)
    assert_equal(found, wanted, TOLERANCE[dtype], "vision")


def test_version_5_empties_the_padding_row_when_it_loads_and_ours_keeps_it(tmp_path):
    config, _, ours = pair("small", "float32")
    ours.save_pretrained(tmp_path)
    name, pad = "text_model.embeddings.word_embeddings.weight", config.text_config.pad_token_id
    row = ours.state_dict()[name][pad]
    assert np.abs(row).max() > 0
    loaded = transformers.ChineseCLIPModel.from_pretrained(tmp_path)
    assert not loaded.state_dict()[name][pad].any()
    again = ChineseCLIPModel.from_pretrained(tmp_path)
    assert np.array_equal(again.state_dict()[name][pad], row)
    # it shows where padding is read, and nowhere else
    ids = make_ids(config.text_config)
    mask = (ids != pad).astype(int)
    for given, same in (({}, False), ({"attention_mask": mask}, True)):
        wanted = upstream.run(loaded.text_model, input_ids=ids, **given).last_hidden_state[:, 0]
        call = ours.get_text_features(ids, **given)
        theirs_features = upstream.run(loaded.text_projection, input=wanted)
        assert np.allclose(call, theirs_features, atol=1e-4) == same


def test_the_text_tower_of_a_whole_checkpoint(tmp_path):
    config, _, ours = pair("small", "float32")
    ours.save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match="pooler.dense"):
        text = ChineseCLIPTextModel.from_pretrained(tmp_path)
    bare = ChineseCLIPTextModel.from_pretrained(tmp_path, add_pooling_layer=False)
    ids = make_ids(config.text_config)
    wanted = ours(input_ids=ids, pixel_values=make_pixels(config, 1)).text_model_output
    for tower in (text, bare):
        assert np.array_equal(tower(ids).last_hidden_state, wanted.last_hidden_state)
    assert bare(ids).pooler_output is None
    image = ChineseCLIPVisionModel.from_pretrained(tmp_path)
    pixels = make_pixels(config, 2)
    wanted = ours(input_ids=ids, pixel_values=pixels).vision_model_output.pooler_output
    assert np.array_equal(image(pixels).pooler_output, wanted)


@pytest.mark.parametrize("kind", [ChineseCLIPModel, ChineseCLIPVisionModel])
def test_what_upstream_saved_loads_here_and_back(kind, tmp_path):
    name, values = kind.__name__, config_values("small")
    config, _, _ = pair("small", "float32")
    inputs = {"pixel_values": make_pixels(config, 2)}
    if kind is ChineseCLIPModel:
        given = transformers.ChineseCLIPConfig(**values)
        inputs["input_ids"] = make_ids(config.text_config, 2)
    else:
        given = transformers.ChineseCLIPVisionConfig(**values["vision_config"])
    theirs = upstream.build(getattr(transformers, name), given, "float32")
    theirs.save_pretrained(tmp_path / "theirs")
    ours = kind.from_pretrained(tmp_path / "theirs")
    assert_close(ours(**inputs)[0], upstream.run(theirs, **inputs)[0], 1e-5, name)
    ours.save_pretrained(tmp_path / "ours")
    again, report = getattr(transformers, name).from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    wanted = upstream.weights(theirs)
    for key, value in upstream.weights(again).items():
        if key.endswith("word_embeddings.weight"):  # version 5 empties a row; see below
            value[0] = wanted[key][0]
        np.testing.assert_array_equal(value, wanted[key])
    for key, value in kind.from_pretrained(tmp_path / "ours").state_dict().items():
        np.testing.assert_array_equal(value, ours.state_dict()[key])


def test_tuple_output_has_upstreams_layout():
    config, theirs, ours = pair("small", "float32")
    inputs = inputs_of(config, "float32", 2)
    wanted = upstream.run(theirs, **inputs, return_dict=False)
    found = ours(**inputs, return_dict=False)
    assert isinstance(found, tuple) and len(found) == len(wanted) == 7
    for index in range(5):
        assert_close(found[index], wanted[index], 1e-5, f"[{index}]")
    # the documented version 4: the text tower has one entry, the image tower two
    assert [x.shape for x in found[5]] == [(2, 11, 24)]
    assert [x.shape for x in found[6]] == [(2, 17, 24), (2, 24)]
