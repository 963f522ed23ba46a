"""DINOv2: a ViT that scales its sub-layers and takes pictures of any size.

What differs from graph/vit.py: each sub-layer's output is scaled per channel (`layer_scale1`,
`layer_scale2`); the MLP may be gated; positions always fit the pictures' size; and the class token
of the normalised states is the pooled one as it is.

Source: Oquab et al. 2023 (arXiv:2304.07193), sections 4 and 5; Shazeer 2020 (arXiv:2002.05202) for
the gate; checkpoint names as in Transformers 4.57, modeling_dinov2.py.
Called by models/dinov2.py. Read before: graph/vit.py.
"""

from dataclasses import dataclass

from refimpl.configs.dinov2 import Dinov2Config
from refimpl.graph.encoder import Attention, Mlp, layer_norm, mlp, self_attention
from refimpl.graph.interface import Mask, Ops
from refimpl.graph.vit import (
    Pooled,
    attention_spec,
    grid_positions,
    mlp_spec,
    patch_tokens,
    patches_spec,
)
from refimpl.params import (
    LayerNorm,
    Linear,
    PatchEmbedding,
    TensorSpec,
    join,
    layer_norm_spec,
    linear_spec,
)
from refimpl.shapes import Array, Float


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Patches, the class token in front of them, and where each one is."""

    path: str
    cls_token: Array  # (1, 1, D)
    mask_token: Array | None  # (1, D), one axis less than ViT's
    patch_embeddings: PatchEmbedding
    position_embeddings: Array  # (1, 1 + P, D)


@dataclass(frozen=True, slots=True)
class LayerScale:
    """One factor for each channel."""

    path: str
    lambda1: Array  # (D,)


@dataclass(frozen=True, slots=True)
class GatedMlp:
    """An MLP whose first half gates its second half."""

    path: str
    weights_in: Linear  # (2M, D): the gate's rows, then the gated ones
    weights_out: Linear  # (D, M)


@dataclass(frozen=True, slots=True)
class Layer:
    """One pre-norm layer whose sub-layers are scaled."""

    path: str
    norm1: LayerNorm
    attention: Attention
    layer_scale1: LayerScale
    norm2: LayerNorm
    mlp: Mlp | GatedMlp
    layer_scale2: LayerScale


@dataclass(frozen=True, slots=True)
class Encoder:
    """A stack of layers."""

    path: str
    layer: tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class VisionTower:
    """The whole model."""

    path: str
    embeddings: Embeddings
    encoder: Encoder
    layernorm: LayerNorm


def embeddings_spec(cfg: Dinov2Config, path: str) -> Embeddings:
    """Specify the embeddings' weights."""
    width, std = cfg.hidden_size, cfg.initializer_range
    positions = 1 + (cfg.image_size // cfg.patch_size) ** 2
    return Embeddings(
        path,
        cls_token=TensorSpec((1, 1, width), std),
        mask_token=TensorSpec((1, width)) if cfg.use_mask_token else None,
        patch_embeddings=patches_spec(cfg, path),
        position_embeddings=TensorSpec((1, positions, width), std),
    )


def gated_mlp_spec(cfg: Dinov2Config, path: str) -> GatedMlp:
    """Specify the gated MLP's weights."""
    width, inner, std = cfg.hidden_size, cfg.intermediate_size, cfg.initializer_range
    return GatedMlp(
        path,
        weights_in=linear_spec(f"{path}.weights_in", width, 2 * inner, std),
        weights_out=linear_spec(f"{path}.weights_out", inner, width, std),
    )


def layer_spec(cfg: Dinov2Config, path: str) -> Layer:
    """Specify one layer's weights."""
    at = f"{path}.mlp"
    scale = TensorSpec((cfg.hidden_size,), mean=cfg.layerscale_value)
    plain = mlp_spec(cfg, at, f"{at}.fc1", f"{at}.fc2")
    return Layer(
        path,
        norm1=layer_norm_spec(f"{path}.norm1", cfg.hidden_size),
        attention=attention_spec(cfg, f"{path}.attention", cfg.qkv_bias),
        layer_scale1=LayerScale(f"{path}.layer_scale1", scale),
        norm2=layer_norm_spec(f"{path}.norm2", cfg.hidden_size),
        mlp=gated_mlp_spec(cfg, at) if cfg.use_swiglu_ffn else plain,
        layer_scale2=LayerScale(f"{path}.layer_scale2", scale),
    )


def vision_tower_spec(cfg: Dinov2Config, path: str = "") -> VisionTower:
    """Specify the model's weights."""
    at = join(path, "encoder")
    layers = (layer_spec(cfg, f"{at}.layer.{index}") for index in range(cfg.num_hidden_layers))
    return VisionTower(
        path,
        embeddings_spec(cfg, join(path, "embeddings")),
        Encoder(at, tuple(layers)),
        layer_norm_spec(join(path, "layernorm"), cfg.hidden_size),
    )


def embeddings(
    ops: Ops,
    cfg: Dinov2Config,
    p: Embeddings,
    pixels: Float[Array, "B C Y X"],
    masked: Float[Array, "B P"] | None,
) -> Float[Array, "B L D"]:
    """Put the class token in front of the patches; positions always fit the pictures' size."""
    patches = patch_tokens(ops, p, pixels, masked)
    class_token = ops.repeat_batch(p.cls_token[0, 0], pixels.shape[0])  # (B, 1, D)
    x = ops.concatenate([class_token, patches], axis=1)
    x = x + grid_positions(ops, cfg, p.position_embeddings[0], 1, pixels)
    return ops.tap(p, "output", x)


def gated_mlp(ops: Ops, p: GatedMlp, x: Float[Array, "B L D"]) -> Float[Array, "B L D"]:
    """SwiGLU: the first half of the widened token, bent by SiLU, multiplies the second half."""
    h = ops.tap(p, "weights_in", ops.linear(x, p.weights_in.weight, p.weights_in.bias))
    h = ops.tap(p, "activation", ops.swiglu(h))  # (B, L, M)
    return ops.tap(p, "output", ops.linear(h, p.weights_out.weight, p.weights_out.bias))


def scaled(ops: Ops, p: LayerScale, x: Float[Array, "B L D"]) -> Float[Array, "B L D"]:
    """Scale each channel (Touvron et al. 2021, arXiv:2103.17239, section 2)."""
    return ops.tap(p, "output", x * p.lambda1)


def layer(
    ops: Ops,
    cfg: Dinov2Config,
    p: Layer,
    x: Float[Array, "B L D"],
    head_mask: Float[Array, " H"] | None,
) -> Float[Array, "B L D"]:
    """One layer: each sub-layer on the normalised stream, scaled, and added back to it."""
    h = self_attention(ops, cfg, p.attention, layer_norm(ops, cfg, p.norm1, x), Mask(), head_mask)
    h = scaled(ops, p.layer_scale1, h)
    x, h = ops.add_layer_norm(p, "attention_residual", x, h, p.norm2, cfg.layer_norm_eps)
    h = gated_mlp(ops, p.mlp, h) if isinstance(p.mlp, GatedMlp) else mlp(ops, cfg, p.mlp, h)
    return ops.tap(p, "output", x + scaled(ops, p.layer_scale2, h))


def vision_tower(
    ops: Ops,
    cfg: Dinov2Config,
    p: VisionTower,
    pixels: Float[Array, "B C Y X"],
    masked: Float[Array, "B P"] | None = None,
    head_mask: Float[Array, "N H"] | None = None,
) -> Pooled:
    """See pictures of any size: the normalised class token stands for the whole."""
    x = embeddings(ops, cfg, p.embeddings, pixels, masked)
    x = ops.tap(p.encoder, "input", x)
    for index, each in enumerate(p.encoder.layer):
        x = layer(ops, cfg, each, x, None if head_mask is None else head_mask[index])
    x = layer_norm(ops, cfg, p.layernorm, x)
    return Pooled(x, ops.tap(p, "pooler_output", x[:, 0]))
