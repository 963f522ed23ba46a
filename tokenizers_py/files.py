"""Reading the files of a tokenizer's folder, strictly: text, JSON objects, tables of ids.

Every reader in this package starts here, so that a missing, huge, truncated or wrongly encoded
file ends in one clear error. Called by vocabulary.py, wordpiece vocabularies and folders/pretrained.py.
"""

import json
import reprlib
from collections import Counter
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

from tokenizers_py.errors import TokenizerError

FilePath: TypeAlias = str | PathLike[str]

MAX_FILE_BYTES = 64 * 2**20  # far above any real vocabulary; keeps a wrong file out of memory
MAX_ID = 2**31 - 1


def read_bytes(path: FilePath) -> bytes:
    """Read a whole file of at most MAX_FILE_BYTES."""
    try:
        file = Path(path)
        if not file.is_file():
            raise TokenizerError(f"{path}: no such file")
        if (size := file.stat().st_size) > MAX_FILE_BYTES:
            raise TokenizerError(f"{path}: {size} bytes are too many for a vocabulary file")
        return file.read_bytes()
    except (OSError, TypeError) as error:
        raise TokenizerError(f"{path}: cannot be read: {error}") from error


def read_text(path: FilePath) -> str:
    """Read a text file: UTF-8, without a byte order mark."""
    raw = read_bytes(path)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise TokenizerError(f"{path}, line {line}: not UTF-8: {error.reason}") from error
    if text.startswith("\ufeff"):
        raise TokenizerError(f"{path}, line 1: starts with a byte order mark; save it without")
    return text


def read_json_object(path: FilePath) -> dict[str, Any]:
    """Read a JSON file whose top is an object without repeated keys."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            twice = counts.most_common(1)[0][0]
            raise TokenizerError(f"{path}: the key {shown(twice)} stands there twice")
        return found

    def no_number(text: str) -> None:
        raise TokenizerError(f"{path}: no usable JSON: {text} is no number there")

    try:
        content = json.loads(read_text(path), object_pairs_hook=unique, parse_constant=no_number)
    except TokenizerError:
        raise
    except json.JSONDecodeError as error:
        raise TokenizerError(f"{path}, line {error.lineno}: no JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise TokenizerError(f"{path}: no usable JSON: {error}") from error
    if not isinstance(content, dict):
        raise TokenizerError(f"{path}: must hold a JSON object; got {type(content).__name__}")
    return content


def check_ids(content: object, source: str) -> dict[str, int]:
    """Return `content` when it maps tokens to ids, no two tokens to one id."""
    if not isinstance(content, dict):
        raise TokenizerError(f"{source}: must be an object; got {type(content).__name__}")
    owner: dict[int, str] = {}
    for token, number in content.items():
        if not isinstance(token, str) or not token or not has_utf8(token):
            raise TokenizerError(f"{source}: {shown(token)} is no token: it must be some text")
        if type(number) is not int or not 0 <= number <= MAX_ID:
            raise TokenizerError(f"{source}: the id of {shown(token)} is no id: {shown(number)}")
        if number in owner:
            both = f"{shown(owner[number])} and {shown(token)}"
            raise TokenizerError(f"{source}: {both} both have id {number}")
        owner[number] = token
    return content


def shown(value: object) -> str:
    """Write a value for a message, shortened: it may be huge or deeply nested."""
    return f"{reprlib.repr(value):.60}"


def has_utf8(token: str) -> bool:
    """Say whether a text can be written as UTF-8: whether it has no lone surrogates."""
    return token.isascii() or not any("\ud800" <= c <= "\udfff" for c in token)
