"""BERT: the post-norm text tower that BERT, RoBERTa and Chinese-CLIP share.

Each layer adds first and normalises then: x = norm(x + attention(x)); x = norm(x + mlp(x)). Tokens
see each other in both directions. Each block stands beside the tree of its weights.

Source: Devlin et al. 2018 (arXiv:1810.04805), section 3; names and rules as in Transformers 4.37.2,
modeling_bert.py and modeling_chinese_clip.py.
Called by roberta.py, chinese_clip.py and models/. Read before: encoder.py, the pre-norm stack.
Read next: bert_decoder.py (keys and values kept, another model's states), relative_positions.py.
(A little longer than other files, so that the whole tower stands in one place.)
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from refimpl import params
from refimpl.configs.bert import ABSOLUTE, BertTowerConfig
from refimpl.graph.interface import Mask, Ops
from refimpl.graph.relative_positions import distance_spec, with_distances
from refimpl.params import Embedding, Linear, TensorSpec, join, layer_norm_spec, linear_spec
from refimpl.shapes import Array, Float, Int


class States(NamedTuple):
    """What the tower gives."""

    last_hidden_state: Float[Array, "B L D"]
    pooler_output: Float[Array, "B D"] | None  # None without a pooler


@dataclass(frozen=True, slots=True)
class Text:
    """What the tower is given to read: ids, or vectors in their place.

    Attributes:
        ids: (B, L) token ids, or None.
        vectors: (B, L, D) used as they are instead of word embeddings, or None.
        token_type_ids: (B or 1, L) which sentence a token belongs to; None is 0 for all.
        position_ids: (B or 1, L); None counts from `start`.
        start: the first token's position: how many came in earlier calls.
    """

    ids: Int[Array, "B L"] | None = None
    vectors: Float[Array, "B L D"] | None = None
    token_type_ids: Int[Array, "#B L"] | None = None
    position_ids: Int[Array, "#B L"] | None = None
    start: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Texts and tokens, (B, L)."""
        tokens: Array = self.vectors if self.ids is None else self.ids
        return tokens.shape[0], tokens.shape[1]


# The tree


@dataclass(frozen=True, slots=True)
class BertEmbeddings:
    """What each token is, where it stands, and which sentence it belongs to."""

    path: str
    word_embeddings: Embedding  # (V, D)
    position_embeddings: Embedding  # (longest text, D)
    token_type_embeddings: Embedding  # (kinds, D)
    LayerNorm: params.LayerNorm


@dataclass(frozen=True, slots=True)
class BertSelfAttention:
    """The projections of an attention; head h owns columns h·K to (h+1)·K."""

    SIDE_BY_SIDE: ClassVar = ("query", "key", "value")
    """On a device these lie in memory in this order, so `ops.linears` is one product."""
    path: str
    query: Linear  # (D, D)
    key: Linear  # (D, D)
    value: Linear  # (D, D)
    distance_embedding: Embedding | None  # (2 · longest text - 1, K), where positions are relative


@dataclass(frozen=True, slots=True)
class BertOutput:
    """How a sub-layer ends: projected, added to what went in, normalised."""

    path: str
    dense: Linear  # (D, D) behind an attention, (D, M) behind the MLP's first half
    LayerNorm: params.LayerNorm


@dataclass(frozen=True, slots=True)
class BertAttention:
    """An attention and how it ends."""

    path: str
    self: BertSelfAttention
    output: BertOutput


@dataclass(frozen=True, slots=True)
class BertIntermediate:
    """The first half of the MLP."""

    path: str
    dense: Linear  # (M, D)

    @property
    def fc1(self) -> Linear:
        """The name by which `ops.linear_activation` knows the first half of any MLP."""
        return self.dense


@dataclass(frozen=True, slots=True)
class BertLayer:
    """One post-norm transformer layer; only a decoder may have `crossattention`."""

    path: str
    attention: BertAttention
    crossattention: BertAttention | None
    intermediate: BertIntermediate
    output: BertOutput


@dataclass(frozen=True, slots=True)
class BertEncoder:
    """A stack of layers."""

    path: str
    layer: tuple[BertLayer, ...]


@dataclass(frozen=True, slots=True)
class BertPooler:
    """The layer that turns the first token's state into the text's."""

    path: str
    dense: Linear  # (D, D)


