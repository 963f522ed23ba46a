"""What the model classes do beside the maths: loading, saving, watching, and refusing bad input."""

import json
import warnings

import numpy as np
import pytest
import tiny
import torch
import transformers
import upstream
from clip_cases import config_values, make_ids, make_pixels
from comparing import assert_close

from refimpl import ops
from refimpl.configs import CLIPConfig
from refimpl.errors import InputError
from refimpl.models import (
    CLIPForImageClassification,
    CLIPModel,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
)
from refimpl.trace import Record

CLASSES = (
    CLIPModel,
    CLIPTextModel,
    CLIPVisionModel,
    CLIPTextModelWithProjection,
    CLIPVisionModelWithProjection,
    CLIPForImageClassification,
)


def inputs_for(name, config):
    ids, pixels = make_ids(config, 2), make_pixels(config, 2)
    if "Text" in name:
        return {"input_ids": ids}
    if name == "CLIPModel":
        return {"input_ids": ids, "pixel_values": pixels}
    return {"pixel_values": pixels}


def hf_config(name):
    values = config_values("small")
    if "Text" in name:
        return transformers.CLIPTextConfig(**values["text_config"])
    if "Vision" in name:
        return transformers.CLIPVisionConfig(**values["vision_config"])
    return transformers.CLIPConfig(**values)


def main_result(output):
    return output[0] if "last_hidden_state" not in output else output["last_hidden_state"]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda c: c.__name__)
def test_what_upstream_saved_loads_here_and_back(kind, tmp_path):
    name = kind.__name__
    config = CLIPConfig(**config_values("small"))
    inputs = inputs_for(name, config)
    theirs = upstream.build(getattr(transformers, name), hf_config(name), "float32")
    theirs.save_pretrained(tmp_path / "theirs")
    wanted = upstream.run(theirs, **inputs)
    ours = kind.from_pretrained(tmp_path / "theirs")
    found = ours(**inputs)
    assert_close(main_result(found), main_result(wanted), 1e-5, name)
    ours.save_pretrained(tmp_path / "ours")
    again, report = getattr(transformers, name).from_pretrained(
        tmp_path / "ours", output_loading_info=True, attn_implementation="eager"
    )
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert not report["mismatched_keys"]
    assert_close(
        main_result(found), main_result(upstream.run(again.eval(), **inputs)), 1e-5, f"{name} again"
    )
    for key, value in kind.from_pretrained(tmp_path / "ours").state_dict().items():
        np.testing.assert_array_equal(value, ours.state_dict()[key])


