"""Which of open_clip's config fields the hub's classes can express, and with which values.

Tables to read, and the function that refuses the rest by name. Used by open_clip.py.

Source: open_clip 3.3.0, model.py: CLIPVisionCfg, CLIPTextCfg, and the arguments of CLIP.
"""

import math
from collections.abc import Mapping
from typing import Any

from refimpl.checkpoints.layouts import timm
from refimpl.checkpoints.names import shortened
from refimpl.errors import InputError

Values = tuple[Any, ...]

_OFF: Values = (None, False)
_GELUS: Values = (None, {}, {"approximate": "none"}, {"approximate": "tanh"})

# Training, the tokenizer, or sizes that the shapes tell: any value will do.
_ANY = frozenset(
    "embed_dim init_logit_scale init_logit_bias nonscalar_logit_scale custom_text quick_gelu vision_cfg text_cfg "
    "vision_cfg.image_size vision_cfg.patch_size vision_cfg.width vision_cfg.layers "
    "vision_cfg.mlp_ratio vision_cfg.patch_dropout vision_cfg.output_tokens "
    "vision_cfg.attn_pooler_queries vision_cfg.attn_pooler_heads vision_cfg.pos_embed_type "
    "vision_cfg.timm_model_pretrained vision_cfg.timm_drop vision_cfg.timm_drop_path "
    "text_cfg.context_length text_cfg.vocab_size text_cfg.width text_cfg.layers "
    "text_cfg.mlp_ratio text_cfg.pad_id text_cfg.eos_id text_cfg.output_tokens "
    "text_cfg.hf_tokenizer_name text_cfg.tokenizer_mode text_cfg.tokenizer_kwargs "
    "text_cfg.hf_model_pretrained text_cfg.hf_proj_type text_cfg.hf_pooler_type "
    # read by open_clip.py, and checked by side_config below
    "vision_cfg.head_width vision_cfg.norm_kwargs text_cfg.heads text_cfg.norm_kwargs".split()
)
_BOTH: dict[str, Values] = {
    f"{tower}.{name}": _OFF
    for tower in ("vision_cfg", "text_cfg")
    for name in "ls_init_value qk_norm scaled_cosine_attn scale_heads scale_attn_inner "
    "scale_attn scale_fc final_ln_after_pool".split()
} | {
    "vision_cfg.block_type": (None, "default"),
    "vision_cfg.attentional_pool": _OFF,
    "vision_cfg.no_ln_pre": _OFF,
    "text_cfg.block_type": (None, "default"),
    "text_cfg.embed_cls": _OFF,
    "text_cfg.act_kwargs": _GELUS,
    "text_cfg.hf_model_name": (None,),
}
_CLIP: dict[str, Values] = _BOTH | {
    "init_logit_bias": (None,),
    "vision_cfg.timm_model_name": (None,),
    "vision_cfg.pool_type": ("tok",),
    "vision_cfg.act_kwargs": _GELUS,
    "text_cfg.no_causal_mask": (False,),
    "text_cfg.pool_type": ("argmax", "eos"),
    "text_cfg.proj_type": ("linear",),
    "text_cfg.proj_bias": (False,),
}
# What SigLIP must say, because open_clip's default is another.
_SIGLIP_SAYS: dict[str, Values] = {
    "vision_cfg.timm_pool": ("map",),
    "vision_cfg.timm_proj": ("none",),
    "text_cfg.no_causal_mask": (True,),
    "text_cfg.pool_type": ("last",),
}
_SIGLIP: dict[str, Values] = (
    _BOTH
    | _SIGLIP_SAYS
    | {
        "vision_cfg.timm_model_name": tuple(timm.TRUNKS),
        "text_cfg.proj_type": ("linear", "none"),
        "text_cfg.proj_bias": (True,),
    }
)


def side_config(side: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Give the model's part of open_clip_config.json, once the hub's classes can express it.

    Raises:
        InputError: there is no `vision_cfg` or `text_cfg`, a field is unknown or holds what the
            hub's classes cannot express (all such fields are named), or the model is a ResNet.
    """
    cfg = side.get("model_cfg", side)
    towers = ("vision_cfg", "text_cfg")
    if not isinstance(cfg, dict) or not all(isinstance(cfg.get(each), dict) for each in towers):
        raise InputError(f"{where}: open_clip's config needs the objects vision_cfg and text_cfg")
    flat = {name: value for name, value in cfg.items() if name not in towers}
    flat |= {f"{each}.{name}": value for each in towers for name, value in cfg[each].items()}
    problems = [*_refused(flat), *_misused(flat)]
    if problems:
        listing = "\n".join(f"  {line}" for line in shortened(problems))
        raise InputError(f"{where}: open_clip's config asks for what the hub lacks\n{listing}")
    return cfg


def _refused(flat: Mapping[str, Any]) -> list[str]:
    """Name every field that asks for what the hub's classes cannot express."""
    trunk, known_trunks = flat.get("vision_cfg.timm_model_name"), tuple(timm.TRUNKS)
    if trunk is not None and trunk not in known_trunks:
        return [f"vision_cfg.timm_model_name is {trunk!r}; it can be {', '.join(known_trunks)}"]
    siglip = trunk is not None
    allowed = _SIGLIP if siglip else _CLIP
    problems = []
    for name, value in flat.items():
        if name in allowed and value not in allowed[name]:
            known = ", ".join(repr(each) for each in allowed[name])
            problems.append(f"{name} is {value!r}; it can be {known}")
        elif name not in allowed and name not in _ANY and not _is_timm_field_of_clip(name, siglip):
            problems.append(f"{name} is not known here")
    if isinstance(flat.get("vision_cfg.layers"), list):
        problems.append("vision_cfg.layers is a list: the image tower is a ResNet")
    if flat.get("text_cfg.pool_type") == "eos" and flat.get("text_cfg.eos_id", 2) == 2:
        problems.append("text_cfg.eos_id is 2, which the hub reads as: pool at the largest id")
    if siglip:
        needed = dict(_SIGLIP_SAYS)
        if flat.get("text_cfg.proj_type") != "none":
            needed["text_cfg.proj_bias"] = (True,)
        problems += [
            f"{name} must be {value[0]!r}" for name, value in needed.items() if name not in flat
        ]
    return problems


def _is_timm_field_of_clip(name: str, siglip: bool) -> bool:
    """Tell a field that open_clip reads only for timm's towers, where there is none."""
    return not siglip and name.startswith("vision_cfg.timm_")


def _misused(flat: Mapping[str, Any]) -> list[str]:
    """Name every field that is read here and is of another kind than open_clip's."""
    problems = []
    for name in ("vision_cfg.head_width", "text_cfg.heads", "text_cfg.eos_id"):
        value = flat.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            problems.append(f"{name} must be a whole number above 0; got {value!r}")
    if not isinstance(flat.get("quick_gelu", False), bool):
        problems.append(f"quick_gelu must be true or false; got {flat['quick_gelu']!r}")
    for name in ("vision_cfg.norm_kwargs", "text_cfg.norm_kwargs"):
        value = flat.get(name) or {}
        only_eps = isinstance(value, dict) and set(value) <= {"eps"}
        eps: Any = value.get("eps", 1.0) if only_eps else None
        if type(eps) not in (int, float) or not 0 < eps < math.inf:
            problems.append(f"{name} can hold eps only, a number above 0; got {value!r}")
    return problems
