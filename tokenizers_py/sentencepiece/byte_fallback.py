"""What becomes of text that no piece covers: one unknown for a run of it, or its bytes.

The algorithms leave every unknown character (a "word" model: every unknown word) as a part of its
own with the unknown id. Models without byte fallback join neighbours of that kind into one. Models
with it, which have 256 pieces "<0x00>" to "<0xFF>", write the character's UTF-8 instead, so that
nothing is lost. Called by segmenters.py; the way back is in calls/decoding.py.

Source: google/sentencepiece 0.2.3, src/sentencepiece_processor.cc, PopulateSentencePieceText.
"""

from collections.abc import Iterable, Sequence
from itertools import chain, groupby
from typing import NamedTuple


class Part(NamedTuple):
    """A piece, its id, and the stretch [start, end) of the normalised text it stands for."""

    piece: str
    id: int
    start: int
    end: int


class Unknowns:
    """Treats the unknown parts of a text.

    Args:
        unknown_id: The id that marks them.
        byte_ids: The ids of the 256 byte pieces, or None without byte fallback.

    >>> Unknowns(0, None).parts([("a", 1), ("é", 0), ("ø", 0)])
    [Part(piece='a', id=1, start=0, end=1), Part(piece='éø', id=0, start=1, end=3)]
    >>> Unknowns(0, list(range(100, 356))).parts([("é", 0)])
    [Part(piece='<0xC3>', id=295, start=0, end=0), Part(piece='<0xA9>', id=269, start=0, end=1)]
    """

    def __init__(self, unknown_id: int, byte_ids: list[int] | None) -> None:
        self.unknown_id = unknown_id
        self.byte_ids = byte_ids

    def parts(self, pairs: Iterable[tuple[str, int]]) -> list[Part]:
        """Give out the parts of a text. Of a character's bytes, the last has its stretch."""
        parts: list[Part] = []
        end = 0
        for is_unknown, run in groupby(pairs, lambda pair: pair[1] == self.unknown_id):
            if is_unknown and self.byte_ids is None:
                run = iter([("".join(piece for piece, _ in run), self.unknown_id)])
            for piece, number in run:
                start, end = end, end + len(piece)
                if is_unknown and self.byte_ids is not None:
                    *others, last = piece.encode("utf-8")
                    parts += [Part(f"<0x{b:02X}>", self.byte_ids[b], start, start) for b in others]
                    parts.append(Part(f"<0x{last:02X}>", self.byte_ids[last], start, end))
                else:
                    parts.append(Part(piece, number, start, end))
        return parts

    def ids(self, pairs: Sequence[tuple[str, int]]) -> list[int]:
        """Give the ids of `parts`, faster."""
        ids = [number for _, number in pairs]
        if self.byte_ids is None or self.unknown_id not in ids:
            return self.join(ids)
        table = self.byte_ids
        every = (
            (table[byte] for byte in piece.encode("utf-8"))
            if number == self.unknown_id
            else (number,)
            for piece, number in pairs
        )
        return list(chain.from_iterable(every))

    def join(self, ids: list[int]) -> list[int]:
        """Make one of neighbouring unknown ids.

        >>> Unknowns(0, None).join([1, 0, 0, 2, 0])
        [1, 0, 2, 0]
        """
        unknown = self.unknown_id
        if (count := ids.count(unknown)) < 2:
            return ids
        if count == len(ids):
            return [unknown]
        joined, last = [], None
        for number in ids:
            if number != unknown or last != unknown:
                joined.append(number)
            last = number
        return joined
