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

Operations that are not defined here are plain torch on every device (plain.py); what comes before the
towers and after them is ends.py's. (Longer than other files, so that the choice stands in one place.)
"""

import math
from typing import Any

import torch
from torch import Tensor

from kernels import plain
from kernels.activations import activate
from kernels.checks import check_linear, check_patches
from kernels.choice import Choice, chosen, last_choice
from kernels.ends import contrastive_loss, normalize_pixels, sigmoid_loss, top_matches
from kernels.errors import KernelError
from kernels.plain import (
    Tap,
    argmax,
    concatenate,
    cumulative_sum,
    embedding,
    exp,
    identity_like,
    interpolate_positions,
    l2_normalize,
    linear,
    linears,
    log_sigmoid,
    log_softmax,
    log_sum_exp,
    mean,
    pick_rows,
    relative_key_scores,
    relative_position_bias,
    relative_query_scores,
    repeat_batch,
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
    "contrastive_loss",
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
    "normalize_pixels",
    "patch_embedding",
    "pick_rows",
    "relative_key_scores",
    "relative_position_bias",
    "relative_query_scores",
    "repeat_batch",
    "sigmoid_loss",
    "swiglu",
    "tanh",
    "tap",
    "top_matches",
    "way_of_linear_activation",
]


def patch_embedding(pixels: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Cut (B, C, Y, X) into p × p patches and project each: kernels/patch_embedding.py."""
    check_patches("patch_embedding", pixels, weight, bias)
    reason = why_not(weight, bias) or why_not(pixels)
    if reason is not None:
        chosen("patch_embedding", "torch", reason)
        return plain.patch_embedding(pixels, weight, bias)
    from kernels import patch_embedding as file

    chosen("patch_embedding", "patch_embedding", f"patches of {weight.shape[2]}")
    return file.patch_embedding(pixels, weight, bias)


def embed_patches(
    p: Any,
    pixels: Tensor,
    kernel: Any,
    class_token: Tensor | None,
    positions: Tensor,
    *,
    tap: Tap = tap,
) -> Tensor:
    """Project patches, put the class token in front, add positions: kernels/patch_embedding.py."""
    vectors = kernel.bias, class_token, positions
    check_patches("embed_patches", pixels, kernel.weight, *vectors)
    reason = why_not(kernel.weight, *vectors) or why_not(pixels)
    if reason is None and tap is not plain.tap:  # somebody wants to see the patches
        patches = plain.patch_embedding(pixels, kernel.weight, kernel.bias)
        tapped = tap(p, "patches", patches)
        if tapped is not patches:
            reason, tap = "a tap gave other patches to go on with", lambda *_: tapped
    if reason is not None:
        chosen("embed_patches", "torch", reason)
        return plain.embed_patches(p, pixels, kernel, class_token, positions, tap=tap)
    from kernels import patch_embedding as file

    chosen("embed_patches", "patch_embedding", f"patches of {kernel.weight.shape[2]}")
    return file.patch_embedding(pixels, kernel.weight, *vectors)


FUSED, TWO_PASSES = "fused", "product, then one pass"

WAY = {
    torch.float16: ((2048, 1024), (4096, 512), (math.inf, 256)),
    torch.bfloat16: ((2048, 1024), (4096, 512), (math.inf, 256)),
    torch.float32: ((math.inf, 64),),
}
"""How `linear_activation` runs: up to which M, up to how many rows, the fused kernel is taken.

Beyond that it is torch's product (cuBLAS) and one pass over its result. Nobody has measured this
table; `python -m bench.gpu --ways` does. Until then it is arithmetic: in half precision the
fused kernel runs while all its tiles fit on the 132 multiprocessors of an H200 at once (M · rows up
to two million, 128 × 128 a tile): the product then takes a few microseconds, and a second launch
would count as much. In float32 without tensor cores a plain loop is furthest from cuBLAS, so there
it is for one sequence.
"""


def way_of_linear_activation(rows: int, width: int, dtype: torch.dtype) -> str:
    """Say how `linear_activation` runs for so many rows and width M: FUSED or TWO_PASSES."""
    fused = any(width <= widest and rows <= most for widest, most in WAY[dtype])
    return FUSED if fused else TWO_PASSES


