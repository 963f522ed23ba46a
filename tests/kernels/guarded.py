"""Memory with guards: NaN around and between what a kernel may read, sentinels around its outputs.

A kernel that reads past an input mixes NaN into its result; one that writes past its output changes
a sentinel. Neither shows otherwise: the interpreter does not check bounds, and a GPU seldom faults.
"""

from contextlib import contextmanager

import numpy as np
import torch

GUARD = 64  # numbers on either side
SENTINEL = 12345.0

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
TOLERANCES = {"float32": 2e-6, "float16": 2e-3, "bfloat16": 1.2e-2}
"""Relative L2 against the numpy twin in float64, of a result that is rounded once."""


def guarded(values, device="cpu", dtype="float32", gap=0):
    """A tensor with these values, NaN around it and `gap` NaNs behind each row of the last axis.

    The values are rounded to the dtype; `as_float64` of the result gives what a twin must be fed.
    """
    values = torch.as_tensor(np.asarray(values))
    if values.is_floating_point():
        values, fill = values.to(DTYPES[dtype]), float("nan")
    else:
        fill = 99
    *leading, width = values.shape if values.dim() else (1,)
    rows = int(np.prod(leading))
    buffer = torch.full((2 * GUARD + rows * (width + gap),), fill, dtype=values.dtype)
    inner = buffer[GUARD : GUARD + rows * (width + gap)].view(rows, width + gap)[:, :width]
    inner.copy_(values.reshape(rows, width))
    strides, step = [1], width + gap
    for size in reversed(leading):
        strides.insert(0, step)
        step *= size
    moved = buffer.to(device)
    shape = (*leading, width) if values.dim() else ()
    return moved.as_strided(shape, strides if values.dim() else (), GUARD)


def as_float64(x):
    """The tensor's values as a float64 numpy array: what a numpy twin is fed."""
    return x.detach().double().cpu().numpy()


@contextmanager
def watched_outputs():
    """While it is open, `torch.empty` puts sentinels around what it gives and NaN inside.

    On leaving it fails if a sentinel has changed. What is never written stays NaN, and every
    comparison fails on NaN. Launchers allocate with torch.empty(shape, dtype=..., device=...).
    """
    given, real = [], torch.empty

    def empty(*shape, dtype=None, device=None):
        shape = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
        count = int(np.prod(shape))
        floating = (dtype or torch.float32).is_floating_point
        buffer = torch.full(
            (count + 2 * GUARD,), SENTINEL if floating else 77, dtype=dtype, device=device
        )
        inside = buffer[GUARD : GUARD + count]
        inside.fill_(float("nan") if floating else 55)
        given.append(buffer)
        return inside.view(shape)

    torch.empty = empty
    try:
        yield given
    finally:
        torch.empty = real
    for buffer in given:
        edges = torch.cat([buffer[:GUARD], buffer[-GUARD:]]).double()
        wanted = torch.full((), SENTINEL if buffer.is_floating_point() else 77, dtype=buffer.dtype)
        assert (edges == wanted.double().item()).all(), "written past the end of an output"
