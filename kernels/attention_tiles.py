"""Pieces that attention kernels are made of: tiles of q, k and v, the softmax, and the whole walk.

Twin:    refimpl/ops.py, attention; every function here is a step of it, for one head of one item.
Layout:  a head is WIDTH columns of rows that lie `stride` numbers apart. Triton's tiles are powers
         of two, so a head is up to three pieces of P1, P2 and P3 columns: 88 is 64 + 32 and not
         128. Columns of a piece that are not the head's are loaded as 0 and never stored.
Sums:    float32. The softmax goes over the keys tile by tile (online): it keeps each row's largest
         score so far, `top`, and the sum of exp(score − top), and shrinks what it has summed when
         a larger score comes. exp(x) is exp2(x · log₂e), because exp2 is what a GPU computes.
Source:  Milakov and Gimelshein 2018 (arXiv:1805.02867); Dao et al. 2022 (arXiv:2205.14135).

Called by attention.py and attention_packed.py; read attention.py next.
"""

import triton
import triton.language as tl

from kernels.device_functions import dot, rounded

LOG2E = tl.constexpr(1.4426950408889634)
HIDDEN = tl.constexpr(-3.4028234663852886e38)  # the twin's: the most negative finite float32
NOTHING = tl.constexpr(float("-inf"))  # of a key that is not there: it never counts


