"""Every operation in plain torch: what runs where no kernel fits, on any device and dtype.

Twin: refimpl/ops.py, name by name; formulas, shapes, sources and traps stand there. Called by
ops.py, which chooses between this and a kernel. In half precision what torch rounds between two
steps is rounded; sums are float32.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.activations import activate
from kernels.errors import KernelError


def tap(p: Any, point: str, x: Tensor) -> Tensor:
    """Name the value `x` the `point` of node `p`; here nobody listens, so return it."""
    return x


Tap = Callable[[Any, str, Tensor], Tensor]


# Inputs to tokens


def embedding(table: Tensor, ids: Tensor) -> Tensor:
    """Rows of a table (V, D) by id (*b): (*b, D)."""
    return F.embedding(ids, table)


def patch_embedding(pixels: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Cut (B, C, Y, X) into p × p patches and project each by (D, C, p, p): (B, P, D)."""
    width, channels, patch, _ = weight.shape
    batch, _, height, across = pixels.shape
    rows, columns = height // patch, across // patch
    whole = pixels[:, :, : rows * patch, : columns * patch].to(weight.dtype)
    cut = whole.reshape(batch, channels, rows, patch, columns, patch)
    numbers = channels * patch * patch
    patches = cut.permute(0, 2, 4, 1, 3, 5).reshape(batch, rows * columns, numbers)
    return linear(patches, weight.reshape(width, numbers), bias)


def embed_patches(
    p: Any,
    pixels: Tensor,
    kernel: Any,
    class_token: Tensor | None,
    positions: Tensor,
    *,
    tap: Tap = tap,
) -> Tensor:
    """Patches projected, the class token in front, positions added: (B, L, D)."""
    x = tap(p, "patches", patch_embedding(pixels, kernel.weight, kernel.bias))
    if class_token is not None:
        x = concatenate([repeat_batch(class_token, pixels.shape[0]), x], axis=1)
    return x + positions


def interpolate_positions(table: Tensor, height: int, width: int) -> Tensor:
    """Resample the position embeddings (P, D) of a square grid to `height` × `width`: bicubic.

    Raises:
        KernelError: the table does not hold a square grid.
    """
    side = math.isqrt(table.shape[0])
    if side * side != table.shape[0]:
        raise KernelError(
            f"interpolate_positions: the table has {table.shape[0]} positions, no square grid"
        )
    return _resample(table.reshape(side, side, -1), height, width, "bicubic").reshape(
        height * width, -1
    )


def _resample(grid: Tensor, height: int, width: int, mode: str) -> Tensor:
    """Resample (Y, X, D) to (height, width, D), in float32 or float64."""
    wide = grid if grid.dtype == torch.float64 else grid.float()
    batch = wide.permute(2, 0, 1)[None]
    resampled = F.interpolate(batch, size=(height, width), mode=mode, align_corners=False)
    return resampled[0].permute(1, 2, 0).to(grid.dtype)


