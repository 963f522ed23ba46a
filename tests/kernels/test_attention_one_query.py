"""Attention of one query against its numpy twin, and wrong twins that must be noticed."""

import numpy as np
import pytest
import torch
from attending import inputs, mask_of, twin
from comparing import relative_l2
from guarded import DTYPES, TOLERANCES, as_float64, watched_outputs
from hypothesis import given, settings
from hypothesis import strategies as st
from rewritten import rewritten

from kernels import attention_one_query as kernel
from kernels.errors import KernelError
from refimpl.graph.interface import Mask


def check(
    module, batch, keys, heads, width, kind="", dtype="float32", gap=3, shared=True, size=1.0,
    seed=7, device="cpu",
):  # fmt: skip
    rng = np.random.default_rng(seed)
    q, k, v = inputs(rng, batch, 1, keys, heads, width, dtype, device, gap, size)
    if shared:
        q = q[:1].expand(batch, -1, -1)  # one probe for all items
    mask = mask_of(rng, kind, batch, heads, 1, keys, dtype, device)
    call = {"heads": heads, "mask": mask, "scale": width**-0.5}
    with watched_outputs():
        found = module.attention_one_query(q, k, v, **call)
    assert found.shape == q.shape and found.dtype == DTYPES[dtype] and found.is_contiguous()
    error = relative_l2(as_float64(found), twin(q, k, v, **call))
    # a score's rounding grows with the score, and its exponential with that
    assert error <= TOLERANCES[dtype] * (1 + size**2), error


@settings(max_examples=30)
@given(
    keys=st.sampled_from([1, 15, 17, 50, 77, 127, 129, 197, 257]),
    batch_heads=st.sampled_from([(1, 1), (2, 1), (1, 2), (2, 3), (1, 5), (1, 6)]),
    width=st.sampled_from([8, 32, 48, 64, 72, 80, 88, 96, 104, 128, 200]),
    kind=st.sampled_from(["", "", "padding", "causal"]),
    dtype=st.sampled_from(list(DTYPES)),
    gap=st.sampled_from([0, 1, 8]),
    shared=st.booleans(),
    size=st.sampled_from([0.1, 1.0, 10.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_equals_its_twin(
    device, keys, batch_heads, width, kind, dtype, gap, shared, size, seed
):  # fmt: skip
    batch, heads = batch_heads
    check(kernel, batch, keys, heads, width, kind, dtype, gap, shared, size, seed, device)


def test_as_many_tokens_as_siglip_has(device):
    check(kernel, 1, 729, 2, 72, device=device)


def test_a_query_that_sees_nothing_spreads_evenly(device):
    q, k, v = inputs(np.random.default_rng(0), 2, 1, 37, 2, 16, device=device, gap=2)
    padding = torch.zeros(2, 37, dtype=torch.bool, device=device)
    padding[1] = True
    mask = Mask(key_padding=padding)
    found = kernel.attention_one_query(q, k, v, heads=2, mask=mask, scale=0.25)
    assert relative_l2(as_float64(found[:1]), as_float64(v[:1].mean(1, keepdim=True))) <= 1e-6
    assert relative_l2(as_float64(found), twin(q, k, v, heads=2, mask=mask, scale=0.25)) <= 2e-6


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_stays_where_the_twin_has_it(value, device):
    q, k, v = inputs(np.random.default_rng(1), 3, 1, 40, 2, 16, device=device)
    q, k, v = q.clone(), k.clone(), v.clone()
    q[0, 0, 5], k[1, 9, 20], v[2, 7, 31] = value, value, value
    found = as_float64(kernel.attention_one_query(q, k, v, heads=2, mask=Mask(), scale=0.25))
    wanted = twin(q, k, v, heads=2, mask=Mask(), scale=0.25)
    assert np.array_equal(np.isnan(found), np.isnan(wanted))


def test_columns_rows_and_items_in_any_order_of_memory(device):
    q, k, v = (torch.randn(33, 21, 2, device=device).permute(2, 1, 0)[..., :32] for _ in range(3))
    q = q[:, :1]
    found = kernel.attention_one_query(q, k, v, heads=2, mask=Mask(), scale=-0.3)
    assert relative_l2(as_float64(found), twin(q, k, v, heads=2, mask=Mask(), scale=-0.3)) <= 2e-6


def test_nothing_to_do(device):
    q, k = torch.ones(0, 1, 32, device=device), torch.ones(0, 5, 32, device=device)
    found = kernel.attention_one_query(q, k, k, heads=2, mask=Mask(), scale=1.0)
    assert found.shape == (0, 1, 32)


MUTANTS = {
    "the second piece unscaled": ("P1, P2, WIDTH) * scale", "P1, P2, WIDTH)"),
    "keys behind the last one count": ("s = tl.where(key < keys, s, NOTHING)", "s = s"),
    "hidden keys are −∞": ("tl.where(shown, s, HIDDEN)", "tl.where(shown, s, NOTHING)"),
    "the first item's padding": ("item * shown_batch + key", "key"),
    "old sums are not brought down": ("y1 = y1 * shrink +", "y1 = y1 +"),
    "the old total is not brought down": ("total = total * shrink + p", "total = total + p"),
    "lanes meet without one scale": ("tl.sum(y * shrink[:, None], 0)", "tl.sum(y, 0)"),
    "the last tile forgotten": ("range(0, keys, KEYS)", "range(0, keys - KEYS, KEYS)"),
    "one column too many": ("element_ty), column < WIDTH", "element_ty), column <= WIDTH"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_twin_is_noticed(name, device):
    wrong = rewritten(kernel, *MUTANTS[name])
    with pytest.raises(AssertionError):
        check(wrong, 2, 50, 1, 72, "padding", device=device)
        check(wrong, 1, 70, 2, 24, size=3.0, device=device)


def test_refusals():
    q, x = torch.randn(1, 1, 32), torch.randn(1, 8, 32)

    def refused(match, q=q, k=x, heads=2, mask=None):
        with pytest.raises(KernelError, match=match):
            kernel.attention_one_query(q, k, k, heads=heads, mask=mask or Mask(), scale=1.0)

    shown = torch.ones(1, 8, dtype=torch.bool)
    refused("8 queries, not one", q=x)
    refused("32 columns do not divide into 5 heads", heads=5)
    refused("q is float32 and k float16", k=x.half())
    refused("float64 has no kernel", q=q.double(), k=x.double())
    refused("there is no key", k=torch.randn(1, 0, 32))
    refused("heads are wider than 256", q=torch.randn(1, 1, 514), k=torch.randn(1, 8, 514))
    refused("mask or bias of its own", mask=Mask(visible=shown[:, None]))
    refused("mask or bias of its own", mask=Mask(bias=torch.zeros(1, 2, 1, 8)))
    refused("packed", mask=Mask(segments=torch.tensor([0, 8])))
    refused("key_padding must be", mask=Mask(key_padding=shown[:, :7]))
