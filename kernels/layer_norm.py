"""Layer norm: each row gets mean 0 and variance 1, in one pass over memory.

Twin:    refimpl/ops.py, layer_norm. The same on a sum is in add_layer_norm.py, which shares the
         pieces below.
Layout:  x (rows, D) has one stride between rows and 1 inside; y is contiguous.
Grid:    one program for every ROWS rows. A whole row is in registers, as up to three pieces whose
         widths are powers of two, so 768, 1152, 1280, 1408 and 1664 waste no lane. Up to 2,048 wide
         a program is one warp: its sums are shuffles, without shared memory and barriers.
Sums:    float32; the mean first, then the variance of what is left (two passes over registers).
Traffic: 4 bytes a number in half precision (read x, write y), 8 in float32; 8 FLOPs a number, so
         it is memory that counts.
Limits:  D up to 16,384; float32, float16, bfloat16.
Source:  Ba et al. 2016 (arXiv:1607.06450).
"""

import functools

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
def columns_of(live, FIRST: tl.constexpr, P: tl.constexpr, WIDTH: tl.constexpr):
    """The columns of a piece, and which numbers of its tile exist: (ROWS, P), or (ROWS, 1)."""
    column = FIRST + tl.arange(0, P)[None, :]
    inside = live[:, None]
    if FIRST + P > WIDTH:
        inside = inside & (column < WIDTH)
    return column, inside


@triton.jit
def piece(ptr, row, live, stride, FIRST: tl.constexpr, P: tl.constexpr, WIDTH: tl.constexpr):
    """Load P columns of some rows as float32, from column FIRST on; 0 outside, or without any."""
    if P > 0:
        column, inside = columns_of(live, FIRST, P, WIDTH)
        x = tl.load(ptr + row[:, None] * stride + column, inside, 0.0).to(tl.float32)
    else:
        x = 0.0
    return x


@triton.jit
def put(ptr, x, row, live, stride, FIRST: tl.constexpr, P: tl.constexpr, WIDTH: tl.constexpr):
    """Store P columns of some rows, rounded to the dtype of the memory."""
    if P > 0:
        column, inside = columns_of(live, FIRST, P, WIDTH)
        kept = rounded(x, ptr.dtype.element_ty)
        tl.store(ptr + row[:, None] * stride + column, kept, inside)


@triton.jit
def vector(ptr, FIRST: tl.constexpr, P: tl.constexpr, WIDTH: tl.constexpr):
    """Load P numbers of a vector as float32, as a row."""
    column = FIRST + tl.arange(0, P)[None, :]
    if FIRST + P > WIDTH:
        x = tl.load(ptr + column, column < WIDTH, 0.0)
    else:
        x = tl.load(ptr + column)
    return x.to(tl.float32)


@triton.jit
def row_sums(x, P: tl.constexpr):
    """Sum over the columns of a piece: (ROWS, 1)."""
    if P > 0:
        total = tl.sum(x, 1)[:, None]
    else:
        total = 0.0
    return total


@triton.jit
def centred(x, mean, FIRST: tl.constexpr, P: tl.constexpr, WIDTH: tl.constexpr):
    """Take the mean away; columns outside stay 0, so that they add nothing to the variance."""
    if P > 0:
        x = x - mean
        if FIRST + P > WIDTH:
            x = tl.where(FIRST + tl.arange(0, P)[None, :] < WIDTH, x, 0.0)
    return x


