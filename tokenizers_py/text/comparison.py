"""Comparing a text with what some function made of it, in time that grows with its length.

Used by alignment.py for functions that cannot say what they changed. (difflib alone would do, but
its work grows with the square of the length, so it only gets small stretches.)
"""

import difflib
from collections.abc import Iterator

_SMALL = 32  # stretches up to this long are compared character by character


def compare(old: str, new: str) -> Iterator[tuple[int, int, bool]]:
    """Cut both texts into stretches that stand for each other: their ends, and whether equal.

    Reads from the left; where the texts part, `_next_equal` finds where they meet again.

    >>> list(compare("a &amp; b", "a & b"))
    [(3, 3, True), (7, 3, False), (9, 5, True)]
    """
    place, new_place = 0, 0
    while place < len(old) or new_place < len(new):
        length = _equal_length(old, new, place, new_place)
        place, new_place = place + length, new_place + length
        if length:
            yield place, new_place, True
        stop, new_stop = _next_equal(old, new, place, new_place)
        if 1 < stop - place <= _SMALL and 1 < new_stop - new_place <= _SMALL:
            matcher = difflib.SequenceMatcher(None, old[place:stop], new[new_place:new_stop], False)
            for kind, _, end, _, new_end in matcher.get_opcodes():
                yield place + end, new_place + new_end, kind == "equal"
        elif stop > place or new_stop > new_place:
            yield stop, new_stop, False
        place, new_place = stop, new_stop


def _equal_length(old: str, new: str, place: int, new_place: int) -> int:
    """Count how many characters are equal from two places on."""
    limit = min(len(old) - place, len(new) - new_place)
    length, step = 0, 8
    while length < limit:
        stop = min(length + step, limit)
        if old[place + length : place + stop] == new[new_place + length : new_place + stop]:
            length, step = stop, step * 2
        elif step == 1:
            break
        else:  # the difference is within the step: find it by smaller ones
            limit, step = stop, max(step // 4, 1)
    return length


def _next_equal(old: str, new: str, place: int, new_place: int) -> tuple[int, int]:
    """Find where two texts that part at two places meet again: in two characters or at the end.

    Looks near first and then further away, so the work stays in proportion to the progress. Where
    nothing is equal within 4,096 characters, the rest of both texts counts as one change.
    """
    for width in (8, 64, 512, 4096):
        pairs: dict[str, int] = {}
        for there in range(new_place, min(new_place + width, len(new))):
            pairs.setdefault(new[there : there + 2], there)
        for here in range(place, min(place + width, len(old))):
            if (there := pairs.get(old[here : here + 2], -1)) >= 0:
                return here, there
        if place + width >= len(old) and new_place + width >= len(new):
            break
    return len(old), len(new)