@dataclass(frozen=True, slots=True)
class Bert:
    """The whole tower."""

    path: str
    embeddings: BertEmbeddings
    encoder: BertEncoder
    pooler: BertPooler | None


def bert_spec(cfg: BertTowerConfig, path: str = "", pooler: bool = True) -> Bert:
    """Specify the tower's weights: normal with `initializer_range`, as upstream draws them."""
    width, std = cfg.hidden_size, cfg.initializer_range
    at = join(path, "embeddings")

    def table(name: str, rows: int) -> Embedding:
        return Embedding(f"{at}.{name}", TensorSpec((rows, width), std))

    stack = join(path, "encoder")
    layers = (layer_spec(cfg, f"{stack}.layer.{index}") for index in range(cfg.num_hidden_layers))
    head = join(path, "pooler")
    return Bert(
        path,
        BertEmbeddings(
            at,
            word_embeddings=table("word_embeddings", cfg.vocab_size),
            position_embeddings=table("position_embeddings", cfg.max_position_embeddings),
            token_type_embeddings=table("token_type_embeddings", cfg.type_vocab_size),
            LayerNorm=layer_norm_spec(f"{at}.LayerNorm", width),
        ),
        BertEncoder(stack, tuple(layers)),
        BertPooler(head, linear_spec(f"{head}.dense", width, width, std)) if pooler else None,
    )


def layer_spec(cfg: BertTowerConfig, path: str) -> BertLayer:
    """Specify one layer's weights; cross attention never has relative positions."""
    width, middle, std = cfg.hidden_size, cfg.intermediate_size, cfg.initializer_range
    names = ("query", "key", "value")

    def output(path: str, d_in: int) -> BertOutput:
        dense = linear_spec(f"{path}.dense", d_in, width, std)
        return BertOutput(path, dense, layer_norm_spec(f"{path}.LayerNorm", width))

    def attention(path: str, distances: Embedding | None) -> BertAttention:
        at = f"{path}.self"
        q, k, v = (linear_spec(f"{at}.{name}", width, width, std) for name in names)
        heads = BertSelfAttention(at, q, k, v, distances)
        return BertAttention(path, heads, output(f"{path}.output", width))

    own, across, wide = f"{path}.attention", f"{path}.crossattention", f"{path}.intermediate"
    return BertLayer(
        path,
        attention=attention(own, distance_spec(cfg, f"{own}.self.distance_embedding")),
        crossattention=attention(across, None) if cfg.add_cross_attention else None,
        intermediate=BertIntermediate(wide, linear_spec(f"{wide}.dense", width, middle, std)),
        output=output(f"{path}.output", middle),
    )


# The functions


def embeddings(
    ops: Ops, cfg: BertTowerConfig, p: BertEmbeddings, text: Text
) -> Float[Array, "B L D"]:
    """Turn a text into tokens: word + sentence + position, then a norm.

    Trap: with relative positions the position table stays in the checkpoint and is not added.
    """
    words = text.vectors
    if words is None:
        words = ops.embedding(p.word_embeddings.weight, text.ids)  # (B, L, D)
    types = p.token_type_embeddings.weight[0]
    if text.token_type_ids is not None:
        types = ops.embedding(p.token_type_embeddings.weight, text.token_type_ids)
    x = words + types
    if cfg.position_embedding_type == ABSOLUTE:
        positions = p.position_embeddings.weight[text.start : text.start + words.shape[1]]
        if text.position_ids is not None:
            positions = ops.embedding(p.position_embeddings.weight, text.position_ids)
        x = x + positions
    return norm(ops, cfg, p.LayerNorm, ops.tap(p, "output", x))


def norm(
    ops: Ops, cfg: BertTowerConfig, p: params.LayerNorm, x: Float[Array, "B L D"]
) -> Float[Array, "B L D"]:
    """Apply a layer norm with BERT's tiny epsilon, and name its output."""
    return ops.tap(p, "output", ops.layer_norm(x, p.weight, p.bias, cfg.layer_norm_eps))


class KeysValues(NamedTuple):
    """What tokens show of themselves to an attention: heads side by side in D columns."""

    k: Float[Array, "B S D"]
    v: Float[Array, "B S D"]


def keys_values(ops: Ops, p: BertSelfAttention, x: Float[Array, "B S D"]) -> KeysValues:
    """Project tokens to the keys and values that an attention looks at."""
    k, v = ops.linears(x, (p.key, p.value))
    return KeysValues(ops.tap(p, "k", k), ops.tap(p, "v", v))


