"""The tokens that stand for a place or a lack, not for text: start, end, unknown, padding.

`SpecialTokens` gives a tokenizer the attributes `bos_token`, `bos_token_id` and so on for the
seven names that models use; a model's tokenizer has some of them, the others are None. The
template says where they stand around a text.

Source: transformers 5.23.0 and 4.57.6, tokenization_utils_base.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers_py.calls.template import Frame, Template
from tokenizers_py.calls.token_table import TokenTable, as_added, flat_ids
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
EXTRA_NAMES = ("extra_special_tokens", "additional_special_tokens")  # in version 5, and in 4


def _token(name: str) -> Any:
    def get(self: "SpecialTokens") -> str | None:
        return self._special.get(name)

    def put(self: "SpecialTokens", token: str | None) -> None:
        if token is None:
            self._special = {key: old for key, old in self._special.items() if key != name}
        else:
            self._set_special(name, token)

    return property(get, put, doc=f"The text of the {name}; it must be in the vocabulary.")


def _token_id(name: str) -> Any:
    def get(self: "SpecialTokens") -> int | None:
        return self._ids[self._special[name]] if name in self._special else None

    return property(get, doc=f"The id of the {name}.")


def _extra_tokens() -> Any:
    def get(self: "SpecialTokens") -> list[str]:
        return list(self._extra)

    def put(self: "SpecialTokens", tokens: Sequence[str] | None) -> None:
        self._extra = [as_added(token, True).content for token in tokens or ()]
        missing = [token for token in self._extra if token not in self._ids]
        if missing:
            raise TokenizerError(f"extra special token {missing[0]!r} is not in the vocabulary")

    return property(get, put, doc="Special tokens without a name; set them to known tokens.")


class SpecialTokens(TokenTable):
    """The special tokens as attributes, their ids beside them; None where the model has none."""

    template: Template
    pad_token_type_id = 0

    _special: dict[str, str]  # name -> token
    _extra: list[str]

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
    extra_special_tokens = _extra_tokens()
    additional_special_tokens = _extra_tokens()

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """The special tokens that have a name, by name."""
        return {name: self._special[name] for name in SPECIAL_NAMES if name in self._special}

    @property
    def all_special_tokens(self) -> list[str]:
        """The special tokens, each once: those with a name, then the extra ones."""
        return list(dict.fromkeys([*self.special_tokens_map.values(), *self._extra]))

    @property
    def all_special_ids(self) -> list[int]:
        """The ids of `all_special_tokens`."""
        return [self._ids[token] for token in self.all_special_tokens]

    def add_special_tokens(
        self, special_tokens_dict: Mapping[str, Any], replace_extra_special_tokens: bool = True
    ) -> int:
        """Add special tokens and give them their names; returns how many were added.

        The names are those of the attributes, and "extra_special_tokens" (version 4:
        "additional_special_tokens") with a list.

        Trap: extra tokens that are replaced stay in the vocabulary, and are still found in texts.

        >>> from tokenizers_py import CLIPTokenizer
        >>> tokenizer = CLIPTokenizer()
        >>> tokenizer.add_special_tokens({"pad_token": "<pad>"}), tokenizer.pad_token_id
        (1, 49408)

        Raises:
            TokenizerError: A name is none of these, or something is no token.
        """
        if not isinstance(special_tokens_dict, Mapping):
            kind = type(special_tokens_dict).__name__
            raise TokenizerError(f"add_special_tokens: needs a dict of names to tokens; got {kind}")
        for name in special_tokens_dict:
            if name not in SPECIAL_NAMES + EXTRA_NAMES:
                names = ", ".join(SPECIAL_NAMES + EXTRA_NAMES)
                raise TokenizerError(f"add_special_tokens: {name!r:.60} must be one of {names}")
        tokens, named, extra = [], {}, list[str]()
        for name, value in special_tokens_dict.items():
            if name in SPECIAL_NAMES:
                tokens.append(as_added(value, True))
                named[name] = tokens[-1].content
                continue
            if not isinstance(value, list | tuple):
                raise TokenizerError(f"{name}: must be a list of tokens; got {value!r:.60}")
            new = [as_added(token, True) for token in value]
            if not replace_extra_special_tokens:
                new = [token for token in new if token.content not in self._extra]
            tokens += new
            extra += [token.content for token in new]
        count = self.add_tokens(tokens, special_tokens=True)
        for name, content in named.items():
            self._set_special(name, content)
        if extra:
            self._extra = extra if replace_extra_special_tokens else [*self._extra, *extra]
        return count

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """Count the special tokens around one text, or around a pair."""
        return self._frame().size(pair)

    def build_inputs_with_special_tokens(
        self, token_ids_0: Sequence[int], token_ids_1: Sequence[int] | None = None
    ) -> list[int]:
        """Put the special tokens around the ids of one text or two."""
        return self._frame().around(*_two_rows(token_ids_0, token_ids_1))

    def create_token_type_ids_from_sequences(
        self, token_ids_0: Sequence[int], token_ids_1: Sequence[int] | None = None
    ) -> list[int]:
        """Give the token types that belong to `build_inputs_with_special_tokens`."""
        return self._frame().types(*_two_rows(token_ids_0, token_ids_1))

    def get_special_tokens_mask(
        self,
        token_ids_0: Sequence[int],
        token_ids_1: Sequence[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """Mark special tokens with 1: those in a row, or those that will go around bare texts.

        Raises:
            TokenizerError: The row has its special tokens already, and there is a second one.
        """
        if already_has_special_tokens:
            if token_ids_1 is not None:
                raise TokenizerError("get_special_tokens_mask: a finished row has no second text")
            special = set(self.all_special_ids)
            return [int(number in special) for number in flat_ids(token_ids_0)]
        owners = self._frame().sequence_ids(*_two_rows(token_ids_0, token_ids_1))
        return [int(owner is None) for owner in owners]

    def _frame(self) -> Frame:
        """Fill the template in with ids; tokens that this tokenizer does not have are left out."""
        parts = (self.template.before, self.template.between, self.template.after)
        before, between, after = (
            [self._ids[self._special[name]] for name in part if name in self._special]
            for part in parts
        )
        return Frame(before, between, after, self.template.second_type)

    def _set_special(self, name: str, token: str) -> None:
        if not isinstance(token, str):
            raise TokenizerError(f"{name}: must be a str; got {type(token).__name__}")
        if token not in self._ids:
            raise TokenizerError(f"{name}: {token!r} is not in the vocabulary")
        self._special = {**self._special, name: token}


def _two_rows(first: Any, second: Any) -> tuple[list[int], list[int] | None]:
    return flat_ids(first), None if second is None else flat_ids(second)
