"""Watching the graph: an interpreter that records what another one computes.

`Record` wraps any interpreter and keeps the named intermediates; models/ takes upstream's
`hidden_states` and `attentions` from it, and so will every tool that compares two runs.

Names are dotted: the node's path in the checkpoint, then the point, for example
`vision_model.encoder.layers.3.self_attn.probs`. They are a stable contract.
"""

from collections.abc import Callable, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any

from refimpl.graph.interface import HIDING, Node, Ops
from refimpl.params import join
from refimpl.shapes import Array

_OPERATIONS = tuple(name for name in vars(Ops) if not name.startswith("_") and name != "tap")


class Record:
    """An interpreter that computes with another one and keeps its tapped values.

    Every operation is the wrapped one's; those that hide points tap through this one.

    Args:
        ops: the interpreter that does the work.
        values: where the named values go; it is added to.
        wanted: says by name which values to keep; all of them by default.

    >>> from refimpl import ops
    >>> from refimpl.params import Linear
    >>> values = {}
    >>> _ = Record(ops, values).tap(Linear("text_projection", 0, None), "output", 7)
    >>> values
    {'text_projection.output': 7}
    """

    def __init__(
        self,
        ops: Ops,
        values: MutableMapping[str, Array],
        wanted: Callable[[str], bool] = lambda name: True,
    ) -> None:
        self._ops = ops
        self._values = values
        self._wanted = wanted
        for name in _OPERATIONS:
            operation = getattr(ops, name)
            setattr(self, name, partial(operation, tap=self.tap) if name in HIDING else operation)

    if TYPE_CHECKING:  # the operations are set above; a type checker cannot see that

        def __getattr__(self, name: str) -> Any:
            """Every operation of the wrapped interpreter."""

    def tap(self, p: Node, point: str, x: Array) -> Array:
        """Keep the value if it is wanted, and pass it on to the wrapped interpreter."""
        name = join(p.path, point)
        if self._wanted(name):
            self._values[name] = x
        return self._ops.tap(p, point, x)
