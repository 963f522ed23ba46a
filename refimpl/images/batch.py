"""`BatchFeature`: the dictionary that a processor returns, its values also as attributes.

Made by processor.py and by refimpl/processing.py; the models take it as `model(**batch)`.
"""

from typing import Any

import numpy as np

from refimpl.errors import InputError


class BatchFeature(dict[str, Any]):
    """A dict whose values can also be read as attributes: `batch.pixel_values`.

    >>> BatchFeature(pixel_values=1).pixel_values
    1
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(f"this batch holds {sorted(self)}, no {name!r}") from error

    def to(self, *args: Any, **kwargs: Any) -> "BatchFeature":
        """Move the torch tensors in it with `tensor.to(...)`; numpy arrays stay where they are.

        Raises:
            InputError: something other than a device was asked of numpy arrays.
        """
        asked = [*args, *kwargs.values()]
        only_device = all(isinstance(one, str) or type(one).__name__ == "device" for one in asked)
        if not only_device and any(isinstance(value, np.ndarray) for value in self.values()):
            raise InputError("to: numpy arrays stay on the CPU; cast one with .astype(...)")
        for name, value in self.items():
            self[name] = value.to(*args, **kwargs) if hasattr(value, "to") else value
        return self


def stack(values: list[np.ndarray], return_tensors: Any) -> Any:
    """Give the list as it is (None), as one numpy array ("np") or one torch tensor ("pt").

    Args:
        values: one array per picture, of equal shapes unless `return_tensors` is None.
        return_tensors: None, "np" or "pt" (or an enum whose value is one of these).

    Raises:
        InputError: another kind of tensors, no torch for "pt", or pictures of unequal shapes.

    >>> stack([np.zeros((3, 2, 2)), np.ones((3, 2, 2))], "np").shape
    (2, 3, 2, 2)
    """
    kind = getattr(return_tensors, "value", return_tensors)
    if kind is None:
        return values
    if kind not in ("np", "pt"):
        raise InputError(f"return_tensors must be None, 'np' or 'pt'; got {return_tensors!r}")
    shapes = sorted({value.shape for value in values})
    if len(shapes) > 1:
        raise InputError(
            f"pictures of unequal shapes {shapes} do not make one array: "
            "crop them (do_center_crop=True), convert all to RGB (do_convert_rgb=True), or use "
            "return_tensors=None"
        )
    stacked = np.stack(values)
    return stacked if kind == "np" else _torch().from_numpy(stacked)


def _torch() -> Any:
    """Import torch, now that it is asked for by name."""
    try:
        import torch

        return torch
    except ImportError as error:
        raise InputError("return_tensors='pt' needs torch, which is not installed") from error
