"""What the tests of attention share: inputs as models have them, masks, and the numpy twin."""

from types import SimpleNamespace

import numpy as np
import torch
from guarded import as_float64, guarded

from refimpl import ops as numpy_ops
from refimpl.graph.interface import Mask

NODE = SimpleNamespace(path="layers.0.self_attn")


def inputs(rng, batch, queries, keys, heads, width, dtype="float32", device="cpu", gap=0, size=1.0):
    """q, k and v as views of one packed product, with NaN around it and between its rows."""
    columns = heads * width
    if queries == keys:
        whole = rng.standard_normal((batch, queries, 3 * columns)) * size
        return guarded(whole, device, dtype, gap).split(columns, dim=-1)
    q = guarded(rng.standard_normal((batch, queries, columns)) * size, device, dtype, gap)
    pair = rng.standard_normal((batch, keys, 2 * columns)) * size
    return (q, *guarded(pair, device, dtype, gap).split(columns, dim=-1))


def mask_of(rng, kind, batch, heads, queries, keys, dtype="float32", device="cpu", gap=0):
    """A mask: any of the words causal, padding and bias in `kind`, separated by blanks.

    Each text shows a random part of its keys, the first text none. A bias is spread over the
    texts, over the heads, over both or over neither.
    """
    words = kind.split()
    padding = bias = None
    if "padding" in words:
        shown = rng.random((batch, keys)) < 0.6
        shown[0] = batch == 1 and rng.random(keys) < 0.5
        padding = torch.as_tensor(shown, device=device)
    if "bias" in words:
        spread = (rng.choice([1, batch]), rng.choice([1, heads]))
        bias = guarded(3 * rng.standard_normal((*spread, queries, keys)), device, dtype, gap)
    return Mask(causal="causal" in words, key_padding=padding, bias=bias)


def twin(q, k, v, *, heads, mask, scale, head_mask=None):
    """What numpy gives in float64 for the values that the kernel got."""
    with np.errstate(invalid="ignore"):
        return numpy_ops.attention(
            NODE,
            *(as_float64(x) for x in (q, k, v)),
            heads=heads,
            mask=in_numpy(mask),
            scale=scale,
            head_mask=None if head_mask is None else as_float64(head_mask),
        )


def in_numpy(mask):
    """The same mask of numpy arrays."""
    bias = None if mask.bias is None else as_float64(mask.bias)
    rest = (
        None if x is None else x.cpu().numpy()
        for x in (mask.key_padding, mask.visible, mask.segments)
    )
    key_padding, visible, segments = rest
    return Mask(mask.causal, key_padding, visible, bias, segments)
