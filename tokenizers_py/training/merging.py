r"""The loop of BPE and WordPiece: find the best pair of neighbours, join it everywhere, repeat.

To count all pairs anew for every merge would cost vocabulary × corpus. Instead `Corpus` keeps,
for each pair, its count and the places where it stands; a merge visits only these places, and
changes only the counts of the pairs around them. `Merging` keeps the pairs in a heap and is the
iterator that one watches. bpe.py and wordpiece.py say how a word is spelt and which pair is best.

Source: Sennrich et al. 2016 (arXiv:1508.07909), section 3.2; tokenizers 0.23.3,
models/bpe/trainer.rs (which pair wins a tie, when to stop).
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tokenizers_py.errors import TokenizerError
from tokenizers_py.text.normalization import check_text

Pair = tuple[int, int]  # two ids
_NOTHING = -1  # no neighbour, or a symbol that was joined to the one before it


@dataclass(frozen=True)
class MergeStep:
    """One step of a training: which pair was joined, and why."""

    rank: int  # place in the list of merges
    pair: tuple[str, str]
    count: int  # how often the pair stood in the corpus
    score: float  # what made it the best pair: the count, or WordPiece's likelihood
    token: str  # the new entry of the vocabulary
    example: tuple[str, ...]  # the first word that holds it, as it is spelt now

    def __str__(self) -> str:
        """Write the step as one line.

        >>> print(MergeStep(0, ("e", "s"), 9, 9, "es", ("n", "e", "w", "es", "t</w>")))
           0  e + s -> es  (9 times, as in n e w es t</w>)
        """
        first, second = self.pair
        score = "" if self.score == self.count else f", score {self.score:.3g}"
        return (
            f"{self.rank:4}  {first} + {second} -> {self.token}  "
            f"({self.count} times{score}, as in {' '.join(self.example)})"
        )


class Corpus:
    """All words, one after the other, as a linked list of symbols; and where each pair stands.

    `symbols[place]` is an id; `after` and `before` are the places of its neighbours in the word.
    Two counters tell the state of things: `pair_count` and `symbol_count`, both weighted by how
    often the words occur. Places in `_places` may be out of date and are checked when they are used.

    >>> corpus = Corpus([[0, 1, 0, 1]], [10])
    >>> corpus.pair_count
    Counter({(0, 1): 20, (1, 0): 10})
    >>> corpus.merge((0, 1), 2)
    (0, [(2, 0), (2, 2)])
    >>> +corpus.pair_count
    Counter({(2, 2): 10})
    """

    def __init__(self, words: Sequence[Sequence[int]], counts: Sequence[int]) -> None:
        self.symbols: list[int] = []
        self.after: list[int] = []
        self.before: list[int] = []
        self.weight: list[int] = []
        self.pair_count: Counter[Pair] = Counter()
        self.symbol_count: Counter[int] = Counter()
        self._places: dict[Pair, list[int]] = {}
        for word, count in zip(words, counts, strict=True):
            self._add(word, count)

    def _add(self, word: Sequence[int], count: int) -> None:
        start, end = len(self.symbols), len(self.symbols) + len(word)
        self.symbols += word
        self.before += [_NOTHING, *range(start, end - 1)][: len(word)]
        self.after += [*range(start + 1, end), _NOTHING][-len(word) :] if word else []
        self.weight += [count] * len(word)
        for place in range(start, end):
            self.symbol_count[self.symbols[place]] += count
            if place + 1 < end:
                self._found((self.symbols[place], self.symbols[place + 1]), place)

    def _found(self, pair: Pair, place: int) -> None:
        self.pair_count[pair] += self.weight[place]
        self._places.setdefault(pair, []).append(place)

    def merge(self, pair: Pair, token: int) -> tuple[int, list[Pair]]:
        """Join a pair wherever it stands, from left to right, and give it the id `token`.

        In "aaa" the first two are joined, as the tokenizer will do it.

        Returns:
            The first place where it stood, and the pairs that now have one more occurrence.
        """
        new_pairs: dict[Pair, None] = {}
        first_place = _NOTHING
        for place in sorted(self._places.pop(pair)):
            right = self.after[place]
            if right < 0 or (self.symbols[place], self.symbols[right]) != pair:
                continue  # out of date: one of the two has been joined to another symbol
            if first_place < 0:
                first_place = place
            new_pairs.update(dict.fromkeys(self._join(place, right, token)))
        del self.pair_count[pair]
        return first_place, list(new_pairs)

    def _join(self, place: int, right: int, token: int) -> Iterator[Pair]:
        """Join two places; the pairs on both sides are lost, and others take their place."""
        first, second = self.symbols[place], self.symbols[right]
        left, beyond, weight = self.before[place], self.after[right], self.weight[place]
        self.symbols[place], self.symbols[right] = token, _NOTHING
        self.after[place], self.after[right] = beyond, _NOTHING
        self.symbol_count[first] -= weight
        self.symbol_count[second] -= weight
        self.symbol_count[token] += weight
        if left >= 0:
            self.pair_count[self.symbols[left], first] -= weight
            self._found((self.symbols[left], token), left)
            yield self.symbols[left], token
        if beyond >= 0:
            self.before[beyond] = place
            self.pair_count[second, self.symbols[beyond]] -= weight
            self._found((token, self.symbols[beyond]), place)
            yield token, self.symbols[beyond]

    def word_at(self, place: int) -> list[int]:
        """Give the word that holds a place, as it is spelt now."""
        while self.before[place] >= 0:
            place = self.before[place]
        word = []
        while place >= 0:
            word.append(self.symbols[place])
            place = self.after[place]
        return word


class Merging(Iterator[MergeStep]):
    """A vocabulary that grows by one token a step, until it is large enough.

    It also ends, as upstream's trainers do, when no pair is left that occurs often enough; the
    vocabulary is smaller then. Of two pairs alike, the one with the lower ids wins: the first
    ids, then the second. So the order of the alphabet matters, and the result is always the same.

    Args:
        alphabet: The first tokens: special ones and single symbols, in the order of their ids.
        words: The corpus; each word is spelt with tokens of the alphabet.
        vocab_size: How many tokens there shall be.
        min_frequency: A pair that occurs less often is not joined.
        max_token_length: A token of more symbols is not made; None for no limit.
        reserved: How many of `vocab_size` are needed for tokens that come after the merges.

    Raises:
        TokenizerError: The alphabet alone is larger than `vocab_size`, or an option is no number.
    """

    prefix = ""  # what a token has before it where a word goes on; it is left out when joined

    def __init__(
        self,
        alphabet: Sequence[str],
        words: Sequence[tuple[Sequence[str], int]],
        vocab_size: int,
        *,
        min_frequency: int = 1,
        max_token_length: int | None = None,
        reserved: int = 0,
    ) -> None:
        check_positive("vocab_size", vocab_size)
        check_positive("min_frequency", min_frequency)
        check_positive("max_token_length", max_token_length or 1)
        if vocab_size < len(alphabet) + reserved:
            raise TokenizerError(
                f"vocab_size: {vocab_size} is too small; the alphabet and the special tokens alone "
                f"are {len(alphabet) + reserved}"
            )
        self.tokens = list(alphabet)
        self.merges: list[tuple[str, str]] = []
        self._ids = {token: number for number, token in enumerate(alphabet)}
        self._lengths = [1] * len(alphabet)
        self._size = vocab_size - reserved
        self._least, self._longest = min_frequency, max_token_length
        spelt = [[self._ids[symbol] for symbol in word] for word, _ in words]
        self.corpus = Corpus(spelt, [count for _, count in words])
        self._waiting: list[tuple[float, int, Pair]] = []
        self._wait(self.corpus.pair_count)

    def score(self, pair: Pair) -> float:
        """Say how good a pair is: BPE joins the most frequent one."""
        return self.corpus.pair_count[pair]

    def __next__(self) -> MergeStep:
        """Make one merge."""
        if len(self.tokens) >= self._size or (best := self._best()) is None:
            raise StopIteration
        count, score = self.corpus.pair_count[best], self.score(best)
        first, second = (self.tokens[number] for number in best)
        token = self._number(first + second.removeprefix(self.prefix), best)
        place, new_pairs = self.corpus.merge(best, token)
        self._wait(self._risen(best, new_pairs))
        self.merges.append((first, second))
        example = tuple(self.tokens[number] for number in self.corpus.word_at(place))
        rank = len(self.merges) - 1
        return MergeStep(rank, (first, second), count, score, self.tokens[token], example)

    def finish(self) -> None:
        """Make all the merges that are left."""
        for _ in self:
            pass

    def _risen(self, merged: Pair, new_pairs: list[Pair]) -> list[Pair]:
        """Name the pairs whose score may have risen; one that has sunk is noticed in `_best`."""
        return new_pairs

    def _number(self, text: str, pair: Pair) -> int:
        """Give a token its id. Two different pairs may make the same token: it is numbered once."""
        if text not in self._ids:
            self._ids[text] = len(self.tokens)
            self.tokens.append(text)
            self._lengths.append(self._length(pair))
        return self._ids[text]

    def _length(self, pair: Pair) -> int:
        return self._lengths[pair[0]] + self._lengths[pair[1]]

    def _wait(self, pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            if self._longest is None or self._length(pair) <= self._longest:
                count = self.corpus.pair_count[pair]
                if count >= self._least:
                    heapq.heappush(self._waiting, (-self.score(pair), -count, pair))

    def _best(self) -> Pair | None:
        """Take the best pair from the heap.

        An entry tells what was true when it was put there. If its pair has changed since, the
        pair waits again with what is true now: it may still be the best.
        """
        while self._waiting:
            score, count, pair = heapq.heappop(self._waiting)
            if self.corpus.pair_count[pair] < self._least:
                continue
            if (-score, -count) == (self.score(pair), self.corpus.pair_count[pair]):
                return pair
            self._wait([pair])
        return None


def check_positive(name: str, value: object) -> None:
    """Refuse an option that must be a whole number of at least 1."""
    if type(value) is not int or not 1 <= value < 2**31:
        raise TokenizerError(f"{name}: must be a positive whole number; got {value!r:.60}")


def check_tokens(
    tokens: object, alphabet: Iterable[str] = (), name: str = "special_tokens"
) -> tuple[str, ...]:
    """Refuse special tokens that are no texts, or that are in the vocabulary twice."""
    if isinstance(tokens, str | bytes) or not isinstance(tokens, Iterable):
        raise TokenizerError(f"{name}: must be a list of texts; got {tokens!r:.60}")
    given = tuple(tokens)
    known = set(alphabet)
    for token in given:
        if not check_text(token, name) or token.strip() != token:
            raise TokenizerError(f"{name}: {token!r:.60} is empty, or has spaces at its ends")
        if token in known:
            raise TokenizerError(f"{name}: {token!r:.60} is in the vocabulary twice")
        known.add(token)
    return given
