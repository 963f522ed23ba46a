"""Attention straight from the packed QKV product, beside torch's attention by each of its kernels.

Two kernels share this file: attention_short, for few tokens, and attention, for any number. Both
run every case they can, so that the table shows where each is the right one; the goals of a case
are those of the kernel that kernels/ops.py chooses for it.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from kernels import attention as any_length
from kernels import attention_short as short
from refimpl import ops as numpy_ops
from refimpl.graph.interface import Mask

from .cases import (
    Backend,
    Benchmark,
    Case,
    NotServedError,
    Part,
    Place,
    Sizes,
    Work,
    as_float64,
    ends,
)
from .goals import Goal

DEFAULT, CUDNN = "SDPA, default", "SDPA, cuDNN"
RIVALS = {
    DEFAULT: None,
    CUDNN: SDPBackend.CUDNN_ATTENTION,
    "SDPA, flash": SDPBackend.FLASH_ATTENTION,
    "SDPA, efficient": SDPBackend.EFFICIENT_ATTENTION,
}
ITEMS_COMPARED = 1


def _goals(tokens: int) -> tuple[Goal, ...]:
    """Bandwidth decides up to 257 tokens, products beyond."""
    if tokens <= 77:
        return (Goal("share", 0.8), Goal("speedup", 2.0, DEFAULT), Goal("speedup", 1.5, CUDNN))
    if tokens <= 257:
        return (Goal("share", 0.7), Goal("speedup", 1.4, DEFAULT), Goal("speedup", 1.1, CUDNN))
    return (
        Goal("tflop_s", 400, card="H200"),
        Goal("speedup", 1.2, DEFAULT),
        Goal("speedup", 1.0, CUDNN),
    )


def _sizes(batch: int, tokens: int, heads: int, head: int, mask: str = "none") -> dict[str, Any]:
    return {"batch": batch, "tokens": tokens, "heads": heads, "head width": head, "mask": mask}


SHAPES = {
    "B/32": _sizes(1024, 50, 12, 64),
    "SigLIP text B": _sizes(1024, 64, 12, 64),
    "text B": _sizes(2048, 77, 8, 64, "causal"),
    "text L": _sizes(1024, 77, 12, 64, "causal"),
    "text bigG": _sizes(512, 77, 20, 64, "causal"),
    "BERT, padding": _sizes(512, 128, 12, 64, "padding"),
    "B/16": _sizes(512, 197, 12, 64),
    "BEiT B/16, bias": _sizes(256, 197, 12, 64, "bias"),
    "L/14": _sizes(256, 257, 16, 64),
    "H/14": _sizes(256, 257, 16, 80),
    "g/14": _sizes(256, 257, 16, 88),
    "bigG/14": _sizes(256, 257, 16, 104),
    "L/14-336": _sizes(128, 577, 16, 64),
    "so400m-384": _sizes(128, 729, 16, 72),
}
"""Batches that move some 300 MB and more."""

TINY_SHAPES = {
    "none": _sizes(1, 17, 2, 16),
    "causal": _sizes(2, 7, 1, 24, "causal"),
    "padding": _sizes(2, 9, 2, 16, "padding"),
    "bias": _sizes(1, 5, 2, 16, "bias"),
}


def _cases(mine: Callable[[int], bool], can: Callable[[int], bool]) -> tuple[Case, ...]:
    """The cases that a kernel can run, with goals where it is the one that is chosen."""
    return tuple(
        Case(name, sizes, _goals(tokens) if mine(tokens) and sizes["mask"] in PLAIN else ())
        for name, sizes in SHAPES.items()
        if can(tokens := sizes["tokens"])
    )


PLAIN = ("none", "causal")


def _mask(sizes: Sizes, place: Place) -> Mask:
    """What hides keys or biases scores; padding leaves at least one key to each text."""
    batch, tokens, kind = sizes["batch"], sizes["tokens"], sizes["mask"]
    if kind == "padding":
        lengths = 1 + (37 * torch.arange(batch) + tokens // 2) % tokens
        shown = torch.arange(tokens) < lengths[:, None]
        return Mask(key_padding=shown.to(place.device))
    if kind == "bias":
        return Mask(bias=place.random(1, sizes["heads"], tokens, tokens))
    return Mask(causal=kind == "causal")


def _as_numpy(mask: Mask, at: slice) -> Mask:
    """The same mask for some items, in the twin's arrays."""
    padding = None if mask.key_padding is None else mask.key_padding[at].cpu().numpy()
    bias = None if mask.bias is None else as_float64(mask.bias)
    return Mask(mask.causal, padding, bias=bias)


