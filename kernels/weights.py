"""Weights on a device: arrays turned into tensors, and those of one product laid side by side.

An attention's queries, keys and values are three products of one input. With their weights one
behind the other in memory they are one product of three times the width (plain.linears), which a
GPU does faster than three. Called by whoever loads a model; numpy in, torch out.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kernels.plain import side_by_side

_SHARED = {"float16", "float32", "float64", "int64", "int32", "int16", "int8", "uint8", "bool"}
"""The types whose numbers numpy and torch hold alike."""


def as_tensor(array: Any) -> Tensor:
    """View a numpy array as a tensor of the CPU, or take a tensor as it is, without its gradient.

    It copies what torch cannot view: read-only arrays, gaps, the other byte order. Wider floats
    become float64, and wider whole numbers int64.
    """
    if isinstance(array, Tensor):
        return array.detach()
    kept = array.dtype.name if array.dtype.name in _SHARED else None
    dtype = kept or ("float64" if array.dtype.kind == "f" else "int64")
    flags = array.flags
    fits = flags.c_contiguous and flags.writeable and flags.aligned and array.dtype.isnative
    return torch.from_numpy(np.array(array, dtype, order="C", copy=None if fits else True))


def moved(array: Any, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Bring one weight to a device and a dtype; one that is there already stays the same object."""
    if isinstance(array, Tensor) and not array.requires_grad and _is_there(array, device, dtype):
        return array
    return as_tensor(array).to(device, dtype).contiguous()


def laid_side_by_side(
    parts: Sequence[Any], device: torch.device, dtype: torch.dtype
) -> list[Tensor]:
    """Bring weights to a device, one behind the other in memory, in their order.

    Args:
        parts: (Oᵢ, I) weights or (Oᵢ,) biases, arrays or tensors.
        device: where they go.
        dtype: what they become.

    Returns:
        Views of one tensor (ΣO, I) or (ΣO,); the parts themselves where they lie so already.
    """
    if all(isinstance(p, Tensor) and _is_there(p, device, dtype) for p in parts):
        if not any(p.requires_grad for p in parts) and side_by_side(parts) is not None:
            return list(parts)
    rows = [part.shape[0] for part in parts]
    whole = torch.empty((sum(rows), *parts[0].shape[1:]), dtype=dtype, device=device)
    views = list(whole.split(rows))
    for view, part in zip(views, parts, strict=True):
        view.copy_(as_tensor(part))
    return views


def _is_there(x: Tensor, device: torch.device, dtype: torch.dtype) -> bool:
    return x.device == device and x.dtype == dtype and x.is_contiguous()
