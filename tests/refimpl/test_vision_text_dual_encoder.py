"""The dual encoder's config, its making out of two towers, saving and loading."""

import warnings

import numpy as np
import pytest
import transformers
import upstream
from comparing import assert_close
from dual_encoder_cases import (
    SOME_PAIRS,
    TEXT,
    TEXTS,
    VISION,
    config_of,
    make_inputs,
    pair,
    random_towers,
)
from vit_cases import SMALL, on_random_weights

import refimpl
from refimpl import configs, models
from refimpl.checkpoints.folder import read_config, write_folder
from refimpl.configs import VisionTextDualEncoderConfig
from refimpl.models import VisionTextDualEncoderModel

FRESH = "newly initialized"


@pytest.fixture(autouse=True)
def quiet():
    transformers.utils.logging.disable_progress_bar()
    level = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    yield
    transformers.utils.logging.set_verbosity(level)


def assert_same_weights(a, b):
    assert a.state_dict().keys() == b.state_dict().keys()
    for name, x in a.state_dict().items():
        np.testing.assert_array_equal(b.state_dict()[name], x, strict=True)


# --- saving and loading; version 4 is in test_vit_version_4.py


@pytest.mark.parametrize(("vision", "text"), SOME_PAIRS)
def test_upstream_loads_what_we_save(vision, text, tmp_path):
    config = config_of(configs, vision, text)
    ours = on_random_weights(VisionTextDualEncoderModel, config)
    ours.save_pretrained(tmp_path)
    kind = transformers.VisionTextDualEncoderModel
    theirs, info = kind.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()), info
    inputs = make_inputs(config)
    wanted, found = upstream.run(theirs.eval(), **inputs), ours(**inputs)
    for field in ("logits_per_image", "text_embeds", "image_embeds"):
        assert_close(found[field], wanted[field], 1e-5, field)
    assert_same_weights(VisionTextDualEncoderModel.from_pretrained(tmp_path), ours)


@pytest.mark.parametrize(("vision", "text"), SOME_PAIRS)
def test_we_load_what_upstream_saves(vision, text, tmp_path):
    config, theirs, ours = pair(vision, text)
    theirs.save_pretrained(tmp_path)
    loaded = VisionTextDualEncoderModel.from_pretrained(tmp_path)
    assert type(loaded.config.vision_config) is type(config.vision_config)
    assert_same_weights(loaded, ours)
    # Somebody may have saved the running module's own names, which are version 5's.
    write_folder(tmp_path / "v5", read_config(tmp_path), upstream.weights(theirs))
    assert_same_weights(VisionTextDualEncoderModel.from_pretrained(tmp_path / "v5"), ours)


def test_names_are_version_4s():
    for vision, at in (("CLIPVisionConfig", "vision_model.vision_model.pre_layrnorm.bias"),
                       ("SiglipVisionConfig", "vision_model.vision_model.head.probe"),
                       ("DeiTConfig", "vision_model.embeddings.distillation_token")):  # fmt: skip
        model = VisionTextDualEncoderModel(config_of(configs, vision, "CLIPTextConfig"))
        assert at in model.state_dict()
        assert "text_model.text_model.final_layer_norm.bias" in model.state_dict()


def test_a_tower_loads_out_of_a_dual_encoder(tmp_path):
    for vision, text in (("ViTConfig", "BertConfig"), ("CLIPVisionConfig", "RobertaConfig")):
        model = on_random_weights(VisionTextDualEncoderModel, config_of(configs, vision, text))
        model.save_pretrained(tmp_path / vision)
        for tower in (model.vision_model, model.text_model):
            loaded = type(tower).from_pretrained(tmp_path / vision)
            found = list(loaded.state_dict().values())
            wanted = list(tower.state_dict().values())
            assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))


# --- made of two towers


def test_made_of_two_towers():
    vision, text = random_towers()
    model = VisionTextDualEncoderModel(vision_model=vision, text_model=text)
    assert model.config.projection_dim == 512
    inputs = make_inputs(model.config)
    found = model(**inputs, return_loss=True)
    pixels = inputs.pop("pixel_values")
    assert np.array_equal(found.vision_model_output.pooler_output, vision(pixels).pooler_output)
    assert np.array_equal(found.text_model_output.pooler_output, text(**inputs).pooler_output)
    assert isinstance(model.vision_model, models.ViTModel)
    assert isinstance(model.text_model, models.BertModel)
    other = VisionTextDualEncoderModel(vision_model=vision, text_model=text, seed=1)
    assert np.abs(other.params.visual_projection.weight).sum() > 0
    assert not np.array_equal(
        other.params.visual_projection.weight, model.params.visual_projection.weight
    )
    half = VisionTextDualEncoderModel(model.config, text_model=text, dtype="float64")
    assert half.dtype == np.float64
    assert np.array_equal(
        half.text_model.params.pooler.dense.weight, text.params.pooler.dense.weight
    )


