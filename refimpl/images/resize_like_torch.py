"""torch's antialiased resize in numpy: what the Fast (torchvision) image processors do on a CPU.

Transformers 5 and the Fast classes of 4 hand a tensor, channels first, to torchvision's `resize`,
and that is `torch.nn.functional.interpolate(..., antialias=True)`. The kernels and windows are
Pillow's (filters.py); the arithmetic is not:

                      Pillow (resize_like_pillow.py)   torch, uint8            torch, float
    weights           22 bits after the point          int16, as many bits     in the tensor's type
                                                       as the largest allows
    between passes    rounded to uint8                 rounded to uint8        not rounded
    beyond 0..255     clipped                          clipped                 stays

So in uint8 the two differ in under 1 % of the samples, there by one level (rarely two), while
float pictures ring at edges. Read in order: resize_like_torch, int16_windows, float_windows,
nearest_places. The sums over the windows are in banded.py.
"""

import math
import operator

import numpy as np

from refimpl.errors import InputError
from refimpl.images.banded import sums_across, sums_down
from refimpl.images.filters import FILTERS, NEAREST, PILLOW_A, Filter, Windows, windows
from refimpl.shapes import Array, Float, Int, Shaped, UInt8

_KERNELS = (1, 2, 3)  # Pillow's numbers of those that torch has: Lanczos, bilinear, bicubic
_REFUSED = (
    "torchvision takes box (4) and hamming (5) for Pillow pictures only, and torch's interpolate "
    "fails on them; use 0 nearest, 1 lanczos, 2 bilinear or 3 bicubic"
)


def resize_like_torch(
    pixels: Shaped[Array, "*b height width"], height: int, width: int, resample: int
) -> Shaped[Array, "*b height2 width2"]:
    """Resize as torchvision's tensor `resize` with antialias=True does it on a CPU.

    Every row first, to the new width, then every column, to the new height; a pass whose size is
    unchanged is left out. `resample` is Pillow's number: 0 nearest, 1 Lanczos, 2 bilinear,
    3 bicubic. The leading axes are channels and batch; each plane is resized alone.

    Dtype:  the input's. uint8 is computed in whole numbers (`int16_windows`), float32 and float64
            in their own type; float16, bool and the signed integers go through float32, and
            integers are rounded, half to even. A bool becomes True wherever it is not 0.
    Equal:  uint8 bit for bit, for pictures of up to four channels; float64 within 1e-13, float32
            within 1e-6 of the picture's range (torch rounds after every tap, here up to 64 taps
            are added in float64).
    Source: torch 2.13.0, ATen/native/cpu/UpSampleKernel.cpp and UpSampleKernelAVXAntialias.h, in a
            build for AVX2 or AVX-512; torchvision 0.29.2, transforms/v2/functional/_geometry.py.
    Trap:   floats are not clamped: bicubic and Lanczos run out of 0..1 beside edges.
            A float picture whose new width is 1 has its first row in every row, if the height
            changes too: torch's vertical loop takes rows for columns there. This is kept.
            On x86 without AVX2 torchvision sends *bilinear* uint8 through float32, rounded half to
            even: a level more or less here and there.
            Nearest is "nearest-exact", see nearest_places. Without antialias torch's cubic has
            a = -0.75.
            torch fails with an internal error for uint8 of 3 channels to 1 x 1; here it works.

    Raises:
        InputError: another kernel, a size below 1, an empty picture, or a dtype that torchvision
            cannot resize or whose fractions it cuts off (uint16, uint32, uint64).

    >>> ramp = np.uint8([[0, 50, 100, 150, 200, 250]])
    >>> resize_like_torch(ramp, 1, 3, resample=3).tolist()
    [[27, 125, 223]]
    """
    number = _checked(pixels, height, width, resample)
    native = pixels.dtype.newbyteorder("=")
    if pixels.shape[-2:] == (height, width):
        return pixels.astype(native)
    if number == NEAREST:
        return _nearest(pixels, height, width).astype(native)
    kernel = FILTERS[number]
    if native == np.uint8:
        return _two_passes_uint8(pixels, height, width, kernel)
    working = native if native in (np.float32, np.float64) else np.dtype(np.float32)
    out = _two_passes_float(pixels.astype(working), height, width, kernel)
    with np.errstate(over="ignore"):
        return (np.round(out) if native.kind == "i" else out).astype(native)


def _two_passes_uint8(
    pixels: UInt8[Array, "*b height width"], height: int, width: int, kernel: Filter
) -> UInt8[Array, "*b height2 width2"]:
    *lead, old_height, old_width = pixels.shape
    if width != old_width:
        rows = pixels.reshape(-1, old_width)
        pixels = _to_levels(sums_across(rows, int16_windows(old_width, width, kernel)))
    if height != old_height:
        planes = pixels.reshape(-1, old_height, width)
        pixels = _to_levels(sums_down(planes, int16_windows(old_height, height, kernel)))
    return pixels.reshape(*lead, height, width)


