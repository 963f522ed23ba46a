"""The tokens that stand for a place or a lack, not for text: start, end, unknown, padding.

`SpecialTokens` gives a tokenizer the attributes `bos_token`, `bos_token_id` and so on for the
four. Used by clip.py, the same for every tokenizer.
"""

from typing import Any

from tokenizers_py.errors import TokenizerError
from tokenizers_py.vocabulary import SPECIAL_TOKENS

SPECIAL_NAMES = ("bos_token", "eos_token", "unk_token", "pad_token")
DEFAULTS = dict(zip(SPECIAL_NAMES, (*SPECIAL_TOKENS, *SPECIAL_TOKENS[1:] * 2), strict=True))


def _token(name: str) -> Any:
    def get(self: "SpecialTokens") -> str:
        return self._special[name]

    def put(self: "SpecialTokens", token: str) -> None:
        self._set_special(name, token)

    return property(get, put, doc=f"The text of the {name}; it must be in the vocabulary.")


def _token_id(name: str) -> Any:
    def get(self: "SpecialTokens") -> int:
        return self._ids[self._special[name]]

    return property(get, doc=f"The id of the {name}.")


class SpecialTokens:
    """The four special tokens as attributes, their ids beside them."""

    _ids: dict[str, int]  # the vocabulary
    _special: dict[str, str]  # name -> token

    bos_token = _token("bos_token")
    eos_token = _token("eos_token")
    unk_token = _token("unk_token")
    pad_token = _token("pad_token")
    bos_token_id = _token_id("bos_token")
    eos_token_id = _token_id("eos_token")
    unk_token_id = _token_id("unk_token")
    pad_token_id = _token_id("pad_token")

    @property
    def all_special_tokens(self) -> list[str]:
        """The special tokens, each once."""
        return list(dict.fromkeys(self._special.values()))

    @property
    def all_special_ids(self) -> list[int]:
        """The ids of `all_special_tokens`."""
        return [self._ids[token] for token in self.all_special_tokens]

    def _set_special(self, name: str, token: str) -> None:
        if not isinstance(token, str):
            raise TokenizerError(f"{name}: must be a str; got {type(token).__name__}")
        if token not in self._ids:
            raise TokenizerError(f"{name}: {token!r} is not in the vocabulary")
        self._special = {**self._special, name: token}
