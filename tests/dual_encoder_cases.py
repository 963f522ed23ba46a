"""Dual encoders of every pair of towers: upstream's on random weights, and ours on the same."""

import numpy as np
import transformers
import upstream
from vit_cases import DINO, SMALL, filled, on_random_weights

from refimpl import configs, models
from refimpl.models import VisionTextDualEncoderModel

JOINT = {"projection_dim": 20}
TEXT = {
    "vocab_size": 99,
    "hidden_size": 32,
    "intermediate_size": 37,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 20,
}
# Fields of each tower; a key is the name of its config class, here and upstream.
VISION = {
    "ViTConfig": SMALL,
    "DeiTConfig": SMALL,
    "BeitConfig": {
        **SMALL,
        "use_relative_position_bias": True,
        "use_shared_relative_position_bias": True,
    },
    "Dinov2Config": {**DINO, "use_swiglu_ffn": True},
    "CLIPVisionConfig": SMALL,
    "SiglipVisionConfig": SMALL,
    "ChineseCLIPVisionConfig": SMALL,
}
TEXTS = {
    "BertConfig": {**TEXT, "type_vocab_size": 3},
    "RobertaConfig": {**TEXT, "type_vocab_size": 3},
    "CLIPTextConfig": {**TEXT, "eos_token_id": 98},
}
PAIRS = [(vision, text) for vision in VISION for text in TEXTS]
# Every tower at least once, for what costs more than a run.
SOME_PAIRS = [(vision, list(TEXTS)[number % 3]) for number, vision in enumerate(VISION)]


def config_of(package, vision, text, **joint):
    """Make a dual encoder's config of a package's own classes."""
    kind = package.VisionTextDualEncoderConfig
    return kind.from_vision_text_configs(
        getattr(package, vision)(**VISION[vision]),
        getattr(package, text)(**TEXTS[text]),
        **{**JOINT, **joint},
    )


def pair(vision, text, dtype="float32", seed=0, **joint):
    """Upstream's model on random weights, and ours on the same weights."""
    theirs_config = config_of(transformers, vision, text, **joint)
    attention = "eager" if dtype == "float32" else upstream.ATTENTION
    for tower in (theirs_config.vision_config, theirs_config.text_config):
        tower._attn_implementation = attention
    kind = transformers.VisionTextDualEncoderModel
    theirs = upstream.build(lambda cfg: kind(config=cfg), theirs_config, dtype, seed)
    config = config_of(configs, vision, text, **joint)
    spec = VisionTextDualEncoderModel.spec(config)
    ours = VisionTextDualEncoderModel(config, dtype=dtype, params=filled(spec, theirs, dtype))
    return config, theirs, ours


def make_inputs(config, batch=3, dtype="float32", seed=1):
    """Ids with pads behind, a mask that hides them, pixels, and kinds of sentence."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(3, 97, (batch, 13))
    mask = np.ones_like(ids)
    for row in range(batch):
        end = rng.integers(4, 13)
        ids[row, end:] = 98  # CLIP's end token; to the others a token like any
        mask[row, end + 1 :] = 0
    size = config.vision_config.image_size
    pixels = rng.standard_normal((batch, 3, size, size)).astype(dtype)
    inputs = {"input_ids": ids, "attention_mask": mask, "pixel_values": pixels}
    if not isinstance(config.text_config, configs.CLIPTextConfig):
        inputs["token_type_ids"] = rng.integers(0, 3, ids.shape)
    return inputs


def random_towers():
    """A ViT and a BERT of ours."""
    vision = on_random_weights(models.ViTModel, configs.ViTConfig(**SMALL))
    return vision, on_random_weights(
        models.BertModel, configs.BertConfig(**TEXTS["BertConfig"]), seed=1
    )
