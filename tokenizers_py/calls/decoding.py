"""The way back: ids to tokens to text, the same for every tokenizer.

What joins tokens is the model's own (`convert_tokens_to_string`). A layer of tokenizer.py.

Source: transformers 5.23.0, tokenization_utils_base.py and tokenization_utils_tokenizers.py;
4.57.6, tokenization_utils.py, _decode (where a tokenizer is `slow`).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tokenizers_py.calls.special_tokens import SpecialTokens
from tokenizers_py.calls.token_table import flat_ids, plain
from tokenizers_py.errors import TokenizerError

_CLOSE_UP = (" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're")


def clean_up_tokenization(text: str) -> str:
    """Take away the spaces that cutting into words leaves before punctuation and English endings.

    >>> clean_up_tokenization("it 's a cat , is n't it ?")
    "it's a cat, isn't it?"
    """
    for spaced in _CLOSE_UP:
        text = text.replace(spaced, spaced.strip())
    return text


class Decoding(SpecialTokens, ABC):
    """Ids back to tokens and to text."""

    clean_up_tokenization_spaces: bool
    keeps_spaces = False  # of byte-pair tokenizers: they are never cleaned up, unless `slow`

    @abstractmethod
    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Turn tokens back into text."""

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        spaces_between_special_tokens: bool = True,
    ) -> Any:
        """Turn a row of ids, or one id, back into text; rows give a list of texts.

        Under a profile of slow tokenizers added tokens are texts of their own, with a space
        between them and the rest unless `spaces_between_special_tokens` is False; all other
        upstreams ignore that option.

        Trap: an id that is not in the vocabulary is an error here. Upstream it is nothing at all
        (fast), the unknown token or a TypeError (slow).

        >>> from tokenizers_py import CLIPTokenizer
        >>> CLIPTokenizer().decode([49406, 3306, 267, 1002, 256, 49407])
        '<|startoftext|>hello , world ! <|endoftext|>'

        Raises:
            TokenizerError: An id is not in the vocabulary, or something is no id.
        """
        if isinstance(token_ids, Mapping):
            token_ids = token_ids.get("input_ids")
        values = plain(token_ids)
        cleans = clean_up_tokenization_spaces
        if cleans is None:
            cleans = self.clean_up_tokenization_spaces
        skipped = {number for number, token in self._added.items() if token.special}
        if not skip_special_tokens:
            skipped = set()

        between = " " if spaces_between_special_tokens else ""

        def text_of(row: Any) -> str:
            kept = [number for number in flat_ids(row) if number not in skipped]
            if self.slow:
                text = between.join(self._parts(kept))
            else:
                text = self.convert_tokens_to_string([self._token(number) for number in kept])
            tidies = cleans and (self.slow or not self.keeps_spaces)
            return clean_up_tokenization(text) if tidies else text

        if isinstance(values, list) and values and isinstance(values[0], list):
            return [text_of(row) for row in values]
        return text_of(values)

    def _parts(self, ids: Sequence[int]) -> Iterator[str]:
        """Cut a row at added tokens, but for special ones with a name, and write each part.

        Trap: a part of which nothing is left is no part, except at the end of the row.
        """
        named = set(self.special_tokens_map.values())
        waiting: list[str] = []
        for number in ids:
            token, added = self._token(number), self._added.get(number)
            apart = added and (number >= self._base_size or not added.special)
            if not apart or token in named:
                waiting.append(token)
                continue
            if waiting and (text := self.convert_tokens_to_string(waiting)):
                yield text
            waiting = []
            yield token
        if waiting:
            yield self.convert_tokens_to_string(waiting)

    def batch_decode(
        self,
        sequences: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        spaces_between_special_tokens: bool = True,
    ) -> list[str]:
        """Decode each row of ids. One flat row is one text, as in version 5."""
        if not isinstance(plain(sequences), Iterable):
            raise TokenizerError(f"ids: must be rows of ids; got {type(sequences).__name__}")
        if isinstance(sequences, Iterator):
            sequences = list(sequences)
        options = (skip_special_tokens, clean_up_tokenization_spaces, spaces_between_special_tokens)
        texts = self.decode(sequences, *options)
        if isinstance(texts, str):
            return [texts] if len(plain(sequences)) else []
        return list(texts)

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """Return an id's token, or a list of them."""
        if not isinstance(plain(ids), Iterable):
            return self._token(flat_ids(ids)[0])
        skipped = set(self.all_special_ids) if skip_special_tokens else set()
        return [self._token(number) for number in flat_ids(ids) if number not in skipped]
