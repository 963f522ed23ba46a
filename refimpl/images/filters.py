"""Resampling kernels, and the windows of weights they lay over a row of pixels.

A resize asks for pixels at places where the picture has none. A *kernel* says how much a source
pixel counts at a given distance; its *support* is the distance from which on it counts nothing.
Laid around the centre of one output pixel it covers a *window* of source pixels, its *taps*.

Shrinking needs a wider window: every source pixel between two outputs must be heard, or fine
stripes turn into false coarse ones (aliasing). So the kernel is stretched by the scale old / new
when that is above 1, and left as it is when the picture grows. Rows and columns are resized one
after the other, each by the same windows for every line, so all of this is about one axis.

Read in order: box, bilinear, bicubic, hamming, lanczos, windows. Used by resize_like_pillow.py
(weights in fixed point, bit for bit) and resize_like_torch.py (other number types).
Everything is float64 and in the order of operations of Pillow's C, because the last bit counts.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from refimpl.errors import InputError
from refimpl.shapes import Array, Float, Int

PILLOW_A = -0.5
"""Sharpness of the cubic kernel in Pillow, and in torch where it antialiases."""

OPENCV_A = -0.75
"""Sharpness of the cubic kernel in OpenCV, and in torch where it does not antialias."""


def box(distance: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Weigh all pixels alike that lie within half a step: the mean of what the output covers.

    Trap:   open on the left, closed on the right, so that a pixel on the border counts once.

    >>> box(np.array([-0.5, 0, 0.5, 0.6])).tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    return np.where((distance > -0.5) & (distance <= 0.5), 1.0, 0.0)


def bilinear(distance: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Let the weight fall in a straight line, 1 - |x|, to nothing one step away (a triangle).

    >>> bilinear(np.array([-0.25, 0, 0.5, 2])).tolist()
    [0.75, 1.0, 0.5, 0.0]
    """
    far = np.abs(distance)
    return np.where(far < 1, 1 - far, 0.0)


def bicubic(distance: Float[Array, "*b"], a: float = PILLOW_A) -> Float[Array, "*b"]:
    """Weigh by two cubic pieces, whose dip below zero beyond one step sharpens edges.

    (a+2)|x|^3 - (a+3)|x|^2 + 1 within one step, a|x|^3 - 5a|x|^2 + 8a|x| - 4a within two, as
    Horner's scheme. `a` is the slope at |x| = 1.

    Source: Keys 1981, equation 15.
    Trap:   -0.5 in Pillow and in torch's antialiased resize, -0.75 in OpenCV and in torch's
            plain one. The dip makes results beyond 0..255 that must be clipped.

    >>> bicubic(np.array([0, 0.5, 1.5, 2])).tolist()
    [1.0, 0.5625, -0.0625, 0.0]
    >>> bicubic(np.array([0.5, 1.5]), a=-0.75).tolist()
    [0.59375, -0.09375]
    """
    far = np.abs(distance)
    near_part = ((a + 2) * far - (a + 3)) * far * far + 1
    far_part = (((far - 5) * far + 8) * far - 4) * a
    return np.where(far < 1, near_part, np.where(far < 2, far_part, 0.0))


