"""Residual + bias + layer norm in one pass, beside the two eager kernels that it replaces."""

from types import SimpleNamespace

import torch.nn.functional as F

from kernels import add_layer_norm as kernel
from refimpl import ops as numpy_ops

from .cases import Backend, Benchmark, Case, Part, Place, Sizes, Work, as_float64, ends
from .goals import Goal
from .layer_norm import EPS, ROWS_COMPARED, SHAPES

PAIR = Goal("speedup", 1.8, "x + delta, F.layer_norm")


def _cases(shapes: dict[str, tuple[int, int]], with_goals: bool) -> tuple[Case, ...]:
    """Pre-norm, post-norm, and one with the sub-layer's bias still to be added."""
    found = []
    for name, (rows, width) in shapes.items():
        share = Goal("share", 0.8 if (rows, width) == (50_000, 512) else 0.9)
        goals = (share, PAIR) if with_goals else ()
        sizes = {"rows": rows, "width": width, "kept": True, "biased": False}
        found.append(Case(f"{name}, pre-norm", sizes, goals))
        if width in (72, 768):
            found.append(Case(f"{name}, post-norm", {**sizes, "kept": False}, goals))
            found.append(Case(f"{name}, bias", {**sizes, "biased": True}, goals))
    return tuple(found)


def work(sizes: Sizes, place: Place) -> Work:
    """Two tensors read, one or two written: 8 or 6 bytes a number in half precision."""
    rows, width, kept = sizes["rows"], sizes["width"], sizes["kept"]
    x, delta = place.random(rows, width), place.random(rows, width)
    norm = SimpleNamespace(path="norm", weight=place.random(width), bias=place.random(width))
    shift = place.random(width) if sizes["biased"] else None
    vectors = (norm.weight, norm.bias)

    def expression(x, delta, weight, bias):
        total = x + delta if shift is None else x + (delta + shift)
        normed = F.layer_norm(total, (width,), weight, bias, EPS)
        return (total, normed) if kept else normed

    def wanted() -> list[Part]:
        arrays = SimpleNamespace(
            path="norm", weight=as_float64(norm.weight), bias=as_float64(norm.bias)
        )
        parts = []
        for at in ends(rows, ROWS_COMPARED):
            more = as_float64(delta[at]) + (0 if shift is None else as_float64(shift))
            both = numpy_ops.add_layer_norm(norm, "sum", as_float64(x[at]), more, arrays, EPS)
            parts += [Part(n, at, y) for n, y in enumerate(both if kept else both[1:])]
        return parts

    call = kernel.add_layer_norm if kept else kernel.layer_norm_of_sum
    tensors = (x, delta, *vectors)
    return Work(
        backends=(
            Backend("kernel", lambda: call(x, delta, *vectors, EPS, shift)),
            Backend("x + delta, F.layer_norm", lambda: expression(*tensors)),
            *place.compiled(expression, *tensors),
        ),
        wanted=wanted,
        reads=tensors if shift is None else (*tensors, shift),
        moved=((4 if kept else 3) * rows * width + (2 + sizes["biased"]) * width) * place.size,
        flops=9 * rows * width,
    )


BENCHMARK = Benchmark(
    "add_layer_norm", _cases(SHAPES, True), _cases({"9 x 72": (9, 72)}, False), work
)
