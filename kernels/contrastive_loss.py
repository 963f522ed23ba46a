"""CLIP's loss without its matrix of logits: every text looks for its image, and the other way.

Twin:    refimpl/graph/chunked_losses.py, contrastive.
Layout:  text_embeds and image_embeds (B, E) have one stride between rows and 1 inside.
Grid:    one program for every ROWS vectors of one side; it meets all B of the other, COLUMNS at a
         time, and keeps a maximum and a sum of exponentials per row. The second launch has the
         sides changed over: the logits come into being twice, and are written never.
Sums:    float32, over differences to the logit of the row's own pair. The pair itself, whose
         difference is 0, is left out and comes back in log(1 + rest): a loss near 0 keeps its
         digits. The last kernel adds 2 B numbers up in one program, in one order: the same
         numbers give the same loss, to the bit.
Traffic: 4 B² E FLOPs; one side is read per program, from the L2 cache mostly. Memory: 2 B + 1
         numbers. Plain torch holds B × B more than once: 4 GiB of float32 each at B = 32,768.
Limits:  float32, float16, bfloat16; differences of logits below 3.4e38.
Source:  Radford et al. 2021 (arXiv:2103.00020), figure 3; the tiling is Rabe and Staats 2021
         (arXiv:2112.05682), section 2.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.compiled import TRITON_NAMES, Configuration
from kernels.device_functions import dot
from kernels.plain_ends import check_pairs
from kernels.runtime import cdiv, check_kernel, float32_precision, launch, rows_of

SUMMED = 1024
"""How many numbers `mean_kernel` adds at a time."""


@triton.jit
def log_1p(x):
    """log(1 + x) of x ≥ 0; where 1 + x would lose the digits of x, its series."""
    series = x * (1 - x * (0.5 - x * (1 / 3 - x * 0.25)))
    return tl.where(x < 0.03125, series, tl.log(1 + x))


@triton.jit
def products(
    x_ptr, y_ptr, row, column, count, width, x_stride, y_stride,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, BLOCK_E: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Multiply ROWS vectors by COLUMNS vectors: (ROWS, COLUMNS)."""
    sums = tl.zeros((ROWS, COLUMNS), tl.float32)
    for first in range(0, width, BLOCK_E):
        place = first + tl.arange(0, BLOCK_E)
        inside = (row < count)[:, None] & (place < width)[None, :]
        x = tl.load(x_ptr + row[:, None] * x_stride + place[None, :], inside, 0.0)
        inside = (column < count)[None, :] & (place < width)[:, None]
        y = tl.load(y_ptr + column[None, :] * y_stride + place[:, None], inside, 0.0)
        sums = dot(x, y, sums, PRECISION)
    return sums


@triton.jit
def _own_products(x_ptr, y_ptr, row, count, width, x_stride, y_stride, BLOCK_E: tl.constexpr):
    """Multiply each vector by its own partner."""
    sums = tl.zeros(row.shape, tl.float32)
    for first in range(0, width, BLOCK_E):
        place = first + tl.arange(0, BLOCK_E)
        inside = (row < count)[:, None] & (place < width)[None, :]
        x = tl.load(x_ptr + row[:, None] * x_stride + place[None, :], inside, 0.0)
        y = tl.load(y_ptr + row[:, None] * y_stride + place[None, :], inside, 0.0)
        sums += tl.sum(x.to(tl.float32) * y.to(tl.float32), 1)
    return sums


