"""Comparing and timing: first whether a result is right, then how long it takes.

Times of a GPU are CUDA events around each call, with the level 2 cache flushed before it, after
warm-up. Writing the flush buffer takes longer than the CPU needs to launch a few kernels, so the
events measure the GPU; where it does not, `launch_bound` says so.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from .cases import Call, Outputs, Part, as_float64

TOLERANCES = {"float32": 1e-5, "float16": 4e-3, "bfloat16": 2e-2}
"""Relative L2 from float64. A result rounded once is 3e-4 (float16) or 2e-3 (bfloat16) away; the
rivals round between their steps, four to ten times that. A wrong kernel is further."""

FLUSHED = 512 * 2**20  # bytes at least: long enough to launch the next call meanwhile
WARM_UP, FEWEST, MOST = 3, 20, 200
BUDGET = 0.3  # seconds of timed calls


@dataclass(frozen=True)
class Times:
    """Seconds of one call: percentiles, how many were measured, and how they were bounded.

    Attributes:
        p20: a fifth of the calls were faster.
        p50: the median.
        p80: a fifth of the calls were slower.
        repetitions: how many calls.
        launch_bound: whether the CPU took longer to launch it than the flush covers.
    """

    p20: float
    p50: float
    p80: float
    repetitions: int
    launch_bound: bool = False


class Timer(Protocol):
    """Times calls."""

    def __call__(self, call: Call) -> Times:
        """Time one call, many times over."""


def percentiles(samples: Sequence[float]) -> tuple[float, float, float]:
    """The 20th, 50th and 80th, straight lines between samples.

    >>> percentiles([5.0, 1.0, 3.0, 2.0, 4.0, 6.0])
    (2.0, 3.5, 5.0)
    """
    p20, p50, p80 = np.percentile(samples, (20, 50, 80)).tolist()
    return p20, p50, p80


def repetitions(once: float) -> int:
    """How often to time a call that takes `once` seconds.

    >>> repetitions(1e-5), repetitions(5e-3), repetitions(1.0)
    (200, 60, 20)
    """
    return max(FEWEST, min(MOST, round(BUDGET / once) if once else MOST))


class GpuTimer:
    """CUDA events around every call, the level 2 cache flushed before each."""

    def __init__(self, device: torch.device) -> None:
        cache = getattr(torch.cuda.get_device_properties(device), "L2_cache_size", 0)
        self._flush = torch.empty(max(2 * cache, FLUSHED), dtype=torch.uint8, device=device)
        self._flush_seconds = self._events(self._flush.zero_, WARM_UP)[-1]

    def __call__(self, call: Call) -> Times:
        """Time one call, many times over."""
        for _ in range(WARM_UP):
            call()
        torch.cuda.synchronize()
        count = repetitions(min(self._events(call, WARM_UP)))
        seconds = self._events(call, count)
        p20, p50, p80 = percentiles(seconds)
        launching = self._launching(call)
        waiting = launching > self._flush_seconds and launching > 0.8 * p50
        return Times(p20, p50, p80, count, waiting)

    def _events(self, call: Call, count: int) -> list[float]:
        """Seconds of each call, the cache flushed before it."""
        pairs = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(count)]
        torch.cuda.synchronize()
        for start, end in pairs:
            self._flush.zero_()
            start.record()
            call()
            end.record()
        torch.cuda.synchronize()
        return [start.elapsed_time(end) / 1e3 for start, end in pairs]

    def _launching(self, call: Call) -> float:
        """Seconds that the CPU needs to launch one call: the median of a few."""
        seconds = []
        for _ in range(5):
            torch.cuda.synchronize()
            began = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - began)
        torch.cuda.synchronize()
        return percentiles(seconds)[1]


class CpuTimer:
    """Seconds by the CPU's clock, of a dry run: they say nothing about any GPU."""

    def __call__(self, call: Call) -> Times:
        """Time one call, once."""
        began = time.perf_counter()
        call()
        seconds = time.perf_counter() - began
        return Times(seconds, seconds, seconds, 1)


def relative_l2(found: np.ndarray, wanted: np.ndarray) -> float:
    """Length of the difference over the length of what is wanted; NaN where there is one."""
    length = float(np.linalg.norm(wanted))
    return float(np.linalg.norm(found - wanted)) / (length or 1.0)


def error_of(outputs: Outputs, parts: Sequence[Part]) -> float:
    """The largest relative L2 error of the parts; infinite where a shape is wrong."""
    every = (outputs,) if isinstance(outputs, Tensor) else outputs
    errors = []
    for part in parts:
        found = as_float64(every[part.output][part.index])
        if found.shape != part.values.shape:
            return float("inf")
        errors.append(relative_l2(found, part.values))
    return float(np.max(errors))  # of NaN and a number: NaN


def difference(one: Outputs, other: Outputs, chunk: int = 2**24) -> float:
    """Relative L2 between two whole results, on their device, a chunk of numbers at a time."""
    ones, others = ((x,) if isinstance(x, Tensor) else x for x in (one, other))
    worst = 0.0
    for found, wanted in zip(ones, others, strict=True):
        if found.shape != wanted.shape:
            return float("inf")
        if not found.is_floating_point():
            continue
        squares = [0.0, 0.0]
        pieces = zip(found.reshape(-1).split(chunk), wanted.reshape(-1).split(chunk), strict=True)
        for a, b in pieces:
            squares[0] += float((a.float() - b.float()).square().sum(dtype=torch.float64))
            squares[1] += float(b.float().square().sum(dtype=torch.float64))
        error = (squares[0] / (squares[1] or 1.0)) ** 0.5
        worst = error if not error <= worst else worst  # a NaN wins, and stays
    return worst


def extra_bytes(call: Call, device: torch.device) -> int | None:
    """Bytes that a call takes at its peak, its result among them; None on the CPU."""
    if device.type != "cuda":
        return None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before
