"""Cutting one text or a pair to a length, and keeping what overflows as further windows.

Works on lists of anything (ids, or `Piece`s); special tokens are not counted here. Called by
tokenizer.py, after batching.py has read the options.

Source: tokenizers 0.23.3, utils/truncation.rs (truncate_encodings) and tokenizer/encoding.rs
(truncate, merge_with).
"""

from typing import Any

from tokenizers_py.errors import TokenizerError

LONGEST_FIRST, ONLY_FIRST, ONLY_SECOND = "longest_first", "only_first", "only_second"


def shared_lengths(
    first: int, second: int, room: int, odd_to_first: bool = False
) -> tuple[int, int]:
    """Share `room` between two texts, "longest_first": the longer one pays until they are equal.

    An odd token left goes to the text that was longer before the cut, or to the second where
    they were equal. Trap: Transformers' slow tokenizers take one token after the other away, on
    ties from the second text. So there the odd token always ends up with the first
    (`odd_to_first`).

    >>> shared_lengths(5, 3, 4), shared_lengths(9, 2, 6), shared_lengths(5, 5, 5)
    ((2, 2), (4, 2), (2, 3))
    """
    if first + second <= room:
        return first, second
    shorter = min(first, second)
    longer = room - shorter
    if longer < shorter:
        shorter, longer = room // 2, room - room // 2
        if odd_to_first:
            return longer, shorter
    return (longer, shorter) if first > second else (shorter, longer)


def windows(
    items: list[Any], length: int, stride: int, side: str, overflows: bool = True
) -> list[list[Any]]:
    """Cut a list into pieces of a length, each repeating `stride` items of the one before.

    The first is what is kept, and all there is without `overflows`; with side "left" they are
    counted from the end.

    >>> windows([1, 2, 3, 4, 5], 3, 1, "right"), windows([1, 2, 3, 4, 5], 2, 0, "left")
    ([[1, 2, 3], [3, 4, 5]], [[4, 5], [2, 3], [1]])

    Raises:
        TokenizerError: `stride` is not smaller than `length`, so that no window would advance.
    """
    if len(items) <= length:
        return [items]
    if length == 0:
        return [[], items] if overflows else [[]]
    if stride >= length:
        raise TokenizerError(
            f"stride: must be smaller than the {length} tokens that max_length leaves for this "
            f"text; got {stride}"
        )
    step, size = length - stride, len(items)
    starts = range(0, size - stride if overflows else 1, step)
    if side == "right":
        return [items[start : start + length] for start in starts]
    return [items[max(size - start - length, 0) : size - start] for start in starts]


def cut_sample(
    first: list[Any],
    second: list[Any] | None,
    room: int,
    strategy: str = LONGEST_FIRST,
    stride: int = 0,
    side: str = "right",
    overflows: bool = True,
    odd_to_first: bool = False,
) -> list[tuple[list[Any], list[Any] | None]]:
    """Cut one text or a pair to `room`: what is kept comes first, then every overflowing window.

    Of a pair, every window of the one goes with every window of the other.

    >>> cut_sample([1, 2, 3], None, 2)
    [([1, 2], None), ([3], None)]
    >>> cut_sample([1, 2], [3, 4, 5], 4, "only_second")
    [([1, 2], [3, 4]), ([1, 2], [5])]

    Raises:
        TokenizerError: The text that may be cut is too short, or is not there.
    """
    size_first, size_second = len(first), len(second or [])
    excess = size_first + size_second - room
    if excess <= 0:
        return [(first, second)]
    if room == 0:
        size_first, size_second = 0, 0
    elif strategy == ONLY_FIRST:
        size_first = _shorten(size_first, excess, strategy)
    elif strategy == ONLY_SECOND:
        if second is None:
            raise TokenizerError("truncation: 'only_second' cuts the second text; there is none")
        size_second = _shorten(size_second, excess, strategy)
    else:
        size_first, size_second = shared_lengths(size_first, size_second, room, odd_to_first)
    heads = windows(first, size_first, stride, side, overflows)
    if second is None:
        return [(head, None) for head in heads]
    tails = windows(second, size_second, stride, side, overflows)
    others = [(head, tail) for head in heads[1:] for tail in tails]
    return [(heads[0], tails[0]), *others, *((heads[0], tail) for tail in tails[1:])]


def _shorten(size: int, excess: int, strategy: str) -> int:
    if size <= excess:
        raise TokenizerError(
            f"truncation: {strategy!r} would have to take {excess} tokens away from a text of "
            f"{size}; use 'longest_first' or a larger max_length"
        )
    return size - excess
