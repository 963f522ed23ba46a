"""SigLIP: an image tower and a text tower that meet in one space, each pair judged on its own.

In the order of graph/clip.py: put them side by side. Without a class token a learned question
pools the image (`pooling_head`); the text tower looks both ways and pools the last position; no
projections join them; the logits have a bias, and a sigmoid judges each.

Source: Zhai et al. 2023 (arXiv:2303.15343), section 3; google-research/big_vision 01edb81,
models/vit.py (MAPHead), trainers/proj/image_text/siglip.py; checkpoint names as in Transformers
5.23, modeling_siglip.py. The head: Zhai et al. 2022 (arXiv:2106.04560), section 3.2.
Called by models/. Read before: graph/encoder.py, graph/clip.py. Longer than other files, so that
the whole model stands in one place.
"""

from dataclasses import dataclass
from typing import NamedTuple

from refimpl.configs import SiglipConfig, SiglipTextConfig, SiglipVisionConfig
from refimpl.graph.clip import Comparison, TextEmbeddings, project, text_embeddings
from refimpl.graph.encoder import (
    Encoder,
    InitialStds,
    Mlp,
    encoder,
    encoder_spec,
    layer_norm,
    mlp,
    mlp_spec,
)
from refimpl.graph.interface import Mask, Ops
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


def initial_stds(cfg: SiglipTextConfig | SiglipVisionConfig) -> InitialStds:
    """Say how wide an encoder layer's fresh weights are spread: after both widths (Xavier)."""
    square = cfg.hidden_size**-0.5
    oblong = (2 / (cfg.hidden_size + cfg.intermediate_size)) ** 0.5
    return InitialStds(qkv=square, out=square, fc1=oblong, fc2=oblong)


class Pooled(NamedTuple):
    """What a tower gives; an image tower without a head pools nothing."""

    last_hidden_state: Float[Array, "B L D"]
    pooler_output: Float[Array, "B E"] | None


# The image tower


@dataclass(frozen=True, slots=True)
class VisionEmbeddings:
    """Patches, and where each one is."""

    path: str
    patch_embedding: PatchEmbedding  # (D, channels, patch, patch), with bias
    position_embedding: Embedding  # (P, D)


@dataclass(frozen=True, slots=True)
class PackedAttention:
    """Attention whose three input projections are stacked in one: q above k above v."""

    path: str
    in_proj_weight: Array  # (3 D, D)
    in_proj_bias: Array  # (3 D,)
    out_proj: Linear  # (D, D)


@dataclass(frozen=True, slots=True)
class PoolingHead:
    """A learned question to all tokens, and an MLP on the answer."""

    path: str
    probe: Array  # (1, 1, D)
    attention: PackedAttention
    layernorm: LayerNorm
    mlp: Mlp


@dataclass(frozen=True, slots=True)
class VisionTower:
    """The image tower."""

    path: str
    embeddings: VisionEmbeddings
    encoder: Encoder
    post_layernorm: LayerNorm
    head: PoolingHead | None