@triton.jit
def contrastive_loss_kernel(
    x_ptr, y_ptr, scale_ptr, loss_ptr, count, width, x_stride, y_stride,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, BLOCK_E: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Cross entropy of ROWS vectors x, each of which looks for its partner among all y."""
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    temperature = tl.exp(tl.load(scale_ptr).to(tl.float32))
    own = _own_products(x_ptr, y_ptr, row, count, width, x_stride, y_stride, BLOCK_E) * temperature
    highest = tl.zeros((ROWS,), tl.float32)  # the difference of the pair to itself
    total = tl.zeros((ROWS,), tl.float32)
    for first in range(0, count, COLUMNS):
        column = (first + tl.arange(0, COLUMNS)).to(tl.int64)
        logits = temperature * products(
            x_ptr, y_ptr, row, column, count, width, x_stride, y_stride,
            ROWS, COLUMNS, BLOCK_E, PRECISION,
        )  # fmt: skip
        rival = (column < count)[None, :] & (column[None, :] != row[:, None])
        difference = tl.where(rival, logits - own[:, None], float("-inf"))
        risen = tl.maximum(highest, tl.max(difference, 1))
        total *= tl.exp(highest - risen)
        total += tl.sum(tl.exp(difference - risen[:, None]), 1)
        highest = risen
    pair = own - own  # 0, or NaN
    loss = highest + log_1p(tl.exp(pair - highest) - 1 + total)
    tl.store(loss_ptr + row, loss, row < count)


@triton.jit
def mean_kernel(x_ptr, mean_ptr, count, divisor, BLOCK: tl.constexpr):
    """Add up a vector of float32, in one order, and divide the sum."""
    sums = tl.zeros((BLOCK,), tl.float32)
    for first in range(0, count, BLOCK):
        place = first + tl.arange(0, BLOCK)
        sums += tl.load(x_ptr + place, place < count, 0.0)
    tl.store(mean_ptr, tl.sum(sums, 0) / divisor)


def tiles(pairs: int, dtype: torch.dtype) -> dict[str, int]:
    """Choose the tile: small batches get more programs, large ones more work for each load."""
    if dtype == torch.float32:
        return {"ROWS": 64, "COLUMNS": 64, "BLOCK_E": 32, "num_warps": 8, "num_stages": 2}
    if pairs <= 8192:  # 64 x 128 takes more registers than there are, with some versions of Triton
        return {"ROWS": 64, "COLUMNS": 64, "BLOCK_E": 64, "num_warps": 4, "num_stages": 3}
    return {"ROWS": 128, "COLUMNS": 128, "BLOCK_E": 64, "num_warps": 8, "num_stages": 3}


def contrastive_loss(text_embeds: Tensor, image_embeds: Tensor, logit_scale: Tensor) -> Tensor:
    """CLIP's loss of B pairs: the mean of the cross entropies of all texts and of all images.

    Args:
        text_embeds: unit vectors of the texts, (B, E).
        image_embeds: unit vectors of the images, row by row their partners.
        logit_scale: one number, before its exponential.

    Returns:
        One float32 number, of shape ().

    Raises:
        KernelError: shapes, dtypes or devices do not fit, or there is no pair.
    """
    check_pairs("contrastive_loss", text_embeds, image_embeds, logit_scale=logit_scale)
    check_kernel("contrastive_loss", text_embeds)
    text, image = rows_of(text_embeds), rows_of(image_embeds)
    pairs, device = len(text), text.device
    losses = torch.empty((2, pairs), dtype=torch.float32, device=device)
    table = tiles(pairs, text.dtype)
    for x, y, each in ((text, image, losses[0]), (image, text, losses[1])):
        launch(
            contrastive_loss_kernel, (cdiv(pairs, table["ROWS"]),), device,
            x, y, logit_scale, each, pairs, x.shape[1], x.stride(0), y.stride(0),
            PRECISION=float32_precision(), **table,
        )  # fmt: skip
    return mean_of(losses, 2 * pairs)


def mean_of(losses: Tensor, divisor: int) -> Tensor:
    """Add up contiguous float32 losses and divide the sum: shape ()."""
    mean = torch.empty((), dtype=torch.float32, device=losses.device)
    launch(
        mean_kernel, (1,), losses.device, losses, mean, losses.numel(), divisor,
        BLOCK=SUMMED, num_warps=4,
    )  # fmt: skip
    return mean


SIZES = {"float32": (256,), "float16": (32_768,), "bfloat16": (256, 32_768)}
"""Numbers of pairs whose tiles differ; float16 has the constants of bfloat16."""


def configurations() -> list[Configuration]:
    """Say what the launcher chooses."""
    found = [
        pairs_configuration("contrastive_loss", contrastive_loss_kernel, dtype, tiles, pairs)
        for dtype in TRITON_NAMES
        for pairs in SIZES[dtype]
    ]
    summing = Configuration(
        "mean_kernel",
        mean_kernel,
        {"x_ptr": "*fp32", "mean_ptr": "*fp32", "count": "i32:any", "divisor": "i32:any"},
        {"BLOCK": SUMMED},
    )
    return [*found, summing]


def pairs_configuration(
    name: str, kernel: Any, dtype: str, table: Any, pairs: int, *further: str
) -> Configuration:
    """Describe one of the two losses' kernels; `further` are pointers of its own."""
    constants = table(pairs, getattr(torch, dtype))
    warps, stages = constants.pop("num_warps"), constants.pop("num_stages")
    return Configuration(
        f"{name} {dtype} {constants['ROWS']}x{constants['COLUMNS']}",
        kernel,
        {
            **dict.fromkeys(("x_ptr", "y_ptr", "scale_ptr", *further), f"*{TRITON_NAMES[dtype]}"),
            "loss_ptr": "*fp32",
            "count": "i32:any",
            **dict.fromkeys(("width", "x_stride", "y_stride"), "i32"),
        },
        {**constants, "PRECISION": "ieee"},
        warps,
        stages,
        tensor_cores=dtype != "float32",
        wide_loads=True,
    )
