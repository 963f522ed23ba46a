"""from_pretrained and save_pretrained: a tokenizer out of a folder or the hub, and into a folder.

reading.py reads what is the same for all models (settings, added tokens), writing.py
writes, hub.py fetches. A model's class reads its own vocabulary files through `_read_vocabulary`
and gives them back through `_vocabulary_files`. The rest follows from its constructor: a setting
is a keyword of the constructor and an attribute of the same name. Built on by every model's
tokenizer; auto.py chooses the class.

Source: transformers 4.57.6 and 5.23.0, tokenization_utils_base.py.
"""

import inspect
import json
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from tokenizers_py.calls.added_tokens import AddedToken
from tokenizers_py.calls.special_tokens import EXTRA_NAMES, SPECIAL_NAMES
from tokenizers_py.calls.tokenizer import TokenizerCalls
from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import FilePath, shown
from tokenizers_py.folders.agreement import check_agrees
from tokenizers_py.folders.hub import resolve
from tokenizers_py.folders.reading import TokenizerFiles, read_folder
from tokenizers_py.folders.tokens import ADDED, CONFIG, SPECIAL_MAP, read_extra, read_token
from tokenizers_py.folders.writing import write_folder

__all__ = ["NO_LIMIT", "PreTrainedTokenizer", "TokenizerFiles", "read_folder"]

NO_LIMIT = int(1e30)  # what Transformers writes as model_max_length when there is none
Self = TypeVar("Self", bound="PreTrainedTokenizer")


class PreTrainedTokenizer(TokenizerCalls):
    """What every model's tokenizer is built on: the calls, and reading and writing a folder."""

    @classmethod
    @abstractmethod
    def _read_vocabulary(cls, files: TokenizerFiles) -> dict[str, Any]:
        """Read the vocabulary out of a folder, as keywords of the constructor."""

    @abstractmethod
    def _vocabulary_files(self) -> dict[str, bytes]:
        """Give the vocabulary files of Transformers 4: name to content."""

    @classmethod
    def default_profile(cls, files: TokenizerFiles) -> str | None:
        """Choose the profile when neither caller nor files name one; None: the constructor's."""
        return None

    @classmethod
    def from_pretrained(
        cls: type[Self],
        name_or_folder: FilePath,
        *,
        profile: str | None = None,
        revision: str | None = None,
        cache_dir: FilePath | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
        **overrides: Any,
    ) -> Self:
        """Read a folder as Transformers 4 or 5 writes it, or fetch one from the hub.

        What the caller says goes before tokenizer_config.json, and that before the other files.
        Settings that the class does not know are ignored in files, as `auto_map` is: no code of a
        folder is ever run.

        Args:
            name_or_folder: A folder, or a hub id such as "openai/clip-vit-base-patch32".
            profile: Which upstream to be equal to, where they differ; see the class.
            revision: Branch, tag or commit on the hub; its main branch by default.
            cache_dir: The hub's cache folder, if not the usual one.
            local_files_only: Take what the cache holds and do not touch the network.
            token: What to log in with on the hub, if not the usual login; False: nothing.
            overrides: Keywords of the class.

        Raises:
            TokenizerError: There is no such folder, a file is missing or broken, or it asks for
                something that is not supported; names the file.
        """
        folder = resolve(
            name_or_folder,
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            token=token,
        )
        return cls.from_files(read_folder(folder), profile=profile, **overrides)

    @classmethod
    def from_files(
        cls: type[Self], files: TokenizerFiles, *, profile: str | None = None, **overrides: Any
    ) -> Self:
        """Make a tokenizer of a folder that was read already; see `from_pretrained`."""
        known = set(inspect.signature(cls).parameters)
        if unknown := overrides.keys() - known - set(EXTRA_NAMES):
            raise TokenizerError(
                f"{cls.__name__}.from_pretrained: no such keyword: {', '.join(sorted(unknown))}"
            )
        given = cls._read_vocabulary(files) | _settings(files, known)
        given["added_tokens"] = files.added
        if "profile" not in known and profile not in (None, "transformers"):
            raise TokenizerError(f'{cls.__name__}: has the profile "transformers" only')
        profile = profile or given.get("profile") or cls.default_profile(files)
        if profile is not None and "profile" in known:
            given["profile"] = profile
        extra = _extra_tokens(files, overrides)
        given |= {name: value for name, value in overrides.items() if name not in EXTRA_NAMES}
        try:
            tokenizer = cls(**given)
        except TokenizerError as error:
            raise TokenizerError(f"{files.root}: {error}") from error
        tokenizer.add_tokens(_flagged(files, tokenizer.special_tokens_map), special_tokens=True)
        tokenizer.add_special_tokens({"extra_special_tokens": extra})
        check_agrees(files, tokenizer.get_vocab(), tokenizer.template, tokenizer.special_tokens_map)
        return tokenizer

    def save_pretrained(self, folder: FilePath) -> tuple[str, ...]:
        """Write vocabulary files and config files as Transformers 4 does; returns their paths.

        An older save in the folder is replaced. Either all files are written or none.

        Raises:
            TokenizerError: Something cannot be written, or a tokenizer.json is in the way.
        """
        special: dict[str, Any] = {**self.special_tokens_map}
        if self.extra_special_tokens:
            special["additional_special_tokens"] = self.extra_special_tokens
        added = self.added_tokens_decoder
        flags = {str(n): asdict(token) for n, token in added.items() if not self._is_plain(token)}
        settings: dict[str, Any] = {"tokenizer_class": type(self).__name__, **special}
        if flags:
            settings["added_tokens_decoder"] = flags
        known = inspect.signature(type(self)).parameters.keys()
        for name in sorted(known & CHECKS.keys() - set(SPECIAL_NAMES)):
            if (value := getattr(self, name)) is not None:
                settings[name] = value
        files = {SPECIAL_MAP: _json(special), CONFIG: _json(settings)}
        new = {token.content: n for n, token in added.items() if n >= self.vocab_size}
        if new:
            files[ADDED] = _json(new)
        return write_folder(folder, {**self._vocabulary_files(), **files})

    def _is_plain(self, token: AddedToken) -> bool:
        """Say whether it is a special token without flags; readers then take their own default."""
        named = token.content in self.special_tokens_map.values()
        return named and token == AddedToken(token.content, normalized=False, special=True)

    def save_vocabulary(
        self, folder: FilePath, filename_prefix: str | None = None
    ) -> tuple[str, ...]:
        """Write the vocabulary files alone, as "prefix-vocab.json"; returns their paths.

        Raises:
            TokenizerError: Something cannot be written, or the prefix is no part of a file's name.
        """
        prefix = f"{filename_prefix}-" if filename_prefix else ""
        if Path(f"{prefix}x").name != f"{prefix}x" or "\0" in prefix:
            raise TokenizerError(f"filename_prefix: {prefix!r:.60} cannot begin a file's name")
        files = {prefix + name: content for name, content in self._vocabulary_files().items()}
        return write_folder(folder, files, whole=False)


