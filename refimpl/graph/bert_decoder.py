"""BERT with a memory: keys and values of earlier calls, and the states of another model.

The layers are bert.py's. What is added stands here: keys and values are kept from call to call, so
that each new token is worked out once; and a layer may look at an encoder's states, between its own
attention and its MLP. Which tokens see which is the mask's affair: causal in a decoder.

Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.1, decoder; Transformers 4.37.2,
modeling_bert.py and modeling_chinese_clip.py, the only version in which all of it works.
Called by models/bert_towers.py. Read before: bert.py.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from refimpl.configs.bert import BertTowerConfig
from refimpl.graph.bert import (
    Bert,
    BertLayer,
    KeysValues,
    States,
    Text,
    attend,
    embeddings,
    keys_values,
    look_at_each_other,
    mlp,
    pool,
    queries,
)
from refimpl.graph.interface import Mask, Ops
from refimpl.shapes import Array, Float


class Cached(NamedTuple):
    """What one layer keeps for the next call."""

    own: KeysValues  # of all tokens so far
    across: KeysValues | None  # of the encoder's states; None without them


@dataclass(frozen=True, slots=True)
class Memory:
    """What a decoder has beside its text.

    Attributes:
        past: what each layer kept from earlier calls, or None at the first.
        states: (B, S, D) the encoder's states, or None.
        mask: which of these states each token may see.
    """

    past: tuple[Cached, ...] | None = None
    states: Float[Array, "B S D"] | None = None
    mask: Mask = field(default_factory=Mask)

    @property
    def empty(self) -> bool:
        """Whether there is nothing beside the text."""
        return self.past is None and self.states is None


def decoder_tower(
    ops: Ops,
    cfg: BertTowerConfig,
    p: Bert,
    text: Text,
    mask: Mask,
    memory: Memory,
    head_mask: Float[Array, "N H"] | None = None,
) -> tuple[States, tuple[Cached, ...]]:
    """Read on where the past ends; also return what the next call needs."""
    x = embeddings(ops, cfg, p.embeddings, text)
    x = ops.tap(p.encoder, "input", x)
    kept = []
    for index, layer in enumerate(p.encoder.layer):
        past = None if memory.past is None else memory.past[index]
        weights = None if head_mask is None else head_mask[index]
        x, present = decoder_layer(ops, cfg, layer, x, mask, memory, past, weights)
        kept.append(present)
    return States(x, pool(ops, p, x)), tuple(kept)


def decoder_layer(
    ops: Ops,
    cfg: BertTowerConfig,
    p: BertLayer,
    x: Float[Array, "B L D"],
    mask: Mask,
    memory: Memory,
    past: Cached | None,
    head_mask: Float[Array, " H"] | None,
) -> tuple[Float[Array, "B L D"], Cached]:
    """One layer: look back, look across, MLP; each added and normalised.

    Trap: the head mask counts in both attentions. Without the encoder's states the layer leaves
        its cross attention out, as upstream does.
    """
    q, new = look_at_each_other(ops, p.attention.self, x)
    own = new if past is None else all_so_far(ops, past.own, new)
    x = attend(ops, cfg, p.attention, x, q, own, mask, head_mask)
    across = None
    if memory.states is not None:
        assert p.crossattention is not None  # the inputs have been checked
        known = None if past is None else past.across
        across = known or keys_values(ops, p.crossattention.self, memory.states)
        q = queries(ops, p.crossattention.self, x)
        x = attend(ops, cfg, p.crossattention, x, q, across, memory.mask, head_mask)
    return mlp(ops, cfg, p, x), Cached(own, across)


def all_so_far(ops: Ops, past: KeysValues, new: KeysValues) -> KeysValues:
    """Keys and values of the new tokens, behind those of the earlier ones: (B, past + L, D)."""
    k = ops.concatenate([past.k, new.k], axis=1)
    v = ops.concatenate([past.v, new.v], axis=1)
    return KeysValues(k, v)