def vision_tower_spec(cfg: SiglipVisionConfig, path: str = "vision_model") -> VisionTower:
    """Specify the image tower's weights."""
    width, patch, at = cfg.hidden_size, cfg.patch_size, f"{path}.embeddings"
    positions = (cfg.image_size // patch) ** 2
    shape = (width, cfg.num_channels, patch, patch)
    kernel = TensorSpec(shape, (cfg.num_channels * patch * patch) ** -0.5)
    return VisionTower(
        path,
        VisionEmbeddings(
            at,
            patch_embedding=PatchEmbedding(f"{at}.patch_embedding", kernel, TensorSpec((width,))),
            position_embedding=Embedding(
                f"{at}.position_embedding", TensorSpec((positions, width), width**-0.5)
            ),
        ),
        encoder=encoder_spec(cfg, f"{path}.encoder", initial_stds(cfg)),
        post_layernorm=layer_norm_spec(f"{path}.post_layernorm", width),
        head=pooling_head_spec(cfg, f"{path}.head") if cfg.vision_use_head else None,
    )


def pooling_head_spec(cfg: SiglipVisionConfig, path: str) -> PoolingHead:
    """Specify the attention-pooling head's weights."""
    width, at = cfg.hidden_size, f"{path}.attention"
    return PoolingHead(
        path,
        probe=TensorSpec((1, 1, width), width**-0.5),
        attention=PackedAttention(
            at,
            in_proj_weight=TensorSpec((3 * width, width), (2 * width) ** -0.5),
            in_proj_bias=TensorSpec((3 * width,)),
            out_proj=linear_spec(f"{at}.out_proj", width, width, width**-0.5),
        ),
        layernorm=layer_norm_spec(f"{path}.layernorm", width),
        mlp=mlp_spec(cfg, f"{path}.mlp", initial_stds(cfg)),
    )


def vision_embeddings(
    ops: Ops,
    cfg: SiglipVisionConfig,
    p: VisionEmbeddings,
    pixels: Float[Array, "B C Y X"],
    interpolate: bool,
) -> Float[Array, "B P D"]:
    """Turn pictures into tokens: the patches row by row.

    With `interpolate` a picture of another size than the model's is taken, and the patches'
    positions are resampled to its grid.
    """
    height, width = pixels.shape[2], pixels.shape[3]
    kernel = p.patch_embedding
    positions = p.position_embedding.weight
    rows, columns = height // cfg.patch_size, width // cfg.patch_size
    native = height == width and rows * columns == positions.shape[0]
    if interpolate and not native:
        positions = ops.interpolate_positions(positions, rows, columns)
    return ops.tap(p, "output", ops.embed_patches(p, pixels, kernel, None, positions))


def packed_attention(
    ops: Ops,
    cfg: SiglipVisionConfig,
    p: PackedAttention,
    questions: Float[Array, "B Q D"],
    x: Float[Array, "B P D"],
) -> Float[Array, "B Q D"]:
    """Let each question gather from all tokens.

    Source: torch.nn.MultiheadAttention, whose `in_proj` holds the rows of q, of k, of v.
    """
    width, heads = cfg.hidden_size, cfg.num_attention_heads
    weights = p.in_proj_weight.reshape(-1, width, width)
    biases = p.in_proj_bias.reshape(-1, width)
    q = ops.tap(p, "q", ops.linear(questions, weights[0], biases[0]))
    k, v = ops.linears(x, [Linear(p.path, weights[row], biases[row]) for row in (1, 2)])
    k, v = ops.tap(p, "k", k), ops.tap(p, "v", v)
    scale = (width // heads) ** -0.5
    context = ops.attention(p, q, k, v, heads=heads, mask=Mask(), scale=scale)
    return ops.tap(p, "output", ops.linear(context, p.out_proj.weight, p.out_proj.bias))


def pooling_head(
    ops: Ops, cfg: SiglipVisionConfig, p: PoolingHead, x: Float[Array, "B P D"]
) -> Float[Array, "B D"]:
    """Ask all tokens one learned question, and pass the answer through an MLP.

    Trap: only the MLP has a residual; the probe is not added back to the attention's output.
    """
    probe = ops.repeat_batch(p.probe[0, 0], x.shape[0])  # (B, 1, D)
    x = packed_attention(ops, cfg, p.attention, probe, x)
    x = x + mlp(ops, cfg, p.mlp, layer_norm(ops, cfg, p.layernorm, x))
    return ops.tap(p, "output", x[:, 0])


def vision_tower(
    ops: Ops,
    cfg: SiglipVisionConfig,
    p: VisionTower,
    pixels: Float[Array, "B C Y X"],
    interpolate: bool = False,
) -> Pooled:
    """See pictures: the answer of the pooling head stands for the whole.

    Trap: `post_layernorm` touches every token, before the head and in `last_hidden_state`.
    """
    x = vision_embeddings(ops, cfg, p.embeddings, pixels, interpolate)
    x = encoder(ops, cfg, p.encoder, x, Mask())
    x = layer_norm(ops, cfg, p.post_layernorm, x)
    if p.head is None:
        return Pooled(x, None)
    pooled = pooling_head(ops, cfg, p.head, x)
    return Pooled(x, ops.tap(p, "pooler_output", pooled))


# The text tower


@dataclass(frozen=True, slots=True)
class TextTower:
    """The text tower; its embeddings are CLIP's."""

    path: str
    embeddings: TextEmbeddings
    encoder: Encoder
    final_layer_norm: LayerNorm
    head: Linear  # (E, D), with bias


def text_tower_spec(cfg: SiglipTextConfig, path: str = "text_model") -> TextTower:
    """Specify the text tower's weights."""
    width, at = cfg.hidden_size, f"{path}.embeddings"
    std = width**-0.5
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
        head=linear_spec(f"{path}.head", width, cfg.projection_size, std),
    )


def text_tower(
    ops: Ops,
    cfg: SiglipTextConfig,
    p: TextTower,
    ids: Int[Array, "B L"],
    attention_mask: Bool[Array, "B L"] | None = None,
    position_ids: Int[Array, "#B L"] | None = None,
) -> Pooled:
    """Read texts in both directions: the last position's state, projected, stands for the whole.

    `attention_mask` is true where a token may be seen; None sees all, padding too, as in training.

    Trap: the last position is pooled whatever stands there, so the amount of padding changes the
        result. The models were trained on texts padded to `max_position_embeddings`, unmasked.
    """
    x = text_embeddings(ops, p.embeddings, ids, position_ids)
    x = encoder(ops, cfg, p.encoder, x, Mask(key_padding=attention_mask))
    x = layer_norm(ops, cfg, p.final_layer_norm, x)
    pooled = project(ops, p.head, x[:, -1])
    return Pooled(x, ops.tap(p, "pooler_output", pooled))


# The joint space


@dataclass(frozen=True, slots=True)
class Siglip:
    """Both towers, the temperature and the bias."""

    path: str
    logit_scale: Array  # (1,)
    logit_bias: Array  # (1,)
    text_model: TextTower
    vision_model: VisionTower


def siglip_spec(cfg: SiglipConfig) -> Siglip:
    """Specify the whole model's weights; a fresh model's temperature and bias are 0."""
    return Siglip(
        path="",
        logit_scale=TensorSpec((1,)),
        logit_bias=TensorSpec((1,)),
        text_model=text_tower_spec(cfg.text_config),
        vision_model=vision_tower_spec(cfg.vision_config),
    )


def compare(
    ops: Ops, p: Siglip, text: Float[Array, "T E"], image: Float[Array, "I E"]
) -> Comparison:
    """Compare texts with images: cosine times exp(logit_scale), plus logit_bias.

    The sigmoid of a logit is the probability that text and image belong together.

    Trap: the norm has no epsilon, so a zero vector gives NaN.
    """
    image_embeds = ops.tap(p, "image_embeds", ops.l2_normalize(image))
    text_embeds = ops.tap(p, "text_embeds", ops.l2_normalize(text))
    logits = ops.linear(text_embeds, image_embeds) * ops.exp(p.logit_scale) + p.logit_bias
    logits_per_text = ops.tap(p, "logits_per_text", logits)
    logits_per_image = ops.tap(p, "logits_per_image", logits_per_text.swapaxes(0, 1))
    return Comparison(logits_per_image, logits_per_text, text_embeds, image_embeds)


# The towers alone, as checkpoints hold them


@dataclass(frozen=True, slots=True)
class TextModel:
    """The text tower."""

    path: str
    text_model: TextTower


@dataclass(frozen=True, slots=True)
class VisionModel:
    """The image tower."""

    path: str
    vision_model: VisionTower


@dataclass(frozen=True, slots=True)
class ImageClassifier:
    """The image tower and a linear head over the mean of its tokens."""

    path: str
    vision_model: VisionTower
    classifier: Linear | None  # (labels, D) with bias; None where there are no labels


def classifier_spec(cfg: SiglipConfig) -> ImageClassifier:
    """Specify the image classifier's weights."""
    width = cfg.vision_config.hidden_size
    std = width**-0.5 * cfg.initializer_factor
    head = linear_spec("classifier", width, cfg.num_labels, std)
    return ImageClassifier(
        "", vision_tower_spec(cfg.vision_config), head if cfg.num_labels else None
    )


def classify(
    ops: Ops, p: ImageClassifier, last_hidden_state: Float[Array, "B P D"]
) -> Float[Array, "B N"]:
    """Score classes from the mean token; the pooling head is there and plays no part."""
    pooled = ops.tap(p, "pooled", ops.mean(last_hidden_state, axis=1))
    if p.classifier is None:
        return pooled
    return ops.tap(p, "logits", ops.linear(pooled, p.classifier.weight, p.classifier.bias))
