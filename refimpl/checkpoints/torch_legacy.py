"""The format of torch.save before PyTorch 1.6: five pickles in a row, then the numbers.

    the mark of the format, a fixed number
    1001, the version of the format
    a dict that describes the machine (not needed: the numbers are always little-endian)
    what was saved
    the list of storages, by key
    for each storage of that list: its size in numbers (8 bytes), then the numbers

Called by torch_file.py, which knows the other formats. Source: torch/serialization.py of PyTorch
2.13, _legacy_save and _legacy_load.
"""

import os
from typing import Any, BinaryIO

import numpy as np

from refimpl.checkpoints.pickle_machine import run_pickle
from refimpl.checkpoints.torch_globals import Storage, find_global, make_storage, remember
from refimpl.errors import InputError
from refimpl.shapes import Array, UInt8

__all__ = ["LegacyFile", "is_legacy"]

_MARK = 0x1950A86A20F9469CFC6C
_MARK_BYTES = _MARK.to_bytes(10, "little")
_VERSION = 1001
_MAX_PICKLE_BYTES = 32 * 2**20  # as much as a safetensors header


def is_legacy(head: bytes) -> bool:
    """Tell this format by the first bytes of a file: the mark stands within the first 32."""
    return _MARK_BYTES in head[:32]


class LegacyFile:
    """An open file of this format.

    Attributes:
        saved: what was saved, with a `Tensor` for each tensor.

    Raises:
        InputError: one of the pickles is damaged or names what it may not, or the storages do not
            fill the rest of the file.
    """

    def __init__(self, file: BinaryIO, where: str) -> None:
        self.file = file
        self.where = where
        self.storages: dict[str, Storage] = {}
        self.begins: dict[str, int] = {}
        file.seek(0)
        data = file.read(_MAX_PICKLE_BYTES)
        end = 0
        values: list[Any] = []
        for _ in range(5):
            value, end = run_pickle(data, end, where, find_global, self._storage)
            values.append(value)
        mark, version, _, self.saved, keys = values
        if mark != _MARK or version != _VERSION:
            raise InputError(f"{where}: not a file that torch.save wrote")
        if type(keys) is not list or not all(type(key) is str for key in keys):
            raise InputError(f"{where}: the list of storages is damaged")
        self._find(keys, end)

    def _storage(self, saved_id: Any) -> Storage:
        return remember(self.storages, make_storage(saved_id))

    def _find(self, keys: list[str], place: int) -> None:
        """Note where each storage begins, and check that together they fill the file."""
        file_bytes = self.file.seek(0, os.SEEK_END)
        # Not sorted: to compare one long text with itself takes time, as often as the list has it.
        if len(keys) != len(self.storages) or set(keys) != set(self.storages):
            raise InputError(f"{self.where}: the list of storages does not fit what was saved")
        for key in keys:
            storage = self.storages[key]
            self.file.seek(place)
            size = int.from_bytes(self.file.read(8), "little")
            self.begins[key] = place + 8
            place += 8 + storage.stored_bytes
            if size != storage.size or place > file_bytes:
                raise InputError(
                    f"{self.where}: storage {key} should have {storage.size:,} numbers; the file "
                    f"says {size:,} and ends at byte {file_bytes:,}; is it cut short?"
                )
        if place != file_bytes:
            raise InputError(f"{self.where}: {file_bytes - place:,} bytes follow the last storage")

    def read_storage(self, storage: Storage) -> UInt8[Array, " n"]:
        """Read the bytes of one storage."""
        self.file.seek(self.begins[storage.key])
        try:
            raw = np.empty(storage.stored_bytes, np.uint8)
        except MemoryError as error:
            raise InputError(f"{self.where}: storage {storage.key} does not fit memory") from error
        if self.file.readinto(raw) != raw.size:  # type: ignore[attr-defined]
            raise InputError(f"{self.where}: the file ends within storage {storage.key}")
        return raw
