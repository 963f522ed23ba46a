"""Write the trained student as a checkpoint folder in the hub's layout.

Half-precision safetensors with the names of transformers' CLIPModel, the configuration, the
processor file and the tokenizer. Last step but one; next: card.py measures this very folder.
"""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from .pools import MEAN, STD
from .tokens import CONTEXT
from .towers import EPS, JOINT, PATCH, SIDE, TEXT, VISION, VOCABULARY, Shape

TOKENIZER_FILES = (
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
)


def tower(shape: Shape, model_type: str, **more: Any) -> dict[str, Any]:
    """Describe one tower as transformers writes it."""
    sizes = asdict(shape)
    return {
        "model_type": model_type,
        "hidden_size": sizes["width"],
        "intermediate_size": 4 * sizes["width"],
        "num_hidden_layers": sizes["layers"],
        "num_attention_heads": sizes["heads"],
        "projection_dim": JOINT,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": EPS,
        "attention_dropout": 0.0,
        "initializer_factor": 1.0,
        "initializer_range": 0.02,
        **more,
    }


def configuration() -> dict[str, Any]:
    """Return the content of config.json."""
    text = tower(
        TEXT,
        "clip_text_model",
        vocab_size=VOCABULARY,
        max_position_embeddings=CONTEXT,
        bos_token_id=VOCABULARY - 2,
        eos_token_id=VOCABULARY - 1,
        pad_token_id=VOCABULARY - 1,
    )
    vision = tower(VISION, "clip_vision_model", image_size=SIDE, patch_size=PATCH, num_channels=3)
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": JOINT,
        "logit_scale_init_value": 2.6592,
        "initializer_factor": 1.0,
        "text_config": text,
        "vision_config": vision,
        "torch_dtype": "float16",
    }


def preprocessor() -> dict[str, Any]:
    """Return the content of preprocessor_config.json."""
    return {
        "image_processor_type": "CLIPImageProcessor",
        "feature_extractor_type": "CLIPFeatureExtractor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": SIDE},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": SIDE, "width": SIDE},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(MEAN),
        "image_std": list(STD),
    }


def write_checkpoint(weights_file: Path, tokenizer: Path, out: Path) -> None:
    """Write the averaged student of a training file into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    weights = torch.load(weights_file)["mean"][0]
    halves = {name: value.half().contiguous() for name, value in weights.items()}
    save_file(halves, out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)
    for name, content in (
        ("config.json", configuration()),
        ("preprocessor_config.json", preprocessor()),
    ):
        (out / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    for name in TOKENIZER_FILES:
        shutil.copyfile(tokenizer / name, out / name)