def test_from_two_checkpoints(tmp_path):
    vision, text = random_towers()
    vision.save_pretrained(tmp_path / "vision")
    text.save_pretrained(tmp_path / "text")
    join = VisionTextDualEncoderModel.from_vision_text_pretrained
    with pytest.warns(UserWarning, match="'visual_projection.weight', 'text_projection.weight'"):
        model = join(tmp_path / "vision", str(tmp_path / "text"), projection_dim=7, seed=3)
    assert model.config.projection_dim == 7 and float(model.params.logit_scale) == np.float32(
        2.6592
    )
    assert model.params.text_projection.weight.shape == (7, 32)
    with pytest.warns(UserWarning, match=FRESH):
        again = join(vision_model=vision, text_model=text, projection_dim=7, seed=3)
    assert_same_weights(again, model)
    with pytest.warns(UserWarning, match=FRESH):
        mixed = join(
            tmp_path / "vision", text_model=text, vision_output_hidden_states=True, dtype="float64",
            logit_scale_init_value=1.5,
        )  # fmt: skip
    assert mixed.config.vision_config.output_hidden_states
    assert mixed.dtype == np.float64 and float(mixed.params.logit_scale) == 1.5
    found = mixed(**make_inputs(mixed.config))
    assert len(found.vision_model_output.hidden_states) == 3
    assert found.text_model_output.hidden_states is None
    with pytest.warns(UserWarning, match=FRESH):  # upstream fails on this argument
        given = join(tmp_path / "vision", tmp_path / "text", vision_config=vision.config)
    assert given.config.vision_config == vision.config


def test_joined_checkpoints_are_upstreams(tmp_path):
    vision, text = random_towers()
    vision.save_pretrained(tmp_path / "vision")
    text.save_pretrained(tmp_path / "text")
    theirs = transformers.VisionTextDualEncoderModel.from_vision_text_pretrained(
        str(tmp_path / "vision"), str(tmp_path / "text"), projection_dim=20
    ).eval()
    theirs.save_pretrained(tmp_path / "both")
    ours = VisionTextDualEncoderModel.from_pretrained(tmp_path / "both")
    inputs = make_inputs(ours.config)
    wanted = upstream.run(theirs, **inputs)
    assert_close(ours(**inputs).logits_per_image, wanted.logits_per_image, 1e-5, "logits")


@pytest.mark.parametrize("family", ["CLIP", "Siglip", "ChineseCLIP"])
def test_the_image_tower_of_a_whole_model(family, tmp_path):
    text_values = {**TEXT, "projection_size": 24} if family == "Siglip" else TEXT
    whole = getattr(models, f"{family}Model")(
        getattr(configs, f"{family}Config")(text_config=text_values, vision_config=SMALL)
    )
    whole.save_pretrained(tmp_path)
    _, text = random_towers()
    with pytest.warns(UserWarning, match=FRESH):
        model = VisionTextDualEncoderModel.from_vision_text_pretrained(tmp_path, text_model=text)
    assert type(model.config.vision_config).__name__ == f"{family}VisionConfig"
    for name, x in model.vision_model.state_dict().items():
        tail = name.removeprefix("vision_model.")
        np.testing.assert_array_equal(whole.state_dict()[tail], x)
    config = VisionTextDualEncoderConfig(whole.config.to_dict(), {"model_type": "bert"})
    assert config.vision_config.hidden_size == 24


# --- the config


def test_config_goes_through_json(tmp_path):
    for vision, text in SOME_PAIRS:
        config = config_of(configs, vision, text, logit_scale_init_value=1.25)
        config.save_pretrained(tmp_path)
        assert VisionTextDualEncoderConfig.from_pretrained(tmp_path) == config
        theirs = transformers.VisionTextDualEncoderConfig.from_pretrained(tmp_path)
        assert theirs.vision_config.model_type == config.vision_config.model_type
        assert theirs.text_config.hidden_size == 32 and theirs.projection_dim == 20
        theirs.save_pretrained(tmp_path / "theirs")
        again = VisionTextDualEncoderConfig.from_pretrained(tmp_path / "theirs")
        assert again.vision_config.hidden_size == config.vision_config.hidden_size
        assert again.logit_scale_init_value == 1.25


def test_config_defaults_are_upstreams():
    config = VisionTextDualEncoderConfig({"model_type": "vit"}, {"model_type": "roberta"})
    theirs = transformers.VisionTextDualEncoderConfig(
        vision_config={"model_type": "vit"}, text_config={"model_type": "roberta"}
    )
    assert config.projection_dim == theirs.projection_dim
    assert config.logit_scale_init_value == theirs.logit_scale_init_value
    assert config.model_type == theirs.model_type
    assert config.vision_config.patch_size == theirs.vision_config.patch_size


@pytest.mark.parametrize("name", ["ViT", "DeiT", "Beit", "Dinov2"])
def test_tower_defaults_are_upstreams(name):
    config = getattr(configs, f"{name}Config")()
    theirs = getattr(transformers, f"{name}Config")()
    for field, value in config.to_dict().items():
        assert getattr(theirs, field) == value, field


def test_public_names():
    assert refimpl.VisionTextDualEncoderModel is VisionTextDualEncoderModel
    assert refimpl.VisionTextDualEncoderConfig is VisionTextDualEncoderConfig
    assert {*VISION, *TEXTS} <= set(dir(refimpl))


def test_loading_warns_of_nothing(tmp_path):
    VisionTextDualEncoderModel(config_of(configs, "ViTConfig", "BertConfig")).save_pretrained(
        tmp_path
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        VisionTextDualEncoderModel.from_pretrained(tmp_path)
