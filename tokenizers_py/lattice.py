"""The lattice: all ways to cut a text into pieces, the n best of them, and random ones.

Every piece that stands somewhere in the text is a node from its start to its end; a way to cut the
text is a path of nodes from the text's start to its end. The best path alone needs no lattice
(unigram.py); here are the n best, found by A* search (`n_best`), a random path with the
probability that the model gives it (`sample`), and what all paths sum up to (`forward`).

Source: Kudo 2018 (arXiv:1804.10959); google/sentencepiece 0.2.3, src/unigram_model.cc, Lattice.
"""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tokenizers_py.priority import pop_first, push
from tokenizers_py.unigram import Unigram

# Limits of the search for the n best. Beyond them it thins out, and in the end gives one path.
MAX_WAITING = 10_000
MIN_WAITING = 512
MAX_KEPT = 100_000
MAX_MADE = 500_000
MAX_THINNED = 10


@dataclass(slots=True, eq=False)
class Node:
    """A piece that stands in the text from `start` to `end`.

    `best` is the score of the best path from the text's start through this node, and `before`
    the node in front of it on that path.
    """

    start: int
    end: int
    id: int
    score: float
    best: float = 0.0
    before: "Node | None" = None


class Candidate(NamedTuple):
    """A piece that may stand in the text from `start` to `end`, for `explain`.

    `best` is the score of the best way to cut the text up to `end` that ends with this piece.
    `taken`: the best way to cut the whole text has it.
    """

    piece: str
    start: int
    end: int
    score: float
    best: float
    taken: bool


class Path(NamedTuple):
    """One way to cut the text, and its score."""

    nodes: list[Node]
    score: float


class Lattice:
    """All ways to cut `text` into pieces of `model`.

    `starting[i]` are the nodes that start at character i, `ending[i]` those that end before it.
    A node of no length stands at either end of the text.

    >>> model = Unigram([("a", 0, -1.0), ("b", 1, -2.0), ("ab", 2, -2.5)], -1, -9.0)
    >>> lattice = Lattice("ab", model)
    >>> [[node.id for node in path.nodes] for path in lattice.n_best(5)]
    [[2], [0, 1]]
    >>> [round(path.score, 6) for path in lattice.n_best(5)]
    [-2.5, -3.0]
    """

    def __init__(self, text: str, model: Unigram) -> None:
        self.text = text
        size = len(text)
        self.starting: list[list[Node]] = [[] for _ in range(size + 1)]
        self.ending: list[list[Node]] = [[] for _ in range(size + 1)]
        self.first, self.last = Node(0, 0, -1, 0.0), Node(size, size, -1, 0.0)
        self.ending[0].append(self.first)
        self.starting[size].append(self.last)
        for start in range(size):
            for end, piece_id, score in model.pieces_at(text, start):
                node = Node(start, end, piece_id, score)
                self.starting[start].append(node)
                self.ending[end].append(node)
        self._find_best()

    def _find_best(self) -> None:
        """Fill in `best` and `before` of every node, from left to right, in float32."""
        rounded = array("f", [0.0])
        for left, right in zip(self.ending, self.starting, strict=True):
            for node in right:
                best: float | None = None
                for candidate in left:
                    rounded[0] = candidate.best + node.score
                    if best is None or rounded[0] > best:
                        best, node.before = rounded[0], candidate
                node.best = best or 0.0

    def best_path(self) -> Path:
        """Read the best path back from its end."""
        nodes: list[Node] = []
        node = self.last.before
        while node is not None and node.before is not None:
            nodes.append(node)
            node = node.before
        return Path(nodes[::-1], self.last.best)

    def candidates(self) -> list[Candidate]:
        """List every piece that stands somewhere in the text, and say which were taken.

        >>> model = Unigram([("a", 0, -1.0), ("b", 1, -2.0), ("ab", 2, -2.5)], -1, -9.0)
        >>> for one in Lattice("ab", model).candidates():
        ...     print(*one)
        a 0 1 -1.0 -1.0 False
        ab 0 2 -2.5 -2.5 True
        b 1 2 -2.0 -3.0 False
        """
        taken = {id(node) for node in self.best_path().nodes}
        return [
            Candidate(
                self.text[node.start : node.end],
                *(node.start, node.end, node.score, node.best, id(node) in taken),
            )
            for nodes in self.starting[:-1]
            for node in nodes
        ]

    def n_best(self, size: int) -> list[Path]:
        """Find the `size` best paths, the best first; fewer where there are fewer.

        A* search from the text's end to its start. What waits is a path's tail; it is taken up in
        the order of its own score plus the best that can stand before it. Since that best is
        known exactly, tails reach the text's start in the order of their scores.

        Trap: paths of equal score come in the order in which upstream's priority queue gives them
        out; it is not stable, so priority.py does it step by step the same way.
        Trap: when too much waits or was made (very long texts), upstream drops what is worst, and
        in the end gives up and returns the best path alone; so does this.
        """
        if not self.text or size < 1:
            return []
        search = _Search(self, min(MIN_WAITING, size * 10))
        found: list[Path] = []
        while search.waiting and len(found) < size:
            tail = pop_first(search.waiting, search.promise)
            if search.nodes[tail] is self.first:
                found.append(Path(search.path(tail), search.promise[tail]))
            elif not search.extend(tail):
                return [self.best_path()]
        return found

    def forward(self, alpha: float = 1.0) -> list[float]:
        """Sum up all paths from the text's start to each place, as a logarithm.

        forward(0) = 0;  forward(end) = log sum over nodes of exp(forward(start) + alpha * score)

        The last entry is log Z: exp(alpha * path.score - log Z) is a path's probability.
        """
        sums = [0.0] * (len(self.text) + 1)
        for place in range(1, len(self.text) + 1):
            sums[place] = _log_sum(self._scores(sums, self.ending[place], alpha))
        return sums

    def sample(self, alpha: float, generator: np.random.Generator) -> list[Node]:
        """Draw a path at random, a path's probability being exp(alpha * score) / Z.

        First everything is summed up from the left (`forward`); then the pieces are drawn from
        the right, each in proportion to the sum of all paths that come through it. So nothing is
        rejected and no path forgotten. With alpha 0 all paths are equally probable, with a large
        one the best path is.
        """
        sums = self.forward(alpha)
        nodes: list[Node] = []
        place = len(self.text)
        while place > 0:
            left = self.ending[place]
            scores = self._scores(sums, left, alpha)
            node = left[draw([math.exp(score - sums[place]) for score in scores], generator)]
            nodes.append(node)
            place = node.start
        return nodes[::-1]

    @staticmethod
    def _scores(sums: list[float], nodes: list[Node], alpha: float) -> list[float]:
        return [sums[node.start] + alpha * node.score for node in nodes]


