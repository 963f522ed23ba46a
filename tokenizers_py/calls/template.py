"""Where the special tokens of a model stand around one text or a pair of texts.

Each model's tokenizer has one `Template`, by name; filled in with ids (or with `Piece`s) it is a
`Frame`, which tokenizer.py puts around every text. Next: truncation.py.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Template:
    """The special tokens around a text, by name: before, between a pair, after.

    One text is `before A after`, a pair `before A between B after`. `second_type` is the token
    type of B and of what follows it (of A and the rest it is 0).
    """

    before: tuple[str, ...]
    between: tuple[str, ...]
    after: tuple[str, ...]
    second_type: int = 0


@dataclass(frozen=True)
class Frame:
    """A template filled in: lists of ids, or of `Piece`s, that go around lists of the same kind.

    >>> frame = Frame([101], [102], [102], second_type=1)
    >>> frame.around([7, 8], [9]), frame.types([7, 8], [9])
    ([101, 7, 8, 102, 9, 102], [0, 0, 0, 0, 1, 1])
    >>> frame.sequence_ids([7, 8], [9])
    [None, 0, 0, None, 1, None]
    """

    before: list[Any]
    between: list[Any]
    after: list[Any]
    second_type: int = 0

    def size(self, pair: bool) -> int:
        """Count the special tokens that are added."""
        return len(self.before) + len(self.between) * pair + len(self.after)

    def around(self, first: list[Any], second: list[Any] | None) -> list[Any]:
        """Put the special tokens around one text or two."""
        if second is None:
            return [*self.before, *first, *self.after]
        return [*self.before, *first, *self.between, *second, *self.after]

    def types(self, first: list[Any], second: list[Any] | None) -> list[int]:
        """Give the token types of what `around` makes."""
        if second is None:
            return [0] * (len(first) + self.size(False))
        head = len(self.before) + len(first) + len(self.between)
        return [0] * head + [self.second_type] * (len(second) + len(self.after))

    def sequence_ids(self, first: list[Any], second: list[Any] | None) -> list[int | None]:
        """Say for each token of what `around` makes whose it is: text 0, text 1 or nobody's."""
        body: list[int | None] = [0] * len(first)
        if second is not None:
            body += [None] * len(self.between) + [1] * len(second)
        return [*[None] * len(self.before), *body, *[None] * len(self.after)]

    def cut_to(self, length: int) -> "Frame":
        """Shorten the frame of one text that does not even fit alone; its last token stays."""
        whole = [*self.before, *self.after]
        return Frame(whole[: length - 1], self.between, whole[-1:], self.second_type)
