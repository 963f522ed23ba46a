"""Shapes in signatures: `Float[Array, "B L D"]` is checked under test and costs nothing elsewhere.

Every module annotates its arrays with these names. With the environment variable
REFIMPL_CHECK_SHAPES set (tests/conftest.py sets it) they are jaxtyping's, and every call is
checked; otherwise they are empty shells, so that `import refimpl` needs numpy alone.

The letters mean one thing in the whole project: B batch, L tokens, D width, H heads, K head
width, M MLP width, P patches, E joint embedding, V vocabulary; `*b` is any leading axes.
"""

import os
from typing import TYPE_CHECKING, Any

# What the graph handles: a numpy array, or the array of whichever interpreter runs it.
Array = Any

if TYPE_CHECKING or os.environ.get("REFIMPL_CHECK_SHAPES"):
    from jaxtyping import Bool, Float, Int, Num, Shaped, UInt8
else:

    class _Unchecked:
        """Takes the place of a jaxtyping name: `Float[Array, "B L"]` is just `Array`."""

        def __class_getitem__(cls, item: tuple[Any, str]) -> Any:
            return item[0]

    Bool = Float = Int = Num = Shaped = UInt8 = _Unchecked

__all__ = ["Array", "Bool", "Float", "Int", "Num", "Shaped", "UInt8"]
