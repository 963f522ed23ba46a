"""kernels.ops.attention: which kernel serves which call, that it says so, and what a tap sees."""

import numpy as np
import pytest
import torch
from attending import NODE, in_numpy, inputs, mask_of, twin
from comparing import relative_l2
from guarded import as_float64

from kernels import ops
from kernels.errors import KernelError
from refimpl import ops as numpy_ops
from refimpl.graph.interface import Mask

SEGMENTS = torch.tensor([0, 5, 12, 20])
ROUTES = {
    # name: (batch, queries, keys, head width, mask), what runs, and a word of why
    "one query": ((2, 1, 33, 24, ""), "attention_one_query", "1 queries, 33 keys, heads 24 wide"),
    "one query with padding": ((2, 1, 33, 24, "padding"), "attention_one_query", "33 keys"),
    "one query with a bias": ((2, 1, 33, 24, "bias"), "attention_short", "33 keys"),
    "short": ((2, 50, 50, 24, ""), "attention_short", "50 queries, 50 keys, heads 24 wide"),
    "causal": ((1, 20, 20, 24, "causal"), "attention_short", "20 keys"),
    "causal and padding": ((2, 20, 20, 24, "causal padding"), "attention_short", "20 keys"),
    "bias": ((2, 20, 20, 24, "bias"), "attention_short", "20 keys"),
    "bias and padding": ((2, 20, 20, 24, "bias padding"), "attention", "20 keys"),
    "long": ((1, 5, 129, 24, ""), "attention", "5 queries, 129 keys"),
    "float32 with wide heads": ((1, 20, 20, 88, ""), "attention", "heads 88 wide"),
    "packed": ((1, 20, 20, 24, "segments"), "attention_packed", "3 packed texts"),
    "packed and causal": ((1, 20, 20, 24, "causal segments"), "attention_packed", "3 packed texts"),
    "packed with padding": ((1, 20, 20, 24, "segments padding"), "torch", "another mask too"),
    "a mask for each query": ((2, 20, 20, 24, "visible"), "torch", "a mask of its own"),
    "very wide heads": ((1, 20, 20, 264, ""), "torch", "wider than 256"),
}


def call_of(name, device, dtype="float32"):
    (batch, queries, keys, width, kind), _, _ = ROUTES[name]
    rng = np.random.default_rng(3)
    q, k, v = inputs(rng, batch, queries, keys, 2, width, dtype, device, gap=2)
    mask = mask_of(rng, kind, batch, 2, queries, keys, dtype, device)
    segments = SEGMENTS.to(device) if "segments" in kind else None
    visible = None
    if "visible" in kind:
        visible = torch.as_tensor(rng.random((batch, queries, keys)) < 0.5, device=device)
    mask = Mask(mask.causal, mask.key_padding, visible, mask.bias, segments)
    return (q, k, v), {"heads": 2, "mask": mask, "scale": width**-0.5}


class Listening:
    """A tap that keeps what it is shown, and puts its own values in where it has some."""

    def __init__(self, **fed):
        self.seen, self.fed = {}, fed

    def __call__(self, p, point, x):
        assert p is NODE
        self.seen[point] = x
        return self.fed.get(point, x)


@pytest.mark.parametrize("name", ROUTES)
def test_every_route_equals_numpy_and_says_what_it_is(name, device):
    qkv, call = call_of(name, device)
    _, runs, why = ROUTES[name]
    found = ops.attention(NODE, *qkv, **call)
    choice = ops.last_choice("attention")
    assert choice.runs == runs and why in choice.why
    assert found.shape == qkv[0].shape
    assert relative_l2(as_float64(found), twin(*qkv, **call)) <= 2e-6


@pytest.mark.parametrize("name", ROUTES)
def test_watching_shows_what_numpy_shows_and_changes_nothing(name, device):
    qkv, call = call_of(name, device)
    listening, numpy_listening = Listening(), Listening()
    masked = list(ROUTES).index(name) % 2  # every other route with a head mask
    head_mask = torch.tensor([0.5, -2.0], device=device) if masked else None
    quiet = ops.attention(NODE, *qkv, **call, head_mask=head_mask)
    watched = ops.attention(NODE, *qkv, **call, head_mask=head_mask, tap=listening)
    assert list(listening.seen) == ["scores", "probs", "context"]
    assert torch.equal(quiet, watched)
    wanted = numpy_ops.attention(
        NODE,
        *(as_float64(x) for x in qkv),
        **{**call, "mask": in_numpy(call["mask"])},
        head_mask=as_float64(head_mask) if masked else None,
        tap=numpy_listening,
    )
    assert relative_l2(as_float64(watched), wanted) <= 2e-6
    for point, x in numpy_listening.seen.items():
        assert relative_l2(as_float64(listening.seen[point]), x) <= 2e-6, point


