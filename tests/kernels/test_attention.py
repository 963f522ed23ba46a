"""The general attention kernel against its numpy twin, and wrong twins that must be noticed."""

import numpy as np
import pytest
import torch
from comparing import relative_l2
from guarded import DTYPES, TOLERANCES, as_float64, guarded, watched_outputs
from hypothesis import given, settings
from hypothesis import strategies as st
from rewritten import rewritten

from kernels import attention as kernel
from kernels import attention_shapes, attention_tiles
from kernels.errors import KernelError
from refimpl import ops as numpy_ops
from refimpl.graph.interface import Mask
from refimpl.params import Linear

NODE = Linear("", None, None)  # nobody listens
WIDTHS = (8, 32, 48, 64, 72, 80, 88, 104, 128)
MASKS = ("", "causal", "padding", "bias", "causal padding", "causal bias", "causal padding bias")
LENGTHS = ((1, 1), (15, 15), (50, 50), (77, 77), (17, 129), (15, 197), (1, 257), (127, 17))
"""Queries and keys: few programs of each, because the interpreter counts tiles, not numbers."""


def operands(batch, queries, keys, columns, dtype, gap, size, rng, device):
    """q, k and v as views of one packed product, with NaN behind each token, where they can be."""
    if queries == keys:
        packed = rng.standard_normal((batch, queries, 3 * columns)) * size
        return guarded(packed, device, dtype, gap).split(columns, dim=-1)
    q = guarded(rng.standard_normal((batch, queries, columns)) * size, device, dtype, gap)
    both = rng.standard_normal((batch, keys, 2 * columns)) * size
    return q, *guarded(both, device, dtype, gap).split(columns, dim=-1)


def masks(kind, batch, heads, queries, keys, dtype, gap, rng, device):
    """A mask on the device, and the twin's."""
    padding = bias = None
    if "padding" in kind:
        padding = rng.random((batch, keys)) < 0.7
        padding[0] &= rng.random() < 0.7  # then its queries see nothing
        padding = guarded(padding, device, gap=gap)
    if "bias" in kind:
        each = kind.startswith("own ")
        shape = (batch, heads) if each else (rng.choice([1, batch]), rng.choice([1, heads]))
        bias = guarded(rng.standard_normal((*shape, queries, keys)) * 2, device, dtype, gap)
    return both_masks("causal" in kind, padding, bias)


def both_masks(causal=False, padding=None, bias=None):
    twins = Mask(
        causal=causal,
        key_padding=None if padding is None else padding.cpu().numpy(),
        bias=None if bias is None else as_float64(bias),
    )
    return Mask(causal=causal, key_padding=padding, bias=bias), twins


def compare(module, q, k, v, heads, mask, twins, scale, tolerance):
    with watched_outputs():
        found = module.attention(q, k, v, heads=heads, mask=mask, scale=scale)
    assert found.shape == q.shape and found.dtype == q.dtype and found.is_contiguous()
    wanted = numpy_ops.attention(
        NODE, *(as_float64(x) for x in (q, k, v)), heads=heads, mask=twins, scale=scale
    )
    error = relative_l2(as_float64(found), wanted)
    assert error <= tolerance, error


def check(module, device, *, lengths, kind="", width=64, heads=1, batch=1, dtype="float16",
          gap=0, size=1.0, seed=0, tolerance=None):  # fmt: skip
    rng = np.random.default_rng(seed)
    q, k, v = operands(batch, *lengths, heads * width, dtype, gap, size, rng, device)
    mask, twins = masks(kind, batch, heads, *lengths, dtype, gap, rng, device)
    scale = width**-0.5
    compare(module, q, k, v, heads, mask, twins, scale, tolerance or TOLERANCES[dtype])


