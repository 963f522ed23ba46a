"""A tiny CLIP of ours on random weights, for tests that need a model but no upstream."""

import numpy as np

from refimpl.configs import CLIPConfig
from refimpl.models import CLIPModel

TEXT = {
    "vocab_size": 60,
    "hidden_size": 16,
    "intermediate_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 12,
    "eos_token_id": 59,
    "projection_dim": 10,
}
VISION = {
    "hidden_size": 12,
    "intermediate_size": 18,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "image_size": 16,
    "patch_size": 8,
    "projection_dim": 10,
}
IDS = np.array([[58, 4, 7, 59, 59], [58, 9, 59, 59, 59]])
PIXELS = np.random.default_rng(5).standard_normal((2, 3, 16, 16)).astype(np.float32)


def config(**changes):
    return CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=10, **changes)


def model(dtype="float32", seed=0):
    return CLIPModel(config(), dtype=dtype, seed=seed)
