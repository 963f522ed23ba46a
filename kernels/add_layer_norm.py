"""Residual + bias + layer norm in one pass over memory, for both kinds of block.

Twin:    refimpl/ops.py, add_layer_norm (pre-norm: the sum goes on as the stream, its norm into the
         next sub-layer) and layer_norm_of_sum (post-norm: only the norm goes on).
Layout:  x and delta (rows, D) have one stride between rows each and 1 inside; the results are
         contiguous.
Grid:    that of layer_norm.py, whose pieces it shares: whole rows in the registers of one warp.
Sums:    float32. The norm is of the sum as it is in float32: what the twin would do in half
         precision, round the sum to the stream's dtype first, costs accuracy and saves nothing.
         The sum that is stored is rounded once.
Traffic: in half precision 8 bytes a number where the sum is kept (read x and delta, write the sum
         and the norm), 6 where it is not; doubled in float32. An addition and a norm move 10.
         9 to 10 FLOPs a number: it is memory that counts.
Limits:  D up to 16,384; float32, float16, bfloat16.
Source:  Ba et al. 2016 (arXiv:1607.06450); the two orders of it: Xiong et al. 2020
         (arXiv:2002.04745).
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.compiled import TRITON_NAMES, Configuration
from kernels.errors import KernelError
from kernels.layer_norm import WIDTHS, check_norm, piece, put, put_normalised, tiles, vector
from kernels.runtime import cdiv, check_kernel, check_together, launch, rows_of


@triton.jit
def summed(
    x_ptr, delta_ptr, delta_bias_ptr, row, live, x_stride, delta_stride,
    FIRST: tl.constexpr, P: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Load P columns of some rows of x + delta + delta_bias, in float32; 0 outside."""
    x = piece(x_ptr, row, live, x_stride, FIRST, P, WIDTH)
    delta = piece(delta_ptr, row, live, delta_stride, FIRST, P, WIDTH)
    if P > 0:
        if delta_bias_ptr is not None:
            delta += vector(delta_bias_ptr, FIRST, P, WIDTH)
    return x + delta


