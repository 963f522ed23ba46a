"""A priority queue that gives out equals in the order of the C++ standard library.

Python's `heapq` would do, were it not for entries of equal priority: their order depends on the
steps that a heap takes, and upstream's results on that order. These are the steps of libstdc++'s
`push_heap` and `pop_heap`: the entry of highest priority is at the front, and the entries at
2i + 1 and 2i + 2 are no higher than the one at i. Called by lattice.py.

Source: GCC 13, libstdc++, bits/stl_heap.h.
"""

from collections.abc import Sequence


def push(heap: list[int], entry: int, priority: Sequence[float]) -> None:
    """Add an entry; `priority` is looked up by entry.

    It comes to the end, and moves up as long as the one above it is lower.

    >>> heap = []
    >>> for entry in range(3):
    ...     push(heap, entry, [1.0, 3.0, 2.0])
    >>> heap
    [1, 0, 2]
    """
    heap.append(entry)
    _move_up(heap, len(heap) - 1, entry, priority)


def pop_first(heap: list[int], priority: Sequence[float]) -> int:
    """Take out the entry of highest priority.

    The gap that it leaves moves down to the bottom, always to the higher of the two below, the
    right one if they are equal. There the last entry is put in, and moves up.

    >>> heap = [1, 0, 2]
    >>> pop_first(heap, [1.0, 3.0, 2.0]), heap
    (1, [2, 0])
    """
    first = heap[0]
    last = heap.pop()
    size = len(heap)
    if not size:
        return first
    gap = 0
    while (below := 2 * gap + 2) < size:
        if priority[heap[below]] < priority[heap[below - 1]]:
            below -= 1
        heap[gap] = heap[below]
        gap = below
    if 2 * gap + 2 == size:  # one below, on the left
        heap[gap] = heap[2 * gap + 1]
        gap = 2 * gap + 1
    _move_up(heap, gap, last, priority)
    return first


def _move_up(heap: list[int], place: int, entry: int, priority: Sequence[float]) -> None:
    while place > 0 and priority[heap[above := (place - 1) // 2]] < priority[entry]:
        heap[place] = heap[above]
        place = above
    heap[place] = entry
