"""The operations, in numpy: the definition every other interpreter is judged by.

Called by graph/ through the `Ops` protocol (graph/interface.py). Twin: kernels/ops.py, to come.
Read in order: linear, layer_norm, attention. The activations have a file of their own
(activations.py), as has the resampling of positions (interpolation.py).

No operation changes its arguments: a value that was tapped stays what it was. Everything is
computed in the dtype of the weights, float32 or float64. (A little longer than other files, so that
every operation stands in one place.)
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refimpl.activations import activation as activation_named
from refimpl.errors import InputError
from refimpl.graph.interface import Mask, Node, Tap
from refimpl.interpolation import linear_matrix, resample_grid
from refimpl.shapes import Array, Bool, Float, Int, Num, Shaped


def tap(p: Node, point: str, x: Array) -> Array:
    """Name the value `x` the `point` of node `p`; here nobody listens, so return it."""
    return x


# Inputs to tokens


def embedding(table: Float[Array, "V D"], ids: Int[Array, "*b"]) -> Float[Array, "*b D"]:
    """Look up rows of a table: y[...] = table[ids[...]].

    >>> embedding(np.eye(3), np.array([2, 0])).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    rows: Array = table[ids]
    return rows


def patch_embedding(
    pixels: Float[Array, "B C Y X"],
    weight: Float[Array, "D C p p"],
    bias: Float[Array, " D"] | None,
) -> Float[Array, "B P D"]:
    """Cut pictures into p × p patches, row by row, and project each to D numbers.

    It is a convolution whose stride is its kernel, so each patch meets the kernel once and the
    whole is one matrix product. Pixels are cast to the weight's dtype first.

    Source: Dosovitskiy et al. 2021 (arXiv:2010.11929), equation 1.
    Trap:   rows and columns that do not fill a patch are dropped, not padded.
    """
    width, channels, patch, _ = weight.shape
    batch, _, height, across = pixels.shape
    rows, columns = height // patch, across // patch
    whole = pixels[:, :, : rows * patch, : columns * patch].astype(weight.dtype, copy=False)
    cut = whole.reshape(batch, channels, rows, patch, columns, patch)
    numbers = channels * patch * patch
    patches = cut.transpose(0, 2, 4, 1, 3, 5).reshape(batch, rows * columns, numbers)
    return linear(patches, weight.reshape(width, numbers), bias)


def embed_patches(
    p: Node,
    pixels: Float[Array, "B C Y X"],
    kernel: Any,
    class_token: Float[Array, " D"] | None,
    positions: Float[Array, "L D"],
    *,
    tap: Tap = tap,
) -> Float[Array, "B L D"]:
    """Tokens of pictures: patches projected, the class token in front, positions added.

    `kernel` is a node with the weight and bias of `patch_embedding`; `positions` has a row for
    each token, the class token's first. Tap: `patches`, before the positions.
    """
    x = tap(p, "patches", patch_embedding(pixels, kernel.weight, kernel.bias))  # (B, P, D)
    if class_token is not None:
        x = concatenate([repeat_batch(class_token, pixels.shape[0]), x], axis=1)
    return x + positions


def interpolate_positions(
    table: Float[Array, "P D"], height: int, width: int
) -> Float[Array, "Q D"]:
    """Resample the position embeddings of a square grid of patches to `height` × `width`.

    Source: Transformers 5.23, `interpolate_pos_encoding`: bicubic, a = −0.75, no antialias.

    Raises:
        InputError: the table does not hold a square grid.
    """
    side = math.isqrt(table.shape[0])
    if side * side != table.shape[0]:
        raise InputError(
            f"interpolate_positions: the table has {table.shape[0]} positions, no square grid"
        )
    resampled = resample_grid(table.reshape(side, side, -1), height, width)
    return resampled.reshape(height * width, -1)


