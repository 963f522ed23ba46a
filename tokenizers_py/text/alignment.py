"""Changing a text in small named steps, and knowing afterwards where each character came from.

A `Step` is a function from text to text with a name. Called with a `str` it only computes (the
fast way, for ids); `align` computes the same text and carries along, for every character, the
stretch of the original that it stands for (the slow way, for offsets and for `explain`). The kinds
of step are few: `Characters` (each character alone), `Substitution` (a regular expression),
`NormalForm` (Unicode's NFC and relatives), `Opaque` (any function, aligned by comparison) and
`Chain` (one after the other). composition.py and comparison.py do
the finer work. Built on by normalization.py and by every model's tokenizer.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import regex

from tokenizers_py.text.comparison import compare
from tokenizers_py.text.composition import Form, normal_form, normal_form_parts


@dataclass(frozen=True, slots=True)
class AlignedText:
    """A text whose characters know where they stood: character i comes from [starts[i], ends[i])."""

    text: str
    starts: list[int]
    ends: list[int]

    @classmethod
    def of(cls, text: str, start: int = 0) -> "AlignedText":
        """Take an unchanged text whose first character stands at `start`."""
        stop = start + len(text)
        return cls(text, list(range(start, stop)), list(range(start + 1, stop + 1)))

    def part(self, start: int, end: int) -> "AlignedText":
        """Cut out the characters [start, end)."""
        return AlignedText(self.text[start:end], self.starts[start:end], self.ends[start:end])

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Say which stretch of the original the characters [start, end) come from."""
        if start >= end:
            place = self.starts[start] if start < len(self.starts) else (self.ends or [0])[-1]
            return place, place
        return self.starts[start], max(self.ends[start:end])


class Step(ABC):
    """One change of a text, with the name under which `explain` shows it."""

    name: str

    @abstractmethod
    def __call__(self, text: str) -> str:
        """Change a text."""

    @abstractmethod
    def align(self, given: AlignedText) -> AlignedText:
        """Change a text in the same way, and keep where each character came from."""

    def stages(self, text: str) -> list[tuple[str, str]]:
        """List the small steps that this one is made of, each with the text after it.

        >>> Chain("both", [Characters("upper", str.upper), NormalForm("NFC")]).stages("a")
        [('upper', 'A'), ('NFC', 'A')]
        """
        return [(self.name, self(text))]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class _Table(dict[int, str]):
    """`str.translate`'s table, filled with a function's results as characters turn up."""

    def __init__(self, function: Callable[[str], str]) -> None:
        self.function = function

    def __missing__(self, code: int) -> str:
        self[code] = self.function(chr(code))
        return self[code]


class Characters(Step):
    """Replace each character, whatever stands beside it, by none, one or several.

    >>> upper = Characters("upper", str.upper)
    >>> upper("straße"), upper.align(AlignedText.of("aß")).starts
    ('STRASSE', [0, 1, 1])
    """

    def __init__(self, name: str, function: Callable[[str], str]) -> None:
        self.name = name
        self._table = _Table(function)

    def __call__(self, text: str) -> str:
        """Map every character of a text."""
        return text.translate(self._table)

    def align(self, given: AlignedText) -> AlignedText:
        """Map every character, and align what it becomes with it."""
        return _joined(
            (self._table[ord(character)], given.starts[place], given.ends[place])
            for place, character in enumerate(given.text)
        )


class Substitution(Step):
    r"""Replace every match of a regular expression by a fixed text.

    >>> one_space = Substitution("one space", r"\s+", " ")
    >>> one_space("a \t b"), one_space.align(AlignedText.of("a \t b")).ends
    ('a b', [1, 4, 5])
    """

    def __init__(self, name: str, pattern: str, replacement: str) -> None:
        self.name = name
        self._pattern = regex.compile(pattern)
        self._replacement = replacement

    def __call__(self, text: str) -> str:
        """Replace every match."""
        changed: str = self._pattern.sub(lambda match: self._replacement, text)
        return changed

    def align(self, given: AlignedText) -> AlignedText:
        """Replace every match, and align the replacement with the whole match."""
        pieces: list[tuple[str, int, int]] = []
        place = 0
        for match in self._pattern.finditer(given.text):
            start, end = match.span()
            pieces += _unchanged(given, place, start)
            pieces.append((self._replacement, *given.span(start, end)))
            place = end
        pieces += _unchanged(given, place, len(given.text))
        return _joined(pieces)


