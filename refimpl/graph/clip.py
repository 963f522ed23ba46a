"""CLIP: an image tower and a text tower that meet in one space.

Four functions are the model: `vision_tower`, `text_tower`, the two projections, and `clip`, which
compares. Each stands beside the tree of its weights, whose field names are the checkpoint's.

Source: Radford et al. 2021 (arXiv:2103.00020), figure 3; openai/CLIP d05afc4, clip/model.py;
checkpoint names and pooling rules as in Transformers 5.23, modeling_clip.py.
Called by models/. Read before: graph/encoder.py. Read next: siglip.py and chinese_clip.py, which
keep this order. Longer than other files, so that the whole model stands in one place.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from refimpl.configs import CLIPConfig, CLIPTextConfig, CLIPVisionConfig
from refimpl.configs.towers import TowerConfig
from refimpl.graph.encoder import Encoder, InitialStds, encoder, encoder_spec, layer_norm
from refimpl.graph.interface import Mask, Node, Ops
from refimpl.params import (
    Embedding,
    LayerNorm,
    Linear,
    PatchEmbedding,
    TensorSpec,
    layer_norm_spec,
    linear_spec,
)
from refimpl.shapes import Array, Bool, Float, Int

LEGACY_EOS_TOKEN_ID = 2
"""What old config files say, though no vocabulary has its end token there (Transformers #24773)."""


def initial_stds(cfg: CLIPTextConfig | CLIPVisionConfig) -> InitialStds:
    """Say how wide an encoder layer's fresh weights are spread: deeper towers start smaller."""
    width, factor = cfg.hidden_size, cfg.initializer_factor
    into_stream = width**-0.5 * (2 * cfg.num_hidden_layers) ** -0.5 * factor
    return InitialStds(
        qkv=into_stream,
        out=width**-0.5 * factor,
        fc1=(2 * width) ** -0.5 * factor,
        fc2=into_stream,
    )


class Pooled(NamedTuple):
    """What a tower gives."""

    last_hidden_state: Float[Array, "B L D"]
    pooler_output: Float[Array, "B D"]


# The image tower


@dataclass(frozen=True, slots=True)
class VisionEmbeddings:
    """Patches, the class token in front of them, and where each one is."""

    path: str
    class_embedding: Array  # (D,)
    patch_embedding: PatchEmbedding  # (D, channels, patch, patch), no bias
    position_embedding: Embedding  # (1 + P, D), row 0 for the class token


@dataclass(frozen=True, slots=True)
class VisionTower:
    """The image tower; `pre_layrnorm` is spelt as in every checkpoint."""

    path: str
    embeddings: VisionEmbeddings
    pre_layrnorm: LayerNorm
    encoder: Encoder
    post_layernorm: LayerNorm


def vision_tower_spec(cfg: CLIPVisionConfig, path: str = "vision_model") -> VisionTower:
    """Specify the image tower's weights."""
    width, patch, at = cfg.hidden_size, cfg.patch_size, f"{path}.embeddings"
    positions = 1 + (cfg.image_size // patch) ** 2
    std = cfg.initializer_range * cfg.initializer_factor
    kernel = TensorSpec((width, cfg.num_channels, patch, patch), std)
    return VisionTower(
        path,
        VisionEmbeddings(
            at,
            class_embedding=TensorSpec((width,), width**-0.5 * cfg.initializer_factor),
            patch_embedding=PatchEmbedding(f"{at}.patch_embedding", kernel, None),
            position_embedding=Embedding(
                f"{at}.position_embedding", TensorSpec((positions, width), std)
            ),
        ),
        pre_layrnorm=layer_norm_spec(f"{path}.pre_layrnorm", width),
        encoder=encoder_spec(cfg, f"{path}.encoder", initial_stds(cfg)),
        post_layernorm=layer_norm_spec(f"{path}.post_layernorm", width),
    )


def vision_embeddings(
    ops: Ops,
    cfg: CLIPVisionConfig,
    p: VisionEmbeddings,
    pixels: Float[Array, "B C Y X"],
    interpolate: bool,
) -> Float[Array, "B L D"]:
    """Turn pictures into tokens: the class token, then the patches row by row.

    With `interpolate` a picture of another size than the model's is taken, and the patches'
    positions are resampled to its grid; the class token's stays.
    """
    height, width = pixels.shape[2], pixels.shape[3]
    kernel = p.patch_embedding
    positions = p.position_embedding.weight
    rows, columns = height // cfg.patch_size, width // cfg.patch_size
    native = height == width and 1 + rows * columns == positions.shape[0]
    if interpolate and not native:
        resampled = ops.interpolate_positions(positions[1:], rows, columns)
        positions = ops.concatenate([positions[:1], resampled], axis=0)
    return ops.tap(p, "output", ops.embed_patches(p, pixels, kernel, p.class_embedding, positions))


def vision_tower(
    ops: Ops,
    cfg: CLIPVisionConfig,
    p: VisionTower,
    pixels: Float[Array, "B C Y X"],
    interpolate: bool = False,
) -> Pooled:
    """See pictures: the class token's last state, normalised, stands for the whole.

    Trap: `post_layernorm` touches the class token alone; `last_hidden_state` is not normalised.
    """
    x = vision_embeddings(ops, cfg, p.embeddings, pixels, interpolate)
    x = layer_norm(ops, cfg, p.pre_layrnorm, x)
    x = encoder(ops, cfg, p.encoder, x, Mask())
    pooled = layer_norm(ops, cfg, p.post_layernorm, x[:, 0])
    return Pooled(x, ops.tap(p, "pooler_output", pooled))


# The text tower


@dataclass(frozen=True, slots=True)
class TextEmbeddings:
    """What each token is, and where it stands."""

    path: str
    token_embedding: Embedding  # (V, D)
    position_embedding: Embedding  # (longest text, D)


@dataclass(frozen=True, slots=True)
class TextTower:
    """The text tower."""

    path: str
    embeddings: TextEmbeddings
    encoder: Encoder
    final_layer_norm: LayerNorm


def text_tower_spec(cfg: CLIPTextConfig, path: str = "text_model") -> TextTower:
    """Specify the text tower's weights."""
    width, at = cfg.hidden_size, f"{path}.embeddings"
    std = 0.02 * cfg.initializer_factor
    tokens = TensorSpec((cfg.vocab_size, width), std)
    positions = TensorSpec((cfg.max_position_embeddings, width), std)
    return TextTower(
        path,
        TextEmbeddings(
            at,
            token_embedding=Embedding(f"{at}.token_embedding", tokens),
            position_embedding=Embedding(f"{at}.position_embedding", positions),
        ),
        encoder=encoder_spec(cfg, f"{path}.encoder", initial_stds(cfg)),
        final_layer_norm=layer_norm_spec(f"{path}.final_layer_norm", width),
    )


def text_embeddings(
    ops: Ops,
    p: TextEmbeddings,
    ids: Int[Array, "B L"],
    position_ids: Int[Array, "#B L"] | None,
) -> Float[Array, "B L D"]:
    """Turn ids into tokens; positions count from 0 unless they are given."""
    tokens = ops.embedding(p.token_embedding.weight, ids)
    positions = p.position_embedding.weight[: ids.shape[1]]
    if position_ids is not None:
        positions = ops.embedding(p.position_embedding.weight, position_ids)
    return ops.tap(p, "output", tokens + positions)


def end_positions(ops: Ops, cfg: CLIPTextConfig, ids: Int[Array, "B L"]) -> Int[Array, " B"]:
    """Find the token that stands for the whole text.

    It is the first one whose id is `eos_token_id`; the causal mask lets it alone have seen
    everything before it. With the legacy id 2 it is the largest id of the row instead.

    Trap: a row without the end token is pooled at position 0, silently, as upstream does.
    """
    if cfg.eos_token_id == LEGACY_EOS_TOKEN_ID:
        return ops.argmax(ids)
    return ops.argmax(ids == cfg.eos_token_id)


def text_tower(
    ops: Ops,
    cfg: CLIPTextConfig,
    p: TextTower,
    ids: Int[Array, "B L"],
    attention_mask: Bool[Array, "B L"] | None = None,
    position_ids: Int[Array, "#B L"] | None = None,
) -> Pooled:
    """Read texts from left to right: the end token's last state stands for the whole.

    `attention_mask` is true where a token may be seen. Padding on the right never changes the
    pooled state, since the causal mask hides it from the end token.
    """
    x = text_embeddings(ops, p.embeddings, ids, position_ids)
    x = encoder(ops, cfg, p.encoder, x, Mask(causal=True, key_padding=attention_mask))
    x = layer_norm(ops, cfg, p.final_layer_norm, x)
    pooled = ops.pick_rows(x, end_positions(ops, cfg, ids))
    return Pooled(x, ops.tap(p, "pooler_output", pooled))


# The joint space


@dataclass(frozen=True, slots=True)
class Clip:
    """Both towers, the projections into the joint space, and the temperature."""

    path: str
    logit_scale: Array  # ()
    text_model: TextTower
    vision_model: VisionTower
    visual_projection: Linear  # (E, D of the image tower), no bias
    text_projection: Linear  # (E, D of the text tower), no bias


def clip_spec(cfg: CLIPConfig) -> Clip:
    """Specify the whole model's weights; both projections have the model's `projection_dim`."""
    return Clip(
        path="",
        logit_scale=TensorSpec((), mean=cfg.logit_scale_init_value),
        text_model=text_tower_spec(cfg.text_config),
        vision_model=vision_tower_spec(cfg.vision_config),
        visual_projection=projection_spec(
            "visual_projection", cfg.vision_config, cfg.projection_dim, cfg.initializer_factor
        ),
        text_projection=projection_spec(
            "text_projection", cfg.text_config, cfg.projection_dim, cfg.initializer_factor
        ),
    )


def projection_spec(
    path: str,
    tower: TowerConfig,
    width: int,
    factor: float,
    bias: bool = False,
) -> Linear:
    """Specify a projection from a tower's width into the joint space, or onto classes."""
    std = tower.hidden_size**-0.5 * factor
    return linear_spec(path, tower.hidden_size, width, std, bias)


def project(ops: Ops, p: Linear, pooled: Float[Array, "B D"]) -> Float[Array, "B E"]:
    """Project a tower's pooled state into the joint space; not normalised."""
    return ops.tap(p, "output", ops.linear(pooled, p.weight, p.bias))


class Comparison(NamedTuple):
    """How texts and images compare: unit vectors and the scaled cosines between them."""

    logits_per_image: Float[Array, "I T"]
    logits_per_text: Float[Array, "T I"]
    text_embeds: Float[Array, "T E"]
    image_embeds: Float[Array, "I E"]


@runtime_checkable
class JointSpace(Node, Protocol):
    """What `compare` reads of a whole model, CLIP or another that compares as it does."""

    @property
    def logit_scale(self) -> Array:
        """Logarithm of the temperature's inverse, ()."""


def compare(
    ops: Ops, p: JointSpace, text: Float[Array, "T E"], image: Float[Array, "I E"]
) -> Comparison:
    """Compare projected texts with projected images: cosine times exp(logit_scale).

    Trap: the norm has no epsilon, so a zero vector gives NaN; the scale is not clamped to 100.
    """
    image_embeds = ops.tap(p, "image_embeds", ops.l2_normalize(image))
    text_embeds = ops.tap(p, "text_embeds", ops.l2_normalize(text))
    logits = ops.linear(text_embeds, image_embeds) * ops.exp(p.logit_scale)
    logits_per_text = ops.tap(p, "logits_per_text", logits)
    logits_per_image = ops.tap(p, "logits_per_image", logits_per_text.swapaxes(0, 1))
    return Comparison(logits_per_image, logits_per_text, text_embeds, image_embeds)


# The towers alone, as checkpoints hold them


@dataclass(frozen=True, slots=True)
class TextModel:
    """The text tower, with its projection if the checkpoint has one."""

    path: str
    text_model: TextTower
    text_projection: Linear | None


@dataclass(frozen=True, slots=True)
class VisionModel:
    """The image tower, with its projection if the checkpoint has one."""

    path: str
    vision_model: VisionTower
    visual_projection: Linear | None


@dataclass(frozen=True, slots=True)
class ImageClassifier:
    """The image tower and a linear head over the mean of its patch tokens."""

    path: str
    vision_model: VisionTower
    classifier: Linear | None  # (labels, D) with bias; None where there are no labels


def classify(
    ops: Ops, p: ImageClassifier, last_hidden_state: Float[Array, "B L D"]
) -> Float[Array, "B N"]:
    """Score classes from the mean patch token; the class token and its norm play no part."""
    pooled = ops.tap(p, "pooled", ops.mean(last_hidden_state[:, 1:], axis=1))
    if p.classifier is None:
        return pooled
    return ops.tap(p, "logits", ops.linear(pooled, p.classifier.weight, p.classifier.bias))
