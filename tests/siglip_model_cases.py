"""SigLIPs that differ in every field that changes the maths, and models built from them."""

import clip_cases
import numpy as np
import transformers
import upstream

from refimpl.configs import SiglipConfig
from refimpl.models import SiglipModel
from refimpl.params import fill

TOLERANCE = clip_cases.TOLERANCE

SMALL_TEXT = {
    "vocab_size": 99,
    "hidden_size": 32,
    "intermediate_size": 37,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 16,
    "projection_size": 24,
}
SMALL_VISION = {
    "hidden_size": 24,
    "intermediate_size": 41,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
}

# Each differs from the small model in the fields named; together they differ in every field that
# changes the maths.
CONFIGS = {
    "small": ({}, {}),
    "projection_size_not_given": ({"hidden_size": 24, "projection_size": None}, {}),
    "three_heads": (
        {"hidden_size": 33, "num_attention_heads": 3, "projection_size": 27},
        {"hidden_size": 27, "num_attention_heads": 3},
    ),
    "patch_7_on_30": ({}, {"image_size": 30, "patch_size": 7}),
    "exact_gelu": ({"hidden_act": "gelu"}, {"hidden_act": "gelu"}),
    "quick_gelu": ({"hidden_act": "quick_gelu"}, {"hidden_act": "quick_gelu"}),
    "relu": ({"hidden_act": "relu"}, {"hidden_act": "relu"}),
    "mixed_activations": ({"hidden_act": "silu"}, {"hidden_act": "gelu_new"}),
    "one_layer": ({"num_hidden_layers": 1}, {"num_hidden_layers": 1}),
    "deep": ({"num_hidden_layers": 5}, {"num_hidden_layers": 4}),
    "one_head": ({"num_attention_heads": 1}, {"num_attention_heads": 1}),
    "large_eps": ({"layer_norm_eps": 0.1}, {"layer_norm_eps": 0.03}),
    "narrow_joint_space": ({"projection_size": 8}, {"hidden_size": 8}),
    "one_channel": ({}, {"num_channels": 1}),
    "one_patch": ({}, {"image_size": 8, "patch_size": 8}),
    "narrow_mlp": ({"intermediate_size": 5}, {"intermediate_size": 3}),
    "many_words_short_texts": ({"vocab_size": 2500, "max_position_embeddings": 13}, {}),
}


def config_values(name):
    text, vision = CONFIGS[name]
    return {
        "text_config": {**SMALL_TEXT, **text},
        "vision_config": {**SMALL_VISION, **vision},
    }


def make_ids(config, batch, length=13, seed=1):
    """Ids that end somewhere with </s>, id 1, which is also the padding behind it."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(2, config.text_config.vocab_size, (batch, length))
    for row in ids:
        row[rng.integers(1, length + 1) :] = 1
    return ids


make_pixels = clip_cases.make_pixels


def pair(name, dtype, seed=0):
    """One config, upstream's model on random weights, and ours on the same weights."""
    values = config_values(name)
    hf_config = transformers.SiglipConfig(**values)
    theirs = upstream.build(transformers.SiglipModel, hf_config, dtype, seed)
    config = SiglipConfig(**values)
    spec = SiglipModel.spec(config)
    ours = SiglipModel(config, dtype=dtype, params=fill(spec, upstream.weights(theirs), dtype))
    return config, theirs, ours
