"""What the SigLIP classes do beside the maths: configs, loading, saving, refusing bad input."""

import inspect
import warnings

import numpy as np
import pytest
import torch
import transformers
import transformers4
import upstream
from comparing import assert_close
from siglip_model_cases import SMALL_TEXT, SMALL_VISION, config_values, make_ids, make_pixels

from refimpl.configs import SiglipConfig, SiglipTextConfig, SiglipVisionConfig
from refimpl.errors import InputError
from refimpl.models import (
    SiglipForImageClassification,
    SiglipModel,
    SiglipTextModel,
    SiglipVisionModel,
)

CLASSES = (SiglipModel, SiglipTextModel, SiglipVisionModel, SiglipForImageClassification)
CONFIGS = (SiglipConfig, SiglipTextConfig, SiglipVisionConfig)
VALUES = config_values("small")


def model(**changes):
    return SiglipModel(SiglipConfig(**{**VALUES, **changes}))


def inputs_for(name):
    config = SiglipConfig(**VALUES)
    ids, pixels = make_ids(config, 2), make_pixels(config, 2)
    if "Text" in name:
        return {"input_ids": ids}
    if name == "SiglipModel":
        return {"input_ids": ids, "pixel_values": pixels}
    return {"pixel_values": pixels}


def hf_config(name):
    if "Text" in name:
        return transformers.SiglipTextConfig(**SMALL_TEXT)
    if "VisionModel" in name:
        return transformers.SiglipVisionConfig(**SMALL_VISION)
    return transformers.SiglipConfig(**VALUES)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda c: c.__name__)
def test_what_upstream_saved_loads_here_and_back(kind, tmp_path):
    name = kind.__name__
    inputs = inputs_for(name)
    theirs = upstream.build(getattr(transformers, name), hf_config(name), "float32")
    theirs.save_pretrained(tmp_path / "theirs")
    wanted = upstream.run(theirs, **inputs)
    ours = kind.from_pretrained(tmp_path / "theirs")
    found = ours(**inputs)
    assert list(found) == list(wanted)
    assert_close(found[0], wanted[0], 1e-5, name)
    ours.save_pretrained(tmp_path / "ours")
    again, report = getattr(transformers, name).from_pretrained(
        tmp_path / "ours", output_loading_info=True, attn_implementation="eager"
    )
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert_close(found[0], upstream.run(again.eval(), **inputs)[0], 1e-5, f"{name} again")
    for key, value in kind.from_pretrained(tmp_path / "ours").state_dict().items():
        np.testing.assert_array_equal(value, ours.state_dict()[key])


VERSION_4 = """
import torch
answer = {}
for name, case in given.items():
    kind = getattr(transformers, name)
    if case["values"] is None:
        model, report = kind.from_pretrained(case["folder"], output_loading_info=True)
        assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    else:
        torch.manual_seed(3)
        model = kind(getattr(transformers, case["config"])(**case["values"]))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) / 8)
        model.save_pretrained(case["folder"])
    with torch.no_grad():
        inputs = {key: torch.tensor(value) for key, value in case["inputs"].items()}
        answer[name] = model.eval()(**inputs)[0].tolist()
"""


def test_what_version_4_saved_loads_here_and_back(tmp_path):
    given = {}
    for name in (kind.__name__ for kind in CLASSES):
        config, inputs = hf_config(name), inputs_for(name)
        values = VALUES if isinstance(config, transformers.SiglipConfig) else SMALL_VISION
        given[name] = {
            "config": type(config).__name__,
            "values": SMALL_TEXT if "Text" in name else values,
            "inputs": {key: value.tolist() for key, value in inputs.items()},
            "folder": str(tmp_path / "theirs" / name),
        }
    wanted = transformers4.ask(VERSION_4, given)
    found = {}
    for kind in CLASSES:
        name, folder = kind.__name__, str(tmp_path / "ours" / kind.__name__)
        ours = kind.from_pretrained(given[name]["folder"])
        found[name] = ours(**inputs_for(name))[0]
        assert_close(found[name], np.float32(wanted[name]), 1e-5, name)
        ours.save_pretrained(folder)
        given[name].update(folder=folder, values=None)
    for name, again in transformers4.ask(VERSION_4, given).items():
        assert_close(found[name], np.float32(again), 1e-5, f"{name} again")


