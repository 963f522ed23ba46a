"""What a dual encoder, its config and its towers refuse, and what they say of it."""

import pytest
from dual_encoder_cases import config_of, make_inputs, random_towers
from vit_cases import SMALL

from refimpl import configs, models
from refimpl.checkpoints.folder import read_weights, write_folder
from refimpl.configs import VisionTextDualEncoderConfig
from refimpl.errors import InputError
from refimpl.models import VisionTextDualEncoderModel

BAD_CONFIGS = {
    "no vision": ((None, {"model_type": "bert"}), "vision_config is missing"),
    "no text": (({"model_type": "vit"}, None), "text_config is missing"),
    "no type": (({"hidden_size": 8}, {"model_type": "bert"}), "vision_config has model_type None"),
    "a list": (([1], {"model_type": "bert"}), r"vision_config must be an object, not \[1\]"),
    "listed type": (
        ({"model_type": ["vit"]}, {"model_type": "bert"}),
        "vision_config has model_type None",
    ),
    "convnext": (
        ({"model_type": "convnext"}, {"model_type": "bert"}),
        "model_type 'convnext'; what can be joined is vit, deit, beit, dinov2, clip_vision_model, "
        "siglip_vision_model, chinese_clip_vision_model",
    ),
    "distilbert": (
        ({"model_type": "vit"}, {"model_type": "distilbert"}),
        "model_type 'distilbert'; what can be joined is bert, roberta, clip_text_model",
    ),
    "chinese text": (
        ({"model_type": "vit"}, {"model_type": "chinese_clip_text_model"}),
        "text_config has model_type 'chinese_clip_text_model'",
    ),
    "towers exchanged": (
        ({"model_type": "bert"}, {"model_type": "vit"}),
        "vision_config has model_type 'bert'",
    ),
    "wide pooler": (
        ({"model_type": "vit", "pooler_output_size": 7}, {"model_type": "bert"}),
        "pooler_output_size 7 must be its hidden_size 768",
    ),
    "no head": (
        ({"model_type": "siglip_vision_model", "vision_use_head": False}, {"model_type": "bert"}),
        "vision_use_head must be true",
    ),
    "bad field": (
        ({"model_type": "vit", "hidden_size": "x"}, {"model_type": "bert"}),
        "ViTConfig: hidden_size",
    ),
}


@pytest.mark.parametrize("case", BAD_CONFIGS)
def test_config_that_cannot_be(case):
    (vision, text), message = BAD_CONFIGS[case]
    with pytest.raises(InputError, match=message):
        VisionTextDualEncoderConfig(vision, text)


BAD_TOWER_CONFIGS = {
    "flag": ("ViT", {"qkv_bias": 1}, "qkv_bias must be true or false"),
    "activation": ("DeiT", {"pooler_act": "selu"}, "pooler_act 'selu' is unknown"),
    "huge pooler": ("ViT", {"pooler_output_size": 2**60}, "pooler_output_size must be a whole"),
    "whole number beyond floats": ("DeiT", {"layer_norm_eps": 10**400}, "must be a finite number"),
    "pooler": ("ViT", {"pooler_output_size": "wide"}, "pooler_output_size must be a whole number"),
    "flag of beit": ("Beit", {"use_mean_pooling": None}, "use_mean_pooling must be true or false"),
    "scale": ("Beit", {"layer_scale_init_value": None}, "layer_scale_init_value must be a finite"),
    "no mlp": ("Dinov2", {"mlp_ratio": 0}, "mlp_ratio must make an MLP of some width"),
    "huge mlp": ("Dinov2", {"mlp_ratio": 1e300}, "mlp_ratio must make an MLP of some width"),
    "no number": ("Dinov2", {"mlp_ratio": "4"}, "mlp_ratio must be a finite number"),
}


@pytest.mark.parametrize("case", BAD_TOWER_CONFIGS)
def test_tower_config_that_cannot_be(case):
    family, values, message = BAD_TOWER_CONFIGS[case]
    with pytest.raises(InputError, match=message):
        getattr(configs, f"{family}Config")(**values)