def relative_position_bias(table: Tensor, height: int, width: int) -> Tensor:
    """Spread a table (R, H) of biases by distance over all pairs of tokens: (1, H, L, L).

    Raises:
        KernelError: the table is not that of a square grid.
    """
    side = math.isqrt(max(table.shape[0] - 3, 0))  # 2s − 1
    if side % 2 == 0 or side * side + 3 != table.shape[0]:
        raise KernelError(
            f"relative_position_bias: the table has {table.shape[0]} rows, not (2s − 1)² + 3"
        )
    grid = table[:-3].reshape(side, side, -1)
    if (height, width) != ((side + 1) // 2, (side + 1) // 2):
        grid = _resample(grid, 2 * height - 1, 2 * width - 1, "bilinear")
    place = torch.arange(height * width, device=table.device)
    y, x = place // width, place % width
    dy, dx = (each[:, None] - each[None] for each in (y, x))  # query minus key
    tokens = 1 + height * width
    bias = table.new_empty((tokens, tokens, table.shape[1]))
    bias[1:, 1:] = grid[dy + height - 1, dx + width - 1]
    bias[0, 1:], bias[1:, 0], bias[0, 0] = table[-3], table[-2], table[-1]
    return bias.permute(2, 0, 1)[None]


def concatenate(parts: list[Tensor], axis: int) -> Tensor:
    """Join tensors along an axis."""
    return torch.cat(parts, dim=axis)


def repeat_batch(row: Tensor, batch: int) -> Tensor:
    """Repeat one vector (D,) for each item of a batch: (batch, 1, D), a view."""
    return row.expand(batch, 1, row.shape[-1])


def cumulative_sum(x: Tensor) -> Tensor:
    """Sum of each row up to and with each place, in whole numbers."""
    return torch.cumsum(x, dim=1, dtype=torch.int64)


# Inside a layer


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply (*b, I) by a weight matrix (O, I) and add a bias: (*b, O).

    Raises:
        KernelError: the widths do not fit.
    """
    if x.shape[-1] != weight.shape[1]:
        raise KernelError(
            f"linear: weight {tuple(weight.shape)} takes rows of {weight.shape[1]}; "
            f"x is {tuple(x.shape)}"
        )
    return F.linear(x, weight, bias)


def linears(x: Tensor, layers: Sequence[Any]) -> tuple[Tensor, ...]:
    """Several linear layers of one input, as one product where their weights lie side by side.

    The results are then views of one (*b, ΣO) tensor, which attention reads as it lies.
    """
    weight = side_by_side([layer.weight for layer in layers])
    if weight is None:
        return tuple(linear(x, layer.weight, layer.bias) for layer in layers)
    widths = [layer.weight.shape[0] for layer in layers]
    return linear(x, weight, _biases(layers)).split(widths, dim=-1)


def _biases(layers: Sequence[Any]) -> Tensor | None:
    """Return the biases of several layers as one vector; 0 for a layer without one."""
    biases = [layer.bias for layer in layers]
    if all(bias is None for bias in biases):
        return None
    whole = None if any(bias is None for bias in biases) else side_by_side(biases)
    if whole is not None:
        return whole
    return torch.cat(
        [
            layer.weight.new_zeros(layer.weight.shape[0]) if bias is None else bias
            for layer, bias in zip(layers, biases, strict=True)
        ]
    )


def side_by_side(parts: Sequence[Tensor]) -> Tensor | None:
    """View tensors that lie one behind the other in memory as one; None where they do not."""
    first = parts[0]
    end = first.storage_offset()
    for part in parts:
        fits = (
            part.is_contiguous()
            and part.untyped_storage().data_ptr() == first.untyped_storage().data_ptr()
            and part.storage_offset() == end
            and part.dtype == first.dtype
            and part.shape[1:] == first.shape[1:]
        )
        if not fits:
            return None
        end += part.numel()
    rows = sum(part.shape[0] for part in parts)
    return first.as_strided((rows, *first.shape[1:]), first.stride(), first.storage_offset())


def linear_activation(p: Any, x: Tensor, activation: str, *, tap: Tap = tap) -> Tensor:
    """First half of an MLP: activation(x W₁ᵀ + b₁), of the node's layer `fc1`."""
    y = tap(p, "fc1", linear(x, p.fc1.weight, p.fc1.bias))
    return tap(p, "activation", activate(activation, y))


def swiglu(x: Tensor) -> Tensor:
    """Gate the second half of each row by the first: silu(x[:M]) · x[M:]."""
    gate, gated = x.chunk(2, dim=-1)
    return activate("silu", gate) * gated


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Give each row of the last axis mean 0 and variance 1, then scale and shift it.

    Raises:
        KernelError: the weight is not of the rows' width.
    """
    if weight.shape != x.shape[-1:]:
        raise KernelError(
            f"layer_norm: weight must be ({x.shape[-1]},), the last axis of x {tuple(x.shape)}; "
            f"got {tuple(weight.shape)}. One tower's weights on the other?"
        )
    return F.layer_norm(x, weight.shape, weight, bias, eps)


def add_layer_norm(
    p: Any, point: str, x: Tensor, delta: Tensor, norm: Any, eps: float, *, tap: Tap = tap
) -> tuple[Tensor, Tensor]:
    """Add a sub-layer's output to the stream, and normalise the sum for the next one."""
    x = tap(p, point, x + delta)
    return x, tap(norm, "output", layer_norm(x, norm.weight, norm.bias, eps))


def layer_norm_of_sum(
    p: Any, point: str, x: Tensor, delta: Tensor, norm: Any, eps: float, *, tap: Tap = tap
) -> Tensor:
    """Post-norm: layer_norm(x + delta)."""
    return add_layer_norm(p, point, x, delta, norm, eps, tap=tap)[1]


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
    """Scaled dot-product attention with several heads: (B, L, D) from (B, L, D) and (B, S, D).

    Scores and softmax are float32 for half precision. A row that sees no key spreads its attention
    evenly over all keys, which torch's own attention does not.
    """
    probs = attention_probs(p, q, k, heads=heads, mask=mask, scale=scale, tap=tap)
    if head_mask is not None:
        probs = probs * head_mask[:, None, None]
    probs = tap(p, "probs", probs)
    context = (probs.to(v.dtype) @ split_heads(v, heads)).transpose(1, 2)
    return tap(p, "context", context.reshape(q.shape))


def torch_attends(q: Tensor, k: Tensor, mask: Any) -> bool:
    """Whether torch's own attention means the same as the twin: it must hide no whole row."""
    whole = all(each is None for each in (mask.key_padding, mask.visible, mask.bias, mask.segments))
    square = q.shape[1] == k.shape[1] or not mask.causal
    return whole and square and q.numel() > 0 and k.numel() > 0


def torch_attention(
    q: Tensor, k: Tensor, v: Tensor, *, heads: int, causal: bool, scale: float
) -> Tensor:
    """Attend with torch's own attention, which holds no scores: where `torch_attends` says so."""
    q, k, v = (split_heads(x, heads) for x in (q, k, v))
    y = F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale)
    return y.transpose(1, 2).flatten(2)


