"""The tensors of a PyTorch file -> numpy arrays, storage by storage.

A PyTorch tensor is a way to walk through a storage: an offset, a shape and strides. Several may
walk through one storage: tied weights do, and so do the thirds of a packed projection. Here each
becomes an array of its own in the usual order, except that equal tensors (tied weights) become the
same array, which takes no more memory than the file did.
Called by torch_file.py; torch_globals.py has checked that each tensor stays in its storage.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from refimpl.checkpoints.stored_types import STORED_TYPES, in_file, loaded
from refimpl.checkpoints.torch_globals import Storage, Tensor
from refimpl.errors import InputError
from refimpl.shapes import Array, Shaped, UInt8

__all__ = ["read_tensors"]

_MOST_GROWTH = 4  # views that overlap may take more than their storage, within reason
_SLACK_BYTES = 2**20


def read_tensors(
    tensors: Mapping[str, Tensor],
    read_storage: Callable[[Storage], UInt8[Array, " n"]],
    byte_order: str,
    file_bytes: int,
    where: str,
) -> dict[str, Shaped[Array, "..."]]:
    """Read all tensors; each storage is read once, and not kept longer than it is needed.

    Args:
        tensors: by name.
        read_storage: reads the bytes of one storage.
        byte_order: "<" or ">", how the numbers lie in the file.
        file_bytes: size of the file, by which the size of the result is bounded.
        where: names the file in error messages.

    Raises:
        InputError: the tensors are far larger than the file (a stride of 0 repeats one number as
            often as a file likes), a storage cannot be read, or a bool is neither 0 nor 1.
    """
    identities = {name: tensor.identity for name, tensor in tensors.items()}
    by_storage: dict[str, dict[str, str]] = {}
    for name, tensor in tensors.items():
        by_storage.setdefault(tensor.storage.key, {}).setdefault(identities[name], name)
    unique = [tensors[name] for users in by_storage.values() for name in users.values()]
    _check_total(unique, file_bytes, where)
    arrays: dict[str, Array] = {}
    for users in by_storage.values():
        raw = None
        for identity, name in users.items():
            tensor = tensors[name]
            place = f"{where}: tensor {name!r}"
            if 0 in tensor.shape:
                empty = np.empty(tensor.shape, STORED_TYPES[tensor.type_name])
                arrays[identity] = loaded(empty, tensor.type_name, place)
                continue
            raw = read_storage(tensor.storage) if raw is None else raw
            arrays[identity] = _walk(raw, tensor, byte_order, len(users) == 1, place)
    return {name: arrays[identities[name]] for name in tensors}


def _check_total(tensors: list[Tensor], file_bytes: int, where: str) -> None:
    total = sum(
        math.prod(tensor.shape) * STORED_TYPES[tensor.type_name].itemsize for tensor in tensors
    )
    if total > _MOST_GROWTH * file_bytes + _SLACK_BYTES:
        raise InputError(
            f"{where}: its tensors need {total:,} bytes, but the file has {file_bytes:,}; more "
            f"than {_MOST_GROWTH} times as much is not read (are tensors expanded by stride 0?)"
        )


def _walk(
    raw: UInt8[Array, " n"], tensor: Tensor, byte_order: str, only_user: bool, place: str
) -> Shaped[Array, "..."]:
    """Read one tensor out of the bytes of its storage."""
    item = in_file(tensor.type_name, byte_order)
    numbers = raw[: raw.size // item.itemsize * item.itemsize].view(item)
    view = np.lib.stride_tricks.as_strided(
        numbers[tensor.offset :],
        tensor.shape,
        [stride * item.itemsize for stride in tensor.strides],
    )
    if not (only_user and view.flags.c_contiguous and view.nbytes == raw.nbytes):
        try:
            view = view.copy()
        except MemoryError as error:
            raise InputError(f"{place}: {view.nbytes:,} bytes do not fit into memory") from error
    return loaded(view, tensor.type_name, place)
