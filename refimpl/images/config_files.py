"""A processor's JSON: found in a folder in either layout, read strictly, written atomically.

Called by clip.py. transformers 4 writes `preprocessor_config.json`; transformers 5 writes
`processor_config.json` with the image part nested under "image_processor".
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from refimpl.errors import InputError

PREPROCESSOR_FILE = "preprocessor_config.json"
PROCESSOR_FILE = "processor_config.json"
_MAX_BYTES = 1_000_000  # real ones have about 500


def find_settings(folder: str | os.PathLike[str]) -> tuple[dict[str, Any], Path]:
    """Read the image part of a checkpoint folder; give it and the file that it stood in.

    The nested part of processor_config.json wins over preprocessor_config.json, as in
    transformers 5.23.0 (image_processing_base.py). `folder` may also be one JSON file.

    Raises:
        InputError: no such folder, neither file in it, or a file that is not a JSON object.
    """
    path = Path(folder)
    if path.is_file():
        found = read_json(path)
        return _nested(found, path) or found, path
    if not path.is_dir():
        raise InputError(f"{path}: no such folder; nothing is downloaded here")
    processor, preprocessor = path / PROCESSOR_FILE, path / PREPROCESSOR_FILE
    if processor.is_file():
        nested = _nested(read_json(processor), processor)
        if nested is not None:
            return nested, processor
    if preprocessor.is_file():
        return read_json(preprocessor), preprocessor
    raise InputError(
        f"{path}: holds neither {PREPROCESSOR_FILE} nor a {PROCESSOR_FILE} with an "
        '"image_processor" in it'
    )


def _nested(processor: dict[str, Any], path: Path) -> dict[str, Any] | None:
    nested = processor.get("image_processor")
    if nested is not None and not isinstance(nested, dict):
        raise InputError(f'{path}: "image_processor" must be an object; got {nested!r}')
    return nested


def read_json(path: Path) -> dict[str, Any]:
    """Read one small JSON object, without the liberties of Python's reader.

    Raises:
        InputError: not UTF-8 JSON, not an object, a key twice, NaN or Infinity, or over 1 MB.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= _MAX_BYTES else None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if data is None:
        raise InputError(f"{path}: larger than {_MAX_BYTES} bytes, too large for a configuration")
    try:
        found = json.loads(
            data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: must hold a JSON object; got {type(found).__name__}")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"the keys {twice} stand twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def write_settings(folder: str | os.PathLike[str], settings: Mapping[str, Any]) -> list[Path]:
    """Write the image part into a folder so that `find_settings` finds it; give the paths.

    Raises:
        InputError: see write_json, and read_json for a processor_config.json that is there.
    """
    preprocessor, processor = Path(folder) / PREPROCESSOR_FILE, Path(folder) / PROCESSOR_FILE
    whole = read_json(processor) if processor.is_file() else {}
    write_json(preprocessor, settings)
    if _nested(whole, processor) is None:
        return [preprocessor]
    write_json(processor, {**whole, "image_processor": dict(settings)})
    return [preprocessor, processor]


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON (sorted keys, indent 2) in full or not at all: another file, then a rename.

    Raises:
        InputError: a value that JSON cannot hold, or a folder that cannot be written.
    """
    try:
        text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: cannot be saved as JSON ({error})") from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)  # mkstemp makes it the owner's alone
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
