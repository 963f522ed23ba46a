"""What ran last: every operation of ops.py says here whether a kernel or plain torch served it.

>>> from kernels.choice import Choice, chosen, last_choice
>>> chosen("layer_norm", "torch", "float64 has no kernel")
>>> last_choice("layer_norm")
Choice(op='layer_norm', runs='torch', why='float64 has no kernel')
"""

from contextvars import ContextVar
from typing import NamedTuple


class Choice(NamedTuple):
    """What served an operation.

    Attributes:
        op: the operation, as ops.py names it.
        runs: "torch", or the kernel's file and variant: "attention_short", "layer_norm".
        why: the rule of the table that decided.
    """

    op: str
    runs: str
    why: str


_LAST: ContextVar[dict[str, Choice]] = ContextVar("last choices of this thread")


def chosen(op: str, runs: str, why: str) -> None:
    """Note what serves an operation; each thread keeps its own notes."""
    if (notes := _LAST.get(None)) is None:
        _LAST.set(notes := {})
    notes.pop(op, None)
    notes[op] = Choice(op, runs, why)


def last_choice(op: str | None = None) -> Choice | None:
    """Tell what served the latest call of an operation, or the latest call at all.

    Args:
        op: the operation; None asks for whichever came last.

    Returns:
        The choice, or None where nothing ran yet in this thread.
    """
    notes = _LAST.get(None) or {}
    return notes.get(op) if op else next(reversed(notes.values()), None)
