"""Attention of texts that are packed one behind the other into one row, without any padding.

Twin:    refimpl/ops.py, attention with Mask(segments=...).
Layout:  q, k and v (1, T, D) of any stride between tokens, so they may be views of one (1, T, 3D)
         product; segments (N + 1,) says where each of N texts begins and where the last one ends.
Grid:    one program for QUERIES queries of one head of one text, as many for each text as the
         longest needs; what lies behind a text's end returns at once.
Sums:    float32; each program walks over its own text only, with attention_tiles.attend.
Traffic: q, k, v are read and y is written once: 8·T·D bytes in half precision. Padded to the
         longest, texts of 16 tokens on average and 77 at most would move almost five times that.
Limits:  head widths up to 256; segments must not fall; float32, float16, bfloat16.
Source:  Dao 2023, FlashAttention-2 (arXiv:2307.08691), flash_attn_varlen_func (cu_seqlens).
"""

import weakref
from itertools import pairwise
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.attention_shapes import (
    check_attention,
    configuration,
    prepared,
    tiles,
    why_not_heads,
)
from kernels.attention_tiles import attend
from kernels.compiled import Configuration
from kernels.errors import KernelError
from kernels.runtime import cdiv, float32_precision, launch


@triton.jit
def attention_packed_kernel(
    q_ptr, k_ptr, v_ptr, y_ptr, segments_ptr, heads, tiles, scale, q_row, k_row, v_row,
    WIDTH: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr, P3: tl.constexpr,
    QUERIES: tl.constexpr, KEYS: tl.constexpr, EDGE: tl.constexpr, CAUSAL: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Attend within one text: the queries of one of its tiles, of one head."""
    one = tl.program_id(0) // tiles
    row = tl.program_id(0) % tiles * QUERIES
    text = one // heads
    start = tl.load(segments_ptr + text).to(tl.int64)
    length = (tl.load(segments_ptr + text + 1).to(tl.int64) - start).to(tl.int32)
    column = one % heads * WIDTH
    if row < length:
        attend(
            q_ptr + start * q_row + column,
            k_ptr + start * k_row + column,
            v_ptr + start * v_row + column,
            y_ptr + start * (heads * WIDTH) + column,
            row, length, length, scale, q_row, k_row, v_row, heads * WIDTH,
            WIDTH, P1, P2, P3, QUERIES, KEYS, EDGE, CAUSAL, PRECISION,
        )  # fmt: skip


def why_not_here(q: Tensor, k: Tensor, mask: Any, heads: int) -> str | None:
    """Say why this file has no kernel for a call, or None where it has one.

    Args:
        q: (1, T, D).
        k: (1, T, D).
        mask: its attributes are those of refimpl/graph/interface.py, Mask.
        heads: how many heads share D.
    """
    if mask.segments is None:
        return "no texts are packed"
    if q.shape[0] != 1 or k.shape != q.shape:
        return "packed texts must be one row, of as many keys as queries"
    if any(each is not None for each in (mask.visible, mask.key_padding, mask.bias)):
        return "packed texts have another mask too"
    return why_not_heads(q, heads)


def attention_packed(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    segments: Tensor,
    *,
    heads: int,
    causal: bool,
    scale: float,
    longest: int | None = None,
) -> Tensor:
    """Attend within each of N packed texts: (1, T, D), contiguous, from q, k, v (1, T, D).

    Args:
        q: queries; float32, float16 or bfloat16, of any strides.
        k: keys, of the same dtype.
        v: values, of the same dtype.
        segments: (N + 1,) of whole numbers on the device of q, from 0 up to T: where each text
            begins, and where the last one ends. A text may be empty.
        heads: how many; D is theirs in equal shares of at most 256.
        causal: whether a token sees only what comes before it in its text, and itself.
        scale: of the products of queries and keys.
        longest: tokens of the longest text, or more; given, nothing waits for the GPU. It is
            believed: what is behind it in a longer text is never written. Not given, the borders
            are read, which waits; one tensor is read once, for all the layers that share it.

    Raises:
        KernelError: shapes, dtypes or devices do not fit, or there is no kernel for this.
    """
    check_attention("attention_packed", q, k, v, heads)
    _check_segments(q, k, segments)
    if (reason := why_not_heads(q, heads)) is not None:
        raise KernelError(f"attention_packed: {reason}")
    y = torch.empty(q.shape, dtype=q.dtype, device=q.device)
    if q.shape[1] == 0:
        return y
    if longest is None:
        longest = _longest(segments, q.shape[1])
    if longest < 1:
        raise KernelError(f"attention_packed: longest must be at least 1; got {longest}")
    longest = min(longest, q.shape[1])
    q, k, v, scale = prepared(q, k, v, scale)
    segments = segments.contiguous()
    width = q.shape[2] // heads
    found = tiles(width, q.dtype, longest)
    each = cdiv(longest, found["QUERIES"])
    launch(
        attention_packed_kernel, ((len(segments) - 1) * heads * each,), q.device,
        q, k, v, y, segments, heads, each, scale, q.stride(1), k.stride(1), v.stride(1),
        WIDTH=width, CAUSAL=bool(causal),
        PRECISION=float32_precision(), **found,
    )  # fmt: skip
    return y


def _check_segments(q: Tensor, k: Tensor, segments: Tensor) -> None:
    """Check shapes, dtype and device; the numbers stay unread, for reading would wait for the GPU.

    Raises:
        KernelError: they do not fit.
    """
    if q.shape[0] != 1 or k.shape != q.shape:
        raise KernelError(
            f"attention_packed: q, k and v must be one row (1, T, D) of packed texts; "
            f"got {tuple(q.shape)} and {tuple(k.shape)}"
        )
    if segments.dim() != 1 or not len(segments):
        raise KernelError(
            f"attention_packed: segments must be (N + 1,), the borders of N texts; "
            f"got {tuple(segments.shape)}"
        )
    if segments.dtype not in (torch.int32, torch.int64):
        raise KernelError(
            f"attention_packed: segments must be int32 or int64; got {segments.dtype}"
        )
    if segments.device != q.device:
        raise KernelError(
            f"attention_packed: q is on {q.device} and segments on {segments.device}; "
            f"move both to one device"
        )


_last_read: tuple[weakref.ref[Tensor], int, int, int] | None = None
"""The segments that were read last, their version, the number of tokens, and the longest text."""


def _longest(segments: Tensor, tokens: int) -> int:
    """Say how long the longest text is; the layers of a tower share one tensor and one reading.

    What is written into a tensor changes its version. Those of torch.inference_mode have none, so
    they are read every time.
    """
    global _last_read
    if segments.is_inference():
        return _read_longest(segments, tokens)
    key = segments._version, tokens
    if (last := _last_read) is not None and last[0]() is segments and last[1:3] == key:
        return last[3]
    longest = _read_longest(segments, tokens)
    _last_read = weakref.ref(segments), *key, longest
    return longest


def _read_longest(segments: Tensor, tokens: int) -> int:
    """Read the borders, which waits for the GPU, and check them while they are here.

    Raises:
        KernelError: they do not rise from 0 to the number of tokens.
    """
    borders = segments.tolist()
    lengths = [after - before for before, after in pairwise(borders)] or [0]
    if borders[0] != 0 or borders[-1] != tokens or min(lengths) < 0:
        raise KernelError(
            f"attention_packed: segments must rise from 0 to {tokens}, the tokens of q; "
            f"they begin with {borders[0]} and end with {borders[-1]}"
        )
    return max(lengths)


def configurations() -> list[Configuration]:
    """Say what the launcher chooses for real text towers, whose heads are all 64 wide.

    float16 has the tiles of bfloat16, so it is here once.
    """
    found = []
    for dtype, causal in (
        ("bfloat16", True), ("bfloat16", False), ("float32", True), ("float32", False),
        ("float16", True),
    ):  # fmt: skip
        constants = {**tiles(64, getattr(torch, dtype), 77), "CAUSAL": causal}
        kinds = {"segments_ptr": "*i64", "tiles": "i32:any"}
        found.append(configuration(attention_packed_kernel, 64, dtype, constants, kinds))
    return found
