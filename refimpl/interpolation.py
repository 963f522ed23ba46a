"""Resampling of position embeddings, so that a tower can see pictures of another size.

Called by ops.interpolate_positions (cubic convolution, Keys 1981) and by
ops.relative_position_bias (linear), each written as one small matrix
per axis: row i of the matrix holds the weights of the input points that make output point i.
Resizing of *pictures* is another thing (other kernel, antialiased) and lives in images/.
"""

import math
from collections.abc import Callable

import numpy as np

from refimpl.shapes import Array, Float

CUBIC_A = -0.75
"""Sharpness of the kernel: torch's (and OpenCV's) choice; Pillow's pictures use −0.5."""


def cubic_kernel(distance: float) -> float:
    """Weight of a point that lies `distance` input steps away, at most two.

    Source: Keys 1981, equation 15, with a = −0.75.

    >>> [cubic_kernel(d) for d in (0, 0.5, 1, 1.5, 2)]
    [1.0, 0.59375, 0.0, -0.09375, 0.0]
    """
    d, a = abs(distance), CUBIC_A
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1.0
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def cubic_matrix(size_in: int, size_out: int) -> Float[Array, "O N"]:
    """Weights that resample `size_in` points to `size_out`, as a float64 matrix.

    Output point i lies at (i + ½) · in/out − ½ of the input (pixel centres, align_corners off);
    its four nearest points are weighed; beyond the edge the edge point is repeated. There is no
    antialiasing, also when shrinking.

    Source: torch 2.13, `interpolate(mode="bicubic", align_corners=False)`.

    >>> cubic_matrix(2, 2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    matrix = np.zeros((size_out, size_in))
    for i in range(size_out):
        centre = (i + 0.5) * size_in / size_out - 0.5
        first = math.floor(centre) - 1
        for point in range(first, first + 4):
            nearest = min(max(point, 0), size_in - 1)
            matrix[i, nearest] += cubic_kernel(centre - point)
    return matrix


def linear_matrix(size_in: int, size_out: int) -> Float[Array, "O N"]:
    """Weights that resample `size_in` points to `size_out` by the two nearest, as float64.

    Source: torch 2.13, `interpolate(mode="bilinear", align_corners=False)`.

    >>> linear_matrix(2, 4)[:, 0].tolist()
    [1.0, 0.75, 0.25, 0.0]
    """
    matrix = np.zeros((size_out, size_in))
    for i in range(size_out):
        centre = min(max((i + 0.5) * size_in / size_out - 0.5, 0.0), size_in - 1.0)
        first = math.floor(centre)
        matrix[i, first] += 1 - (centre - first)
        matrix[i, min(first + 1, size_in - 1)] += centre - first
    return matrix


def resample_grid(
    grid: Float[Array, "Y X D"],
    height: int,
    width: int,
    matrix: Callable[[int, int], Float[Array, "O N"]] = cubic_matrix,
) -> Float[Array, "height width D"]:
    """Resample a grid of vectors to `height` × `width`, rows and columns apart."""
    rows = matrix(grid.shape[0], height).astype(grid.dtype)
    columns = matrix(grid.shape[1], width).astype(grid.dtype)
    by_rows = np.tensordot(rows, grid, axes=(1, 0))  # (height, X, D)
    return np.tensordot(columns, by_rows, axes=(1, 1)).swapaxes(0, 1)
