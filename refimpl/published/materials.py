"""What a row is computed from: checkpoints, pictures, stored arrays.

Each is looked up when a recipe asks for it. What is not here raises `NotHere`, whose text is the
reason why the row was not run. Used by recipes.py.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from refimpl.checkpoints.hub import resolve
from refimpl.errors import InputError
from refimpl.shapes import Array

HERE = Path(__file__).parent
_KINDS = ("", ".png", ".jpg", ".jpeg")


class NotHere(Exception):
    """Something that a row needs is not to be had; the text says what, and why."""


@dataclass
class Materials:
    """Where to look.

    Attributes:
        folders: folder or file of a checkpoint by its name on the hub; asked before the hub.
        pictures: a folder with the pictures that this package may not pass on, or None.
        local_files_only: take what the hub's cache holds and do not touch the network.
    """

    folders: Mapping[str, Path] = field(default_factory=dict)
    pictures: Path | None = None
    local_files_only: bool = False
    _found: dict[str, Path | str] = field(default_factory=dict)

    def checkpoint(self, name: str) -> Path:
        """Find a checkpoint; the hub is asked once for each name.

        Raises:
            NotHere: it is neither named nor on the hub, or the hub cannot be reached.
        """
        if name not in self._found:
            given = self.folders.get(name)
            try:
                self._found[name] = resolve(
                    name if given is None else given, local_files_only=self.local_files_only
                )
            except InputError as error:
                self._found[name] = f"no weights: {error}"
        found = self._found[name]
        if isinstance(found, str):
            raise NotHere(found)
        return found

    def picture(self, name: str, git_blob: str = "") -> Path:
        """Find a picture: in this package, or in the user's folder under the same name.

        Args:
            name: the file's name; `.png`, `.jpg` and `.jpeg` are tried where it has no ending.
            git_blob: beginning of the git blob id of the file that was used, if it is known.

        Raises:
            NotHere: there is none, or it is another file than the one that was used.
        """
        places = [HERE / "pictures", *([] if self.pictures is None else [self.pictures])]
        for path in (place / (name + kind) for place in places for kind in _KINDS):
            if path.is_file():
                if git_blob and not _blob_id(path.read_bytes()).startswith(git_blob):
                    raise NotHere(f"{path} is another picture: its git blob is not {git_blob}...")
                return path
        raise NotHere(f"no picture {name}: name its folder with --pictures")

    def array(self, name: str) -> Array:
        """Read a stored array of this package."""
        values: Array = np.load(HERE / f"{name}.npy", allow_pickle=False)
        return values


def _blob_id(data: bytes) -> str:
    """Hash bytes as git does, to recognise a file of a public repository."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
