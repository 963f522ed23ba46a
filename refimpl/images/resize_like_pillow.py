"""Pillow's resize in numpy, bit for bit: the same bytes as `PIL.Image.Image.resize`.

What Pillow does, and in which order, decides the last bit of every pixel:

1. kernel and windows: filters.py says which source pixels an output hears, and how much;
2. the weights are rounded to whole numbers of 2^-22, so that integers are enough from here on;
3. every row is resized to the new width, and the result *rounded to bytes*;
4. every column of that is resized to the new height, and rounded again;
5. some tall pictures have 4 before 3, since Pillow 12.2: see `columns_first`.

Nearest neighbour has no weights and no passes, it picks. What Pillow does around all this for
each mode (palettes, alpha) is in `resize_image_like_pillow`. Next: resize_like_torch.py, the same
kernels in another arithmetic.
"""

import sys

import numpy as np
import PIL
from PIL import Image

from refimpl.errors import InputError
from refimpl.images.banded import band_of
from refimpl.images.filters import NEAREST, Filter, Windows, filter_of, windows
from refimpl.shapes import Array, Float, Int, Shaped, UInt8

PRECISION = 22
"""Bits after the point of a weight: 32 less 8 for the pixel and 2 for sign and overshoot."""

_MAJOR, _MINOR = PIL.__version__.split(".")[:2]
INSTALLED = (int(_MAJOR), int(_MINOR))
_OUTPUTS = 16  # of one matrix product, see banded.py
_AT_ONCE = 1 << 16  # source pixels held as float64 at a time, half a megabyte


def resize_like_pillow(
    pixels: Shaped[Array, "*b height width"],
    height: int,
    width: int,
    resample: int,
    version: tuple[int, int] = INSTALLED,
) -> Shaped[Array, "*b height2 width2"]:
    """Resize pictures, each for itself, as Pillow resizes one band.

    out = clip(floor(sum of weight * pixel + 1/2)), first along each row, then along each column
    of the rounded rows (or the other way about). A pass is skipped where the size stays.

    `resample` is Pillow's number: 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic, 4 box, 5 Hamming;
    `version` is Pillow's own (major, minor). The input is not changed and may have any strides.

    Dtype:  the input's. uint8 has weights of 22 bits; uint16, int32 and float32 are what Pillow
            holds in its modes I;16, I and F, have weights and sums in float64, and are rounded to
            their own type after each pass. Nearest takes any type.
    Source: Pillow 13.0.0, src/libImaging/Resample.c and Geometry.c.
    Trap:   the other order of passes, or one rounding instead of two, is off by one grey level
            here and there. Alpha is not looked at here. Up to 12.2, 16 bits overflowed.

    Raises:
        InputError: an unknown filter, a size below 1, another dtype, too many weights.

    >>> resize_like_pillow(np.uint8([[0, 0, 255, 255]]), 1, 3, resample=3).tolist()
    [[0, 128, 255]]
    """
    _check_sizes(pixels.shape, height, width)
    if resample == NEAREST:
        return _nearest(pixels, height, width)
    kernel = filter_of(resample)
    if pixels.dtype not in (np.uint8, np.uint16, np.int32, np.float32):
        raise InputError(f"Pillow resizes uint8, uint16, int32, float32; not {pixels.dtype}")
    *outer, old_height, old_width = pixels.shape
    planes = pixels.reshape(-1, old_height, old_width)
    down_first = columns_first((old_height, old_width), (height, width), version)
    if down_first:
        planes = _resize_columns(planes, height, kernel)
    if width != old_width:  # a row is a column of the transposed picture
        planes = _resize_columns(planes.swapaxes(1, 2), width, kernel).swapaxes(1, 2)
    if height != old_height and not down_first:
        planes = _resize_columns(planes, height, kernel)
    return planes.reshape(*outer, height, width).copy()


def columns_first(
    old: tuple[int, int], new: tuple[int, int], version: tuple[int, int] = INSTALLED
) -> bool:
    """Say whether Pillow resizes the columns before the rows; sizes are (height, width).

    Up to 12.1 never. In 12.2 and 12.3 where it makes a picture lower that is more than 100 times
    as high as wide. From 13.0 on where it makes one lower by more than twice the pixels by which
    it gets narrower. (That is faster: the second pass has fewer lines to do.)

    Source: Pillow 12.3.0, Image.resize; 13.0.0, found by its results.
    Trap:   so another Pillow gives some tall pictures other bytes, by one grey level mostly; a
            photo of 480x1000 squashed to 224x224 is one of them.

    >>> columns_first((1000, 480), (224, 224), (13, 0)), columns_first((640, 480), (298, 224))
    (True, False)
    """
    (old_height, old_width), (height, width) = old, new
    if height >= old_height or version < (12, 2):
        return False
    if version < (13, 0):
        return old_height > 100 * old_width
    return old_height - height > 2 * (old_width - width)