def attention_probs(
    p: Any, q: Tensor, k: Tensor, *, heads: int, mask: Any, scale: float, tap: Tap = tap
) -> Tensor:
    """Softmax of the scores over the keys that the mask shows, before any head mask."""
    q, k = split_heads(q, heads), split_heads(k, heads)
    if q.dtype in (torch.float16, torch.bfloat16):
        q, k = q.float(), k.float()
    scores = q @ k.transpose(2, 3) * scale
    if mask.bias is not None:
        scores = scores + mask.bias
    scores = tap(p, "scores", scores)
    hidden = visible(mask, scores.shape[2], scores.shape[3], scores.device)
    if hidden is not None:
        scores = scores.masked_fill(~hidden, torch.finfo(scores.dtype).min)
    return scores.softmax(-1)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """View (B, L, D) as (B, H, L, K)."""
    return x.unflatten(-1, (heads, x.shape[-1] // heads)).transpose(1, 2)


def visible(mask: Any, queries: int, keys: int, device: torch.device) -> Tensor | None:
    """Draw the mask: true where a query may see a key; None where nothing is hidden."""
    parts: list[Tensor] = []
    if mask.causal:
        every = torch.ones(queries, keys, dtype=torch.bool, device=device)
        parts.append(every.tril(keys - queries)[None, None])
    if mask.key_padding is not None:
        parts.append(mask.key_padding[:, None, None, :])
    if mask.visible is not None:
        parts.append(mask.visible[:, None])
    if mask.segments is not None:
        places = torch.arange(keys, device=device)
        text = torch.searchsorted(mask.segments.long(), places, right=True)  # of each token
        parts.append((text[:, None] == text)[None, None])
    if not parts:
        return None
    seen = parts[0]
    for part in parts[1:]:
        seen = seen & part
    return seen


def relative_query_scores(q: Tensor, table: Tensor, heads: int, keys: int) -> Tensor:
    """Score each query against the vector of its distance to each key: (B, H, L, S)."""
    rows = _distance_rows(q.shape[1], keys, table)
    every = split_heads(q, heads) @ table.T  # (B, H, L, R)
    return every[:, :, torch.arange(q.shape[1], device=q.device)[:, None], rows]


def relative_key_scores(k: Tensor, table: Tensor, heads: int, queries: int) -> Tensor:
    """Score each key against the vector of the distance from each query to it: (B, H, L, S)."""
    rows = _distance_rows(queries, k.shape[1], table)
    every = split_heads(k, heads) @ table.T  # (B, H, S, R)
    return every[:, :, torch.arange(k.shape[1], device=k.device), rows]


def _distance_rows(queries: int, keys: int, table: Tensor) -> Tensor:
    """Row of the table for every query and key; the distance 0 is the row in the middle."""
    position = torch.arange(keys, device=table.device)
    return position[keys - queries :, None] - position + table.shape[0] // 2


# After the last layer


def argmax(x: Tensor) -> Tensor:
    """Index of the largest value of each row, the first one on ties."""
    return (x.int() if x.dtype == torch.bool else x).argmax(-1)


def pick_rows(x: Tensor, index: Tensor) -> Tensor:
    """One position of each item: y[b] = x[b, index[b]]."""
    return x[torch.arange(x.shape[0], device=x.device), index]


def mean(x: Tensor, axis: int) -> Tensor:
    """Average along an axis."""
    return x.mean(dim=axis)


def l2_normalize(x: Tensor) -> Tensor:
    """Divide each row by its Euclidean length, without an epsilon."""
    wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    return (wide / wide.square().sum(-1, keepdim=True).sqrt()).to(x.dtype)


def exp(x: Tensor) -> Tensor:
    """Exponential of each element."""
    return x.exp()


def tanh(x: Tensor) -> Tensor:
    """Hyperbolic tangent of each element."""
    return x.tanh()


def log_sum_exp(x: Tensor) -> Tensor:
    """Logarithm of the sum of the last axis's exponentials."""
    return torch.logsumexp(x, dim=-1)


def identity_like(x: Tensor) -> Tensor:
    """Identity matrix of the shape and dtype of a square one."""
    return torch.eye(x.shape[0], dtype=x.dtype, device=x.device)


def log_softmax(x: Tensor) -> Tensor:
    """Logarithm of the softmax over the last axis."""
    return F.log_softmax(x, dim=-1)


def log_sigmoid(x: Tensor) -> Tensor:
    """Logarithm of the sigmoid of each element."""
    return F.logsigmoid(x)
