"""Where a model computes: numpy by default, torch on any device when `device=` asks for it.

A model has one place (`place`), which makes its tree of weights, checks the floating-point numbers
that go in, and runs its towers. `NumpyPlace` is what there was before there were devices.
`TorchPlace` runs the same graph on kernels/ops.py, without gradients; a batch that does not fit
into memory goes in parts.

This file and find_device.py, which says what cannot be had, import torch and kernels inside
functions only: `import refimpl` needs neither. Called by pretrained.py, inputs.py and models/.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeAlias, TypeVar

import numpy as np

from refimpl import ops as numpy_ops
from refimpl.errors import InputError
from refimpl.find_device import dtype_name, float_dtype, found_device
from refimpl.graph.interface import Ops
from refimpl.params import TensorSpec, initial_leaf, join, map_leaves, named_leaves, nodes
from refimpl.shapes import Array, Bool, Float, Num

TreeT = TypeVar("TreeT")


class NumpyPlace:
    """This machine's processor, with numpy.

    Args:
        dtype: float32 or float64; the whole computation runs in it.
    """

    device = None

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype: Any = dtype
        self.dtype_name = dtype.name
        self.ops: Ops = numpy_ops

    def tree(self, tree: TreeT, leaf: Callable[[str, Any], Any]) -> TreeT:
        """Build a tree of weights from what `leaf(name, what stands there)` gives."""
        return map_leaves(lambda name, old: np.asarray(leaf(name, old), dtype=self.dtype), tree)

    def taken(self, tree: TreeT) -> TreeT:
        """Take a tree of weights as it is."""
        return tree

    def holds(self, value: Any) -> bool:
        """Whether floats are here already and need not be read as numpy's; numpy always reads."""
        return False

    def finite(
        self, name: str, array: Num[Array, "..."] | Bool[Array, "..."]
    ) -> Float[Array, "..."]:
        """Cast numbers to the model's dtype.

        Raises:
            InputError: one is NaN or infinite there: 1e300 is, in float32.
        """
        with np.errstate(over="ignore"):
            cast = array.astype(self.dtype, copy=False)
        if not np.isfinite(cast).all():
            raise _not_finite(name, self.dtype_name)
        return cast

    def put(self, value: Any) -> Any:
        """Bring arrays here: they are."""
        return value

    def computing(self) -> AbstractContextManager[None]:
        """What a model's call runs in; numpy needs nothing."""
        return nullcontext()

    def run(self, run: Callable[[Any], Any], inputs: Any, batch: int, key: Hashable) -> Any:
        """Run a function of a batch."""
        return run(inputs)


class TorchPlace:
    """A device, with torch and the kernels.

    Args:
        device: "cpu", "cuda", "cuda:1", a torch.device, or the number of a GPU.
        dtype: a name of `find_device.DTYPES`, or torch's or numpy's type of that name.

    Raises:
        InputError: torch or triton is missing, another package is called kernels, there is no such
            device, or the dtype is none of these.
    """

    def __init__(self, device: Any, dtype: Any) -> None:
        self.dtype_name = dtype_name(dtype)
        self.device: Any = found_device(device)
        import torch

        from kernels import ops
        from kernels.memory import Parts

        self.dtype: Any = getattr(torch, self.dtype_name)
        self.ops: Ops = ops
        self._parts = Parts(self.device)

    def tree(self, tree: TreeT, leaf: Callable[[str, Any], Any]) -> TreeT:
        """Build a tree of weights here from what `leaf(name, what stands there)` gives.

        One array at a time, so no second copy of the whole comes into being on the way. What a
        node names `SIDE_BY_SIDE` lies so in memory. A tree that is here already is given back.

        Raises:
            InputError: weights are too large for the dtype, or for the device's memory.
        """
        advice = "the weights do not fit; take a smaller dtype such as 'bfloat16'"
        with _clear_errors(self.device, advice):
            return self._tree(tree, leaf)

    def _tree(self, tree: TreeT, leaf: Callable[[str, Any], Any]) -> TreeT:
        import torch

        from kernels.weights import laid_side_by_side, moved

        old: dict[str, Any] = dict(named_leaves(tree))
        new: dict[str, Any] = {}
        for names in _side_by_side(tree):
            parts = [leaf(name, old[name]) for name in names]
            new |= zip(names, laid_side_by_side(parts, self.device, self.dtype), strict=True)
        for name in old:
            if name not in new:
                new[name] = moved(leaf(name, old[name]), self.device, self.dtype)
        if all(new[name] is old[name] for name in old):
            return tree
        lost = [name for name, x in new.items() if not bool(torch.isfinite(x).all())]
        if lost:
            more = f" and {len(lost) - 1} more" if lost[1:] else ""
            raise _not_finite(f"the weights {lost[0]}{more}", self.dtype_name)
        return map_leaves(lambda name, _: new[name], tree)

    def taken(self, tree: TreeT) -> TreeT:
        """Bring a tree of weights here."""
        return self.tree(tree, lambda _, old: old)

    def holds(self, value: Any) -> bool:
        """Whether floats are on this device already, and need not go to the host for a check."""
        import torch

        return (
            isinstance(value, torch.Tensor)
            and value.device == self.device
            and value.layout == torch.strided
            and not value.is_nested
            and value.is_floating_point()
        )

    def finite(
        self, name: str, array: Num[Array, "..."] | Bool[Array, "..."]
    ) -> Float[Array, "..."]:
        """Cast numbers to the model's dtype, where they lie: on the device or on the host.

        Raises:
            InputError: one is NaN or infinite there: 70,000 is, in float16.
        """
        import torch

        from kernels.weights import as_tensor

        cast = as_tensor(array).to(self.dtype)
        if not bool(torch.isfinite(cast).all()):
            raise _not_finite(name, self.dtype_name)
        return cast

    def put(self, value: Any) -> Any:
        """Bring the arrays of a value to the device: in tuples and dataclasses too."""
        from kernels.memory import mapped
        from kernels.weights import as_tensor

        return mapped(lambda x: as_tensor(x).to(self.device), value)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """What a model's call runs in: no gradients, and errors that say what to do.

        Raises:
            InputError: an operation cannot serve what came, or memory ran out where nothing goes
                in parts: in the logits of all pairs, say, or in joining the parts.
        """
        import torch

        with torch.no_grad(), _clear_errors(self.device, "take a smaller batch"):
            yield

    def run(self, run: Callable[[Any], Any], inputs: Any, batch: int, key: Hashable) -> Any:
        """Run a function of a batch, in parts where it does not fit into memory.

        Each part of the inputs is brought to the device when its turn comes.
        """
        return self._parts.run(lambda part: run(self.put(part)), inputs, batch, key)


