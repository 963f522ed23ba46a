"""Product + bias + activation in one kernel, and as a product and one pass; beside eager torch.

What it may cost is the plain product of the same shape: bias and activation should be all but free.
ways.py turns the first two into the table that chooses between them.
"""

from types import SimpleNamespace

import torch.nn.functional as F

from kernels import activation as one_pass
from kernels import linear_activation as kernel
from kernels.activations import ACTIVATIONS
from refimpl import ops as numpy_ops

from .cases import Backend, Benchmark, Case, Part, Place, Sizes, Work, as_float64, ends
from .goals import Goal

ROWS_COMPARED = 32
PLAIN = (Goal("share", 0.95),)

TOWERS = {
    "B": (768, 3072, "quick_gelu"),
    "text B": (512, 2048, "quick_gelu"),
    "L": (1024, 4096, "quick_gelu"),
    "H": (1280, 5120, "gelu"),
    "g": (1408, 6144, "gelu"),
    "bigG": (1664, 8192, "gelu"),
    "so400m": (1152, 4304, "gelu_pytorch_tanh"),
}
"""Width, MLP width and activation of the towers that real checkpoints have."""


def _case(name: str, tower: str, rows: int, goals: tuple[Goal, ...] = ()) -> Case:
    width, inner, activation = TOWERS[tower]
    return Case(name, {"rows": rows, "in": width, "out": inner, "name": activation}, goals)


CASES = (
    _case("B/32, 256 pictures", "B", 12_800, PLAIN),
    _case("B/16, 256 pictures", "B", 50_432, PLAIN),
    _case("text B, 256 texts of 77", "text B", 19_712, PLAIN),
    _case("L/14, 64 pictures", "L", 16_448, PLAIN),
    _case("L/14, 256 pictures", "L", 65_792, PLAIN),
    _case("H/14, 64 pictures", "H", 16_448, PLAIN),
    _case("g/14, 64 pictures", "g", 16_448, PLAIN),
    _case("bigG/14, 64 pictures", "bigG", 16_448, PLAIN),
    _case("so400m-384, 32 pictures", "so400m", 23_328, PLAIN),
    _case("B/32, 1 picture", "B", 50),
    _case("L, 50 rows", "L", 50),
    _case("bigG, 50 rows", "bigG", 50),
)
TINY = (Case("tiny", {"rows": 19, "in": 40, "out": 24, "name": "quick_gelu"}),)


def work(sizes: Sizes, place: Place) -> Work:
    """2 · rows · in · out FLOPs; each matrix moved once."""
    rows, width, inner, name = sizes["rows"], sizes["in"], sizes["out"], sizes["name"]
    x = place.random(rows, width)
    weight, bias = place.random(inner, width, scale=width**-0.5), place.random(inner)

    def expression(x, weight, bias):
        return ACTIVATIONS[name](F.linear(x, weight, bias))

    def wanted() -> list[Part]:
        layer = SimpleNamespace(weight=as_float64(weight), bias=as_float64(bias))
        node = SimpleNamespace(path="mlp", fc1=layer)
        return [
            Part(0, at, numpy_ops.linear_activation(node, as_float64(x[at]), name))
            for at in ends(rows, ROWS_COMPARED)
        ]

    def two():
        return one_pass.bias_activation(F.linear(x, weight), bias, name, in_place=True)

    return Work(
        backends=(
            Backend("kernel", lambda: kernel.linear_activation(x, weight, bias, name)),
            Backend("eager", lambda: expression(x, weight, bias)),
            Backend("product, then our pass", two),
            *place.compiled(expression, x, weight, bias),
        ),
        wanted=wanted,
        reads=(x, weight, bias),
        moved=(rows * width + inner * width + inner + rows * inner) * place.size,
        flops=2 * rows * width * inner,
        ceiling="own product",
        product=(rows, inner, width),
    )


BENCHMARK = Benchmark("linear_activation", CASES, TINY, work)
