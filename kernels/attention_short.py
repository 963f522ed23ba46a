"""Attention of short sequences: all keys of a head stand in one or two tiles.

Twin:    refimpl/ops.py, attention, with masks that are causal, key padding, or an additive bias.
Layout:  q (B, L, D), k and v (B, S, D) as they lie, so views of one packed product (B, L, 3D) are
         read without a copy; y (B, L, D) contiguous. Head h owns columns h·K to (h + 1)·K.
Grid:    one program for QUERIES queries of a few heads of one text or picture. It walks over the
         heads, so the next head's numbers are on their way while this one's are multiplied.
Tiles:   the keys as up to two powers of two, 77 as 64 + 16; the head's columns as up to three,
         72 as 64 + 16 and 104 as 64 + 32 + 16, instead of padding either to the next power.
Sums:    float32. The softmax is one pass: a row's maximum is known before its first exponential,
         so nothing is rescaled. Powers of two, with log₂e in the scale.
Traffic: q, k and v are read once and y is written once: 8·S·K bytes a head in half precision for
         4·S²·K FLOPs, so below about 350 tokens it is memory that counts. Where L is above QUERIES,
         each block of queries reads k and v again, from the cache.
Limits:  S up to 80 (with K up to 96) or 64 (with K up to 128), in float32 64 with K up to 80;
         float16, bfloat16; no bias together with padding.
Source:  Vaswani et al. 2017 (arXiv:1706.03762), section 3.2.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.attention_shapes import check_attention, fitted, readable
from kernels.attention_tiles import (
    HIDDEN,
    LOG2E,
    NOTHING,
    load_piece,
    load_queries,
    multiply_keys,
)
from kernels.compiled import TRITON_NAMES, Configuration
from kernels.device_functions import dot, rounded
from kernels.errors import KernelError
from kernels.runtime import cdiv, float32_precision, launch, split

LONGEST = 80
WIDEST = 128


@triton.jit
def _masked(
    s, mask_ptr, row, queries, mask_row, mask_key, first, keys, offset, KEYS: tl.constexpr,
    MASK: tl.constexpr,
):  # fmt: skip
    """Add the bias; give hidden keys the lowest number, and places behind the last key −∞."""
    key = first + tl.arange(0, KEYS)
    inside = (key < keys)[None, :]
    seen = inside & (key[None, :] <= row[:, None] + offset)
    if MASK == "padding":
        seen = seen & (tl.load(mask_ptr + key * mask_key, key < keys, 0) != 0)[None, :]
    if MASK == "bias":
        live = inside & (row < queries)[:, None]
        place = mask_ptr + row[:, None].to(tl.int64) * mask_row + key[None, :] * mask_key
        s += tl.load(place, live, 0.0).to(tl.float32)
    return tl.where(seen, s, tl.where(inside, HIDDEN, NOTHING))


@triton.jit
def _context(
    p, far, total, v_ptr, v_row, keys, y_ptr, first, y_row, queries,
    QUERIES: tl.constexpr, KEYS1: tl.constexpr, KEYS2: tl.constexpr,
    FIRST: tl.constexpr, P: tl.constexpr, WIDTH: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Weigh P columns of the values, divide by the weights' total, and store."""
    dtype: tl.constexpr = y_ptr.dtype.element_ty
    v = load_piece(v_ptr, 0, v_row, keys, KEYS1, KEYS2 > 0, FIRST, P, WIDTH)
    y = dot(rounded(p, dtype), v, tl.zeros([QUERIES, P], tl.float32), PRECISION)
    if KEYS2 > 0:
        v = load_piece(v_ptr, KEYS1, v_row, keys, KEYS2, False, FIRST, P, WIDTH)
        y = dot(rounded(far, dtype), v, y, PRECISION)
    row = first + tl.arange(0, QUERIES)
    column = FIRST + tl.arange(0, P)
    inside = (row < queries)[:, None] & (column < WIDTH)[None, :]
    place = y_ptr + row[:, None].to(tl.int64) * y_row + column[None, :]
    tl.store(place, rounded(y / total[:, None], dtype), inside)