def _to_levels(sums: Float[Array, "*b"]) -> UInt8[Array, "*b"]:
    """Round half up and clip to 0..255; writes to its argument."""
    sums += 0.5
    return np.clip(sums, 0, 255, out=sums).astype(np.uint8)


def _two_passes_float(
    pixels: Float[Array, "*b height width"], height: int, width: int, kernel: Filter
) -> Float[Array, "*b height2 width2"]:
    *lead, old_height, old_width = pixels.shape
    dtype = pixels.dtype
    with np.errstate(over="ignore"):
        if width != old_width:
            rows = pixels.reshape(-1, old_width)
            across = float_windows(old_width, width, kernel, dtype)
            pixels = sums_across(rows, across).astype(dtype)
        if height != old_height:
            planes = pixels.reshape(-1, old_height, width)
            down = float_windows(old_height, height, kernel, dtype)
            if width == 1:  # the second trap of resize_like_torch
                down = Windows(*(part[:1] for part in down))
            pixels = sums_down(planes, down).astype(dtype)
            if width == 1:
                pixels = np.repeat(pixels, height, axis=1)
    return pixels.reshape(*lead, height, width)


def int16_windows(old: int, new: int, kernel: Filter) -> Windows:
    """Give the windows of filters.py with weights that are whole 2^-bits, as torch's int16 are.

    bits is the most, up to 22, for which the largest weight of the axis, times 2^bits and rounded,
    is below 2^15. Then weight = round(weight * 2^bits), half away from 0. torch adds up
    pixel * weight in int32, starting from half a level, and shifts the sum right by `bits`. Here
    the weights are divided by 2^bits again: they and every sum of theirs with bytes are exact in
    float64, and the shift becomes a floor.

    Dtype:  float64.
    Source: torch 2.13.0, UpSampleKernel.cpp, _compute_index_ranges_int16_weights.
    Trap:   the bits differ from axis to axis: 14 where a weight is 1, 15 or 16 for a mild
            shrinking, more for a strong one. Pillow always has 22, in int32. So
            torch's weights are the coarser ones, and most levels apart from Pillow come from here.

    >>> sorted(set((int16_windows(4, 8, FILTERS[2]).weights * 2**14).ravel().tolist()))
    [0.0, 4096.0, 12288.0, 16384.0]
    """
    first, count, weights = windows(old, new, kernel)
    largest = float(weights.max())
    bits = 0
    while bits < 22 and int(0.5 + largest * 2 ** (bits + 1)) < 2**15:
        bits += 1
    scaled = weights * 2**bits
    whole = np.trunc(scaled + np.copysign(0.5, scaled))
    return Windows(first, count, whole / 2**bits)


def float_windows(old: int, new: int, kernel: Filter, dtype: np.dtype) -> Windows:
    """Lay the kernel around every output pixel's centre in the tensor's own float type.

    The formula is that of filters.windows; what differs is where torch rounds. Scale, centre,
    support, distance, kernel and sum are each stored in `dtype`, though single steps between are
    done in float64, because a 0.5 in C++ is a double.

    Dtype:  `dtype`, float32 or float64; for float64 this equals filters.windows.
    Source: torch 2.13.0, UpSampleKernel.cpp, _compute_indices_min_size_weights_aa.
    Trap:   in float32 the centre of pixel 650 is known to 3e-5 only, and so are its weights.
            Windows computed in float64 would miss torch by more than 1e-6.

    >>> float_windows(4, 2, FILTERS[2], np.dtype(np.float32)).weights.dtype
    dtype('float32')
    """
    real = dtype.type
    scale = real(old) / real(new)
    stretch = max(float(scale), 1.0)
    support = real(kernel.support * stretch)
    centre = ((np.arange(new) + 0.5) * float(scale)).astype(dtype)
    first = np.maximum(((centre - support).astype(np.float64) + 0.5).astype(np.int64), 0)
    stop = np.minimum(((centre + support).astype(np.float64) + 0.5).astype(np.int64), old)
    count = np.clip(stop - first, 0, 2 * int(np.ceil(support)) + 1)
    tap = np.arange(count.max())
    offset = (first[:, None] + tap).astype(dtype) - centre[:, None]  # (new, taps)
    distance = (offset.astype(np.float64) + 0.5) * float(real(1.0 / stretch))
    weigh = _IN_FLOAT32.get(kernel.name, kernel.weight) if dtype == np.float32 else kernel.weight
    weights = np.where(tap < count[:, None], weigh(distance.astype(dtype)), real(0))
    total = np.add.accumulate(weights, axis=1)[:, -1:]
    return Windows(first, count, weights / np.where(total == 0, real(1), total))


