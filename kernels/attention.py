"""Attention of any length, straight from the packed product of q, k and v, without a transpose.

Twin:    refimpl/ops.py, attention; kernels/attention_packed.py is for packed texts.
Layout:  q (B, L, D), k and v (B, S, D) of any strides between items and rows, so they may be views
         of one (B, L, 3D) product; y (B, L, D) contiguous. Head h owns columns h·K to (h + 1)·K.
Grid:    one program for QUERIES queries of one head of one item, on axis 0 only (the others end at
         65,535); those of one head are neighbours, so its keys and values stay in the cache.
Sums:    float32; the online softmax of attention_tiles.py.
Traffic: q, k and v are read and y is written once, if the cache holds a head's keys and values
         (256 bytes a key at K = 64, half precision): 8·L·K bytes a head for 4·L²·K FLOPs where
         L = S, half of those where causal. That is L/2 FLOPs a byte: up to some 350 tokens it is
         memory that counts, on a GPU that computes 180 FLOPs in the time of a byte.
Limits:  head widths up to 256; no mask of its own for each query (`visible`); float32, float16,
         bfloat16. A NaN among values that are hidden from all queries of a tile is not noticed.
Source:  Dao 2023, FlashAttention-2 (arXiv:2307.08691); Triton's tutorial 06, fused attention.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.attention_shapes import (
    check_attention,
    configuration,
    fitted,
    prepared,
    tiles,
    why_not_heads,
)
from kernels.attention_tiles import (
    HIDDEN,
    NOTHING,
    add_values,
    attend,
    load_queries,
    multiply_keys,
    no_sums,
    store_average,
    weigh,
)
from kernels.compiled import TRITON_NAMES, Configuration
from kernels.errors import KernelError
from kernels.runtime import cdiv, float32_precision, launch


@triton.jit
def _place(queries, heads, QUERIES: tl.constexpr):
    """Say which item, head and first query this program is for."""
    tiles = tl.cdiv(queries, QUERIES)
    one = tl.program_id(0) // tiles
    return (one // heads).to(tl.int64), one % heads, tl.program_id(0) % tiles * QUERIES


@triton.jit
def attention_kernel(
    q_ptr, k_ptr, v_ptr, y_ptr, queries, keys, heads, scale,
    q_batch, q_row, k_batch, k_row, v_batch, v_row,
    WIDTH: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr, P3: tl.constexpr,
    QUERIES: tl.constexpr, KEYS: tl.constexpr, EDGE: tl.constexpr, CAUSAL: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Attend without a mask, or causally; most tiles then hide nothing and compare nothing.

    CAUSAL is a constant, so that the other form carries no comparison and no smaller diagonal.
    """
    item, head, row = _place(queries, heads, QUERIES)
    column = head * WIDTH
    attend(
        q_ptr + item * q_batch + column,
        k_ptr + item * k_batch + column,
        v_ptr + item * v_batch + column,
        y_ptr + item * queries * (heads * WIDTH) + column,
        row, queries, keys, scale, q_row, k_row, v_row, heads * WIDTH,
        WIDTH, P1, P2, P3, QUERIES, KEYS, EDGE, CAUSAL, PRECISION,
    )  # fmt: skip


@triton.jit
def _masked(
    scores, first, row, queries, keys, reach, shown_ptr, bias_ptr, bias_row, bias_key,
    QUERIES: tl.constexpr, KEYS: tl.constexpr, PADDED: tl.constexpr, BIASED: tl.constexpr,
):  # fmt: skip
    """Add the bias to a tile of scores, then hide what the padding and the causal order hide."""
    query = row + tl.arange(0, QUERIES)[:, None]
    key = first + tl.arange(0, KEYS)[None, :]
    if BIASED:
        place = bias_ptr + query.to(tl.int64) * bias_row + key * bias_key
        scores += tl.load(place, (query < queries) & (key < keys), 0.0).to(tl.float32)
    if PADDED:
        shown = tl.load(shown_ptr + key, key < keys, 0) != 0
        scores = tl.where(shown, scores, HIDDEN)
    scores = tl.where(key <= query + reach, scores, HIDDEN)
    return tl.where(key < keys, scores, NOTHING)


