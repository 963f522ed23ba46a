"""Pictures to tokens in one kernel: patches are gathered inside the product that projects them.

Twin:    refimpl/ops.py, patch_embedding and embed_patches.
Layout:  pixels (B, C, Y, X) of any strides; the weight (D, C, p, p) is read as rows of C·p·p
         numbers. The result (B, L, D) is contiguous.
Grid:    one program for every tile of ROWS tokens x COLUMNS of D; tokens of all pictures are rows
         of one product. The class token's row multiplies a patch for nothing and drops the result.
Gather:  a number's address is that of its patch's corner plus an offset that depends only on its
         channel, row and column within the patch: one sum per number, no division but by constants.
Sums:    float32; bias or class token, and positions, on the sums, which are rounded once.
Traffic: pixels once or from the L2 cache, 2 · B · L · D bytes of result in half precision. Cutting
         patches out first moves 4 · B · C · Y · X bytes more, adding positions 4 · B · L · D.
FLOPs:   2 · B · P · D · C · p².
Limits:  weights of float32, float16 or bfloat16, and pixels of any of these.
Source:  Dosovitskiy et al. 2021 (arXiv:2010.11929), equation 1.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.checks import check_patches, count_tokens
from kernels.compiled import TRITON_NAMES, Configuration
from kernels.device_functions import dot, rounded
from kernels.linear_activation import spread, tile_of
from kernels.runtime import cdiv, check_kernel, float32_precision, launch

TILES = {
    torch.float16: ((128, 128, 32, 8, 3), (64, 32, 64, 4, 3)),
    torch.bfloat16: ((128, 128, 32, 8, 3), (64, 32, 64, 4, 3)),
    torch.float32: ((64, 64, 32, 4, 3), (32, 32, 32, 4, 3)),
}
"""ROWS, COLUMNS, STEP, warps and stages for a large and for a small product, by the weight's dtype.

All fit the 64 KB of shared memory of an AMD CDNA 3, also with pixels of float32.
"""

ENOUGH = 96
"""Programs that keep a GPU's multiprocessors (108 in an A100, 132 in an H200) about busy."""


