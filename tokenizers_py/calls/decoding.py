"""The way back: ids to tokens to text, the same for every tokenizer.

What joins tokens is the model's own (`convert_tokens_to_string`). A layer of tokenizer.py.

Source: transformers 5.23.0, tokenization_utils_base.py and tokenization_utils_tokenizers.py.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
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
    keeps_spaces = False  # of byte-pair tokenizers: they are never cleaned up, as upstream

    @abstractmethod
    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Turn tokens back into text."""

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> Any:
        """Turn a row of ids, or one id, back into text; rows give a list of texts.

        Trap: an id that is not in the vocabulary is an error here. Upstream it is nothing at all
        (fast), the unknown token or a TypeError (slow).

        >>> from tokenizers_py import CLIPTokenizer
        >>> CLIPTokenizer().decode([49406, 3306, 267, 1002, 256, 49407])
        '<|startoftext|>hello , world ! <|endoftext|>'

        Raises:
            TokenizerError: An id is not in the vocabulary, or something is no id.
        """
        values = plain(token_ids["input_ids"] if isinstance(token_ids, Mapping) else token_ids)
        cleans = clean_up_tokenization_spaces
        if cleans is None:
            cleans = self.clean_up_tokenization_spaces
        skipped = {number for number, token in self._added.items() if token.special}
        if not skip_special_tokens:
            skipped = set()

        def text_of(row: Any) -> str:
            tokens = [self._token(number) for number in flat_ids(row) if number not in skipped]
            text = self.convert_tokens_to_string(tokens)
            return clean_up_tokenization(text) if cleans and not self.keeps_spaces else text

        if isinstance(values, list) and values and isinstance(values[0], list):
            return [text_of(row) for row in values]
        return text_of(values)

    def batch_decode(
        self,
        sequences: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> list[str]:
        """Decode each row of ids. One flat row is one text, as in version 5."""
        if not isinstance(plain(sequences), Iterable):
            raise TokenizerError(f"ids: must be rows of ids; got {type(sequences).__name__}")
        texts = self.decode(sequences, skip_special_tokens, clean_up_tokenization_spaces)
        if isinstance(texts, str):
            return [texts] if len(plain(sequences)) else []
        return list(texts)

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """Return an id's token, or a list of them."""
        if not isinstance(plain(ids), Iterable):
            return self._token(flat_ids(ids)[0])
        skipped = set(self.all_special_ids) if skip_special_tokens else set()
        return [self._token(number) for number in flat_ids(ids) if number not in skipped]
