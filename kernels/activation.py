"""Bias and activation in one pass over memory, and the gated form of it, swiglu.

Twin:    refimpl/ops.py, the second half of linear_activation, and swiglu; the functions are in
         activation_functions.py.
Layout:  x (rows, M), or (rows, 2 M) for swiglu, with one stride between rows and 1 inside; the
         result is contiguous, or x itself.
Grid:    one program, of one warp, for a tile of 1,024 numbers: 256 columns of 4 rows where rows are
         that wide; neighbours in a row run one after another. A warp then has 128 bits of every row
         and of the bias in each thread, and nothing moves between threads.
Sums:    none; computed in float32, rounded once.
Traffic: in half precision 4 bytes a number (read x, write y), 6 a number of swiglu's result;
         doubled in float32. Eager torch moves 4 for the bias and 4 for the function, and 12 for a
         quick_gelu of three kernels. 4 to 20 FLOPs a number (activation_functions.py): it is memory
         that counts, though gelu comes close. The epilogue of the matrix product does the same without any traffic.
Limits:  float32, float16, bfloat16. Below 16 columns, or where M is not divisible by 16, loads are
         narrower than 128 bits.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.activation_functions import FUNCTIONS, REAL, activate
from kernels.compiled import TRITON_NAMES, Configuration
from kernels.device_functions import rounded
from kernels.errors import KernelError
from kernels.runtime import cdiv, check_kernel, check_together, launch, rows_of


@triton.jit
def tile_of(rows, width, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """This program's rows (ROWS, 1) and columns (1, COLUMNS), and which of its numbers exist."""
    across = tl.cdiv(width, COLUMNS)
    row = (tl.program_id(0) // across).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    column = (tl.program_id(0) % across) * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    return row, column, (row < rows) & (column < width)


@triton.jit
def activation_kernel(
    x_ptr, bias_ptr, y_ptr, rows, width, x_stride, y_stride,
    NAME: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Bend one tile: y = activation(x + bias); bias_ptr may be None, and y_ptr may be x_ptr."""
    row, column, inside = tile_of(rows, width, ROWS, COLUMNS)
    x = tl.load(x_ptr + row * x_stride + column, inside, 0.0).to(tl.float32)
    if bias_ptr is not None:
        x += tl.load(bias_ptr + column, column < width, 0.0).to(tl.float32)
    y = rounded(activate(x, NAME), y_ptr.dtype.element_ty)
    tl.store(y_ptr + row * y_stride + column, y, inside)


@triton.jit
def swiglu_kernel(
    x_ptr, y_ptr, rows, width, x_stride, y_stride,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Gate one tile: y = silu(x[:M]) · x[M:], M = width."""
    row, column, inside = tile_of(rows, width, ROWS, COLUMNS)
    at = x_ptr + row * x_stride + column
    gate = tl.load(at, inside, 0.0).to(tl.float32)
    gated = tl.load(at + width, inside, 0.0).to(tl.float32)
    y = rounded(activate(gate, "silu") * gated, y_ptr.dtype.element_ty)
    tl.store(y_ptr + row * y_stride + column, y, inside)


def tiles(width: int) -> tuple[int, int]:
    """Choose the rows and columns of a tile: 1,024 numbers, 32 a thread.

    256 columns are 128 bits a thread in half precision, and leave few lanes idle at the end of the
    rows that MLPs have (4,304 of so400m are 16.8 of them).

    Returns:
        ROWS and COLUMNS.
    """
    columns = min(256, max(16, 1 << (width - 1).bit_length()))
    return 1024 // columns, columns


def bias_activation(
    x: Tensor, bias: Tensor | None, activation: str, *, in_place: bool = False
) -> Tensor:
    """Add a bias to every row and apply an activation function.

    Args:
        x: (*b, M), of any strides.
        bias: (M,), or None.
        activation: what a config's `hidden_act` names: a key of FUNCTIONS.
        in_place: write into x, whose numbers must not share memory.

    Returns:
        x itself where it was changed, otherwise a new tensor (*b, M), contiguous.

    Raises:
        KernelError: the name is unknown; shapes, dtypes or devices do not fit; x is to be changed
            in place and its rows overlap.
    """
    if activation not in FUNCTIONS:
        raise KernelError(
            f"bias_activation: hidden_act {activation!r} is unknown; known are "
            f"{', '.join(FUNCTIONS)}"
        )
    if bias is not None and bias.shape != x.shape[-1:]:
        raise KernelError(
            f"bias_activation: bias must be ({x.shape[-1]},), the last axis of x "
            f"{tuple(x.shape)}; got {tuple(bias.shape)}"
        )
    check_together("bias_activation", x=x, bias=bias)
    check_kernel("linear_activation", x)  # the operation that falls back
    if in_place and any(
        size > 1 and not step for size, step in zip(x.shape, x.stride(), strict=True)
    ):
        raise KernelError("bias_activation: x was expanded; in_place needs memory of its own")
    y = x if in_place else torch.empty(x.shape, dtype=x.dtype, device=x.device)
    if not x.numel():
        return y
    flat, width = rows_of(x), x.shape[-1]
    out = flat if in_place else y.view(flat.shape)
    step, columns = tiles(width)
    launch(
        activation_kernel, (cdiv(len(flat), step) * cdiv(width, columns),), x.device,
        flat, None if bias is None else bias.contiguous(), out,
        len(flat), width, flat.stride(0), out.stride(0),
        NAME=FUNCTIONS[activation], ROWS=step, COLUMNS=columns, num_warps=1,
    )  # fmt: skip
    if in_place and flat.data_ptr() != x.data_ptr():  # no strides give x as rows: it was copied
        x.copy_(flat.view(x.shape))
    return y


def swiglu(x: Tensor) -> Tensor:
    """Gate the second half of each row by the first: (*b, 2 M) of any strides to (*b, M).

    Raises:
        KernelError: rows have an odd number of columns, or no kernel takes the dtype or device.
    """
    if x.shape[-1] % 2:
        raise KernelError(f"swiglu: rows must have two halves; x is {tuple(x.shape)}")
    check_kernel("swiglu", x)
    width = x.shape[-1] // 2
    y = torch.empty((*x.shape[:-1], width), dtype=x.dtype, device=x.device)
    if not y.numel():
        return y
    flat = rows_of(x)
    step, columns = tiles(width)
    launch(
        swiglu_kernel, (cdiv(len(flat), step) * cdiv(width, columns),), x.device,
        flat, y, len(flat), width, flat.stride(0), width,
        ROWS=step, COLUMNS=columns, num_warps=1,
    )  # fmt: skip
    return y


OFTEN = (
    *(("bfloat16", name, True) for name in ("gelu", "quick_gelu", "gelu_tanh", "silu")),
    ("bfloat16", "gelu", False),
    ("float16", "gelu", True),
    ("float32", "gelu", True),
)
"""Dtype, function, and whether there is a bias, as there is in the MLPs of real checkpoints."""


def configurations() -> list[Configuration]:
    """Say what the launchers choose for the widths of MLPs: one tile, and every function.

    float16 is as bfloat16, in which all functions are; in float32 are those of real checkpoints.
    """
    every = [("bfloat16", name, True) for name in sorted(set(FUNCTIONS.values()))]
    every += [("float32", name, True) for name in REAL]
    return [
        *(_configuration(*case) for case in dict.fromkeys((*OFTEN, *every))),
        *(_gating(dtype) for dtype in TRITON_NAMES),
    ]


NUMBERS = {"rows": "i32:any", **dict.fromkeys(("width", "x_stride", "y_stride"), "i32")}
TILE = dict(zip(("ROWS", "COLUMNS"), tiles(4096), strict=True))


def _configuration(dtype: str, name: str, biased: bool) -> Configuration:
    """Describe one activation."""
    pointers = ("x_ptr", "bias_ptr", "y_ptr") if biased else ("x_ptr", "y_ptr")
    return Configuration(
        f"activation {dtype} {name}{'' if biased else ' without bias'}",
        activation_kernel,
        dict.fromkeys(pointers, f"*{TRITON_NAMES[dtype]}") | NUMBERS,
        {"NAME": name, **TILE, **({} if biased else {"bias_ptr": None})},
        1,
        wide_loads=True,
        seldom=(dtype, name, biased) not in OFTEN,
    )


def _gating(dtype: str) -> Configuration:
    """Describe swiglu."""
    pointers = dict.fromkeys(("x_ptr", "y_ptr"), f"*{TRITON_NAMES[dtype]}")
    return Configuration(
        f"swiglu {dtype}", swiglu_kernel, pointers | NUMBERS, TILE, 1,
        wide_loads=True, seldom=dtype == "float16",
    )  # fmt: skip
