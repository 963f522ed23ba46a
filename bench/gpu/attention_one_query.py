"""Attention from one query an item: SigLIP's pooling head; beside torch's attention."""

from typing import Any

from kernels import attention_one_query as kernel
from refimpl.graph.interface import Mask

from .attention import sdpa, sdpa_backends, twin
from .cases import Backend, Benchmark, Case, Part, Place, Sizes, Work, ends

ITEMS_COMPARED = 8


def _sizes(batch: int, keys: int, heads: int, head: int) -> dict[str, Any]:
    return {"batch": batch, "keys": keys, "heads": heads, "head width": head}


CASES = (
    Case("SigLIP B/16", _sizes(1024, 196, 12, 64)),
    Case("SigLIP L/16-384", _sizes(256, 576, 16, 64)),
    Case("so400m-384", _sizes(256, 729, 16, 72)),
)
TINY = (Case("19 keys", _sizes(3, 19, 2, 24)),)


def work(sizes: Sizes, place: Place) -> Work:
    """Keys and values read once: 2 FLOPs a byte, memory decides."""
    batch, keys, heads = sizes["batch"], sizes["keys"], sizes["heads"]
    width = heads * sizes["head width"]
    q = place.random(batch, 1, width)
    k, v = place.random(batch, keys, 2 * width).split(width, dim=-1)
    mask, scale = Mask(), sizes["head width"] ** -0.5

    def wanted() -> list[Part]:
        return [
            Part(0, at, twin([x[at] for x in (q, k, v)], heads, mask, scale))
            for at in ends(batch, ITEMS_COMPARED)
        ]

    return Work(
        backends=(
            Backend(
                "kernel",
                lambda: kernel.attention_one_query(q, k, v, heads=heads, mask=mask, scale=scale),
            ),
            *sdpa_backends(lambda: sdpa(q, k, v, heads, mask, scale)),
        ),
        wanted=wanted,
        reads=(q, k, v),
        moved=2 * (batch * width + batch * keys * width) * place.size,
        flops=4 * batch * keys * width,
    )


BENCHMARK = Benchmark("attention_one_query", CASES, TINY, work)
