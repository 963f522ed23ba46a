"""First half of an MLP in one kernel: a matrix product with bias and activation in its epilogue.

Twin:    refimpl/ops.py, linear_activation (there it takes a node; here its weight and bias).
Layout:  x (rows, D) and weight (M, D), as checkpoints store it, have one stride between rows and 1
         inside; the result (rows, M) is contiguous.
Grid:    one program for every tile of ROWS x COLUMNS of the result, in groups of 8 tiles below each
         other: the programs that run together then share rows of x and of the weight in the L2
         cache.
Sums:    float32, over D in steps of STEP; bias and activation on the sums, which are rounded once.
Traffic: the product's own 2 · (rows · D + M · D + rows · M) bytes in half precision, nothing for
         bias and activation; in passes of their own they move 4 · rows · M more, eager quick_gelu
         14 · rows · M.
FLOPs:   2 · rows · M · D, and those of the activation.
Limits:  D of at least 1; float32, float16, bfloat16; the names of activation_functions.FUNCTIONS.
Source:  the order of the tiles: Tillet et al. 2019 (Triton), tutorial 3 of its documentation.

The alternative is torch's product (cuBLAS) and then one pass of activation.py over the result: one
launch and one pass over memory more, but a product that is tuned for each shape. The table `WAY` in
ops.py says which of the two runs. Read next: patch_embedding.py, the same loop over gathered pixels.
"""

from itertools import product

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.activation_functions import FUNCTIONS, REAL, activate
from kernels.checks import check_linear
from kernels.compiled import TRITON_NAMES, Configuration
from kernels.device_functions import dot, rounded
from kernels.errors import KernelError
from kernels.runtime import (
    cdiv,
    check_kernel,
    float32_precision,
    launch,
    rows_of,
)

TILES = {
    torch.float16: ((128, 128, 64, 8, 3), (64, 64, 64, 4, 3), (64, 32, 128, 4, 3)),
    torch.bfloat16: ((128, 128, 64, 8, 3), (64, 64, 64, 4, 3), (64, 32, 128, 4, 3)),
    torch.float32: ((64, 64, 32, 4, 3), (32, 32, 32, 4, 3)),
}
"""ROWS, COLUMNS, STEP, warps and stages, from large to small.

A tile of 128 x 256 would reread less, but its sums and the exact gelu do not fit the registers; 64
rows are the fewest that Hopper's tensor cores multiply. All fit the 64 KB of an AMD CDNA 3.
"""

ENOUGH = 96
"""Programs that keep a GPU's multiprocessors (108 in an A100, 132 in an H200) about busy."""

GROUP = tl.constexpr(8)


@triton.jit
def tile_of(program, tall, wide):
    """Place of a program's tile among `tall` x `wide`: GROUP down, then one to the right."""
    first = program // (GROUP * wide) * GROUP
    height = tl.minimum(tall - first, GROUP)
    inside = program % (GROUP * wide)
    return first + inside % height, inside // height


@triton.jit
def spread(ptr, column, inside):
    """Load a vector for all rows of a tile, as float32: 8 neighbours at once in half precision.

    As one row it would be loaded where the tensor cores leave the sums, number by number.
    """
    ptrs = tl.broadcast_to((ptr + column)[None, :], inside.shape)
    return tl.load(ptrs, inside, 0.0).to(tl.float32)


