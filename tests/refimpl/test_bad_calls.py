"""What every family's models refuse alike: switches that are none, masks that are none, numbers too large.

Each bad value ends in one InputError that names the argument; the test of each class has what is
its own (test_models.py, test_bert_refusals.py, test_vit.py).
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from refimpl import configs, models
from refimpl.errors import InputError

TOWER = {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
}
TEXT = {**TOWER, "vocab_size": 30, "max_position_embeddings": 10}
VISION = {**TOWER, "image_size": 8, "patch_size": 4}
BOTH = {"text_config": TEXT, "vision_config": VISION}
MODELS = {
    "CLIPModel": configs.CLIPConfig(**BOTH),
    "SiglipModel": configs.SiglipConfig(**BOTH),
    "ChineseCLIPModel": configs.ChineseCLIPConfig(**BOTH),
    "VisionTextDualEncoderModel": configs.VisionTextDualEncoderConfig(
        {**VISION, "model_type": "vit"}, {**TEXT, "model_type": "bert"}
    ),
    "BertModel": configs.BertConfig(**TEXT),
    "RobertaModel": configs.RobertaConfig(**TEXT, is_decoder=True),
    "ViTModel": configs.ViTConfig(**VISION),
    "DeiTModel": configs.DeiTConfig(**VISION),
    "BeitModel": configs.BeitConfig(**VISION),
    "Dinov2Model": configs.Dinov2Config(**VISION),
    "CLIPForImageClassification": configs.CLIPConfig(**BOTH, num_labels=3),
    "SiglipForImageClassification": configs.SiglipConfig(**BOTH, num_labels=3),
}
TEXT_MODELS = list(MODELS)[:6]
IMAGE_MODELS = [*list(MODELS)[:4], *list(MODELS)[6:]]
IDS = np.array([[2, 3, 4], [5, 6, 7]])
PIXELS = np.zeros((2, 3, 8, 8), np.float32)


def inputs_for(name):
    given = {}
    if name in TEXT_MODELS:
        given["input_ids"] = IDS
    if name in IMAGE_MODELS:
        given["pixel_values"] = PIXELS
    return given


def refused(name, message, **changes):
    model = getattr(models, name)(MODELS[name])
    model(**inputs_for(name))
    with pytest.raises(InputError, match=message):
        model(**{**inputs_for(name), **changes})


def test_a_switch_is_true_or_false():
    """In a process of its own: here the check of shapes and types would refuse before we do."""
    done = subprocess.run(
        [sys.executable, "-c", SWITCHES, str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(MODELS) * 3 + 4 + 5 + 1


SWITCHES = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from test_bad_calls import MODELS, inputs_for, models
from refimpl.errors import InputError

COMMON = ["output_attentions", "output_hidden_states", "return_dict"]
SIZED = ["CLIPModel", "SiglipModel", "ChineseCLIPModel", "ViTModel", "DeiTModel"]
count = 0
for name in MODELS:
    model, given = getattr(models, name)(MODELS[name]), inputs_for(name)
    switches = COMMON + ["return_loss"] * (name in list(MODELS)[:4])
    switches += ["interpolate_pos_encoding"] * (name in SIZED)
    switches += ["use_cache"] * (name == "RobertaModel")
    for switch in switches:
        for value in (True, False, None, np.False_):
            model(**given, **{switch: value})
        for value in ("no", 2, [True], np.ones(3)):
            try:
                model(**given, **{switch: value})
            except InputError as error:
                assert f"{switch} must be True, False or None; got" in str(error), error
            else:
                raise AssertionError((name, switch, value))
        count += 1
print(count)
"""


@pytest.mark.parametrize("hidden", [-1e9, -np.inf, 0.5, 2, np.nan])
@pytest.mark.parametrize("name", TEXT_MODELS)
def test_a_mask_that_is_added_to_scores_is_not_read_the_wrong_way_round(name, hidden):
    mask = np.array([[1, 1, hidden]] * 2)
    refused(name, "attention_mask must be true or false, 1 or 0", attention_mask=mask)