@settings(max_examples=30)
@given(
    lengths=st.sampled_from(LENGTHS),
    width=st.sampled_from(WIDTHS),
    heads_and_batch=st.sampled_from([(1, 1), (2, 1), (3, 1), (1, 2), (2, 2)]),
    kind=st.sampled_from(MASKS),
    dtype=st.sampled_from(list(DTYPES)),
    gap=st.sampled_from([0, 8, 5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_equals_its_twin(device, lengths, width, heads_and_batch, kind, dtype, gap, seed):
    heads, batch = heads_and_batch if max(lengths) < 100 else (1, 1)
    check(
        kernel, device, lengths=lengths, kind=kind, width=width, heads=heads, batch=batch,
        dtype=dtype, gap=gap, seed=seed,
    )  # fmt: skip


@pytest.mark.parametrize("width", WIDTHS)
def test_every_head_width(device, width):
    check(kernel, device, lengths=(5, 81), width=width, heads=2, dtype="bfloat16", gap=3)


@pytest.mark.parametrize("kind", ["", "causal"])
def test_a_long_picture(device, kind):
    check(kernel, device, lengths=(577, 577), kind=kind, width=32, gap=8)


def test_the_widest_heads(device):
    for width, dtype in ((200, "float16"), (256, "float32")):
        check(kernel, device, lengths=(3, 35), kind="causal", width=width, heads=2, dtype=dtype)


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_extreme_scores(device, kind, dtype):
    """Products of ten thousand keep three digits behind the point in float32, sums of them fewer."""
    check(
        kernel, device, lengths=(17, 81), kind=kind, width=16, heads=2, dtype=dtype,
        size=100.0, tolerance=5e-3,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["causal", "causal padding", "causal bias"])
def test_a_query_that_sees_nothing_spreads_evenly(device, kind):
    """Of 70 queries and 40 keys, the first 30 come before every key."""
    check(kernel, device, lengths=(70, 40), kind=kind, heads=2, dtype="float32")


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_first_tile_of_minus_infinity(device, dtype):
    q, k, v = operands(1, 3, 100, 32, dtype, 0, 1.0, np.random.default_rng(1), device)
    bias = torch.zeros(1, 1, 3, 100, device=device, dtype=torch.float32)
    bias[..., 0, :90] = -torch.inf
    bias[..., 1, 10:] = -torch.inf
    compare(kernel, q, k, v, 1, *both_masks(bias=bias), 0.2, TOLERANCES[dtype])
    bias[..., 1, :] = -torch.inf
    with np.errstate(invalid="ignore"):
        wanted = numpy_ops.attention(
            NODE, *(as_float64(x) for x in (q, k, v)), heads=1, scale=0.2,
            mask=both_masks(bias=bias)[1],
        )  # fmt: skip
    found = kernel.attention(q, k, v, heads=1, mask=Mask(bias=bias), scale=0.2)
    assert np.isnan(wanted).any(-1).tolist() == [[False, True, False]]
    assert found.isnan().all(-1).tolist() == [[False, True, False]]


def test_an_additive_mask_of_the_most_negative_number(device):
    """Frameworks hide keys so; one that hides them all must spread evenly, not overflow to NaN."""
    q, k, v = operands(1, 2, 50, 32, "float32", 0, 1.0, np.random.default_rng(2), device)
    bias = torch.zeros(1, 1, 2, 50, device=device)
    bias[..., 0, :] = bias[..., 1, 20:] = torch.finfo(torch.float32).min
    compare(kernel, q, k, v, 1, *both_masks(bias=bias), 0.2, 2e-6)


def test_a_bias_of_any_strides_and_dtype(device):
    rng = np.random.default_rng(3)
    q, k, v = operands(2, 17, 19, 64, "float16", 0, 1.0, rng, device)
    one = guarded(rng.standard_normal((19, 17, 2)), device).permute(2, 1, 0)[None]
    for bias in (one, one.double(), one.bfloat16(), one[:, :1], one[..., :1]):
        _, twins = both_masks(bias=bias)
        compare(kernel, q, k, v, 2, Mask(bias=bias), twins, 0.2, 2e-3)


def test_columns_that_are_no_neighbours_and_a_falling_scale(device):
    q, k, v = (torch.randn(1, 48, 9, device=device).transpose(1, 2) for _ in range(3))
    for scale in (-0.3, 0.0, 0.3):
        compare(kernel, q, k, v, 3, *both_masks(causal=True), scale, 2e-6)


@pytest.mark.parametrize("shape", [(0, 5, 5), (2, 0, 5), (2, 0, 0), (2, 5, 0)])
@pytest.mark.parametrize("kind", ["", "causal"])
def test_empty(device, shape, kind):
    batch, queries, keys = shape
    q = torch.randn(batch, queries, 32, device=device)
    k, v = torch.randn(2, batch, keys, 32, device=device)
    found = kernel.attention(q, k, v, heads=2, mask=Mask(causal=bool(kind)), scale=1.0)
    assert found.shape == q.shape and not found.any()  # a sum over no keys is 0


def test_a_nan_stays_with_the_queries_that_see_it(device):
    q, k, v = torch.randn(3, 1, 6, 16, device=device)
    q[0, 2, 0] = float("nan")
    found = kernel.attention(q, k, v, heads=1, mask=Mask(causal=True), scale=1.0)
    assert found.isnan().any(-1).tolist() == [[False, False, True, False, False, False]]


CASES = (
    {"lengths": (3, 50), "width": 40, "heads": 2},
    {"lengths": (20, 20), "kind": "causal"},
    {"lengths": (4, 9), "kind": "causal padding", "batch": 2},
    {"lengths": (40, 35), "kind": "causal"},
    {"lengths": (4, 9), "kind": "own bias", "heads": 2},
)


def is_wrong(module, device):
    with pytest.raises(AssertionError):
        for case in CASES:
            check(module, device, **{"width": 16, **case}, dtype="float32", gap=1, size=2.0)
        bias = torch.zeros(1, 1, 3, 100, device=device)
        bias[..., :90] = -torch.inf
        q, k, v = operands(1, 3, 100, 16, "float32", 0, 1.0, np.random.default_rng(1), device)
        compare(module, q, k, v, 1, *both_masks(bias=bias), 0.2, 2e-6)


HERE = {
    "the neighbour's keys": ("k_batch + column,", "k_batch + (head + 1) % heads * WIDTH,"),
    "the first item's values": ("v_ptr += item * v_batch", "v_ptr += 0 * v_batch"),
    "the first item's padding": ("item * shown_batch", "0 * shown_batch"),
    "the first head's bias": ("head.to(tl.int64) * bias_head", "0 * bias_head"),
    "a causal bias is off by one": ("key <= query + reach", "key < query + reach"),
    "padding upside down": ("key < keys, 0) != 0", "key < keys, 0) == 0"),
    "keys that are not there count": (
        "key < keys, scores, NOTHING",
        "key <= keys, scores, NOTHING",
    ),
}
IN_TILES = {
    "the scale forgotten in whole tiles": ("products * (scale * LOG2E)", "products * LOG2E"),
    "the scale forgotten at the end": ("scores = scale * multiply_keys", "scores = multiply_keys"),
    "the diagonal is off by one": ("key <= last +", "key < last +"),
    "keys that are not there count": ("key < keys, scores, NOTHING", "key <= keys, scores, NOTHING"),
    "the sums are not shrunk": ("y1 * shrink[:, None]", "y1"),
    "the totals are not shrunk": ("total * shrink + tl.sum", "total + tl.sum", 2),
    "minus infinity less itself": ("tl.where(new == NOTHING, 0.0, new)", "new"),
    "hidden is nothing": ("tl.constexpr(-3.4028234663852886e38)", 'tl.constexpr(float("-inf"))'),
    "the last keys are skipped": ("range(whole, limit, EDGE)", "range(whole, limit - EDGE, EDGE)"),
    "queries that see nothing skip": ("tl.where(last < 0, keys, ", "tl.where(last < 0, 1, "),
    "the second piece of the keys forgotten": ("dot(q2, tl.trans(k2), products", "dot(q2 * 0, tl.trans(k2), products"),
    "powers of two": ("tl.constexpr(1.4426950408889634)", "tl.constexpr(1.0)"),
}  # fmt: skip


@pytest.mark.parametrize("name", HERE)
def test_a_wrong_twin_is_noticed(name, device):
    is_wrong(rewritten(kernel, *HERE[name]), device)


@pytest.mark.parametrize("name", IN_TILES)
def test_a_wrong_piece_is_noticed(name, device):
    pieces = rewritten(attention_tiles, *IN_TILES[name])
    name = f"from {pieces.__name__} import"
    is_wrong(rewritten(kernel, "from kernels.attention_tiles import", name), device)


def test_tiles():
    assert attention_shapes.tiles(72, torch.bfloat16, 257)["P2"] == 16
    long = attention_shapes.tiles(64, torch.float16, 577)
    assert (long["QUERIES"], long["num_warps"]) == (128, 8)


def test_refusals():
    q, k = torch.randn(2, 5, 32), torch.randn(2, 7, 32)
    none = Mask()

    def call(q=q, k=k, v=k, heads=2, mask=none):
        kernel.attention(q, k, v, heads=heads, mask=mask, scale=1.0)

    with pytest.raises(KernelError, match=r"k and v \(B, S, D\); got .*\(2, 7, 31\)"):
        call(k=k[..., :31])
    with pytest.raises(KernelError, match="k and v"):
        call(v=k[:, :6])
    with pytest.raises(KernelError, match="32 columns do not divide into 3 heads"):
        call(heads=3)
    with pytest.raises(KernelError, match="q is float32 and k float16"):
        call(k=k.half(), v=k.half())
    with pytest.raises(KernelError, match="float64 has no kernel"):
        call(q.double(), k.double(), k.double())
    with pytest.raises(KernelError, match=r"key_padding must be \(2, 7\) or 1; got \(2, 5\)"):
        call(mask=Mask(key_padding=torch.ones(2, 5, dtype=torch.bool)))
    with pytest.raises(KernelError, match=r"bias must be \(2, 2, 5, 7\)"):
        call(mask=Mask(bias=torch.ones(1, 3, 5, 7)))
    with pytest.raises(KernelError, match="each query has a mask of its own"):
        call(mask=Mask(visible=torch.ones(2, 5, 7, dtype=torch.bool)))
    with pytest.raises(KernelError, match="texts are packed"):
        call(mask=Mask(segments=torch.tensor([0, 5])))
    wide = torch.randn(1, 2, 257)
    with pytest.raises(KernelError, match="heads are wider than 256"):
        call(wide, wide, wide, heads=1)
    assert kernel.why_not_here(q, k, none, 2) is None