# --- errors of the model


def test_towers_that_are_missing_or_do_not_fit():
    vision, text = random_towers()
    with pytest.raises(InputError, match="without a config it needs a text_model"):
        VisionTextDualEncoderModel(vision_model=vision)
    with pytest.raises(InputError, match="without a config it needs a vision_model"):
        VisionTextDualEncoderModel()
    with pytest.raises(InputError, match="vision_model must be a model of refimpl; got int"):
        VisionTextDualEncoderModel(vision_model=3, text_model=text)
    with pytest.raises(InputError, match="vision_config has model_type 'bert'"):
        VisionTextDualEncoderModel(vision_model=text, text_model=text)
    other = configs.VisionTextDualEncoderConfig({**SMALL, "model_type": "deit"}, text.config)
    with pytest.raises(InputError, match=r"(?s)the given vision_model, a ViTModel,.*distillation"):
        VisionTextDualEncoderModel(other, vision_model=vision)
    bare = models.ViTModel(vision.config, add_pooling_layer=False)
    with pytest.raises(InputError, match=r"(?s)missing.*vision_model.pooler.dense.bias"):
        VisionTextDualEncoderModel(vision_model=bare, text_model=text)
    with pytest.raises(InputError, match="needs a VisionTextDualEncoderConfig; got ViTConfig"):
        VisionTextDualEncoderModel(vision.config)


def test_checkpoints_that_are_missing_or_cannot_be_joined(tmp_path):
    vision, text = random_towers()
    vision.save_pretrained(tmp_path / "vision")
    join = VisionTextDualEncoderModel.from_vision_text_pretrained
    with pytest.raises(InputError, match="it needs a vision_model_name_or_path"):
        join(text_model=text)
    with pytest.raises(InputError, match="it needs a text_model_name_or_path"):
        join(tmp_path / "vision")
    with pytest.raises(InputError, match="text_config has model_type 'vit'"):
        join(tmp_path / "vision", tmp_path / "vision")
    with pytest.raises(InputError, match="text_model must be a model of refimpl; got str"):
        join(tmp_path / "vision", text_model="bert")
    with pytest.raises(InputError, match="projection_width is neither an argument nor a field"):
        join(tmp_path / "vision", text_model=text, projection_width=3)
    with pytest.raises(InputError, match="depth is neither an argument nor a field of ViTConfig"):
        join(tmp_path / "vision", text_model=text, vision_depth=3)
    with pytest.raises(InputError, match="no_such"):
        join(tmp_path / "no_such", text_model=text)


def test_inputs_that_do_not_suit():
    vision, text = random_towers()
    model = VisionTextDualEncoderModel(vision_model=vision, text_model=text)
    inputs = make_inputs(model.config)
    pixels = inputs.pop("pixel_values")
    with pytest.raises(InputError, match="pixel_values are missing"):
        model(**inputs)
    with pytest.raises(InputError, match="input_ids"):
        model(pixel_values=pixels)
    with pytest.raises(InputError, match="3 texts and 2 pictures"):
        model(**inputs, pixel_values=pixels[:2], return_loss=True)
    with pytest.raises(InputError, match="token_type_ids"):
        model(**{**inputs, "token_type_ids": inputs["input_ids"] + 5}, pixel_values=pixels)


def test_a_checkpoint_without_a_tower_names_what_is_missing(tmp_path):
    model = VisionTextDualEncoderModel(config_of(configs, "ViTConfig", "BertConfig"))
    kept = {n: x for n, x in model.state_dict().items() if not n.startswith("text_model.enc")}
    write_folder(tmp_path, model.config.to_dict(), kept)
    with pytest.raises(InputError, match=r"missing \(32\).*(?s:.*)text_model.encoder.layer.0"):
        VisionTextDualEncoderModel.from_pretrained(tmp_path)
    assert set(read_weights(tmp_path)) == set(kept)
