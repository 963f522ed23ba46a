"""The calls of a tokenizer, in the form of Transformers 4: what all models' tokenizers share.

A text takes this way: it is cut at added tokens (added_tokens.py), each stretch between them is
normalised (`normalizer`, a Step of alignment.py), and the model's tokenizer turns the normalised
stretch into ids (`_segment_ids`, fast) or into pieces with offsets (`_segment_pieces`, the same
ids). Here are batches, pairs, padding, cutting, and the way back from ids. Built on by every
model's tokenizer; the lengths are batching.py's work.

Source: transformers 4.57.6, tokenization_utils_base.py.
"""

import operator
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tokenizers_py.added_tokens import AddedToken
from tokenizers_py.alignment import AlignedText, Step
from tokenizers_py.batching import (
    UNLIMITED,
    BatchEncoding,
    check_length,
    check_side,
    pad_columns,
    plan_lengths,
    stack,
    truncate,
)
from tokenizers_py.errors import TokenizerError
from tokenizers_py.normalization import check_text
from tokenizers_py.pieces import Piece
from tokenizers_py.special_tokens import SpecialTokens
from tokenizers_py.template import Template


class TokenizerCalls(SpecialTokens, ABC):
    """One text or many to ids, and ids back to text.

    Args:
        ids: The vocabulary: token to id, no id twice.
        special: The special tokens by name ("bos_token", ...); None where the model has none.
        model_max_length: Length that the model can take, start and end included.
        padding_side: "right" or "left".
        truncation_side: "right" or "left".
        added_tokens: Further tokens that are found in a text before the algorithm sees it, with
            their ids; those that are new to the vocabulary extend it.
        specials_in_text: Whether special tokens in a text are found as such.
        clean_up_tokenization_spaces: Whether `decode` removes the spaces before punctuation.
    """

    model_input_names: tuple[str, ...] = ("input_ids", "attention_mask")
    template: Template
    normalizer: Step

    def __init__(
        self,
        ids: dict[str, int],
        special: Mapping[str, str | None],
        *,
        model_max_length: int,
        padding_side: str = "right",
        truncation_side: str = "right",
        added_tokens: Mapping[int, AddedToken] | None = None,
        specials_in_text: bool = True,
        clean_up_tokenization_spaces: bool = False,
    ) -> None:
        self.model_max_length = check_length(model_max_length, "model_max_length")
        self.padding_side = check_side(padding_side)
        self._ids = ids
        self._tokens = {number: token for token, number in ids.items()}
        self._special = {}
        for name, token in special.items():
            if token is not None:
                self._set_special(name, token)

    @abstractmethod
    def _segment_ids(self, text: str, first: bool) -> list[int]:
        """Encode a normalised stretch without added tokens; `first`: the text begins with it."""

    @abstractmethod
    def _segment_pieces(self, text: AlignedText, first: bool) -> list[Piece]:
        """Encode like `_segment_ids`, and say where each token stands; words count from 0."""

    @abstractmethod
    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Turn tokens back into text."""

    def _text_ids(self, text: str) -> list[int]:
        return self._segment_ids(self.normalizer(text), True)

    def _text_pieces(self, text: str) -> list[Piece]:
        return self._segment_pieces(self.normalizer.align(AlignedText.of(text)), True)

    def tokenize(self, text: str) -> list[str]:
        """Cut a text into tokens, without start and end.

        >>> from tokenizers_py import CLIPTokenizer
        >>> CLIPTokenizer().tokenize("Tokenizers, please!")
        ['token', 'iz', 'ers</w>', ',</w>', 'please</w>', '!</w>']
        """
        return [piece.token for piece in self._text_pieces(check_text(text))]

    def __call__(
        self,
        text: str | Sequence[str],
        *,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        return_tensors: str | None = None,
        return_attention_mask: bool = True,
        add_special_tokens: bool = True,
    ) -> BatchEncoding:
        """Encode one text, or a list of them.

        Args:
            text: One text gives flat lists; a list of texts gives a list for each.
            padding: True or "longest", "max_length", or False.
            truncation: True cuts to `max_length`; so does `max_length` given alone.
            max_length: In tokens, start and end included; the model's length when not given.
            return_tensors: "np" or "pt" for int64 arrays (B, L); one text is then a batch of one.
            return_attention_mask: Whether to add `attention_mask`: 1 for tokens, 0 for padding.
            add_special_tokens: Whether each text gets its start and end token.

        Raises:
            TokenizerError: Wrong kind of text or option, or rows of several lengths for an array.
        """
        pad_to, cut_to = plan_lengths(padding, truncation, max_length, self.model_max_length)
        single = isinstance(text, str)
        rows = [self._text_ids(one) for one in _texts(text)]
        if add_special_tokens:
            rows = [[self.bos_token_id, *row, self.eos_token_id] for row in rows]
        end_id = self.eos_token_id if add_special_tokens else None
        rows = [truncate(row, cut_to, end_id) for row in rows]
        if max_length is None:
            self._warn_if_long(rows)
        columns = {"input_ids": rows}
        if return_attention_mask:
            columns["attention_mask"] = [[1] * len(row) for row in rows]
        columns = pad_columns(columns, self._fill(), pad_to, self.padding_side)
        flat = single and return_tensors is None
        return BatchEncoding(
            (name, stack(column[0] if flat else column, return_tensors, name))
            for name, column in columns.items()
        )

    def encode(self, text: str, **options: Any) -> Any:
        """Return only the ids of one text; options as in a call."""
        return self(check_text(text), **options)["input_ids"]

    def pad(
        self,
        encoded_inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        padding: bool | str = True,
        max_length: int | None = None,
        return_attention_mask: bool = True,
        return_tensors: str | None = None,
    ) -> BatchEncoding:
        """Pad what was encoded before: a dict of columns, or a list of dicts of one row each.

        Only `input_ids` and `attention_mask` are padded; any other column is only stacked.

        Raises:
            TokenizerError: There are no `input_ids`, or the mask's rows have other lengths.
        """
        columns = _columns(encoded_inputs)
        rows = columns["input_ids"]
        flat = not (rows and isinstance(rows[0], list))
        if flat:
            columns = {name: [column] for name, column in columns.items()}
        if return_attention_mask and "attention_mask" not in columns:
            columns["attention_mask"] = [[1] * len(row) for row in columns["input_ids"]]
        pad_to = plan_lengths(padding, False, max_length, self.model_max_length)[0]
        known = {name: columns[name] for name in self.model_input_names if name in columns}
        if len({tuple(len(row) for row in column) for column in known.values()}) > 1:
            raise TokenizerError("pad: input_ids and attention_mask differ in their lengths")
        columns |= pad_columns(known, self._fill(), pad_to, self.padding_side)
        return BatchEncoding(
            (name, stack(column[0] if flat else column, return_tensors, name))
            for name, column in columns.items()
        )

    def decode(self, token_ids: Any, skip_special_tokens: bool = False) -> str:
        """Turn ids back into text: lower case, and a space after each word.

        >>> from tokenizers_py import CLIPTokenizer
        >>> CLIPTokenizer().decode([49406, 3306, 267, 1002, 256, 49407])
        '<|startoftext|>hello , world ! <|endoftext|>'

        Raises:
            TokenizerError: An id is not in the vocabulary, or there is more than one row.
        """
        ids = _flat_ids(token_ids)
        return self.convert_tokens_to_string(self.convert_ids_to_tokens(ids, skip_special_tokens))

    def batch_decode(self, sequences: Any, skip_special_tokens: bool = False) -> list[str]:
        """Decode each row of ids."""
        rows = _plain(sequences)
        if not isinstance(rows, Iterable):
            raise TokenizerError(f"ids: must be rows of ids; got {type(rows).__name__}")
        return [self.decode(row, skip_special_tokens) for row in rows]

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> Any:
        """Return a token's id, or a list of them; the unknown token's where there is none."""
        if isinstance(tokens, str):
            return self._ids.get(tokens, self.unk_token_id)
        return [self._ids.get(check_text(token, "token"), self.unk_token_id) for token in tokens]

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """Return an id's token, or a list of them."""
        if not isinstance(_plain(ids), Iterable):
            return self._token(_flat_ids(ids)[0])
        skipped = set(self.all_special_ids) if skip_special_tokens else set()
        return [self._token(number) for number in _flat_ids(ids) if number not in skipped]

    def get_vocab(self) -> dict[str, int]:
        """Return a copy of the vocabulary: token to id."""
        return dict(self._ids)

    @property
    def vocab_size(self) -> int:
        """How many tokens there are."""
        return len(self._ids)

    def __len__(self) -> int:
        return self.vocab_size

    def __repr__(self) -> str:
        return f"{type(self).__name__}(vocab_size={self.vocab_size}, {self._special})"

    def _token(self, number: int) -> str:
        if number not in self._tokens:
            raise TokenizerError(
                f"id {number} is not in the vocabulary, whose ids go from {min(self._tokens)} to "
                f"{max(self._tokens)}"
            )
        return self._tokens[number]

    def _fill(self) -> dict[str, int]:
        return {"input_ids": self.pad_token_id, "attention_mask": 0}

    def _warn_if_long(self, rows: Sequence[Sequence[int]]) -> None:
        longest = max(map(len, rows))
        if self.model_max_length < longest and self.model_max_length <= UNLIMITED:
            warnings.warn(
                f"a text of {longest} tokens is longer than the model's {self.model_max_length}; "
                "pass truncation=True to cut it",
                UserWarning,
                stacklevel=3,
            )


