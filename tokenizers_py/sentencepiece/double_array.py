"""The double array: a trie of byte strings in one flat row of 32-bit numbers.

A trie is a tree whose edges are bytes: follow a string's bytes from the root, and the node you
reach says whether the string is a key, and its value. The double array stores that tree so that
one step costs one addition-free look: the node at place p has a `base`, and its child by byte c,
if there is one, stands at place `base ^ c`. How do we know that the unit there is that child, and
not some other node's? Every unit carries the byte that leads to it, and no two different nodes
share a base, so the byte alone decides. One unit, from its lowest bit:

    bits 0-7    the byte that leads here
    bit 8       the node is a key: its value stands at place `base ^ 0`
    bit 9       the offset below is to be taken times 256
    bits 10-30  the offset: base = p ^ offset
    bit 31      this unit is no node but a value, and bits 0-30 are the value

Equal subtrees need to be stored only once (two parents may point to one base): so the 225,000 rules
of NFKC take 40,000 units. Units lie in blocks of 256, because `base ^ c` never leaves its block.
Used by charsmap.py. Source: Yata's darts-clone, include/darts.h, as in google/sentencepiece 0.2.3
(third_party/darts_clone), whose arrays are read here, and which reads ours.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tokenizers_py.errors import TokenizerError

Units: TypeAlias = npt.NDArray[np.uint32]
Places: TypeAlias = npt.NDArray[np.int64]

VALUE = 1 << 31  # bit 31: a value, no node
HAS_VALUE = 1 << 8
_LABEL = np.uint32(VALUE | 0xFF)  # a byte, or more than 255 for a value
BLOCK = 256
MAX_UNITS = 1 << 21  # what `build` makes; more would need bit 9


def check_units(units: Units, values_below: int) -> None:
    """Refuse an array in which some step could leave the array, or some value is too large.

    The same conditions as darts-clone's `validate`, so we refuse what sentencepiece refuses. After
    this, no walk needs a check of its own.

    Raises:
        TokenizerError: It names the first bad unit.
    """
    if len(units) == 0 or len(units) % BLOCK:
        raise TokenizerError(f"double array: must be blocks of {BLOCK} units; got {len(units)}")
    places = np.arange(len(units))
    base = bases(units)
    node = units < VALUE
    wrong = node & (base | 0xFF >= len(units))
    inside = np.where(wrong | ~node, 0, base)
    wrong |= node & (units & HAS_VALUE > 0) & (units[inside] < VALUE)
    wrong |= ~node & ((units & ~np.uint32(VALUE)) >= values_below)
    wrong[0] = (
        bool(units[0] & (_LABEL | np.uint32(HAS_VALUE)))
        or base[0] == 0
        or bool(base[0] | 0xFF >= len(units))
    )
    if wrong.any():
        place = int(places[wrong][0])
        raise TokenizerError(
            f"double array: unit {place} (0x{int(units[place]):08X}) leads out of the "
            f"{len(units)} units or to no value below {values_below}"
        )


def bases(units: Units) -> Places:
    """Say for each unit where its children's places are counted from: place ^ offset."""
    offset = (units >> 10).astype(np.int64) << np.where(units & (1 << 9), 8, 0)
    return np.arange(len(units)) ^ offset


class DoubleArray:
    """An array that `check_units` has found sound, ready to be walked."""

    ROOT = 0

    def __init__(self, units: Units) -> None:
        self._units = units
        self._bases = bases(units)
        self._labels = units & _LABEL
        # A child by byte c stands at base ^ c, so (its place ^ c) is its parents' base. Sorted by
        # that, the children of any node lie side by side.
        parents = np.where(units < VALUE, np.arange(len(units)) ^ (units & 0xFF), -1)
        self._by_parent = np.argsort(parents, kind="stable")
        self._parents = parents[self._by_parent]
        self._unit_at, self._base_at = units.data, self._bases.data  # give ints, quickly

    def step(self, node: int, byte: int) -> int:
        """Go from a node to its child by a byte; -1 where there is none."""
        child: int = self._base_at[node] ^ byte
        return child if self._unit_at[child] & 0x8000_00FF == byte else -1

    def value(self, node: int) -> int:
        """Return the value of the key that ends at a node; -1 where none does."""
        if not self._unit_at[node] & HAS_VALUE:
            return -1
        value: int = self._unit_at[self._base_at[node]] & ~VALUE
        return value

    def children(self, nodes: Places, most: int) -> tuple[Places, Places, Places]:
        """List all children of many nodes: which of the nodes, by which byte, at which place.

        Raises:
            TokenizerError: There are more than `most`: a few nodes with common children can have
                more ways down than any memory holds.
        """
        base = self._bases[nodes]
        first = np.searchsorted(self._parents, base, "left")
        counts = np.searchsorted(self._parents, base, "right") - first
        if counts.sum() > most:
            raise TokenizerError(f"double array: more than {most} ways lead on from here")
        which = np.repeat(np.arange(len(nodes)), counts)
        ahead = np.cumsum(counts) - counts  # children listed before those of this node
        places = self._by_parent[np.arange(len(which)) - ahead[which] + first[which]]
        return which, (self._units[places] & 0xFF).astype(np.int64), places

    def has_value(self, nodes: Places) -> npt.NDArray[np.bool_]:
        """Say which of many nodes end a key."""
        return (self._units[nodes] & HAS_VALUE) > 0


