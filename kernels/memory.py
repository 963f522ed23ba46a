"""When a batch does not fit into a device's memory: half of it at a time, and saying so.

A model's items do not know each other, so a batch may be run in parts and the results joined.
Called by whoever runs a model (a tower at a time), with the whole batch's inputs on the host or on
the device.
"""

import warnings
from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from kernels.errors import KernelError


class Parts:
    """Runs batches in parts that fit, and remembers what fitted.

    Args:
        device: where they run.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.sizes: dict[Hashable, int] = {}
        """Largest batch to try, by what is run and the shape of an item."""
        self._told: set[tuple[int, int]] = set()

    def run(self, run: Callable[[Any], Any], inputs: Any, batch: int, key: Hashable) -> Any:
        """Run a function of a batch, as a whole if it fits.

        Args:
            run: the function; its results have the batch first in every tensor.
            inputs: its argument; arrays and tensors in tuples, lists, dicts and dataclasses. Those
                whose first axis is the batch are cut; others, such as one row for all, are not.
            batch: how many items there are.
            key: what is run, on items of which shape: the size that fits is kept under it.

        Returns:
            What one run gives; of several runs, joined in order.

        Raises:
            KernelError: even one item does not fit.
        """
        results: list[Any] = []
        start = 0
        size = min(self.sizes.get(key, batch), batch) or 1
        while start < batch or not results:
            part = inputs if size >= batch else cut(inputs, batch, start, start + size)
            try:
                results.append(run(part))
                start += size
                continue
            except RuntimeError as error:
                reason = why_no_memory(error)
                if reason is None:
                    raise
            # here the error, and what the failed run still held, are gone
            size = self._smaller(size, reason)
            self.sizes[key] = size
        return results[0] if len(results) == 1 else joined(results)

    def _smaller(self, size: int, reason: str) -> int:
        """Halve the batch and say so, once for each size."""
        if size == 1:
            raise KernelError(
                f"out of memory with a batch of 1 on {self.device} ({reason}); take a smaller "
                "dtype, shorter texts or smaller pictures, or free memory there"
            )
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        half = size // 2
        if (size, half) not in self._told:
            self._told.add((size, half))
            warnings.warn(
                f"out of memory with a batch of {size} on {self.device}; going on with {half}",
                stacklevel=8,
            )
        return half


_NO_MEMORY = (
    "DefaultCPUAllocator: ",
    "CUDA error: out of memory",
    "Triton Error [CUDA]: out of memory",
    "_STATUS_ALLOC_FAILED",
)
"""What is said by errors that have no type of their own: the processor's, the driver's, cuBLAS's."""


def why_no_memory(error: RuntimeError) -> str | None:
    """Say in one line how memory ran out, or None where an error is about something else."""
    said = str(error)
    if not isinstance(error, torch.OutOfMemoryError) and not any(x in said for x in _NO_MEMORY):
        return None
    before, found, behind = said.partition(_NO_MEMORY[0])
    return (behind if found else before).partition("\n")[0].split(". ")[0]


def cut(value: Any, batch: int, start: int, stop: int) -> Any:
    """Take some items of a batch: of every array whose first axis is the batch."""
    return mapped(lambda x: x[start:stop] if x.ndim and x.shape[0] == batch else x, value)


def joined(results: list[Any]) -> Any:
    """Join the results of the parts of a batch."""

    def join(*parts: Tensor) -> Tensor:
        return torch.cat(parts)

    return mapped(join, *results)


def mapped(function: Callable[..., Any], first: Any, *others: Any) -> Any:
    """Apply a function to the arrays that stand at the same place in values of one kind.

    Tuples (named ones too), lists, dicts and dataclasses are looked into; what is no array stays
    the first one's.
    """
    if hasattr(first, "shape") and hasattr(first, "dtype"):
        return function(first, *others)
    if isinstance(first, dict):
        return {
            name: mapped(function, value, *(other[name] for other in others))
            for name, value in first.items()
        }
    if isinstance(first, (tuple, list)):
        items = [mapped(function, *each) for each in zip(first, *others, strict=True)]
        return type(first)(*items) if hasattr(first, "_fields") else type(first)(items)
    if is_dataclass(first) and not isinstance(first, type):
        changes = {
            field.name: mapped(function, *(getattr(each, field.name) for each in (first, *others)))
            for field in fields(first)
        }
        return replace(first, **changes)
    return first
