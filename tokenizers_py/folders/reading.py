"""What lies in a tokenizer's folder, whatever the model: its settings and its added tokens.

Two layouts are read. Transformers 4: vocabulary files (vocab.json and merges.txt, vocab.txt or
spiece.model), tokenizer_config.json, special_tokens_map.json, added_tokens.json, and often
tokenizer.json beside them. Transformers 5: tokenizer.json and tokenizer_config.json alone. Called
by pretrained.py, whose classes read their vocabulary out of what is found here; tokenizer_json.py
reads tokenizer.json, tokens.py the tokens.

Source: transformers 4.57.6 and 5.23.0, tokenization_utils_base.py.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers_py.calls.added_tokens import AddedToken
from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import FilePath, read_json_object, shown
from tokenizers_py.folders.tokens import CONFIG, SINGLE, SPECIAL_MAP, read_added


@dataclass(frozen=True)
class TokenizerFiles:
    """A tokenizer's folder, read and checked, but for the vocabulary.

    Args:
        root: The folder.
        config: The settings: tokenizer_config.json over special_tokens_map.json over
            tokenizer.json (the sides of padding and truncation), without those that are null.
        tokenizer_json: The content of tokenizer.json, if there is one.
        added: The added tokens of all files, by id.
    """

    root: Path
    config: dict[str, Any]
    tokenizer_json: dict[str, Any] | None
    added: dict[int, AddedToken]

    def path(self, name: str) -> Path | None:
        """Give the path of a file in the folder, if there is one (a link to nothing is one)."""
        path = self.root / name
        return path if os.path.lexists(path) else None

    def where(self, key: str) -> str:
        """Say for a message where a setting stands."""
        return f"{self.root / CONFIG} or {SPECIAL_MAP}, {key!r}"

    def missing(self, *layouts: Sequence[str]) -> TokenizerError:
        """Make the error for a folder without a vocabulary: what each layout lacks.

        >>> TokenizerFiles(Path("x"), {}, None, {}).missing(["vocab.txt"], ["tokenizer.json"])
        TokenizerError('x: vocab.txt missing; or tokenizer.json missing')
        """
        lacks = [[name for name in names if self.path(name) is None] for names in layouts]
        what = "; or ".join(f"{' and '.join(names)} missing" for names in lacks)
        return TokenizerError(f"{self.root}: {what}")

    def model_type(self) -> str | None:
        """Read the kind of model from config.json, if there is one; of two towers, the text's."""
        path = self.path("config.json")
        if path is None:
            return None
        config: Any = read_json_object(path)
        if config.get("model_type") == "vision-text-dual-encoder":
            config = config.get("text_config")  # its text model may be of any kind
        kind = config.get("model_type") if isinstance(config, dict) else None
        if kind is not None and not isinstance(kind, str):
            raise TokenizerError(f'{path}, "model_type": must be text; got {shown(kind)}')
        return kind


def read_folder(folder: FilePath) -> TokenizerFiles:
    """Read a tokenizer's folder of either layout, but for the vocabulary.

    Raises:
        TokenizerError: There is no such folder, a file is broken, or two files contradict each
            other in an added token's id; names the file.
    """
    files = TokenizerFiles(_folder(folder), {}, None, {})
    config: dict[str, Any] = {}
    for name in (SPECIAL_MAP, CONFIG):
        if path := files.path(name):
            for key, value in read_json_object(path).items():
                old = config.get(key)
                same = isinstance(old, dict) and old.get("content") == value
                if value is not None and not same:  # the same token, but here without flags
                    config[key] = value
    path = files.path(SINGLE)
    single = None if path is None else read_json_object(path)
    config = _sides(single or {}, str(path)) | config
    return TokenizerFiles(files.root, config, single, read_added(files.root, config, single))


def _sides(single: Mapping[str, Any], source: str) -> dict[str, str]:
    """Read the sides of padding and truncation that tokenizer.json was saved with, if it was."""
    found = {}
    for name in ("padding", "truncation"):
        options = single.get(name)
        side = options.get("direction", "Right") if isinstance(options, dict) else "Right"
        if side not in ("Left", "Right") or not isinstance(options, dict | None):
            raise TokenizerError(f'{source}, "{name}": must have a direction; got {shown(options)}')
        if options is not None:
            found[f"{name}_side"] = side.lower()
    return found


def _folder(folder: FilePath) -> Path:
    try:
        root = Path(folder)
        if root.is_dir():
            return root
    except (TypeError, ValueError, OSError) as error:
        raise TokenizerError(f"{shown(folder)}: no folder: {error}") from error
    raise TokenizerError(f"{folder}: no such folder")
