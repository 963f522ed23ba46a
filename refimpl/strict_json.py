r"""JSON that came from outside: rejected when in doubt.

Python's own parser is lenient where two readers of one file could disagree: it keeps the last of
two equal keys, and it takes NaN, numbers that overflow, and text that is no Unicode. Used for
every config file (checkpoints/folder.py, images/config_files.py) and for the header of a
safetensors file (checkpoints/safetensors_header.py).

>>> parse_json(b'{"a": 1, "b": 2, "a": 3}', "config.json")
Traceback (most recent call last):
refimpl.errors.InputError: config.json: the key 'a' stands there twice
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from refimpl.errors import InputError
from refimpl.files import make_folder, open_for_reading, open_for_replacing

__all__ = ["MAX_DEPTH", "encode_json", "parse_json", "read_json", "write_json"]

MAX_DEPTH = 32  # lists and objects within each other; a config needs four
_MAX_DIGITS = 400  # int() takes quadratic time; the longest in use are 31 digits ("no limit")


def read_json(path: str | os.PathLike[str], max_bytes: int) -> Any:
    """Read one JSON document from a file of at most `max_bytes`.

    Raises:
        InputError: the file cannot be read, is too large, or `parse_json` refuses it.
    """
    with open_for_reading(path) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise InputError(f"{path}: larger than {max_bytes:,} bytes, the most that is read here")
    return parse_json(data, str(path))


def parse_json(data: bytes, where: str) -> Any:
    """Parse one JSON document in UTF-8. `where` names its source in error messages.

    Raises:
        InputError: not UTF-8, not JSON (NaN and Infinity are not), a key twice in one object,
            nesting deeper than MAX_DEPTH, a number out of range, or a lone surrogate.
    """
    try:
        text = data.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_object_without_duplicates,
            parse_constant=_reject_constant,
            parse_int=_bounded_int,
            parse_float=_finite_float,
        )
        if _deeper_than(MAX_DEPTH, value):
            raise RecursionError
        if "\\u" in text:  # only an escape can make a lone surrogate; encoding finds it
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    except RecursionError:
        raise InputError(f"{where}: nested deeper than {MAX_DEPTH} levels") from None
    except UnicodeError as error:
        raise InputError(f"{where}: text that is not valid Unicode: {error}") from error
    except ValueError as error:
        raise InputError(f"{where}: not valid JSON: {error}") from error
    return value


def encode_json(value: Mapping[str, Any], where: str) -> bytes:
    """Give one JSON object as a file's bytes; its keys are sorted, so equal objects are equal.

    Raises:
        InputError: the object is not JSON (NaN is not).
    """
    try:
        text = json.dumps(dict(value), indent=2, sort_keys=True, allow_nan=False) + "\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{where}: cannot be saved as JSON: {error}") from error
    return text.encode("ascii")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write one JSON object; the folder is made, an old file is replaced all at once.

    Raises:
        InputError: the object is not JSON (NaN is not), or the folder cannot be written.
    """
    data = encode_json(value, str(path))
    make_folder(path.parent)
    with open_for_replacing(path) as file:
        file.write(data)


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise InputError(f"the key {twice!r} stands there twice")
    return result


def _reject_constant(name: str) -> NoReturn:
    raise InputError(f"{name} is not JSON")


def _bounded_int(digits: str) -> int | float:
    if len(digits) > _MAX_DIGITS:
        raise InputError(f"a number with {len(digits)} digits")
    return int(digits) if digits != "-0" else -0.0


def _finite_float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise InputError(f"the number {digits[:40]} is out of range")
    return value


def _deeper_than(limit: int, value: Any) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return False
    return True
