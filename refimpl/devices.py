"""Where a model computes: numpy by default, torch on any device when `device=` asks for it.

A model has one place (`place`), which makes its tree of weights, checks the floating-point numbers
that go in, and runs its towers. `NumpyPlace` is what there was before there were devices.
`TorchPlace` runs the same graph on kernels/ops.py, without gradients; a batch that does not fit
into memory goes in parts.

The only file that imports torch and kernels, inside functions: `import refimpl` needs neither.
(So it is longer than other files.) Called by pretrained.py, inputs.py and models/.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from refimpl import ops as numpy_ops
from refimpl.errors import InputError
from refimpl.graph.interface import Ops
from refimpl.params import TensorSpec, initial_leaf, join, map_leaves, named_leaves, nodes
from refimpl.shapes import Array, Bool, Float, Num

if TYPE_CHECKING:
    import torch

TreeT = TypeVar("TreeT")
DTYPES = ("float32", "float64", "float16", "bfloat16")
_INSTALL = "pip install 'clip-refimpl[gpu]'; without device= numpy computes"


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

    def run(self, run: Callable[[Any], Any], inputs: Any, batch: int, key: Hashable) -> Any:
        """Run a function of a batch."""
        return run(inputs)


class TorchPlace:
    """A device, with torch and the kernels.

    Args:
        device: "cpu", "cuda", "cuda:1", a torch.device, or the number of a GPU.
        dtype: a name of `DTYPES`, or torch's or numpy's type of that name.

    Raises:
        InputError: torch or triton is missing, another package is called kernels, there is no such
            device, or the dtype is none of these.
    """

    def __init__(self, device: Any, dtype: Any) -> None:
        self.dtype_name = _dtype_name(dtype)
        self.device: Any = _found_device(device)
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
            InputError: weights are too large for the dtype.
        """
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

    def run(self, run: Callable[[Any], Any], inputs: Any, batch: int, key: Hashable) -> Any:
        """Run a function of a batch, in parts where it does not fit into memory.

        Each part of the inputs is brought to the device when its turn comes.

        Raises:
            InputError: one item alone does not fit, or an operation cannot serve what came.
        """
        import torch

        with torch.no_grad(), kernel_errors():
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
def kernel_errors() -> Iterator[None]:
    """Turn what kernels/ refuses into the one error that bad input ends in."""
    from kernels.errors import KernelError

    try:
        yield
    except KernelError as error:
        raise InputError(str(error)) from error


def float_dtype(dtype: Any) -> np.dtype[Any]:
    """Return float32 or float64, the dtypes that numpy computes in.

    Raises:
        InputError: another dtype was asked for.
    """
    for known in (np.float32, np.float64):
        if dtype is known or (isinstance(dtype, (str, np.dtype)) and dtype == np.dtype(known).name):
            return np.dtype(known)
    if _name_of(dtype) in DTYPES[2:]:
        raise InputError(
            "dtype must be 'float32' or 'float64' where numpy computes; for "
            f"{_name_of(dtype)!r} pass a device too, such as device='cuda' or device='cpu'"
        )
    raise InputError(f"dtype must be 'float32' or 'float64'; got {dtype!r}")


def _dtype_name(dtype: Any) -> str:
    name = _name_of(dtype)
    if name not in DTYPES:
        raise InputError(
            f"dtype must be one of {', '.join(map(repr, DTYPES))}, or torch's type of that name; "
            f"got {dtype!r:.60}"
        )
    return name


def _name_of(dtype: Any) -> str | None:
    """Name a dtype however it is written: a string, numpy's or torch's."""
    if isinstance(dtype, str):
        return dtype
    if isinstance(dtype, np.dtype):
        return str(dtype.name)
    if isinstance(dtype, type) and issubclass(dtype, np.generic):
        return str(np.dtype(dtype).name)
    module, _, name = str(dtype).partition(".")
    return name if type(dtype).__module__ == module == "torch" else None


def _found_device(device: Any) -> "torch.device":
    """Find the device that was asked for, with its number.

    Raises:
        InputError: no torch, another package called kernels, no such device, or one that nothing
            here is made for.
    """
    _check_kernels()
    try:
        import torch
    except ImportError as error:
        raise InputError(f"device={device!r:.60} needs torch: {_INSTALL}") from error
    try:
        if isinstance(device, bool):
            raise TypeError("a switch is no device")
        found = torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise _no_device(device) from error
    if found.type not in ("cpu", "cuda"):
        raise _no_device(device)
    return torch.device("cpu") if found.type == "cpu" else _found_gpu(found)


def _no_device(device: Any) -> InputError:
    return InputError(
        "device must be 'cpu', 'cuda', 'cuda:1' or a torch.device of these, or None for numpy; "
        f"got {device!r:.60}"
    )


def _found_gpu(asked: "torch.device") -> "torch.device":
    import torch

    from kernels.runtime import has_triton

    if not torch.cuda.is_available():
        raise InputError(
            f"device '{asked}': torch {torch.__version__} sees no GPU here "
            "(torch.cuda.is_available() is False); use device='cpu', or no device for numpy"
        )
    count = torch.cuda.device_count()
    index = torch.cuda.current_device() if asked.index is None else asked.index
    if not 0 <= index < count:
        there = "cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
        raise InputError(f"device '{asked}' is not there; this machine has {there}")
    if not has_triton():
        raise InputError(f"device '{asked}' needs triton for its kernels: {_INSTALL}")
    return torch.device("cuda", index)


def _check_kernels() -> None:
    """Check that `kernels` is this project's package; the registry has another of that name.

    Raises:
        InputError: it is another one, or missing.
    """
    try:
        import kernels
    except ImportError as error:
        raise InputError(
            f"device= needs this project's package `kernels`, which does not import ({error}); "
            "install clip-refimpl again"
        ) from error
    if getattr(kernels, "PROJECT", None) != "clip-refimpl":
        raise InputError(
            f"the package `kernels` at {getattr(kernels, '__file__', None)} is another project's; "
            "device= needs clip-refimpl's: run 'pip uninstall kernels', then install clip-refimpl "
            "again, or use an environment of its own"
        )


def _side_by_side(tree: Any) -> Iterator[tuple[str, ...]]:
    """Name the leaves that lie one behind the other: weights, and biases where all have one."""
    for node in nodes(tree):
        parts = [getattr(node, name) for name in getattr(node, "SIDE_BY_SIDE", ())]
        for field in ("weight", "bias") if parts else ():
            if all(getattr(part, field) is not None for part in parts):
                yield tuple(join(part.path, field) for part in parts)


def _not_finite(name: str, dtype: str) -> InputError:
    return InputError(f"{name} hold NaN or infinity, or numbers too large for {dtype}")
