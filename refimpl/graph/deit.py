"""DeiT: a ViT with two tokens in front of the patches, where they differ and no more.

The second one, the distillation token, learned from a teacher; it takes part in every layer and is
not pooled. Everything behind the embeddings is graph/vit.py's, to the letter.

Source: Touvron et al. 2021 (arXiv:2012.12877), section 4 and figure 2; checkpoint names as in
Transformers 4.57, modeling_deit.py. Called by models/deit.py.
"""

from dataclasses import dataclass

from refimpl.configs.deit import DeiTConfig
from refimpl.graph.encoder import Encoder, encoder, layer_norm
from refimpl.graph.interface import Mask, Ops
from refimpl.graph.vit import (
    Pooled,
    Pooler,
    encoder_spec,
    grid_positions,
    patch_tokens,
    patches_spec,
    pool,
    pooler_spec,
)
from refimpl.params import LayerNorm, PatchEmbedding, TensorSpec, join, layer_norm_spec
from refimpl.shapes import Array, Float

PREFIX = 2
"""How many tokens stand in front of the patches."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Patches, the two tokens in front of them, and where each one is."""

    path: str
    cls_token: Array  # (1, 1, D)
    distillation_token: Array  # (1, 1, D)
    mask_token: Array | None  # (1, 1, D)
    patch_embeddings: PatchEmbedding
    position_embeddings: Array  # (1, 2 + P, D), rows 0 and 1 for the tokens in front


@dataclass(frozen=True, slots=True)
class VisionTower:
    """The whole model."""

    path: str
    embeddings: Embeddings
    encoder: Encoder
    layernorm: LayerNorm
    pooler: Pooler | None


def embeddings_spec(cfg: DeiTConfig, path: str, use_mask_token: bool) -> Embeddings:
    """Specify the embeddings' weights; tokens and positions begin at zero."""
    width = cfg.hidden_size
    positions = PREFIX + (cfg.image_size // cfg.patch_size) ** 2
    return Embeddings(
        path,
        cls_token=TensorSpec((1, 1, width)),
        distillation_token=TensorSpec((1, 1, width)),
        mask_token=TensorSpec((1, 1, width)) if use_mask_token else None,
        patch_embeddings=patches_spec(cfg, path),
        position_embeddings=TensorSpec((1, positions, width)),
    )


def vision_tower_spec(
    cfg: DeiTConfig, path: str = "", pooling: bool = True, mask_token: bool = False
) -> VisionTower:
    """Specify the model's weights, with or without the pooler and the mask token."""
    return VisionTower(
        path,
        embeddings_spec(cfg, join(path, "embeddings"), mask_token),
        encoder_spec(cfg, join(path, "encoder"), cfg.qkv_bias),
        layer_norm_spec(join(path, "layernorm"), cfg.hidden_size),
        pooler_spec(cfg, join(path, "pooler")) if pooling else None,
    )


def embeddings(
    ops: Ops,
    cfg: DeiTConfig,
    p: Embeddings,
    pixels: Float[Array, "B C Y X"],
    masked: Float[Array, "B P"] | None,
    interpolate: bool,
) -> Float[Array, "B L D"]:
    """Put the class token, then the distillation token, in front of the patches."""
    patches = patch_tokens(ops, p, pixels, masked)
    class_token = ops.repeat_batch(p.cls_token[0, 0], pixels.shape[0])  # (B, 1, D)
    distillation_token = ops.repeat_batch(p.distillation_token[0, 0], pixels.shape[0])
    x = ops.concatenate([class_token, distillation_token, patches], axis=1)
    positions = p.position_embeddings[0]
    if interpolate:
        positions = grid_positions(ops, cfg, positions, PREFIX, pixels)
    return ops.tap(p, "output", x + positions)


def vision_tower(
    ops: Ops,
    cfg: DeiTConfig,
    p: VisionTower,
    pixels: Float[Array, "B C Y X"],
    masked: Float[Array, "B P"] | None = None,
    interpolate: bool = False,
    head_mask: Float[Array, "N H"] | None = None,
) -> Pooled:
    """See pictures, as `vit.vision_tower`."""
    x = embeddings(ops, cfg, p.embeddings, pixels, masked, interpolate)
    x = encoder(ops, cfg, p.encoder, x, Mask(), head_mask)
    x = layer_norm(ops, cfg, p.layernorm, x)
    if p.pooler is None:
        return Pooled(x, None)
    return Pooled(x, ops.tap(p, "pooler_output", pool(ops, cfg, p.pooler, x)))
