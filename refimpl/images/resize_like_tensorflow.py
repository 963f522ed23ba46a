"""TensorFlow's bilinear resize in numpy: what big_vision (SigLIP's own code) does to its pictures.

big_vision's `resize(224)` is `tf.image.resize(..., method="bilinear", antialias=False)` in float32,
then a clip and a cast to the picture's type. *Without antialiasing*: each new pixel looks at the
four old ones around its centre and at nothing else, however far the picture shrinks. The kernel is
the same triangle as in filters.py, but it is not stretched.

Pillow and torch, which antialias, are in resize_like_pillow.py and resize_like_torch.py.
"""

from typing import NamedTuple

import numpy as np

from refimpl.errors import InputError
from refimpl.shapes import Array, Float, Int, Shaped


def resize_like_tensorflow(
    pixels: Shaped[Array, "*b height width"], height: int, width: int
) -> Shaped[Array, "*b height2 width2"]:
    """Resize by interpolating between the four nearest pixels, as big_vision does.

    With a the left and b the right neighbour, x the fraction between them: a + (b - a) x, for the
    row above and the row below; between these two the same with y.

    Dtype:  uint8 or float32, returned as it came; computed in float32, in this order.
    Equal:  bit for bit.
    Source: tensorflow 2.21.0, core/kernels/image/resize_bilinear_op.cc, compute_lerp;
            google-research/big_vision 0127fb6, big_vision/pp/ops_image.py, get_resize.
    Trap:   the cast to uint8 cuts the fraction off instead of rounding: half a level darker on
            average. Without antialiasing fine texture aliases, so vectors differ from those of
            the Transformers processor, which is bicubic and antialiased.

    Raises:
        InputError: another dtype, a size below 1, or an empty picture.

    >>> resize_like_tensorflow(np.uint8([[0, 255, 0, 255]]), 1, 2).tolist()
    [[127, 127]]
    """
    native = pixels.dtype.newbyteorder("=")
    if native not in (np.uint8, np.float32):
        raise InputError(f"resize_like_tensorflow: uint8 or float32 wanted, got {pixels.dtype}")
    if pixels.ndim < 2 or pixels.size == 0 or min(height, width) < 1:
        raise InputError(
            f"resize_like_tensorflow: cannot resize {pixels.shape} to {height} x {width} pixels"
        )
    old_height, old_width = pixels.shape[-2:]
    if (old_height, old_width) == (height, width):
        return pixels.astype(native)
    rows, columns = neighbours(old_height, height), neighbours(old_width, width)
    with np.errstate(invalid="ignore", over="ignore"):
        above = _across(pixels[..., rows.lower, :].astype(np.float32), columns)
        below = _across(pixels[..., rows.upper, :].astype(np.float32), columns)
        out = above + (below - above) * rows.fraction[:, None]
    return np.clip(out, 0, 255).astype(np.uint8) if native == np.uint8 else out


def _across(
    lines: Float[Array, "*b height width"], columns: "Neighbours"
) -> Float[Array, "*b height width2"]:
    left, right = lines[..., columns.lower], lines[..., columns.upper]
    return np.asarray(left + (right - left) * columns.fraction)


class Neighbours(NamedTuple):
    """For each new pixel of an axis: the old ones on both sides, and how far on its way it is."""

    lower: Int[Array, " new"]
    upper: Int[Array, " new"]
    fraction: Float[Array, " new"]


def neighbours(old: int, new: int) -> Neighbours:
    """Find the two old pixels between which each new one lies.

    place = (i + 0.5) * (old / new) - 0.5: the centre of new pixel i, measured between centres of
    old ones ("half-pixel centres"). lower = floor(place), upper = ceil(place), both kept inside the
    picture; fraction = place - floor(place).

    Dtype:  every step in float32.
    Source: tensorflow 2.21.0, core/kernels/image/resize_bilinear_op.cc,
            compute_interpolation_weights; core/util/image_resizer_state.h, HalfPixelScaler.
    Trap:   at the ends lower and upper are the same pixel, so that the fraction has no effect.

    >>> neighbours(4, 2).fraction.tolist()
    [0.5, 0.5]
    """
    scale = np.float32(old) / np.float32(new)
    half = np.float32(0.5)
    place = (np.arange(new).astype(np.float32) + half) * scale - half
    floor = np.floor(place)
    lower = np.maximum(floor.astype(np.int64), 0)
    upper = np.minimum(np.ceil(place).astype(np.int64), old - 1)
    return Neighbours(lower, upper, place - floor)