@triton.jit
def attention_masked_kernel(
    q_ptr, k_ptr, v_ptr, y_ptr, shown_ptr, bias_ptr, queries, keys, heads, scale, reach,
    q_batch, q_row, k_batch, k_row, v_batch, v_row,
    shown_batch, bias_batch, bias_head, bias_row, bias_key,
    WIDTH: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr, P3: tl.constexpr,
    QUERIES: tl.constexpr, KEYS: tl.constexpr, PADDED: tl.constexpr, BIASED: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Attend with key padding, a bias or both; query i sees keys up to i + reach of what is left.

    No tile is skipped: a query that sees no key spreads evenly over all of them. (More arguments
    than other kernels have: three operands and two masks, each with its strides. PADDED and BIASED
    are constants, because a mask that is not there must not be read.)
    """
    item, head, row = _place(queries, heads, QUERIES)
    column = head * WIDTH
    k_ptr += item * k_batch + column
    v_ptr += item * v_batch + column
    y_ptr += item * queries * (heads * WIDTH) + column
    shown_ptr += item * shown_batch
    bias_ptr += item * bias_batch + head.to(tl.int64) * bias_head
    q1, q2, q3 = load_queries(
        q_ptr + item * q_batch + column, row, q_row, queries, QUERIES, WIDTH, P1, P2, P3
    )
    y1, y2, y3, top, total = no_sums(QUERIES, P1, P2, P3)
    for first in range(0, keys, KEYS):
        scores = scale * multiply_keys(
            q1, q2, q3, k_ptr, first, k_row, keys, KEYS, False, WIDTH, P1, P2, P3, PRECISION
        )
        scores = _masked(
            scores, first, row, queries, keys, reach, shown_ptr, bias_ptr, bias_row, bias_key,
            QUERIES, KEYS, PADDED, BIASED,
        )  # fmt: skip
        weights, shrink, top, total = weigh(scores, top, total)
        y1, y2, y3 = add_values(
            y1, y2, y3, weights, shrink, v_ptr, first, v_row, keys,
            KEYS, False, WIDTH, P1, P2, P3, PRECISION,
        )  # fmt: skip
    store_average(y_ptr, y1, y2, y3, total, row, heads * WIDTH, queries, QUERIES, WIDTH, P1, P2, P3)


def why_not_here(q: Tensor, k: Tensor, mask: Any, heads: int) -> str | None:
    """Say why this file has no kernel for a call, or None where it has one.

    Args:
        q: (B, L, D).
        k: (B, S, D).
        mask: its attributes are those of refimpl/graph/interface.py, Mask.
        heads: how many heads share D.
    """
    if mask.segments is not None:
        return "texts are packed"
    if mask.visible is not None:
        return "each query has a mask of its own"
    return why_not_heads(q, heads)


def attention(q: Tensor, k: Tensor, v: Tensor, *, heads: int, mask: Any, scale: float) -> Tensor:
    """Attend with several heads: (B, L, D) from q (B, L, D) and k, v (B, S, D), contiguous.

    Args:
        q: queries; float32, float16 or bfloat16, of any strides.
        k: keys, of the same dtype.
        v: values, of the same dtype.
        heads: how many; D is theirs in equal shares of at most 256.
        mask: as refimpl/graph/interface.py, Mask, without `visible` and `segments`. The bias may
            be of any dtype and of any strides.
        scale: of the products of queries and keys.

    Raises:
        KernelError: shapes, dtypes or devices do not fit, or there is no kernel for this.
    """
    check_attention("attention", q, k, v, heads)
    reason = why_not_here(q, k, mask, heads)
    if reason is not None:
        raise KernelError(f"attention: {reason}; kernels.ops.attention has plain torch for that")
    batch, queries, keys = q.shape[0], q.shape[1], k.shape[1]
    shown = fitted("key_padding", mask.key_padding, (batch, keys), q)
    bias = fitted("bias", mask.bias, (batch, heads, queries, keys), q)
    y = torch.empty(q.shape, dtype=q.dtype, device=q.device)
    if keys == 0:
        return y.zero_()  # a sum over nothing
    q, k, v, scale = prepared(q, k, v, scale)
    width, masked = q.shape[2] // heads, shown is not None or bias is not None
    found = tiles(width, q.dtype, queries, masked)
    grid = (batch * heads * cdiv(queries, found["QUERIES"]),)
    sizes = (queries, keys, heads, scale)
    strides = (q.stride(0), q.stride(1), k.stride(0), k.stride(1), v.stride(0), v.stride(1))
    constants = {**found, "WIDTH": width, "PRECISION": float32_precision()}
    if masked:
        reach = keys - queries if mask.causal else keys
        pointers, mask_strides, flags = _masks(q, shown, bias)
        launch(
            attention_masked_kernel, grid, q.device, q, k, v, y, *pointers, *sizes, reach,
            *strides, *mask_strides, **flags, **constants,
        )  # fmt: skip
    else:
        launch(
            attention_kernel, grid, q.device, q, k, v, y, *sizes, *strides,
            CAUSAL=bool(mask.causal), **constants,
        )  # fmt: skip
    return y


def _masks(
    q: Tensor, shown: Tensor | None, bias: Tensor | None
) -> tuple[tuple[Tensor, Tensor], tuple[int, ...], dict[str, bool]]:
    """Give pointers, strides and flags of the masks; q stands in for one that is not there."""
    padding, shown_batch = (q, 0) if shown is None else (shown, shown.stride(0))
    added, bias_strides = (q, (0, 0, 0, 1)) if bias is None else (bias, bias.stride())
    flags = {"PADDED": shown is not None, "BIASED": bias is not None}
    return (padding, added), (shown_batch, *bias_strides), flags


WIDTHS = (32, 48, 64, 72, 80, 88, 96, 104, 128)
"""Of the heads that real checkpoints have."""


def configurations() -> list[Configuration]:
    """Say what the launcher chooses for the heads, lengths and masks of real checkpoints.

    Texts that are causal or that have a bias are 64 wide; padding is also that of pictures 72 wide.
    float16 has the tiles of bfloat16, so it is here once.
    """
    dtypes = ("bfloat16", "float32")
    cases = [(width, dtype, 257, False) for width in WIDTHS for dtype in dtypes]
    cases += [(width, "bfloat16", 577, False) for width in (64, 72, 80)]
    cases += [(64, dtype, 257, True) for dtype in dtypes] + [(64, "float16", 257, False)]
    found = []
    for width, dtype, length, causal in cases:
        constants = {**tiles(width, getattr(torch, dtype), length), "CAUSAL": causal}
        found.append(configuration(attention_kernel, width, dtype, constants, {}))
    for width, biased in ((64, False), (64, True), (72, False)):
        found += [_masked_configuration(width, dtype, not biased, biased) for dtype in dtypes]
    return found


def _masked_configuration(width: int, dtype: str, padded: bool, biased: bool) -> Configuration:
    """Say how the kernel with masks compiles; a mask that is not there is a pointer to q."""
    q = f"*{TRITON_NAMES[dtype]}"
    strides = ("shown_batch", "bias_batch", "bias_head", "bias_row")  # of 197 keys, say
    kinds = {"shown_ptr": "*u8" if padded else q, "bias_ptr": q, "reach": "i32:any"}
    chosen = tiles(width, getattr(torch, dtype), 257, masked=True)
    constants = {**chosen, "PADDED": padded, "BIASED": biased, "bias_key": 1}
    kinds |= dict.fromkeys(strides, "i32:any")
    return configuration(attention_masked_kernel, width, dtype, constants, kinds)
