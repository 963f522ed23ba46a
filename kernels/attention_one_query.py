"""Attention of one query: a learned probe asks all tokens of a picture (SigLIP's pooling head).

Twin:    refimpl/ops.py, attention, for L = 1, with or without key padding.
Layout:  q (B, 1, D), which may be one probe for all items (a stride of 0); k and v (B, S, D) as
         views of one packed product; y (B, 1, D) contiguous. Head h owns columns h·K to (h + 1)·K.
Grid:    one program for each head of each item; it walks over the keys, KEYS at a time.
Sums:    float32. No product of matrices: one row would leave 63 of 64 rows of a tensor core empty.
         Every lane of a tile keeps its own largest score, total and sums, over every KEYS-th key;
         they meet once, at the end, so the loop has no barrier.
Traffic: k and v are read once: 4·S·K bytes a head in half precision for 4·S·K FLOPs. It is memory
         that counts.
Limits:  K up to 256; float32, float16, bfloat16; no bias, no mask of the query's own.
Source:  Milakov and Gimelshein 2018 (arXiv:1805.02867); Zhai et al. 2023 (arXiv:2303.15343).
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.attention_shapes import check_attention, fitted, readable, why_not_heads
from kernels.attention_tiles import HIDDEN, LOG2E, NOTHING
from kernels.compiled import TRITON_NAMES, Configuration
from kernels.device_functions import rounded
from kernels.errors import KernelError
from kernels.runtime import launch, split


@triton.jit
def _query(q_ptr, FIRST: tl.constexpr, P: tl.constexpr, WIDTH: tl.constexpr):
    """Load P columns of the query as a float32 row; 0 outside."""
    column = FIRST + tl.arange(0, P)
    return tl.load(q_ptr + column, column < WIDTH, 0.0).to(tl.float32)[None, :]


@triton.jit
def _rows(ptr, key, keys, stride, FIRST: tl.constexpr, P: tl.constexpr, WIDTH: tl.constexpr):
    """Load P columns of some keys, or values, as float32; 0 outside."""
    column = FIRST + tl.arange(0, P)
    inside = (key < keys)[:, None] & (column < WIDTH)[None, :]
    place = ptr + key[:, None].to(tl.int64) * stride + column[None, :]
    return tl.load(place, inside, 0.0).to(tl.float32)


@triton.jit
def _put(y_ptr, y, shrink, total, FIRST: tl.constexpr, P: tl.constexpr, WIDTH: tl.constexpr):
    """Bring the lanes' sums to one scale, add them up, divide by the total, and store."""
    column = FIRST + tl.arange(0, P)
    y = tl.sum(y * shrink[:, None], 0) / total
    tl.store(y_ptr + column, rounded(y, y_ptr.dtype.element_ty), column < WIDTH)


