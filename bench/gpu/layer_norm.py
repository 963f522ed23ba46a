"""Layer norm alone, beside torch's own and what torch.compile makes of the expression."""

import torch.nn.functional as F

from kernels import layer_norm as kernel
from refimpl import ops as numpy_ops

from .cases import Backend, Benchmark, Case, Part, Place, Sizes, Work, as_float64, ends
from .goals import Goal

EPS = 1e-5
ROWS_COMPARED = 256
SHAPES = {
    "50k x 512": (50_000, 512),
    "50k x 768": (50_000, 768),
    "100k x 1024": (100_000, 1024),
    "200k x 1280": (200_000, 1280),
    "600k x 1152": (600_000, 1152),
    "600k x 1664": (600_000, 1664),
}
TINY_SHAPES = {"9 x 72": (9, 72), "2 x 768": (2, 768)}


def cases(goals: tuple[Goal, ...]) -> tuple[Case, ...]:
    """The towers' shapes, each with the same goals."""
    return tuple(
        Case(name, {"rows": rows, "width": width}, goals) for name, (rows, width) in SHAPES.items()
    )


TINY = tuple(
    Case(name, {"rows": rows, "width": width}) for name, (rows, width) in TINY_SHAPES.items()
)


def work(sizes: Sizes, place: Place) -> Work:
    """Rows read and written once, with the two vectors: 4 bytes a number in half precision."""
    rows, width = sizes["rows"], sizes["width"]
    x = place.random(rows, width)
    weight, bias = place.random(width), place.random(width)

    def expression(x, weight, bias):
        wide = x.float()
        centred = wide - wide.mean(-1, keepdim=True)
        scaled = centred * (centred.square().mean(-1, keepdim=True) + EPS).rsqrt()
        return (scaled * weight + bias).to(x.dtype)

    def wanted() -> list[Part]:
        vectors = as_float64(weight), as_float64(bias)
        return [
            Part(0, at, numpy_ops.layer_norm(as_float64(x[at]), *vectors, EPS))
            for at in ends(rows, ROWS_COMPARED)
        ]

    return Work(
        backends=(
            Backend("kernel", lambda: kernel.layer_norm(x, weight, bias, EPS)),
            Backend("F.layer_norm", lambda: F.layer_norm(x, (width,), weight, bias, EPS)),
            *place.compiled(expression, x, weight, bias),
        ),
        wanted=wanted,
        reads=(x, weight, bias),
        moved=(2 * rows * width + 2 * width) * place.size,
        flops=8 * rows * width,
    )


BENCHMARK = Benchmark("layer_norm", cases((Goal("speedup", 1.0, "F.layer_norm"),)), TINY, work)
