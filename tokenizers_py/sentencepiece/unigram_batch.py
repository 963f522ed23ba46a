"""Unigram segmentation of thousands of words at once, in numpy: for words that are new.

The algorithm is `viterbi` of tokenizers_py/unigram.py, in float64 and with the second best way
besides; but where that goes through one word, each step here goes through all words at the same
place. First all pieces are found in all words (array_trie.py); then for each end all ways to reach
it are the rows of a matrix, whose columns are the words. Called by unigram_texts.py, which
remembers what is found; for words one by one see `best_with_lead` in unigram_words.py.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tokenizers_py.sentencepiece.array_trie import STOP, ArrayTrie, Ints
from tokenizers_py.unigram import Unigram

Floats = NDArray[np.float64]

WORDS_AT_ONCE = 4096  # what is kept for them stays small


@dataclass(frozen=True)
class Solved:
    """The best way to cut each of some words.

    Word n has the pieces `pieces[firsts[n] : firsts[n] + counts[n]]`: places in `model.pieces`, one
    more for an unknown character. `leads` says how much better than the second best way it is.
    """

    pieces: Ints
    firsts: Ints
    counts: Ints
    leads: Floats


class BatchViterbi:
    """Finds the best way to cut each of many words, and its lead.

    >>> model = Unigram([("a", 0, -1.0), ("b", 1, -2.0), ("ab", 2, -2.5)], -1, -9.0)
    >>> codes = np.frombuffer("ab?ba".encode("utf-32-le"), np.uint32)  # the words "ab?" and "ba"
    >>> found = BatchViterbi(model).solve(codes, np.array([0, 3]), np.array([3, 2]))
    >>> [found.pieces[i : i + n].tolist() for i, n in zip(found.firsts, found.counts)]
    [[2, 3], [1, 0]]
    >>> found.leads.tolist()
    [0.5, inf]
    """

    def __init__(self, model: Unigram) -> None:
        self._trie = ArrayTrie([piece for piece, _, _ in model.pieces])
        self.unknown = len(model.pieces)
        scores = [score for _, _, score in model.pieces]
        self.scores = np.array([*scores, model.unknown_score, -np.inf])  # [-1]: there is no piece
        self._longest = model.longest

    def solve(self, codes: NDArray[np.uint32], starts: Ints, lengths: Ints) -> Solved:
        """Solve the words that stand in a row of character codes; none may be empty."""
        counts = np.empty(len(starts), np.int64)
        firsts, leads = counts.copy(), np.empty(len(starts))
        found: list[Ints] = [np.empty(0, np.int64)]
        done = 0
        by_length = np.argsort(-lengths, kind="stable")
        for begin in range(0, len(starts), WORDS_AT_ONCE):
            some = by_length[begin : begin + WORDS_AT_ONCE]
            solved = self._solve(codes, starts[some], lengths[some])
            found.append(solved.pieces)
            firsts[some], counts[some] = solved.firsts + done, solved.counts
            leads[some] = solved.leads
            done += len(solved.pieces)
        return Solved(np.concatenate(found), firsts, counts, leads)

    def _solve(self, codes: NDArray[np.uint32], starts: Ints, lengths: Ints) -> Solved:
        """Go through the ends from left to right. The longest word comes first.

        Trap: of equal ways the one with the longer last piece wins: it is the upper row, and
        `argmax` takes the first.
        """
        size, words = int(lengths[0]), len(lengths)
        reaching = [int(np.searchsorted(-lengths, -end, "right")) for end in range(size + 1)]
        best = np.full((size + 1, words), -np.inf)
        lead = np.full((size + 1, words), np.inf)
        came_from = np.zeros((size + 1, words), np.int64)
        won = np.full((size + 1, words), -1, np.int64)
        best[0] = 0.0
        for end, pieces in enumerate(self._pieces_by_end(codes, starts, lengths, reaching), 1):
            rows, count = pieces.shape  # every row is a start, every column a word
            columns = np.arange(count)
            ways = best[end - rows : end, :count] + self.scores[pieces]
            first = ways.argmax(axis=0)
            best[end, :count] = ways[first, columns]
            won[end, :count] = pieces[first, columns]
            came_from[end, :count] = end - rows + first
            ways[first, columns] = -np.inf
            lead[end, :count] = best[end, :count] - ways.max(axis=0)
        return _read_back(lengths, came_from, won, lead)

    def _pieces_by_end(
        self, codes: NDArray[np.uint32], starts: Ints, lengths: Ints, reaching: list[int]
    ) -> list[Ints]:
        """Find the pieces: for each end a matrix of the piece from each start in each word.

        -1 means that there is none. Starts from where no piece is long enough have no row.
        """
        size, words = len(reaching) - 1, len(lengths)
        rows = np.minimum(np.arange(size + 1), self._longest)
        width = np.array(reaching)
        offsets = np.cumsum(rows * width) - rows * width
        table = np.full(int((rows * width).sum()), -1, np.int64)
        matrices = [
            table[offsets[end] : offsets[end] + rows[end] * width[end]].reshape(-1, width[end])
            for end in range(1, size + 1)
        ]
        for matrix in matrices:
            matrix[-1] = self.unknown  # a character alone, unless it is a piece
        firsts = np.cumsum(lengths + 1) - lengths - 1  # in a row where STOP ends every word
        word = np.repeat(np.arange(words), lengths)
        inside = np.arange(len(word)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        row = np.full(len(word) + words, STOP, np.int64)
        places = firsts[word] + inside
        row[places] = self._trie.classes(codes[starts[word] + inside])
        at = np.empty(len(row), np.int64)
        at[places] = np.arange(len(word))
        for length, where, pieces in self._trie.find(row, places):
            index = at[where]
            end = inside[index] + length
            line = rows[end] - length
            table[offsets[end] + line * width[end] + word[index]] = pieces
        return matrices


def _read_back(lengths: Ints, came_from: Ints, won: Ints, lead: Floats) -> Solved:
    """Follow the pieces that won, from the ends of all words to their starts.

    The lead of the whole is the smallest one at the ends of the pieces that were chosen.
    """
    ends = lengths.copy()
    leads = np.full(len(lengths), np.inf)
    counts = np.zeros(len(lengths), np.int64)
    steps: list[tuple[Ints, Ints]] = []
    alive = np.arange(len(lengths))
    while len(alive):
        end = ends[alive]
        steps.append((alive, won[end, alive]))
        leads[alive] = np.minimum(leads[alive], lead[end, alive])
        counts[alive] += 1
        ends[alive] = came_from[end, alive]
        alive = alive[ends[alive] > 0]
    lasts = np.cumsum(counts)
    pieces = np.empty(int(counts.sum()), np.int64)
    for back, (some, chosen) in enumerate(steps, 1):
        pieces[lasts[some] - back] = chosen
    return Solved(pieces, lasts - counts, counts, leads)