@triton.jit
def load_piece(
    ptr, first, stride, end, ROWS: tl.constexpr, WHOLE: tl.constexpr,
    FIRST: tl.constexpr, P: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Load P columns, from column FIRST on, of ROWS rows, from row `first` on; 0 outside.

    Rows from `end` on are outside. WHOLE promises that there are none, and no row is compared.
    """
    row = tl.arange(0, ROWS)
    column = FIRST + tl.arange(0, P)
    place = ptr + tl.cast(first, tl.int64) * stride + row[:, None] * stride + column[None, :]
    inside = (column < WIDTH)[None, :]
    if not WHOLE:
        inside = inside & (first + row < end)[:, None]
    if WHOLE and FIRST + P <= WIDTH:
        x = tl.load(place)
    else:
        x = tl.load(place, inside, 0.0)
    return x


@triton.jit
def load_queries(
    ptr, first, stride, end, ROWS: tl.constexpr, WIDTH: tl.constexpr,
    P1: tl.constexpr, P2: tl.constexpr, P3: tl.constexpr,
):  # fmt: skip
    """Load the pieces of ROWS queries; a piece of no columns is a stand-in that nobody reads."""
    q1 = load_piece(ptr, first, stride, end, ROWS, False, 0, P1, WIDTH)
    q2 = q1
    q3 = q1
    if P2 > 0:
        q2 = load_piece(ptr, first, stride, end, ROWS, False, P1, P2, WIDTH)
    if P3 > 0:
        q3 = load_piece(ptr, first, stride, end, ROWS, False, P1 + P2, P3, WIDTH)
    return q1, q2, q3


@triton.jit
def no_sums(ROWS: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr, P3: tl.constexpr):
    """Begin: three pieces of sums of values, the top of each row, the total of each row."""
    y1 = tl.zeros([ROWS, P1], tl.float32)
    y2 = tl.zeros([ROWS, P2 if P2 > 0 else 1], tl.float32)
    y3 = tl.zeros([ROWS, P3 if P3 > 0 else 1], tl.float32)
    return y1, y2, y3, tl.full([ROWS], NOTHING, tl.float32), tl.zeros([ROWS], tl.float32)


@triton.jit
def multiply_keys(
    q1, q2, q3, k_ptr, first, stride, end, KEYS: tl.constexpr, WHOLE: tl.constexpr,
    WIDTH: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr, P3: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Multiply queries with KEYS keys, from key `first` on: q kᵀ as the sum over the pieces."""
    k1 = load_piece(k_ptr, first, stride, end, KEYS, WHOLE, 0, P1, WIDTH)
    products = dot(q1, tl.trans(k1), tl.zeros([q1.shape[0], KEYS], tl.float32), PRECISION)
    if P2 > 0:
        k2 = load_piece(k_ptr, first, stride, end, KEYS, WHOLE, P1, P2, WIDTH)
        products = dot(q2, tl.trans(k2), products, PRECISION)
    if P3 > 0:
        k3 = load_piece(k_ptr, first, stride, end, KEYS, WHOLE, P1 + P2, P3, WIDTH)
        products = dot(q3, tl.trans(k3), products, PRECISION)
    return products


@triton.jit
def raised(top, found):
    """Raise the top of each row to what was found; say too what to subtract from its scores.

    That is the new top, unless every score so far is −∞: −∞ less itself would be NaN, and tiles to
    come may still have finite scores.
    """
    new = tl.maximum(top, found)
    return new, tl.where(new == NOTHING, 0.0, new)


@triton.jit
def weigh_products(products, scale, top, total):
    """Take one softmax step over keys of which none is hidden: the scores are products · scale.

    Scaling and subtraction are one fused multiply-add here; `weigh` is for everything else.

    Returns:
        exp(score − top), by how much all sums so far shrink, the new top, the new total.
    """
    new, base = raised(top, tl.max(products, 1) * scale)
    weights = tl.exp2(products * (scale * LOG2E) - (base * LOG2E)[:, None])
    shrink = tl.exp2((top - base) * LOG2E)
    return weights, shrink, new, total * shrink + tl.sum(weights, 1)


@triton.jit
def weigh(scores, top, total):
    """Take one softmax step over scores of which some may be HIDDEN or NOTHING.

    The subtraction comes before the scaling, and is then exact where it matters: a row whose every
    key is HIDDEN gives each the weight 1. Returns what `weigh_products` does.
    """
    new, base = raised(top, tl.max(scores, 1))
    weights = tl.exp2((scores - base[:, None]) * LOG2E)
    shrink = tl.exp2((top - base) * LOG2E)
    return weights, shrink, new, total * shrink + tl.sum(weights, 1)


@triton.jit
def add_values(
    y1, y2, y3, weights, shrink, v_ptr, first, stride, end,
    KEYS: tl.constexpr, WHOLE: tl.constexpr, WIDTH: tl.constexpr,
    P1: tl.constexpr, P2: tl.constexpr, P3: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Shrink the sums so far, and add the weighted values of KEYS keys, piece by piece."""
    v1 = load_piece(v_ptr, first, stride, end, KEYS, WHOLE, 0, P1, WIDTH)
    weights = rounded(weights, v1.dtype)
    y1 = dot(weights, v1, y1 * shrink[:, None], PRECISION)
    if P2 > 0:
        v2 = load_piece(v_ptr, first, stride, end, KEYS, WHOLE, P1, P2, WIDTH)
        y2 = dot(weights, v2, y2 * shrink[:, None], PRECISION)
    if P3 > 0:
        v3 = load_piece(v_ptr, first, stride, end, KEYS, WHOLE, P1 + P2, P3, WIDTH)
        y3 = dot(weights, v3, y3 * shrink[:, None], PRECISION)
    return y1, y2, y3


@triton.jit
def _store_piece(
    ptr, y, first, stride, end, ROWS: tl.constexpr,
    FIRST: tl.constexpr, P: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Store P columns, from column FIRST on, of the rows before `end`, rounded."""
    row = tl.arange(0, ROWS)
    column = FIRST + tl.arange(0, P)
    place = ptr + tl.cast(first, tl.int64) * stride + row[:, None] * stride + column[None, :]
    inside = (first + row < end)[:, None] & (column < WIDTH)[None, :]
    tl.store(place, rounded(y, ptr.dtype.element_ty), inside)


@triton.jit
def store_average(
    ptr, y1, y2, y3, total, first, stride, end, ROWS: tl.constexpr,
    WIDTH: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr, P3: tl.constexpr,
):  # fmt: skip
    """End: divide the sums by the total of their weights, and store the rows before `end`."""
    _store_piece(ptr, y1 / total[:, None], first, stride, end, ROWS, 0, P1, WIDTH)
    if P2 > 0:
        _store_piece(ptr, y2 / total[:, None], first, stride, end, ROWS, P1, P2, WIDTH)
    if P3 > 0:
        _store_piece(ptr, y3 / total[:, None], first, stride, end, ROWS, P1 + P2, P3, WIDTH)


@triton.jit
def attend(
    q_ptr, k_ptr, v_ptr, y_ptr, row, queries, keys, scale, q_stride, k_stride, v_stride, y_stride,
    WIDTH: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr, P3: tl.constexpr,
    QUERIES: tl.constexpr, KEYS: tl.constexpr, EDGE: tl.constexpr, CAUSAL: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Do all the work of QUERIES queries, from query `row` on, of one head of one item.

    First come whole tiles of KEYS keys that every query sees, then smaller ones of EDGE keys where
    a comparison says which count: the last keys, and the causal diagonal. Keys that no query of
    the tile sees are skipped, unless some query sees none: that one spreads evenly over them all.
    """
    q1, q2, q3 = load_queries(q_ptr, row, q_stride, queries, QUERIES, WIDTH, P1, P2, P3)
    y1, y2, y3, top, total = no_sums(QUERIES, P1, P2, P3)
    limit = keys
    seen = keys  # by every query of the tile
    if CAUSAL:
        last = keys - queries + row  # the last key that the first query sees
        limit = tl.where(last < 0, keys, tl.minimum(keys, last + QUERIES))
        seen = tl.maximum(0, tl.minimum(keys, last + 1))
    whole = seen // KEYS * KEYS
    for first in range(0, whole, KEYS):
        products = multiply_keys(
            q1, q2, q3, k_ptr, first, k_stride, keys, KEYS, True, WIDTH, P1, P2, P3, PRECISION
        )
        weights, shrink, top, total = weigh_products(products, scale, top, total)
        y1, y2, y3 = add_values(
            y1, y2, y3, weights, shrink, v_ptr, first, v_stride, keys,
            KEYS, True, WIDTH, P1, P2, P3, PRECISION,
        )  # fmt: skip
    for first in range(whole, limit, EDGE):
        scores = scale * multiply_keys(
            q1, q2, q3, k_ptr, first, k_stride, keys, EDGE, False, WIDTH, P1, P2, P3, PRECISION
        )
        key = first + tl.arange(0, EDGE)[None, :]
        if CAUSAL:
            scores = tl.where(key <= last + tl.arange(0, QUERIES)[:, None], scores, HIDDEN)
        scores = tl.where(key < keys, scores, NOTHING)
        weights, shrink, top, total = weigh(scores, top, total)
        y1, y2, y3 = add_values(
            y1, y2, y3, weights, shrink, v_ptr, first, v_stride, keys,
            EDGE, False, WIDTH, P1, P2, P3, PRECISION,
        )  # fmt: skip
    store_average(y_ptr, y1, y2, y3, total, row, y_stride, queries, QUERIES, WIDTH, P1, P2, P3)
