"""Special and added tokens as files tell of them: text or object, with id or without, in five places.

tokenizer_config.json and special_tokens_map.json name special tokens; added_tokens.json,
tokenizer.json ("added_tokens") and tokenizer_config.json ("added_tokens_decoder") give added ones
their ids. Ids and texts must agree everywhere. Flags need not, because real folders differ in them;
then the last of those three counts, as in Transformers. Called by reading.py.

Source: transformers 4.57.6, tokenization_utils_base.py, _from_pretrained.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tokenizers_py.calls.added_tokens import AddedToken
from tokenizers_py.calls.special_tokens import EXTRA_NAMES, SPECIAL_NAMES
from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import MAX_ID, check_ids, has_utf8, read_json_object, shown

CONFIG = "tokenizer_config.json"
SPECIAL_MAP = "special_tokens_map.json"
ADDED = "added_tokens.json"
SINGLE = "tokenizer.json"
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
_DECODER = "added_tokens_decoder"


def read_token(value: object, source: str) -> AddedToken:
    """Read a token, which files write as text or as an object with flags.

    >>> read_token({"content": "<mask>", "lstrip": True}, "x.json").lstrip
    True
    """
    entry = value if isinstance(value, dict) else {"content": value}
    text = entry.get("content")
    if not isinstance(text, str) or not text or not has_utf8(text):
        raise TokenizerError(f"{source}: must be a token's text; got {shown(value)}")
    flags: dict[str, Any] = {name: entry[name] for name in _FLAGS if entry.get(name) is not None}
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise TokenizerError(f"{source}: {name!r} must be true or false; got {shown(flag)}")
    flags.setdefault("normalized", not flags.get("special", False))
    return AddedToken(text, **flags)


def read_extra(value: object, source: str) -> list[AddedToken]:
    """Read further special tokens: a list, or an object whose values they are."""
    tokens = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(tokens, list):
        raise TokenizerError(f"{source}: must be a list of tokens; got {shown(value)}")
    entries = [token if isinstance(token, dict) else {"content": token} for token in tokens]
    return [read_token({**entry, "special": True}, source) for entry in entries]


def read_added(
    root: Path, config: Mapping[str, Any], single: Mapping[str, Any] | None
) -> dict[int, AddedToken]:
    """Read the added tokens of all files of a folder, by id.

    Raises:
        TokenizerError: An entry is broken, or two contradict each other; names the files.
    """
    return _join(_parts(root, config, single))


def _parts(
    root: Path, config: Mapping[str, Any], single: Mapping[str, Any] | None
) -> Iterator[tuple[Path, dict[int, AddedToken]]]:
    """Give the added tokens of each file that has some, the one that counts most last."""
    if os.path.lexists(path := root / ADDED):
        ids = check_ids(read_json_object(path), str(path))
        special = _special_texts(root, config)
        yield (
            path,
            {
                number: AddedToken(text, normalized=text not in special, special=text in special)
                for text, number in ids.items()
            },
        )
    if single is not None:
        source = f'{root / SINGLE}, "added_tokens"'
        entries = single.get("added_tokens") or []
        if not isinstance(entries, list):
            raise TokenizerError(f"{source}: must be a list; got {shown(entries)}")
        ids_of = [entry.get("id") if isinstance(entry, dict) else None for entry in entries]
        yield root / SINGLE, _by_id(zip(ids_of, entries, strict=True), source)
    if decoder := config.get(_DECODER):
        source = f'{root / CONFIG}, "{_DECODER}"'
        if not isinstance(decoder, dict):
            raise TokenizerError(f"{source}: must be an object; got {shown(decoder)}")
        yield root / CONFIG, _by_id(((_number(k), v) for k, v in decoder.items()), source)


def _special_texts(root: Path, config: Mapping[str, Any]) -> set[str]:
    """Collect the special tokens that the settings name, whose added tokens are special too."""
    named = [read_token(config[n], f"{root}, {n!r}") for n in SPECIAL_NAMES if n in config]
    for name in EXTRA_NAMES:
        named += read_extra(config.get(name) or [], f"{root}, {name!r}")
    return {token.content for token in named}


def _by_id(entries: Iterable[tuple[object, object]], source: str) -> dict[int, AddedToken]:
    found: dict[int, AddedToken] = {}
    texts: set[str] = set()
    for number, entry in entries:
        if type(number) is not int or not 0 <= number <= MAX_ID:
            raise TokenizerError(f"{source}: the id of {shown(entry)} is no id: {shown(number)}")
        if not isinstance(entry, dict):
            raise TokenizerError(f"{source}: must hold objects; got {shown(entry)}")
        token = read_token(entry, source)
        if number in found or token.content in texts:
            raise TokenizerError(f"{source}: {token.content!r} or its id {number} stands twice")
        found[number] = token
        texts.add(token.content)
    return found


def _number(key: str) -> int | str:
    """Read an id that is a key of an object and so is text; other text is given back."""
    return int(key) if key.isascii() and key.isdigit() and len(key) < 12 else key


def _join(parts: Iterable[tuple[Path, Mapping[int, AddedToken]]]) -> dict[int, AddedToken]:
    """Join the added tokens of several files; flags of later ones count."""
    found: dict[int, AddedToken] = {}
    owner: dict[str, int] = {}
    source: dict[int, Path] = {}
    for path, tokens in parts:
        for number, token in tokens.items():
            other = number if number in found else owner.get(token.content)
            if other is not None and (found[other].content, other) != (token.content, number):
                raise TokenizerError(
                    f"{path}: added token {token.content!r} has id {number}, but in "
                    f"{source[other]} {found[other].content!r} has id {other}"
                )
            found[number] = token
            owner[token.content] = number
            source[number] = path
    return found
