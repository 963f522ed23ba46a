"""A trie in arrays, so that numpy takes one step at thousands of places of a text at once.

The trie of tokenizers_py/unigram.py is dicts, good for walking down one text. Here the nodes are
numbers, and all edges lie in one hash table: (node, character) leads to the next node. Some 5
array operations look up any number of edges. Used by unigram_batch.py.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

ROOT = 0
NOWHERE = -1
STOP = 0  # the class of characters that are in no piece: no edge has it

_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: multiplying mixes the high bits
_ROOM = 4  # places of the hash table for each edge


class ArrayTrie:
    """The pieces of a vocabulary, ready to be found in a row of characters.

    Characters are numbered from 1 in the order of their codes (`classes`), and 0 is any other.

    >>> trie = ArrayTrie(["a", "ab", "c"])
    >>> row = trie.classes(np.array([97, 98, 99, 100]))  # "abcd"
    >>> for length, starts, pieces in trie.find(row, np.arange(3)):
    ...     print(length, starts.tolist(), pieces.tolist())
    1 [0, 2] [0, 2]
    2 [0] [1]
    """

    def __init__(self, pieces: Sequence[str]) -> None:
        codes = np.frombuffer("".join(pieces).encode("utf-32-le"), np.uint32).astype(np.int64)
        alphabet = np.unique(codes)
        self._classes = np.full(max(alphabet, default=0) + 2, STOP, np.int64)
        self._classes[alphabet] = np.arange(1, len(alphabet) + 1)
        self._width = len(alphabet) + 1
        self._number(self._classes[codes], np.array([len(piece) for piece in pieces], np.int64))

    def classes(self, codes: NDArray[np.integer]) -> Ints:
        """Number the characters whose codes are given."""
        found: Ints = self._classes[np.minimum(codes, len(self._classes) - 1)]
        return found

    def find(self, row: Ints, starts: Ints) -> Iterator[tuple[int, Ints, Ints]]:
        """Find all pieces that stand in a row of characters at any of the starts.

        The row must end with STOP, and so must each part of it that no piece shall reach out of.

        Yields:
            For each length of pieces, the shortest first: it, and where which piece stands.
        """
        nodes = np.full(len(starts), ROOT, np.int64)
        length = 0
        while len(starts):
            nodes = self._step(nodes, row[starts + length])
            alive = np.flatnonzero(nodes != NOWHERE)
            starts, nodes = starts[alive], nodes[alive]
            length += 1
            pieces = self._pieces[nodes]
            ends = np.flatnonzero(pieces >= 0)
            if len(ends):
                yield length, starts[ends], pieces[ends]

    def _number(self, row: Ints, lengths: Ints) -> None:
        """Number the nodes, all that are equally deep at once, and lay out the edges."""
        firsts = np.cumsum(lengths) - lengths
        nodes = np.full(len(lengths), ROOT, np.int64)  # where each piece's first characters lead
        alive = np.arange(len(lengths))
        edges: list[Ints] = [np.empty(0, np.int64)]
        owners: list[Ints] = [np.array([-1])]  # which piece ends at a node; at the root: none
        depth, count = 0, 1
        while len(alive):
            keys = nodes[alive] * self._width + row[firsts[alive] + depth]
            different, inverse = np.unique(keys, return_inverse=True)
            nodes[alive] = count + inverse.reshape(-1)
            depth += 1
            ending = alive[lengths[alive] == depth]
            owner = np.full(len(different), -1, np.int64)
            owner[nodes[ending] - count] = ending
            edges.append(different)
            owners.append(owner)
            count += len(different)
            alive = alive[lengths[alive] > depth]
        self._pieces = np.concatenate(owners)
        self._lay_out(np.concatenate(edges))

    def _lay_out(self, edges: Ints) -> None:
        """Put every edge at the first free place from where its hash says; edge i leads to i + 1."""
        bits = max(4, (_ROOM * len(edges)).bit_length())
        self._shift = np.uint64(64 - bits)
        self._last = (1 << bits) - 1
        self._edges = np.full(self._last + 1, NOWHERE, np.int64)
        self._next = np.full(self._last + 1, NOWHERE, np.int64)
        left, places = np.arange(len(edges)), self._hash(edges)
        while len(left):
            free = self._edges[places] == NOWHERE
            self._edges[places[free]] = edges[left[free]]  # of several for one place, one stays
            self._next[places[free]] = left[free] + 1
            more = self._edges[places] != edges[left]
            left, places = left[more], (places[more] + 1) & self._last

    def _hash(self, edges: Ints) -> Ints:
        places: Ints = ((edges.view(np.uint64) * _SPREAD) >> self._shift).view(np.int64)
        return places

    def _step(self, nodes: Ints, characters: Ints) -> Ints:
        """Follow from each node the edge of a character; NOWHERE if it has none."""
        wanted = nodes * self._width + characters
        places = self._hash(wanted)
        met = self._edges[places]
        found: Ints = np.where(met == wanted, self._next[places], NOWHERE)
        open_ = np.flatnonzero((met != wanted) & (met != NOWHERE))
        while len(open_):
            places[open_] = (places[open_] + 1) & self._last
            met = self._edges[places[open_]]
            hit = met == wanted[open_]
            found[open_[hit]] = self._next[places[open_[hit]]]
            open_ = open_[~hit & (met != NOWHERE)]
        return found