def _texts(text: object) -> list[str]:
    if isinstance(text, str):
        return [check_text(text)]
    if not isinstance(text, list | tuple):
        raise TokenizerError(f"text: must be a str or a list of str; got {type(text).__name__}")
    if not text:
        raise TokenizerError("text: the list is empty; there is nothing to encode")
    return [check_text(one, f"text[{place}]") for place, one in enumerate(text)]


def _plain(values: Any) -> Any:
    values = values.tolist() if hasattr(values, "tolist") else values
    return [_plain(one) for one in values] if isinstance(values, list | tuple) else values


def _flat_ids(ids: Any) -> list[int]:
    values = _plain(ids)
    try:
        return [operator.index(n) for n in (values if isinstance(values, Iterable) else [values])]
    except TypeError as error:
        raise TokenizerError(
            f"ids: must be whole numbers, one row of them; got {values!r:.60}. "
            "batch_decode takes several rows"
        ) from error


def _columns(encoded: object) -> dict[str, Any]:
    rows = [encoded] if isinstance(encoded, Mapping) else encoded
    if (
        not isinstance(rows, list | tuple)
        or not rows
        or not all(isinstance(row, Mapping) and "input_ids" in row for row in rows)
    ):
        raise TokenizerError("pad: needs a dict, or a list of dicts, that has input_ids")
    if any(not isinstance(_plain(row["input_ids"]), list) for row in rows):
        raise TokenizerError("pad: input_ids must be a list of ids, or of rows of ids")
    if isinstance(encoded, Mapping):
        return {name: _plain(column) for name, column in encoded.items()}
    if any(row.keys() != rows[0].keys() for row in rows):
        raise TokenizerError("pad: the dicts differ in their keys")
    return {name: [_plain(row[name]) for row in rows] for name in rows[0]}
