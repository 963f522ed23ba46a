"""Attention of packed texts against its numpy twin, and wrong twins that must be noticed."""

import numpy as np
import pytest
import torch
from comparing import relative_l2
from guarded import DTYPES, TOLERANCES, as_float64, guarded, watched_outputs
from hypothesis import given, settings
from hypothesis import strategies as st
from rewritten import rewritten

from kernels import attention_packed as kernel
from kernels import attention_tiles
from kernels.errors import KernelError
from refimpl import ops as numpy_ops
from refimpl.graph.interface import Mask
from refimpl.params import Linear

NODE = Linear("", None, None)  # nobody listens
TEXTS = ((1,), (15, 17), (0, 7, 0, 0, 5, 0), (50, 3, 17), (1, 1, 1), (77, 2), (64, 16), (129,))


def check(module, device, *, texts, causal, width=64, heads=1, dtype="float16", gap=0, size=1.0,
          seed=0, told=False, whole=torch.int64, tolerance=None):  # fmt: skip
    rng = np.random.default_rng(seed)
    columns = heads * width
    packed = rng.standard_normal((1, sum(texts), 3 * columns)) * size
    q, k, v = guarded(packed, device, dtype, gap).split(columns, dim=-1)
    borders = np.concatenate([[0], np.cumsum(texts)])
    segments = torch.as_tensor(borders, dtype=whole, device=device)
    longest = max(texts) + 3 if told else None
    scale = width**-0.5
    with watched_outputs():
        found = module.attention_packed(
            q, k, v, segments, heads=heads, causal=causal, scale=scale, longest=longest
        )
    assert found.shape == q.shape and found.dtype == DTYPES[dtype] and found.is_contiguous()
    mask = Mask(segments=borders, causal=causal)
    wanted = numpy_ops.attention(
        NODE, *(as_float64(x) for x in (q, k, v)), heads=heads, mask=mask, scale=scale
    )
    error = relative_l2(as_float64(found), wanted)
    assert error <= (tolerance or TOLERANCES[dtype]), error


