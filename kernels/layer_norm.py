"""Layer norm, alone or on a sum: residual + bias + layer norm in one pass over memory.

Twin:    refimpl/ops.py, layer_norm, add_layer_norm, layer_norm_of_sum.
Layout:  x (rows, D) and whatever is added to it have one stride between rows and 1 inside.
Grid:    one program for every ROWS rows; a whole row is in registers, as up to three pieces whose
         widths are powers of two, so 768, 1152, 1280, 1408 and 1664 waste no lane.
Sums:    float32; the mean first, then the variance of what is left (two passes over registers).
Traffic: in bytes a number, half precision: plain 4 (read x, write y); on a sum 6 (read x and
         delta, write y), 8 where the sum is kept for the residual stream. Two eager kernels move 10.
         About 8 FLOPs a number: it is memory that counts.
Limits:  D up to 16,384; float32, float16, bfloat16.
Source:  Ba et al. 2016 (arXiv:1607.06450).
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.compiled import TRITON_NAMES, Configuration
from kernels.device_functions import rounded
from kernels.errors import KernelError
from kernels.runtime import cdiv, check_kernel, check_together, launch, rows_of, split

WIDEST = 16_384


@triton.jit
def _piece(ptr, row, live, stride, FIRST: tl.constexpr, P: tl.constexpr, WIDTH: tl.constexpr):
    """Load P columns of some rows as float32, from column FIRST on; 0 outside."""
    column = FIRST + tl.arange(0, P)
    inside = live[:, None] & (column < WIDTH)[None, :]
    return tl.load(ptr + row[:, None] * stride + column[None, :], inside, 0.0).to(tl.float32)


@triton.jit
def _vector(ptr, FIRST: tl.constexpr, P: tl.constexpr, WIDTH: tl.constexpr):
    """Load P numbers of a vector as float32, as a row."""
    column = FIRST + tl.arange(0, P)
    return tl.load(ptr + column, column < WIDTH, 0.0).to(tl.float32)[None, :]


@triton.jit
def _put(ptr, x, row, live, stride, FIRST: tl.constexpr, P: tl.constexpr, WIDTH: tl.constexpr):
    """Store P columns of some rows, rounded to the dtype of the memory."""
    column = FIRST + tl.arange(0, P)
    inside = live[:, None] & (column < WIDTH)[None, :]
    tl.store(
        ptr + row[:, None] * stride + column[None, :], rounded(x, ptr.dtype.element_ty), inside
    )


@triton.jit
def _centred(x, mean, FIRST: tl.constexpr, P: tl.constexpr, WIDTH: tl.constexpr):
    """Take the mean away; columns outside stay 0, so that they add nothing to the variance."""
    column = FIRST + tl.arange(0, P)
    return tl.where((column < WIDTH)[None, :], x - mean, 0.0)


@triton.jit
def layer_norm_kernel(
    x_ptr, y_ptr, weight_ptr, bias_ptr, rows, eps, x_stride, y_stride,
    WIDTH: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr, P3: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Normalise ROWS rows: y = (x − mean) / √(var + eps) · weight + bias."""
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    live = row < rows
    x1 = _piece(x_ptr, row, live, x_stride, 0, P1, WIDTH)
    total = tl.sum(x1, 1)
    if P2 > 0:
        x2 = _piece(x_ptr, row, live, x_stride, P1, P2, WIDTH)
        total += tl.sum(x2, 1)
    if P3 > 0:
        x3 = _piece(x_ptr, row, live, x_stride, P1 + P2, P3, WIDTH)
        total += tl.sum(x3, 1)
    mean = (total / WIDTH)[:, None]
    x1 = _centred(x1, mean, 0, P1, WIDTH)
    squares = tl.sum(x1 * x1, 1)
    if P2 > 0:
        x2 = _centred(x2, mean, P1, P2, WIDTH)
        squares += tl.sum(x2 * x2, 1)
    if P3 > 0:
        x3 = _centred(x3, mean, P1 + P2, P3, WIDTH)
        squares += tl.sum(x3 * x3, 1)
    inverse = (1 / tl.sqrt(squares / WIDTH + eps))[:, None]
    y1 = x1 * inverse * _vector(weight_ptr, 0, P1, WIDTH) + _vector(bias_ptr, 0, P1, WIDTH)
    _put(y_ptr, y1, row, live, y_stride, 0, P1, WIDTH)
    if P2 > 0:
        y2 = x2 * inverse * _vector(weight_ptr, P1, P2, WIDTH) + _vector(bias_ptr, P1, P2, WIDTH)
        _put(y_ptr, y2, row, live, y_stride, P1, P2, WIDTH)
    if P3 > 0:
        y3 = x3 * inverse * _vector(weight_ptr, P1 + P2, P3, WIDTH)
        y3 += _vector(bias_ptr, P1 + P2, P3, WIDTH)
        _put(y_ptr, y3, row, live, y_stride, P1 + P2, P3, WIDTH)