def twin(tensors: Sequence[Tensor], heads: int, mask: Mask, scale: float) -> np.ndarray:
    """The numpy twin in float64, fed the very values of q, k and v."""
    arrays = [as_float64(x) for x in tensors]
    node = SimpleNamespace(path="attention")
    return numpy_ops.attention(node, *arrays, heads=heads, mask=mask, scale=scale)


def sdpa(q: Tensor, k: Tensor, v: Tensor, heads: int, mask: Mask, scale: float) -> Tensor:
    """Torch's attention as a model calls it: heads apart, then side by side again."""
    apart = [x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v)]
    shown = mask.bias if mask.key_padding is None else mask.key_padding[:, None, None]
    y = F.scaled_dot_product_attention(*apart, attn_mask=shown, is_causal=mask.causal, scale=scale)
    return y.transpose(1, 2).reshape(q.shape)


def sdpa_backends(call: Callable[[], Tensor]) -> tuple[Backend, ...]:
    """The same call by torch's choice, and by each of its kernels."""

    def by(kind: SDPBackend | None) -> Tensor:
        with nullcontext() if kind is None else sdpa_kernel(kind):
            return call()

    return tuple(Backend(name, lambda kind=kind: by(kind)) for name, kind in RIVALS.items())


def seen_pairs(sizes: Sizes) -> int:
    """Pairs of a query and a key it sees, of one head: half the square with a causal mask."""
    tokens = sizes["tokens"]
    return tokens * (tokens + 1) // 2 if sizes["mask"] == "causal" else tokens * tokens


def _work(sizes: Sizes, place: Place, kernel: Callable[..., Tensor]) -> Work:
    """q, k, v read once and y written once; 4 FLOPs for each seen pair and column."""
    batch, tokens, heads = sizes["batch"], sizes["tokens"], sizes["heads"]
    width = heads * sizes["head width"]
    q, k, v = place.random(batch, tokens, 3 * width).split(width, dim=-1)
    mask, scale = _mask(sizes, place), sizes["head width"] ** -0.5
    extra = {"padding": batch * tokens, "bias": heads * tokens**2 * place.size}

    def wanted() -> list[Part]:
        return [
            Part(0, at, twin([x[at] for x in (q, k, v)], heads, _as_numpy(mask, at), scale))
            for at in ends(batch, ITEMS_COMPARED)
        ]

    shown = mask.bias if mask.key_padding is None else mask.key_padding
    return Work(
        backends=(
            Backend("kernel", lambda: kernel(q, k, v, heads=heads, mask=mask, scale=scale)),
            *sdpa_backends(lambda: sdpa(q, k, v, heads, mask, scale)),
        ),
        wanted=wanted,
        reads=(q, k, v) if shown is None else (q, k, v, shown),
        moved=4 * batch * tokens * width * place.size + extra.get(sizes["mask"], 0),
        flops=4 * batch * width * seen_pairs(sizes),
        ceiling="copy" if tokens <= 257 else "product",
    )


def short_work(sizes: Sizes, place: Place) -> Work:
    """The kernel for few tokens; not all of its shapes fit the registers in float32."""
    q = torch.empty(
        (1, sizes["tokens"], sizes["heads"] * sizes["head width"]), dtype=place.dtype, device="meta"
    )
    reason = short.why_not_here(q, q, Mask(causal=sizes["mask"] == "causal"), sizes["heads"])
    if reason is not None:
        raise NotServedError(reason)
    return _work(sizes, place, short.attention_short)


def any_length_work(sizes: Sizes, place: Place) -> Work:
    """The kernel for any number of tokens."""
    return _work(sizes, place, any_length.attention)


TINY = tuple(Case(name, sizes) for name, sizes in TINY_SHAPES.items())
SHORT = Benchmark(
    "attention_short",
    _cases(lambda tokens: True, lambda tokens: tokens <= short.LONGEST),
    TINY,
    short_work,
)
ANY_LENGTH = Benchmark(
    "attention",
    _cases(lambda tokens: tokens > short.LONGEST, lambda tokens: True),
    TINY,
    any_length_work,
)