def _check_sizes(shape: tuple[int, ...], height: int, width: int) -> None:
    if height < 1 or width < 1 or 0 in shape[-2:]:
        sizes = f"{shape[-2:]} to {(height, width)}"
        raise InputError(f"a resize needs heights and widths above 0; got {sizes}")


def _nearest(
    pixels: Shaped[Array, "*b height width"], height: int, width: int
) -> Shaped[Array, "*b height2 width2"]:
    """Pick, for every output, the source pixel that its centre falls into."""
    rows = _centres(pixels.shape[-2], height, adds_up=pixels.dtype != np.uint16)
    columns = _centres(pixels.shape[-1], width, adds_up=pixels.dtype != np.uint16)
    return np.take(np.take(pixels, rows, axis=-2), columns, axis=-1)


def _centres(old: int, new: int, *, adds_up: bool) -> Int[Array, " new"]:
    """Give floor((i + 0.5) old / new), in one of the two ways in which Pillow rounds it.

    Trap:   Pillow steps from centre to centre and lets the rounding errors add up, which moves a
            pixel now and then; only in 16 bits does it multiply each time.

    >>> _centres(640, 224, adds_up=True)[:4].tolist()
    [1, 4, 7, 10]
    """
    scale = old / new
    steps = np.full(new, scale)
    steps[0] = 0.5 * scale
    centres = np.add.accumulate(steps) if adds_up else (np.arange(new) + 0.5) * scale
    return np.minimum(centres.astype(np.int64), old - 1)


def _resize_columns(
    pixels: Shaped[Array, "planes old lines"], new: int, kernel: Filter
) -> Shaped[Array, "planes new lines"]:
    """Resize the middle axis, and round to the input's dtype: one of the two passes."""
    found = windows(pixels.shape[1], new, kernel)
    # In memory laid out as the input is, transposed or not, so that both are read and written fast.
    out = np.empty_like(pixels, shape=(len(pixels), new, pixels.shape[2]))
    if pixels.dtype == np.uint8:
        _weigh_bytes(pixels, found._replace(weights=fixed_point(found.weights)), out)
    else:
        _weigh_wide(pixels, found, out)
    return out