def linear_activation(p: Any, x: Tensor, activation: str, *, tap: Tap = tap) -> Tensor:
    """First half of an MLP, activation(x W₁ᵀ + b₁): kernels/linear_activation.py, or activation.py.

    Raises:
        KernelError: shapes, dtypes or devices do not fit, or the activation is unknown.
    """
    weight, bias = p.fc1.weight, p.fc1.bias
    check_linear("linear_activation", x, weight, bias)
    reason = why_not(x, weight, bias)
    if reason is None and tap is not plain.tap:  # somebody wants to see the product
        product = plain.linear(x, weight, bias)
        tapped = tap(p, "fc1", product)
        if tapped is not product:
            chosen("linear_activation", "torch", "a tap gave another product to go on with")
            return tap(p, "activation", activate(activation, tapped))
    if reason is not None:
        chosen("linear_activation", "torch", reason)
        return plain.linear_activation(p, x, activation, tap=tap)
    return tap(p, "activation", _linear_activation(x, weight, bias, activation))


def _linear_activation(x: Tensor, weight: Tensor, bias: Tensor | None, activation: str) -> Tensor:
    """Run one of the two ways."""
    rows, width = math.prod(x.shape[:-1]), len(weight)
    way = way_of_linear_activation(rows, width, x.dtype)
    why = f"{way}: {rows} rows to {width}"
    if way == FUSED:
        from kernels import linear_activation as kernel

        chosen("linear_activation", "linear_activation", why)
        return kernel.linear_activation(x, weight, bias, activation)
    from kernels import activation as one_pass

    chosen("linear_activation", "activation", why)
    product = plain.linear(x, weight)
    return one_pass.bias_activation(product, bias, activation, in_place=True)


def swiglu(x: Tensor) -> Tensor:
    """Gate the second half of each row by the first, (*b, 2 M) to (*b, M): kernels/activation.py."""
    reason = why_not(x)
    if reason is not None:
        chosen("swiglu", "torch", reason)
        return plain.swiglu(x)
    from kernels import activation as kernel

    chosen("swiglu", "activation_swiglu", f"{x.shape[-1] // 2} wide")
    return kernel.swiglu(x)


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Normalise the rows of the last axis, (*b, D): kernels/layer_norm.py."""
    check_together("layer_norm", x=x, weight=weight, bias=bias)
    reason = _no_norm(x, weight, bias)
    if reason is not None:
        chosen("layer_norm", "torch", reason)
        return plain.layer_norm(x, weight, bias, eps)
    from kernels import layer_norm as kernel

    chosen("layer_norm", "layer_norm", f"{x.shape[-1]} wide")
    return kernel.layer_norm(x, weight, bias, eps)


def _no_norm(x: Tensor, weight: Tensor, bias: Tensor, delta: Tensor | None = None) -> str | None:
    """Say why no kernel normalises these rows, or the sum of two; None where one does."""
    reason = why_not(x, weight, bias, delta)
    if reason is None:
        from kernels.layer_norm import WIDEST

        if not 0 < x.shape[-1] <= WIDEST:
            reason = f"rows have {x.shape[-1]} numbers, not 1 to {WIDEST}"
        elif delta is not None and delta.shape != x.shape:
            reason = "x and delta differ in shape"
    return reason


def attention(
    p: Any,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    heads: int,
    mask: Any,
    scale: float,
    head_mask: Tensor | None = None,
    tap: Tap = tap,
) -> Tensor:
    """Attend with several heads, (B, L, D) from (B, L, D) and (B, S, D): kernels/attention*.py.

    Raises:
        KernelError: devices or dtypes differ, or the heads do not divide the width.
    """
    check_together("attention", q=q, k=k, v=v)
    if heads < 1 or q.shape[-1] % heads:
        raise KernelError(
            f"attention: {q.shape[-1]} columns do not divide into {heads} heads; "
            f"give as many heads as the checkpoint's config says"
        )
    runs, why = _attention_kernel(q, k, v, mask, heads)
    chosen("attention", runs, why)
    if runs == "torch" and not plain.torch_attends(q, k, mask):
        return plain.attention(
            p, q, k, v, heads=heads, mask=mask, scale=scale, head_mask=head_mask, tap=tap
        )
    context = _attend(runs, q, k, v, heads, mask, scale)
    if head_mask is not None:  # the same as on a head's probabilities, and cheaper
        each = context.unflatten(-1, (heads, q.shape[-1] // heads))
        context = (each * head_mask.to(context.dtype)[:, None]).reshape(q.shape)
    if tap is plain.tap:
        return context
    fed = []

    def show(node: Any, point: str, x: Tensor) -> Tensor:
        """Show all but the context, which is not decided yet."""
        y = x if point == "context" else tap(node, point, x)
        fed.append(y is not x)
        return y

    explicit = plain.attention(
        p, q, k, v, heads=heads, mask=mask, scale=scale, head_mask=head_mask, tap=show
    )
    return tap(p, "context", explicit if any(fed) else context)


def _attention_kernel(q: Tensor, k: Tensor, v: Tensor, mask: Any, heads: int) -> tuple[str, str]:
    """Choose the kernel, by the first line that fits, and say why; "torch" where none does."""
    reason = why_not(q, k, v, mask.bias)
    if reason is not None:
        return "torch", reason
    from kernels import attention, attention_one_query, attention_packed, attention_short

    shape = f"{q.shape[1]} queries, {k.shape[1]} keys, heads {q.shape[-1] // heads} wide"
    if attention_packed.why_not_here(q, k, mask, heads) is None:
        return "attention_packed", f"{len(mask.segments) - 1} packed texts"
    if attention_one_query.why_not_here(q, k, mask, heads) is None:
        return "attention_one_query", shape
    if attention_short.why_not_here(q, k, mask, heads) is None:
        return "attention_short", shape
    if (reason := attention.why_not_here(q, k, mask, heads)) is None:
        return "attention", shape
    if mask.segments is not None:
        reason = attention_packed.why_not_here(q, k, mask, heads)
    return "torch", str(reason)


def _attend(
    runs: str, q: Tensor, k: Tensor, v: Tensor, heads: int, mask: Any, scale: float
) -> Tensor:
    """Run what was chosen: a kernel, or torch's own attention."""
    if runs == "torch":
        return plain.torch_attention(q, k, v, heads=heads, causal=mask.causal, scale=scale)
    from kernels import attention, attention_one_query, attention_packed, attention_short

    if runs == "attention_packed":
        return attention_packed.attention_packed(
            q, k, v, mask.segments, heads=heads, causal=mask.causal, scale=scale
        )
    launcher = {
        "attention_one_query": attention_one_query.attention_one_query,
        "attention_short": attention_short.attention_short,
        "attention": attention.attention,
    }[runs]
    return launcher(q, k, v, heads=heads, mask=mask, scale=scale)