class _Search:
    """The tails of paths that the A* search has made, by number, and the numbers that wait."""

    def __init__(self, lattice: Lattice, enough: int) -> None:
        self.lattice = lattice
        self.enough = enough  # how many still wait after thinning out
        self.nodes = [lattice.last]
        self.next = [-1]  # the tail without its first node
        self.score = array("f", [0.0])  # of the tail
        self.promise = array("f", [lattice.last.best])  # of the best path that has this tail
        self.waiting = [0]
        self.kept, self.may_keep, self.thinned = 1, MAX_KEPT, 0

    def extend(self, tail: int) -> bool:
        """Put every node that ends where the tail starts before it; say whether to go on."""
        for node in self.lattice.ending[self.nodes[tail].start]:
            self.nodes.append(node)
            self.next.append(tail)
            self.score.append(node.score + self.score[tail])
            self.promise.append(node.best + self.score[tail])
            push(self.waiting, len(self.nodes) - 1, self.promise)
            self.kept += 1
        if len(self.nodes) >= MAX_MADE:
            return False
        waiting = len(self.waiting)
        if waiting >= MAX_WAITING or (waiting > self.enough and self.kept >= self.may_keep):
            self.thinned += 1
            return self.thinned <= MAX_THINNED and self._thin_out()
        return True

    def path(self, tail: int) -> list[Node]:
        """List the nodes of a whole path, without those at the text's ends."""
        nodes = []
        tail = self.next[tail]
        while self.next[tail] >= 0:
            nodes.append(self.nodes[tail])
            tail = self.next[tail]
        return nodes

    def _thin_out(self) -> bool:
        """Keep only the most promising of those that wait, and count what they need."""
        fewer: list[int] = []
        needed: set[int] = set()
        for _ in range(min(len(self.waiting), self.enough)):
            tail = pop_first(self.waiting, self.promise)
            push(fewer, tail, self.promise)
            while tail >= 0 and tail not in needed:
                needed.add(tail)
                tail = self.next[tail]
        self.waiting, self.kept = fewer, len(needed)
        self.may_keep = self.kept + MAX_KEPT
        return True


def draw(weights: Sequence[float], generator: np.random.Generator) -> int:
    """Draw a place with a probability in proportion to its weight.

    >>> draw([0.0, 1.0, 0.0], np.random.default_rng(0))
    1
    """
    place = generator.random() * sum(weights)
    for number, weight in enumerate(weights):
        place -= weight
        if place < 0:
            return number
    return max(range(len(weights)), key=weights.__getitem__)


def _log_sum(scores: list[float]) -> float:
    largest = max(scores)
    return largest + math.log(sum([math.exp(score - largest) for score in scores]))
