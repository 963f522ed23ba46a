"""A processor's JSON: found in a folder in either layout, and written back.

Called by processor.py and refimpl/auto.py. transformers 4 writes `preprocessor_config.json`;
transformers 5 writes `processor_config.json` with the image part nested under "image_processor".
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from refimpl.errors import InputError
from refimpl.strict_json import read_json, write_json

PREPROCESSOR_FILE = "preprocessor_config.json"
PROCESSOR_FILE = "processor_config.json"
_MAX_BYTES = 1_000_000  # real ones have about 500


def find_settings(path: Path) -> tuple[dict[str, Any], Path]:
    """Read the image part of a checkpoint folder; give it and the file that it stood in.

    The nested part of processor_config.json wins over preprocessor_config.json, as in
    transformers 5.23.0 (image_processing_base.py). `path` may also be one JSON file.

    Raises:
        InputError: no such folder, neither file in it, or a file that is not a JSON object.
    """
    if path.is_file():
        found = _read_object(path)
        return _nested(found, path) or found, path
    if not path.is_dir():
        raise InputError(f"{path}: neither a folder nor a file")
    processor, preprocessor = path / PROCESSOR_FILE, path / PREPROCESSOR_FILE
    if processor.is_file():
        nested = _nested(_read_object(processor), processor)
        if nested is not None:
            return nested, processor
    if preprocessor.is_file():
        return _read_object(preprocessor), preprocessor
    raise InputError(
        f"{path}: holds neither {PREPROCESSOR_FILE} nor a {PROCESSOR_FILE} with an "
        '"image_processor" in it'
    )


def read_if_there(path: Path) -> dict[str, Any]:
    """Read one JSON object; an empty one where there is no such file.

    Raises:
        InputError: the file is not one JSON object.
    """
    return _read_object(path) if path.is_file() else {}


def _nested(processor: dict[str, Any], path: Path) -> dict[str, Any] | None:
    nested = processor.get("image_processor")
    if nested is not None and not isinstance(nested, dict):
        raise InputError(f'{path}: "image_processor" must be an object; got {nested!r}')
    return nested


def _read_object(path: Path) -> dict[str, Any]:
    found = read_json(path, _MAX_BYTES)
    if not isinstance(found, dict):
        raise InputError(f"{path}: must hold a JSON object; got {type(found).__name__}")
    return found


def write_settings(folder: str | os.PathLike[str], settings: Mapping[str, Any]) -> list[Path]:
    """Write the image part into a folder so that `find_settings` finds it; give the paths.

    Raises:
        InputError: see strict_json.write_json, and read_json for a processor_config.json that is
            there.
    """
    preprocessor, processor = Path(folder) / PREPROCESSOR_FILE, Path(folder) / PROCESSOR_FILE
    whole = read_if_there(processor)
    write_json(preprocessor, settings)
    if _nested(whole, processor) is None:
        return [preprocessor]
    write_json(processor, {**whole, "image_processor": dict(settings)})
    return [preprocessor, processor]
