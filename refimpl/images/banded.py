"""Sums over windows: what a resize does once the weights are known, along one axis, fast.

out[i] = sum over t of weights[i, t] * values[first[i] + t]

As a matrix the weights are a band along the diagonal, nearly all of it zeros. So a few outputs at a
time are taken: they need one short run of values, and are one small matrix product that BLAS does
at full speed. Used by resize_like_torch.py and resize_like_pillow.py; the windows come from filters.py or from there.
"""

import numpy as np

from refimpl.images.filters import Windows
from refimpl.shapes import Array, Float, Shaped

_BLOCK = 32  # outputs per product: fewer make many calls, more multiply many zeros
_MANY = 64  # float taps from which on the rounding of each step is followed


def sums_across(values: Shaped[Array, "rows old"], windows: Windows) -> Float[Array, "rows new"]:
    """Sum windows of columns: the horizontal pass of a resize, with each row for itself.

    Dtype:  float64. Exact, in any order, while values and weights are whole numbers over a common
            power of two and every sum stays below 2^53 of them. Floats of many taps, and floats
            that are not finite, go by `tap_by_tap`.
    Trap:   0 times infinity is NaN, so what is not finite must not meet the zeros beside the band.

    >>> two = Windows(np.array([0, 1]), np.array([2, 1]), np.array([[0.5, 0.5], [1.0, 0.0]]))
    >>> sums_across(np.uint8([[10, 20]]), two).tolist()
    [[15.0, 20.0]]
    """
    new = len(windows.first)
    if _needs_care(values, windows):
        return tap_by_tap(values, windows)
    out = np.empty((len(values), new))
    for start in range(0, new, _BLOCK):
        block = slice(start, start + _BLOCK)
        run, band = band_of(windows, block)
        np.matmul(values[:, run].astype(np.float64), band.T, out=out[:, block])
    return out


def sums_down(
    values: Shaped[Array, "planes old width"], windows: Windows
) -> Float[Array, "planes new width"]:
    """Sum windows of rows: the vertical pass of a resize. Otherwise as `sums_across`.

    >>> two = Windows(np.array([0, 1]), np.array([2, 1]), np.array([[0.5, 0.5], [1.0, 0.0]]))
    >>> sums_down(np.uint8([[[10], [20]]]), two).tolist()
    [[[15.0], [20.0]]]
    """
    planes, old, width = values.shape
    new = len(windows.first)
    if _needs_care(values, windows):
        lines = np.swapaxes(values, 1, 2).reshape(planes * width, old)
        return np.swapaxes(tap_by_tap(lines, windows).reshape(planes, width, new), 1, 2)
    out = np.empty((planes, new, width))
    for start in range(0, new, _BLOCK):
        block = slice(start, start + _BLOCK)
        run, band = band_of(windows, block)
        np.matmul(band, values[:, run].astype(np.float64), out=out[:, block])
    return out


def tap_by_tap(values: Float[Array, "rows old"], windows: Windows) -> Float[Array, "rows new"]:
    """Follow the definition: the first tap of every output, then the second, and so on.

    Dtype:  that of the values, and rounded to it once per tap, after product and sum. That is the
            fused multiply-add of a CPU: a product of two float32 is exact in float64.

    >>> two = Windows(np.array([0, 1]), np.array([2, 1]), np.array([[0.5, 0.5], [1.0, 0.0]]))
    >>> tap_by_tap(np.array([[10.0, 20.0]]), two).tolist()
    [[15.0, 20.0]]
    """
    out = np.zeros((len(values), len(windows.first)), values.dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        for tap, weight in enumerate(windows.weights.T.astype(np.float64)):
            column = np.minimum(windows.first + tap, values.shape[1] - 1)
            np.copyto(out, out + values[:, column] * weight, "same_kind", tap < windows.count)
    return out


def _needs_care(values: Shaped[Array, "*b"], windows: Windows) -> bool:
    if values.dtype.kind != "f":
        return False
    return windows.weights.shape[1] > _MANY or not np.isfinite(values).all()


def band_of(windows: Windows, block: slice) -> tuple[slice, Float[Array, "outputs run"]]:
    """Give the run of values that a block of outputs needs, and its weights with zeros between."""
    first, count, weights = (part[block] for part in windows)
    start, stop = int(first.min()), int((first + count).max())
    output, tap = np.nonzero(np.arange(weights.shape[1]) < count[:, None])
    band = np.zeros((len(first), stop - start))
    band[output, first[output] - start + tap] = weights[output, tap]
    return slice(start, stop), band
