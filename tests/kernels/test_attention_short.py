"""Attention of short sequences against its numpy twin, and wrong twins that must be noticed."""

import numpy as np
import pytest
import torch
from attending import inputs, mask_of, twin
from comparing import relative_l2
from guarded import DTYPES, TOLERANCES, as_float64, watched_outputs
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rewritten import rewritten

from kernels import attention_short as kernel
from kernels.errors import KernelError
from refimpl.graph.interface import Mask

LENGTHS = [1, 15, 17, 50, 64, 65, 77, 80]
WIDTHS = [8, 32, 48, 64, 72, 80, 88, 104, 128]
KINDS = ["", "causal", "padding", "causal padding", "bias", "causal bias"]


def check(
    module, batch, queries, keys, heads, width, kind="", dtype="float32", gap=3, each=2, size=1.0,
    seed=7, device="cpu",
):  # fmt: skip
    rng = np.random.default_rng(seed)
    q, k, v = inputs(rng, batch, queries, keys, heads, width, dtype, device, gap, size)
    mask = mask_of(rng, kind, batch, heads, queries, keys, dtype, device, gap)
    call = {"heads": heads, "mask": mask, "scale": width**-0.5}
    with pytest.MonkeyPatch.context() as patch, watched_outputs():
        patch.setattr(module, "heads_of_program", lambda *_: each)
        found = module.attention_short(q, k, v, **call)
    assert found.shape == q.shape and found.dtype == DTYPES[dtype] and found.is_contiguous()
    error = relative_l2(as_float64(found), twin(q, k, v, **call))
    # a score's rounding grows with the score, and its exponential with that
    assert error <= TOLERANCES[dtype] * (1 + size**2), error


