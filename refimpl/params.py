"""The parameter tree: frozen dataclasses whose fields are the checkpoint's names.

A model's weights are a tree of small nodes. Every node knows its `path`, the dotted name under
which it hangs in the checkpoint, so a leaf's full name is `path + "." + field`. The same tree
exists three times: with a `TensorSpec` at each leaf (what a config promises), with arrays (what
the graph reads), and flat (`named_leaves`, what a file holds).

Sits below graph/, which defines one tree per family next to the functions that read it.
Read next: graph/encoder.py, graph/clip.py.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np

from refimpl.shapes import Array

Tree = TypeVar("Tree")


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What a config says of one tensor: its shape, and how a fresh model fills it.

    Attributes:
        shape: the tensor's shape.
        std: standard deviation of the normal distribution it is drawn from; 0 draws nothing.
        mean: the distribution's mean, which is the value itself where `std` is 0.
    """

    shape: tuple[int, ...]
    std: float = 0.0
    mean: float = 0.0


@dataclass(frozen=True, slots=True)
class Linear:
    """Weights of y = x Wᵀ + b."""

    path: str
    weight: Array  # (out, in)
    bias: Array | None  # (out,)


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """Scale and shift of a layer norm."""

    path: str
    weight: Array  # (D,)
    bias: Array  # (D,)


@dataclass(frozen=True, slots=True)
class Embedding:
    """A table with one row per id or position."""

    path: str
    weight: Array  # (rows, D)


@dataclass(frozen=True, slots=True)
class PatchEmbedding:
    """A convolution whose kernel and stride are the patch size."""

    path: str
    weight: Array  # (D, channels, patch, patch)
    bias: Array | None  # (D,)


def linear_spec(path: str, d_in: int, d_out: int, std: float, bias: bool = True) -> Linear:
    """Specification of a linear layer: normal weights, zero bias."""
    return Linear(path, TensorSpec((d_out, d_in), std), TensorSpec((d_out,)) if bias else None)


def layer_norm_spec(path: str, width: int) -> LayerNorm:
    """Specification of a layer norm: weight 1, bias 0."""
    return LayerNorm(path, TensorSpec((width,), mean=1.0), TensorSpec((width,)))


def join(path: str, name: str) -> str:
    """Return the dotted name of `name` under `path`; the root's path is the empty string.

    >>> join("text_model.encoder", "layers"), join("", "logit_scale")
    ('text_model.encoder.layers', 'logit_scale')
    """
    return f"{path}.{name}" if path else name


def map_leaves(function: Callable[[str, Any], Any], tree: Tree) -> Tree:
    """Return the tree with every leaf replaced by `function(full name, leaf)`."""

    def walk(node: Any) -> Any:
        changes = {}
        for field in fields(node):
            child = getattr(node, field.name)
            if field.name == "path" or child is None:
                continue
            if isinstance(child, tuple):
                changes[field.name] = tuple(walk(each) for each in child)
            elif is_dataclass(child) and not isinstance(child, TensorSpec):
                changes[field.name] = walk(child)
            else:
                changes[field.name] = function(join(node.path, field.name), child)
        return replace(node, **changes)

    result: Tree = walk(tree)
    return result


def hang(path: str, tree: Tree) -> Tree:
    """Return the tree hung under `path`: every node's path begins with it, the leaves stay.

    >>> hang("vision_model", Linear("pooler.dense", 0, None)).path
    'vision_model.pooler.dense'
    """

    def walk(node: Any) -> Any:
        changes: dict[str, Any] = {"path": join(path, node.path) if node.path else path}
        for field in fields(node):
            child = getattr(node, field.name)
            if isinstance(child, tuple):
                changes[field.name] = tuple(walk(each) for each in child)
            elif is_dataclass(child) and not isinstance(child, TensorSpec):
                changes[field.name] = walk(child)
        return replace(node, **changes)

    result: Tree = walk(tree)
    return result


def named_leaves(tree: Any) -> Iterator[tuple[str, Any]]:
    """Yield (full name, leaf) for every leaf, in the order in which the fields are declared."""
    found: list[tuple[str, Any]] = []
    map_leaves(lambda name, leaf: found.append((name, leaf)), tree)
    yield from found


def nodes(tree: Any) -> Iterator[Any]:
    """Yield every node, parents first."""
    yield tree
    for field in fields(tree):
        child = getattr(tree, field.name)
        for each in child if isinstance(child, tuple) else (child,):
            if is_dataclass(each) and not isinstance(each, TensorSpec):
                yield from nodes(each)


def fill(spec: Tree, tensors: Mapping[str, Array], dtype: Any) -> Tree:
    """Return the specification tree with the named tensors at its leaves, cast to `dtype`.

    The names and shapes must have been compared before (checkpoints/names.py does).
    """
    return map_leaves(lambda name, _: np.asarray(tensors[name], dtype=dtype), spec)


def initialise(spec: Tree, seed: int, dtype: Any) -> Tree:
    """Return the specification tree with freshly drawn weights at its leaves.

    Each tensor is drawn from its own stream, so adding one tensor to a model does not move the
    others: numpy's PCG64, seeded by `seed` and the tensor's name.
    """
    return map_leaves(
        lambda name, leaf: np.asarray(initial_leaf(name, leaf, seed), dtype=dtype), spec
    )


def initial_leaf(name: str, leaf: TensorSpec, seed: int) -> Array:
    """Draw one tensor of a fresh model, in float64."""
    rng = np.random.default_rng([seed, *name.encode()])
    values = rng.standard_normal(leaf.shape) if leaf.std else np.zeros(leaf.shape)
    return np.asarray(values * leaf.std + leaf.mean)