@triton.jit
def linear_activation_kernel(
    x_ptr, weight_ptr, bias_ptr, y_ptr, rows, columns, numbers, x_stride, weight_stride,
    NAME: tl.constexpr, EVEN: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    STEP: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Compute one tile of activation(x Wᵀ + b)."""
    down, right = tile_of(tl.program_id(0), tl.cdiv(rows, ROWS), tl.cdiv(columns, COLUMNS))
    row = (down * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    column = (right * COLUMNS + tl.arange(0, COLUMNS)).to(tl.int64)
    k = tl.arange(0, STEP)
    # rows outside repeat the last one: no mask in the loop, and they are not stored
    x_ptrs = x_ptr + tl.minimum(row, rows - 1)[:, None] * x_stride + k[None, :]
    last = tl.minimum(column, columns - 1)
    weight_ptrs = weight_ptr + last[None, :] * weight_stride + k[:, None]
    sums = tl.zeros((ROWS, COLUMNS), tl.float32)
    for first in range(0, numbers, STEP):
        if EVEN:
            x = tl.load(x_ptrs)
            weight = tl.load(weight_ptrs)
        else:
            x = tl.load(x_ptrs, k[None, :] < numbers - first, 0.0)
            weight = tl.load(weight_ptrs, k[:, None] < numbers - first, 0.0)
        sums = dot(x, weight, sums, PRECISION)
        x_ptrs += STEP
        weight_ptrs += STEP
    inside = (row < rows)[:, None] & (column < columns)[None, :]
    if bias_ptr is not None:
        sums += spread(bias_ptr, column, inside)
    y = rounded(activate(sums, NAME), y_ptr.dtype.element_ty)
    tl.store(y_ptr + row[:, None] * columns + column[None, :], y, inside)


def tiles(rows: int, columns: int, dtype: torch.dtype) -> tuple[int, int, int, int, int]:
    """Choose the largest tile that gives ENOUGH programs, else the smallest.

    Returns:
        ROWS, COLUMNS, STEP, and the number of warps and of stages.
    """
    for tile in TILES[dtype]:
        if cdiv(rows, tile[0]) * cdiv(columns, tile[1]) >= ENOUGH:
            return tile
    return TILES[dtype][-1]


def linear_activation(x: Tensor, weight: Tensor, bias: Tensor | None, activation: str) -> Tensor:
    """Compute activation(x Wᵀ + b): (*b, D) of any strides to (*b, M), contiguous.

    Raises:
        KernelError: shapes, dtypes or devices do not fit, or the activation is unknown.
    """
    check_linear("linear_activation", x, weight, bias)
    name = function_named(activation)
    check_kernel("linear_activation", x)
    flat, matrix = rows_of(x), rows_of(weight)
    rows, columns, numbers = len(flat), *weight.shape
    y = torch.empty((*x.shape[:-1], columns), dtype=x.dtype, device=x.device)
    down, right, step, warps, stages = tiles(rows, columns, x.dtype)
    launch(
        linear_activation_kernel, (cdiv(rows, down) * cdiv(columns, right),), x.device,
        flat, matrix, None if bias is None else bias.contiguous(), y,
        rows, columns, numbers, flat.stride(0), matrix.stride(0),
        NAME=name, EVEN=numbers % step == 0, ROWS=down, COLUMNS=right, STEP=step,
        PRECISION=float32_precision(), num_warps=warps, num_stages=stages,
    )  # fmt: skip
    return y


def function_named(activation: str) -> str:
    """Give the function that a config's `hidden_act` names, as the kernels know it.

    Raises:
        KernelError: the name is unknown.
    """
    if activation not in FUNCTIONS:
        raise KernelError(f"hidden_act {activation!r} is unknown; known are {', '.join(FUNCTIONS)}")
    return FUNCTIONS[activation]


OFTEN = {"bfloat16": ("gelu", "quick_gelu"), "float16": ("gelu",), "float32": ("gelu",)}
"""Functions that are compiled every time: the dearest on all tiles, CLIP's on the largest."""


def configurations() -> list[Configuration]:
    """Say what the launcher chooses for real checkpoints, whose D is a multiple of 128.

    float16 has the constants of bfloat16, and is compiled on the largest tile only.
    """
    found = []
    for dtype, often in OFTEN.items():
        table = TILES[getattr(torch, dtype)]
        cases = product(dict.fromkeys((*often, *REAL)), table)
        for name, tile in [(often[0], table[0])] if dtype == "float16" else cases:
            seldom = name not in often or (name != often[0] and tile != table[0])
            found.append(_configuration(dtype, name, tile, seldom))
    return found


def _configuration(dtype: str, name: str, tile: tuple[int, ...], seldom: bool) -> Configuration:
    """Describe one function on one tile."""
    down, right, step, warps, stages = tile
    pointers = dict.fromkeys(
        ("x_ptr", "weight_ptr", "bias_ptr", "y_ptr"), f"*{TRITON_NAMES[dtype]}"
    )
    sizes = dict.fromkeys(("columns", "numbers", "x_stride", "weight_stride"), "i32")
    constants = {"NAME": name, "EVEN": True, "PRECISION": "ieee"}
    return Configuration(
        f"linear_activation {dtype} {name} {down}x{right}",
        linear_activation_kernel,
        {**pointers, "rows": "i32:any", **sizes},
        constants | {"ROWS": down, "COLUMNS": right, "STEP": step},
        warps,
        stages,
        tensor_cores=dtype != "float32",
        wide_loads=True,
        seldom=seldom,
    )
