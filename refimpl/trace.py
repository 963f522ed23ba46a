"""Watching the graph: an interpreter that records what another one computes.

`Record` wraps any interpreter and keeps the named intermediates; models/ takes upstream's
`hidden_states` and `attentions` from it, and so will every tool that compares two runs.

Names are dotted: the node's path in the checkpoint, then the point, for example
`vision_model.encoder.layers.3.self_attn.probs`. They are a stable contract.
"""

from collections.abc import Callable, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any

from refimpl.graph.interface import Node
from refimpl.params import join
from refimpl.shapes import Array

if TYPE_CHECKING:
    from refimpl.graph.interface import Ops


class Record:
    """An interpreter that computes with another one and keeps its tapped values.

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
        ops: "Ops",
        values: MutableMapping[str, Array],
        wanted: Callable[[str], bool] = lambda name: True,
    ) -> None:
        self._ops = ops
        self._values = values
        self._wanted = wanted

    def tap(self, p: Node, point: str, x: Array) -> Array:
        """Keep the value if it is wanted, and pass it on to the wrapped interpreter."""
        name = join(p.path, point)
        if self._wanted(name):
            self._values[name] = x
        return self._ops.tap(p, point, x)

    def __getattr__(self, name: str) -> Any:
        """Every other operation is the wrapped one; those that hide points tap through us."""
        operation = getattr(self._ops, name)
        if name in ("attention", "linear_activation"):
            return partial(operation, tap=self.tap)
        return operation
