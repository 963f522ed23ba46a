"""What a PyTorch file may name, and the plain values that stand for it.

    ("torch._utils", "_rebuild_tensor_v2")  makes a `Tensor`: a place in a storage, not yet read
    ("torch", "FloatStorage")               the number type of a storage
    ("__torch__. ...", ...)                 only in a TorchScript archive: the class of a module,
                                            whose objects are plain `Record`s

This is the whole list. Nothing of it is looked up anywhere: the functions below take the arguments
from the file, check them, and note them down. torch_file.py reads the bytes afterwards.
Source: torch/_utils.py and torch/_weights_only_unpickler.py of PyTorch 2.13, torch/jit/_pickle.py.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from refimpl.checkpoints.pickle_stack import MAX_NAME, Global, check_key
from refimpl.checkpoints.stored_types import MAX_RANK, STORED_TYPES
from refimpl.errors import InputError

__all__ = ["Storage", "Tensor", "find_global", "find_script_global", "make_storage", "remember"]


@dataclass(frozen=True, slots=True)
class Storage:
    """A row of numbers in the file: `size` of them, or the `view` (begin, end) of those.

    Attributes:
        key: which of the file's storages.
        type_name: their type (stored_types.py), or "" for bytes that each tensor gives a type.
        size: how many numbers the file holds.
        view: which of them tensors may reach; older files share one storage among several views.
    """

    key: str
    type_name: str
    size: int
    view: tuple[int, int]

    @property
    def stored_bytes(self) -> int:
        """How many bytes the file holds."""
        return self.size * (STORED_TYPES[self.type_name].itemsize if self.type_name else 1)


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as the file describes it: which numbers of a storage, in what order.

    Attributes:
        storage: where the numbers are.
        type_name: their type.
        offset: index of the first one in the storage.
        shape: length of each axis.
        strides: how many numbers further the next one along each axis is; 0 where there is none.
    """

    storage: Storage
    type_name: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def identity(self) -> str:
        """What is the same for tensors that are the same.

        A text, because its hash differs from run to run: a file can be made whose tensors, being
        tuples of numbers, all have one hash, and then finding equal ones takes quadratic time.
        """
        return repr((self.storage.key, self.type_name, self.offset, self.shape, self.strides))


def make_storage(saved_id: Any) -> Storage:
    """Turn PyTorch's name of a storage into a `Storage`.

    It is ("storage", its type, its key, its device, its size), and in older files a sixth: None, or
    (key, offset, size) of a view into it.

    Raises:
        InputError: it is anything else.
    """
    if type(saved_id) is not tuple or len(saved_id) not in (5, 6) or saved_id[0] != "storage":
        raise InputError("names something that is not a storage of numbers (a whole module?)")
    _, number_type, key, _, size = saved_id[:5]
    if type(number_type) is not Global or number_type.name not in _STORAGES:
        raise InputError("a storage whose type is not a type of storage")
    if type(key) is not str or len(key) > MAX_NAME or not _is_size(size):
        raise InputError("a storage needs a key and a size")
    view = saved_id[5] if len(saved_id) == 6 else None
    begin, end = 0, size
    if view is not None:
        if type(view) is not tuple or len(view) != 3 or not all(map(_is_size, view[1:])):
            raise InputError("a view of a storage needs a key, an offset and a size")
        if not _STORAGES[number_type.name]:
            raise InputError("a view of a storage without a type")
        begin, end = view[1], view[1] + view[2]
        if end > size:
            raise InputError(f"a view of {view[2]} numbers at {begin} of a storage of {size}")
    return Storage(key, _STORAGES[number_type.name], size, (begin, end))


def remember(storages: dict[str, Storage], storage: Storage) -> Storage:
    """Note a storage under its key.

    Raises:
        InputError: the file gave the same key to a storage of another type or size.
    """
    first = storages.setdefault(storage.key, storage)
    if (first.type_name, first.size) != (storage.type_name, storage.size):
        raise InputError(f"storage {storage.key[:40]!r} has two types or two sizes")
    return storage


def find_global(module: str, name: str) -> Global | None:
    """Find a name on the list, or None."""
    return _ALLOWED.get((module, name))


def find_script_global(module: str, name: str) -> Global | None:
    """Find a name on the list of a TorchScript archive, which also has classes of modules."""
    if module == "__torch__" or module.startswith("__torch__."):
        return Global(f"{module}.{name}", makes_records=True)
    return _ALLOWED_IN_SCRIPT.get((module, name)) or find_global(module, name)


def _tensor(arguments: tuple[Any, ...], shortest: int, longest: int) -> Tensor:
    """Make a tensor of (storage, offset, shape, strides, ...); the rest is for training."""
    if not shortest <= len(arguments) <= longest:
        raise InputError(f"a tensor of {len(arguments)} arguments")
    storage, offset, shape, strides = arguments[:4]
    if type(storage) is not Storage:
        raise InputError("a tensor that does not lie in a storage")
    if not _is_size(offset) or not _are_sizes(shape) or not _are_sizes(strides):
        raise InputError("a tensor whose offset, shape or strides are not whole numbers >= 0")
    if len(shape) != len(strides) or len(shape) > MAX_RANK:
        raise InputError(f"a tensor of {len(shape)} axes and {len(strides)} strides")
    if math.prod(max(length, 1) for length in shape) * 8 >= 2**63:
        raise InputError("a tensor too large for any memory")
    # Where there is no next number a stride means nothing, and may be too large for numpy.
    steps = zip(shape, strides, strict=True)
    strides = tuple(stride if length > 1 and 0 not in shape else 0 for length, stride in steps)
    return Tensor(storage, storage.type_name, storage.view[0] + offset, shape, strides)


