"""Opening only what is a file, and replacing a file all at once or not at all.

Used by strict_json.py and checkpoints/, so that every failure of the file system is an InputError
with the path in it.
"""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from refimpl.errors import InputError

__all__ = ["make_folder", "open_for_reading", "open_for_replacing"]


@contextmanager
def open_for_reading(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a regular file, or a link to one, and close it at the end of the `with`.

    A FIFO or a device would block or never end, so neither is opened.

    Raises:
        InputError: there is no such file, it is not a regular file, or it cannot be read.
    """
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{path}: there is no such file") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL or a lone surrogate in the path
        raise InputError(f"{str(path)!r} cannot be opened: {error}") from error
    if not regular:
        raise InputError(f"{path}: not a regular file, so it is not read")
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error}") from error


@contextmanager
def open_for_replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of `path` when the `with` ends without an error.

    The bytes go to a temporary file in the same folder, which is then renamed. Until then the old
    file stays as it is; after a failure, whatever its kind, the temporary file is removed.
    The bytes are not forced to the disk: this guards against a crash of the program, not of the
    machine.

    Raises:
        InputError: the folder does not exist or cannot be written, the disk is full, or `path` is
            a folder.
    """
    temporary = Path(path).parent / f".{secrets.token_hex(8)}.tmp"
    try:
        try:
            with open(temporary, "xb") as file:
                yield file
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error}") from error


def make_folder(folder: Path) -> None:
    """Make a folder, with those above it, unless it is there.

    Raises:
        InputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise InputError(f"{str(folder)!r}: the folder cannot be made: {error}") from error
