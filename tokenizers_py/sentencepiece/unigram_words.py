"""The unigram segmentation, word by word: the same ids as `viterbi`, several times faster.

A word that was seen before need not be segmented again, if the answer is sure to be the same. It
is not always: upstream adds scores up in float32 from the start of the text, so where a word
stands decides how sums are rounded, and rounding decides between ways that are nearly equally
good. Therefore a word is remembered with its `limit`: as long as the sum of the scores before it
is smaller, no rounding can overturn the choice. Beyond, the word is segmented in place.
The readable algorithm is `viterbi` in tokenizers_py/unigram.py. Called by segmenters.py; many texts
at once: unigram_texts.py.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from math import inf
from operator import itemgetter
from typing import Any, NamedTuple

from tokenizers_py.sentencepiece.words import REMEMBERED_LENGTH, WordCutter, WordMemory
from tokenizers_py.unigram import SCORE_LIMIT, Segmentation, Unigram, read_back, viterbi

FLOAT32_STEPS = 2.0**24  # a sum of size M is rounded by at most M / FLOAT32_STEPS
CAUTION = 0.99  # for what this file itself computes in float64 and not exactly


class Word(NamedTuple):
    """What is remembered of a word."""

    ids: tuple[int, ...]  # as they are given out
    scores: tuple[float, ...]  # of its pieces
    most: float  # how far these move the sum, at most
    limit: float  # the choice is sure after a sum of at most this size


UNSURE = Word((), (), inf, -inf)

_IDS, _SCORES, _MOST, _LIMIT = map(itemgetter, range(4))  # of a Word
BLOCK = 128  # words that are looked at together


def _add(total: "array[float]", words: Iterable[Word]) -> None:
    """Add the words' scores one by one; what is stored in `total` is rounded to float32."""
    for score in chain.from_iterable(map(_SCORES, words)):
        total[0] += score


class UnigramWords:
    """A unigram model that remembers words.

    Args:
        model: The vocabulary.
        finish: Turns a word and its segmentation into the ids that are given out.
    """

    def __init__(self, model: Unigram, finish: Callable[[str, Segmentation], list[int]]) -> None:
        self.model = model
        self.finish = finish
        self.cut = WordCutter(piece for piece, _, _ in model.pieces)
        self.memory = WordMemory(self._solve)
        self._score = {piece_id: score for _, piece_id, score in model.pieces}
        self._score[model.unknown_id] = model.unknown_score
        self.largest = max(map(abs, self._score.values()))

    def ids(self, text: str) -> list[int]:
        """Give the ids of a text, as `viterbi` and `finish` give them for the whole of it."""
        return self.ids_of(self.cut(text))

    def ids_of(self, words: Sequence[str]) -> list[int]:
        """Give the ids of a text that is cut into words.

        `bound` is never less than the size of the sum so far. It is cheap: a word's scores count
        as if they all had one sign. A block of words in which it passes no limit is given out as
        it is remembered. Where it does, the sum itself is added up, rounded as upstream rounds it;
        most sentences never come to that.
        """
        known = list(map(self.memory.__getitem__, words))
        ids: list[int] = []
        bound = 0.0
        total, added = array("f", [0.0]), 0  # the sum of the first `added` words
        for start in range(0, len(known), BLOCK):
            block = known[start : start + BLOCK]
            most = sum(map(_MOST, block))
            if bound + most <= min(map(_LIMIT, block)):
                ids += chain.from_iterable(map(_IDS, block))
                bound += most
                continue
            for place, (word_ids, _, most, limit) in enumerate(block, start):
                if bound > limit:
                    _add(total, known[added:place])
                    added, bound = place, abs(total[0])
                    if bound > limit:
                        found = viterbi(words[place], self.model, total[0])
                        ids += self.finish(words[place], found)
                        total[0] = found.score
                        added, bound = place + 1, abs(found.score)
                        continue
                ids += word_ids
                bound += most
        return ids

    def remember(self, word: str, ids: Sequence[int], most: float, limit: float) -> None:
        """Take over what is known of a word from elsewhere; `ids` are those of its pieces."""
        scores = tuple(map(self._score.__getitem__, ids))
        self.memory.remember(word, Word(tuple(ids), scores, most, limit))

    def _solve(self, text: str) -> Word:
        """Segment a word by itself and find the limit up to which its choice is sure."""
        if self.cut.alphabet.isdisjoint(text):  # all is unknown, and there is one way
            places = list(range(1, len(text) + 1))
            found, lead = Segmentation([self.model.unknown_id] * len(text), places, 0.0), inf
        elif len(text) <= REMEMBERED_LENGTH:
            found, lead = best_with_lead(text, self.model)
        else:
            return UNSURE
        scores = tuple(map(self._score.__getitem__, found.ids))
        limit = sure_until(lead, len(scores), len(text), self.largest)
        return Word(tuple(self.finish(text, found)), scores, sum(map(abs, scores)), limit)


def sure_until(
    lead: Any, pieces: Any, length: Any, largest: float, least: Callable[[Any, Any], Any] = min
) -> Any:
    """Find up to which sum before it a word is cut like this; for arrays, `least` is np.minimum.

    In a sum of size M, n additions go wrong by n * M / 2^24 at most. Two ways through the word, the
    best and the next, do not change places while their distance, the lead, is more than both go
    wrong. M is the sum before the word and all that its own scores can add: `length` times the
    `largest` of the model. The best way has as many additions as pieces, the next at most as many
    as there are characters.

    >>> round(sure_until(0.01, 2, 6, 10.0)), round(sure_until(5.0, 2, 6, 10.0))
    (20702, 98940)
    """
    sure = least(lead * FLOAT32_STEPS / (pieces + length), SCORE_LIMIT) * CAUTION
    return sure - length * largest


def best_with_lead(text: str, model: Unigram) -> tuple[Segmentation, float]:
    """Find the best way to cut a word, in float64, and how much better it is than the next.

    Every other way leaves the best one at some place and comes back to it at another, `end`. It
    can be no better than the second best way to reach `end`. So the lead is the smallest distance
    of best and second best at the ends of the pieces that were chosen.

    Returns:
        The segmentation and its lead.

    >>> model = Unigram([("a", 0, -1.0), ("b", 1, -2.0), ("ab", 2, -2.5)], -1, -9.0)
    >>> best_with_lead("ab", model)
    (Segmentation(ids=[2], ends=[2], score=-2.5), 0.5)
    """
    size = len(text)
    characters = [*text, ""]
    best, second = [-inf] * (size + 1), [-inf] * (size + 1)
    came_from, ids = [-1] * (size + 1), [model.unknown_id] * (size + 1)
    best[0] = 0.0
    for start in range(size):
        here = best[start]
        end, longer, alone = start, model.trie, False
        while place := longer.get(characters[end]):
            score, piece_id, longer = place
            end += 1
            if score is not None:
                alone = alone or end == start + 1
                candidate = here + score
                if candidate > best[end]:
                    second[end], best[end] = best[end], candidate
                    came_from[end], ids[end] = start, piece_id
                elif candidate > second[end]:
                    second[end] = candidate
        if not alone:
            candidate = here + model.unknown_score
            if candidate > best[start + 1]:
                second[start + 1], best[start + 1] = best[start + 1], candidate
                came_from[start + 1], ids[start + 1] = start, model.unknown_id
            elif candidate > second[start + 1]:
                second[start + 1] = candidate
    found = read_back(best[size], came_from, ids)
    return found, min([best[end] - second[end] for end in found.ends])