def fixed_point(weights: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Round weights to whole numbers of 2^-22, halves away from zero; they stay float64.

    >>> (fixed_point(np.array([0.1, -0.1])) * 2**22).tolist()
    [419430.0, -419430.0]
    """
    return np.trunc(weights * 2**PRECISION + np.copysign(0.5, weights)) / 2**PRECISION


def _weigh_bytes(
    pixels: UInt8[Array, "planes old lines"],
    found: Windows,
    out: UInt8[Array, "planes new lines"],
) -> None:
    """Write clip(floor(sum of weight * pixel + 1/2)) for every window, as matrix products.

    Pillow adds integers. Bytes times multiples of 2^-22 add up in float64 without any rounding,
    in whatever order, so a product by BLAS gives the very same sums.
    """
    for start in range(0, out.shape[1], _OUTPUTS):
        outputs = slice(start, start + _OUTPUTS)
        run, band = band_of(found, outputs)
        lines = max(1, _AT_ONCE // band.shape[1])
        planes = max(1, lines // pixels.shape[2])
        for plane in range(0, len(pixels), planes):
            for line in range(0, pixels.shape[2], lines):
                part = slice(plane, plane + planes), slice(line, line + lines)
                sums = band @ pixels[part[0], run, part[1]].astype(np.float64)
                sums += 0.5
                np.clip(sums, 0, 255, out=sums)
                out[part[0], outputs, part[1]] = sums  # to bytes: the fraction is cut off


def _weigh_wide(
    pixels: Shaped[Array, "planes old lines"],
    found: Windows,
    out: Shaped[Array, "planes new lines"],
) -> None:
    """Do the same for 16 and 32 bits, where Pillow adds float64 and the order of taps counts."""
    sums = np.zeros(out.shape)
    with np.errstate(invalid="ignore", over="ignore"):  # float pictures may hold infinities
        for tap in range(found.weights.shape[1]):
            has = np.flatnonzero(found.count > tap)
            weight = found.weights[has, tap, None]
            sums[:, has] += pixels[:, found.first[has] + tap] * weight
        if out.dtype == np.float32:
            out[...] = sums
            return
    sums = np.trunc(sums + np.copysign(0.5, sums))
    if out.dtype == np.uint16:
        out[...] = np.clip(sums, 0, 65535)
    else:  # C leaves open what becomes of a number too large for an int; x86 gives the smallest
        out[...] = np.where((sums >= -(2.0**31)) & (sums < 2.0**31), sums, -(2.0**31))


def resize_image_like_pillow(
    image: Image.Image,
    height: int,
    width: int,
    resample: int,
    version: tuple[int, int] = INSTALLED,
) -> Image.Image:
    """Resize a Pillow picture of any mode: what `image.resize((width, height), resample)` gives.

    * 1 and P: always nearest, because palette numbers cannot be averaged;
    * LA and RGBA: colours are multiplied by alpha, resized, and divided by the new alpha, so that
      what is transparent lends no colour to its neighbours; not so for nearest;
    * all others band by band, PA among them (its palette numbers *are* averaged).

    Palette and info come along, save the palette of a PA that was averaged.

    Source: Pillow 13.0.0, Image.resize.
    Trap:   hence a picture converted to RGB after the resize differs from one converted before.

    Raises:
        InputError: an unknown filter, a size below 1, a mode of neither bytes nor numbers.

    >>> resize_image_like_pillow(Image.new("P", (9, 9), 5), 2, 3, resample=3).size
    (3, 2)
    """
    _check_sizes(image.size[::-1], height, width)
    if resample != NEAREST:
        filter_of(resample)
    if image.size == (width, height):
        return image.copy()
    planes = _planes(image)
    if image.mode in ("1", "P"):
        resample = NEAREST
    if image.mode in ("LA", "RGBA") and resample != NEAREST:
        planes = _times_alpha(planes)
        planes = _over_alpha(resize_like_pillow(planes, height, width, resample, version))
    else:
        planes = resize_like_pillow(planes, height, width, resample, version)
    out = _picture(planes, image.mode)
    if image.mode == "PA" and resample != NEAREST:  # comes without its palette: all black
        out.info = image.info.copy()
        return out
    whole = image.crop((0, 0, width, height))  # for its mode, palette and info
    whole.paste(out)
    return whole


def _planes(image: Image.Image) -> Shaped[Array, "C height width"]:
    """Give the bands as arrays, the numbers in them as Pillow's C reads them."""
    bands = [np.asarray(band) for band in image.split()]
    if any(band.ndim != 2 for band in bands):
        raise InputError(f"pictures of mode {image.mode!r} cannot be resized")
    if image.mode.startswith("I;16"):
        return bands[0].view(_words(image.mode))[None].astype(np.uint16)
    return np.stack(bands)


def _picture(planes: Shaped[Array, "C height width"], mode: str) -> Image.Image:
    """Make a Pillow picture of its bands: the way back from `_planes`."""
    size = planes.shape[2], planes.shape[1]
    if len(planes) > 1:
        return Image.merge(mode, [Image.frombytes("L", size, band.tobytes()) for band in planes])
    band = planes[0]
    if mode == "1":
        band = np.packbits(band, axis=1)
    elif mode.startswith("I;16"):
        band = band.astype(_words(mode))
    return Image.frombytes(mode, size, band.tobytes())


def _words(mode: str) -> str:
    """Give the byte order in which Pillow's resize reads 16 bits.

    Trap:   on common machines it is the wrong one for I;16B and I;16N, and they come out as noise.
    """
    return ">u2" if mode == "I;16N" or (mode == "I;16B" and sys.byteorder == "big") else "<u2"


def _times_alpha(planes: UInt8[Array, "C height width"]) -> UInt8[Array, "C height width"]:
    """Give colour * alpha / 255, rounded; the last plane is alpha and stays.

    >>> _times_alpha(np.uint8([[[255]], [[100]], [[128]]])).ravel().tolist()
    [128, 50, 128]
    """
    alpha = planes[-1].astype(np.uint32)
    colours = (planes[:-1] * alpha + 127) // 255
    return np.concatenate([colours.astype(np.uint8), planes[-1:]])


def _over_alpha(planes: UInt8[Array, "C height width"]) -> UInt8[Array, "C height width"]:
    """Give colour * 255 / alpha, cut to a whole number and to 255; as it is where alpha is 0.

    >>> _over_alpha(np.uint8([[[128]], [[50]], [[128]]])).ravel().tolist()
    [255, 99, 128]
    """
    alpha = planes[-1].astype(np.uint32)
    colours = np.minimum(planes[:-1] * np.uint32(255) // np.maximum(alpha, 1), 255)
    colours = np.where(alpha == 0, planes[:-1], colours)
    return np.concatenate([colours.astype(np.uint8), planes[-1:]])