@pytest.mark.parametrize("kind", CLASSES[1:], ids=lambda c: c.__name__)
def test_one_part_loads_from_a_whole_models_folder(kind, tmp_path):
    whole = tiny.model()
    whole.save_pretrained(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the classification head is drawn afresh
        part = kind.from_pretrained(tmp_path)
    for name, value in part.state_dict().items():
        if name in whole.state_dict():
            np.testing.assert_array_equal(value, whole.state_dict()[name])
        else:
            assert name.startswith("classifier.")


def test_a_layout_of_version_4_loads(tmp_path):
    """4.x kept integer position buffers in the file, and wrote float16 as often as float32."""
    from safetensors.numpy import save_file

    model = tiny.model()
    tensors = {name: value.astype(np.float16) for name, value in model.state_dict().items()}
    for tower, length in (("text_model", 12), ("vision_model", 5)):
        tensors[f"{tower}.embeddings.position_ids"] = np.arange(length)[None]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    config = {**model.config.to_dict(), "torch_dtype": "float16", "transformers_version": "4.30.0"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    again = CLIPModel.from_pretrained(tmp_path)
    assert again.dtype == np.float32
    for name, value in again.state_dict().items():
        np.testing.assert_array_equal(value, tensors[name].astype(np.float32))


def test_a_head_that_the_checkpoint_lacks_is_drawn_afresh_and_said(tmp_path):
    tiny.model().save_pretrained(tmp_path)
    with pytest.warns(
        UserWarning, match="classifier.weight, classifier.bias not in the checkpoint"
    ):
        model = CLIPForImageClassification.from_pretrained(tmp_path, num_labels=4)
    assert model(pixel_values=tiny.PIXELS).logits.shape == (2, 4)


def test_equal_seeds_give_equal_weights():
    one, two, other = tiny.model(seed=3), tiny.model(seed=3), tiny.model(seed=4)
    name = "text_projection.weight"
    np.testing.assert_array_equal(one.state_dict()[name], two.state_dict()[name])
    assert not np.array_equal(one.state_dict()[name], other.state_dict()[name])


def test_fresh_weights_are_spread_like_upstreams():
    torch.manual_seed(0)
    hf = transformers.CLIPModel(transformers.CLIPConfig(**config_values("small"))).state_dict()
    ours = CLIPModel(CLIPConfig(**config_values("small"))).state_dict()
    for name, value in ours.items():
        theirs = hf[name].numpy()
        np.testing.assert_allclose(value.mean(), theirs.mean(), atol=0.1, err_msg=name)
        np.testing.assert_allclose(value.std(), theirs.std(), rtol=0.4, err_msg=name)


def test_float64_is_computed_in_float64():
    single, double = tiny.model(), tiny.model("float64")
    inputs = {"input_ids": tiny.IDS, "pixel_values": tiny.PIXELS}
    found = double(**inputs)
    assert found.logits_per_image.dtype == np.float64
    np.testing.assert_allclose(single(**inputs).logits_per_image, found.logits_per_image, atol=1e-5)


def test_defaults_of_the_config_decide_what_is_returned():
    changed = tiny.config().replace(output_hidden_states=True, return_dict=False)
    model = CLIPModel(changed, params=tiny.model().params)
    found = model(input_ids=tiny.IDS, pixel_values=tiny.PIXELS)
    assert isinstance(found, tuple) and len(found[4][2]) == 3
    named = model(
        input_ids=tiny.IDS,
        pixel_values=tiny.PIXELS,
        return_dict=True,
        output_hidden_states=False,
    )
    assert named.text_model_output.hidden_states is None


def test_one_text_may_come_without_a_batch_axis_and_lists_do():
    model = tiny.model()
    np.testing.assert_array_equal(
        model.get_text_features(tiny.IDS[0].tolist()), model.get_text_features(tiny.IDS[:1])
    )


def test_every_item_alone_is_as_in_a_batch():
    model = tiny.model("float64")
    whole = model.get_image_features(tiny.PIXELS)
    alone = model.get_image_features(tiny.PIXELS[1:])
    np.testing.assert_allclose(alone[0], whole[1], rtol=1e-12)


def test_inputs_and_recorded_values_are_not_changed():
    values = {}
    model = CLIPModel(tiny.config(), ops=Record(ops, values))
    ids, pixels = tiny.IDS.copy(), tiny.PIXELS.copy()
    model(input_ids=ids, pixel_values=pixels)
    np.testing.assert_array_equal(ids, tiny.IDS)
    np.testing.assert_array_equal(pixels, tiny.PIXELS)
    at = "vision_model.encoder.layers.0"
    probs, scores = values[f"{at}.self_attn.probs"], values[f"{at}.self_attn.scores"]
    np.testing.assert_allclose(ops.softmax(scores), probs, rtol=1e-6)


def broken(**changes):
    """A tiny model's weights with some of them changed, removed (None) or added."""
    tensors = {**tiny.model().state_dict(), **changes}
    return {name: value for name, value in tensors.items() if value is not None}


def save(tensors, folder):
    from safetensors.numpy import save_file

    tiny.config().save_pretrained(folder)
    save_file(tensors, folder / "model.safetensors")


def test_missing_unexpected_and_misshaped_tensors_are_told_at_once(tmp_path):
    save(
        broken(
            **{
                "logit_scale": None,
                "text_projection.weight": np.ones((10, 15), np.float32),
                "visual_projection.bias": np.ones(10, np.float32),
            }
        ),
        tmp_path,
    )
    with pytest.raises(InputError) as caught:
        CLIPModel.from_pretrained(tmp_path)
    message = str(caught.value)
    for part in (str(tmp_path), "logit_scale", "text_projection.weight", "(10, 16)", "(10, 15)"):
        assert part in message
    assert "visual_projection.bias" in message


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers(value, tmp_path):
    bad = np.full((10, 16), value, np.float32)
    save(broken(**{"text_projection.weight": bad}), tmp_path)
    with pytest.raises(InputError, match=r"text_projection\.weight"):
        CLIPModel.from_pretrained(tmp_path)


def test_bad_folders(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        CLIPModel.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"config\.json"):
        CLIPModel.from_pretrained(tmp_path)
    tiny.config().save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"model\.safetensors"):
        CLIPModel.from_pretrained(tmp_path)
    tiny.model().save_pretrained(tmp_path)
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"model\.safetensors"):
        CLIPModel.from_pretrained(tmp_path)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8", None, "nonsense", 3])
