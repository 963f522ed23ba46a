"""flax_model.msgpack of Transformers 4: the hub's own names, in JAX's spelling.

The file stands beside a config.json, so only the tensors are changed. A name is a path with
slashes, and its last part says what the array is: `kernel` of a linear layer is (in, out), of a
convolution (rows, columns, in, out); `scale` is the weight of a norm, `embedding` of a table.

Source: Transformers 4.57.6, modeling_flax_pytorch_utils.py; modeling_flax_clip.py, _vit.py,
    _bert.py, _vision_text_dual_encoder.py.
"""

import numpy as np

from refimpl.checkpoints.layouts.renaming import Tensors, respelled, transposed
from refimpl.errors import InputError
from refimpl.shapes import Array, Shaped


def hub_tensors(tensors: Tensors, where: str) -> dict[str, Shaped[Array, "..."]]:
    """Give the tensors of a Flax model the hub's names and axes.

    Raises:
        InputError: a kernel is neither a matrix nor a two-dimensional convolution, or two tensors
            would have one name.

    >>> import numpy as np
    >>> x = hub_tensors({"text_projection/kernel": np.zeros((2, 3))}, "flax_model.msgpack")
    >>> {name: each.shape for name, each in x.items()}
    {'text_projection.weight': (3, 2)}
    """
    turned = {
        path: _turned(x, path, where) if path.rpartition("/")[2] == "kernel" else x
        for path, x in tensors.items()
    }
    return respelled(turned, _of_the_hub, where)


_LAST = {"kernel": "weight", "scale": "weight", "embedding": "weight"}


def _of_the_hub(path: str) -> str:
    module, slash, last = path.rpartition("/")
    return (module + slash).replace("/", ".") + _LAST.get(last, last)


def _turned(x: Shaped[Array, "..."], path: str, where: str) -> Shaped[Array, "..."]:
    if x.ndim == 2:
        return np.asarray(transposed(x), order="C")
    if x.ndim == 4:
        return np.asarray(x.transpose(3, 2, 0, 1), order="C")
    raise InputError(
        f"{where}: {path} must be a matrix or a convolution's four axes; its shape is {x.shape}"
    )
