"""Configurations that differ in every field that changes the maths, and models built from them."""

import numpy as np
import transformers
import upstream

from refimpl.configs import CLIPConfig
from refimpl.models import CLIPModel
from refimpl.params import fill

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}

SMALL_TEXT = {
    "vocab_size": 99,
    "hidden_size": 32,
    "intermediate_size": 37,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 16,
    "eos_token_id": 98,
    "bos_token_id": 97,
    "projection_dim": 20,
}
SMALL_VISION = {
    "hidden_size": 24,
    "intermediate_size": 41,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
    "projection_dim": 20,
}

# Each differs from the small model in the fields named; together they differ in every field that
# changes the maths.
CONFIGS = {
    "small": ({}, {}, {}),
    "three_heads": (
        {"hidden_size": 33, "num_attention_heads": 3},
        {"hidden_size": 27, "num_attention_heads": 3},
        {},
    ),
    "patch_7_on_30": ({}, {"image_size": 30, "patch_size": 7}, {}),
    "legacy_eos": ({"eos_token_id": 2}, {}, {}),
    "exact_gelu": ({"hidden_act": "gelu"}, {"hidden_act": "gelu"}, {}),
    "gelu_new": ({"hidden_act": "gelu_new"}, {"hidden_act": "gelu_new"}, {}),
    "relu": ({"hidden_act": "relu"}, {"hidden_act": "relu"}, {}),
    "mixed_activations": ({"hidden_act": "silu"}, {"hidden_act": "gelu_pytorch_tanh"}, {}),
    "one_layer": ({"num_hidden_layers": 1}, {"num_hidden_layers": 1}, {}),
    "deep": ({"num_hidden_layers": 5}, {"num_hidden_layers": 4}, {}),
    "one_head": ({"num_attention_heads": 1}, {"num_attention_heads": 1}, {}),
    "large_eps": ({"layer_norm_eps": 0.1}, {"layer_norm_eps": 0.03}, {}),
    "wide_joint_space": ({}, {}, {"projection_dim": 51}),
    "one_channel": ({}, {"num_channels": 1}, {}),
    "one_patch": ({}, {"image_size": 8, "patch_size": 8}, {}),
    "narrow_mlp": ({"intermediate_size": 5}, {"intermediate_size": 3}, {"projection_dim": 7}),
}


def config_values(name):
    text, vision, joint = CONFIGS[name]
    return {
        "text_config": {**SMALL_TEXT, **text},
        "vision_config": {**SMALL_VISION, **vision},
        "projection_dim": 20,
        **joint,
    }


def make_ids(config, batch, length=13, seed=1):
    """Ids with a beginning, and an end somewhere; pads behind it are the end token again."""
    rng = np.random.default_rng(seed)
    text = config.text_config
    ids = rng.integers(3, text.vocab_size - 3, (batch, length))
    ids[:, 0] = text.vocab_size - 2
    for row in ids:
        row[rng.integers(2, length) :] = text.vocab_size - 1
    return ids


def make_pixels(config, batch, seed=2, height=None, width=None):
    vision = config.vision_config
    size = (height or vision.image_size, width or vision.image_size)
    rng = np.random.default_rng(seed)
    return rng.standard_normal((batch, vision.num_channels, *size)).astype(np.float32)


def pair(name, dtype, seed=0):
    """One config, upstream's model on random weights, and ours on the same weights."""
    values = config_values(name)
    theirs = upstream.build(transformers.CLIPModel, transformers.CLIPConfig(**values), dtype, seed)
    config = CLIPConfig(**values)
    spec = CLIPModel.spec(config)
    ours = CLIPModel(config, dtype=dtype, params=fill(spec, upstream.weights(theirs), dtype))
    return config, theirs, ours