@pytest.mark.parametrize("name", ["one query", "short", "packed"])
@pytest.mark.parametrize("point", ["scores", "probs", "context"])
def test_a_tap_that_feeds_is_obeyed(name, point, device):
    qkv, call = call_of(name, device)
    listening = Listening()
    ops.attention(NODE, *qkv, **call, tap=listening)
    other = torch.randn_like(listening.seen[point])
    found = ops.attention(NODE, *qkv, **call, tap=Listening(**{point: other}))
    with np.errstate(all="ignore"):
        wanted = numpy_ops.attention(
            NODE,
            *(as_float64(x) for x in qkv),
            **{**call, "mask": in_numpy(call["mask"])},
            tap=Listening(**{point: as_float64(other)}),
        )
    assert relative_l2(as_float64(found), wanted) <= 2e-6


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_goes_to_the_kernels_too(dtype, device):
    qkv, call = call_of("short", device, dtype)
    found = ops.attention(NODE, *qkv, **call, head_mask=torch.tensor([0.5, 2.0], device=device))
    assert found.dtype == qkv[0].dtype and ops.last_choice("attention").runs == "attention_short"
    assert torch.equal(found, ops.attention(NODE, *qkv, **call, head_mask=torch.tensor(
        [0.5, 2.0], device=device), tap=Listening()))  # fmt: skip


@pytest.mark.parametrize("name", ["short", "causal", "long", "causal and padding"])
def test_float64_is_plain_torch(name, device):
    qkv, call = call_of(name, device)
    qkv = tuple(x.double() for x in qkv)
    found = ops.attention(NODE, *qkv, **call)
    assert ops.last_choice("attention")[1:] == ("torch", "float64 has no kernel")
    assert relative_l2(as_float64(found), twin(*qkv, **call)) <= 1e-14
    assert torch.equal(found, ops.attention(NODE, *qkv, **call, tap=Listening()))


@pytest.mark.parametrize("queries", [1, 20, 150])
@pytest.mark.parametrize("causal", [False, True])
def test_padding_that_is_the_same_for_all_keys(queries, causal, device):
    """One flag for each text stands for all its keys: its memory must not be read as if it had S."""
    rng = np.random.default_rng(5)
    qkv = inputs(rng, 3, queries, 150 if queries > 20 else 33, 2, 24, device=device)
    shown = torch.tensor([[True, False, True]], device=device).T
    assert shown.shape == (3, 1)
    call = {"heads": 2, "mask": Mask(causal=causal, key_padding=shown), "scale": 0.3}
    found = ops.attention(NODE, *qkv, **call)
    assert ops.last_choice("attention").runs != "torch"
    assert relative_l2(as_float64(found), twin(*qkv, **call)) <= 2e-6


def test_more_queries_than_keys_and_causal_in_plain_torch(device):
    rng = np.random.default_rng(5)
    qkv = tuple(x.double() for x in inputs(rng, 1, 9, 6, 2, 8, device=device))
    call = {"heads": 2, "mask": Mask(causal=True), "scale": 0.3}
    found = ops.attention(NODE, *qkv, **call)  # the first three queries see nothing
    assert relative_l2(as_float64(found), twin(*qkv, **call)) <= 1e-14


@pytest.mark.parametrize("shape", [(0, 7, 7), (2, 0, 7), (0, 1, 7), (2, 0, 0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nothing_to_do(shape, dtype, device):
    batch, queries, keys = shape
    q, k = (torch.ones(batch, n, 32, dtype=dtype, device=device) for n in (queries, keys))
    for head_mask in (None, torch.ones(2, dtype=dtype, device=device)):
        call = {"heads": 2, "mask": Mask(causal=True), "scale": 1.0, "head_mask": head_mask}
        assert ops.attention(NODE, q, k, k, **call).shape == q.shape


def test_refusals():
    x = torch.randn(1, 4, 12)
    call = {"mask": Mask(), "scale": 1.0}
    for heads in (5, 0):
        with pytest.raises(KernelError, match=f"12 columns do not divide into {heads} heads; give"):
            ops.attention(NODE, x, x, x, heads=heads, **call)
    with pytest.raises(KernelError, match="q is float32 and k float64; cast both"):
        ops.attention(NODE, x, x.double(), x, heads=2, **call)
    with pytest.raises(KernelError, match="q is on cpu and v on meta; move both"):
        ops.attention(NODE, x, x, x.to("meta"), heads=2, **call)