@pytest.mark.parametrize("name", IMAGE_MODELS)
def test_numbers_that_float32_cannot_hold_are_refused_in_pixels(name):
    refused(
        name,
        "pixel_values hold .* too large for float32",
        pixel_values=np.full(PIXELS.shape, 1e300),
    )


@pytest.mark.parametrize("argument", ["inputs_embeds", "head_mask"])
def test_numbers_that_float32_cannot_hold_are_refused_elsewhere(argument):
    value = {"inputs_embeds": np.full((2, 3, 8), 1e300), "head_mask": [1e300, 1]}[argument]
    model = models.BertModel(MODELS["BertModel"])
    given = {} if argument == "inputs_embeds" else {"input_ids": IDS}
    with pytest.raises(InputError, match=f"{argument} hold"):
        model(**given, **{argument: value})


@pytest.mark.parametrize("name", ["CLIPForImageClassification", "SiglipForImageClassification"])
def test_labels_are_finite(name):
    refused(name, "labels hold NaN", labels=np.full((2, 3), np.nan))


class Broken:
    """Another library's array that cannot be read."""

    def __array__(self, *given, **named):
        raise KeyError("gone")


@pytest.mark.parametrize("name", MODELS)
def test_whatever_an_array_raises_is_told(name):
    argument = "input_ids" if name in TEXT_MODELS else "pixel_values"
    refused(name, f"{argument} cannot be read as an array: 'gone'", **{argument: Broken()})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"output_attentions": "yes"}, "output_attentions must be true, false or null"),
        ({"output_hidden_states": 1}, "output_hidden_states must be true, false or null"),
        ({"return_dict": "no"}, "return_dict must be true, false or null"),
        ({"id2label": {0: None}}, "id2label must map indices to names"),
        ({"model_type": "siglip"}, "model_type is '.*', not 'siglip'"),
        ({"hidden_size": 10**400}, r"hidden_size must be a whole number .* got 10{50,80}$"),
    ],
)
@pytest.mark.parametrize(
    "kind", ["CLIPTextConfig", "BertConfig", "ViTConfig", "SiglipVisionConfig"]
)
def test_every_config_refuses(kind, values, message):
    with pytest.raises(InputError, match=message):
        getattr(configs, kind)(**values)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("ViTConfig", {"encoder_stride": "x"}),
        ("BertConfig", {"classifier_dropout": "x"}),
        ("RobertaConfig", {"classifier_dropout": float("nan")}),
    ],
)
def test_fields_that_play_no_part_in_inference_are_checked_too(kind, values):
    with pytest.raises(InputError, match=f"{next(iter(values))} must be"):
        getattr(configs, kind)(**values)


def test_a_tower_of_another_kind_is_not_taken_for_ones_own():
    bert = configs.BertConfig(**TEXT).to_dict()
    with pytest.raises(InputError, match="CLIPTextConfig: model_type is 'clip_text_model', not"):
        configs.CLIPConfig(text_config=bert)


def test_what_json_cannot_hold_is_told():
    config = configs.BertConfig(of_a_kind=object())
    with pytest.raises(InputError, match="BertConfig holds what JSON cannot: Object of type"):
        config.to_json_string()


@pytest.mark.parametrize("name", MODELS)
def test_no_texts_and_no_pictures_give_no_results(name):
    given = {key: value[:0] for key, value in inputs_for(name).items()}
    found = getattr(models, name)(MODELS[name])(**given).to_tuple()[0]
    assert found.shape[0] == 0
    assert found.dtype == np.float32


@pytest.mark.parametrize("name", list(MODELS)[:4])
def test_there_is_no_loss_of_no_pairs(name):
    given = {key: value[:0] for key, value in inputs_for(name).items()}
    refused(name, "return_loss needs pairs.*0 texts and 0 pictures", **given, return_loss=True)


@pytest.mark.parametrize("name", ["CLIPForImageClassification", "SiglipForImageClassification"])
def test_there_is_no_loss_of_no_pictures(name):
    refused(name, "labels came without pictures", pixel_values=PIXELS[:0], labels=[])