def build_units(values: dict[bytes, int]) -> Units:
    """Build the array of a map from keys to values.

    First the trie, with equal subtrees made one; then each set of children gets a base at which
    all of its places are free. Bases are what nodes know each other by, so each is used once.

    Raises:
        TokenizerError: The keys need more than MAX_UNITS units.
    """
    shapes, root = _shared_trie(values)
    base_of, blocks = _place(shapes, root)
    units = np.full(len(blocks) * BLOCK, VALUE, np.uint32)  # where nothing is: a value, so no child
    for number, (value, children) in enumerate(shapes):
        base = base_of[number]
        if value is not None:
            units[base] = VALUE | value
        for byte, child in children:
            place = base ^ byte
            units[place] = byte | _to_base(place, base_of.get(child, place), shapes[child][0])
    units[0] = _to_base(0, base_of[root], None)
    return units


Shape: TypeAlias = tuple[
    int | None, tuple[tuple[int, int], ...]
]  # value, (byte, child's number)...


def _to_base(place: int, base: int, value: int | None) -> int:
    return (place ^ base) << 10 | (HAS_VALUE if value is not None else 0)


def _shared_trie(values: dict[bytes, int]) -> tuple[list[Shape], int]:
    """Make the trie of sorted keys, bottom up, each different subtree once; return its root too.

    A key's last nodes are finished as soon as the next key leaves them; a finished node that
    equals an earlier one is that one.
    """
    numbers: dict[Shape, int] = {}
    path: list[tuple[list[int | None], list[tuple[int, int]]]] = [([None], [])]
    last = b""

    def finish(depth: int) -> int:
        number = -1
        while len(path) > depth:
            value, children = path.pop()
            number = numbers.setdefault((value[0], tuple(children)), len(numbers))
            if path:
                path[-1][1].append((last[len(path) - 1], number))
        return number

    for key in sorted(values):
        common = next(
            (i for i, (a, b) in enumerate(zip(key, last, strict=False)) if a != b),
            min(len(key), len(last)),
        )
        finish(common + 1)
        path += [([None], []) for _ in key[common:]]
        path[-1][0][0] = values[key]
        last = key
    root = finish(0)
    return list(numbers), root


def _place(shapes: list[Shape], root: int) -> tuple[dict[int, int], list[npt.NDArray[np.bool_]]]:
    """Give every shape that has children or a value a base; return which places are taken, too.

    The largest sets of children first: the small ones fill the gaps. A set is tried in the last
    few blocks, and then gets a new one.
    """
    taken: list[npt.NDArray[np.bool_]] = []
    used: list[npt.NDArray[np.bool_]] = []  # as bases
    base_of: dict[int, int] = {}
    every = np.arange(BLOCK)
    order = sorted(range(len(shapes)), key=lambda number: -len(shapes[number][1]))
    for number in order:
        value, children = shapes[number]
        labels = np.array([byte for byte, _ in children] + [0] * (value is not None))
        if not len(labels):
            continue
        for block in range(max(0, len(taken) - 8), len(taken) + 1):
            if block == len(taken):
                if (block + 1) * BLOCK > MAX_UNITS:
                    raise TokenizerError(f"too many rules: over {MAX_UNITS} units")
                taken.append(every + block == 0)  # place 0 is the root's,
                used.append(every + block == 0)  # and base 0 would be no offset
            fits = ~used[block] & ~taken[block][every[:, None] ^ labels].any(axis=1)
            if fits.any():
                low = int(np.argmax(fits))
                used[block][low] = True
                taken[block][low ^ labels] = True
                base_of[number] = block * BLOCK + low
                break
    return base_of, taken