def tiles(width: int) -> tuple[tuple[int, ...], int, int]:
    """Choose pieces of a row, rows of a program, and its warps: about 4,096 numbers, 8 a load.

    Returns:
        The pieces, ROWS, and the number of warps.
    """
    pieces = split(width, 16)
    rows = max(1, min(16, 4096 // (1 << (sum(pieces) - 1).bit_length())))
    return pieces, rows, 4 if width <= 2048 else 8


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Normalise the rows of the last axis: (*b, D) of any strides to (*b, D), contiguous.

    Raises:
        KernelError: shapes, dtypes or devices do not fit, or D is above 16,384.
    """
    check_norm("layer_norm", x, weight, bias)
    check_together("layer_norm", x=x, weight=weight, bias=bias)
    check_kernel("layer_norm", x)
    flat = rows_of(x)
    y = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    (p1, p2, p3), step, warps = tiles(x.shape[-1])
    launch(
        layer_norm_kernel, (cdiv(len(flat), step),), x.device,
        flat, y, weight, bias, len(flat), eps, flat.stride(0), x.shape[-1],
        WIDTH=x.shape[-1], P1=p1, P2=p2, P3=p3, ROWS=step, num_warps=warps,
    )  # fmt: skip
    return y


def check_norm(op: str, x: Tensor, weight: Tensor, bias: Tensor) -> None:
    """Check that a norm's scale and shift are vectors of the width of x.

    Raises:
        KernelError: they are not, or the width has no kernel.
    """
    for name, vector in (("weight", weight), ("bias", bias)):
        if vector.shape != x.shape[-1:]:
            raise KernelError(
                f"{op}: {name} must be ({x.shape[-1]},), the last axis of x {tuple(x.shape)}; "
                f"got {tuple(vector.shape)}. One tower's weights on the other?"
            )
    if not 0 < x.shape[-1] <= WIDEST:
        raise KernelError(f"{op}: rows must have 1 to {WIDEST} numbers; got {x.shape[-1]}")


WIDTHS = (384, 512, 640, 768, 896, 1024, 1152, 1280, 1408, 1664)
"""Of the towers that real checkpoints have."""


def configurations() -> list[Configuration]:
    """Say what the launchers choose for the widths of real checkpoints."""
    found = []
    for dtype, name in TRITON_NAMES.items():
        for width in WIDTHS:
            (p1, p2, p3), step, warps = tiles(width)
            found.append(
                Configuration(
                    f"layer_norm {dtype} {width}",
                    layer_norm_kernel,
                    {
                        **dict.fromkeys(("x_ptr", "y_ptr", "weight_ptr", "bias_ptr"), f"*{name}"),
                        "rows": "i32:any",
                        "eps": "fp32",
                        "x_stride": "i32",
                        "y_stride": "i32",
                    },
                    {"WIDTH": width, "P1": p1, "P2": p2, "P3": p3, "ROWS": step},
                    warps,
                    wide_loads=True,
                )
            )
    return found
