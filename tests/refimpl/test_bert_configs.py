"""Configs of BERT, RoBERTa and Chinese-CLIP against upstream's own, and values that make no sense."""

import json

import pytest
import transformers
import transformers4

from refimpl import configs
from refimpl.configs import BertConfig, ChineseCLIPConfig, ChineseCLIPTextConfig, RobertaConfig
from refimpl.errors import InputError

NAMES = [
    "BertConfig",
    "RobertaConfig",
    "ChineseCLIPTextConfig",
    "ChineseCLIPVisionConfig",
    "ChineseCLIPConfig",
]
LABELS = {"id2label", "label2id", "architectures", "transformers_version"}
DECODER = {"position_embedding_type", "use_cache", "is_decoder", "add_cross_attention"}

DEFAULTS = """
answer = {name: getattr(transformers, name)().to_dict() for name in given}
for name in given:
    model = getattr(transformers, name)()
    answer[name].update({k: getattr(model, k) for k in ("is_decoder", "add_cross_attention")})
"""


def assert_fields_equal(ours, theirs, where):
    for name, value in ours.items():
        if isinstance(value, dict) and name.endswith("_config"):
            assert_fields_equal(value, theirs[name], f"{where}.{name}")
        elif name not in LABELS:
            assert theirs[name] == value, f"{where}.{name}"


def test_defaults_equal_version_4():
    for name, theirs in transformers4.ask(DEFAULTS, NAMES).items():
        ours = getattr(configs, name)().to_dict()
        if "text_config" in ours:
            for field in ("is_decoder", "add_cross_attention"):  # left out of a dict in 4
                assert ours["text_config"].pop(field) is False
        assert_fields_equal(ours, theirs, name)


@pytest.mark.parametrize("name", NAMES)
def test_defaults_equal_version_5(name):
    """It has dropped the fields of decoder mode for Chinese-CLIP, and changed an unused id."""
    ours, theirs = getattr(configs, name)().to_dict(), getattr(transformers, name)().to_dict()
    for each in (ours, ours.get("text_config", {})):
        for field in (*DECODER, *(("bos_token_id",) if "Chinese" in name else ())):
            each.pop(field, None)
    assert_fields_equal(ours, theirs, name)


# Sizes of the released models: OFA-Sys/Chinese-CLIP 31863c7, cn_clip/clip/model_configs.
RELEASED = {
    "vit-base-patch16": ((768, 12, 12), (768, 12, 12, 16, 224), 512),
    "vit-large-patch14": ((768, 12, 12), (1024, 24, 16, 14, 224), 768),
    "vit-large-patch14-336px": ((768, 12, 12), (1024, 24, 16, 14, 336), 768),
    "vit-huge-patch14": ((1024, 24, 16), (1280, 32, 16, 14, 224), 1024),
}


@pytest.mark.parametrize("name", RELEASED)
def test_released_sizes_load(name, tmp_path):
    text, vision, joint = RELEASED[name]
    text_names = ("hidden_size", "num_hidden_layers", "num_attention_heads")
    vision_names = (*text_names, "patch_size", "image_size")
    values = {
        "model_type": "chinese_clip",
        "projection_dim": joint,
        "text_config": {
            **dict(zip(text_names, text, strict=True)),
            "intermediate_size": 4 * text[0],
            "vocab_size": 21128,
            "directionality": "bidi",
            "pooler_fc_size": 768,
            "model_type": "chinese_clip_text_model",
        },
        "vision_config": {
            **dict(zip(vision_names, vision, strict=True)),
            "intermediate_size": 4 * vision[0],
            "dropout": 0.0,
            "model_type": "chinese_clip_vision_model",
        },
    }
    (tmp_path / "config.json").write_text(json.dumps(values))
    whole = ChineseCLIPConfig.from_pretrained(tmp_path)
    assert whole.text_config.hidden_size == text[0] and whole.text_config.vocab_size == 21128
    assert whole.vision_config.patch_size == vision[3] and whole.projection_dim == joint
    lone = ChineseCLIPTextConfig.from_pretrained(tmp_path)
    assert lone == whole.text_config
    assert lone.directionality == "bidi" and lone.to_dict()["pooler_fc_size"] == 768
    theirs = transformers.ChineseCLIPConfig.from_pretrained(tmp_path)
    assert theirs.text_config.num_hidden_layers == lone.num_hidden_layers
    again = ChineseCLIPConfig.from_dict(json.loads(whole.to_json_string()))
    assert again == whole


REFUSED = {
    "position_embedding_type": ("rotary", "'absolute', 'relative_key', 'relative_key_query'; got"),
    "type_vocab_size": (0, "whole number above 0; got 0"),
    "is_decoder": ("yes", "is_decoder must be true or false; got 'yes'"),
    "use_cache": (1, "use_cache must be true or false; got 1"),
    "add_cross_attention": (True, "add_cross_attention needs is_decoder"),
    "hidden_size": (770, "not a multiple of num_attention_heads"),
    "vocab_size": (-1, "vocab_size must be"),
    "pad_token_id": (1.5, "pad_token_id must be"),
    "layer_norm_eps": (0.0, "layer_norm_eps must be above 0"),
    "hidden_act": ("selu", "hidden_act 'selu' is unknown"),
}


@pytest.mark.parametrize("field", REFUSED)
@pytest.mark.parametrize("kind", [BertConfig, RobertaConfig, ChineseCLIPTextConfig])
def test_values_that_make_no_sense_are_refused(kind, field):
    value, message = REFUSED[field]
    with pytest.raises(InputError, match=message):
        kind(**{field: value})


@pytest.mark.parametrize("pad", [None, -1, 511, 600])
def test_roberta_needs_a_padding_row_with_positions_behind_it(pad):
    with pytest.raises(InputError, match="pad_token_id must lie from 0"):
        RobertaConfig(pad_token_id=pad)
    BertConfig(pad_token_id=pad)  # BERT has no use for it


@pytest.mark.parametrize("model_type", ["distilbert", "albert", "chinese_clip", "bert-generation"])
def test_configs_of_other_models_are_refused_by_name(model_type):
    for kind in (BertConfig, RobertaConfig, ChineseCLIPTextConfig):
        with pytest.raises(InputError, match=f"model_type '{model_type}'"):
            kind.from_dict({"model_type": model_type, "hidden_size": 24})
