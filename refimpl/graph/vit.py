"""ViT: the plain image transformer, whose kin (deit.py, beit.py, dinov2.py) differ in details.

Patches, a class token in front, positions, pre-norm layers, a norm over all tokens; the class
token's last state goes through a small layer and stands for the picture.

The layers are graph/encoder.py's. Their weights hang under version 4's names, which are longer:
`encoder.layer.3.attention.attention.query` and `encoder.layer.3.intermediate.dense`. The taps are
named after the layer's parts, as in every family: `encoder.layer.3.attention.probs`,
`encoder.layer.3.mlp.activation`.

Source: Dosovitskiy et al. 2021 (arXiv:2010.11929), figure 1 and section 3.1; checkpoint names as
in Transformers 4.57, modeling_vit.py. Called by models/vit.py.
Read before: graph/encoder.py; its twin with two towers is graph/clip.py.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from refimpl.configs.vit import ViTConfig
from refimpl.graph.encoder import (
    Attention,
    Encoder,
    EncoderConfig,
    EncoderLayer,
    Mlp,
    encoder,
    layer_norm,
)
from refimpl.graph.interface import Mask, Node, Ops
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


class Pooled(NamedTuple):
    """What a tower gives; nothing pooled where it has no pooler."""

    last_hidden_state: Float[Array, "B L D"]
    pooler_output: Float[Array, "B D"] | None


@runtime_checkable
class PictureConfig(EncoderConfig, Protocol):
    """What ViT and its kin read of a config to make tokens of pictures."""

    @property
    def num_channels(self) -> int:
        """Channels of a picture."""

    @property
    def image_size(self) -> int:
        """Height and width of the native picture in pixels."""

    @property
    def patch_size(self) -> int:
        """Height and width of a patch in pixels."""

    @property
    def initializer_range(self) -> float:
        """Standard deviation of freshly drawn weights."""


# Pictures to tokens


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Patches, the tokens in front of them, and where each one is."""

    path: str
    cls_token: Array  # (1, 1, D)
    mask_token: Array | None  # (1, 1, D), in place of a masked patch
    patch_embeddings: PatchEmbedding  # (D, channels, patch, patch) and (D,)
    position_embeddings: Array  # (1, 1 + P, D), row 0 for the class token