@pytest.mark.parametrize("kind", CLASSES[1:], ids=lambda c: c.__name__)
def test_one_part_loads_from_a_whole_models_folder(kind, tmp_path):
    whole = model()
    whole.save_pretrained(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the classification head is drawn afresh
        part = kind.from_pretrained(tmp_path)
    for name, value in part.state_dict().items():
        if name in whole.state_dict():
            np.testing.assert_array_equal(value, whole.state_dict()[name])
        else:
            assert name.startswith("classifier.")


def test_fresh_weights_are_spread_like_upstreams():
    torch.manual_seed(0)
    hf = transformers.SiglipModel(transformers.SiglipConfig(**VALUES)).state_dict()
    for name, value in model().state_dict().items():
        theirs = hf[name].numpy()
        if "mlp" in name and name.endswith("bias"):  # upstream's are 1e-6 wide, ours 0
            assert not value.any() and np.abs(theirs).max() < 1e-5
            continue
        np.testing.assert_allclose(value.mean(), theirs.mean(), atol=0.1, err_msg=name)
        np.testing.assert_allclose(value.std(), theirs.std(), rtol=0.4, err_msg=name)
    head = SiglipForImageClassification(SiglipConfig(**VALUES, initializer_factor=3.0))
    np.testing.assert_allclose(head.params.classifier.weight.std(), 3 * 24**-0.5, rtol=0.4)


@pytest.mark.parametrize("kind", CONFIGS, ids=lambda c: c.__name__)
def test_defaults_equal_upstream(kind):
    def assert_fields_equal(ours, theirs):
        for name, value in ours.to_dict().items():
            if isinstance(value, dict):
                assert_fields_equal(getattr(ours, name), getattr(theirs, name))
            else:
                assert getattr(theirs, name) == value, name

    assert_fields_equal(kind(), getattr(transformers, kind.__name__)())


@pytest.mark.parametrize("given", [{}, {"projection_size": None}, {"projection_size": 40}])
def test_projection_size_is_the_width_unless_it_is_given(given, tmp_path):
    values = {"hidden_size": 48, "num_attention_heads": 4, **given}
    ours, theirs = SiglipTextConfig(**values), transformers.SiglipTextConfig(**values)
    assert ours.projection_size == theirs.projection_size == given.get("projection_size") or 48
    whole = SiglipConfig(text_config=values, vision_config={"vision_use_head": False})
    whole.save_pretrained(tmp_path)
    read = transformers.SiglipConfig.from_pretrained(tmp_path)
    assert read.text_config.projection_size == ours.projection_size
    assert read.vision_config.vision_use_head is False
    assert SiglipConfig.from_pretrained(tmp_path) == whole
    assert SiglipTextConfig.from_pretrained(tmp_path).projection_size == ours.projection_size


@pytest.mark.parametrize("tower", ["text", "vision"])
def test_legacy_dicts_mean_nothing_and_are_kept(tower, tmp_path):
    values = {
        f"{tower}_config": {"hidden_size": 48, "num_attention_heads": 4},
        f"{tower}_config_dict": {"hidden_size": 96},
    }
    ours, theirs = SiglipConfig(**values), transformers.SiglipConfig(**values)
    for config in (ours, theirs):
        assert getattr(config, f"{tower}_config").hidden_size == 48
        assert getattr(config, f"{tower}_config_dict") == {"hidden_size": 96}
    ours.save_pretrained(tmp_path)
    assert SiglipConfig.from_pretrained(tmp_path) == ours
    part = {"text": SiglipTextConfig, "vision": SiglipVisionConfig}[tower]
    assert part.from_pretrained(tmp_path).hidden_size == 48


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"text_config": {"projection_size": 0}}, "projection_size must be a whole number from 1"),
        ({"text_config": {"projection_size": "x"}}, "projection_size must be a whole number"),
        ({"text_config": {"hidden_size": None}}, "hidden_size must be a whole number"),
        ({"vision_config": {"vision_use_head": 1}}, "vision_use_head must be true or false; got 1"),
        ({"vision_config": {"hidden_size": 10}}, "not a multiple of num_attention_heads 12"),
        ({"initializer_factor": None}, "initializer_factor must be a finite number"),
    ],
)
def test_values_that_make_no_sense(values, message):
    with pytest.raises(InputError, match=message):
        SiglipConfig(**values)


