"""Configs against upstream's own, legacy fields, unknown fields, and values that make no sense."""

import json
from pathlib import Path

import pytest
import transformers

from refimpl.configs import CLIPConfig, CLIPTextConfig, CLIPVisionConfig
from refimpl.errors import InputError

HUB_FILES = Path(__file__).parents[1] / "data" / "configs"
CLASSES = {
    CLIPConfig: transformers.CLIPConfig,
    CLIPTextConfig: transformers.CLIPTextConfig,
    CLIPVisionConfig: transformers.CLIPVisionConfig,
}
OURS_ONLY = {"architectures", "problem_type", "output_hidden_states", "return_dict", "id2label"}


def assert_fields_equal(ours, theirs):
    for name, value in ours.to_dict().items():
        if isinstance(value, dict) and name.endswith("_config"):
            assert_fields_equal(getattr(ours, name), getattr(theirs, name))
        elif name not in ("id2label", "label2id", "architectures", "transformers_version"):
            assert getattr(theirs, name) == value, name


@pytest.mark.parametrize("ours", CLASSES, ids=lambda c: c.__name__)
def test_defaults_equal_upstream(ours):
    assert_fields_equal(ours(), CLASSES[ours]())
    assert ours().num_labels == CLASSES[ours]().num_labels == 2


@pytest.mark.parametrize("name", ["clip-vit-base-patch32", "clip-vit-large-patch14"])
def test_hub_files_are_read_as_upstream_reads_them(name):
    folder = HUB_FILES / name
    ours = CLIPConfig.from_pretrained(folder)
    theirs = transformers.CLIPConfig.from_pretrained(folder)
    for tower in ("text_config", "vision_config"):
        for field in (
            CLIPTextConfig().to_dict() if tower[0] == "t" else CLIPVisionConfig().to_dict()
        ):
            wanted = getattr(getattr(theirs, tower), field)
            assert getattr(getattr(ours, tower), field) == wanted, field
    assert ours.projection_dim == theirs.projection_dim


@pytest.mark.parametrize(
    ("given", "legacy"),
    [
        ({"hidden_size": 64, "num_hidden_layers": 3}, {"hidden_size": 128}),
        ({"eos_token_id": 2}, {"vocab_size": 49408}),
        ({"eos_token_id": 2}, None),
        ({"eos_token_id": 2}, {}),
        (None, {"hidden_size": 128, "num_attention_heads": 4}),
        ({"eos_token_id": 2}, {"eos_token_id": 2}),
    ],
)
def test_legacy_dicts_win_with_their_defaults_too(given, legacy):
    ours = CLIPConfig(text_config=given, text_config_dict=legacy)
    theirs = transformers.CLIPConfig(text_config=given, text_config_dict=legacy)
    assert_fields_equal(ours, theirs)
    vision = {"hidden_size": 96, "patch_size": 16}
    ours = CLIPConfig(vision_config=vision, vision_config_dict={"patch_size": 8})
    theirs = transformers.CLIPConfig(vision_config=vision, vision_config_dict={"patch_size": 8})
    assert_fields_equal(ours, theirs)


def test_unknown_fields_are_kept_readable_and_written_back(tmp_path):
    config = CLIPConfig(text_config={"top_k": 50, "hidden_size": 64}, my_note={"a": [1]})
    assert config.my_note == {"a": [1]} and config.text_config.top_k == 50
    config.save_pretrained(tmp_path)
    again = CLIPConfig.from_pretrained(tmp_path)
    assert again == config and again.text_config.top_k == 50
    with pytest.raises(AttributeError, match="no field 'missing'"):
        _ = config.missing


def test_written_configs_load_upstream(tmp_path):
    config = CLIPConfig(
        text_config={"hidden_size": 64, "num_attention_heads": 4, "eos_token_id": 7},
        projection_dim=9,
        num_labels=3,
    )
    config.save_pretrained(tmp_path)
    theirs = transformers.CLIPConfig.from_pretrained(tmp_path)
    assert_fields_equal(config, theirs)
    assert theirs.id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}


@pytest.mark.parametrize("tower", [CLIPTextConfig, CLIPVisionConfig])
def test_a_tower_picks_its_part_of_a_whole_models_json(tower, tmp_path):
    part = "text_config" if tower is CLIPTextConfig else "vision_config"
    CLIPConfig(**{part: {"hidden_size": 48}}).save_pretrained(tmp_path)
    assert tower.from_pretrained(tmp_path).hidden_size == 48
    assert CLASSES[tower].from_pretrained(tmp_path).hidden_size == 48


def test_labels():
    config = CLIPConfig(id2label={"0": "cat", "1": "dog", "2": "fox"})
    assert config.num_labels == 3 and config.label2id == {"cat": 0, "dog": 1, "fox": 2}
    assert json.loads(config.to_json_string())["id2label"]["2"] == "fox"
    assert config.replace(num_labels=3).id2label[2] == "fox"
    assert config.replace(num_labels=1).id2label == {0: "LABEL_0"}


def test_a_config_does_not_change():
    with pytest.raises(AttributeError):
        CLIPConfig().projection_dim = 3
    assert CLIPConfig().replace(projection_dim=3).projection_dim == 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hidden_size": 65}, "hidden_size 65 is not a multiple of num_attention_heads 8"),
        ({"hidden_size": 0}, "hidden_size must be a whole number from 1"),
        ({"hidden_size": -8}, "got -8"),
        ({"hidden_size": 10**9}, "got 1000000000"),
        ({"hidden_size": "512"}, "got '512'"),
        ({"hidden_size": True}, "got True"),
        ({"hidden_size": 64.0}, "got 64.0"),
        ({"num_hidden_layers": None}, "num_hidden_layers must be a whole number"),
        ({"hidden_act": "selu"}, "hidden_act 'selu' is unknown; known are gelu"),
        ({"layer_norm_eps": 0}, "layer_norm_eps must be above 0"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps must be a finite number"),
        ({"layer_norm_eps": "1e-5"}, "layer_norm_eps must be a finite number"),
        ({"eos_token_id": [1, 2]}, "eos_token_id must be a whole number or null"),
        ({"problem_type": "guess"}, "problem_type must be one of"),
        ({"id2label": ["cat"]}, "id2label must map indices to names"),
        ({"num_labels": -1}, "num_labels must be a count"),
    ],
)
def test_values_that_describe_no_model(values, message):
    with pytest.raises(InputError, match=message):
        CLIPTextConfig(**values)


def test_all_problems_are_told_at_once():
    with pytest.raises(InputError, match="hidden_size.*; num_hidden_layers.*; hidden_act"):
        CLIPTextConfig(hidden_size=0, num_hidden_layers=0, hidden_act="?")


def test_patch_larger_than_the_picture():
    with pytest.raises(InputError, match="patch_size 64 is larger than image_size 32"):
        CLIPVisionConfig(image_size=32, patch_size=64)


def test_wrong_kinds_of_model(tmp_path):
    CLIPVisionConfig().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="model_type 'clip_vision_model', not 'clip'"):
        CLIPConfig.from_pretrained(tmp_path)
    with pytest.raises(InputError, match="must be an object"):
        CLIPConfig(text_config=3)


def test_the_file_is_named(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "clip", "projection_dim": "x"}')
    with pytest.raises(InputError, match=f"{tmp_path}.*projection_dim"):
        CLIPConfig.from_pretrained(tmp_path)
    with pytest.raises(InputError, match="nowhere"):
        CLIPConfig.from_pretrained(tmp_path / "nowhere")