@triton.jit
def put_scaled(
    y_ptr, x, weight_ptr, bias_ptr, row, live, stride,
    FIRST: tl.constexpr, P: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Store x · weight + bias."""
    if P > 0:
        y = x * vector(weight_ptr, FIRST, P, WIDTH) + vector(bias_ptr, FIRST, P, WIDTH)
        put(y_ptr, y, row, live, stride, FIRST, P, WIDTH)


@triton.jit
def put_normalised(
    y_ptr, x1, x2, x3, weight_ptr, bias_ptr, row, live, stride, eps,
    WIDTH: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr, P3: tl.constexpr,
):  # fmt: skip
    """Normalise rows that are in registers, and store them."""
    mean = (row_sums(x1, P1) + row_sums(x2, P2) + row_sums(x3, P3)) / WIDTH
    x1 = centred(x1, mean, 0, P1, WIDTH)
    x2 = centred(x2, mean, P1, P2, WIDTH)
    x3 = centred(x3, mean, P1 + P2, P3, WIDTH)
    squares = row_sums(x1 * x1, P1) + row_sums(x2 * x2, P2) + row_sums(x3 * x3, P3)
    inverse = 1 / tl.sqrt(squares / WIDTH + eps)
    put_scaled(y_ptr, x1 * inverse, weight_ptr, bias_ptr, row, live, stride, 0, P1, WIDTH)
    put_scaled(y_ptr, x2 * inverse, weight_ptr, bias_ptr, row, live, stride, P1, P2, WIDTH)
    put_scaled(y_ptr, x3 * inverse, weight_ptr, bias_ptr, row, live, stride, P1 + P2, P3, WIDTH)


@triton.jit
def layer_norm_kernel(
    x_ptr, y_ptr, weight_ptr, bias_ptr, rows, eps, x_stride, y_stride,
    WIDTH: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr, P3: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Normalise ROWS rows: y = (x − mean) / √(var + eps) · weight + bias."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    live = row < rows
    x1 = piece(x_ptr, row, live, x_stride, 0, P1, WIDTH)
    x2 = piece(x_ptr, row, live, x_stride, P1, P2, WIDTH)
    x3 = piece(x_ptr, row, live, x_stride, P1 + P2, P3, WIDTH)
    put_normalised(
        y_ptr, x1, x2, x3, weight_ptr, bias_ptr, row, live, y_stride, eps, WIDTH, P1, P2, P3
    )


@functools.cache  # `split` searches, and this is asked at every launch
def tiles(width: int, size: int) -> tuple[tuple[int, ...], int, int]:
    """Choose the pieces of a row, the rows of a program, and its warps.

    A warp has about 4 KB of rows, eight 128-bit loads a thread; up to 6 KB where one row's smallest
    piece would be too few numbers for 128 bits a thread (1,152 is 1,024 + 128). At 1,664 that would
    take all registers, so there the last 128 columns move 64 bits at a time.

    Args:
        width: the numbers of a row.
        size: the bytes of a number.

    Returns:
        The pieces, ROWS, and the number of warps.
    """
    if width > 2048:
        pieces = split(width, 256)
        return pieces, 1, 4 if width <= 8192 else 16
    pieces = split(width, 16)
    row = sum(pieces) * size
    rows = 1 << max(4096 // row, 1).bit_length() - 1
    smallest = min(each for each in pieces if each) * size
    while not width * size % 16 and rows * smallest < 512 and 2 * rows * row <= 6144:
        rows *= 2
    return pieces, min(rows, 16), 1


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Normalise the rows of the last axis: (*b, D) of any strides to (*b, D), contiguous.

    Raises:
        KernelError: shapes, dtypes or devices do not fit, or D is above 16,384.
    """
    check_norm("layer_norm", x, weight, bias)
    check_together("layer_norm", x=x, weight=weight, bias=bias)
    check_kernel("layer_norm", x)
    flat, width = rows_of(x), x.shape[-1]
    y = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    (p1, p2, p3), step, warps = tiles(width, x.element_size())
    launch(
        layer_norm_kernel, (cdiv(len(flat), step),), x.device,
        flat, y, weight.contiguous(), bias.contiguous(), len(flat), eps, flat.stride(0), width,
        WIDTH=width, P1=p1, P2=p2, P3=p3, ROWS=step, num_warps=warps,
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
"""Those of the towers that real checkpoints have."""

OFTEN = {
    "bfloat16": (768, 1024, 1152, 1408, 1664),
    "float16": (768,),
    "float32": (768, 1664),
}
"""Of these, the ones whose code differs in more than a number; float16's is bfloat16's."""


def configurations() -> list[Configuration]:
    """Say what the launcher chooses for the widths of real checkpoints."""
    often = [(dtype, width) for dtype, widths in OFTEN.items() for width in widths]
    every = [(dtype, width) for dtype in ("bfloat16", "float32") for width in WIDTHS]
    return [
        _configuration(*case, seldom=case not in often) for case in dict.fromkeys(often + every)
    ]


def _configuration(dtype: str, width: int, *, seldom: bool) -> Configuration:
    """Describe one dtype and width."""
    (p1, p2, p3), step, warps = tiles(width, 4 if dtype == "float32" else 2)
    pointers = ("x_ptr", "y_ptr", "weight_ptr", "bias_ptr")
    numbers = {"rows": "i32:any", "eps": "fp32", "x_stride": "i32", "y_stride": "i32"}
    return Configuration(
        f"layer_norm {dtype} {width}",
        layer_norm_kernel,
        dict.fromkeys(pointers, f"*{TRITON_NAMES[dtype]}") | numbers,
        {"WIDTH": width, "P1": p1, "P2": p2, "P3": p3, "ROWS": step},
        warps,
        wide_loads=True,
        seldom=seldom,
    )