def relative_position_bias(
    table: Float[Array, "R H"], height: int, width: int
) -> Float[Array, "1 H L L"]:
    """Spread a table of biases by distance over all pairs of tokens of a grid of patches.

    Row (dy + s − 1) · (2s − 1) + dx + s − 1 of the table is for a query dy rows below and dx
    columns right of its key, s the native grid's side; the last three rows are for the class
    token's own queries, for its keys, and for it with itself. L is 1 + height · width. Another
    grid than the native one resamples the table to its distances, bilinearly.

    Source: Bao et al. 2022 (arXiv:2106.08254); Transformers 5.23, BeitRelativePositionBias.
    Trap:   the class token's three rows are never resampled.

    Raises:
        InputError: the table is not that of a square grid.

    >>> relative_position_bias(np.float32([[0], [1], [2], [3]]), 1, 1)[0, 0].tolist()
    [[3.0, 1.0], [2.0, 0.0]]
    """
    side = math.isqrt(max(table.shape[0] - 3, 0))  # 2s − 1
    if side % 2 == 0 or side * side + 3 != table.shape[0]:
        raise InputError(
            f"relative_position_bias: the table has {table.shape[0]} rows, not (2s − 1)² + 3"
        )
    grid = table[:-3].reshape(side, side, -1)
    if (height, width) != ((side + 1) // 2, (side + 1) // 2):
        grid = resample_grid(grid, 2 * height - 1, 2 * width - 1, linear_matrix)
    y, x = np.divmod(np.arange(height * width), width)
    dy, dx = (each[:, None] - each[None] for each in (y, x))  # query minus key
    bias = np.empty((1 + height * width, 1 + height * width, table.shape[1]), table.dtype)
    bias[1:, 1:] = grid[dy + height - 1, dx + width - 1]
    bias[0, 1:], bias[1:, 0], bias[0, 0] = table[-3:]
    result: Array = bias.transpose(2, 0, 1)[None]
    return result


def concatenate(parts: list[Array], axis: int) -> Array:
    """Join arrays along an axis."""
    return np.concatenate(parts, axis=axis)


def repeat_batch(row: Float[Array, " D"], batch: int) -> Float[Array, "batch 1 D"]:
    """Repeat one vector for each item of a batch."""
    return np.broadcast_to(row, (batch, 1, row.shape[-1]))


def cumulative_sum(x: Shaped[Array, "B L"]) -> Int[Array, "B L"]:
    """Sum of each row up to and with each place, in whole numbers: y[b, l] = Σ x[b, : l + 1].

    >>> cumulative_sum(np.array([[True, False, True]])).tolist()
    [[1, 1, 2]]
    """
    return np.cumsum(x, axis=1, dtype=np.int64)


# Inside a layer


def linear(
    x: Float[Array, "*b I"],
    weight: Float[Array, "O I"],
    bias: Float[Array, " O"] | None = None,
) -> Float[Array, "*b O"]:
    """Multiply by a weight matrix and add a bias: y = x Wᵀ + b.

    All leading axes of x are rows of one matrix product.

    Trap: checkpoints store W as (out, in), so it is the transpose that multiplies.

    >>> linear(np.float32([[1, 2]]), np.float32([[3, 4], [5, 6]]), np.float32([0, 1])).tolist()
    [[11.0, 18.0]]
    """
    if x.shape[-1] != weight.shape[1]:
        raise InputError(
            f"linear: weight {weight.shape} takes rows of {weight.shape[1]}; x is {x.shape}"
        )
    rows = x.reshape(-1, x.shape[-1])
    y = rows @ weight.T
    if bias is not None:
        y += bias
    return y.reshape(*x.shape[:-1], weight.shape[0])


def linears(x: Float[Array, "*b I"], layers: Sequence[Any]) -> tuple[Array, ...]:
    """Several linear layers of one input: x Wᵢᵀ + bᵢ for each.

    Where their weights lie side by side in memory it is one product (kernels/ops.py).
    """
    return tuple(linear(x, layer.weight, layer.bias) for layer in layers)


def linear_activation(
    p: Any, x: Float[Array, "*b D"], activation: str, *, tap: Tap = tap
) -> Float[Array, "*b M"]:
    """First half of an MLP: activation(x W₁ᵀ + b₁), the product tapped before it is bent.

    `p` is a node whose linear layer is `fc1`: an MLP or a pooler. `activation` is a name of
    activations.ACTIVATIONS, as configs spell it.

    Raises:
        InputError: the activation is unknown.
    """
    y = tap(p, "fc1", linear(x, p.fc1.weight, p.fc1.bias))
    return tap(p, "activation", _a_few_rows_at_a_time(activation_named(activation), y))


def swiglu(x: Float[Array, "*b N"]) -> Float[Array, "*b M"]:
    """Gate the second half of each row by the first: y = silu(x[:M]) · x[M:], M = N / 2.

    Source: Shazeer 2020 (arXiv:2002.05202), section 2.
    Trap:   it is the first half that is bent.

    >>> swiglu(np.float64([[0, 50, 2, 3]])).round(6).tolist()
    [[0.0, 150.0]]
    """
    half = x.shape[-1] // 2
    gate: Array = activation_named("silu")(x[..., :half])
    return gate * x[..., half:]


def layer_norm(
    x: Float[Array, "*b D"], weight: Float[Array, " D"], bias: Float[Array, " D"], eps: float
) -> Float[Array, "*b D"]:
    """Give each row of the last axis mean 0 and variance 1, then scale and shift it.

    y = (x − mean) / √(var + eps) · weight + bias, with the biased variance (divide by D).

    Source: Ba et al. 2016 (arXiv:1607.06450); openai/CLIP d05afc4, clip/model.py, LayerNorm.
    Trap:   eps is 1e-5 in CLIP and 1e-6 in SigLIP, so it has no default; it sits in the root.

    >>> layer_norm(np.float32([[1, 3]]), np.ones(2, "f4"), np.zeros(2, "f4"), eps=0.0).tolist()
    [[-1.0, 1.0]]
    """
    if weight.shape != x.shape[-1:]:
        raise InputError(
            f"layer_norm: weight must be {x.shape[-1:]}, the last axis of x {x.shape}; "
            f"got {weight.shape}. One tower's weights on the other?"
        )

    def norm(rows: Float[Array, "n D"]) -> Float[Array, "n D"]:
        y = rows - rows.mean(axis=-1, keepdims=True)
        variance = np.einsum("nd,nd->n", y, y)[:, None] / x.shape[-1]
        y /= np.sqrt(variance + eps)
        y *= weight
        y += bias
        return y

    return _a_few_rows_at_a_time(norm, x)


def add_layer_norm(
    p: Node,
    point: str,
    x: Float[Array, "*b D"],
    delta: Float[Array, "*b D"],
    norm: Any,
    eps: float,
    *,
    tap: Tap = tap,
) -> tuple[Float[Array, "*b D"], Float[Array, "*b D"]]:
    """Add a sub-layer's output to the stream, and normalise the sum for the next one.

    Returns s = x + delta and layer_norm(s). Taps: s as `point` of `p`, and the norm's `output`.
    In one pass it moves 8 bytes a number in half precision; as two it moves 10.
    """
    x = tap(p, point, x + delta)
    return x, tap(norm, "output", layer_norm(x, norm.weight, norm.bias, eps))


def layer_norm_of_sum(
    p: Node,
    point: str,
    x: Float[Array, "*b D"],
    delta: Float[Array, "*b D"],
    norm: Any,
    eps: float,
    *,
    tap: Tap = tap,
) -> Float[Array, "*b D"]:
    """Post-norm: layer_norm(x + delta); the sum itself is tapped, and not needed any more."""
    return add_layer_norm(p, point, x, delta, norm, eps, tap=tap)[1]


def _a_few_rows_at_a_time(
    function: Callable[[Array], Array], x: Float[Array, "*b D"]
) -> Float[Array, "*b D"]:
    """Apply a function of rows in blocks of 256 KB, whose passes all find them in the cache.

    The result is the same to the last bit; on large arrays it is about twice as fast.
    """
    rows = x.reshape(-1, x.shape[-1])
    y = np.empty_like(rows)
    step = max(1, 2**18 // (x.shape[-1] * x.itemsize))
    for start in range(0, len(rows), step):
        y[start : start + step] = function(rows[start : start + step])
    return y.reshape(x.shape)


def attention(
    p: Node,
    q: Float[Array, "B L D"],
    k: Float[Array, "B S D"],
    v: Float[Array, "B S D"],
    *,
    heads: int,
    mask: Mask,
    scale: float,
    head_mask: Float[Array, " H"] | None = None,
    tap: Tap = tap,
) -> Float[Array, "B L D"]:
    """Scaled dot-product attention with several heads.

    Per head: scores = scale · q kᵀ + bias; probs = softmax(scores) over the keys that the mask
    shows, times the head's number in `head_mask`; context = probs v. Head h owns columns h·K to
    (h+1)·K, K = D / heads. Taps: `scores` (before anything is hidden), `probs`, `context`.

    Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2; masked rows as in
            Transformers 5.23, modeling_clip.py, eager_attention_forward.
    Trap:   a hidden score is the most negative finite number, not −∞: a row that may see
            nothing then gives every key the same weight instead of NaN.
    """
    shape = q.shape
    q, k, v = (_split_heads(x, heads) for x in (q, k, v))  # (B, H, L, K)
    scores = q @ k.swapaxes(2, 3)  # (B, H, L, S)
    scores *= scale
    if mask.bias is not None:
        scores += mask.bias
    scores = tap(p, "scores", scores)
    visible = _visible(mask, scores.shape[2], scores.shape[3])
    if visible is not None:
        scores = np.where(visible, scores, np.finfo(scores.dtype).min)
    probs = softmax(scores)
    if head_mask is not None:
        probs *= head_mask[:, None, None]
    probs = tap(p, "probs", probs)
    context = (probs @ v).swapaxes(1, 2)  # (B, L, H, K)
    return tap(p, "context", context.reshape(shape))


def _split_heads(x: Float[Array, "B L D"], heads: int) -> Float[Array, "B H L K"]:
    """View the width as heads, and put the head axis before the tokens."""
    split: Array = x.reshape(*x.shape[:2], heads, x.shape[2] // heads).swapaxes(1, 2)
    return split


def _visible(mask: Mask, queries: int, keys: int) -> Bool[Array, "#B 1 #L S"] | None:
    """Draw the mask: true where a query may see a key; None where nothing is hidden."""
    parts: list[Array] = []
    if mask.causal:
        parts.append(np.tri(queries, keys, keys - queries, dtype=bool)[None, None])
    if mask.key_padding is not None:
        parts.append(mask.key_padding[:, None, None, :])
    if mask.visible is not None:
        parts.append(mask.visible[:, None])
    if mask.segments is not None:
        text = np.searchsorted(mask.segments, np.arange(keys), side="right")  # of each token
        parts.append((text[:, None] == text)[None, None])
    return functools.reduce(np.logical_and, parts) if parts else None


def relative_query_scores(
    q: Float[Array, "B L D"], table: Float[Array, "R K"], heads: int, keys: int
) -> Float[Array, "B H L S"]:
    """Score each query against the vector of its distance to each of S keys.

    Per head: y[i, j] = q[i] · table[i + S − L − j + M − 1]: the L queries are the last of the S
    tokens, and row d + M − 1 of the table, R = 2M − 1 rows, is for the distance d.

    Source: Shaw et al. 2018 (arXiv:1803.02155), equation 5; Transformers 4.37.2, modeling_bert.py.
    Trap:   the distance is query minus key; the other way round the scores are mirrored.

    >>> table = np.float32([[1], [10], [100]])  # key after the query, at it, before it
    >>> relative_query_scores(np.float32([[[1], [2]]]), table, heads=1, keys=2).tolist()
    [[[[10.0, 1.0], [200.0, 20.0]]]]
    """
    row = _distance_rows(q.shape[1], keys, table)
    every = _split_heads(q, heads) @ table.T  # (B, H, L, R): a score for every row of the table
    scores: Array = every[:, :, np.arange(q.shape[1])[:, None], row]
    return scores


def relative_key_scores(
    k: Float[Array, "B S D"], table: Float[Array, "R K"], heads: int, queries: int
) -> Float[Array, "B H L S"]:
    """Score each key against the vector of the distance from each of L queries to it.

    Per head: y[i, j] = k[j] · table[i + S − L − j + M − 1]; the rest is as in
    `relative_query_scores`.

    Source: Huang et al. 2020 (arXiv:2009.13658), method 4; Transformers 4.37.2, modeling_bert.py.

    >>> table = np.float32([[1], [10], [100]])
    >>> relative_key_scores(np.float32([[[1], [2]]]), table, heads=1, queries=2).tolist()
    [[[[10.0, 2.0], [100.0, 20.0]]]]
    """
    row = _distance_rows(queries, k.shape[1], table)
    every = _split_heads(k, heads) @ table.T  # (B, H, S, R)
    scores: Array = every[:, :, np.arange(k.shape[1]), row]
    return scores


def _distance_rows(queries: int, keys: int, table: Float[Array, "R K"]) -> Int[Array, "L S"]:
    """Row of the table for every query and key; the distance 0 is the row in the middle."""
    position = np.arange(keys)
    rows: Array = position[keys - queries :, None] - position + table.shape[0] // 2
    return rows


def softmax(x: Float[Array, "*b N"]) -> Float[Array, "*b N"]:
    """Exponentials of the last axis, divided by their sum.

    The row's maximum is subtracted first; the result is the same and cannot overflow.

    >>> softmax(np.log(np.float64([1, 3]))).round(6).tolist()
    [0.25, 0.75]
    """
    y = x - x.max(axis=-1, keepdims=True, initial=-math.inf)  # a row of nothing stays one
    np.exp(y, out=y)
    y /= y.sum(axis=-1, keepdims=True)
    return y


# After the last layer


def argmax(x: Shaped[Array, "B L"]) -> Int[Array, " B"]:
    """Index of the largest value of each row, the first one on ties.

    >>> argmax(np.array([[1, 7, 7], [0, 0, 0]])).tolist()
    [1, 0]
    """
    return np.argmax(x, axis=-1)


def pick_rows(x: Num[Array, "B L *d"], index: Int[Array, " B"]) -> Num[Array, " B *d"]:
    """One position of each item: y[b] = x[b, index[b]].

    >>> pick_rows(np.arange(6.0).reshape(2, 3), np.array([2, 0])).tolist()
    [2.0, 3.0]
    """
    rows: Array = x[np.arange(x.shape[0]), index]
    return rows


def mean(x: Float[Array, "..."], axis: int) -> Float[Array, "..."]:
    """Average along an axis."""
    return np.asarray(x.mean(axis=axis))


def l2_normalize(x: Float[Array, "*b E"]) -> Float[Array, "*b E"]:
    """Divide each row by its Euclidean length: y = x / √Σx².

    Trap: there is no epsilon; a row of zeros gives NaN, as upstream's does.

    >>> l2_normalize(np.float64([[3, 4]])).tolist()
    [[0.6, 0.8]]
    """
    with np.errstate(invalid="ignore"):
        return x / np.sqrt((x * x).sum(axis=-1, keepdims=True))


def exp(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Exponential of each element."""
    return np.exp(x)


def tanh(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Hyperbolic tangent of each element: what the poolers of BERT and ViT end with."""
    return np.tanh(x)


def log_sum_exp(x: Float[Array, "*b N"]) -> Float[Array, "*b"]:
    """Logarithm of the sum of the last axis's exponentials: max + log Σ exp(x − max).

    The row's maximum is subtracted first, so nothing overflows.

    >>> log_sum_exp(np.float64([[1000, 1000], [0, 0]])).round(6).tolist()
    [1000.693147, 0.693147]
    """
    highest = x.max(axis=-1, keepdims=True)
    total = np.exp(x - highest).sum(axis=-1)
    return np.asarray(np.log(total) + highest[..., 0])


def identity_like(x: Float[Array, "N N"]) -> Float[Array, "N N"]:
    """Identity matrix of x's shape and dtype: 1 where a row meets its own column, else 0.

    >>> identity_like(np.float32([[7, 7], [7, 7]])).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return np.eye(x.shape[0], dtype=x.dtype)


def log_softmax(x: Float[Array, "*b N"]) -> Float[Array, "*b N"]:
    """Logarithm of the softmax: x − max − log Σ exp(x − max).

    >>> log_softmax(np.float64([[0, 0]])).round(6).tolist()
    [[-0.693147, -0.693147]]
    """
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def log_sigmoid(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Logarithm of the sigmoid: −log(1 + exp(−x)), without overflow at either end.

    >>> log_sigmoid(np.float64([-1000, 0])).round(6).tolist()
    [-1000.0, -0.693147]
    """
    return -np.logaddexp(np.zeros_like(x), -x)
