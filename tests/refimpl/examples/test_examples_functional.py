"""Upstream's Flax classes take their weights in the call; here that is the functional layer.

Each test is the documented use of a family (texts and a picture to logits) with an explicit tree
of weights: `graph.<family>` functions of `(ops, cfg, p, inputs)`. Upstream's torch class says what
must come out, and a changed tree must change it. docs/functional.md has the same in short.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from comparing import assert_close
from documented import ROCKET, TOLERANCE
from PIL import Image

import refimpl
from refimpl import ops
from refimpl.graph import bert, chinese_clip, clip, siglip, vision_text_dual_encoder
from refimpl.graph.interface import Mask


def clip_logits(cfg, p, inputs):
    seen = inputs["attention_mask"] == 1
    text = clip.text_tower(ops, cfg.text_config, p.text_model, inputs["input_ids"], seen)
    image = clip.vision_tower(ops, cfg.vision_config, p.vision_model, inputs["pixel_values"])
    text_features = clip.project(ops, p.text_projection, text.pooler_output)
    image_features = clip.project(ops, p.visual_projection, image.pooler_output)
    return clip.compare(ops, p, text_features, image_features).logits_per_image


def siglip_logits(cfg, p, inputs):
    text = siglip.text_tower(ops, cfg.text_config, p.text_model, inputs["input_ids"])
    image = siglip.vision_tower(ops, cfg.vision_config, p.vision_model, inputs["pixel_values"])
    return siglip.compare(ops, p, text.pooler_output, image.pooler_output).logits_per_image


def chinese_clip_logits(cfg, p, inputs):
    mask = Mask(key_padding=inputs["attention_mask"] == 1)
    words = bert.Text(ids=inputs["input_ids"], token_type_ids=inputs["token_type_ids"])
    text = chinese_clip.bert_tower(ops, cfg.text_config, p.text_model, words, mask)
    image = chinese_clip.vision_tower(
        ops, cfg.vision_config, p.vision_model, inputs["pixel_values"]
    )
    text_features = chinese_clip.project_text(ops, p, text.last_hidden_state)
    image_features = chinese_clip.project(ops, p.visual_projection, image.pooler_output)
    return chinese_clip.compare(ops, p, text_features, image_features).logits_per_image


def dual_encoder_logits(cfg, p, inputs):
    """The image tower is CLIP's and the text tower BERT; each kind has its function."""
    mask = Mask(key_padding=inputs["attention_mask"] == 1)
    words = bert.Text(ids=inputs["input_ids"], token_type_ids=inputs["token_type_ids"])
    text = bert.bert_tower(ops, cfg.text_config, p.text_model, words, mask)
    tower = p.vision_model.vision_model
    image = clip.vision_tower(ops, cfg.vision_config, tower, inputs["pixel_values"])
    join = vision_text_dual_encoder.join_towers
    return join(ops, p, text.pooler_output, image.pooler_output).logits_per_image


FAMILIES = {
    "CLIPModel": ("openai/clip-vit-base-patch32", clip_logits),
    "SiglipModel": ("google/siglip-base-patch16-224", siglip_logits),
    "ChineseCLIPModel": ("OFA-Sys/chinese-clip-vit-base-patch16", chinese_clip_logits),
    "VisionTextDualEncoderModel": ("clip-italian/clip-italian", dual_encoder_logits),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_explicit_parameters(offline_hub, family):
    name, logits = FAMILIES[family]
    offline_hub.need(name)
    kind = "VisionTextDualEncoderProcessor" if family.startswith("Vision") else "AutoProcessor"
    processor = getattr(refimpl, kind).from_pretrained(name)
    padding = "max_length" if family == "SiglipModel" else True
    inputs = processor(
        text=["a photo of a cat", "a photo of two dogs"],
        images=Image.open(ROCKET),
        return_tensors="np",
        padding=padding,
    )
    model = getattr(refimpl, family).from_pretrained(name)
    cfg, p = model.config, model.params

    found = logits(cfg, p, inputs)
    np.testing.assert_array_equal(found, model(**inputs).logits_per_image)
    theirs = getattr(transformers, family).from_pretrained(name).eval()
    with torch.no_grad():
        wanted = theirs(**{k: torch.tensor(v) for k, v in inputs.items()}).logits_per_image
    assert_close(found, wanted, TOLERANCE, "logits_per_image")

    colder = replace(p, logit_scale=p.logit_scale + np.float32(np.log(2)))
    bias = getattr(p, "logit_bias", np.float32(0))
    np.testing.assert_allclose(logits(cfg, colder, inputs) - bias, 2 * (found - bias), rtol=1e-5)
    np.testing.assert_array_equal(logits(cfg, p, inputs), found)  # the first tree is untouched
