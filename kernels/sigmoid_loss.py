"""SigLIP's loss without its matrix of logits: every pair of a text and an image is judged alone.

Twin:    refimpl/graph/chunked_losses.py, sigmoid.
Layout:  text_embeds and image_embeds (B, E) have one stride between rows and 1 inside.
Grid:    one program for every ROWS texts; it meets all B images, COLUMNS at a time, and adds up.
Sums:    float32: −log σ(z) = max(−z, 0) + log(1 + exp(−|z|)), with z the logit of a pair and minus
         the logit of any other; nothing overflows, and what is near 0 keeps its digits, of which a
         bias of −10 makes many. The sum over texts is made in one program, in one order.
Traffic: 2 B² E FLOPs; the images are read once per program, from the L2 cache mostly. Memory:
         B + 1 numbers; plain torch holds the B × B matrix a few times.
Limits:  float32, float16, bfloat16; finite logits, or NaN.
Source:  Zhai et al. 2023 (arXiv:2303.15343), sections 3.2 and 3.3.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.compiled import TRITON_NAMES, Configuration
from kernels.contrastive_loss import (
    SIZES,
    log_1p,
    mean_of,
    pairs_configuration,
    products,
    tiles,
)
from kernels.plain_ends import check_pairs
from kernels.runtime import cdiv, check_kernel, float32_precision, launch, rows_of


@triton.jit
def sigmoid_loss_kernel(
    x_ptr, y_ptr, scale_ptr, bias_ptr, loss_ptr, count, width, x_stride, y_stride,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, BLOCK_E: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Sum of the binary cross entropies of ROWS vectors x with all y."""
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    temperature = tl.exp(tl.load(scale_ptr).to(tl.float32))
    bias = tl.load(bias_ptr).to(tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    for first in range(0, count, COLUMNS):
        column = (first + tl.arange(0, COLUMNS)).to(tl.int64)
        logits = bias + temperature * products(
            x_ptr, y_ptr, row, column, count, width, x_stride, y_stride,
            ROWS, COLUMNS, BLOCK_E, PRECISION,
        )  # fmt: skip
        wrong = tl.where(column[None, :] == row[:, None], -logits, logits)
        entropy = tl.maximum(wrong, 0.0) + log_1p(tl.exp(-tl.abs(wrong)))
        total += tl.sum(tl.where((column < count)[None, :], entropy, 0.0), 1)
    tl.store(loss_ptr + row, total, row < count)


def sigmoid_loss(
    text_embeds: Tensor, image_embeds: Tensor, logit_scale: Tensor, logit_bias: Tensor
) -> Tensor:
    """SigLIP's loss of B pairs: the binary cross entropies of all B² couples, divided by B.

    Args:
        text_embeds: unit vectors of the texts, (B, E).
        image_embeds: unit vectors of the images, row by row their partners.
        logit_scale: one number, before its exponential.
        logit_bias: one number.

    Returns:
        One float32 number, of shape ().

    Raises:
        KernelError: shapes, dtypes or devices do not fit, or there is no pair.
    """
    scalars = {"logit_scale": logit_scale, "logit_bias": logit_bias}
    check_pairs("sigmoid_loss", text_embeds, image_embeds, **scalars)
    check_kernel("sigmoid_loss", text_embeds)
    text, image = rows_of(text_embeds), rows_of(image_embeds)
    pairs = len(text)
    losses = torch.empty((pairs,), dtype=torch.float32, device=text.device)
    table = tiles(pairs, text.dtype)
    launch(
        sigmoid_loss_kernel, (cdiv(pairs, table["ROWS"]),), text.device,
        text, image, logit_scale, logit_bias, losses, pairs, text.shape[1],
        text.stride(0), image.stride(0), PRECISION=float32_precision(), **table,
    )  # fmt: skip
    return mean_of(losses, pairs)


def configurations() -> list[Configuration]:
    """Say what the launcher chooses; the tiles are contrastive_loss.py's."""
    return [
        pairs_configuration("sigmoid_loss", sigmoid_loss_kernel, dtype, tiles, pairs, "bias_ptr")
        for dtype in TRITON_NAMES
        for pairs in SIZES[dtype]
    ]
