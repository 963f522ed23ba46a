"""A normalised text to pieces, by whichever algorithm the model is for.

All four kinds of model have the same face (`Segmenter`): `ids` is fast, `ids_of_all` faster for many
texts, `parts` gives the same with
places, and unigram and BPE models can also `sample`. The algorithms are in tokenizers_py/unigram.py
and lattice.py, bpe.py, and word_char.py; byte_fallback.py does the rest. Called by processor.py.
"""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from tokenizers_py.errors import TokenizerError
from tokenizers_py.lattice import Lattice, Node
from tokenizers_py.sentencepiece.bpe import BpeModel
from tokenizers_py.sentencepiece.byte_fallback import Part, Unknowns
from tokenizers_py.sentencepiece.model_file import ModelType, PieceType
from tokenizers_py.sentencepiece.piece_table import PieceTable
from tokenizers_py.sentencepiece.unigram_texts import UnigramTexts
from tokenizers_py.sentencepiece.unigram_words import UnigramWords
from tokenizers_py.sentencepiece.user_symbols import UserSymbols
from tokenizers_py.sentencepiece.word_char import CharModel, WordModel
from tokenizers_py.sentencepiece.words import WordCutter, WordMemory
from tokenizers_py.unigram import Segmentation, Unigram, to_float32, unknown_score, viterbi

FLOAT32_MAX = float(np.finfo(np.float32).max)

Pairs = list[tuple[str, int]]  # the pieces of a text, with their ids


class Segmenter:
    """What all kinds of model can do.

    Args:
        table: The vocabulary.
        pairs: The algorithm: a text to its pieces and their ids, the unknown ones one by one.
    """

    def __init__(self, table: PieceTable, pairs: Callable[[str], Pairs]) -> None:
        self.table = table
        self.pairs = pairs
        self.unknowns = Unknowns(table.unknown, table.byte_ids)

    def parts(self, text: str) -> list[Part]:
        """Cut a text into what is given out, with places."""
        return self.unknowns.parts(self.pairs(text))

    def ids(self, text: str) -> list[int]:
        """Give the ids of `parts`."""
        return self.unknowns.ids(self.pairs(text))

    def ids_of_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Give the ids of each of many texts."""
        return list(map(self.ids, texts))

    def sample(self, text: str, alpha: float, generator: np.random.Generator) -> list[Part]:
        """Cut a text at random."""
        raise TokenizerError("sampling: only unigram and BPE models can do it")

    def lattice(self, text: str) -> Lattice:
        """Lay out all ways to cut a text."""
        raise TokenizerError("n best ways: only unigram models have scores for them")

    def parts_of(self, text: str, nodes: list[Node]) -> list[Part]:
        """Give out a path of the lattice."""
        return self.unknowns.parts((text[node.start : node.end], node.id) for node in nodes)


class UnigramSegmenter(Segmenter):
    """Unigram models. Trap: the score of a user-defined symbol is not the file's.

    It is 0.1 for each unit of its length after the first, above every logarithm of a probability,
    so that it is always taken. Upstream counts in bytes where it looks for the best way alone, and
    in characters in the lattice.
    """

    def __init__(self, table: PieceTable) -> None:
        super().__init__(table, lambda text: _pairs(text, viterbi(text, self.model)))
        self.model = self._unigram(lambda symbol: len(symbol.encode("utf-8")))
        self._words = UnigramWords(self.model, self._finish)
        self._texts = UnigramTexts(self._words, self.ids, self.unknowns)

    def ids(self, text: str) -> list[int]:
        """Give the ids of `parts`, from memory where that is sure."""
        ids = self._words.ids(text)
        return ids if self.unknowns.byte_ids else self.unknowns.join(ids)

    def ids_of_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Give the ids of each of many texts, block by block."""
        return self._texts.ids(texts)

    def sample(self, text: str, alpha: float, generator: np.random.Generator) -> list[Part]:
        """Cut a text at random, each way with the probability exp(alpha * score) / Z."""
        return self.parts_of(text, self.lattice(text).sample(alpha, generator))

    def lattice(self, text: str) -> Lattice:
        """Lay out all ways to cut a text."""
        return Lattice(text, self._lattice_model)

    @cached_property
    def _lattice_model(self) -> Unigram:
        has_symbols = PieceType.USER_DEFINED in self.table.types
        return self._unigram(len) if has_symbols else self.model

    def _finish(self, text: str, found: Segmentation) -> list[int]:
        if self.unknowns.byte_ids is None or self.table.unknown not in found.ids:
            return self.unknowns.join(found.ids)
        return self.unknowns.ids(_pairs(text, found))

    def _unigram(self, length: Callable[[str], int]) -> Unigram:
        table = self.table
        scores = {i: table.scores[i] for i in table.ids_of(PieceType.NORMAL).values()}
        lowest = min(scores.values(), default=FLOAT32_MAX)
        for symbol, number in table.ids_of(PieceType.USER_DEFINED).items():
            scores[number] = to_float32(0.1 * (length(symbol) - 1))
        pieces = ((table.pieces[number], number, score) for number, score in scores.items())
        return Unigram(pieces, table.unknown, unknown_score(lowest))


class BpeSegmenter(Segmenter):
    """BPE models. Words are remembered, unless unused pieces make them depend on each other."""

    def __init__(self, table: PieceTable, symbols: UserSymbols) -> None:
        self.model = BpeModel(table, symbols)
        super().__init__(table, self.model.pieces)
        self._cut = WordCutter(table.in_text)
        self._memory = WordMemory(super().ids)

    def ids(self, text: str) -> list[int]:
        """Give the ids of `parts`, from memory where that is sure."""
        if self.model.unused:
            return super().ids(text)
        ids: list[int] = []
        for word in map(self._memory.__getitem__, self._cut(text)):
            ids += word
        return ids if self.unknowns.byte_ids else self.unknowns.join(ids)

    def sample(self, text: str, alpha: float, generator: np.random.Generator) -> list[Part]:
        """Cut a text with dropout: each pair is left apart with probability alpha."""
        return self.unknowns.parts(self.model.pieces(text, alpha, generator))


def make_segmenter(kind: ModelType, table: PieceTable) -> Segmenter:
    """Choose by the kind of model."""
    symbols = UserSymbols(table.ids_of(PieceType.USER_DEFINED))
    if kind == "unigram":
        return UnigramSegmenter(table)
    if kind == "bpe":
        return BpeSegmenter(table, symbols)
    if kind == "word":
        return Segmenter(table, WordModel(table).pieces)
    return Segmenter(table, CharModel(table, symbols).pieces)


def _pairs(text: str, found: Segmentation) -> Pairs:
    """Read the pieces of a segmentation from its text."""
    starts = [0, *found.ends[:-1]]
    return [
        (text[start:end], number)
        for start, end, number in zip(starts, found.ends, found.ids, strict=False)
    ]
