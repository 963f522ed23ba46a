"""What is new in SigLIP, done wrong: each plausible mistake must turn the comparison red.

Every mutant is graph/siglip.py with one line changed. The comparison that
test_siglip_against_transformers.py makes must fail for it.
"""

import types
from pathlib import Path

import pytest
import transformers
import upstream
from comparing import relative_l2
from siglip_model_cases import TOLERANCE, config_values, make_ids, make_pixels, pair

from refimpl.configs import SiglipConfig
from refimpl.graph import siglip
from refimpl.models import SiglipForImageClassification, SiglipModel, image_classification
from refimpl.models import siglip as siglip_models
from refimpl.models.clip_towers import SiglipModelBase
from refimpl.params import fill

SOURCE = Path(siglip.__file__).read_text(encoding="utf-8")
MUTANTS = {
    "residual around the pooling attention": (
        "x = packed_attention(ops, cfg, p.attention, probe, x)",
        "x = probe + packed_attention(ops, cfg, p.attention, probe, x)",
    ),
    "no residual around the head's MLP": ("x = x + mlp(", "x = mlp("),
    "head's norm before the residual": (
        "x = x + mlp(ops, cfg, p.mlp, layer_norm(ops, cfg, p.layernorm, x))",
        "x = layer_norm(ops, cfg, p.layernorm, x); x = x + mlp(ops, cfg, p.mlp, x)",
    ),
    "head's norm left out": ("layer_norm(ops, cfg, p.layernorm, x)", "x"),
    "packed in the order q, v, k": (
        "p.in_proj_weight.reshape(-1, width, width)",
        "p.in_proj_weight.reshape(-1, width, width)[[0, 2, 1]]",
    ),
    "packed in the order k, q, v": (
        "p.in_proj_weight.reshape(-1, width, width)",
        "p.in_proj_weight.reshape(-1, width, width)[[1, 0, 2]]",
    ),
    "packed biases in the order q, v, k": (
        "p.in_proj_bias.reshape(-1, width)",
        "p.in_proj_bias.reshape(-1, width)[[0, 2, 1]]",
    ),
    "packed head by head": (
        "p.in_proj_weight.reshape(-1, width, width)",
        "p.in_proj_weight.reshape(heads, -1, width // heads, width).swapaxes(0, 1)"
        ".reshape(-1, width, width)",
    ),
    "pooling unscaled": ("scale = (width // heads) ** -0.5", "scale = 1.0"),
    "pooling scaled by the whole width": ("(width // heads) ** -0.5", "width ** -0.5"),
    "pooling with one head": ("heads=heads", "heads=1"),
    "mean for pooling": ("pooled = pooling_head(ops, cfg, p.head, x)", "pooled = x.mean(1)"),
    "first token for pooling": ("pooled = pooling_head(ops, cfg, p.head, x)", "pooled = x[:, 0]"),
    "pooling before the last norm": (
        "    x = layer_norm(ops, cfg, p.post_layernorm, x)\n",
        "    before, x = x, layer_norm(ops, cfg, p.post_layernorm, x)\n    x = before\n",
    ),
    "patches without bias": (
        "embed_patches(p, pixels, kernel,",
        "embed_patches(p, pixels, PatchEmbedding(kernel.path, kernel.weight, None),",
    ),
    "image positions forgotten": ("kernel, None, positions)", "kernel, None, 0 * positions)"),
    "causal text": ("Mask(key_padding=attention_mask)", "Mask(causal=True)"),
    "padding hidden unasked": ("Mask(key_padding=attention_mask)", "Mask(key_padding=ids != 1)"),
    "text pooled at the first position": ("p.head, x[:, -1]", "p.head, x[:, 0]"),
    "text pooled at the end token": (
        "p.head, x[:, -1]",
        "p.head, ops.pick_rows(x, ops.argmax(ids == 1))",
    ),
    "text head without bias": (
        "project(ops, p.head, x[:, -1])",
        "ops.linear(x[:, -1], p.head.weight)",
    ),
    "text not normalised": ("x = layer_norm(ops, cfg, p.final_layer_norm, x)", "x = x"),
    "logit_bias forgotten": (" + p.logit_bias", ""),
    "logit_bias in the other direction": (" + p.logit_bias", " - p.logit_bias"),
    "logit_bias before the temperature": (
        "ops.linear(text_embeds, image_embeds) * ops.exp(p.logit_scale) + p.logit_bias",
        "(ops.linear(text_embeds, image_embeds) + p.logit_bias) * ops.exp(p.logit_scale)",
    ),
    "temperature not exponentiated": ("ops.exp(p.logit_scale)", "p.logit_scale"),
    "images not normalised": ("ops.l2_normalize(image)", "image"),
    "texts not normalised": ("ops.l2_normalize(text)", "text"),
}
CLASSIFIER_MUTANTS = {
    "first token left out": (
        "ops.mean(last_hidden_state, axis=1)",
        "last_hidden_state[:, 1:].mean(1)",
    ),
    "first token alone": ("ops.mean(last_hidden_state, axis=1)", "last_hidden_state[:, 0]"),
    "last norm left out": MUTANTS["pooling before the last norm"],
    "classifier without bias": ("p.classifier.weight, p.classifier.bias", "p.classifier.weight"),
}


