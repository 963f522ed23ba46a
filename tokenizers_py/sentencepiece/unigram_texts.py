"""Many texts to unigram ids at once: words are numbers in numpy arrays, solved when they are new.

A list of texts is taken in blocks. A block is one long row of characters; it is cut into words
where no piece reaches across (words.py), each different word has a number, and what is remembered
of word n stands at place n of some arrays (`Memory`). So a block costs a few array operations and
one look-up for each word. Words that have no number yet are solved all together
(unigram_batch.py).

Whether a remembered choice is sure is decided as unigram_words.py explains. A text with a word that
is not goes there, with its words, and is done by itself; most sentences never come to that. What is
remembered for lists of texts and for single texts are two things: arrays cost more to ask once than
a dict, and less to ask a thousand times. Called by segmenters.py.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import count
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from tokenizers_py.sentencepiece.array_trie import Ints
from tokenizers_py.sentencepiece.byte_fallback import Unknowns
from tokenizers_py.sentencepiece.unigram_batch import BatchViterbi, Floats, Solved
from tokenizers_py.sentencepiece.unigram_words import UnigramWords, sure_until
from tokenizers_py.sentencepiece.words import (
    REMEMBERED_LENGTH,
    REMEMBERED_WORDS,
    Codes,
    code_row,
)
from tokenizers_py.unigram import Segmentation

BLOCK = 2**17  # characters
FEW = 2**10  # less than this in all is done sooner text by text
CODES = 0x110000  # of characters

_NOT_COPIED = {"_lock", "_numbers", "_characters", "_memory"}

LONG_WORD = 0  # the number of every long word: it is never sure

Numbers = TypeVar("Numbers", Ints, Floats)
Row = TypeVar("Row", str, list[int])


@dataclass
class Memory:
    """What is remembered of words: word n has the ids `ids[firsts[n] : firsts[n] + counts[n]]`.

    `most` and `limits` are those of unigram_words.Word.
    """

    ids: Ints
    firsts: Ints
    counts: Ints
    most: Floats
    limits: Floats

    @classmethod
    def of_long_word(cls) -> "Memory":
        """Make a memory that knows LONG_WORD and nothing else."""
        zero = np.zeros(1, np.int64)
        return cls(zero[:0], zero, zero, np.zeros(1), np.full(1, -np.inf))

    def and_also(self, other: "Memory") -> "Memory":
        """Append what is known of further words."""
        other.firsts += len(self.ids)
        both = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Memory(*map(np.concatenate, both))

    def ids_of(self, words: Ints) -> tuple[Ints, Ints]:
        """Give the ids of the words one after another, and how many each word has."""
        counts = self.counts[words]
        shifts = self.firsts[words] - np.cumsum(counts) + counts
        places = np.repeat(shifts, counts)
        places += np.arange(len(places))
        return self.ids[places], counts


class UnigramTexts:
    """Encodes many texts with a unigram model.

    Args:
        words: The same model, which does one text alone, and knows how to cut one.
        ids_of_one: Gives the ids of one text.
        unknowns: What becomes of unknown characters.
    """

    def __init__(
        self, words: UnigramWords, ids_of_one: Callable[[str], list[int]], unknowns: Unknowns
    ) -> None:
        self._words = words
        self._ids_of_one = ids_of_one
        self._unknowns = unknowns
        self._batch = BatchViterbi(words.model)
        pieces = words.model.pieces
        self._ids = np.array([*(number for _, number, _ in pieces), words.model.unknown_id])
        self._lengths = np.array([*(len(piece) for piece, _, _ in pieces), 1])
        self._lock = Lock()  # numbers and memory belong together, also where threads share them
        self._forget()

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Give the ids of each text."""
        if sum(map(len, texts)) < FEW:
            return list(map(self._ids_of_one, texts))
        found: list[list[int]] = []
        for block in _blocks(texts):
            found += self._block(block) if len(block) > 1 else map(self._ids_of_one, block)
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _NOT_COPIED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = Lock()
        self._forget()

    def _forget(self) -> None:
        self._memory = Memory.of_long_word()
        self._numbers: defaultdict[str, int] = defaultdict(count(1).__next__)
        self._characters = np.zeros(CODES, np.int64)  # the numbers of words of one character

    def _block(self, texts: Sequence[str]) -> list[list[int]]:
        joined = "".join(texts)
        codes = code_row(joined)
        text_ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
        ends = self._cut(codes, text_ends)
        words, memory = self._look_up(joined, codes, ends)
        in_words = np.searchsorted(ends, text_ends, "right")  # the same ends, counted in words
        ids, counts = memory.ids_of(words)
        in_ids = _sums(counts)[in_words]
        if self._unknowns.byte_ids is None:
            ids, in_ids = self._join_unknowns(ids, in_ids)
        found = _parts(ids.tolist(), in_ids)
        for text in _unsure(words, in_words, memory):
            part = slice(in_words[text - 1] if text else 0, in_words[text])
            start = text_ends[text - 1] if text else 0
            as_texts = _parts(texts[text], ends[part] - start)
            found[text] = self._one_by_one(words[part], as_texts, memory)
        return found

    def _cut(self, codes: Codes, text_ends: Ints) -> Ints:
        """Cut between the texts, and wherever no piece reaches across; say where words end."""
        is_end = np.ones(len(codes) + 1, np.bool_)
        is_end[1:-1] = self._words.cut.apart(codes)
        is_end[text_ends] = True
        is_end[0] = False
        return np.flatnonzero(is_end)

    def _look_up(self, joined: str, codes: Codes, ends: Ints) -> tuple[Ints, Memory]:
        """Give every word its number, and the memory that knows them all."""
        with self._lock:
            try:
                if len(self._numbers) > REMEMBERED_WORDS:
                    self._forget()
                return self._number(joined, codes, ends), self._memory
            except BaseException:  # such as Ctrl+C: there may be numbers without solutions
                self._forget()
                raise

    def _number(self, joined: str, codes: Codes, ends: Ints) -> Ints:
        """Give every word its number. Those that are new get the next ones, and are solved."""
        lengths = np.diff(ends, prepend=0)
        numbers = np.where(lengths == 1, self._characters[codes[ends - 1]], 0)
        rest = np.flatnonzero((numbers == 0) & (lengths <= REMEMBERED_LENGTH))
        places = zip((ends - lengths)[rest].tolist(), ends[rest].tolist(), strict=True)
        words = [joined[start:end] for start, end in places]
        numbers[rest] = np.fromiter(map(self._numbers.__getitem__, words), np.int64, len(words))
        known = len(self._memory.counts)
        if len(self._numbers) >= known:
            new = np.flatnonzero(numbers >= known)
            seen = np.empty(len(self._numbers) + 1 - known, np.int64)
            seen[numbers[new] - known] = new  # each at one of its places in the block
            ends, lengths = ends[seen], lengths[seen]
            alone = np.flatnonzero(lengths == 1)
            self._characters[codes[ends[alone] - 1]] = alone + known
            solved = self._batch.solve(codes, ends - lengths, lengths)
            more = self._finished(solved, joined, ends - lengths, lengths)
            self._memory = self._memory.and_also(more)
        return numbers

    def _finished(self, solved: Solved, joined: str, starts: Ints, lengths: Ints) -> Memory:
        """Make of solved words what is remembered."""
        sums = _sums(np.abs(self._batch.scores[solved.pieces]))
        most = sums[solved.firsts + solved.counts] - sums[solved.firsts]
        largest = self._words.largest
        limits = sure_until(solved.leads, solved.counts, lengths, largest, np.minimum)
        memory = Memory(self._ids[solved.pieces], solved.firsts, solved.counts, most, limits)
        if self._unknowns.byte_ids is not None:
            texts = [joined[s:e] for s, e in zip(starts, starts + lengths, strict=True)]
            self._write_bytes(memory, solved.pieces, texts)
        return memory

    def _write_bytes(self, memory: Memory, pieces: Ints, texts: list[str]) -> None:
        """Where a word has unknown characters, give it other ids, which are appended."""
        firsts, counts = memory.firsts.copy(), memory.counts.copy()
        unknown = _sums((pieces == self._batch.unknown).astype(np.int64))
        more: list[int] = []
        for word in np.flatnonzero(unknown[firsts + counts] > unknown[firsts]).tolist():
            part = slice(firsts[word], firsts[word] + counts[word])
            ends = np.cumsum(self._lengths[pieces[part]]).tolist()
            found = Segmentation(memory.ids[part].tolist(), ends, 0.0)
            ids = self._words.finish(texts[word], found)
            firsts[word], counts[word] = len(memory.ids) + len(more), len(ids)
            more += ids
        memory.ids = np.append(memory.ids, np.array(more, np.int64))
        memory.firsts, memory.counts = firsts, counts

    def _one_by_one(self, numbers: Ints, words: Sequence[str], memory: Memory) -> list[int]:
        """Do a text by itself, with what is known of its words."""
        if self._unknowns.byte_ids is None:
            known, there = dict(zip(words, numbers.tolist(), strict=True)), self._words.memory
            lent = {w: n for w, n in known.items() if n != LONG_WORD and w not in there}
            places = np.fromiter(lent.values(), np.int64, len(lent))
            ids, counts = memory.ids_of(places)
            most, limits = memory.most[places], memory.limits[places]
            parts = _parts(ids.tolist(), np.cumsum(counts))
            for row in zip(lent, parts, most.tolist(), limits.tolist(), strict=True):
                self._words.remember(*row)
        found = self._words.ids_of(words)
        return found if self._unknowns.byte_ids else self._unknowns.join(found)

    def _join_unknowns(self, ids: Ints, text_ends: Ints) -> tuple[Ints, Ints]:
        """Make one of neighbouring unknown ids of the same text."""
        unknown = ids == self._unknowns.unknown_id
        again = np.zeros(len(ids) + 1, np.bool_)
        again[1:-1] = unknown[1:] & unknown[:-1]
        again[text_ends] = False  # another text begins
        if not again.any():
            return ids, text_ends
        kept = ~again[:-1]
        return ids[kept], _sums(kept.astype(np.int64))[text_ends]


def _unsure(words: Ints, text_ends: Ints, memory: Memory) -> list[int]:
    """List the texts in which the sum of the scores may pass the limit of a word."""
    sums = _sums(memory.most[words])
    text_starts = np.concatenate([[0], text_ends[:-1]])
    text = np.repeat(np.arange(len(text_ends)), text_ends - text_starts)
    before = sums[:-1] - sums[text_starts][text]
    found: list[int] = np.unique(text[before > memory.limits[words]]).tolist()
    return found


def _sums(row: Numbers) -> Numbers:
    """Add up what stands in front of each place, and in the end all."""
    return np.concatenate([np.zeros(1, row.dtype), np.cumsum(row)])


def _parts(whole: Row, ends: Ints) -> list[Row]:
    """Cut a list or a text at the ends of its parts."""
    stops: list[int] = ends.tolist()
    return [whole[start:end] for start, end in zip([0, *stops], stops, strict=False)]


def _blocks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Take together as many texts as have BLOCK characters; a longer one stands alone."""
    start = size = 0
    for place, text in enumerate(texts):
        if size + len(text) > BLOCK and start < place:
            yield texts[start:place]
            start, size = place, 0
        size += len(text)
    if start < len(texts):
        yield texts[start:]
