"""Checks of arguments that a kernel's launcher and ops.py share; they need no triton.

Called before anything is computed, also where plain torch computes it, so that a mistake reads the
same on every device.
"""

from torch import Tensor

from kernels.errors import KernelError
from kernels.runtime import check_together


def check_linear(op: str, x: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    """Check that a linear layer takes these rows.

    Raises:
        KernelError: the weight is not (M, D) for x (*b, D), D at least 1, or the bias not (M,); or
            their dtypes or devices differ.
    """
    check_together(op, x=x, weight=weight, bias=bias)
    if x.dim() == 0 or weight.dim() != 2 or weight.shape[1] != x.shape[-1]:
        raise KernelError(
            f"{op}: weight must be (M, D) with D the last axis of x {tuple(x.shape)}; "
            f"got {tuple(weight.shape)}. Is it stored transposed?"
        )
    if x.shape[-1] == 0:
        raise KernelError(f"{op}: x {tuple(x.shape)} has rows of 0 numbers")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise KernelError(
            f"{op}: bias must be ({weight.shape[0]},), the rows of weight {tuple(weight.shape)}; "
            f"got {tuple(bias.shape)}"
        )


def check_patches(
    op: str,
    pixels: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    class_token: Tensor | None = None,
    positions: Tensor | None = None,
) -> None:
    """Check that everything that makes tokens of pictures fits together.

    Raises:
        KernelError: it does not: shapes, dtypes or devices.
    """
    check_together(op, weight=weight, bias=bias, class_token=class_token, positions=positions)
    if pixels.device != weight.device:
        raise KernelError(
            f"{op}: pixels are on {pixels.device} and weight on {weight.device}; "
            f"move the pixels there with .to({str(weight.device)!r})"
        )
    if not pixels.is_floating_point():
        raise KernelError(
            f"{op}: pixels are {str(pixels.dtype).removeprefix('torch.')}, so not normalised yet; "
            f"turn pictures into floating-point pixels first"
        )
    if weight.dim() != 4 or weight.shape[2] != weight.shape[3] or 0 in weight.shape[1:]:
        raise KernelError(f"{op}: weight must be (D, C, p, p); got {tuple(weight.shape)}")
    if pixels.dim() != 4 or pixels.shape[1] != weight.shape[1]:
        raise KernelError(
            f"{op}: pixels must be (B, {weight.shape[1]}, Y, X), the channels of weight "
            f"{tuple(weight.shape)}; got {tuple(pixels.shape)}"
        )
    width, tokens = weight.shape[0], count_tokens(pixels, weight, class_token)
    for name, each, wanted in (
        ("bias", bias, (width,)),
        ("class_token", class_token, (width,)),
        ("positions", positions, (tokens, width)),
    ):
        if each is not None and tuple(each.shape) != wanted:
            raise KernelError(
                f"{op}: {name} must be {wanted} for pixels {tuple(pixels.shape)} and weight "
                f"{tuple(weight.shape)}; got {tuple(each.shape)}"
            )


def count_tokens(pixels: Tensor, weight: Tensor, class_token: Tensor | None) -> int:
    """Count the tokens of a picture: whole patches, and the class token if there is one."""
    patches = (pixels.shape[2] // weight.shape[2]) * (pixels.shape[3] // weight.shape[3])
    return patches + (class_token is not None)