def _bicubic_in_float32(distance: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Evaluate filters.bicubic as a CPU with fused multiply-add does it in float32.

    x * y + z is then rounded once, at the end. In float64 a product of two float32 is exact, so
    the same comes out by casting there and back.
    """
    far = np.abs(distance).astype(np.float64)
    a, single = PILLOW_A, np.float32
    near = single((a + 2) * far - (a + 3))
    near = single(single(near * single(far)) * far + 1)
    tail = single(a * far - 5 * a)
    tail = single(single(tail * far + 8 * a) * far - 4 * a)
    return np.where(far < 1, near, np.where(far < 2, tail, single(0)))


def _lanczos_in_float32(distance: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Evaluate filters.lanczos as torch does it: the narrow sinc in float32, the wide in float64.

    torch divides x by 3.0, a double, and so calls its double version for the second sinc.
    """
    inside = np.where(np.abs(distance) < 3, distance, np.float32(0))
    narrow = inside * np.float32(math.pi)
    wide = inside.astype(np.float64) / 3.0 * math.pi
    nothing = inside == 0  # sin(x) / x is 1 there
    with np.errstate(invalid="ignore"):
        first = np.where(nothing, 1, np.sin(narrow.astype(np.float64)).astype(np.float32) / narrow)
        second = np.where(nothing, 1, np.sin(wide) / wide)
    return np.where(np.abs(distance) < 3, first * second, 0).astype(np.float32)


_IN_FLOAT32 = {"bicubic": _bicubic_in_float32, "lanczos": _lanczos_in_float32}


def _nearest(
    pixels: Shaped[Array, "*b height width"], height: int, width: int
) -> Shaped[Array, "*b height2 width2"]:
    """Take one pixel for each; integers other than uint8 go through float32, as in torchvision."""
    old_height, old_width = pixels.shape[-2:]
    if pixels.dtype.newbyteorder("=") not in (np.uint8, np.float32, np.float64):
        pixels = pixels.astype(np.float32)
    small = height + width <= 128
    rows = nearest_places(old_height, height, pixels.dtype, small)
    columns = nearest_places(old_width, width, pixels.dtype, small)
    return pixels[..., rows[:, None], columns]


def nearest_places(old: int, new: int, dtype: np.dtype, small: bool) -> Int[Array, " new"]:
    """Say which pixel of an axis each new one copies: floor((i + 0.5) * scale), at most old - 1.

    Dtype:  torch has two loops for it, which differ where a centre falls on a border. The one for
            results of at most 128 rows and columns together has a float32 scale. The other one
            takes 0.5 off and adds it again; between, the place is stored as float64 for float64
            pictures and as float32 for the rest.
    Source: torch 2.13.0, UpSample.h, nearest_neighbor_exact_compute_source_index, and
            UpSampleKernel.cpp, HelperInterpNearestExact.
    Trap:   that is "nearest-exact", which Transformers means by Pillow's 0. torch's own "nearest"
            is floor(i * scale), so that the picture moves up and left by half a step.

    >>> nearest_places(4, 2, np.dtype(np.uint8), small=True).tolist()
    [1, 3]
    """
    real = np.float64 if dtype == np.float64 and not small else np.float32
    place = (np.arange(new) + 0.5) * float(real(old) / real(new))
    if not small:
        place = np.maximum((place - 0.5).astype(real), 0).astype(np.float64) + 0.5
    return np.minimum(np.floor(place.astype(np.float32)).astype(np.int64), old - 1)


def _checked(
    pixels: Shaped[Array, "*b height width"], height: int, width: int, resample: int
) -> int:
    """Give the number of the kernel, once everything is known to be usable."""
    number = operator.index(resample)
    if number not in (NEAREST, *_KERNELS):
        raise InputError(f"resize_like_torch: resample {number} is not torch's: {_REFUSED}")
    if min(height, width) < 1:
        raise InputError(f"resize_like_torch: cannot resize to {height} x {width} pixels")
    if pixels.ndim < 2 or pixels.size == 0:
        raise InputError(f"resize_like_torch: a picture of shape {pixels.shape} has no pixels")
    kind = pixels.dtype.kind
    if kind == "u" and pixels.dtype.itemsize > 1:
        raise InputError(
            f"resize_like_torch: torch cuts off the fractions of {pixels.dtype}, so that even an "
            "even picture loses levels; convert it to float32 or uint8 first"
        )
    if kind not in "ufib" or pixels.dtype.itemsize > 8:
        raise InputError(f"resize_like_torch: torch cannot resize {pixels.dtype}")
    return number
