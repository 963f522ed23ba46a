"""A tokenizer's folder: what lies in it, and writing one.

Two layouts are read. Transformers 4: vocab.json, merges.txt, tokenizer_config.json,
special_tokens_map.json, added_tokens.json. Transformers 5: tokenizer.json, tokenizer_config.json.
Where a folder holds both, vocab.json and merges.txt count. The first layout is written, because
all releases read it. Called by clip.py; the vocabulary files themselves are vocabulary.py's.

Source: transformers 4.57.6, tokenization_utils_base.py; 5.23.0, tokenization_utils_tokenizers.py.
"""

import json
import math
import os
import uuid
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import FilePath, check_ids, read_json_object
from tokenizers_py.special_tokens import SPECIAL_NAMES
from tokenizers_py.vocabulary import Vocabulary, read_tokenizer_json, vocabulary_from_files

NO_LIMIT = int(1e30)  # what Transformers writes as model_max_length when there is none


def read_folder(folder: FilePath) -> tuple[Vocabulary, dict[str, int], dict[str, Any]]:
    """Read a folder of either layout: the vocabulary, the added tokens' ids, the settings.

    The settings are keywords of CLIPTokenizer, only those that the files name;
    tokenizer_config.json goes before special_tokens_map.json.

    Raises:
        TokenizerError: There is no such folder, a file is missing or broken, or it asks for
            something that is not supported; names the file.
    """
    root = Path(folder)
    if not root.is_dir():
        raise TokenizerError(f"{folder}: no such folder")
    vocabulary, added = _read_vocabulary(root)
    settings: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (root / name).exists():
            content = read_json_object(root / name)
            added |= _added_tokens(content, str(root / name))
            settings |= _settings(content, str(root / name))
    return vocabulary, added, settings


def add_tokens(
    vocabulary: Vocabulary, added: Mapping[str, int], special: Collection[str]
) -> Vocabulary:
    """Give special tokens that are not in the vocabulary the ids of the added tokens.

    Raises:
        TokenizerError: An added token is not special (text would have to be split at it, which
            is not supported), or its id contradicts the vocabulary.
    """
    for token, number in added.items():
        if token not in special:
            raise TokenizerError(
                f"added token {token!r} (id {number}) is not supported: only the special tokens "
                f"{', '.join(map(str, special))} are"
            )
        if vocabulary.ids.get(token, number) != number:
            raise TokenizerError(
                f"added token {token!r} has id {number}, but id {vocabulary.ids[token]} in the "
                "vocabulary"
            )
    new = {token: number for token, number in added.items() if token not in vocabulary.ids}
    if not new:
        return vocabulary
    taken = {number: token for token, number in vocabulary.ids.items()}
    for token, number in new.items():
        if number in taken:
            raise TokenizerError(f"added token {token!r} has id {number}, as has {taken[number]!r}")
    return Vocabulary(vocabulary.ids | new, vocabulary.ranks)


def write_folder(folder: FilePath, files: Mapping[str, str]) -> tuple[str, ...]:
    """Write text files into a folder, made if need be; returns their paths.

    Each is written under another name first and renamed when all are complete, so a full disk
    leaves the old files as they were.

    Raises:
        TokenizerError: Something cannot be written, or the folder holds a file that would make
            a reader ignore or change what is written.
    """
    root = Path(folder)
    for name in ("tokenizer.json", "added_tokens.json"):
        if (root / name).exists():
            raise TokenizerError(
                f"{root / name}: belongs to another tokenizer, and readers prefer it to what is "
                "to be written here. Remove it or save into another folder."
            )
    made = not root.exists()
    parts = {root / f".{name}.{uuid.uuid4().hex}.part": root / name for name in files}
    try:
        root.mkdir(parents=True, exist_ok=True)
        for part, text in zip(parts, files.values(), strict=True):
            part.write_bytes(text.encode("utf-8"))
        for part, target in parts.items():
            os.replace(part, target)
    except OSError as error:
        raise TokenizerError(f"{folder}: cannot be written: {error}") from error
    finally:
        for part in parts:
            if part.exists():
                part.unlink()
        if made and root.is_dir() and not any(root.iterdir()):
            root.rmdir()
    return tuple(str(target) for target in parts.values())


def folder_files(vocabulary: Vocabulary, settings: Mapping[str, Any]) -> dict[str, str]:
    """Lay out a tokenizer as the files of Transformers 4: name to content."""
    by_id = dict(sorted(vocabulary.ids.items(), key=lambda item: item[1]))
    special = {name: settings[name] for name in SPECIAL_NAMES if name in settings}
    config = {"tokenizer_class": "CLIPTokenizer", "clean_up_tokenization_spaces": False, **settings}
    merges = "".join(f"{first} {second}\n" for first, second in vocabulary.ranks)
    return {
        "vocab.json": json.dumps(by_id, ensure_ascii=False, separators=(",", ":")),
        "merges.txt": "#version: 0.2\n" + merges,
        "special_tokens_map.json": json.dumps(special, ensure_ascii=False, indent=2) + "\n",
        "tokenizer_config.json": json.dumps(config, ensure_ascii=False, indent=2) + "\n",
    }


def _read_vocabulary(root: Path) -> tuple[Vocabulary, dict[str, int]]:
    vocab, merges, single = root / "vocab.json", root / "merges.txt", root / "tokenizer.json"
    if vocab.exists() and merges.exists():
        added = root / "added_tokens.json"
        ids = check_ids(read_json_object(added), str(added)) if added.exists() else {}
        return vocabulary_from_files(vocab, merges), ids
    if single.exists():
        return read_tokenizer_json(single)
    missing = [file.name for file in (vocab, merges) if not file.exists()]
    raise TokenizerError(
        f"{root}: {' and '.join(missing)} missing; needs vocab.json and merges.txt, or "
        "tokenizer.json"
    )


def _settings(content: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Take what CLIPTokenizer knows out of a config; null is as good as absent."""
    if content.get("truncation_side", "right") != "right":
        raise TokenizerError(f'{source}: "truncation_side" other than "right" is not supported')
    found = {name: _token_text(content.get(name), f"{source}, {name!r}") for name in SPECIAL_NAMES}
    found["model_max_length"] = _length(content.get("model_max_length"), source)
    found["padding_side"] = content.get("padding_side")
    return {name: value for name, value in found.items() if value is not None}


def _token_text(value: object, source: str) -> Any:
    """Read a special token, which files write as text or as an object with flags."""
    text = value.get("content") if isinstance(value, dict) else value
    if value is not None and not isinstance(text, str):
        raise TokenizerError(f"{source}: must be a token's text; got {value!r:.60}")
    return text


def _length(value: object, source: str) -> Any:
    if value is None:
        return None
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        value = int(value)  # 1e30 is how some writers spell "no limit"
    if type(value) is not int or value < 1:
        raise TokenizerError(f'{source}: "model_max_length" must be a count; got {value!r:.60}')
    return value


def _added_tokens(content: Mapping[str, Any], source: str) -> dict[str, int]:
    """Read added_tokens_decoder: id, as text, to a token with flags."""
    entries = content.get("added_tokens_decoder") or {}
    if not isinstance(entries, dict):
        raise TokenizerError(f'{source}: "added_tokens_decoder" must be an object')
    found: dict[str, object] = {}
    for number, token in entries.items():
        text = _token_text(token, f"{source}, added token {number!r:.60}")
        digits = number.isascii() and number.isdigit() and len(number) < 12
        found[text] = int(number) if digits else number
    return check_ids(found, f'{source}, "added_tokens_decoder"')
