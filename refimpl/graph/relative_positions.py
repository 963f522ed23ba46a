"""Relative positions in BERT's attention: scores from how far apart two tokens are.

A layer has one vector for each distance i - j. A query is scored against the vector of its distance
to the key (`relative_key`), and so is the key (`relative_key_query`); both are added to q · k before
the scale.

Source: Shaw et al. 2018 (arXiv:1803.02155), equation 5; Huang et al. 2020 (arXiv:2009.13658), method
4; Transformers 4.37.2, modeling_bert.py. Version 5 has no relative positions any more.
Called by bert.py.
"""

from dataclasses import replace

from refimpl.configs.bert import ABSOLUTE, RELATIVE_KEY_QUERY, BertTowerConfig
from refimpl.graph.interface import Mask, Ops
from refimpl.params import Embedding, TensorSpec
from refimpl.shapes import Array, Float


def distance_spec(cfg: BertTowerConfig, path: str) -> Embedding | None:
    """Specify one layer's vectors: distances from 1 - M to M - 1, M the longest text."""
    if cfg.position_embedding_type == ABSOLUTE:
        return None
    head_width = cfg.hidden_size // cfg.num_attention_heads
    shape = (2 * cfg.max_position_embeddings - 1, head_width)
    return Embedding(path, TensorSpec(shape, cfg.initializer_range))


def with_distances(
    ops: Ops,
    cfg: BertTowerConfig,
    p: Embedding,
    q: Float[Array, "B L D"],
    k: Float[Array, "B S D"],
    scale: float,
    mask: Mask,
) -> Mask:
    """Return the mask with the scores of distances as its bias.

    The L queries are the last of the S keys, so with a cache they stand at S - L and after.

    Trap: Transformers 4.37.2 puts every query of a call with a cache at the last position, which
        is right for one new token and wrong for more. Here several new tokens get what they get
        in a call without a cache.
    """
    heads = cfg.num_attention_heads
    bias = ops.relative_query_scores(q, p.weight, heads, k.shape[1])  # (B, H, L, S)
    if cfg.position_embedding_type == RELATIVE_KEY_QUERY:
        bias = bias + ops.relative_key_scores(k, p.weight, heads, q.shape[1])
    return replace(mask, bias=ops.tap(p, "scores", bias * scale))