def embeddings_spec(cfg: PictureConfig, path: str, use_mask_token: bool) -> Embeddings:
    """Specify the embeddings' weights."""
    width, std = cfg.hidden_size, cfg.initializer_range
    positions = 1 + (cfg.image_size // cfg.patch_size) ** 2
    return Embeddings(
        path,
        cls_token=TensorSpec((1, 1, width), std),
        mask_token=TensorSpec((1, 1, width)) if use_mask_token else None,
        patch_embeddings=patches_spec(cfg, path),
        position_embeddings=TensorSpec((1, positions, width), std),
    )


def patches_spec(cfg: PictureConfig, path: str) -> PatchEmbedding:
    """Specify the patches' projection, under the embeddings' path."""
    kernel = (cfg.hidden_size, cfg.num_channels, cfg.patch_size, cfg.patch_size)
    return PatchEmbedding(
        f"{path}.patch_embeddings.projection",
        TensorSpec(kernel, cfg.initializer_range),
        TensorSpec((cfg.hidden_size,)),
    )


@runtime_checkable
class MaskablePatches(Node, Protocol):
    """The part of the embeddings that makes tokens of patches, which all the kin have."""

    @property
    def mask_token(self) -> Array | None:
        """What stands in place of a masked patch."""

    @property
    def patch_embeddings(self) -> PatchEmbedding:
        """The patches' projection."""


def patch_tokens(
    ops: Ops,
    p: MaskablePatches,
    pixels: Float[Array, "B C Y X"],
    masked: Float[Array, "B P"] | None,
) -> Float[Array, "B P D"]:
    """Turn patches into tokens, row by row; where `masked` is 1 the mask token stands instead."""
    kernel = p.patch_embeddings
    patches = ops.patch_embedding(pixels, kernel.weight, kernel.bias)
    patches = ops.tap(p, "patches", patches)
    if masked is None or p.mask_token is None:
        return patches
    covered = masked[:, :, None]  # (B, P, 1)
    return ops.tap(p, "masked_patches", patches * (1 - covered) + p.mask_token * covered)


def grid_positions(
    ops: Ops,
    cfg: PictureConfig,
    positions: Float[Array, "L D"],
    prefix: int,
    pixels: Float[Array, "B C Y X"],
) -> Float[Array, "M D"]:
    """Resample the patches' positions to the grid of these pictures; the first `prefix` rows stay.

    Trap: a picture with the native number of patches, but not square, is resampled too.
    """
    height, width = pixels.shape[2], pixels.shape[3]
    rows, columns = height // cfg.patch_size, width // cfg.patch_size
    if height == width and prefix + rows * columns == positions.shape[0]:
        return positions
    resampled = ops.interpolate_positions(positions[prefix:], rows, columns)
    return ops.concatenate([positions[:prefix], resampled], axis=0)


def embeddings(
    ops: Ops,
    cfg: PictureConfig,
    p: Embeddings,
    pixels: Float[Array, "B C Y X"],
    masked: Float[Array, "B P"] | None,
    interpolate: bool,
) -> Float[Array, "B L D"]:
    """Put the class token in front of the patches, and add to each token its position."""
    patches = patch_tokens(ops, p, pixels, masked)
    class_token = ops.repeat_batch(p.cls_token[0, 0], pixels.shape[0])  # (B, 1, D)
    x = ops.concatenate([class_token, patches], axis=1)
    positions = p.position_embeddings[0]
    if interpolate:
        positions = grid_positions(ops, cfg, positions, 1, pixels)
    return ops.tap(p, "output", x + positions)


# The tower


@dataclass(frozen=True, slots=True)
class Pooler:
    """One layer over the class token; its weights hang under `pooler.dense`."""

    path: str
    fc1: Linear  # (pooler_output_size, D)


@dataclass(frozen=True, slots=True)
class VisionTower:
    """The whole model."""

    path: str
    embeddings: Embeddings
    encoder: Encoder
    layernorm: LayerNorm
    pooler: Pooler | None


def encoder_spec(cfg: PictureConfig, path: str, qkv_bias: bool) -> Encoder:
    """Specify the layers: graph/encoder.py's, under version 4's names."""

    def layer(path: str) -> EncoderLayer:
        return EncoderLayer(
            path,
            self_attn=attention_spec(cfg, f"{path}.attention", qkv_bias),
            layer_norm1=layer_norm_spec(f"{path}.layernorm_before", cfg.hidden_size),
            mlp=mlp_spec(cfg, f"{path}.mlp", f"{path}.intermediate.dense", f"{path}.output.dense"),
            layer_norm2=layer_norm_spec(f"{path}.layernorm_after", cfg.hidden_size),
        )

    layers = (layer(f"{path}.layer.{index}") for index in range(cfg.num_hidden_layers))
    return Encoder(path, tuple(layers))


def attention_spec(
    cfg: PictureConfig, path: str, qkv_bias: bool, key_bias: bool = True
) -> Attention:
    """Specify an attention: queries, keys and values hang one level deeper than the output."""
    width, std, at = cfg.hidden_size, cfg.initializer_range, f"{path}.attention"
    return Attention(
        path,
        k_proj=linear_spec(f"{at}.key", width, width, std, qkv_bias and key_bias),
        v_proj=linear_spec(f"{at}.value", width, width, std, qkv_bias),
        q_proj=linear_spec(f"{at}.query", width, width, std, qkv_bias),
        out_proj=linear_spec(f"{path}.output.dense", width, width, std),
    )


def mlp_spec(cfg: PictureConfig, path: str, first: str, second: str) -> Mlp:
    """Specify an MLP whose two layers hang under names of their own."""
    width, inner, std = cfg.hidden_size, cfg.intermediate_size, cfg.initializer_range
    return Mlp(
        path,
        fc1=linear_spec(first, width, inner, std),
        fc2=linear_spec(second, inner, width, std),
    )


def pooler_spec(cfg: ViTConfig, path: str) -> Pooler:
    """Specify the pooler's weights."""
    dense = linear_spec(
        f"{path}.dense", cfg.hidden_size, cfg.pooled_size, std=cfg.initializer_range
    )
    return Pooler(path, dense)


def vision_tower_spec(
    cfg: ViTConfig, path: str = "", pooling: bool = True, mask_token: bool = False
) -> VisionTower:
    """Specify the model's weights, with or without the pooler and the mask token."""
    return VisionTower(
        path,
        embeddings_spec(cfg, join(path, "embeddings"), mask_token),
        encoder_spec(cfg, join(path, "encoder"), cfg.qkv_bias),
        layer_norm_spec(join(path, "layernorm"), cfg.hidden_size),
        pooler_spec(cfg, join(path, "pooler")) if pooling else None,
    )


def pool(
    ops: Ops, cfg: ViTConfig, p: Pooler, last_hidden_state: Float[Array, "B L D"]
) -> Float[Array, "B M"]:
    """Send the class token through the pooler: pooler_act(x W ᵀ + b)."""
    return ops.linear_activation(p, last_hidden_state[:, 0], cfg.pooler_act)


def vision_tower(
    ops: Ops,
    cfg: ViTConfig,
    p: VisionTower,
    pixels: Float[Array, "B C Y X"],
    masked: Float[Array, "B P"] | None = None,
    interpolate: bool = False,
    head_mask: Float[Array, "N H"] | None = None,
) -> Pooled:
    """See pictures: all tokens are normalised at the end, then the class token is pooled.

    `head_mask` weighs each layer's heads after the softmax.
    """
    x = embeddings(ops, cfg, p.embeddings, pixels, masked, interpolate)
    x = encoder(ops, cfg, p.encoder, x, Mask(), head_mask)
    x = layer_norm(ops, cfg, p.layernorm, x)
    if p.pooler is None:
        return Pooled(x, None)
    return Pooled(x, ops.tap(p, "pooler_output", pool(ops, cfg, p.pooler, x)))