@triton.jit
def _head(
    q_ptr, k_ptr, v_ptr, y_ptr, mask_ptr, first, queries, keys, offset, scale,
    q_row, k_row, v_row, y_row, mask_row, mask_key,
    WIDTH: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr, P3: tl.constexpr,
    QUERIES: tl.constexpr, KEYS1: tl.constexpr, KEYS2: tl.constexpr, MASK: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Attend from QUERIES queries of one head to all its keys: y = softmax(scale·q kᵀ) v."""
    row = first + tl.arange(0, QUERIES)
    q1, q2, q3 = load_queries(q_ptr, first, q_row, queries, QUERIES, WIDTH, P1, P2, P3)
    s = multiply_keys(
        q1, q2, q3, k_ptr, 0, k_row, keys, KEYS1, KEYS2 > 0, WIDTH, P1, P2, P3, PRECISION
    )
    s = _masked(s * scale, mask_ptr, row, queries, mask_row, mask_key, 0, keys, offset, KEYS1, MASK)
    top = tl.max(s, 1)
    far = s
    if KEYS2 > 0:
        far = multiply_keys(
            q1, q2, q3, k_ptr, KEYS1, k_row, keys, KEYS2, False, WIDTH, P1, P2, P3, PRECISION
        )
        far = _masked(
            far * scale, mask_ptr, row, queries, mask_row, mask_key, KEYS1, keys, offset,
            KEYS2, MASK,
        )  # fmt: skip
        top = tl.maximum(top, tl.max(far, 1))
    p = tl.exp2((s - top[:, None]) * LOG2E)
    total = tl.sum(p, 1)
    if KEYS2 > 0:
        far = tl.exp2((far - top[:, None]) * LOG2E)
        total += tl.sum(far, 1)
    _context(p, far, total, v_ptr, v_row, keys, y_ptr, first, y_row, queries,
             QUERIES, KEYS1, KEYS2, 0, P1, WIDTH, PRECISION)  # fmt: skip
    if P2 > 0:
        _context(p, far, total, v_ptr, v_row, keys, y_ptr, first, y_row, queries,
                 QUERIES, KEYS1, KEYS2, P1, P2, WIDTH, PRECISION)  # fmt: skip
    if P3 > 0:
        _context(p, far, total, v_ptr, v_row, keys, y_ptr, first, y_row, queries,
                 QUERIES, KEYS1, KEYS2, P1 + P2, P3, WIDTH, PRECISION)  # fmt: skip


@triton.jit
def attention_short_kernel(
    q_ptr, k_ptr, v_ptr, y_ptr, mask_ptr, heads, each, queries, keys, offset, scale,
    q_batch, q_row, k_batch, k_row, v_batch, v_row, mask_batch, mask_head, mask_row, mask_key,
    WIDTH: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr, P3: tl.constexpr,
    QUERIES: tl.constexpr, KEYS1: tl.constexpr, KEYS2: tl.constexpr, MASK: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Attend for QUERIES queries of `each` heads of one item; query i sees keys up to i + offset."""
    blocks = tl.cdiv(queries, QUERIES)
    groups = tl.cdiv(heads, each)
    program = tl.program_id(0)
    batch = (program // (blocks * groups)).to(tl.int64)
    group = program // blocks % groups
    for head in range(group * each, tl.minimum(group * each + each, heads)):
        _head(
            q_ptr + batch * q_batch + head * WIDTH,
            k_ptr + batch * k_batch + head * WIDTH,
            v_ptr + batch * v_batch + head * WIDTH,
            y_ptr + (batch * queries * heads + head) * WIDTH,
            mask_ptr + batch * mask_batch + tl.cast(head, tl.int64) * mask_head,
            program % blocks * QUERIES, queries, keys, offset, scale,
            q_row, k_row, v_row, heads * WIDTH, mask_row, mask_key,
            WIDTH, P1, P2, P3, QUERIES, KEYS1, KEYS2, MASK, PRECISION,
        )  # fmt: skip


def tiles(width: int, keys: int, dtype: torch.dtype) -> dict[str, int]:
    """Choose tiles and warps: by head width, number of keys and dtype.

    64 queries with four warps are the smallest tile of Hopper's tensor cores. Exact float32 runs
    on none and its operands fill the registers: half the queries and twice the warps.

    Returns:
        The pieces of a head P1, P2 and P3, QUERIES, KEYS1 and KEYS2, num_warps and num_stages;
        nothing where they would fill the registers (attention.py walks over the keys instead).
    """
    pieces = split(width, 16)
    if dtype == torch.float32:
        rows, warps, widest = 32, 8, 80 if keys <= 64 else 0
    else:
        rows, warps, widest = 64, 4, WIDEST if keys <= 64 else 96
    if sum(pieces) > widest:
        return {}
    found = dict(zip(("P1", "P2", "P3"), pieces, strict=True))
    found |= {"QUERIES": rows, "KEYS1": 64, "KEYS2": 16 if keys > 64 else 0}
    return found | {"num_warps": warps, "num_stages": 2}


def heads_of_program(batch: int, heads: int, queries: int) -> int:
    """Choose how many heads a program walks over: few enough that a GPU is full of programs."""
    most = 4 if queries <= 64 else 2
    return max(1, min(most, heads, batch * heads // 1024))


def attention_short(
    q: Tensor, k: Tensor, v: Tensor, *, heads: int, mask: Any, scale: float
) -> Tensor:
    """Attend with several heads: (B, L, D), contiguous, from q (B, L, D) and k, v (B, S, D).

    Args:
        q: queries; float32, float16 or bfloat16, of any strides.
        k: keys, of the same dtype.
        v: values, of the same dtype.
        heads: how many; D is theirs in equal shares.
        mask: as refimpl/graph/interface.py, Mask: causal or not, and key_padding or a bias.
        scale: of the products of queries and keys.

    Raises:
        KernelError: shapes, dtypes or devices do not fit, or `why_not_here` has a reason.
    """
    check_attention("attention_short", q, k, v, heads)
    reason = why_not_here(q, k, mask, heads)
    if reason is not None:
        raise KernelError(f"attention_short: {reason}; kernels.ops.attention chooses what fits")
    (batch, queries, _), keys, width = q.shape, k.shape[1], q.shape[2] // heads
    kind, drawn, steps = _mask_as_it_lies(q, mask, (batch, heads, queries, keys))
    y = torch.empty(q.shape, dtype=q.dtype, device=q.device)
    q, k, v = (readable(x) for x in (q, k, v))
    found = tiles(width, keys, q.dtype)
    each = heads_of_program(batch, heads, queries)
    programs = batch * cdiv(heads, each) * cdiv(queries, found["QUERIES"])
    launch(
        attention_short_kernel, (programs,), q.device,
        q, k, v, y, drawn, heads, each, queries, keys, keys - queries if mask.causal else keys,
        float(scale), q.stride(0), q.stride(1), k.stride(0), k.stride(1), v.stride(0), v.stride(1),
        *steps,
        WIDTH=width, MASK=kind, PRECISION=float32_precision(), **found,
    )  # fmt: skip
    return y


def why_not_here(q: Tensor, k: Tensor, mask: Any, heads: int) -> str | None:
    """Say why this file does not serve a call, or None where it does.

    Args:
        q: (B, L, D).
        k: (B, S, D).
        mask: its attributes are those of refimpl/graph/interface.py, Mask.
        heads: how many heads share D.
    """
    keys, width = k.shape[1], q.shape[2] // heads
    if mask.segments is not None:
        return "texts are packed"
    if mask.visible is not None:
        return "each query has a mask of its own"
    if mask.bias is not None and mask.key_padding is not None:
        return "a bias and padding together"
    if not 0 < keys <= LONGEST:
        return f"{keys} keys are not 1 to {LONGEST}"
    if width > WIDEST:
        return f"heads are wider than {WIDEST}"
    if not tiles(width, keys, q.dtype):
        return f"{keys} keys of heads {width} wide fill more registers than there are"
    return None


def _mask_as_it_lies(
    q: Tensor, mask: Any, shape: tuple[int, ...]
) -> tuple[str, Tensor, tuple[int, ...]]:
    """Return the mask's kind, its memory, and its strides by item, head, query and key."""
    batch, _, _, keys = shape
    bias = fitted("bias", mask.bias, shape, q)
    if bias is not None:
        return "bias", bias, bias.stride()
    padding = fitted("key_padding", mask.key_padding, (batch, keys), q)
    if padding is not None:
        return "padding", padding, (padding.stride(0), 0, 0, padding.stride(1))
    return "none", q, (0, 0, 0, 1)


SHORT = ((64, 64, "none"), (72, 64, "none"), (32, 64, "padding"), (64, 64, "padding"))
"""Head width, keys and mask: B/32 pictures and SigLIP's texts of both widths; BERT's short texts.

Pictures with wider heads have more tokens, and BEiT's, which have a bias, have 197.
"""


def configurations() -> list[Configuration]:
    """Say what the launcher chooses for real checkpoints; causal is no constant here.

    In float32 attention.py takes all above 64 keys. float16 has the tiles of bfloat16, so it is
    here once.
    """
    calls = [(*short, dtype) for short in SHORT for dtype in ("bfloat16", "float32")]
    calls += [(64, 77, kind, "bfloat16") for kind in ("none", "padding")]
    calls += [(64, 77, "bias", "bfloat16"), (64, 77, "none", "float16")]
    return [_configuration(*call) for call in calls]


def _configuration(width: int, keys: int, kind: str, dtype: str) -> Configuration:
    """Say how the kernel compiles for one head width, number of keys, mask and dtype."""
    found = tiles(width, keys, getattr(torch, dtype))
    memory = f"*{TRITON_NAMES[dtype]}"
    strides = ("q_batch", "q_row", "k_batch", "k_row", "v_batch", "v_row")
    signature = {
        **dict.fromkeys(("q_ptr", "k_ptr", "v_ptr", "y_ptr"), memory),
        "mask_ptr": "*u8" if kind == "padding" else memory,
        **dict.fromkeys(("heads", "each", "queries", "keys", "offset"), "i32:any"),
        "scale": "fp32",
        **dict.fromkeys(strides, "i32"),
        **dict.fromkeys(("mask_batch", "mask_head", "mask_row"), "i32:any"),
    }
    constants = {name: value for name, value in found.items() if not name.startswith("num_")}
    return Configuration(
        f"attention_short {dtype} {width} {found['KEYS1']}+{found['KEYS2']} {kind}",
        attention_short_kernel,
        signature,
        {**constants, "WIDTH": width, "MASK": kind, "PRECISION": "ieee", "mask_key": 1},
        found["num_warps"],
        found["num_stages"],
        tensor_cores=dtype != "float32",
        wide_loads=kind == "none",
    )
