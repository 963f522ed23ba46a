"""SentencePiece's BPE models: joining neighbours, the pair with the highest score first.

Unlike CLIP's BPE (tokenizers_py/bpe.py) there is no list of merges. The vocabulary gives every
piece a score, in training minus the piece's rank; two neighbours may be joined if together they
are a piece; and of all pairs of the text the one with the highest score is joined, the leftmost
of equals. A text starts out as single characters, but a user-defined symbol is one from the start
and is never joined to anything. Called by segmenters.py.

Source: Sennrich et al. 2016 (arXiv:1508.07909), Provilkov et al. 2020 (arXiv:1910.13267) for
dropout; google/sentencepiece 0.2.3, src/bpe_model.cc.
"""

import heapq
from collections.abc import Sequence

import numpy as np

from tokenizers_py.sentencepiece.model_file import PieceType
from tokenizers_py.sentencepiece.piece_table import PieceTable
from tokenizers_py.sentencepiece.protobuf import bits_of
from tokenizers_py.sentencepiece.user_symbols import UserSymbols

MAX_DEPTH = 100  # how often an unused piece is taken apart again

Pair = tuple[int, int, int, int]  # minus the score's order, left place, right place, length


class BpeModel:
    """The pieces of a BPE model, ready for joining."""

    def __init__(self, table: PieceTable, symbols: UserSymbols) -> None:
        self.ids = table.in_text
        self.unknown_id = table.unknown
        self.symbols = symbols
        self.unused = {piece for piece in table.ids_of(PieceType.UNUSED)}
        self._order = {piece: -_order(table.scores[number]) for piece, number in self.ids.items()}

    def pieces(
        self, text: str, dropout: float = 0.0, generator: np.random.Generator | None = None
    ) -> list[tuple[str, int]]:
        """Cut a text into pieces and their ids.

        The symbols are a linked list (`before`, `after`), the pairs wait in a heap. A pair whose
        symbols have changed since is passed over: their lengths tell. n characters cost
        O(n log n).

        Args:
            text: A normalised text.
            dropout: The probability with which a pair is not joined when its turn has come. Then
                it does not come again, unless one of the two grows.
            generator: Where the chance comes from.

        Trap: an unused piece takes part in joining, and is taken apart at the end, into the two
        that it was made of. If the text makes it in two ways, the last one seen counts for all.
        """
        made_of: dict[str, tuple[str, str]] = {}
        symbols, frozen = self._symbols(text)
        before = list(range(-1, len(symbols) - 1))
        after = [*range(1, len(symbols)), -1]
        waiting: list[Pair] = []

        def look_at(left: int, right: int) -> None:
            if left < 0 or right < 0 or left in frozen or right in frozen:
                return
            joined = symbols[left] + symbols[right]
            if (order := self._order.get(joined)) is not None:
                heapq.heappush(waiting, (order, left, right, len(joined)))
                if joined in self.unused:
                    made_of[joined] = symbols[left], symbols[right]

        for left in range(len(symbols) - 1):
            look_at(left, left + 1)
        while waiting and dropout < 1:
            _, left, right, length = heapq.heappop(waiting)
            one, other = symbols[left], symbols[right]
            if not one or not other or len(one) + len(other) != length:
                continue
            if dropout > 0 and generator is not None and generator.random() < dropout:
                continue
            symbols[left], symbols[right] = one + other, ""
            after[left] = after[right]
            if after[left] >= 0:
                before[after[left]] = left
            look_at(before[left], left)
            look_at(left, after[left])
        return self._taken_apart([symbol for symbol in symbols if symbol], made_of)

    def _symbols(self, text: str) -> tuple[list[str], set[int]]:
        """Cut a text into characters and user-defined symbols; say where the latter are."""
        if not self.symbols.first:
            return list(text), set()
        symbols: list[str] = []
        frozen: set[int] = set()
        place = 0
        while place < len(text):
            end = self.symbols.longest(text, place)
            if end > place:
                frozen.add(len(symbols))
            symbols.append(text[place : max(end, place + 1)])
            place = max(end, place + 1)
        return symbols, frozen

    def _taken_apart(
        self, symbols: Sequence[str], made_of: dict[str, tuple[str, str]]
    ) -> list[tuple[str, int]]:
        """Give each symbol its id, and take unused pieces apart again."""
        pairs: list[tuple[str, int]] = []
        for symbol in symbols:
            open_pieces = [(symbol, 0)]
            while open_pieces:
                piece, depth = open_pieces.pop()
                number = self.ids.get(piece, self.unknown_id)
                if depth > MAX_DEPTH or piece not in self.unused:
                    pairs.append((piece, number))
                elif piece in made_of:
                    left, right = made_of[piece]
                    open_pieces += (right, depth + 1), (left, depth + 1)
                else:
                    pairs.append((piece, self.unknown_id))
        return pairs


def _order(score: float) -> int:
    """Give a float32 the number of its place among all, as upstream compares its bits.

    >>> _order(-1.5) < _order(-1.0) < _order(-0.0) < _order(0.0) < _order(2.0)
    True
    """
    bits = bits_of(score)
    return bits if bits < 2**31 else 2**31 - 1 - bits
