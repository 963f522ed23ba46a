"""open_clip: open_clip_model.safetensors, or open_clip_pytorch_model.bin, and a config beside it.

`open_clip_config.json` holds the model's config under `model_cfg` and the pictures' under
`preprocess_cfg`. Two of the hub's families can come out: CLIP (OpenAI's names; exact GELU unless
`quick_gelu` is set), and SigLIP (a timm image tower, timm.py, and a text tower that sees both
ways). Everything else is refused by the config field that asks for it: open_clip builds far more
than the hub's classes can express, and a guess would be a model that is silently worse.

Trap: open_clip runs the first SigLIP with the exact GELU; big_vision, which trained it, and the hub
    run the tanh one. The config made here says what open_clip runs: the numbers are open_clip's.
Source: open_clip 3.3.0, model.py (CLIPVisionCfg, CLIPTextCfg, CLIP, CustomTextCLIP), transformer.py.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from refimpl.checkpoints.layouts import openai, timm
from refimpl.checkpoints.layouts.open_clip_fields import side_config
from refimpl.checkpoints.layouts.renaming import (
    Move,
    Tensors,
    affine,
    as_one,
    as_scalar,
    joined,
    renamed,
    respelled,
    under,
    without_prefix,
)
from refimpl.checkpoints.layouts.sizes import Sizes
from refimpl.shapes import Array, Shaped

CLIP_TABLE = {**openai.TABLE, "logit_scale": Move("logit_scale", as_scalar)}
SIGLIP_TABLE = {
    **under("visual.trunk.", timm.TABLE, "vision_model."),
    **openai.TEXT,
    **affine("text_projection", "text_model.head"),
    "logit_scale": Move("logit_scale", as_one),
    "logit_bias": Move("logit_bias", as_one),
}


def hub_tensors(
    tensors: Tensors, side: Mapping[str, Any], where: str
) -> dict[str, Shaped[Array, "..."]]:
    """Give open_clip's tensors the hub's names for a CLIPModel or a SiglipModel.

    A SigLIP without a text projection gets one that changes nothing, as the hub's own copies have.

    Raises:
        InputError: the config asks for what the hub's classes cannot express, or the tensors do
            not fit the table.
    """
    cfg = side_config(side, where)
    plain = _plain(tensors, where)
    if not is_siglip(cfg):
        return renamed(plain, CLIP_TABLE, where)
    named = joined(renamed(plain, SIGLIP_TABLE, where), timm.JOINS, where)
    if cfg["text_cfg"].get("proj_type") == "none":
        width = Sizes(plain, where).axis("token_embedding.weight", 1, rank=2)
        return with_identity_head(named, width)
    return named


def hub_config(tensors: Tensors, side: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Make the config.json: sizes from the shapes, heads and activations from the side config.

    Raises:
        InputError: as `hub_tensors`; or a tensor that a size is read from is missing.
    """
    cfg = side_config(side, where)
    sizes = Sizes(_plain(tensors, where), where)
    vision, text = cfg["vision_cfg"], cfg["text_cfg"]
    text_part = {
        **openai.text_config(
            sizes,
            hidden_act=_activation(text, cfg),
            heads=text.get("heads", 8),
            eps=_eps(text),
        ),
        **_text_ids(text, sizes),
    }
    if is_siglip(cfg):
        for name in ("bos_token_id", "eos_token_id"):  # CLIP's; SigLIP pools at the last place
            text_part.pop(name, None)
        if text.get("proj_type") != "none":
            text_part["projection_size"] = sizes.axis("text_projection.weight", 0, rank=2)
        return siglip_config(text_part, timm.vision_config(sizes, vision))
    return openai.clip_config(
        text_config=text_part,
        vision_config={
            **openai.vision_config(
                sizes,
                hidden_act=_activation(vision, cfg),
                head_width=vision.get("head_width", 64),
                image_size=vision.get("image_size"),
            ),
            "layer_norm_eps": _eps(vision),
        },
        projection_dim=sizes.axis("visual.proj", 1, rank=2),
    )


def is_siglip(cfg: Mapping[str, Any]) -> bool:
    """Tell SigLIP from CLIP: its image tower is one of timm's."""
    return bool(cfg["vision_cfg"].get("timm_model_name"))


def siglip_config(text: dict[str, Any], vision: dict[str, Any]) -> dict[str, Any]:
    """Put the towers' configs together into a SiglipModel's."""
    return {
        "model_type": "siglip",
        "architectures": ["SiglipModel"],
        "text_config": {"model_type": "siglip_text_model", **text},
        "vision_config": {"model_type": "siglip_vision_model", **vision},
    }


def with_identity_head(named: Tensors, width: int) -> dict[str, Shaped[Array, "..."]]:
    """Add the text head that changes nothing, for a SigLIP that was trained without one."""
    return {
        **named,
        "text_model.head.weight": np.eye(width, dtype=np.float32),
        "text_model.head.bias": np.zeros(width, np.float32),
    }


def _plain(tensors: Tensors, where: str) -> dict[str, Shaped[Array, "..."]]:
    """Bring the variants of one name together: `module.`, `text.`, and the stored causal mask."""
    plain = respelled(
        without_prefix(tensors, "module."), lambda name: name.removeprefix("text."), where
    )
    return {name: x for name, x in plain.items() if name not in openai.NOT_WEIGHTS}


def _activation(tower: Mapping[str, Any], cfg: Mapping[str, Any]) -> str:
    if cfg.get("quick_gelu"):
        return "quick_gelu"
    approximate = (tower.get("act_kwargs") or {}).get("approximate", "none")
    return "gelu" if approximate == "none" else "gelu_pytorch_tanh"


def _eps(tower: Mapping[str, Any]) -> float:
    eps: float = (tower.get("norm_kwargs") or {}).get("eps", 1e-5)
    return eps


def _text_ids(text: Mapping[str, Any], sizes: Sizes) -> dict[str, int]:
    """Say where a text is pooled: at the largest id, or at the first `eos_id`."""
    if text.get("pool_type") == "eos":
        return {"eos_token_id": text["eos_id"]}
    return openai.text_ids(sizes.axis("token_embedding.weight", 0, rank=2))
