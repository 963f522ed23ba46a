"""Carries out a table of names: the old name of a tensor on the left, what becomes of it on the right.

    table = {**affine("layers.*.ln_1", "encoder.layers.*.layer_norm1"), "proj": Move("p", transposed)}
    renamed(tensors, table, "my file")

A `*` stands for one whole number (of a layer), the same on both sides. Used by every file of this
folder. Every function is pure: the caller's dict and arrays are never changed.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from refimpl.errors import InputError
from refimpl.shapes import Array, Shaped

Tensors = Mapping[str, Shaped[Array, "..."]]


def as_it_is(x: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """Change nothing."""
    return x


def transposed(x: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """Turn a matrix that is used as x @ W, (in, out), into a linear layer's (out, in)."""
    return x.swapaxes(-1, -2)


def as_scalar(x: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """Give the one number a shape without axes."""
    return x.reshape(())


def as_one(x: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """Give the one number the shape (1,)."""
    return x.reshape(1)


def without_first_axis(x: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """Take a first axis of length 1 away."""
    return np.squeeze(x, axis=0)


class Move(NamedTuple):
    """What becomes of one tensor.

    Attributes:
        to: its new names; with more than one, its first axis is cut into as many equal parts.
        change: what is done to the array before it is cut.
    """

    to: str | tuple[str, ...]
    change: Callable[[Shaped[Array, "..."]], Shaped[Array, "..."]] = as_it_is


Table = Mapping[str, Move]


def affine(old: str, new: str) -> dict[str, Move]:
    """Rows for the weight and the bias of one module."""
    return {f"{old}.{each}": Move(f"{new}.{each}") for each in ("weight", "bias")}


def packed(old: str, new: str, parts: str, joint: str = ".") -> dict[str, Move]:
    """Rows for projections that lie on each other in one weight and one bias.

    >>> packed("attn.in_proj", "self_attn.{}_proj", "qkv", "_")["attn.in_proj_bias"].to
    ('self_attn.q_proj.bias', 'self_attn.k_proj.bias', 'self_attn.v_proj.bias')
    """
    return {
        f"{old}{joint}{each}": Move(tuple(f"{new.format(part)}.{each}" for part in parts))
        for each in ("weight", "bias")
    }


def under(prefix: str, table: Table, new_prefix: str) -> dict[str, Move]:
    """Hang a table into a larger tree: one prefix before the old names, one before the new."""
    return {
        prefix + old: Move(tuple(new_prefix + name for name in _names(move)), move.change)
        for old, move in table.items()
    }


def renamed(tensors: Tensors, table: Table, where: str) -> dict[str, Shaped[Array, "..."]]:
    """Carry out the table; a tensor without a row keeps its name.

    Raises:
        InputError: a tensor cannot be cut as its row says, or two end with one name.

    >>> table = {"h.*.qkv": Move(("layers.*.q", "layers.*.k", "layers.*.v"))}
    >>> {name: x.tolist() for name, x in renamed({"h.7.qkv": np.arange(3)}, table, "file").items()}
    {'layers.7.q': [0], 'layers.7.k': [1], 'layers.7.v': [2]}
    """
    result: dict[str, Array] = {}
    for name, x in tensors.items():
        for new, part in _moved(name, x, table, where):
            if new in result:
                raise InputError(f"{where}: two tensors would become {new}; one is {name}")
            result[new] = part
    return result


def respelled(
    tensors: Tensors, spell: Callable[[str], str], where: str
) -> dict[str, Shaped[Array, "..."]]:
    """Rename every tensor by a function.

    Raises:
        InputError: two tensors would have one name.
    """
    result: dict[str, Array] = {}
    for name, x in tensors.items():
        new = spell(name)
        if new in result:
            raise InputError(f"{where}: two tensors would become {new}; one is {name}")
        result[new] = x
    return result


def joined(
    tensors: Tensors, parts: Mapping[str, tuple[str, ...]], where: str
) -> dict[str, Shaped[Array, "..."]]:
    """Lay tensors on each other along their first axis: {new name: the names of its parts}.

    Where a part is missing the others stay as they are, and are listed later as unknown.

    Raises:
        InputError: the parts do not fit on each other.

    >>> joined({"q": np.zeros((1, 4)), "kv": np.ones((2, 4))}, {"in": ("q", "kv")}, "f")["in"].shape
    (3, 4)
    """
    result = dict(tensors)
    for new, names in parts.items():
        if all(name in tensors for name in names):
            pieces = [result.pop(name) for name in names]
            try:
                result[new] = np.concatenate(pieces)
            except ValueError as error:
                shapes = ", ".join(str(x.shape) for x in pieces)
                raise InputError(f"{where}: {new} cannot be made of the shapes {shapes}") from error
    return result


def _names(move: Move) -> tuple[str, ...]:
    return (move.to,) if isinstance(move.to, str) else move.to


def _pattern(name: str) -> tuple[str, str]:
    """Put a `*` in the place of the first whole number between dots; give that number too."""
    parts = name.split(".")
    for place, part in enumerate(parts):
        if part.isascii() and part.isdigit():
            return ".".join([*parts[:place], "*", *parts[place + 1 :]]), part
    return name, "*"


def _moved(
    name: str, x: Shaped[Array, "..."], table: Table, where: str
) -> list[tuple[str, Shaped[Array, "..."]]]:
    """Give the new names of one tensor, each with its array."""
    pattern, number = _pattern(name)
    if pattern not in table:
        return [(name, x)]
    move = table[pattern]
    names = [new.replace("*", number) for new in _names(move)]
    try:
        changed = move.change(x)
        parts = [changed] if len(names) == 1 else np.split(changed, len(names))
    except (ValueError, IndexError) as error:
        raise InputError(
            f"{where}: {name} has the shape {x.shape}, which cannot become {', '.join(names)}"
        ) from error
    return [(new, np.asarray(part, order="C")) for new, part in zip(names, parts, strict=True)]


def without_prefix(tensors: Tensors, prefix: str) -> dict[str, Shaped[Array, "..."]]:
    """Take a prefix away if every name has it, as DataParallel's `module.`; else change nothing."""
    if not all(name.startswith(prefix) for name in tensors):
        return dict(tensors)
    return {name.removeprefix(prefix): x for name, x in tensors.items()}