@settings(max_examples=20)
@given(
    texts=st.sampled_from(TEXTS),
    causal=st.booleans(),
    width=st.sampled_from([8, 48, 64, 72, 88, 104, 128]),
    heads=st.integers(1, 3),
    dtype=st.sampled_from(list(DTYPES)),
    gap=st.sampled_from([0, 8, 5]),
    told=st.booleans(),
    whole=st.sampled_from([torch.int32, torch.int64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_equals_its_twin(device, texts, causal, width, heads, dtype, gap, told, whole, seed):
    if sum(texts) > 60:  # small float32 tiles make many steps
        heads, dtype = 1, "float16" if dtype == "float32" else dtype
    check(
        kernel, device, texts=texts, causal=causal, width=width, heads=heads, dtype=dtype,
        gap=gap, told=told, whole=whole, seed=seed,
    )  # fmt: skip


@pytest.mark.parametrize("causal", [True, False])
def test_extreme_scores(device, causal):
    """Products of ten thousand keep three digits behind the point in float32, sums of them fewer."""
    check(
        kernel, device, texts=(40, 5), causal=causal, width=16, dtype="float32", size=100.0,
        tolerance=5e-3,
    )  # fmt: skip


def test_more_texts_than_tokens_and_no_token_at_all(device):
    check(kernel, device, texts=(0, 0, 2, 0, 0, 0), causal=True)
    for segments in ([0], [0, 0, 0]):
        q, k, v = torch.randn(3, 1, 0, 32, device=device)
        borders = torch.tensor(segments, device=device)
        found = kernel.attention_packed(q, k, v, borders, heads=2, causal=True, scale=1.0)
        assert found.shape == (1, 0, 32)


def test_the_borders_are_read_once_for_all_layers(device, monkeypatch):
    q = torch.randn(1, 9, 16, device=device)
    reads = []
    read = kernel._read_longest
    monkeypatch.setattr(kernel, "_read_longest", lambda *given: reads.append(1) or read(*given))

    def call(segments):
        return kernel.attention_packed(q, q, q, segments, heads=1, causal=False, scale=1.0)

    segments = torch.tensor([0, 3, 6, 9], device=device)
    first, again = call(segments), call(segments)
    assert len(reads) == 1 and torch.equal(first, again)
    segments[1:3] = torch.tensor([1, 1], device=device)  # another longest text in the same memory
    changed = call(segments)
    assert len(reads) == 2 and torch.equal(changed, call(segments.clone())) and len(reads) == 3
    with torch.inference_mode():  # such tensors do not say when they change
        untold = segments.clone()
        call(untold), call(untold)
    assert len(reads) == 5
    segments.fill_(7)
    with pytest.raises(KernelError, match="segments must rise"):
        call(segments)


def test_a_nan_stays_in_its_text(device):
    q, k, v = torch.randn(3, 1, 9, 16, device=device)
    k[0, 4] = v[0, 4] = float("nan")
    segments = torch.tensor([0, 3, 6, 9], device=device)
    found = kernel.attention_packed(q, k, v, segments, heads=1, causal=False, scale=1.0)
    assert found.isnan().any(-1).tolist() == [[False] * 3 + [True] * 3 + [False] * 3]


def is_wrong(module, device):
    cases = (
        {"texts": (5, 9, 3), "causal": True, "heads": 2, "width": 40},
        {"texts": (37, 2), "causal": False, "width": 16},
    )
    with pytest.raises(AssertionError):
        for case in cases:
            check(module, device, dtype="float32", size=2.0, gap=1, **case)


HERE = {
    "the neighbour's keys": ("k_row + column", "k_row + (one + 1) % heads * WIDTH"),
    "the first text's values": ("v_ptr + start * v_row", "v_ptr + 0 * v_row"),
    "one token of the next text is seen": ("row, length, length,", "row, length, length + 1,"),
    "the last token of a text forgotten": ("row, length, length,", "row, length - 1, length - 1,"),
    "the first tile only": (
        "row = tl.program_id(0) % tiles * QUERIES",
        "row = tl.program_id(0) * 0",
    ),
    "the order upside down": ("CAUSAL=bool(causal)", "CAUSAL=not causal"),
}
IN_TILES = {
    "the scale forgotten": ("scores = scale * multiply_keys", "scores = multiply_keys"),
    "the diagonal is off by one": ("key <= last +", "key < last +"),
    "keys that are not there count": (
        "key < keys, scores, NOTHING",
        "key <= keys, scores, NOTHING",
    ),
    "the sums are not shrunk": ("y1 * shrink[:, None]", "y1"),
}


@pytest.mark.parametrize("name", HERE)
def test_a_wrong_twin_is_noticed(name, device):
    is_wrong(rewritten(kernel, *HERE[name]), device)


@pytest.mark.parametrize("name", IN_TILES)
def test_a_wrong_piece_is_noticed(name, device):
    pieces = rewritten(attention_tiles, *IN_TILES[name])
    name = f"from {pieces.__name__} import"
    is_wrong(rewritten(kernel, "from kernels.attention_tiles import", name), device)


def test_refusals():
    q = torch.randn(1, 6, 32)

    def call(q=q, k=q, segments=(0, 2, 6), heads=2, longest=None):
        kernel.attention_packed(
            q, k, k, torch.tensor(segments), heads=heads, causal=True, scale=1.0, longest=longest
        )

    with pytest.raises(KernelError, match="must be one row"):
        call(q.expand(2, 6, 32), q.expand(2, 6, 32))
    with pytest.raises(KernelError, match="must be one row"):
        call(k=q[:, :5])
    with pytest.raises(KernelError, match=r"segments must be \(N \+ 1,\)"):
        call(segments=[[0, 6]])
    with pytest.raises(KernelError, match="int32 or int64; got torch.float32"):
        call(segments=[0.0, 6.0])
    for wrong in ([0, 5], [1, 6], [0, 4, 3, 6], [0]):
        with pytest.raises(KernelError, match="segments must rise from 0 to 6"):
            call(segments=wrong)
    with pytest.raises(KernelError, match="longest must be at least 1; got 0"):
        call(longest=0)
    with pytest.raises(KernelError, match="float64 has no kernel"):
        call(q.double(), q.double())
    wide = torch.randn(1, 6, 257)
    with pytest.raises(KernelError, match="heads are wider than 256"):
        call(wide, wide, heads=1)


def test_what_it_does_not_serve():
    q, segments = torch.randn(1, 6, 32), torch.tensor([0, 6])
    assert kernel.why_not_here(q, q, Mask(segments=segments), 2) is None
    assert "no texts" in kernel.why_not_here(q, q, Mask(), 2)
    assert "one row" in kernel.why_not_here(q, q[:, :5], Mask(segments=segments), 2)
    both = Mask(segments=segments, bias=torch.zeros(1, 1, 6, 6))
    assert "another mask" in kernel.why_not_here(q, q, both, 2)
