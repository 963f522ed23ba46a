"""The image tower of timm inside open_clip's SigLIP (`visual.trunk.`): names and sizes.

Attention pooling keeps its query apart from its keys and values here; the hub packs all three into
`in_proj_weight`, as torch's MultiheadAttention has them. So they are renamed, then joined.

Source: timm 1.0.31, models/vision_transformer.py, layers/attention_pool.py (AttentionPoolLatent).
Read next: open_clip.py, which uses it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from refimpl.checkpoints.layouts.renaming import (
    Move,
    affine,
    packed,
    under,
    without_first_axis,
)
from refimpl.checkpoints.layouts.sizes import Sizes

BLOCK = {
    **affine("norm1", "layer_norm1"),
    **packed("attn.qkv", "self_attn.{}_proj", "qkv"),
    **affine("attn.proj", "self_attn.out_proj"),
    **affine("norm2", "layer_norm2"),
    **affine("mlp.fc1", "mlp.fc1"),
    **affine("mlp.fc2", "mlp.fc2"),
}
HEAD = {
    "latent": Move("probe"),
    "q.weight": Move("attention.q_weight"),  # joined with kv by JOINS
    "q.bias": Move("attention.q_bias"),
    "kv.weight": Move("attention.kv_weight"),
    "kv.bias": Move("attention.kv_bias"),
    **affine("proj", "attention.out_proj"),
    **affine("norm", "layernorm"),
    **affine("mlp.fc1", "mlp.fc1"),
    **affine("mlp.fc2", "mlp.fc2"),
}
TABLE = {
    **affine("patch_embed.proj", "embeddings.patch_embedding"),
    "pos_embed": Move("embeddings.position_embedding.weight", without_first_axis),
    **under("blocks.*.", BLOCK, "encoder.layers.*."),
    **affine("norm", "post_layernorm"),
    **under("attn_pool.", HEAD, "head."),
}
_POOLING = "vision_model.head.attention."
JOINS = {
    f"{_POOLING}in_proj_{kind}": (f"{_POOLING}q_{kind}", f"{_POOLING}kv_{kind}")
    for kind in ("weight", "bias")
}


class Trunk(NamedTuple):
    """What no shape tells of a trunk: its heads and its activation."""

    heads: int
    hidden_act: str


TRUNKS = {
    "vit_base_patch16_siglip_224": Trunk(12, "gelu"),
    "vit_base_patch16_siglip_256": Trunk(12, "gelu"),
    "vit_base_patch16_siglip_384": Trunk(12, "gelu"),
    "vit_base_patch16_siglip_512": Trunk(12, "gelu"),
    "vit_base_patch32_siglip_256": Trunk(12, "gelu_pytorch_tanh"),
    "vit_large_patch16_siglip_256": Trunk(16, "gelu"),
    "vit_large_patch16_siglip_384": Trunk(16, "gelu"),
    "vit_large_patch16_siglip_512": Trunk(16, "gelu_pytorch_tanh"),
    "vit_so400m_patch14_siglip_224": Trunk(16, "gelu"),
    "vit_so400m_patch14_siglip_378": Trunk(16, "gelu"),
    "vit_so400m_patch14_siglip_384": Trunk(16, "gelu"),
    "vit_so400m_patch16_siglip_256": Trunk(16, "gelu_pytorch_tanh"),
    "vit_so400m_patch16_siglip_384": Trunk(16, "gelu_pytorch_tanh"),
    "vit_so400m_patch16_siglip_512": Trunk(16, "gelu_pytorch_tanh"),
    "vit_giantopt_patch16_siglip_256": Trunk(16, "gelu_pytorch_tanh"),
    "vit_giantopt_patch16_siglip_384": Trunk(16, "gelu_pytorch_tanh"),
}


def vision_config(sizes: Sizes, side: Mapping[str, Any]) -> dict[str, Any]:
    """Tell the image tower's config: sizes from the shapes, the rest from the trunk's name."""
    trunk = TRUNKS[side["timm_model_name"]]
    patches = sizes.axis("visual.trunk.pos_embed", 1, rank=3)
    first = "visual.trunk.patch_embed.proj.weight"
    width, patch = (sizes.axis(first, axis, rank=4) for axis in (0, 2))
    return {
        "hidden_size": width,
        "intermediate_size": sizes.axis("visual.trunk.blocks.0.mlp.fc1.weight", 0, rank=2),
        "num_hidden_layers": sizes.count("visual.trunk.blocks.{}.norm1.weight"),
        "num_attention_heads": trunk.heads,
        "num_channels": sizes.axis(first, 1, rank=4),
        "image_size": sizes.image_size(patch, patches, side.get("image_size")),
        "patch_size": patch,
        "hidden_act": trunk.hidden_act,
        "layer_norm_eps": 1e-6,
    }