@settings(max_examples=20)
@given(
    queries=st.sampled_from(LENGTHS),
    keys=st.sampled_from([None, *LENGTHS]),
    batch_heads=st.sampled_from([(1, 1), (2, 1), (2, 2), (1, 3), (1, 5), (1, 6)]),
    width=st.sampled_from(WIDTHS),
    kind=st.sampled_from(KINDS),
    dtype=st.sampled_from(list(DTYPES)),
    gap=st.sampled_from([0, 1, 8]),
    each=st.sampled_from([1, 2, 4]),
    size=st.sampled_from([0.1, 1.0, 10.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_equals_its_twin(
    device, queries, keys, batch_heads, width, kind, dtype, gap, each, size, seed
):
    keys = keys or queries
    assume(kernel.tiles(width, keys, DTYPES[dtype]))
    batch, heads = batch_heads
    check(
        kernel, batch, queries, keys, heads, width, kind, dtype, gap, each, size, seed, device
    )  # fmt: skip


def test_a_query_that_sees_nothing_spreads_evenly(device):
    rng = np.random.default_rng(0)
    q, k, v = inputs(rng, 2, 20, 17, 2, 16, device=device, gap=2)
    padding = torch.zeros(2, 17, dtype=torch.bool, device=device)
    for mask in (Mask(key_padding=padding), Mask(causal=True)):  # 3 queries before the first key
        found = kernel.attention_short(q, k, v, heads=2, mask=mask, scale=0.25)
        wanted = v.mean(1, keepdim=True).expand(2, 3, 32)
        assert relative_l2(as_float64(found[:, :3]), as_float64(wanted)) <= 1e-6
        error = relative_l2(as_float64(found), twin(q, k, v, heads=2, mask=mask, scale=0.25))
        assert error <= 2e-6


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_where_the_twin_has_it(value, device):
    q, k, v = inputs(np.random.default_rng(1), 1, 18, 18, 2, 16, device=device)
    q, k, v = q.clone(), k.clone(), v.clone()
    q[0, 3, 5], k[0, 9, 20], v[0, 7, 31] = value, value, value
    for mask in (Mask(), Mask(causal=True)):
        found = as_float64(kernel.attention_short(q, k, v, heads=2, mask=mask, scale=0.25))
        wanted = twin(q, k, v, heads=2, mask=mask, scale=0.25)
        assert np.array_equal(np.isnan(found), np.isnan(wanted))


def test_columns_rows_and_items_in_any_order_of_memory(device):
    q, k, v = (torch.randn(33, 2, 21, device=device).permute(1, 2, 0)[..., :32] for _ in range(3))
    bias = torch.randn(21, 2, 1, 21, device=device).permute(2, 1, 3, 0)
    mask = Mask(bias=bias)
    found = kernel.attention_short(q, k, v, heads=2, mask=mask, scale=-0.3)
    assert relative_l2(as_float64(found), twin(q, k, v, heads=2, mask=mask, scale=-0.3)) <= 2e-6


@pytest.mark.parametrize(("batch", "queries"), [(0, 7), (2, 0)])
def test_nothing_to_do(batch, queries, device):
    q, k = torch.ones(batch, queries, 32, device=device), torch.ones(batch, 5, 32, device=device)
    found = kernel.attention_short(q, k, k, heads=2, mask=Mask(), scale=1.0)
    assert found.shape == q.shape


MUTANTS = {
    "the scale twice": ("s * scale, mask_ptr", "s * scale * scale, mask_ptr"),
    "a query does not see itself": ("<= row[:, None] + offset", "< row[:, None] + offset"),
    "hidden keys are −∞": ("tl.where(inside, HIDDEN, NOTHING)", "NOTHING"),
    "keys behind the last one count": ("tl.where(inside, HIDDEN, NOTHING)", "HIDDEN"),
    "the second tile's maximum forgotten": (
        "top = tl.maximum(top, tl.max(far, 1))",
        "top = tl.max(far, 1)",
    ),
    "the second tile's weights forgotten": ("total += tl.sum(far, 1)", "total += 0"),
    "the second tile reads the first one's values": (
        "load_piece(v_ptr, KEYS1, v_row",
        "load_piece(v_ptr, 0, v_row",
    ),
    "the last head forgotten": ("each + each, heads)", "each + each, heads - 1)"),
    "the bias of the first head": ("tl.cast(head, tl.int64) * mask_head", "0"),
    "one query too many": ("inside = (row < queries)", "inside = (row <= queries)"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_twin_is_noticed(name, device):
    wrong = rewritten(kernel, *MUTANTS[name])
    with pytest.raises(AssertionError):
        check(wrong, 1, 5, 20, 3, 16, "bias", seed=12, device=device)
        check(wrong, 2, 20, 13, 1, 16, "padding", device=device)
        check(wrong, 1, 80, 77, 1, 16, "causal", "float16", device=device)


def test_refusals():
    x = torch.randn(1, 8, 32)

    def refused(match, q=x, k=x, heads=2, mask=None):
        with pytest.raises(KernelError, match=match):
            kernel.attention_short(q, k, k, heads=heads, mask=mask or Mask(), scale=1.0)

    shown = torch.ones(1, 8, dtype=torch.bool)
    refused("32 columns do not divide into 5 heads", heads=5)
    refused("q is float32 and k float16", k=x.half())
    refused("float64 has no kernel", q=x.double(), k=x.double())
    refused("81 keys are not 1 to 80", k=torch.randn(1, 81, 32))
    refused("0 keys are not 1 to 80", k=torch.randn(1, 0, 32))
    refused("heads are wider than 128", q=torch.randn(1, 8, 258), k=torch.randn(1, 8, 258))
    refused("more registers than there are", q=torch.randn(1, 8, 256), k=torch.randn(1, 8, 256))
    refused("a bias and padding", mask=Mask(key_padding=shown, bias=torch.zeros(1, 2, 8, 8)))
    refused("mask of its own", mask=Mask(visible=shown[:, None].expand(1, 8, 8)))
    refused("bias must be", mask=Mask(bias=torch.zeros(1, 2, 8, 9)))
    refused("packed", mask=Mask(segments=torch.tensor([0, 8])))


def test_few_programs_walk_over_one_head_each():
    assert kernel.heads_of_program(1, 12, 50) == 1
    assert kernel.heads_of_program(256, 12, 50) == 3
    assert kernel.heads_of_program(1024, 12, 50) == 4
    assert kernel.heads_of_program(1024, 12, 77) == 2
