"""How kernels are launched: where Triton can run, and the conventions that all launchers share.

A kernel's file has three parts: the `@triton.jit` function; the launcher, which checks, allocates
and calls `launch`; and `configurations()`, every set of constants that the launcher can choose, for
the compile checks (compiled.py).

Triton's interpreter (the environment variable TRITON_INTERPRET=1, set before triton is imported)
runs the same functions on tensors of the CPU, slowly. It gets bfloat16 wrong without a word: sums
and products work on the bits, casts cut off. So every kernel loads, turns into float32 with
`.to(tl.float32)`, computes, and ends in `device_functions.rounded`; products go through
`device_functions.dot`. Both do on the GPU what one would write without them.
"""

import os
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kernels.errors import KernelError

FLOATS = (torch.float32, torch.float16, torch.bfloat16)
"""The dtypes that kernels compute in; float64 is plain torch's."""


def interpreting() -> bool:
    """Whether Triton's interpreter takes the place of its compiler."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def has_triton() -> bool:
    """Whether triton is installed."""
    try:
        import triton  # noqa: F401
    except ImportError:
        return False
    return True


def why_not(*tensors: Tensor | None) -> str | None:
    """Say why a kernel cannot take these floating-point tensors, or None where it can.

    The reasons are for `choice.chosen`; whoever calls a kernel's launcher gets them as an error.
    """
    given = [each for each in tensors if each is not None]
    first = given[0]
    if torch.is_grad_enabled() and any(each.requires_grad for each in given):
        return "a gradient is wanted, and the kernels only go forward"
    if first.dtype not in FLOATS:
        return f"{_name(first.dtype)} has no kernel"
    if first.device.type != "cuda" and not interpreting():
        return f"no kernel runs on {first.device.type}"
    if not has_triton():
        return "triton is not installed"
    return None


def check_together(op: str, **tensors: Tensor | None) -> None:
    """Check that tensors are on one device and of one dtype.

    Raises:
        KernelError: they are not; it names the first that differs.
    """
    given = {name: each for name, each in tensors.items() if each is not None}
    (first, one), *others = given.items()
    for name, each in others:
        if each.device != one.device:
            raise KernelError(
                f"{op}: {first} is on {one.device} and {name} on {each.device}; "
                f"move both to one device with .to({str(one.device)!r})"
            )
        if each.dtype != one.dtype:
            raise KernelError(
                f"{op}: {first} is {_name(one.dtype)} and {name} {_name(each.dtype)}; "
                f"cast both to one dtype"
            )


def check_kernel(op: str, *tensors: Tensor | None) -> None:
    """Check that a kernel can take these tensors, for the launchers.

    Raises:
        KernelError: it cannot: dtype, device, or no triton.
    """
    reason = why_not(*tensors)
    if reason is not None:
        raise KernelError(
            f"{op}: {reason}; kernels take float32, float16 and bfloat16 on a CUDA device with "
            f"triton installed (kernels.ops.{op} falls back to plain torch)"
        )


def launch(
    kernel: Any, grid: tuple[int, ...], device: torch.device, *arguments: Any, **constants: Any
) -> None:
    """Run a kernel on the device of its tensors; a grid with a 0 runs nothing.

    Args:
        kernel: the `@triton.jit` function.
        grid: how many programs along each axis.
        device: where the tensors are; it need not be torch's current device.
        *arguments: the run-time arguments, in order.
        **constants: the compile-time ones, with `num_warps` and `num_stages`; without these two
            it is 4 and 1, so that what runs is what compiled.py compiles.
    """
    if 0 in grid:
        return
    # the interpreter is numpy, which warns where a GPU quietly gives infinity
    place: AbstractContextManager[Any] = (
        torch.cuda.device(device) if device.type == "cuda" else np.errstate(all="ignore")
    )
    options = {"num_warps": 4, "num_stages": 1, "enable_fp_fusion": True}
    with place:
        kernel[grid](*arguments, **(options | constants))


def float32_precision() -> str:
    """How `tl.dot` multiplies float32: exactly, unless torch was told that tf32 will do.

    The switch is torch's own: `torch.backends.cuda.matmul.fp32_precision`, from torch 2.9 on, which
    also `allow_tf32` and `torch.set_float32_matmul_precision` turn. Asked there, `allow_tf32` warns,
    or fails where somebody turned only the new one; before 2.9 there is nothing else.
    """
    matmul = torch.backends.cuda.matmul
    if hasattr(matmul, "fp32_precision"):
        return "tf32" if matmul.fp32_precision == "tf32" else "ieee"
    return "tf32" if matmul.allow_tf32 else "ieee"


def rows_of(x: Tensor) -> Tensor:
    """View a tensor as rows of its last axis, (n, D), with one stride; copies where it must."""
    rows = x.reshape(-1, x.shape[-1])
    return rows if rows.stride(-1) == 1 else rows.contiguous()


def cdiv(total: int, step: int) -> int:
    """How many steps cover the total."""
    return -(-total // step)


def split(width: int, smallest: int, most: int = 3) -> tuple[int, ...]:
    """Split a width into at most `most` powers of two that cover it with least waste.

    Triton's tiles are powers of two. A row of 1,152 as 1,024 + 128 wastes nothing; padded to 2,048
    it would waste 44 %. Unused pieces are 0.

    >>> split(768, 16), split(72, 16), split(88, 16), split(104, 16), split(50, 16)
    ((512, 256, 0), (64, 16, 0), (64, 32, 0), (64, 32, 16), (64, 0, 0))
    >>> split(3, 16), split(1000, 16)
    ((16, 0, 0), (1024, 0, 0))
    """
    powers = [smallest << n for n in range(32) if smallest << n < 2 * max(width, smallest)]

    def cover(rest: int, pieces: int, highest: int) -> tuple[int, ...] | None:
        """Find the cheapest cover by falling powers: least total, then fewest pieces."""
        if rest <= 0:
            return ()
        if not pieces:
            return None
        covers = [
            (power, *tail)
            for power in powers
            if power <= highest and (tail := cover(rest - power, pieces - 1, power)) is not None
        ]
        return min(covers, key=lambda found: (sum(found), len(found)), default=None)

    found = cover(width, most, powers[-1]) or ()
    return found + (0,) * (most - len(found))


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
