"""Bias and activation in one pass, in place and not, and SwiGLU; beside eager torch."""

import torch
import torch.nn.functional as F

from kernels import activation as kernel
from kernels.activations import ACTIVATIONS
from refimpl import ops as numpy_ops
from refimpl.activations import activation as numpy_activation

from .cases import Backend, Benchmark, Case, Part, Place, Sizes, Work, as_float64, ends
from .goals import Goal

ROWS_COMPARED = 64
COPY = (Goal("share", 0.9),)

CASES = (
    Case("B/32, 256 pictures", {"rows": 12_800, "width": 3072, "name": "quick_gelu"}, COPY),
    Case("B/16, 256 pictures", {"rows": 50_432, "width": 3072, "name": "quick_gelu"}, COPY),
    Case("L/14, 256 pictures", {"rows": 65_792, "width": 4096, "name": "quick_gelu"}, COPY),
    Case("H/14, 128 pictures", {"rows": 32_896, "width": 5120, "name": "gelu"}, COPY),
    Case("bigG/14, 128 pictures", {"rows": 32_896, "width": 8192, "name": "gelu"}, COPY),
    Case(
        "so400m-384, 64 pictures",
        {"rows": 46_656, "width": 4304, "name": "gelu_pytorch_tanh"},
        COPY,
    ),
    Case("giant DINOv2, 128 pictures", {"rows": 32_896, "width": 4096, "name": "swiglu"}),
)
TINY = (
    Case("one gelu", {"rows": 9, "width": 96, "name": "quick_gelu"}),
    Case("SwiGLU", {"rows": 5, "width": 48, "name": "swiglu"}),
)


def work(sizes: Sizes, place: Place) -> Work:
    """Every number read once and written once; SwiGLU reads two for each that it writes."""
    if sizes["name"] == "swiglu":
        return _swiglu(sizes, place)
    rows, width, name = sizes["rows"], sizes["width"], sizes["name"]
    x, bias, scratch = (place.random(rows, width), place.random(width), place.random(rows, width))

    def expression(x, bias):
        return ACTIVATIONS[name](x + bias)

    def wanted() -> list[Part]:
        return [
            Part(0, at, numpy_activation(name)(as_float64(x[at]) + as_float64(bias)))
            for at in ends(rows, ROWS_COMPARED)
        ]

    def in_place(x):
        return kernel.bias_activation(x, bias, name, in_place=True)

    return Work(
        backends=(
            Backend("kernel, in place", lambda: in_place(x.clone()), lambda: in_place(scratch)),
            Backend("eager", lambda: expression(x, bias)),
            Backend("kernel, not in place", lambda: kernel.bias_activation(x, bias, name)),
            *place.compiled(expression, x, bias),
        ),
        wanted=wanted,
        reads=(x, bias),
        moved=(2 * rows * width + width) * place.size,
        flops=8 * rows * width,
    )


def _swiglu(sizes: Sizes, place: Place) -> Work:
    """The gate of the giant DINOv2: silu of the first half, times the second."""
    rows, width = sizes["rows"], sizes["width"]
    x = place.random(rows, 2 * width)

    def expression(x: torch.Tensor) -> torch.Tensor:
        gate, gated = x.chunk(2, dim=-1)
        return F.silu(gate) * gated

    return Work(
        backends=(
            Backend("kernel", lambda: kernel.swiglu(x)),
            Backend("eager", lambda: expression(x)),
            *place.compiled(expression, x),
        ),
        wanted=lambda: [
            Part(0, at, numpy_ops.swiglu(as_float64(x[at]))) for at in ends(rows, ROWS_COMPARED)
        ],
        reads=(x,),
        moved=3 * rows * width * place.size,
        flops=6 * rows * width,
    )


BENCHMARK = Benchmark("activation", CASES, TINY, work)