@triton.jit
def patch_embedding_kernel(
    pixels_ptr, weight_ptr, bias_ptr, class_ptr, positions_ptr, y_ptr, rows, tokens, across, columns,
    picture_stride, channel_stride, y_stride, x_stride, position_stride, numbers,
    PATCH: tl.constexpr, NUMBERS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    STEP: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Compute one tile of the tokens: patches Wᵀ + b, the class token in front, plus positions."""
    down, right = tile_of(tl.program_id(0), tl.cdiv(rows, ROWS), tl.cdiv(columns, COLUMNS))
    row = down * ROWS + tl.arange(0, ROWS)
    column = right * COLUMNS + tl.arange(0, COLUMNS)
    # rows and columns outside repeat the last one: they are not stored
    within, last = tl.minimum(row, rows - 1), tl.minimum(column, columns - 1)
    token = within % tokens
    corners = pixels_ptr + (within // tokens).to(tl.int64) * picture_stride
    corners += _corner(token, class_ptr, across, y_stride, x_stride, PATCH)
    weights = weight_ptr + last.to(tl.int64) * NUMBERS
    sums = tl.zeros((ROWS, COLUMNS), tl.float32)
    for first in range(0, numbers, STEP):  # NUMBERS or 0
        k = first + tl.arange(0, STEP)
        offset = _offset(k, channel_stride, y_stride, x_stride, PATCH)
        if NUMBERS % STEP == 0:
            pixels = tl.load(corners[:, None] + offset[None, :])
            weight = tl.load(weights[None, :] + k[:, None])
        else:
            pixels = tl.load(corners[:, None] + offset[None, :], k[None, :] < NUMBERS, 0.0)
            weight = tl.load(weights[None, :] + k[:, None], k[:, None] < NUMBERS, 0.0)
        if pixels_ptr.dtype.element_ty != weight_ptr.dtype.element_ty:
            pixels = rounded(pixels.to(tl.float32), weight_ptr.dtype.element_ty)
        sums = dot(pixels, weight, sums, PRECISION)
    inside = (row < rows)[:, None] & (column < columns)[None, :]
    if bias_ptr is not None:
        sums += spread(bias_ptr, column, inside)
    if class_ptr is not None:
        sums = tl.where((token == 0)[:, None], spread(class_ptr, column, inside), sums)
    if positions_ptr is not None:
        places = positions_ptr + token.to(tl.int64)[:, None] * position_stride + column[None, :]
        sums += tl.load(places, inside, 0.0).to(tl.float32)
    places = y_ptr + row.to(tl.int64)[:, None] * columns + column[None, :]
    tl.store(places, rounded(sums, y_ptr.dtype.element_ty), inside)


@triton.jit
def _corner(token, class_ptr, across, y_stride, x_stride, PATCH: tl.constexpr):
    """Where in its picture each token's patch begins; the class token takes the first patch."""
    patch = token
    if class_ptr is not None:
        patch = tl.maximum(token - 1, 0)
    y, x = (patch // across).to(tl.int64), (patch % across).to(tl.int64)
    return y * PATCH * y_stride + x * PATCH * x_stride


@triton.jit
def _offset(k, channel_stride, y_stride, x_stride, PATCH: tl.constexpr):
    """Where from its patch's corner the number k of the weight's row lies."""
    channel, y, x = k // (PATCH * PATCH), k // PATCH % PATCH, k % PATCH
    return channel.to(tl.int64) * channel_stride + y * y_stride + x * x_stride


def tiles(rows: int, columns: int, dtype: torch.dtype) -> tuple[int, int, int, int, int]:
    """Choose the large tile where it gives ENOUGH programs, else the small one.

    Returns:
        ROWS, COLUMNS, STEP, and the number of warps and of stages.
    """
    large, small = TILES[dtype]
    return large if cdiv(rows, large[0]) * cdiv(columns, large[1]) >= ENOUGH else small


def patch_embedding(
    pixels: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    class_token: Tensor | None = None,
    positions: Tensor | None = None,
) -> Tensor:
    """Cut (B, C, Y, X) into p x p patches and project each by (D, C, p, p): (B, L, D).

    Args:
        pixels: floating-point numbers; rows and columns that do not fill a patch are dropped.
        weight: the kernel of the convolution; pixels are cast to its dtype.
        bias: (D,), added to every patch.
        class_token: (D,), a token in front of each picture's patches.
        positions: (L, D), added to the tokens, the class token's first.

    Raises:
        KernelError: shapes, dtypes or devices do not fit.
    """
    check_patches("patch_embedding", pixels, weight, bias, class_token, positions)
    check_kernel("patch_embedding", weight)
    check_kernel("patch_embedding", pixels)
    width, channels, patch, _ = weight.shape
    batch, _, height, broad = pixels.shape
    if patch * (pixels.stride(2) + pixels.stride(3)) >= 2**31:
        pixels = pixels.contiguous()  # places within a patch are counted with 32 bits
    tokens = count_tokens(pixels, weight, class_token)
    rows, numbers = batch * tokens, channels * patch * patch
    # a picture smaller than a patch has its class token at most, and nothing to multiply
    numbers_read = numbers if height >= patch and broad >= patch else 0
    y = torch.empty((batch, tokens, width), dtype=weight.dtype, device=weight.device)
    vectors = [None if each is None else each.contiguous() for each in (bias, class_token)]
    if positions is not None and positions.stride(1) != 1:
        positions = positions.contiguous()
    down, right, step, warps, stages = tiles(rows, width, weight.dtype)
    launch(
        patch_embedding_kernel, (cdiv(rows, down) * cdiv(width, right),), weight.device,
        pixels, weight.reshape(width, numbers).contiguous(), *vectors, positions, y,
        rows, tokens, max(broad // patch, 1), width,
        *pixels.stride(), 0 if positions is None else positions.stride(0), numbers_read,
        PATCH=patch, NUMBERS=numbers, ROWS=down, COLUMNS=right, STEP=step,
        PRECISION=float32_precision(), num_warps=warps, num_stages=stages,
    )  # fmt: skip
    return y


FORMS = {
    "CLIP": ("class_ptr", "positions_ptr"),
    "SigLIP": ("bias_ptr", "positions_ptr"),
    "ViT": ("bias_ptr", "class_ptr", "positions_ptr"),
}
"""What towers add to their patches."""

OFTEN = (
    *(("bfloat16", "fp32", patch, "CLIP") for patch in (14, 16, 32)),
    ("bfloat16", "bf16", 14, "SigLIP"),
    ("float16", "fp32", 14, "CLIP"),
    ("float32", "fp32", 14, "CLIP"),
)
"""Dtype, that of the pixels, patch and form. Addresses of patches of 14 are the dearest."""


def configurations() -> list[Configuration]:
    """Say what the launcher chooses for real checkpoints, on contiguous pictures of three channels.

    With pixels of float32, as they come, and of the weight's dtype; float16 is as bfloat16.
    """
    every = [
        (dtype, given, patch, form)
        for dtype, given in (("bfloat16", "fp32"), ("bfloat16", "bf16"), ("float32", "fp32"))
        for patch in (14, 16, 32)
        for form in FORMS
    ]
    return [
        _configuration(*case, tile)
        for case in dict.fromkeys((*OFTEN, *every))
        for tile in TILES[getattr(torch, case[0])]
    ]


def _configuration(
    dtype: str, given: str, patch: int, form: str, tile: tuple[int, ...]
) -> Configuration:
    """Describe one case on one tile."""
    down, right, step, warps, stages = tile
    large = tile == TILES[getattr(torch, dtype)][0]
    added = ("bias_ptr", "class_ptr", "positions_ptr")
    pointers = ("weight_ptr", *FORMS[form], "y_ptr")
    sizes = dict.fromkeys(("rows", "tokens", "across", "numbers"), "i32:any")
    strides = ("picture_stride", "channel_stride", "y_stride", "position_stride")
    constants = {"x_stride": 1, "PATCH": patch, "NUMBERS": 3 * patch * patch, "PRECISION": "ieee"}
    return Configuration(
        f"patch_embedding {dtype} {form} from {given} {patch} {down}x{right}",
        patch_embedding_kernel,
        {
            "pixels_ptr": f"*{given}",
            **dict.fromkeys(pointers, f"*{TRITON_NAMES[dtype]}"),
            **dict.fromkeys((*strides, "columns"), "i32"),
            **sizes,
        },
        {
            **dict.fromkeys(each for each in added if each not in pointers),
            **constants,
            **{"ROWS": down, "COLUMNS": right, "STEP": step},
        },
        warps,
        stages,
        tensor_cores=dtype != "float32",
        wide_loads=patch != 14,  # patches of 14 begin anywhere
        seldom=(dtype, given, patch, form) not in OFTEN or not (large or patch == 14),
    )
