"""Flax files that Transformers 4 wrote, judged by what Flax computed with them."""

from pathlib import Path

import numpy as np
import pytest
from comparing import assert_close

import refimpl
from refimpl import InputError
from refimpl.checkpoints.layouts import flax
from refimpl.checkpoints.originals import read_checkpoint

FOLDER = Path(__file__).parents[3] / "data" / "checkpoints" / "flax"
MODELS = {
    "clip": "CLIPModel",
    "clip_and_bert": "VisionTextDualEncoderModel",  # what clip-italian is
    "vit_and_bert": "VisionTextDualEncoderModel",
}


@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_flaxs(name):
    model = getattr(refimpl, MODELS[name]).from_pretrained(FOLDER / name)
    with np.load(FOLDER / name / "outputs.npz") as stored:
        found = model(input_ids=stored["input_ids"], pixel_values=stored["pixel_values"])
        for each in ("image_embeds", "text_embeds", "logits_per_image"):
            assert_close(getattr(found, each), stored[each], 1e-5, each)
    assert read_checkpoint(FOLDER / name).origin == "Transformers' Flax"


def test_a_tower_and_the_file_itself():
    whole = refimpl.CLIPModel.from_pretrained(FOLDER / "clip" / "flax_model.msgpack")
    tower = refimpl.CLIPVisionModel.from_pretrained(FOLDER / "clip")
    pixels = np.ones((1, 3, 12, 12), np.float32)
    wanted = whole(input_ids=[[1, 49]], pixel_values=pixels).vision_model_output.pooler_output
    assert_close(tower(pixels).pooler_output, wanted, 1e-7, "tower")


def test_axes_by_the_last_part_of_the_name():
    kernel = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    found = flax.hub_tensors({"a/kernel": kernel, "b/scale": np.ones(2), "c": np.ones(1)}, "file")
    assert found["a.weight"].shape == (5, 4, 2, 3)
    assert found["a.weight"][4, 3, 1, 2] == kernel[1, 2, 3, 4]
    assert sorted(found) == ["a.weight", "b.weight", "c"]


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"a/kernel": np.zeros((2, 2, 2))}, r"a/kernel must be a matrix.*\(2, 2, 2\)"),
        ({"kernel": np.zeros(())}, "kernel must be a matrix"),
        ({"a/kernel": np.zeros((2, 2)), "a/scale": np.zeros(2)}, "two tensors .* a.weight"),
    ],
)
def test_what_flax_does_not_write(tensors, message):
    with pytest.raises(InputError, match=message):
        flax.hub_tensors(tensors, "file")