@triton.jit
def add_layer_norm_kernel(
    x_ptr, delta_ptr, delta_bias_ptr, sum_ptr, y_ptr, weight_ptr, bias_ptr,
    rows, eps, x_stride, delta_stride, y_stride,
    WIDTH: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr, P3: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Add ROWS rows and normalise them; sum_ptr is None where the sum is not kept."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    live = row < rows
    x1 = summed(x_ptr, delta_ptr, delta_bias_ptr, row, live, x_stride, delta_stride, 0, P1, WIDTH)
    x2 = summed(x_ptr, delta_ptr, delta_bias_ptr, row, live, x_stride, delta_stride, P1, P2, WIDTH)
    x3 = summed(
        x_ptr, delta_ptr, delta_bias_ptr, row, live, x_stride, delta_stride, P1 + P2, P3, WIDTH
    )
    if sum_ptr is not None:
        put(sum_ptr, x1, row, live, y_stride, 0, P1, WIDTH)
        put(sum_ptr, x2, row, live, y_stride, P1, P2, WIDTH)
        put(sum_ptr, x3, row, live, y_stride, P1 + P2, P3, WIDTH)
    put_normalised(
        y_ptr, x1, x2, x3, weight_ptr, bias_ptr, row, live, y_stride, eps, WIDTH, P1, P2, P3
    )


def add_layer_norm(
    x: Tensor,
    delta: Tensor,
    weight: Tensor,
    bias: Tensor,
    eps: float,
    delta_bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Add a sub-layer's output (and its bias) to the stream, and normalise the sum.

    Args:
        x: (*b, D), of any strides.
        delta: of the same shape, of any strides.
        weight: (D,), the norm's scale.
        bias: (D,), the norm's shift.
        eps: of the norm.
        delta_bias: (D,), added to every row of delta; None adds nothing.

    Returns:
        x + delta + delta_bias, and its norm; both (*b, D), contiguous, in x's dtype.

    Raises:
        KernelError: shapes, dtypes or devices do not fit, or D is above 16,384.
    """
    _check("add_layer_norm", x, delta, weight, bias, delta_bias)
    total = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    y = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    _run(x, delta, delta_bias, total, y, weight, bias, eps)
    return total, y


def layer_norm_of_sum(
    x: Tensor,
    delta: Tensor,
    weight: Tensor,
    bias: Tensor,
    eps: float,
    delta_bias: Tensor | None = None,
) -> Tensor:
    """Norm of x + delta + delta_bias, whose sum is never written; otherwise as `add_layer_norm`.

    Raises:
        KernelError: shapes, dtypes or devices do not fit, or D is above 16,384.
    """
    _check("layer_norm_of_sum", x, delta, weight, bias, delta_bias)
    y = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    _run(x, delta, delta_bias, None, y, weight, bias, eps)
    return y


def _run(
    x: Tensor,
    delta: Tensor,
    delta_bias: Tensor | None,
    total: Tensor | None,
    y: Tensor,
    weight: Tensor,
    bias: Tensor,
    eps: float,
) -> None:
    """Launch the kernel."""
    rows, deltas, width = rows_of(x), rows_of(delta), x.shape[-1]
    shift = None if delta_bias is None else delta_bias.contiguous()
    (p1, p2, p3), step, warps = tiles(width, x.element_size())
    launch(
        add_layer_norm_kernel, (cdiv(len(rows), step),), x.device,
        rows, deltas, shift, total, y, weight.contiguous(), bias.contiguous(),
        len(rows), eps, rows.stride(0), deltas.stride(0), width,
        WIDTH=width, P1=p1, P2=p2, P3=p3, ROWS=step, num_warps=warps,
    )  # fmt: skip


def _check(
    op: str, x: Tensor, delta: Tensor, weight: Tensor, bias: Tensor, delta_bias: Tensor | None
) -> None:
    """Check everything before anything is allocated."""
    if delta.shape != x.shape:
        raise KernelError(
            f"{op}: delta must have the shape of x, {tuple(x.shape)}; got {tuple(delta.shape)}"
        )
    check_norm(op, x, weight, bias)
    if delta_bias is not None and delta_bias.shape != weight.shape:
        raise KernelError(
            f"{op}: delta_bias must be ({x.shape[-1]},), the last axis of x {tuple(x.shape)}; "
            f"got {tuple(delta_bias.shape)}"
        )
    check_together(op, x=x, delta=delta, weight=weight, bias=bias, delta_bias=delta_bias)
    check_kernel(op, x)


OFTEN = (
    *(("bfloat16", width, True, False) for width in (768, 1024, 1152, 1408, 1664)),
    ("bfloat16", 768, True, True),
    ("bfloat16", 768, False, False),
    ("float16", 768, True, False),
    ("float32", 768, True, False),
    ("float32", 1664, True, False),
)
"""Dtype, width, whether the sum is kept, and whether delta has a bias: different code."""

POST_NORM = (384, 512, 768, 1024)
"""Widths of the text towers that are BERTs."""


def configurations() -> list[Configuration]:
    """Say what the launchers choose for the widths of real checkpoints; float16 is as bfloat16."""
    every = [
        (dtype, width, kept, False)
        for kept, widths in ((True, WIDTHS), (False, POST_NORM))
        for dtype in ("bfloat16", "float32")
        for width in widths
    ]
    return [_configuration(*case) for case in dict.fromkeys((*OFTEN, *every))]


def _configuration(dtype: str, width: int, kept: bool, biased: bool) -> Configuration:
    """Describe one case."""
    absent = [name for name, there in (("sum_ptr", kept), ("delta_bias_ptr", biased)) if not there]
    pointers = [name for name in add_layer_norm_kernel.arg_names if name.endswith("_ptr")]
    signature = {name: f"*{TRITON_NAMES[dtype]}" for name in pointers if name not in absent}
    numbers = {"rows": "i32:any", "eps": "fp32"}
    strides = dict.fromkeys(("x_stride", "delta_stride", "y_stride"), "i32")
    (p1, p2, p3), step, warps = tiles(width, 4 if dtype == "float32" else 2)
    constants = {"WIDTH": width, "P1": p1, "P2": p2, "P3": p3, "ROWS": step}
    name = "add_layer_norm" if kept else "layer_norm_of_sum"
    return Configuration(
        f"{name} {dtype} {width}{' with bias' if biased else ''}",
        add_layer_norm_kernel,
        signature | numbers | strides,
        constants | dict.fromkeys(absent),
        warps,
        wide_loads=True,
        seldom=(dtype, width, kept, biased) not in OFTEN,
    )
