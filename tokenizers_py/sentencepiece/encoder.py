"""From a text to what a caller asked for: ids, pieces, or pieces with their places.

A text is normalised, cut, and given out as settings.py's options say. Called by
processor.py; next: segmenters.py.

Source: google/sentencepiece 0.2.3, src/sentencepiece_processor.cc (NBestEncode, SampleEncode,
PopulateSentencePieceText) and python/src/sentencepiece/sentencepiece_pybind.cc (RewriteIds).
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from tokenizers_py.errors import TokenizerError
from tokenizers_py.lattice import draw
from tokenizers_py.sentencepiece.byte_fallback import Part
from tokenizers_py.sentencepiece.model_file import PieceType, SentencePieceModel
from tokenizers_py.sentencepiece.normalizer import SentencePieceNormalizer
from tokenizers_py.sentencepiece.piece_table import PieceTable
from tokenizers_py.sentencepiece.segmenters import UnigramSegmenter, make_segmenter
from tokenizers_py.sentencepiece.settings import Settings
from tokenizers_py.text.normalization import check_text

Way = tuple[list[Part], float]  # one way to cut a text, and its score


class TextPiece(NamedTuple):
    """A piece, and the characters [begin, end) of the text as it was given: its surface."""

    piece: str
    id: int
    surface: str
    begin: int
    end: int


class EncodedText(NamedTuple):
    """A text and its pieces, as `out_type="immutable_proto"` gives them."""

    text: str
    pieces: tuple[TextPiece, ...]
    score: float


def checked(text: object, name: str = "text") -> str:
    """Return a text that has UTF-8: as `check_text`, which is slow, and no pairs of halves either.

    >>> checked(chr(0xD83D) + chr(0xDE00))
    Traceback (most recent call last):
    tokenizers_py.errors.TokenizerError: text: character 0 is U+D83D, half of a surrogate pair
    """
    if isinstance(text, str):
        try:
            if text.isascii() or text.encode("utf-8"):
                return text
        except UnicodeEncodeError as error:
            check_text(text, name)
            half = f"U+{ord(text[error.start]):04X}, half of a surrogate pair"
            raise TokenizerError(f"{name}: character {error.start} is {half}") from error
    return check_text(text, name)


class Encoder:
    """Encodes texts with one model."""

    def __init__(self, model: SentencePieceModel, table: PieceTable) -> None:
        self.table = table
        self.normalizer = SentencePieceNormalizer(
            model.normalizer,
            user_defined=tuple(table.ids_of(PieceType.USER_DEFINED)),
            treat_whitespace_as_suffix=model.trainer.treat_whitespace_as_suffix,
        )
        self.segmenter = make_segmenter(model.trainer.model_type, table)

    def encode(self, text: str, settings: Settings, generator: np.random.Generator) -> Any:
        """Encode a text."""
        if settings.out_type in (int, str) and not settings.enable_sampling:
            normalized = self.normalizer(checked(text))
            of_ids = settings.out_type is int
            found = self.segmenter.ids(normalized) if of_ids else self._pieces(normalized)
            return found if settings.plain else self._with_extras(found, settings)
        normalized, places = self.normalizer.with_offsets(checked(text))
        if not settings.enable_sampling:
            parts = self.segmenter.parts(normalized)
        elif settings.nbest_size < 0 or not isinstance(self.segmenter, UnigramSegmenter):
            parts = self.segmenter.sample(normalized, settings.alpha, generator)
        else:
            ways = self._ways(normalized, settings.nbest_size)
            scores = [settings.alpha * score for _, score in ways]
            largest = max(scores)
            parts = ways[draw([math.exp(s - largest) for s in scores], generator)][0]
        return self._given((text, places), (parts, 0.0), settings)

    def encode_all(
        self, texts: Sequence[str], settings: Settings, generator: np.random.Generator
    ) -> list[Any]:
        """Encode each of many texts; for ids, all together, which is several times faster."""
        if settings.out_type is not int or settings.enable_sampling:
            return [self.encode(text, settings, generator) for text in texts]
        found = self.segmenter.ids_of_all([self.normalizer(checked(text)) for text in texts])
        return found if settings.plain else [self._with_extras(ids, settings) for ids in found]

    def n_best(self, text: str, settings: Settings) -> list[Any]:
        """Encode a text in several ways, the best first."""
        if settings.out_type == "offset_mapping":
            raise TokenizerError("nbest_encode: out_type must not be 'offset_mapping'")
        normalized, places = self.normalizer.with_offsets(checked(text))
        ways = self._ways(normalized, max(1, settings.nbest_size))
        return [self._given((text, places), way, settings) for way in ways]

    def _pieces(self, normalized: str) -> list[str]:
        """Cut a text into pieces: by its ids, which are fast, if none hides an unknown text."""
        ids = self.segmenter.ids(normalized)
        if self.table.unknown in ids:
            return [part.piece for part in self.segmenter.parts(normalized)]
        return list(map(self.table.pieces.__getitem__, ids))

    def _ways(self, normalized: str, size: int) -> list[Way]:
        """Find the best ways to cut a text. Trap: upstream gives a single one the score 0."""
        lattice = self.segmenter.lattice if size > 1 and normalized else None
        if not isinstance(self.segmenter, UnigramSegmenter):
            raise TokenizerError("n best ways: only unigram models have scores for them")
        if lattice is None:
            return [(self.segmenter.parts(normalized), 0.0)]
        paths = lattice(normalized).n_best(size)
        return [(self.segmenter.parts_of(normalized, nodes), score) for nodes, score in paths]

    def _given(self, source: tuple[str, list[int]], way: Way, settings: Settings) -> Any:
        """Give out one way to cut a text in the form that was asked for."""
        (text, places), (parts, score) = source, way
        if settings.out_type is str:
            return self._with_extras([part.piece for part in parts], settings)
        if settings.out_type is int:
            return self._with_extras([part.id for part in parts], settings)
        if settings.out_type == "numpy":
            return np.array(self._with_extras([part.id for part in parts], settings), np.int32)
        spans = [(places[part.start], places[part.end]) for part in parts]
        if settings.out_type == "offset_mapping":
            return {
                "ids": [part.id for part in parts],
                "pieces": [part.piece for part in parts],
                "offsets": spans,
            }
        pieces = (
            TextPiece(
                part.piece, part.id, text[begin:end] if part.end > part.start else "", begin, end
            )
            for part, (begin, end) in zip(parts, spans, strict=True)
        )
        if settings.out_type == "proto":
            return EncodedText(text, tuple(_in_bytes(text, pieces)), score)
        return EncodedText(text, tuple(pieces), score)

    def _with_extras(self, found: list[Any], settings: Settings) -> list[Any]:
        """Put in what the options ask for; the order is turned first. Ids and pieces alike."""
        if settings.plain:
            return found
        of_pieces = settings.out_type is str
        table = self.table
        if settings.emit_unk_piece and of_pieces:
            unk = table.pieces[self._special(table.unk, "unk_piece")]
            found = [unk if table.id(piece) == table.unk else piece for piece in found]
        if settings.reverse:
            found = found[::-1]
        if settings.add_bos:
            bos = self._special(table.bos, "bos_piece")
            found = [table.pieces[bos] if of_pieces else bos, *found]
        if settings.add_eos:
            eos = self._special(table.eos, "eos_piece")
            found = [*found, table.pieces[eos] if of_pieces else eos]
        return found

    @staticmethod
    def _special(number: int, name: str) -> int:
        if number < 0:
            raise TokenizerError(f"{name}: this model has none, so it cannot be put in")
        return number


def _in_bytes(text: str, pieces: Iterable[TextPiece]) -> Iterator[TextPiece]:
    """Count the places of pieces in bytes of UTF-8, as upstream's messages do."""
    places = [0, *accumulate(len(character.encode()) for character in text)]
    return (piece._replace(begin=places[piece.begin], end=places[piece.end]) for piece in pieces)
