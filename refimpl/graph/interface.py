"""The operations a model may use: one protocol, many interpreters.

The graph is written once, over an `ops` that is handed in. refimpl/ops.py is the first
interpreter and the definition the others are judged by; trace.py wraps any of them. The graph
itself uses operators, indexing, `.shape`, `.reshape` and `.swapaxes`, which numpy and torch
share; everything else is an operation below.

Shapes and formulas stand with the definitions in refimpl/ops.py. Read next: graph/encoder.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from refimpl.shapes import Array


@dataclass(frozen=True, slots=True)
class Mask:
    """Which keys a query may see: a small value that every interpreter draws its own mask from.

    Attributes:
        causal: query i sees keys 0..i only.
        key_padding: (B, S) of bool, true where a key may be seen; None hides no key.
        visible: (B, L, S) of bool, the same for each query on its own.
        bias: (B or 1, H or 1, L, S), added to the scaled scores before anything is hidden.
        segments: (N + 1,) of whole numbers for N texts packed one behind the other into one row,
            B = 1: where each begins, and where the last one ends. A token sees its own text only,
            with `causal` what comes before it there.

    With a cache of S − L past keys the causal mask lets query i see keys 0..S − L + i.

    A row that sees no key at all spreads its attention evenly over all S keys, as Transformers
    5.23 (eager) does.
    """

    causal: bool = False
    key_padding: Array | None = None
    visible: Array | None = None
    bias: Array | None = None
    segments: Array | None = None


@runtime_checkable
class Node(Protocol):
    """Any node of a parameter tree: it knows the name it hangs under in the checkpoint."""

    @property
    def path(self) -> str:
        """Dotted name in the checkpoint; the root's is the empty string."""


@runtime_checkable
class Tap(Protocol):
    """Names an intermediate value, and gives back the value to go on with."""

    def __call__(self, p: Node, point: str, x: Array) -> Array:
        """Name `x` the value at `point` of node `p`."""


@runtime_checkable
class Ops(Protocol):
    """What an interpreter must offer; a module or an object.

    Operations that hide intermediates (`HIDING`) take their node and a `tap`, so that a wrapper
    can watch inside.
    """

    def tap(self, p: Node, point: str, x: Array) -> Array:
        """Name an intermediate value; a plain interpreter returns it untouched."""

    def embedding(self, table: Array, ids: Array) -> Array:
        """Rows of a table by id."""

    def patch_embedding(self, pixels: Array, weight: Array, bias: Array | None) -> Array:
        """Cut pictures into patches and project each."""

    def embed_patches(
        self,
        p: Node,
        pixels: Array,
        kernel: Any,
        class_token: Array | None,
        positions: Array,
        *,
        tap: Tap = ...,
    ) -> Array:
        """Patches projected, the class token in front of them, and positions added."""

    def interpolate_positions(self, table: Array, height: int, width: int) -> Array:
        """Resample a square grid of position embeddings to another grid."""

    def relative_position_bias(self, table: Array, height: int, width: int) -> Array:
        """Spread a table of biases by distance over all pairs of tokens."""

    def cumulative_sum(self, x: Array) -> Array:
        """Sum of each row up to and with each place."""

    def concatenate(self, parts: list[Array], axis: int) -> Array:
        """Join arrays along an axis."""

    def repeat_batch(self, row: Array, batch: int) -> Array:
        """Repeat one value for each item of a batch."""

    def layer_norm(self, x: Array, weight: Array, bias: Array, eps: float) -> Array:
        """Give each row mean 0 and variance 1, then scale and shift it."""

    def linear(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        """Multiply by a weight matrix and add a bias."""

    def linears(self, x: Array, layers: Sequence[Any]) -> tuple[Array, ...]:
        """Several linear layers of one input."""

    def add_layer_norm(
        self, p: Node, point: str, x: Array, delta: Array, norm: Any, eps: float, *, tap: Tap = ...
    ) -> tuple[Array, Array]:
        """Add a sub-layer's output to the stream, and normalise the sum for the next one."""

    def layer_norm_of_sum(
        self, p: Node, point: str, x: Array, delta: Array, norm: Any, eps: float, *, tap: Tap = ...
    ) -> Array:
        """Add a sub-layer's output to what went in, and go on with the sum normalised."""

    def linear_activation(self, p: Any, x: Array, activation: str, *, tap: Tap = ...) -> Array:
        """Apply the first linear layer of an MLP and its activation."""

    def swiglu(self, x: Array) -> Array:
        """Gate the second half of each row by the first."""

    def attention(
        self,
        p: Node,
        q: Array,
        k: Array,
        v: Array,
        *,
        heads: int,
        mask: Mask,
        scale: float,
        head_mask: Array | None = None,
        tap: Tap = ...,
    ) -> Array:
        """Scaled dot-product attention with several heads."""

    def relative_query_scores(self, q: Array, table: Array, heads: int, keys: int) -> Array:
        """Score queries against the vectors of their distances to the keys."""

    def relative_key_scores(self, k: Array, table: Array, heads: int, queries: int) -> Array:
        """Score keys against the vectors of the queries' distances to them."""

    def argmax(self, x: Array) -> Array:
        """Index of the largest value of each row, the first one on ties."""

    def pick_rows(self, x: Array, index: Array) -> Array:
        """One position of each item of a batch."""

    def mean(self, x: Array, axis: int) -> Array:
        """Average along an axis."""

    def l2_normalize(self, x: Array) -> Array:
        """Divide each row by its Euclidean length."""

    def exp(self, x: Array) -> Array:
        """Exponential of each element."""

    def tanh(self, x: Array) -> Array:
        """Hyperbolic tangent of each element."""

    def log_sum_exp(self, x: Array) -> Array:
        """Logarithm of the sum of exponentials of the last axis."""

    def identity_like(self, x: Array) -> Array:
        """Identity matrix of the shape and dtype of a square one."""

    def log_softmax(self, x: Array) -> Array:
        """Logarithm of the softmax over the last axis."""

    def log_sigmoid(self, x: Array) -> Array:
        """Logarithm of the sigmoid of each element."""


HIDING = (
    "attention",
    "linear_activation",
    "embed_patches",
    "add_layer_norm",
    "layer_norm_of_sum",
)
"""The operations that compute points which are tapped inside."""
