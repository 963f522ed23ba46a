"""Cutting a normalised text where no piece can reach across, so that each part is solved once.

What the best pieces of "▁photo" are does not depend on what stands beside it, if no piece of the
vocabulary crosses its ends. `WordCutter` looks at the pieces to find out where a text may be cut in
this way. Then the words can be solved one by one, and remembered (`WordMemory`): by
unigram_words.py and bpe.py.
"""

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

SPACE = "\u2581"  # "▁", which stands for a space in a normalised text
REMEMBERED_WORDS = 2**15
REMEMBERED_LENGTH = 32  # longer words hardly come twice: they would only fill the memory
PAIR_TABLE = 2**22  # places in the table of pairs; two pairs in one place only cost a cut

_FACTOR, _MASK = np.uint32(40503), np.uint32(PAIR_TABLE - 1)

Codes: TypeAlias = NDArray[np.uint32]
Solution = TypeVar("Solution")


class WordCutter:
    """Cuts texts into words that no piece of a vocabulary crosses.

    Where pieces have "▁" only at their start, as usual, a word is a run of "▁" and what follows;
    where they have it only at their end, what precedes and a run of "▁". Where they have it inside
    ("▁of▁the"), "▁" does not end a word. A run of characters that are in no piece is a word apart.
    If one is still long, as in Japanese, the text is cut between all neighbours that no piece has
    side by side. Such cuts are many: a 1,120,000-byte novel becomes 13,000 different words.

    >>> WordCutter(["▁a", "b"])("▁ab▁▁aXYb")
    ['▁ab', '▁▁a', 'XY', 'b']
    >>> WordCutter(["a▁", "b"])("ab▁▁ab")
    ['ab▁▁', 'ab']
    >>> WordCutter(["a▁b"])("ab▁▁ab")
    ['ab▁▁ab']
    >>> WordCutter(["ab", "bc"])("abcacb" * 6)[:4]
    ['abc', 'a', 'c', 'b']
    """

    def __init__(self, pieces: Iterable[str]) -> None:
        pieces = list(pieces)
        self.alphabet = {SPACE, *(character for piece in pieces for character in piece)}
        self._words = _word_pattern(pieces, self.alphabet - {SPACE})
        self._apart = np.ones(PAIR_TABLE, np.bool_)  # which pairs no piece has side by side
        self._apart[_pair_places(code_row("\n".join(pieces)))] = False

    def __call__(self, text: str) -> list[str]:
        """Cut a text into words."""
        words: list[str] = self._words.findall(text)
        if max(map(len, words), default=0) > REMEMBERED_LENGTH and any(
            len(word) > REMEMBERED_LENGTH and word[0] in self.alphabet for word in words
        ):
            return self._between_neighbours(text)
        return words

    def apart(self, codes: Codes) -> NDArray[np.bool_]:
        """Say for each two neighbours in a row of character codes whether it may be cut there.

        >>> WordCutter(["ab", "bc"]).apart(code_row("abca")).tolist()
        [False, False, True]
        """
        return self._apart[_pair_places(codes)]

    def _between_neighbours(self, text: str) -> list[str]:
        words: list[str] = []
        start = 0
        for end in (np.flatnonzero(self.apart(code_row(text))) + 1).tolist():
            words.append(text[start:end])
            start = end
        words.append(text[start:])
        return words


def _word_pattern(pieces: list[str], alphabet: set[str]) -> "re.Pattern[str]":
    letters = "".join(map(re.escape, sorted(alphabet)))
    known = f"[{letters}]" if letters else "(?!)"
    unknown = f"[^{SPACE}{letters}]+"
    if not any(SPACE in piece.lstrip(SPACE) for piece in pieces):
        return re.compile(f"{SPACE}+{known}*|{known}+|{unknown}")
    if not any(SPACE in piece.rstrip(SPACE) for piece in pieces):
        return re.compile(f"{known}*{SPACE}+|{known}+|{unknown}")
    return re.compile(f"[{SPACE}{letters}]+|{unknown}")


def code_row(text: str) -> Codes:
    """Give the codes of a text's characters as an array."""
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def _pair_places(codes: Codes) -> Codes:
    """Give each pair of neighbours its place in a table of PAIR_TABLE places."""
    places: Codes = codes[:-1] * _FACTOR
    places += codes[1:]
    places &= _MASK
    return places


class WordMemory(dict[str, Solution]):
    """Solutions by word, found when first asked for; forgotten all at once when they are many."""

    def __init__(self, solve: Callable[[str], Solution]) -> None:
        self._solve = solve

    def __missing__(self, word: str) -> Solution:
        solution = self._solve(word)
        self.remember(word, solution)
        return solution

    def remember(self, word: str, solution: Solution) -> None:
        """Keep a solution, if it is of a word that may come again."""
        if len(word) <= REMEMBERED_LENGTH:
            if len(self) >= REMEMBERED_WORDS:
                self.clear()
            self[word] = solution