@triton.jit
def attention_one_query_kernel(
    q_ptr, k_ptr, v_ptr, y_ptr, shown_ptr, keys, heads, scale,
    q_batch, k_batch, k_row, v_batch, v_row, shown_batch,
    WIDTH: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr, P3: tl.constexpr,
    KEYS: tl.constexpr, PADDED: tl.constexpr,
):  # fmt: skip
    """Attend from one query to all keys of one head of one item."""
    item = (tl.program_id(0) // heads).to(tl.int64)
    column = tl.program_id(0) % heads * WIDTH
    q_ptr += item * q_batch + column
    k_ptr += item * k_batch + column
    v_ptr += item * v_batch + column
    y_ptr += item * heads * WIDTH + column
    q1 = _query(q_ptr, 0, P1, WIDTH) * scale
    y1 = tl.zeros([KEYS, P1], tl.float32)
    if P2 > 0:
        q2 = _query(q_ptr, P1, P2, WIDTH) * scale
        y2 = tl.zeros([KEYS, P2], tl.float32)
    if P3 > 0:
        q3 = _query(q_ptr, P1 + P2, P3, WIDTH) * scale
        y3 = tl.zeros([KEYS, P3], tl.float32)
    top = tl.full([KEYS], HIDDEN, tl.float32)  # finite, so that −∞ less it is no NaN
    total = tl.zeros([KEYS], tl.float32)
    for first in range(0, keys, KEYS):
        key = first + tl.arange(0, KEYS)
        s = tl.sum(q1 * _rows(k_ptr, key, keys, k_row, 0, P1, WIDTH), 1)
        if P2 > 0:
            s += tl.sum(q2 * _rows(k_ptr, key, keys, k_row, P1, P2, WIDTH), 1)
        if P3 > 0:
            s += tl.sum(q3 * _rows(k_ptr, key, keys, k_row, P1 + P2, P3, WIDTH), 1)
        if PADDED:
            shown = tl.load(shown_ptr + item * shown_batch + key, key < keys, 0) != 0
            s = tl.where(shown, s, HIDDEN)
        s = tl.where(key < keys, s, NOTHING)
        new = tl.maximum(top, s)
        p = tl.exp2((s - new) * LOG2E)
        shrink = tl.exp2((top - new) * LOG2E)
        top = new
        total = total * shrink + p
        shrink = shrink[:, None]
        p = p[:, None]
        y1 = y1 * shrink + p * _rows(v_ptr, key, keys, v_row, 0, P1, WIDTH)
        if P2 > 0:
            y2 = y2 * shrink + p * _rows(v_ptr, key, keys, v_row, P1, P2, WIDTH)
        if P3 > 0:
            y3 = y3 * shrink + p * _rows(v_ptr, key, keys, v_row, P1 + P2, P3, WIDTH)
    shrink = tl.exp2((top - tl.max(top, 0)) * LOG2E)
    total = tl.sum(total * shrink, 0)
    _put(y_ptr, y1, shrink, total, 0, P1, WIDTH)
    if P2 > 0:
        _put(y_ptr, y2, shrink, total, P1, P2, WIDTH)
    if P3 > 0:
        _put(y_ptr, y3, shrink, total, P1 + P2, P3, WIDTH)


def tiles(width: int) -> dict[str, int]:
    """Choose the pieces of a head, and keys of a tile: 8 numbers a load even in the last piece."""
    pieces = dict(zip(("P1", "P2", "P3"), split(width, 16), strict=True))
    return {**pieces, "KEYS": 32, "num_warps": 2 if width <= 128 else 4, "num_stages": 2}


def attention_one_query(
    q: Tensor, k: Tensor, v: Tensor, *, heads: int, mask: Any, scale: float
) -> Tensor:
    """Attend from one query: (B, 1, D), contiguous, from q (B, 1, D) and k, v (B, S, D).

    Args:
        q: the query; float32, float16 or bfloat16, of any strides, also 0.
        k: keys, of the same dtype.
        v: values, of the same dtype.
        heads: how many; D is theirs in equal shares of at most 256.
        mask: as refimpl/graph/interface.py, Mask: nothing, or key_padding. Causal hides nothing
            from the last token, which a lone query is.
        scale: of the products of the query and keys.

    Raises:
        KernelError: shapes, dtypes or devices do not fit, or `why_not_here` has a reason.
    """
    check_attention("attention_one_query", q, k, v, heads)
    reason = why_not_here(q, k, mask, heads)
    if reason is not None:
        raise KernelError(f"attention_one_query: {reason}; kernels.ops.attention chooses what fits")
    batch, keys, width = q.shape[0], k.shape[1], q.shape[2] // heads
    shown = fitted("key_padding", mask.key_padding, (batch, keys), q)
    y = torch.empty(q.shape, dtype=q.dtype, device=q.device)
    q, k, v = (readable(x) for x in (q, k, v))
    padding, shown_batch = (q, 0) if shown is None else (shown, shown.stride(0))
    launch(
        attention_one_query_kernel, (batch * heads,), q.device,
        q, k, v, y, padding, keys, heads, float(scale),
        q.stride(0), k.stride(0), k.stride(1), v.stride(0), v.stride(1), shown_batch,
        WIDTH=width, PADDED=shown is not None, **tiles(width),
    )  # fmt: skip
    return y


def why_not_here(q: Tensor, k: Tensor, mask: Any, heads: int) -> str | None:
    """Say why this file does not serve a call, or None where it does.

    Args:
        q: (B, 1, D).
        k: (B, S, D).
        mask: its attributes are those of refimpl/graph/interface.py, Mask.
        heads: how many heads share D.
    """
    if q.shape[1] != 1:
        return f"{q.shape[1]} queries, not one"
    if mask.segments is not None:
        return "texts are packed"
    if mask.visible is not None or mask.bias is not None:
        return "the query has a mask or bias of its own"
    if k.shape[1] == 0:
        return "there is no key"
    return why_not_heads(q, heads)


WIDTHS = (64, 72, 96)
"""Of the heads of real pooling heads: SigLIP's and SigLIP 2's."""


def configurations() -> list[Configuration]:
    """Say what the launcher chooses for real pooling heads; float16 has the tiles of bfloat16."""
    calls = [(width, dtype, False) for width in WIDTHS for dtype in ("bfloat16", "float32")]
    calls += [(width, dtype, True) for width in (64, 72) for dtype in ("bfloat16", "float32")]
    calls += [(72, "float16", False)]
    return [_configuration(*call) for call in calls]


def _configuration(width: int, dtype: str, padded: bool) -> Configuration:
    """Say how the kernel compiles for one head width and dtype, with padding or without."""
    found = tiles(width)
    memory = f"*{TRITON_NAMES[dtype]}"
    constants = {name: value for name, value in found.items() if not name.startswith("num_")}
    return Configuration(
        f"attention_one_query {dtype} {width}{' padding' if padded else ''}",
        attention_one_query_kernel,
        {
            **dict.fromkeys(("q_ptr", "k_ptr", "v_ptr", "y_ptr"), memory),
            "shown_ptr": "*u8" if padded else memory,
            **dict.fromkeys(("keys", "heads"), "i32:any"),
            "scale": "fp32",
            **dict.fromkeys(("q_batch", "k_batch", "k_row", "v_batch", "v_row"), "i32"),
            "shown_batch": "i32:any",
        },
        {**constants, "WIDTH": width, "PADDED": padded},
        found["num_warps"],
        found["num_stages"],
        wide_loads=not padded,
    )