def _settings(files: TokenizerFiles, known: set[str]) -> dict[str, Any]:
    """Take what a class knows out of the settings of a folder."""
    return {
        name: check(files.config[name], files.where(name))
        for name, check in CHECKS.items()
        if name in known and name in files.config
    }


def _flagged(files: TokenizerFiles, special: Mapping[str, str]) -> list[AddedToken]:
    """Find the special tokens that files write as objects with flags.

    Those with an id in the files have their flags by now; the others' ids are the vocabulary's.
    """
    known = {token.content for token in files.added.values()}
    found = []
    for name, text in special.items():
        value = files.config.get(name)
        if isinstance(value, dict) and value.get("content") == text and text not in known:
            found.append(read_token({**value, "special": True}, files.where(name)))
    return found


def _extra_tokens(files: TokenizerFiles, overrides: Mapping[str, Any]) -> Any:
    """Find the special tokens without a name: the caller's, or the files' with their flags."""
    for name in EXTRA_NAMES:
        if overrides.get(name) is not None:
            return overrides[name]
    flags = {token.content: token for token in files.added.values()}
    extra: dict[str, AddedToken] = {}
    for name in EXTRA_NAMES:
        for token in read_extra(files.config.get(name) or [], files.where(name)):
            extra[token.content] = flags.get(token.content, token)
    return list(extra.values())


def _token_text(value: object, source: str) -> str:
    return read_token(value, source).content


def _length(value: object, source: str) -> int:
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        value = int(value)  # 1e30 is how some writers spell "no limit"
    if type(value) is not int or value < 1:
        raise TokenizerError(f"{source}: must be a count; got {shown(value)}")
    return value


def _flag(value: object, source: str) -> bool:
    if not isinstance(value, bool):
        raise TokenizerError(f"{source}: must be true or false; got {shown(value)}")
    return value


def _text(value: object, source: str) -> str:
    if not isinstance(value, str):
        raise TokenizerError(f"{source}: must be text; got {shown(value)}")
    return value


def _texts(value: object, source: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TokenizerError(f"{source}: must be a list of texts; got {shown(value)}")
    return value


def _object(value: object, source: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TokenizerError(f"{source}: must be an object; got {shown(value)}")
    return value


# The settings that are read and written where a class has them, and what each must be.
CHECKS: Mapping[str, Callable[[object, str], Any]] = {
    **dict.fromkeys(SPECIAL_NAMES, _token_text),
    "add_prefix_space": _flag,
    "clean_up_tokenization_spaces": _flag,
    "do_lower_case": _flag,
    "errors": _text,
    "model_input_names": _texts,
    "model_max_length": _length,
    "padding_side": _text,
    "profile": _text,
    "sp_model_kwargs": _object,
    "strip_accents": _flag,
    "tokenize_chinese_chars": _flag,
    "trim_offsets": _flag,
    "truncation_side": _text,
}


def _json(content: object) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode("utf-8")
