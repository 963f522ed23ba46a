"""Texts packed one behind the other, beside the same texts padded.

The lengths are drawn: 4,096 texts of 3 to 77 tokens, geometric with a mean of about 16. No corpus
was counted for that; the row's "tokens" is the sum that came out.
"""

import inspect
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kernels import attention_packed as kernel
from refimpl.graph.interface import Mask

from .attention import sdpa, sdpa_backends, twin
from .cases import Backend, Benchmark, Case, Part, Place, Sizes, Work, ends

TEXTS_COMPARED = 16


def drawn_lengths(texts: int, mean: int, most: int) -> np.ndarray:
    """Lengths of 3 to `most`, geometric, with about this mean; the same in every run."""
    drawn = 2 + np.random.default_rng(7).geometric(1 / (mean - 2), texts)
    return np.minimum(drawn, most)


def _case(name: str, texts: int, mean: int, most: int, heads: int, causal: bool = True) -> Case:
    sizes: dict[str, Any] = {"texts": texts, "mean": mean, "most": most}
    sizes["tokens"] = int(drawn_lengths(texts, mean, most).sum())
    return Case(name, {**sizes, "heads": heads, "head width": 64, "causal": causal})


CASES = (
    _case("text B, 4096 captions", 4096, 16, 77, 8),
    _case("text L, 4096 captions", 4096, 16, 77, 12),
    _case("BERT, 4096 captions", 4096, 16, 77, 12, causal=False),
)
TINY = (
    Case(
        "5 texts",
        {
            "texts": 5, "mean": 6, "most": 11, "tokens": int(drawn_lengths(5, 6, 11).sum()),
            "heads": 2, "head width": 16, "causal": True,
        },
    ),
)  # fmt: skip


def work(sizes: Sizes, place: Place) -> Work:
    """q, k, v read once and y written once, of the tokens that are there."""
    lengths = drawn_lengths(sizes["texts"], sizes["mean"], sizes["most"])
    heads, tokens, longest = sizes["heads"], sizes["tokens"], int(lengths.max())
    width, scale = heads * sizes["head width"], sizes["head width"] ** -0.5
    starts = np.concatenate([[0], np.cumsum(lengths)])
    segments = torch.tensor(starts, dtype=torch.int32).to(place.device)
    packed = place.random(1, tokens, 3 * width)
    there = torch.arange(sizes["most"]) < torch.tensor(lengths)[:, None]
    there = there.to(place.device)
    padded = packed.new_zeros(*there.shape, 3 * width)
    padded.masked_scatter_(there[:, :, None], packed)
    causal, mask = sizes["causal"], Mask(causal=sizes["causal"])

    def wanted() -> list[Part]:
        parts = []
        for few in ends(sizes["texts"], TEXTS_COMPARED):
            for at in map(slice, starts[few], starts[1:][few]):
                text = packed[:, at].split(width, dim=-1)
                parts.append(Part(0, (slice(None), at), twin(text, heads, mask, scale)))
        return parts

    def rows(y: Tensor) -> Tensor:
        return y[there[:, : y.shape[1]]][None]

    def padded_to(most: int) -> tuple[Backend, ...]:
        q, k, v = padded[:, :most].split(width, dim=-1)
        # a causal text sees no padding behind it; the others must be kept from it
        shown = mask if causal else Mask(key_padding=there[:, :most])
        found = sdpa_backends(lambda: sdpa(q, k, v, heads, shown, scale))
        return tuple(
            Backend(f"{each.name}, padded to {most}", each.call, shown=rows) for each in found
        )

    parts = packed.split(width, dim=-1)
    pairs = (lengths * (lengths + 1) // 2 if causal else lengths**2).sum()
    return Work(
        backends=(
            Backend(
                "kernel",
                lambda: kernel.attention_packed(
                    *parts, segments, heads=heads, causal=causal, scale=scale
                ),
            ),
            *padded_to(sizes["most"]),
            *varlen(parts, segments, longest, heads, causal, scale),
        ),
        wanted=wanted,
        reads=(*parts, segments),
        moved=4 * tokens * width * place.size + 4 * (sizes["texts"] + 1),
        flops=int(4 * width * pairs),
    )


def varlen(
    parts: tuple[Tensor, ...],
    segments: Tensor,
    longest: int,
    heads: int,
    causal: bool,
    scale: float,
) -> tuple[Backend, ...]:
    """Torch's own packed attention, where this torch has one; it runs on CUDA only."""
    if parts[0].device.type != "cuda":
        return ()
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return ()
    apart = [x[0].unflatten(-1, (heads, -1)) for x in parts]
    # its name for causal has changed; its scale is ours where it takes none
    known = inspect.signature(varlen_attn).parameters
    how: dict[str, Any] = {"scale": scale} if "scale" in known else {}
    if "is_causal" in known:
        how["is_causal"] = causal
    else:
        how["window_size"] = (-1, 0) if causal else (-1, -1)

    def call() -> Tensor:
        y = varlen_attn(*apart, segments, segments, longest, longest, **how)
        return y.flatten(1)[None]

    return (Backend("torch varlen_attn", call),)


BENCHMARK = Benchmark("attention_packed", CASES, TINY, work)
