"""The operations on torch tensors: a Triton kernel where one fits, plain torch elsewhere.

The same names and arguments as refimpl/ops.py, its twin, so the graph runs on this module as it
is. Which of the two serves a call is decided here, in sight, by device, dtype and shape; what was
chosen last can be asked:

>>> import torch
>>> from kernels import ops
>>> x = torch.tensor([[1.0, 3.0]], dtype=torch.float64)
>>> ops.layer_norm(x, torch.ones(2).double(), torch.zeros(2).double(), eps=0.0)
tensor([[-1.,  1.]], dtype=torch.float64)
>>> ops.last_choice("layer_norm")
Choice(op='layer_norm', runs='torch', why='float64 has no kernel')

Watching does not change the numbers: an operation that hides points (attention, linear_activation,
embed_patches, the sums with a norm) shows a wrapper's `tap` the values it would see in numpy, and
still gives the kernel's result, unless the tap hands back another value to go on with.

Everything that is not defined here is plain torch on every device (plain.py).
"""

from typing import Any

from torch import Tensor

from kernels import plain
from kernels.choice import Choice, chosen, last_choice
from kernels.plain import (
    Tap,
    argmax,
    attention,
    concatenate,
    cumulative_sum,
    embed_patches,
    embedding,
    exp,
    identity_like,
    interpolate_positions,
    l2_normalize,
    linear,
    linear_activation,
    linears,
    log_sigmoid,
    log_softmax,
    log_sum_exp,
    mean,
    patch_embedding,
    pick_rows,
    relative_key_scores,
    relative_position_bias,
    relative_query_scores,
    repeat_batch,
    swiglu,
    tanh,
    tap,
)
from kernels.runtime import check_together, why_not

__all__ = [
    "Choice",
    "add_layer_norm",
    "argmax",
    "attention",
    "concatenate",
    "cumulative_sum",
    "embed_patches",
    "embedding",
    "exp",
    "identity_like",
    "interpolate_positions",
    "l2_normalize",
    "last_choice",
    "layer_norm",
    "layer_norm_of_sum",
    "linear",
    "linear_activation",
    "linears",
    "log_sigmoid",
    "log_softmax",
    "log_sum_exp",
    "mean",
    "patch_embedding",
    "pick_rows",
    "relative_key_scores",
    "relative_position_bias",
    "relative_query_scores",
    "repeat_batch",
    "swiglu",
    "tanh",
    "tap",
]


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Normalise the rows of the last axis, (*b, D): kernels/layer_norm.py."""
    check_together("layer_norm", x=x, weight=weight, bias=bias)
    reason = why_not(x)
    if reason is None:
        from kernels import layer_norm as kernel

        if x.shape[-1] <= kernel.WIDEST:
            chosen("layer_norm", "layer_norm", f"{x.shape[-1]} wide")
            return kernel.layer_norm(x, weight, bias, eps)
        reason = f"rows are wider than {kernel.WIDEST}"
    chosen("layer_norm", "torch", reason)
    return plain.layer_norm(x, weight, bias, eps)


def add_layer_norm(
    p: Any, point: str, x: Tensor, delta: Tensor, norm: Any, eps: float, *, tap: Tap = tap
) -> tuple[Tensor, Tensor]:
    """Add a sub-layer's output to the stream, and normalise the sum for the next one."""
    x = tap(p, point, x + delta)
    return x, tap(norm, "output", layer_norm(x, norm.weight, norm.bias, eps))


def layer_norm_of_sum(
    p: Any, point: str, x: Tensor, delta: Tensor, norm: Any, eps: float, *, tap: Tap = tap
) -> Tensor:
    """Post-norm: the norm of x + delta."""
    return add_layer_norm(p, point, x, delta, norm, eps, tap=tap)[1]
