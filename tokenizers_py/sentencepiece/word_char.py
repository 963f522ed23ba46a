"""The two simplest kinds of SentencePiece model: whole words, and single characters.

Called by segmenters.py.
Source: google/sentencepiece 0.2.3, src/word_model.cc, src/char_model.cc.
"""

import re

from tokenizers_py.sentencepiece.model_file import PieceType
from tokenizers_py.sentencepiece.piece_table import PieceTable
from tokenizers_py.sentencepiece.user_symbols import UserSymbols
from tokenizers_py.sentencepiece.words import SPACE

_WORD = re.compile(f"{SPACE}[^{SPACE}]*|[^{SPACE}]+")


class WordModel:
    """Every "▁" begins a word; a word is a piece or unknown."""

    def __init__(self, table: PieceTable) -> None:
        self._ids = table.ids_of(PieceType.NORMAL, PieceType.USER_DEFINED)
        self._unknown = table.unknown

    def pieces(self, text: str) -> list[tuple[str, int]]:
        """Cut a normalised text into words and their ids."""
        return [(word, self._ids.get(word, self._unknown)) for word in _WORD.findall(text)]


class CharModel:
    """Every character is a piece or unknown; user-defined symbols count as characters."""

    def __init__(self, table: PieceTable, symbols: UserSymbols) -> None:
        self._ids = table.ids_of(PieceType.NORMAL, PieceType.USER_DEFINED)
        self._unknown = table.unknown
        self._symbols = symbols

    def pieces(self, text: str) -> list[tuple[str, int]]:
        """Cut a normalised text into characters and their ids."""
        pairs: list[tuple[str, int]] = []
        place = 0
        while place < len(text):
            end = max(self._symbols.longest(text, place), place + 1)
            pairs.append((text[place:end], self._ids.get(text[place:end], self._unknown)))
            place = end
        return pairs
