"""BEiT: a ViT that may know positions by distance, scales its sub-layers, and pools the patches.

What differs from graph/vit.py: keys have no bias; each sub-layer's output is scaled per channel
(`lambda_1`, `lambda_2`); scores may get a bias by the distance of two patches, one table for each
layer or one for all; positions may be absent; and the pooling is the mean of the patches, with no
norm over all tokens.

Source: Bao et al. 2022 (arXiv:2106.08254), section 2; checkpoint names as in Transformers 4.57,
modeling_beit.py. Called by models/beit.py. Read before: graph/vit.py.
"""

from dataclasses import dataclass

from refimpl.configs.beit import BeitConfig
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
from refimpl.params import LayerNorm, PatchEmbedding, TensorSpec, join, layer_norm_spec
from refimpl.shapes import Array, Float


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Patches, the class token in front of them, and perhaps where each one is."""

    path: str
    cls_token: Array  # (1, 1, D)
    mask_token: Array | None  # (1, 1, D)
    patch_embeddings: PatchEmbedding
    position_embeddings: Array | None  # (1, 1 + P, D)


@dataclass(frozen=True, slots=True)
class RelativePositionBias:
    """One number for each head and each distance of two patches, and three for the class token."""

    path: str
    relative_position_bias_table: Array  # ((2s − 1)² + 3, H), s patches along a side


@dataclass(frozen=True, slots=True)
class Layer:
    """One pre-norm layer whose sub-layers are scaled."""

    path: str
    attention: Attention  # no bias on keys
    relative_position_bias: RelativePositionBias | None
    lambda_1: Array | None  # (D,)
    lambda_2: Array | None  # (D,)
    layernorm_before: LayerNorm
    mlp: Mlp
    layernorm_after: LayerNorm


@dataclass(frozen=True, slots=True)
class Encoder:
    """A stack of layers, and perhaps a bias that they share."""

    path: str
    layer: tuple[Layer, ...]
    relative_position_bias: RelativePositionBias | None


@dataclass(frozen=True, slots=True)
class Pooler:
    """The norm of the mean patch; None where the class token is taken instead."""

    path: str
    layernorm: LayerNorm | None


@dataclass(frozen=True, slots=True)
class VisionTower:
    """The whole model; `layernorm` is None where the mean patch is pooled."""

    path: str
    embeddings: Embeddings
    encoder: Encoder
    layernorm: LayerNorm | None
    pooler: Pooler | None


def embeddings_spec(cfg: BeitConfig, path: str) -> Embeddings:
    """Specify the embeddings' weights; tokens and positions begin at zero."""
    token = TensorSpec((1, 1, cfg.hidden_size))
    positions = (1, 1 + (cfg.image_size // cfg.patch_size) ** 2, cfg.hidden_size)
    return Embeddings(
        path,
        cls_token=token,
        mask_token=token if cfg.use_mask_token else None,
        patch_embeddings=patches_spec(cfg, path),
        position_embeddings=(
            TensorSpec(positions) if cfg.use_absolute_position_embeddings else None
        ),
    )


def bias_spec(cfg: BeitConfig, path: str) -> RelativePositionBias:
    """Specify a table of biases, which begins at zero."""
    distances = 2 * (cfg.image_size // cfg.patch_size) - 1
    table = TensorSpec((distances**2 + 3, cfg.num_attention_heads))
    return RelativePositionBias(f"{path}.relative_position_bias", table)


def layer_spec(cfg: BeitConfig, path: str) -> Layer:
    """Specify one layer's weights; there are no scales where they would begin at zero."""
    attention, first = f"{path}.attention", cfg.layer_scale_init_value
    scale = TensorSpec((cfg.hidden_size,), mean=first) if first > 0 else None
    return Layer(
        path,
        attention_spec(cfg, attention, qkv_bias=True, key_bias=False),
        bias_spec(cfg, f"{attention}.attention") if cfg.use_relative_position_bias else None,
        lambda_1=scale,
        lambda_2=scale,
        layernorm_before=layer_norm_spec(f"{path}.layernorm_before", cfg.hidden_size),
        mlp=mlp_spec(cfg, f"{path}.mlp", f"{path}.intermediate.dense", f"{path}.output.dense"),
        layernorm_after=layer_norm_spec(f"{path}.layernorm_after", cfg.hidden_size),
    )


def vision_tower_spec(cfg: BeitConfig, path: str = "", pooling: bool = True) -> VisionTower:
    """Specify the model's weights, with or without the pooler."""
    at, mean, width = join(path, "encoder"), cfg.use_mean_pooling, cfg.hidden_size
    layers = (layer_spec(cfg, f"{at}.layer.{index}") for index in range(cfg.num_hidden_layers))
    pooler = join(path, "pooler")
    norm = layer_norm_spec(f"{pooler}.layernorm", width) if mean else None
    return VisionTower(
        path,
        embeddings_spec(cfg, join(path, "embeddings")),
        Encoder(
            at,
            tuple(layers),
            bias_spec(cfg, at) if cfg.use_shared_relative_position_bias else None,
        ),
        layernorm=None if mean else layer_norm_spec(join(path, "layernorm"), width),
        pooler=Pooler(pooler, norm) if pooling else None,
    )


def embeddings(
    ops: Ops,
    cfg: BeitConfig,
    p: Embeddings,
    pixels: Float[Array, "B C Y X"],
    masked: Float[Array, "B P"] | None,
) -> Float[Array, "B L D"]:
    """Put the class token in front of the patches; positions always fit the pictures' size."""
    patches = patch_tokens(ops, p, pixels, masked)
    class_token = ops.repeat_batch(p.cls_token[0, 0], pixels.shape[0])  # (B, 1, D)
    x = ops.concatenate([class_token, patches], axis=1)
    if p.position_embeddings is not None:
        x = x + grid_positions(ops, cfg, p.position_embeddings[0], 1, pixels)
    return ops.tap(p, "output", x)


def position_bias(
    ops: Ops, p: RelativePositionBias | None, grid: tuple[int, int]
) -> Float[Array, "1 H L L"] | None:
    """Spread a table over all pairs of tokens of a grid of patches; None where there is none."""
    if p is None:
        return None
    bias = ops.relative_position_bias(p.relative_position_bias_table, *grid)
    return ops.tap(p, "output", bias)


def layer(
    ops: Ops,
    cfg: BeitConfig,
    p: Layer,
    x: Float[Array, "B L D"],
    grid: tuple[int, int],
    shared: Float[Array, "1 H L L"] | None,
    head_mask: Float[Array, " H"] | None,
) -> Float[Array, "B L D"]:
    """One layer; its own bias by distance and the shared one are added."""
    bias = position_bias(ops, p.relative_position_bias, grid)
    if bias is None or shared is None:
        bias = shared if bias is None else bias
    else:
        bias = bias + shared
    h = layer_norm(ops, cfg, p.layernorm_before, x)
    h = self_attention(ops, cfg, p.attention, h, Mask(bias=bias), head_mask)
    h = h if p.lambda_1 is None else ops.tap(p, "scaled_attention", p.lambda_1 * h)
    x, h = ops.add_layer_norm(p, "attention_residual", x, h, p.layernorm_after, cfg.layer_norm_eps)
    h = mlp(ops, cfg, p.mlp, h)
    x = x + (h if p.lambda_2 is None else ops.tap(p, "scaled_mlp", p.lambda_2 * h))
    return ops.tap(p, "output", x)


def encoder(
    ops: Ops,
    cfg: BeitConfig,
    p: Encoder,
    x: Float[Array, "B L D"],
    grid: tuple[int, int],
    head_mask: Float[Array, "N H"] | None,
) -> Float[Array, "B L D"]:
    """Run the stack; the shared bias is made once."""
    x = ops.tap(p, "input", x)
    shared = position_bias(ops, p.relative_position_bias, grid)
    for index, each in enumerate(p.layer):
        weights = None if head_mask is None else head_mask[index]
        x = layer(ops, cfg, each, x, grid, shared, weights)
    return x


def pool(
    ops: Ops, cfg: BeitConfig, p: Pooler, last_hidden_state: Float[Array, "B L D"]
) -> Float[Array, "B D"]:
    """Take the mean of the patches, without the class token, and normalise it; or that token."""
    if p.layernorm is None:
        return last_hidden_state[:, 0]
    patches = ops.tap(p, "mean", ops.mean(last_hidden_state[:, 1:], axis=1))
    return layer_norm(ops, cfg, p.layernorm, patches)


def vision_tower(
    ops: Ops,
    cfg: BeitConfig,
    p: VisionTower,
    pixels: Float[Array, "B C Y X"],
    masked: Float[Array, "B P"] | None = None,
    head_mask: Float[Array, "N H"] | None = None,
) -> Pooled:
    """See pictures of any size.

    Trap: with mean pooling `last_hidden_state` is not normalised, unlike ViT's.
    """
    grid = (pixels.shape[2] // cfg.patch_size, pixels.shape[3] // cfg.patch_size)
    x = embeddings(ops, cfg, p.embeddings, pixels, masked)
    x = encoder(ops, cfg, p.encoder, x, grid, head_mask)
    if p.layernorm is not None:
        x = layer_norm(ops, cfg, p.layernorm, x)
    if p.pooler is None:
        return Pooled(x, None)
    return Pooled(x, ops.tap(p, "pooler_output", pool(ops, cfg, p.pooler, x)))