def test_argument_names_are_the_documented_ones_in_their_order():
    """Transformers 4.49's signatures; 4.57 takes the same names by keyword."""

    def names(function):
        return " ".join(inspect.signature(inspect.unwrap(function)).parameters)

    switches = "output_attentions output_hidden_states return_dict"
    text = f"input_ids attention_mask position_ids {switches}"
    image = f"{switches} interpolate_pos_encoding"
    assert names(SiglipTextModel.__call__) == f"self {text}"
    assert names(SiglipModel.get_text_features) == f"self {text}"
    assert names(SiglipVisionModel.__call__) == f"self pixel_values {image}"
    assert names(SiglipModel.get_image_features) == f"self pixel_values {image}"
    whole = f"self input_ids pixel_values attention_mask position_ids return_loss {image}"
    assert names(SiglipModel.__call__) == whole
    assert names(SiglipForImageClassification.__call__) == f"self pixel_values labels {image}"


def test_a_model_without_a_head_compares_nothing_but_reads_texts():
    headless = model(vision_config={**SMALL_VISION, "vision_use_head": False})
    inputs = inputs_for("SiglipModel")
    assert headless.get_text_features(inputs["input_ids"]).shape == (2, 24)
    for call in (
        lambda: headless(**inputs),
        lambda: headless.get_image_features(inputs["pixel_values"]),
    ):
        with pytest.raises(InputError, match="vision_use_head is false"):
            call()


def test_towers_that_do_not_meet():
    apart = model(text_config={**SMALL_TEXT, "projection_size": 20})
    inputs = inputs_for("SiglipModel")
    assert apart.get_text_features(inputs["input_ids"]).shape == (2, 20)
    with pytest.raises(InputError, match="texts come out 20 wide.*pictures 24 wide"):
        apart(**inputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_ids": None}, "input_ids are missing"),
        ({"input_ids": [[1] * 17]}, "17 tokens, the model has positions for 16"),
        ({"input_ids": [[99]]}, r"from 0 to 98 \(vocab_size 99\); got 99"),
        ({"attention_mask": [[1]]}, "attention_mask must have the shape of input_ids"),
        ({"position_ids": [[0, 1]]}, "position_ids must be whole numbers of shape"),
        ({"pixel_values": None}, "pixel_values are missing"),
        ({"pixel_values": np.zeros((2, 3, 32, 40))}, "32×40, the model takes 32×32; resize them"),
        ({"pixel_values": np.zeros((2, 3, 48, 48))}, "or pass interpolate_pos_encoding=True"),
        (
            {"pixel_values": np.zeros((1, 3, 4, 32)), "interpolate_pos_encoding": True},
            "less than one patch of 8×8",
        ),
        (
            {"pixel_values": np.zeros((1, 3, 32, 32)), "return_loss": True},
            "got 2 texts and 1 pictures",
        ),
    ],
)
def test_bad_inputs(changes, message):
    with pytest.raises(InputError, match=message):
        model()(**{**inputs_for("SiglipModel"), **changes})


@pytest.mark.parametrize("labels", [[0, 2], [0], [-100, -100], [[0.5]], "ab"])
def test_bad_labels(labels):
    with pytest.raises(InputError, match="labels"):
        SiglipForImageClassification(SiglipConfig(**VALUES))(
            pixel_values=inputs_for("vision")["pixel_values"], labels=labels
        )


def test_a_config_of_another_kind(tmp_path):
    with pytest.raises(InputError, match="SiglipModel needs a SiglipConfig; got SiglipTextConfig"):
        SiglipModel(SiglipTextConfig(**SMALL_TEXT))
    with pytest.raises(InputError, match="of model_type 'clip', not 'siglip'"):
        SiglipConfig.from_dict({"model_type": "clip"})


def test_the_whole_model_gives_its_hidden_states_back_as_its_config_asks():
    asked = model(output_hidden_states=True, output_attentions=True)
    found = asked(**inputs_for("SiglipModel"))
    for tower in (found.text_model_output, found.vision_model_output):
        assert len(tower.hidden_states) == 3 and len(tower.attentions) == 2
    plain = asked(**inputs_for("SiglipModel"), output_hidden_states=False, output_attentions=False)
    assert plain.text_model_output.keys() == ["last_hidden_state", "pooler_output"]


def test_every_item_alone_is_as_in_a_batch():
    inputs = inputs_for("SiglipModel")
    double = SiglipModel(SiglipConfig(**VALUES), dtype="float64")
    whole = double(**inputs).logits_per_image
    alone = double(inputs["input_ids"][1:], inputs["pixel_values"][1:]).logits_per_image
    np.testing.assert_allclose(alone[0, 0], whole[1, 1], rtol=1e-12)
    empty = double.get_image_features(inputs["pixel_values"][:0])
    assert empty.shape == (0, 24) and empty.dtype == np.float64
