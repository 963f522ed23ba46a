"""The k texts that fit each picture best: zero-shot classification behind the two towers, fused.

Twin:    refimpl/matching.py, top_matches.
Layout:  image (I, E) and text (T, E) have one stride between rows and 1 inside; the scale and the
         bias are one number each; both results are (I, k), contiguous.
Grid:    one program for every IMAGES pictures. It meets all texts, TEXTS at a time, and keeps of
         each picture the running softmax sum and the best KEPT texts (a power of two).
Ranking: a logit and its text's number become one whole number of 64 bits, whose order is "higher
         logit, then lower number, NaN last". A tile's maximum joins the kept ones as long as it
         beats the worst of them, for some picture: seldom, after the first tiles.
Sums:    float32: products, squared lengths, softmax. The rows are not divided by their lengths;
         the products are.
Traffic: reads I · E once and T · E once per program (from the L2 cache, mostly), writes 12 I · k
         bytes; plain torch writes and reads the I × T matrix several times. 2 I T E FLOPs.
Limits:  k up to 32; float32, float16, bfloat16; squared lengths within float32's normal numbers,
         1.2e-38 to 3.4e38 (a vector of zeros gives NaN, as in the twin).
Source:  Radford et al. 2021 (arXiv:2103.00020), section 3.1.2; Zhai et al. 2023
         (arXiv:2303.15343), section 3.2; the running sum is Milakov and Gimelshein 2018
         (arXiv:1805.02867), algorithm 3.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.compiled import TRITON_NAMES, Configuration
from kernels.device_functions import dot
from kernels.errors import KernelError
from kernels.plain_ends import ACTIVATIONS, check_matches
from kernels.runtime import cdiv, check_kernel, float32_precision, launch, rows_of

MOST = 32
"""The highest k."""


@triton.jit
def _key(logit, number):
    """Make one whole number of a logit and its text's number; the highest is the best."""
    bits = tl.where(logit == 0, 0.0, logit).to(tl.int32, bitcast=True)  # −0 ranks as 0
    bits = tl.where(logit != logit, -2, bits)  # the NaN that comes below −∞
    ordered = tl.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    return (ordered.to(tl.int64) << 32) | (0x7FFFFFFF - number).to(tl.int64)


@triton.jit
def _logit_of(key):
    """Read the logit of a key."""
    ordered = (key >> 32).to(tl.int32)
    return tl.where(ordered < 0, ordered ^ 0x7FFFFFFF, ordered).to(tl.float32, bitcast=True)


@triton.jit
def _text_of(key):
    """Read the text's number of a key."""
    return 0x7FFFFFFF - (key & 0x7FFFFFFF)


@triton.jit
def _inverse_lengths(x_ptr, row, live, width, stride, BLOCK_E: tl.constexpr):
    """Invert the Euclidean lengths of some rows; infinity for a row of zeros."""
    squares = tl.zeros(row.shape, tl.float32)
    for first in range(0, width, BLOCK_E):
        column = first + tl.arange(0, BLOCK_E)
        inside = live[:, None] & (column < width)[None, :]
        x = tl.load(x_ptr + row[:, None] * stride + column[None, :], inside, 0.0).to(tl.float32)
        squares += tl.sum(x * x, 1)
    return 1 / tl.sqrt(squares)


