"""Writing a tokenizer's folder: all files or none.

The layout of Transformers 4 is written, because all releases read it. Called by pretrained.py; the
model classes make the content of their vocabulary files, with the functions here if they fit.
"""

import json
import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import FilePath
from tokenizers_py.folders.tokens import ADDED, SINGLE


def vocab_bytes(ids: Mapping[str, int]) -> bytes:
    """Write a vocabulary as vocab.json, in the order of its ids."""
    by_id = dict(sorted(ids.items(), key=lambda item: item[1]))
    return json.dumps(by_id, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def merges_bytes(merges: Iterable[tuple[str, str]]) -> bytes:
    """Write merges, the most frequent first, as merges.txt."""
    lines = "".join(f"{first} {second}\n" for first, second in merges)
    return ("#version: 0.2\n" + lines).encode("utf-8")


def write_folder(
    folder: FilePath, files: Mapping[str, bytes], whole: bool = True
) -> tuple[str, ...]:
    """Write files into a folder, made if need be; returns their paths.

    Each is written under another name first and renamed when all are complete, so a full disk
    leaves the old files as they were.

    Args:
        folder: The folder.
        files: Name to content.
        whole: Whether this is a whole tokenizer, so that what else lies there must not change it:
            an older added_tokens.json is removed, a tokenizer.json refused.

    Raises:
        TokenizerError: Something cannot be written, or a tokenizer.json is in the way.
    """
    try:
        root = Path(folder)
        if whole and os.path.lexists(root / SINGLE):
            raise TokenizerError(
                f"{root / SINGLE}: belongs to another tokenizer, and readers prefer it to what is "
                "to be written here. Remove it or save into another folder."
            )
        if blocked := [name for name in files if (root / name).is_dir()]:
            raise TokenizerError(f"{root / blocked[0]}: cannot be written: there is a folder")
        paths = _write_all(root, files)
        if whole and ADDED not in files:
            (root / ADDED).unlink(missing_ok=True)
    except (OSError, TypeError, ValueError) as error:
        if isinstance(error, TokenizerError):
            raise
        raise TokenizerError(f"{folder}: cannot be written: {error}") from error
    return paths


def _write_all(root: Path, files: Mapping[str, bytes]) -> tuple[str, ...]:
    made = not root.exists()
    parts = {root / f".{name}.{uuid.uuid4().hex}.part": root / name for name in files}
    try:
        root.mkdir(parents=True, exist_ok=True)
        for part, content in zip(parts, files.values(), strict=True):
            part.write_bytes(content)
        for part, target in parts.items():
            os.replace(part, target)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
        if made and root.is_dir() and not any(root.iterdir()):
            root.rmdir()
    return tuple(str(target) for target in parts.values())
