"""What comes before the towers and after them: pictures from bytes, best matches, both losses.

Beside the graph's operations, and in their manner: a kernel where one fits, plain torch
(plain_ends.py) elsewhere, and `ops.last_choice` tells which it was. Whoever uses kernels.ops finds
these functions there too.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from kernels import plain_ends
from kernels.choice import chosen
from kernels.runtime import why_not


def normalize_pixels(
    pixels: Tensor,
    mean: float | Sequence[float],
    std: float | Sequence[float],
    rescale: float = 1 / 255,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Scale, shift and turn pictures (B, Y, X, C) of bytes into (B, C, Y, X)."""
    reason = why_not(pixels.new_empty(0, dtype=dtype))  # as the result will be
    if reason is not None:
        chosen("normalize_pixels", "torch", reason)
        return plain_ends.normalize_pixels(pixels, mean, std, rescale, dtype)
    from kernels import normalize_pixels as kernel

    y = kernel.normalize_pixels(pixels, mean, std, rescale, dtype)
    runs = kernel.variant(pixels)
    chosen("normalize_pixels", f"normalize_pixels_{runs}", f"strides {pixels.stride()[1:]}")
    return y


def top_matches(
    image: Tensor,
    text: Tensor,
    logit_scale: Tensor,
    logit_bias: Tensor | None = None,
    *,
    k: int,
    activation: str,
) -> tuple[Tensor, Tensor]:
    """Find the k texts that fit each picture best, (I, k): kernels/top_matches.py."""
    plain_ends.check_matches(image, text, logit_scale, logit_bias, k, activation)
    reason = why_not(image, text, logit_scale, logit_bias)
    if reason is None:
        from kernels import top_matches as kernel

        if k <= kernel.MOST:
            chosen("top_matches", "top_matches", f"{k} of {len(text)} texts")
            return kernel.top_matches(
                image, text, logit_scale, logit_bias, k=k, activation=activation
            )
        reason = f"k is above {kernel.MOST}"
    chosen("top_matches", "torch", reason)
    return plain_ends.top_matches(image, text, logit_scale, logit_bias, k=k, activation=activation)


def contrastive_loss(text_embeds: Tensor, image_embeds: Tensor, logit_scale: Tensor) -> Tensor:
    """CLIP's loss of B pairs of unit vectors, of shape (): kernels/contrastive_loss.py."""
    reason = why_not(text_embeds, image_embeds, logit_scale)
    if reason is not None:
        chosen("contrastive_loss", "torch", reason)
        return plain_ends.contrastive_loss(text_embeds, image_embeds, logit_scale)
    from kernels import contrastive_loss as kernel

    chosen("contrastive_loss", "contrastive_loss", f"{len(text_embeds)} pairs")
    return kernel.contrastive_loss(text_embeds, image_embeds, logit_scale)


def sigmoid_loss(
    text_embeds: Tensor, image_embeds: Tensor, logit_scale: Tensor, logit_bias: Tensor
) -> Tensor:
    """SigLIP's loss of B pairs of unit vectors, of shape (): kernels/sigmoid_loss.py."""
    reason = why_not(text_embeds, image_embeds, logit_scale, logit_bias)
    if reason is not None:
        chosen("sigmoid_loss", "torch", reason)
        return plain_ends.sigmoid_loss(text_embeds, image_embeds, logit_scale, logit_bias)
    from kernels import sigmoid_loss as kernel

    chosen("sigmoid_loss", "sigmoid_loss", f"{len(text_embeds)} pairs")
    return kernel.sigmoid_loss(text_embeds, image_embeds, logit_scale, logit_bias)
