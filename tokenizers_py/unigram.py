"""Unigram segmentation: of all ways to cut a text into pieces, the most probable one.

The vocabulary gives every piece a score, the logarithm of its probability. The pieces of a text
are taken to be independent, so a way to cut it has the sum of its pieces' scores, and the way with
the largest sum is found in one pass from left to right (`viterbi`). Several ways, random ways and
probabilities: lattice.py. The same, faster, for texts made of words:
sentencepiece/unigram_words.py; for many texts: unigram_texts.py there. Called by segmenters.py there.

Source: Kudo 2018 (arXiv:1804.10959); google/sentencepiece 0.2.3, src/unigram_model.cc,
Model::EncodeOptimized.
"""

from array import array
from collections.abc import Iterable
from typing import NamedTuple

from tokenizers_py.errors import TokenizerError

UNKNOWN_PENALTY = 10.0  # an unknown character scores this much less than the worst piece
SCORE_LIMIT = 100_000.0  # beyond it upstream counts anew from 0, where float32 still has 2 digits


class TriePlace(NamedTuple):
    """Where the first characters of pieces lead: their score and id, and the pieces that go on.

    `score` is None where the characters so far are no piece themselves.
    """

    score: float | None
    id: int
    longer: dict[str, "TriePlace"]


Trie = dict[str, TriePlace]


class Segmentation(NamedTuple):
    """A text cut into pieces: the id of each, where each ends, and the score of the way there."""

    ids: list[int]
    ends: list[int]
    score: float


class Unigram:
    """A unigram vocabulary, ready for looking up.

    Args:
        pieces: Each piece with its id and its score; no piece may be empty, none twice.
        unknown_id: What a character gets that is no piece.
        unknown_score: Its score: `unknown_score` of the lowest one.
    """

    def __init__(
        self, pieces: Iterable[tuple[str, int, float]], unknown_id: int, unknown_score: float
    ) -> None:
        self.pieces = list(pieces)
        self.unknown_id = unknown_id
        self.unknown_score = unknown_score
        self.trie = _trie(self.pieces)
        self.longest = max((len(piece) for piece, _, _ in self.pieces), default=1)

    def pieces_at(self, text: str, start: int) -> list[tuple[int, int, float]]:
        """List the pieces that stand in the text at `start`: the end, id and score of each.

        The shortest comes first. If the character alone is no piece, it is offered as unknown,
        last.

        >>> model = Unigram([("a", 0, -1.0), ("bc", 1, -2.0)], -1, -9.0)
        >>> model.pieces_at("abc", 1)
        [(3, 1, -2.0), (2, -1, -9.0)]
        """
        found: list[tuple[int, int, float]] = []
        branch = self.trie
        for end in range(start + 1, len(text) + 1):
            place = branch.get(text[end - 1])
            if place is None:
                break
            if place.score is not None:
                found.append((end, place.id, place.score))
            branch = place.longer
        if not found or found[0][0] > start + 1:
            found.append((start + 1, self.unknown_id, self.unknown_score))
        return found


def unknown_score(lowest: float) -> float:
    """Give the score of an unknown character, from the lowest score of the ordinary pieces.

    >>> unknown_score(-12.5)
    -22.5
    """
    return to_float32(to_float32(lowest) - UNKNOWN_PENALTY)


def to_float32(number: float) -> float:
    """Round to float32, in which upstream adds up scores.

    >>> to_float32(0.1)
    0.10000000149011612
    """
    return array("f", [number])[0]


def viterbi(text: str, model: Unigram, before: float = 0.0) -> Segmentation:
    """Find the most probable way to cut a text into pieces.

    best(0) = before;  best(end) = max over pieces text[start:end] of best(start) + score(piece)

    The piece that won is kept for each end, and read back from the text's end to its start. A
    character that is no piece of its own may always be taken as unknown. Time grows with the
    length of the text times the length of the longest piece.

    Dtype:  every sum is rounded to float32, as upstream has it. The rounding decides between ways
            that are equally good, and in a long text between ways that are nearly so.
    Trap:   of two equal sums the one with the longer last piece wins: it was there first.
    Trap:   when a sum leaves ±100,000 all open sums are moved back by it, so that rounding does
            not eat up a long text. `before` is the sum of what stands in front of this text.

    >>> model = Unigram([("a", 0, -1.0), ("b", 1, -2.0), ("ab", 2, -2.5), ("ba", 3, -4.5)], -1, -9)
    >>> viterbi("abab", model)
    Segmentation(ids=[2, 2], ends=[2, 4], score=-5.0)
    >>> viterbi("a?b", model).ids
    [0, -1, 1]
    """
    size = len(text)
    characters = [*text, ""]  # "" is in no trie: it ends every search
    best = array("f", [float("-inf")]) * (size + 1)
    came_from = [-1] * (size + 1)
    ids = [model.unknown_id] * (size + 1)
    best[0] = before
    trie, unknown = model.trie, model.unknown_score
    for start in range(size):
        here = best[start]
        if not -SCORE_LIMIT <= here <= SCORE_LIMIT:
            _count_anew(best, start, start + model.longest)
            here = 0.0
        end, longer, alone = start, trie, False
        while place := longer.get(characters[end]):
            score, piece_id, longer = place
            end += 1
            if score is not None:
                alone = alone or end == start + 1
                candidate = here + score
                if candidate > best[end]:
                    before = best[end]
                    best[end] = candidate  # rounds: only now is it known whether it is better
                    if best[end] > before:
                        came_from[end] = start
                        ids[end] = piece_id
        if not alone and here + unknown > best[start + 1]:
            before = best[start + 1]
            best[start + 1] = here + unknown
            if best[start + 1] > before:
                came_from[start + 1] = start
                ids[start + 1] = model.unknown_id
    return read_back(best[size], came_from, ids)


def _count_anew(best: "array[float]", start: int, last: int) -> None:
    """Subtract the score at `start` from it and from all places that are already reached."""
    offset = best[start]
    for place in range(start, min(last + 1, len(best))):
        best[place] -= offset


def read_back(score: float, came_from: list[int], ids: list[int]) -> Segmentation:
    """Follow the pieces that won, from the text's end to its start."""
    found: list[int] = []
    ends: list[int] = []
    end = len(ids) - 1
    while end > 0:
        found.append(ids[end])
        ends.append(end)
        end = came_from[end]
    if end < 0:
        raise TokenizerError("the scores of this model are too large to be added up in float32")
    return Segmentation(found[::-1], ends[::-1], score)


def _trie(pieces: Iterable[tuple[str, int, float]]) -> Trie:
    trie: Trie = {}
    for piece, piece_id, score in pieces:
        branch = trie
        for character in piece[:-1]:
            if character not in branch:
                branch[character] = TriePlace(None, -1, {})
            branch = branch[character].longer
        longer = branch[piece[-1]].longer if piece[-1] in branch else {}
        branch[piece[-1]] = TriePlace(score, piece_id, longer)
    return trie