@triton.jit
def _products(
    image_ptr, text_ptr, image, text, images, texts, width, image_stride, text_stride,
    IMAGES: tl.constexpr, TEXTS: tl.constexpr, BLOCK_E: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Multiply texts by pictures, (TEXTS, IMAGES), and divide by the texts' lengths."""
    sums = tl.zeros((TEXTS, IMAGES), tl.float32)
    squares = tl.zeros((TEXTS,), tl.float32)
    for first in range(0, width, BLOCK_E):
        column = first + tl.arange(0, BLOCK_E)
        inside = (text < texts)[:, None] & (column < width)[None, :]
        x = tl.load(text_ptr + text[:, None] * text_stride + column[None, :], inside, 0.0)
        inside = (image < images)[None, :] & (column < width)[:, None]
        y = tl.load(image_ptr + image[None, :] * image_stride + column[:, None], inside, 0.0)
        sums = dot(x, y, sums, PRECISION)
        wide = x.to(tl.float32)
        squares += tl.sum(wide * wide, 1)
    return sums * (1 / tl.sqrt(squares))[:, None]


@triton.jit
def _keep_best(best, keys, lowest):
    """Let the keys of a tile replace kept ones that are worse; no two keys are equal."""
    peak, worst = tl.max(keys, 0), tl.min(best, 0)
    while tl.max((peak > worst).to(tl.int32), 0) > 0:
        better = (peak > worst)[None, :]
        best = tl.where(better & (best == worst[None, :]), peak[None, :], best)
        keys = tl.where(keys == peak[None, :], lowest, keys)
        peak, worst = tl.max(keys, 0), tl.min(best, 0)
    return best


@triton.jit
def top_matches_kernel(
    image_ptr, text_ptr, scale_ptr, bias_ptr, probability_ptr, index_ptr,
    images, texts, width, k, image_stride, text_stride,
    IMAGES: tl.constexpr, TEXTS: tl.constexpr, BLOCK_E: tl.constexpr, KEPT: tl.constexpr,
    SOFTMAX: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Find the k best texts of IMAGES pictures; `bias_ptr` may be None."""
    image = (tl.program_id(0) * IMAGES + tl.arange(0, IMAGES)).to(tl.int64)
    factor = _inverse_lengths(image_ptr, image, image < images, width, image_stride, BLOCK_E)
    factor *= tl.exp(tl.load(scale_ptr).to(tl.float32))
    lowest = tl.full((1, 1), -2147483648, tl.int64) << 32
    best = tl.broadcast_to(lowest + tl.arange(0, KEPT)[:, None], (KEPT, IMAGES))
    highest = tl.full((IMAGES,), float("-inf"), tl.float32)
    total = tl.zeros((IMAGES,), tl.float32)
    for first in range(0, texts, TEXTS):
        text = first + tl.arange(0, TEXTS)
        logits = factor[None, :] * _products(
            image_ptr, text_ptr, image, text.to(tl.int64), images, texts, width,
            image_stride, text_stride, IMAGES, TEXTS, BLOCK_E, PRECISION,
        )  # fmt: skip
        if bias_ptr is not None:
            logits += tl.load(bias_ptr).to(tl.float32)
        real = (text < texts)[:, None]
        if SOFTMAX:
            logits = tl.where(real, logits, float("-inf"))
            risen = tl.maximum(highest, tl.max(logits, 0))
            total = total * tl.exp(highest - risen) + tl.sum(tl.exp(logits - risen[None, :]), 0)
            highest = risen
        best = _keep_best(best, tl.where(real, _key(logits, text[:, None]), lowest), lowest)
    for place in range(0, k):
        peak = tl.max(best, 0)
        best = tl.where(best == peak[None, :], lowest, best)
        if SOFTMAX:
            probability = tl.exp(_logit_of(peak) - highest) / total
        else:
            probability = 1 / (1 + tl.exp(-_logit_of(peak)))
        tl.store(probability_ptr + image * k + place, probability, image < images)
        tl.store(index_ptr + image * k + place, _text_of(peak), image < images)


def tiles(k: int, dtype: torch.dtype) -> dict[str, int]:
    """Choose how many texts are kept, and the tile.

    Texts are the rows of the product, because the tensor cores take 64 rows or more; 16 pictures
    a program spread few pictures over many multiprocessors.
    """
    return {
        "IMAGES": 16,
        "TEXTS": 64,
        "BLOCK_E": 32 if dtype == torch.float32 else 64,
        "KEPT": 8 if k <= 8 else 32,
        "num_warps": 4,
        "num_stages": 3,
    }


def top_matches(
    image: Tensor,
    text: Tensor,
    logit_scale: Tensor,
    logit_bias: Tensor | None = None,
    *,
    k: int,
    activation: str,
) -> tuple[Tensor, Tensor]:
    """Find the k texts that fit each picture best, best first; on ties the lower number first.

    Args:
        image: embeddings of the pictures, (I, E), of any length but 0.
        text: embeddings of the texts, (T, E).
        logit_scale: one number, before its exponential.
        logit_bias: one number that is added to the logits, or None.
        k: how many texts, 1 to 32, at most T.
        activation: "softmax" over all texts, or the "sigmoid" of each.

    Returns:
        Probabilities, float32, and the texts' numbers, int64, both (I, k).

    Raises:
        KernelError: shapes, dtypes or devices do not fit, or k is out of range.
    """
    check_matches(image, text, logit_scale, logit_bias, k, activation)
    if k > MOST:
        raise KernelError(f"top_matches: the kernel keeps up to {MOST} texts; got k = {k}")
    check_kernel("top_matches", image)
    image, text = rows_of(image), rows_of(text)
    shape = (len(image), k)
    probabilities = torch.empty(shape, dtype=torch.float32, device=image.device)
    indices = torch.empty(shape, dtype=torch.int64, device=image.device)
    table = tiles(k, image.dtype)
    launch(
        top_matches_kernel, (cdiv(len(image), table["IMAGES"]),), image.device,
        image, text, logit_scale, logit_bias, probabilities, indices,
        len(image), len(text), image.shape[1], k, image.stride(0), text.stride(0),
        SOFTMAX=activation == "softmax", PRECISION=float32_precision(), **table,
    )  # fmt: skip
    return probabilities, indices


def configurations() -> list[Configuration]:
    """Say what the launcher chooses: CLIP's softmax, and SigLIP's sigmoid with its bias.

    float16 is as bfloat16, and is there for few matches only.
    """
    return [
        _configuration(dtype, k, activation)
        for dtype in ("bfloat16", "float16", "float32")
        for k in (5, MOST)
        for activation in ACTIVATIONS
        if dtype != "float16" or k == 5
    ]


def _configuration(dtype: str, k: int, activation: str) -> Configuration:
    constants = tiles(k, getattr(torch, dtype))
    warps, stages = constants.pop("num_warps"), constants.pop("num_stages")
    pointer = f"*{TRITON_NAMES[dtype]}"
    softmax = activation == "softmax"
    numbers = ("image_stride", "text_stride", "width")
    return Configuration(
        f"top_matches {activation} {dtype} {constants['KEPT']}",
        top_matches_kernel,
        {
            **dict.fromkeys(("image_ptr", "text_ptr", "scale_ptr"), pointer),
            **({} if softmax else {"bias_ptr": pointer}),
            "probability_ptr": "*fp32",
            "index_ptr": "*i64",
            **dict.fromkeys(("images", "texts", "k"), "i32:any"),
            **dict.fromkeys(numbers, "i32"),
        },
        {
            **constants,
            **({"bias_ptr": None} if softmax else {}),
            "SOFTMAX": softmax,
            "PRECISION": "ieee",
        },
        warps,
        stages,
        tensor_cores=dtype != "float32",
        wide_loads=True,
        seldom=dtype != "bfloat16" and (softmax or k > 8) and not (dtype == "float32" and softmax),
    )
