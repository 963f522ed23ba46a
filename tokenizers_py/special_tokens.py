"""The tokens that stand for a place or a lack, not for text: start, end, unknown, padding.

`SpecialTokens` gives a tokenizer the attributes `bos_token`, `bos_token_id` and so on for the
seven names that models use; a model's tokenizer has some of them, the others are None.
"""

from typing import Any

from tokenizers_py.errors import TokenizerError

SPECIAL_NAMES = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)


def _token(name: str) -> Any:
    def get(self: "SpecialTokens") -> str | None:
        return self._special.get(name)

    def put(self: "SpecialTokens", token: str) -> None:
        self._set_special(name, token)

    return property(get, put, doc=f"The text of the {name}; it must be in the vocabulary.")


def _token_id(name: str) -> Any:
    def get(self: "SpecialTokens") -> int | None:
        return self._ids[self._special[name]] if name in self._special else None

    return property(get, doc=f"The id of the {name}.")


class SpecialTokens:
    """The special tokens as attributes, their ids beside them; None where the model has none."""

    _ids: dict[str, int]  # the vocabulary
    _special: dict[str, str]  # name -> token

    bos_token = _token("bos_token")
    eos_token = _token("eos_token")
    unk_token = _token("unk_token")
    sep_token = _token("sep_token")
    cls_token = _token("cls_token")
    mask_token = _token("mask_token")
    pad_token = _token("pad_token")
    bos_token_id = _token_id("bos_token")
    eos_token_id = _token_id("eos_token")
    unk_token_id = _token_id("unk_token")
    sep_token_id = _token_id("sep_token")
    cls_token_id = _token_id("cls_token")
    mask_token_id = _token_id("mask_token")
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
