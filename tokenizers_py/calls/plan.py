"""The options of one call, read and checked: how long, cut and padded where, with which frame.

tokenizer.py makes one `CallPlan` a call and then only obeys it, so that the offsets of a batch, which
are made later than its ids, follow the same options. Next: truncation.py.

Source: transformers 5.23.0, tokenization_utils_base.py (_get_padding_truncation_strategies).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tokenizers_py.calls.batching import padded_length
from tokenizers_py.calls.template import Frame
from tokenizers_py.calls.text_inputs import Sample
from tokenizers_py.calls.truncation import LONGEST_FIRST, cut_sample
from tokenizers_py.errors import TokenizerError


class Row(NamedTuple):
    """What becomes one row: which sample it is of, and its one or two (cut) texts."""

    sample: int
    first: list[Any]
    second: list[Any] | None


@dataclass(frozen=True)
class CallPlan:
    """What a call asked for, besides its columns."""

    frame: Frame  # with ids
    cut_to: int | None = None
    strategy: str = LONGEST_FIRST
    stride: int = 0
    cut_side: str = "right"
    overflows: bool = False
    pad_to: int | str | None = None
    multiple: int | None = None
    pad_side: str = "right"
    split_special: bool = False
    odd_to_first: bool = False  # as slow tokenizers cut pairs; see truncation.shared_lengths

    def check(self) -> None:
        """Raise a TokenizerError for options that contradict each other."""
        cut, multiple = self.cut_to, self.multiple
        if cut and multiple and self.pad_to is not None and cut % multiple:
            raise TokenizerError(
                f"pad_to_multiple_of: rows cut to {cut} tokens cannot be padded to a multiple of "
                f"{multiple}; make max_length one"
            )
        if cut and self.stride and self.stride > cut - self.frame.size(False):
            raise TokenizerError(
                f"stride: must be smaller than the {max(cut - self.frame.size(False), 0)} tokens "
                f"that max_length leaves for a text; got {self.stride}"
            )

    def rows(
        self, samples: Sequence[Sample], encode: Callable[[Any, bool], list[Any]]
    ) -> list[Row]:
        """Encode every sample, cut it, and list the rows that it makes."""
        rows: list[Row] = []
        room = math.inf if self.cut_to is None else self.cut_to - self.frame.size(False)
        for number, (text, other) in enumerate(samples):
            first = encode(text, self.split_special)
            second = None if other is None else encode(other, self.split_special)
            if self.cut_to is None or (other is None and len(first) <= room):
                rows.append(Row(number, first, second))
            else:
                rows += [Row(number, *kept) for kept in self._cut(self.cut_to, first, second)]
        return rows

    def _cut(self, cut_to: int, first: list[Any], second: list[Any] | None) -> list[Any]:
        room = cut_to - self.frame.size(second is not None)
        if room < 0 and second is not None:
            raise TokenizerError(
                f"max_length: {cut_to} has no room for the {self.frame.size(True)} special "
                "tokens of a pair"
            )
        return cut_sample(
            *(first, second, max(room, 0), self.strategy, self.stride, self.cut_side),
            overflows=self.overflows,
            odd_to_first=self.odd_to_first,
        )

    def framed(self, frame: Frame, rows: Sequence[Row]) -> list[list[Any]]:
        """Put the special tokens around every row."""
        before, after = frame.before, frame.after
        plain = type(frame) is Frame and [row.second for row in rows].count(None) == len(rows)
        if plain and self.fitting(frame, rows[0]) is frame:
            return [[*before, *row.first, *after] for row in rows]  # the common case, quickly
        return [self.fitting(frame, row).around(row.first, row.second) for row in rows]

    def fitting(self, frame: Frame, row: Row) -> Frame:
        """Give the frame for a row: the whole one unless `max_length` is smaller than it."""
        if self.cut_to is None or row.second is not None or frame.size(False) <= self.cut_to:
            return frame
        return frame.cut_to(self.cut_to)

    def length(self, sizes: Sequence[int]) -> int:
        """Give the length that rows of these sizes are padded to; 0 for none."""
        return padded_length(sizes, self.pad_to, self.multiple)