def queries(ops: Ops, p: BertSelfAttention, x: Float[Array, "B L D"]) -> Float[Array, "B L D"]:
    """Project tokens to what they ask of another model's."""
    return ops.tap(p, "q", ops.linear(x, p.query.weight, p.query.bias))


def look_at_each_other(
    ops: Ops, p: BertSelfAttention, x: Float[Array, "B L D"]
) -> tuple[Float[Array, "B L D"], KeysValues]:
    """Project tokens to their queries, and to their keys and values: three products of one input."""
    q, k, v = ops.linears(x, (p.query, p.key, p.value))
    q, k, v = ops.tap(p, "q", q), ops.tap(p, "k", k), ops.tap(p, "v", v)
    return q, KeysValues(k, v)


def attend(
    ops: Ops,
    cfg: BertTowerConfig,
    p: BertAttention,
    x: Float[Array, "B L D"],
    q: Float[Array, "B L D"],
    seen: KeysValues,
    mask: Mask,
    head_mask: Float[Array, " H"] | None = None,
) -> Float[Array, "B L D"]:
    """Let every token gather from what it may see, add that to it, and normalise."""
    heads = cfg.num_attention_heads
    scale = (cfg.hidden_size // heads) ** -0.5
    if p.self.distance_embedding is not None:
        mask = with_distances(ops, cfg, p.self.distance_embedding, q, seen.k, scale, mask)
    context = ops.attention(
        p.self, q, *seen, heads=heads, mask=mask, scale=scale, head_mask=head_mask
    )
    return add_norm(ops, cfg, p.output, context, x)


def add_norm(
    ops: Ops,
    cfg: BertTowerConfig,
    p: BertOutput,
    h: Float[Array, "B L N"],
    x: Float[Array, "B L D"],
) -> Float[Array, "B L D"]:
    """End a sub-layer: norm(dense(h) + x). Post-norm: the stream itself is normalised."""
    h = ops.tap(p, "dense", ops.linear(h, p.dense.weight, p.dense.bias))
    return ops.layer_norm_of_sum(p, "residual", h, x, p.LayerNorm, cfg.layer_norm_eps)


def mlp(
    ops: Ops, cfg: BertTowerConfig, p: BertLayer, x: Float[Array, "B L D"]
) -> Float[Array, "B L D"]:
    """Widen each token, bend it, narrow it again, add and normalise: the layer's output."""
    h = ops.linear_activation(p.intermediate, x, cfg.hidden_act)  # (B, L, M)
    return ops.tap(p, "output", add_norm(ops, cfg, p.output, h, x))


def encoder(
    ops: Ops,
    cfg: BertTowerConfig,
    p: BertEncoder,
    x: Float[Array, "B L D"],
    mask: Mask,
    head_mask: Float[Array, "N H"] | None = None,
) -> Float[Array, "B L D"]:
    """Run the stack; the taps `input` and `layer.N.output` are upstream's hidden_states.

    `head_mask` has a number for each layer's heads, which their probabilities are multiplied by.
    """
    x = ops.tap(p, "input", x)
    for index, layer in enumerate(p.layer):
        q, seen = look_at_each_other(ops, layer.attention.self, x)
        weights = None if head_mask is None else head_mask[index]
        x = attend(ops, cfg, layer.attention, x, q, seen, mask, weights)
        x = mlp(ops, cfg, layer, x)
    return x


def pool(ops: Ops, p: Bert, x: Float[Array, "B L D"]) -> Float[Array, "B D"] | None:
    """Let the first token stand for the text: tanh(dense(x₀)), or None without a pooler."""
    if p.pooler is None:
        return None
    dense = p.pooler.dense
    h = ops.tap(p.pooler, "dense", ops.linear(x[:, 0], dense.weight, dense.bias))
    return ops.tap(p, "pooler_output", ops.tanh(h))


def bert_tower(
    ops: Ops,
    cfg: BertTowerConfig,
    p: Bert,
    text: Text,
    mask: Mask,
    head_mask: Float[Array, "N H"] | None = None,
) -> States:
    """Read texts in both directions: the first token, [CLS], stands for the whole.

    Trap: without a mask the padding is read like any other token.
    """
    x = embeddings(ops, cfg, p.embeddings, text)
    x = encoder(ops, cfg, p.encoder, x, mask, head_mask)
    return States(x, pool(ops, p, x))
