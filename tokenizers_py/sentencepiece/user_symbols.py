"""User-defined symbols: strings that a SentencePiece model finds in a text before all else.

Used by normalizer.py, which keeps them from the rules, and by models that cut a text.
Source: google/sentencepiece 0.2.3, src/normalizer.cc, PrefixMatcher.
"""

import bisect
from collections.abc import Iterable

MAX_MATCHES = 64  # upstream looks at the 64 shortest symbols that fit at a place, no more


class UserSymbols:
    """The symbols, sorted, so that the longest that fits at a place is found by bisection.

    Take the text from the place on and find the symbol that sorts just before it. A symbol that
    fits is a prefix of the text, and so of everything that sorts between the two: it is that
    neighbour, or begins it. So each symbol remembers which is the longest symbol that begins it.

    >>> symbols = UserSymbols(["<a>", "<a><b>", "<c>"])
    >>> symbols.longest("x<a><b>", 1), symbols.longest("x<a><b>", 0)
    (7, 0)
    """

    def __init__(self, symbols: Iterable[str]) -> None:
        self._sorted: list[str] = []
        self._shorter: list[int] = []  # for each: the place of the longest symbol that begins it
        open_places: list[int] = []
        for symbol in sorted(set(symbols)):
            while open_places and not symbol.startswith(self._sorted[open_places[-1]]):
                open_places.pop()
            if symbol and len(open_places) < MAX_MATCHES:
                self._shorter.append(open_places[-1] if open_places else -1)
                open_places.append(len(self._sorted))
                self._sorted.append(symbol)
        self._longest = max(map(len, self._sorted), default=0)
        self.first = frozenset(symbol[0] for symbol in self._sorted)

    def longest(self, text: str, place: int) -> int:
        """Say where the longest symbol that begins at a place ends; `place` itself if none does."""
        if place >= len(text) or text[place] not in self.first:
            return place
        ahead = text[place : place + self._longest]
        row = bisect.bisect_right(self._sorted, ahead) - 1
        while row >= 0 and not ahead.startswith(self._sorted[row]):
            row = self._shorter[row]
        return place + len(self._sorted[row]) if row >= 0 else place