def test_dtypes_that_it_does_not_compute_in(dtype):
    with pytest.raises(InputError, match="dtype must be 'float32' or 'float64'"):
        CLIPModel(tiny.config(), dtype=dtype)


@pytest.mark.parametrize("name", ["divice", "torch_dtype", "projektion_dim"])
def test_unknown_arguments_are_not_ignored(name, tmp_path):
    tiny.model().save_pretrained(tmp_path)
    with pytest.raises(InputError, match=f"{name} is neither an argument nor a field"):
        CLIPModel.from_pretrained(tmp_path, **{name: "x"})


def test_a_config_of_another_kind():
    with pytest.raises(InputError, match="CLIPModel needs a CLIPConfig; got CLIPTextConfig"):
        CLIPModel(tiny.config().text_config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_ids": None}, "input_ids are missing"),
        ({"input_ids": [[1.5]]}, "input_ids must be whole numbers; got dtype float64"),
        ({"input_ids": [[1], [1, 2]]}, "input_ids cannot be read as an array"),
        ({"input_ids": [["a"]]}, "input_ids must be numbers"),
        ({"input_ids": [[]]}, "input_ids must be"),
        ({"input_ids": [[[1]]]}, r"input_ids must be \(B, L\)"),
        ({"input_ids": [[1] * 13]}, "13 tokens, the model has positions for 12"),
        ({"input_ids": [[60]]}, r"from 0 to 59 \(vocab_size 60\); got 60"),
        ({"input_ids": [[-1]]}, "got -1"),
        ({"attention_mask": [[1]]}, r"attention_mask must have the shape of input_ids, \(2, 5\)"),
        ({"position_ids": [[0, 1]]}, r"position_ids must be whole numbers of shape \(1, 5\)"),
        ({"position_ids": [[0, 1, 2, 3, 12]]}, "max_position_embeddings 12"),
        ({"pixel_values": None}, "pixel_values are missing"),
        ({"pixel_values": np.zeros((2, 16, 16))}, "pixel_values must be numbers of shape"),
        ({"pixel_values": np.zeros((2, 16, 16, 3))}, "Channels seem to come last"),
        ({"pixel_values": np.zeros((2, 3, 16, 8))}, "16×8, the model takes 16×16; resize them"),
        ({"pixel_values": np.full((2, 3, 16, 16), np.nan)}, "pixel_values hold NaN"),
        ({"pixel_values": [["x"]]}, "pixel_values must be numbers"),
        (
            {"pixel_values": np.zeros((1, 3, 4, 16)), "interpolate_pos_encoding": True},
            "less than one patch of 8×8",
        ),
        (
            {"pixel_values": np.zeros((1, 3, 16, 16)), "return_loss": True},
            "got 2 texts and 1 pictures",
        ),
    ],
)
def test_bad_inputs(changes, message):
    inputs = {"input_ids": tiny.IDS, "pixel_values": tiny.PIXELS, **changes}
    with pytest.raises(InputError, match=message):
        tiny.model()(**inputs)


@pytest.mark.parametrize(
    ("count", "labels"),
    [(4, [0, 4]), (4, [0]), (4, [-100, -100]), (4, [[0.5, 1.0]] * 2), (4, "ab")],
)
def test_bad_labels(count, labels):
    model = CLIPForImageClassification(tiny.config(num_labels=count))
    with pytest.raises(InputError, match="labels"):
        model(pixel_values=tiny.PIXELS, labels=labels)


def test_an_empty_batch_of_pictures_gives_an_empty_result():
    empty = np.zeros((0, 3, 16, 16), np.float32)
    assert tiny.model().get_image_features(empty).shape == (0, 10)
