"""What a benchmark states: cases, and for each the tensors and everything that is run on them.

A file named after a kernel holds a `BENCHMARK`: cases of real towers, tiny ones for the dry run,
and the function that makes a case's `Work`. run.py takes it from there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .goals import Goal

Outputs = Tensor | tuple[Tensor, ...]
Call = Callable[[], Outputs]
Sizes = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One shape.

    Attributes:
        name: "50 tokens, ViT-B/32".
        sizes: what `work` needs to make the tensors: {"rows": 50_000, "width": 768}.
        goals: what the kernel should reach.
    """

    name: str
    sizes: Sizes
    goals: tuple[Goal, ...] = ()


@dataclass(frozen=True)
class Backend:
    """One way to compute a case's result.

    Attributes:
        name: as the table shows it.
        call: computes the result.
        timed: what is timed, where it is not `call`: one that overwrites its input.
        shown: turns what `call` gives into what is compared, outside the time.
        looseness: how many times the usual tolerance is right: it rounds more on the way.
    """

    name: str
    call: Call
    timed: Call | None = None
    shown: Callable[[Any], Outputs] | None = None
    looseness: float = 1.0


class NotServedError(Exception):
    """A case that this kernel leaves to another one, in this dtype; raised by `work`."""


@dataclass(frozen=True)
class Part:
    """What a part of an output must be: output number `output`, at `index`, in float64."""

    output: int
    index: Any
    values: np.ndarray


@dataclass(frozen=True)
class Work:
    """A case's tensors, what runs on them, and what that costs.

    Attributes:
        backends: the kernel first, then its rivals; the second one is what its whole result is
            compared with.
        wanted: computes parts of the result with the numpy twin in float64.
        reads: the tensors that must be read once, as far as they are read.
        moved: bytes read and written, by formula.
        flops: floating-point operations that count, by formula.
        ceiling: what the share is of: "copy", "product" (8192³) or "own product".
        product: (m, n, k) of the own product.
    """

    backends: tuple[Backend, ...]
    wanted: Callable[[], list[Part]]
    reads: tuple[Tensor, ...]
    moved: int
    flops: int
    ceiling: str = "copy"
    product: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Place:
    """Where a case runs, and in which dtype; draws its random numbers.

    Attributes:
        device: the GPU, or the CPU in a dry run.
        dtype: of the floating-point inputs.
        tune: whether torch.compile may also search for the best product (slow).
    """

    device: torch.device
    dtype: torch.dtype
    tune: bool = False
    generator: torch.Generator = field(init=False)

    def __post_init__(self) -> None:
        """Seed the numbers, so that two runs see the same."""
        object.__setattr__(self, "generator", torch.Generator(self.device).manual_seed(7))

    @property
    def size(self) -> int:
        """Bytes of a number."""
        return self.dtype.itemsize

    def random(self, *shape: int, scale: float = 1.0) -> Tensor:
        """Draw a tensor of normal numbers."""
        drawn = torch.randn(
            shape, generator=self.generator, device=self.device, dtype=torch.float32
        )
        return drawn.mul_(scale).to(self.dtype)

    def compiled(
        self, expression: Callable[..., Outputs], *arguments: Any, looseness: float = 1.0
    ) -> tuple[Backend, ...]:
        """The same expression under torch.compile; in a dry run as it is."""
        modes = {"torch.compile": "default"}
        if self.tune:
            modes["torch.compile, tuned"] = "max-autotune-no-cudagraphs"

        def backend(name: str) -> Backend:
            call = expression
            if self.device.type == "cuda":
                call = torch.compile(expression, dynamic=False, mode=modes[name])
            return Backend(name, lambda: call(*arguments), looseness=looseness)

        return tuple(backend(name) for name in modes)


@dataclass(frozen=True)
class Benchmark:
    """All cases of one kernel.

    Attributes:
        op: the kernel's file.
        cases: shapes of real towers.
        tiny: the same kinds, small enough for the interpreter.
        work: makes the tensors of a case.
    """

    op: str
    cases: tuple[Case, ...]
    tiny: tuple[Case, ...]
    work: Callable[[Sizes, Place], Work]


def ends(total: int, count: int) -> list[slice]:
    """Name the first, middle and last `count` of something, or all of it where it is short.

    >>> ends(10, 2), ends(5, 2)
    ([slice(0, 2, None), slice(4, 6, None), slice(8, 10, None)], [slice(0, 5, None)])
    """
    if total <= 3 * count:
        return [slice(0, total)]
    middle = (total - count) // 2
    return [slice(start, start + count) for start in (0, middle, total - count)]


def as_float64(x: Tensor) -> np.ndarray:
    """The very values of a tensor: what a numpy twin is fed."""
    return x.detach().double().cpu().numpy()
