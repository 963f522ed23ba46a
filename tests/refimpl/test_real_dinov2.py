"""Real trained weights: DINOv2 against onnxruntime, and a dual encoder of it and MiniLM's BERT.

Opt-in: it needs packages of 190 MB (see CONTRIBUTING.md), and runs with `-m slow`.
"""

from pathlib import Path

import numpy as np
import pytest
import real_dinov2
import real_weights
import transformers
import upstream
from comparing import assert_close, relative_l2
from vit_cases import TOLERANCE, WATCH, assert_outputs_equal

from refimpl.images import BitImageProcessor
from refimpl.models import Dinov2Model, VisionTextDualEncoderModel
from tokenizers_py import AutoTokenizer

IMAGES = Path(__file__).parents[1] / "data" / "images"
DEMO = Path(__file__).parents[2] / "refimpl" / "demo" / "pictures"
PICTURES = [
    IMAGES / "skimage" / "rocket.jpg",
    IMAGES / "skimage" / "page.png",
    IMAGES / "skimage" / "horse.png",
    DEMO / "sailboat.png",
]
SENTENCES = [
    "A rocket stands on its launch pad, ready to lift off.",
    "A page of an old printed book.",
    "The silhouette of a horse.",
    "A sailboat on the water; naïve façade, 2 × 3 = 6.",
]
# What facebook/dinov2-small's preprocessor_config.json says.
PROCESSOR = BitImageProcessor(
    size={"shortest_edge": 256},
    image_mean=[0.485, 0.456, 0.406],
    image_std=[0.229, 0.224, 0.225],
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pixels():
    return PROCESSOR([str(each) for each in PICTURES], return_tensors="np").pixel_values


@pytest.fixture(scope="module")
def judged(pixels):
    return real_dinov2.run_onnx(pixels)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint of each tower."""
    root = tmp_path_factory.mktemp("towers")
    (root / "bert").mkdir()
    real_weights.minilm(root / "bert")
    real_dinov2.model().save_pretrained(root / "dinov2")
    return root


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_state_equals_onnxruntime(dtype, pixels, judged):
    found = real_dinov2.model(dtype)(pixels, output_hidden_states=True)
    for index, (a, b) in enumerate(zip(found.hidden_states[1:], judged[:-1], strict=True)):
        assert relative_l2(a, b) <= 1e-5, f"layer {index}"  # onnxruntime is float32
    assert relative_l2(found.last_hidden_state, judged[-1]) <= 1e-5
    assert relative_l2(found.pooler_output, judged[-1][:, 0]) <= 1e-5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_state_equals_transformers(dtype, folder, pixels):
    attention = "eager" if dtype == "float32" else upstream.ATTENTION
    theirs = transformers.Dinov2Model.from_pretrained(
        folder / "dinov2", dtype=dtype, attn_implementation=attention
    ).eval()
    ours = Dinov2Model.from_pretrained(folder / "dinov2", dtype=dtype)
    given = pixels.astype(dtype)
    wanted, found = upstream.run(theirs, pixel_values=given, **WATCH), ours(given, **WATCH)
    # In float64, too, upstream resamples the positions in float32.
    assert_outputs_equal(found, wanted, 1e-5 if dtype == "float32" else 1e-6, dtype)


def test_a_dual_encoder_of_both(folder, pixels, judged, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(folder / "bert")
    texts = dict(tokenizer(SENTENCES, padding=True, return_tensors="np"))
    with pytest.warns(UserWarning, match="newly initialized"):
        ours = VisionTextDualEncoderModel.from_vision_text_pretrained(
            folder / "dinov2", folder / "bert", projection_dim=256, seed=1
        )
    ours.save_pretrained(tmp_path)
    theirs = transformers.VisionTextDualEncoderModel.from_pretrained(
        tmp_path, attn_implementation="eager"
    ).eval()
    inputs = {**texts, "pixel_values": pixels, "return_loss": True}
    wanted, found = upstream.run(theirs, **inputs, **WATCH), ours(**inputs, **WATCH)
    for field in ("loss", "logits_per_image", "logits_per_text", "text_embeds", "image_embeds"):
        assert_close(found[field], wanted[field], TOLERANCE["float32"], field)
    for tower in ("text_model_output", "vision_model_output"):
        assert_outputs_equal(found[tower], wanted[tower], TOLERANCE["float32"], tower)
    # The image side once more, without torch: onnxruntime's pooled state, projected here.
    embeds = judged[-1][:, 0] @ ours.params.visual_projection.weight.T
    embeds /= np.linalg.norm(embeds, axis=1, keepdims=True)
    assert relative_l2(found.image_embeds, embeds) <= 1e-5
    again = VisionTextDualEncoderModel.from_pretrained(tmp_path)(**inputs)
    assert np.array_equal(again.logits_per_image, found.logits_per_image)