def hamming(distance: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Weigh by the sinc within one step, faded out by a Hamming window.

    sin(pi x) / (pi x) * (0.54 + 0.46 cos(pi x)): about as sharp as bicubic, and never below zero.

    Trap:   Pillow writes 0.54 and 0.46 as float32: 0.540000021... and 0.460000008...

    >>> hamming(np.array([0, 0.5, 1])).round(4).tolist()
    [1.0, 0.3438, 0.0]
    """
    far = np.abs(distance)
    angle = np.where(far < 1, far, 0) * math.pi
    fade = float(np.float32(0.54)) + float(np.float32(0.46)) * _as_c(math.cos, angle)
    return np.where(far < 1, np.where(far == 0, 1.0, _sinc(angle) * fade), 0.0)


def lanczos(distance: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Weigh by the sinc within three steps, faded out by its own stretched middle (Lanczos3).

    sinc(x) * sinc(x / 3), with sinc(x) = sin(pi x) / (pi x).

    >>> lanczos(np.array([0, 0.5, 1.5, 3])).round(4).tolist()
    [1.0, 0.6079, -0.1351, 0.0]
    """
    within = (distance >= -3) & (distance < 3)
    inside = np.where(within, distance, 0)
    return np.where(within, _sinc(inside * math.pi) * _sinc(inside / 3 * math.pi), 0.0)


def _sinc(angle: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Give sin(angle) / angle, which is 1 at 0."""
    return np.where(angle == 0, 1.0, _as_c(math.sin, angle) / np.where(angle == 0, 1.0, angle))


def _as_c(function: Callable[[float], float], angle: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Call the C library's sin or cos one by one: numpy's may differ from it in the last bit."""
    return np.array([function(one) for one in angle.ravel().tolist()]).reshape(angle.shape)


@dataclass(frozen=True, slots=True)
class Filter:
    """A kernel, its name, and its support: how many steps away it still counts a pixel."""

    name: str
    support: float
    weight: Callable[[Float[Array, "*b"]], Float[Array, "*b"]]


NEAREST = 0
"""Pillow's number of the one filter that has no kernel: it takes a single pixel as it is."""

FILTERS: Mapping[int, Filter] = MappingProxyType(
    {
        1: Filter("lanczos", 3.0, lanczos),
        2: Filter("bilinear", 1.0, bilinear),
        3: Filter("bicubic", 2.0, bicubic),
        4: Filter("box", 0.5, box),
        5: Filter("hamming", 1.0, hamming),
    }
)
"""The kernels by Pillow's number, `PIL.Image.Resampling`."""


MAX_WEIGHTS = 1 << 22
"""The most weights of one axis, 32 MiB: enough for any picture of less than 690,000 rows."""


def filter_of(resample: int) -> Filter:
    """Look a kernel up by Pillow's number.

    Raises:
        InputError: no kernel has this number.

    >>> filter_of(3).name
    'bicubic'
    """
    if resample not in FILTERS:
        known = ", ".join(f"{number} {kernel.name}" for number, kernel in FILTERS.items())
        raise InputError(f"no resampling kernel has the number {resample!r}; known are {known}")
    return FILTERS[resample]


class Windows(NamedTuple):
    """For each output pixel: its first tap, how many it has, and their weights, zeros after."""

    first: Int[Array, " new"]
    count: Int[Array, " new"]
    weights: Float[Array, "new taps"]


def windows(old: int, new: int, kernel: Filter) -> Windows:
    """Lay the kernel around every output pixel's centre, for `old` -> `new` pixels of one axis.

    With scale = old / new and stretch = max(scale, 1), output i has its centre at (i + 0.5) scale,
    measured where pixel t covers t..t+1. Its taps run from int(centre - support stretch + 0.5) up
    to, not including, int(centre + support stretch + 0.5), cut at the picture's ends. Tap t weighs
    kernel((t + 0.5 - centre) / stretch), divided by the sum of the window's weights.

    Dtype:  float64; the sum is taken from left to right.
    Source: Pillow 13.0.0, src/libImaging/Resample.c, precompute_coeffs.
    Trap:   at the ends the window is cut and the rest weighs more; no pixel is repeated.

    Raises:
        InputError: an axis so long that its weights would fill the memory.

    >>> first, count, weights = windows(4, 2, FILTERS[2])
    >>> first.tolist(), count.tolist(), (weights * 7).round(9).tolist()
    ([0, 1], [3, 3], [[3.0, 3.0, 1.0], [1.0, 3.0, 3.0]])
    """
    scale = old / new
    stretch = max(scale, 1.0)
    support = kernel.support * stretch
    if new * min(old, 2 * support + 1) > MAX_WEIGHTS:
        raise InputError(
            f"resizing {old} pixels to {new} by {kernel.name} needs more than {MAX_WEIGHTS} weights"
        )
    centre = (np.arange(new) + 0.5) * scale
    # astype cuts towards zero, as C does; what it does below zero is cut off anyway.
    first = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    count = np.minimum((centre + support + 0.5).astype(np.int64), old) - first
    tap = np.arange(count.max())
    distance = (first[:, None] + tap - centre[:, None] + 0.5) * (1.0 / stretch)  # (new, taps)
    weights = np.where(tap < count[:, None], kernel.weight(distance), 0.0)
    total = np.add.accumulate(weights, axis=1)[:, -1:]  # one by one; np.sum adds in pairs
    return Windows(first, count, weights / np.where(total == 0, 1.0, total))


class Facts(NamedTuple):
    """What one axis of a resize amounts to: the kernel, old / new, reach in pixels, most taps."""

    name: str
    scale: float
    support: float
    taps: int


def facts(old: int, new: int, resample: int) -> Facts:
    """Give the numbers to print beside a resize of one axis.

    >>> facts(640, 224, 3)
    Facts(name='bicubic', scale=2.857142857142857, support=5.714285714285714, taps=12)
    """
    if resample == NEAREST:
        return Facts("nearest", old / new, 0.5, 1)
    kernel = filter_of(resample)
    reach = kernel.support * max(old / new, 1.0)
    return Facts(kernel.name, old / new, reach, int(windows(old, new, kernel).count.max()))