def _checked(tensor: Tensor) -> Tensor:
    """Check that a tensor stays within its storage."""
    if not tensor.type_name:
        raise InputError("a tensor in a storage without a type")
    if 0 in tensor.shape:
        return tensor
    scale = 1 if tensor.storage.type_name else STORED_TYPES[tensor.type_name].itemsize
    steps = zip(tensor.shape, tensor.strides, strict=True)
    last = tensor.offset + sum((length - 1) * stride for length, stride in steps)
    begin, end = tensor.storage.view
    if (last + 1) * scale > end:
        raise InputError(
            f"a tensor of shape {tensor.shape} and strides {tensor.strides} needs "
            f"{last + 1 - begin:,} numbers; its storage has {(end - begin) // scale:,}"
        )
    return tensor


def _rebuild_tensor(arguments: tuple[Any, ...]) -> Tensor:
    return _checked(_tensor(arguments, 4, 4))


def _rebuild_tensor_v2(arguments: tuple[Any, ...]) -> Tensor:
    if len(arguments) == 7 and arguments[6]:
        raise InputError("a tensor with notes (a complex or negated view) is not read")
    return _checked(_tensor(arguments, 6, 7))


def _rebuild_tensor_v3(arguments: tuple[Any, ...]) -> Tensor:
    """Make a tensor whose type is not its storage's: how torch saves the newer unsigned types."""
    tensor = _tensor(arguments, 7, 8)
    dtype = arguments[6]
    if type(dtype) is not Global or dtype.name not in _DTYPES:
        raise InputError("a tensor whose type is not a number type")
    if tensor.storage.type_name:
        raise InputError("a tensor with two types")
    if len(arguments) == 8 and arguments[7]:
        raise InputError("a tensor with notes is not read")
    return _checked(
        Tensor(tensor.storage, _DTYPES[dtype.name], tensor.offset, tensor.shape, tensor.strides)
    )


def _rebuild_parameter(arguments: tuple[Any, ...]) -> Tensor:
    """Give the tensor of a parameter; what else a parameter has is for training."""
    if len(arguments) not in (3, 4) or type(arguments[0]) is not Tensor:
        raise InputError("a parameter must be made of a tensor and two or three other values")
    return arguments[0]


def _ordered_dict(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """Make a dict, which keeps its order anyway, of nothing or of pairs."""
    pairs = arguments[0] if arguments else []
    if len(arguments) > 1 or type(pairs) is not list:
        raise InputError("an OrderedDict must be made of nothing or of a list of pairs")
    made: dict[Any, Any] = {}
    for pair in pairs:
        if type(pair) not in (list, tuple) or len(pair) != 2 or type(pair[0]) is not str:
            raise InputError("an OrderedDict must be made of pairs of a name and a value")
        check_key(pair[0])
        made[pair[0]] = pair[1]
    return made


def _size(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    if len(arguments) != 1 or not _are_sizes(arguments[0]):
        raise InputError("a torch.Size must be made of one tuple of whole numbers >= 0")
    sizes: tuple[int, ...] = arguments[0]
    return sizes


def _first(arguments: tuple[Any, ...]) -> Any:
    """Give the list that TorchScript only marks with the type of its items."""
    if not arguments:
        raise InputError("a marked value without a value")
    return arguments[0]


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _are_sizes(value: Any) -> bool:
    return type(value) is tuple and all(map(_is_size, value))


_STORAGES = {
    "torch.DoubleStorage": "F64",
    "torch.FloatStorage": "F32",
    "torch.HalfStorage": "F16",
    "torch.BFloat16Storage": "BF16",
    "torch.LongStorage": "I64",
    "torch.IntStorage": "I32",
    "torch.ShortStorage": "I16",
    "torch.CharStorage": "I8",
    "torch.ByteStorage": "U8",
    "torch.BoolStorage": "BOOL",
    "torch.storage.UntypedStorage": "",
}
_DTYPES = {"torch.uint16": "U16", "torch.uint32": "U32", "torch.uint64": "U64"}
_FUNCTIONS: dict[str, Callable[[tuple[Any, ...]], Any]] = {
    "collections.OrderedDict": _ordered_dict,
    "torch.Size": _size,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor_v2,
    "torch._utils._rebuild_tensor_v3": _rebuild_tensor_v3,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
}
_SCRIPT_FUNCTIONS = {
    f"torch.jit._pickle.{name}": _first
    for name in (
        "build_intlist",
        "build_doublelist",
        "build_boollist",
        "build_tensorlist",
        "restore_type_tag",
    )
}


def _table(
    functions: Mapping[str, Callable[[tuple[Any, ...]], Any]],
) -> dict[tuple[str, str], Global]:
    globals_ = {}
    for path, call in functions.items():
        module, _, name = path.rpartition(".")
        globals_[module, name] = Global(path, call)
    return globals_


_ALLOWED = _table(_FUNCTIONS)
for _path in [*_STORAGES, *_DTYPES]:
    _ALLOWED[_path.rpartition(".")[0], _path.rpartition(".")[2]] = Global(_path)
_ALLOWED_IN_SCRIPT = _table(_SCRIPT_FUNCTIONS)