class NormalForm(Step):
    r"""Bring a text into one of Unicode's normal forms: NFC, NFD, NFKC or NFKD.

    Args:
        form: The form; it is the step's name too.
        inert: Characters that the form leaves alone, because the upstream's Unicode is older than
            they are (unicode_tables.NOT_NORMALIZED). Nothing reorders or composes over them.

    The alignment is that of `tokenizers` (NormalizedString): characters that come out of one
    all stand for it; a character composed of several stands for the first of them; marks that
    change places stand for what stood at their new place.

    >>> NormalForm("NFC").align(AlignedText.of("e\u0301a")) == AlignedText("éa", [0, 2], [1, 3])
    True
    """

    def __init__(
        self,
        form: Form,
        inert: "re.Pattern[str] | None" = None,
    ) -> None:
        self.name: str = form
        self._form = form
        self._inert = inert

    def __call__(self, text: str) -> str:
        """Bring a text into the form."""
        return text if text.isascii() else normal_form(text, self._form, self._inert)

    def align(self, given: AlignedText) -> AlignedText:
        """Bring a text into the form, character by character."""
        if self(given.text) == given.text:
            return given
        texts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        place = 0
        for character, taken in normal_form_parts(given.text, self._form, self._inert):
            texts.append(character)
            starts.append(given.starts[place if taken else place - 1])
            ends.append(given.ends[place if taken else place - 1])
            place += taken
        return AlignedText("".join(texts), starts, ends)


class Opaque(Step):
    """Apply any function; the alignment is found by comparing its result with what it got."""

    def __init__(self, name: str, function: Callable[[str], str]) -> None:
        self.name = name
        self._function = function

    def __call__(self, text: str) -> str:
        """Apply the function."""
        return self._function(text)

    def align(self, given: AlignedText) -> AlignedText:
        """Apply the function, and compare."""
        changed = self(given.text)
        return given if changed == given.text else _compared(given, changed)


class Chain(Step):
    """Several steps, one after the other.

    Args:
        name: The chain's name.
        steps: The steps.
        shortcut: Gives the result at once for texts on which most steps do nothing, and None for
            all others. It must agree with the steps.
    """

    def __init__(
        self,
        name: str,
        steps: Sequence[Step],
        shortcut: Callable[[str], str | None] | None = None,
    ) -> None:
        self.name = name
        self.steps = tuple(steps)
        self._shortcut = shortcut

    def __call__(self, text: str) -> str:
        """Apply every step in turn."""
        if self._shortcut is not None and (quick := self._shortcut(text)) is not None:
            return quick
        for step in self.steps:
            text = step(text)
        return text

    def align(self, given: AlignedText) -> AlignedText:
        """Apply every step in turn, each aligned with the one before."""
        for step in self.steps:
            given = step.align(given)
        return given

    def stages(self, text: str) -> list[tuple[str, str]]:
        """List the steps, each with the text after it."""
        found: list[tuple[str, str]] = []
        for step in self.steps:
            for stage in step.stages(text):
                found.append(stage)
                text = stage[1]
        return found


def _unchanged(given: AlignedText, start: int, end: int) -> list[tuple[str, int, int]]:
    return [(given.text[i], given.starts[i], given.ends[i]) for i in range(start, end)]


def _joined(pieces: Any) -> AlignedText:
    """Join (text, start, end): every character of a piece comes from the piece's whole stretch."""
    texts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for text, start, end in pieces:
        texts.append(text)
        starts += [start] * len(text)
        ends += [end] * len(text)
    return AlignedText("".join(texts), starts, ends)


def _compared(given: AlignedText, changed: str) -> AlignedText:
    """Align by comparison: equal stretches character by character, changed ones as a whole."""
    starts: list[int] = []
    ends: list[int] = []
    place, new_place = 0, 0
    for stop, new_stop, equal in compare(given.text, changed):
        if equal:
            starts += given.starts[place:stop]
            ends += given.ends[place:stop]
        else:
            start, end = given.span(place, stop)
            starts += [start] * (new_stop - new_place)
            ends += [end] * (new_stop - new_place)
        place, new_place = stop, new_stop
    return AlignedText(changed, starts, ends)
