"""What a tokenizer returns: columns of numbers, and what each token stands for.

A `BatchEncoding` is a dict of columns. Behind it is one `Encoding` a row: the tokens with their
places in the text, from which words, characters and tokens find each other. They cost more than
the ids, so they are made when they are first asked for. Made by tokenizer.py.

Source: transformers 5.23.0, tokenization_utils_base.py (BatchEncoding); tokenizers 0.23.3,
tokenizer/encoding.rs.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from tokenizers_py.errors import TokenizerError


class CharSpan(NamedTuple):
    """Characters [start, end) of a text."""

    start: int
    end: int


class TokenSpan(NamedTuple):
    """Tokens [start, end) of a row."""

    start: int
    end: int


@dataclass(frozen=True)
class Encoding:
    """One row, token by token; all lists are as long as the row, padding included.

    Special tokens that were added, and padding, belong to no text and no word (None), and their
    offsets are (0, 0). `offsets` are characters of the text as it was given.
    """

    ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]
    word_ids: list[int | None]
    sequence_ids: list[int | None]
    n_sequences: int

    def __len__(self) -> int:
        return len(self.ids)

    def places(self, sequence: int) -> list[int]:
        """List the tokens that belong to one text."""
        return [place for place, owner in enumerate(self.sequence_ids) if owner == sequence]

    def tokens_of_word(self, word: int, sequence: int = 0) -> TokenSpan | None:
        """Find the tokens of a word."""
        places = [place for place in self.places(sequence) if self.word_ids[place] == word]
        return TokenSpan(places[0], places[-1] + 1) if places else None

    def token_at(self, character: int, sequence: int = 0) -> int | None:
        """Find the token that a character belongs to; None between tokens."""
        for place in self.places(sequence):
            start, end = self.offsets[place]
            if start <= character < end:
                return place
        return None


class BatchEncoding(dict[str, Any]):
    """What a tokenizer returns: a dict whose entries are attributes too.

    >>> from tokenizers_py import CLIPTokenizer
    >>> batch = CLIPTokenizer()("a tokenizer")
    >>> batch.input_ids
    [49406, 320, 32634, 23895, 49407]
    >>> batch.tokens()[1:4], batch.word_ids(), batch.word_to_chars(1)
    (['a</w>', 'token', 'izer</w>'], [None, 0, 1, 1, None], CharSpan(start=2, end=11))

    Trap: a copy by pickle has all of it, so it costs the offsets of every token.
    """

    _encodings: list[Encoding] | None = None
    _make: Callable[[], list[Encoding]] | None = None

    @classmethod
    def of(
        cls,
        columns: dict[str, Any],
        encodings: list[Encoding] | None,
        make: Callable[[], list[Encoding]] | None = None,
    ) -> "BatchEncoding":
        """Join columns with the rows behind them, or with a way to make these later."""
        batch = cls(columns)
        batch._encodings, batch._make = encodings, make
        return batch

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no {name!r} here; there is {', '.join(self)}") from None

    def __missing__(self, key: object) -> Any:
        if isinstance(key, int):
            return self._row(key)
        raise KeyError(key)

    def __reduce__(self) -> tuple[Any, ...]:
        return BatchEncoding.of, (dict(self), self.encodings)

    def __copy__(self) -> "BatchEncoding":
        return BatchEncoding.of(self, self._encodings, self._make)

    @property
    def encodings(self) -> list[Encoding] | None:
        """The rows, or None where there are none behind the columns."""
        if self._encodings is None and self._make is not None:
            self._encodings, self._make = self._make(), None
        return self._encodings

    @property
    def n_sequences(self) -> int | None:
        """Whether a row holds one text or a pair."""
        return self._row(0).n_sequences if self.encodings else None

    def tokens(self, batch_index: int = 0) -> list[str]:
        """List the tokens of a row."""
        return self._row(batch_index).tokens

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """Say for each token of a row which word of its text it belongs to."""
        return self._row(batch_index).word_ids

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """Say for each token of a row which text it belongs to: 0, or 1 in the second of a pair."""
        return self._row(batch_index).sequence_ids

    def token_to_sequence(self, row_or_token: int, token: int | None = None) -> int | None:
        """Find the text of a token. As below, the row may be left out: it is 0 then."""
        row, place = self._token(row_or_token, token)
        return row.sequence_ids[place]

    def token_to_word(self, row_or_token: int, token: int | None = None) -> int | None:
        """Find the word of a token."""
        row, place = self._token(row_or_token, token)
        return row.word_ids[place]

    def token_to_chars(self, row_or_token: int, token: int | None = None) -> CharSpan | None:
        """Find the characters of a token; None for one that was added around the text."""
        row, place = self._token(row_or_token, token)
        return None if row.sequence_ids[place] is None else CharSpan(*row.offsets[place])

    def word_to_tokens(
        self, row_or_word: int, word: int | None = None, sequence_index: int = 0
    ) -> TokenSpan | None:
        """Find the tokens of a word."""
        row, number = (0, row_or_word) if word is None else (row_or_word, word)
        return self._row(row).tokens_of_word(number, sequence_index)

    def word_to_chars(
        self, row_or_word: int, word: int | None = None, sequence_index: int = 0
    ) -> CharSpan | None:
        """Find the characters of a word."""
        row = 0 if word is None else row_or_word
        tokens = self.word_to_tokens(row_or_word, word, sequence_index)
        if tokens is None:
            return None
        offsets = self._row(row).offsets
        return CharSpan(offsets[tokens.start][0], offsets[tokens.end - 1][1])

    def char_to_token(
        self, row_or_char: int, char: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """Find the token that a character belongs to."""
        row, place = (0, row_or_char) if char is None else (row_or_char, char)
        return self._row(row).token_at(place, sequence_index)

    def char_to_word(
        self, row_or_char: int, char: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """Find the word that a character belongs to."""
        row = 0 if char is None else row_or_char
        token = self.char_to_token(row_or_char, char, sequence_index)
        return None if token is None else self._row(row).word_ids[token]

    def _row(self, index: int) -> Encoding:
        if self.encodings is None:
            raise TokenizerError(
                "this batch holds numbers only: tokens, words and characters are known where a "
                "tokenizer was called"
            )
        row: Encoding = _item(self.encodings, index, "row")
        return row

    def _token(self, row_or_token: int, token: int | None) -> tuple[Encoding, int]:
        index, place = (0, row_or_token) if token is None else (row_or_token, token)
        row = self._row(index)
        return row, _item(range(len(row)), place, "token")


def _item(items: Any, index: int, name: str) -> Any:
    try:
        return items[operator.index(index)]
    except (IndexError, TypeError) as error:
        raise TokenizerError(f"{name} {index!r:.60}: there are {len(items)}") from error