def use(monkeypatch, before, after):
    """Let the model classes run graph/siglip.py with one line changed."""
    assert SOURCE.count(before) == 1, f"{before!r} is not once in graph/siglip.py"
    mutant = types.ModuleType("mutant")
    exec(compile(SOURCE.replace(before, after), "mutant", "exec"), mutant.__dict__)
    monkeypatch.setattr(SiglipModelBase, "family", mutant)
    monkeypatch.setattr(siglip_models, "siglip", mutant)
    monkeypatch.setattr(image_classification, "siglip", mutant)


@pytest.fixture(scope="module")
def judged():
    config, theirs, ours = pair("small", "float32")
    inputs = {"input_ids": make_ids(config, 3), "pixel_values": make_pixels(config, 3)}
    return config, ours.params, inputs, upstream.run(theirs, **inputs).logits_per_image.numpy()


@pytest.mark.parametrize("name", MUTANTS)
def test_the_mutant_is_noticed(name, judged, monkeypatch):
    config, params, inputs, wanted = judged
    use(monkeypatch, *MUTANTS[name])
    found = SiglipModel(config, params=params)(**inputs)
    assert relative_l2(found.logits_per_image, wanted) > 10 * TOLERANCE["float32"]


@pytest.mark.parametrize("name", CLASSIFIER_MUTANTS)
def test_the_classifiers_mutant_is_noticed(name, monkeypatch):
    values = {**config_values("small"), "num_labels": 3}
    hf_config = transformers.SiglipConfig(**values)
    theirs = upstream.build(transformers.SiglipForImageClassification, hf_config, "float32")
    config = SiglipConfig(**values)
    spec = SiglipForImageClassification.spec(config)
    params = fill(spec, upstream.weights(theirs), "float32")
    pixels = make_pixels(config, 3)
    wanted = upstream.run(theirs, pixel_values=pixels).logits.numpy()
    same = SiglipForImageClassification(config, params=params)(pixel_values=pixels)
    assert relative_l2(same.logits, wanted) <= TOLERANCE["float32"]
    use(monkeypatch, *CLASSIFIER_MUTANTS[name])
    found = SiglipForImageClassification(config, params=params)(pixel_values=pixels)
    assert relative_l2(found.logits, wanted) > 10 * TOLERANCE["float32"]


def test_without_a_mutation_there_is_nothing_to_notice(judged, monkeypatch):
    config, params, inputs, wanted = judged
    use(monkeypatch, "def compare(", "def compare(")
    found = SiglipModel(config, params=params)(**inputs)
    assert relative_l2(found.logits_per_image, wanted) <= TOLERANCE["float32"]
