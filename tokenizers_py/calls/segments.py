"""One text to ids or to pieces: cut at added tokens, normalise, give the rest to the model.

Here is what a model's tokenizer has to bring (the abstract methods), and what happens around it.
A layer of tokenizer.py; next: each model's own file.

Source: tokenizers 0.23.3, tokenizer/added_vocabulary.rs (extract_and_normalize) and
tokenizer/pre_tokenizer.rs (into_encoding: what counts as a word).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

from tokenizers_py.calls.pieces import Piece
from tokenizers_py.calls.special_tokens import SpecialTokens
from tokenizers_py.calls.text_inputs import Text
from tokenizers_py.text.alignment import AlignedText


class Stretch(NamedTuple):
    """A part of a text: an added token (`token` is its id), or what stands between two of them.

    `text` is normalised, `raw` is what it was made from: all between two tokens that were found
    in the text as it was given. `first`: the text begins with it.
    """

    token: int | None
    text: AlignedText
    first: bool
    raw: str


class Segments(SpecialTokens, ABC):
    """One text to ids (fast), or to pieces (the same ids, and where they stand)."""

    @abstractmethod
    def _segment_ids(self, text: str, first: bool) -> list[int]:
        """Encode a normalised stretch without added tokens; `first`: the text begins with it."""

    @abstractmethod
    def _segment_pieces(self, text: AlignedText, first: bool) -> list[Piece]:
        """Encode like `_segment_ids`, and say where each token stands; words count from 0."""

    def _text_ids(self, text: str, split_special: bool = False) -> list[int]:
        if self._raw_finder.search(text) is None:
            return self._stretch_ids(text, True, split_special)
        ids: list[int] = []
        for number, start, end in self._raw_finder.cut(text, split_special):
            if number is None:
                ids += self._stretch_ids(text[start:end], start == 0, split_special)
            else:
                ids.append(number)
        return ids

    def _stretch_ids(self, raw: str, first: bool, split_special: bool) -> list[int]:
        text = self.normalizer(raw)
        if self._normal_finder.search(text) is None:
            return self._segment_ids(text, first) if text else []
        ids: list[int] = []
        for number, start, end in self._normal_finder.cut(text, split_special):
            if number is None:
                ids += self._segment_ids(text[start:end], first and start == 0)
            else:
                ids.append(number)
        return ids

    def _text_pieces(self, text: str, split_special: bool = False) -> list[Piece]:
        """Do what `_text_ids` does, step by step; an added token counts as a word."""
        pieces: list[Piece] = []
        words = 0
        for stretch in self._stretches(text, split_special):
            made = self._stretch_pieces(stretch)
            pieces += [
                piece if piece.word is None else piece._replace(word=piece.word + words)
                for piece in made
            ]
            words += 1 + max((p.word for p in made if p.word is not None), default=-1)
        return pieces

    def _stretch_pieces(self, stretch: Stretch) -> list[Piece]:
        if stretch.token is None:
            return self._segment_pieces(stretch.text, stretch.first)
        place = stretch.text.span(0, len(stretch.text.text))
        token = self._tokens[stretch.token] if self.slow else stretch.text.text
        return [Piece(token, stretch.token, *place, 0)]

    def _stretches(self, text: str, split_special: bool = False) -> Iterator[Stretch]:
        """Cut a text at added tokens, and normalise what is between them."""
        for number, start, end in self._raw_finder.cut(text, split_special):
            raw = AlignedText.of(text[start:end], start)
            if number is not None:
                yield Stretch(number, raw, False, raw.text)
                continue
            aligned = self.normalizer.align(raw)
            for found, begin, stop in self._normal_finder.cut(aligned.text, split_special):
                first = start == 0 and begin == 0
                yield Stretch(found, aligned.part(begin, stop), first, raw.text)

    def _sample_ids(self, text: Text, split_special: bool) -> list[int]:
        if isinstance(text, str):
            return self._text_ids(text, split_special) if split_special else self._text_ids(text)
        return [number for word in text for number in self._sample_ids(word, split_special)]

    def _sample_pieces(self, text: Text, split_special: bool) -> list[Piece]:
        """Encode a text, or words that someone else has cut: each is as a text of its own."""
        if isinstance(text, str):
            return self._text_pieces(text, split_special)
        return [
            piece._replace(word=number)
            for number, word in enumerate(text)
            for piece in self._text_pieces(word, split_special)
        ]