def add_layer_norm(
    p: Any, point: str, x: Tensor, delta: Tensor, norm: Any, eps: float, *, tap: Tap = tap
) -> tuple[Tensor, Tensor]:
    """Add a sub-layer's output to the stream, and normalise the sum: kernels/add_layer_norm.py."""
    check_together("add_layer_norm", x=x, delta=delta, weight=norm.weight, bias=norm.bias)
    reason = _no_norm(x, norm.weight, norm.bias, delta)
    if reason is not None:
        chosen("add_layer_norm", "torch", reason)
        return plain.add_layer_norm(p, point, x, delta, norm, eps, tap=tap)
    from kernels import add_layer_norm as kernel

    chosen("add_layer_norm", "add_layer_norm", f"{x.shape[-1]} wide")
    total, y = kernel.add_layer_norm(x, delta, norm.weight, norm.bias, eps)
    tapped = tap(p, point, total)
    if tapped is not total:  # another sum to go on with
        y = layer_norm(tapped, norm.weight, norm.bias, eps)
    return tapped, tap(norm, "output", y)


def layer_norm_of_sum(
    p: Any, point: str, x: Tensor, delta: Tensor, norm: Any, eps: float, *, tap: Tap = tap
) -> Tensor:
    """Normalise x + delta without writing the sum, for post-norm: kernels/add_layer_norm.py."""
    check_together("layer_norm_of_sum", x=x, delta=delta, weight=norm.weight, bias=norm.bias)
    reason = _no_norm(x, norm.weight, norm.bias, delta)
    if reason is not None:
        chosen("layer_norm_of_sum", "torch", reason)
        return plain.layer_norm_of_sum(p, point, x, delta, norm, eps, tap=tap)
    from kernels import add_layer_norm as kernel

    chosen("layer_norm_of_sum", "add_layer_norm_of_sum", f"{x.shape[-1]} wide")
    y = kernel.layer_norm_of_sum(x, delta, norm.weight, norm.bias, eps)
    if tap is not plain.tap:  # somebody wants to see the sum, or to change it
        total = x + delta
        tapped = tap(p, point, total)
        if tapped is not total:
            y = layer_norm(tapped, norm.weight, norm.bias, eps)
    return tap(norm, "output", y)