Place: TypeAlias = NumpyPlace | TorchPlace


def place_for(device: Any, dtype: Any) -> Place:
    """Make the place that `device` and `dtype` ask for; without a device it is numpy's.

    Raises:
        InputError: there is no such place here; one line says what to do.
    """
    return NumpyPlace(float_dtype(dtype)) if device is None else TorchPlace(device, dtype)


def fresh(place: Place, spec: TreeT, seed: int) -> TreeT:
    """Draw a tree of weights: numpy draws, so equal seeds give equal weights everywhere."""
    return place.tree(spec, lambda name, leaf: fresh_leaf(place, name, leaf, seed))


def fresh_leaf(place: Place, name: str, leaf: TensorSpec, seed: int) -> Float[Array, "..."]:
    """Draw one tensor for `Place.tree`; the half precisions are float32's weights, rounded."""
    drawn = np.float64 if place.dtype_name == "float64" else np.float32
    return initial_leaf(name, leaf, seed).astype(drawn)


def on_host(value: Any) -> Any:
    """Turn a tensor into a numpy array of the same numbers; anything else is given back.

    Any library's tensors will do that can be detached and brought to the processor. bfloat16, which
    numpy lacks, becomes float32. A list of tensors becomes a list of arrays.
    """
    if isinstance(value, (list, tuple)) and any(hasattr(each, "detach") for each in value):
        return [on_host(each) for each in value]
    if not (hasattr(value, "detach") and hasattr(value, "cpu")):
        return value
    tensor = value.detach().cpu()
    if str(tensor.dtype) == "torch.bfloat16":
        tensor = tensor.float()
    return np.asarray(tensor)


def beside(array: Num[Array, "..."], x: Num[Array, "..."]) -> Num[Array, "..."]:
    """Bring an array to where `x` is; floating-point numbers also into the dtype of `x`."""
    floats = array.dtype.kind == "f"
    if isinstance(x, np.ndarray | np.generic):
        return array.astype(x.dtype) if floats else array
    from kernels.weights import as_tensor

    return as_tensor(array).to(x.device, x.dtype if floats else None)


@contextmanager
def _clear_errors(device: Any, advice: str) -> Iterator[None]:
    """Turn what kernels/ refuses, and memory that ran out, into the error that bad input ends in."""
    from kernels.errors import KernelError
    from kernels.memory import why_no_memory

    try:
        yield
    except KernelError as error:
        raise InputError(str(error)) from error
    except RuntimeError as error:
        reason = why_no_memory(error)
        if reason is None:
            raise
        raise InputError(
            f"out of memory on {device} ({reason}); {advice}, or free memory there"
        ) from error


def _side_by_side(tree: Any) -> Iterator[tuple[str, ...]]:
    """Name the leaves that lie one behind the other: weights, and biases where all have one."""
    for node in nodes(tree):
        parts = [getattr(node, name) for name in getattr(node, "SIDE_BY_SIDE", ())]
        for field in ("weight", "bias") if parts else ():
            if all(getattr(part, field) is not None for part in parts):
                yield tuple(join(part.path, field) for part in parts)


def _not_finite(name: str, dtype: str) -> InputError:
    return InputError(f"{name} hold NaN or infinity, or numbers too large for {dtype}")
