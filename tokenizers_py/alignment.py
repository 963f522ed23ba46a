"""Changing a text in small named steps, and knowing afterwards where each character came from.

A `Step` is a function from text to text with a name. Called with a `str` it only computes (the
fast way, for ids); `align` computes the same text and carries along, for every character, the
stretch of the original that it stands for (the slow way, for offsets and for `explain`). The kinds
of step are few: `Characters` (each character alone), `Substitution` (a regular expression),
`NormalForm` (Unicode's NFC and relatives), `Opaque` (any function, aligned by comparison) and
`Chain` (one after the other). Built on by normalization.py and by every model's tokenizer.
"""

import difflib
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import regex


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
    """Bring a text into one of Unicode's normal forms: NFC, NFD, NFKC or NFKD.

    A stretch that the form treats as one (a letter and its marks) is aligned as one.
    """

    def __init__(self, form: Literal["NFC", "NFD", "NFKC", "NFKD"]) -> None:
        self.name: str = form
        self._form = form

    def __call__(self, text: str) -> str:
        """Bring a text into the form."""
        return text if text.isascii() else unicodedata.normalize(self._form, text)

    def align(self, given: AlignedText) -> AlignedText:
        """Bring a text into the form, aligning changed stretches as a whole."""
        changed = self(given.text)
        return given if changed == given.text else _compared(given, changed)


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
    """Several steps, one after the other."""

    def __init__(self, name: str, steps: Sequence[Step]) -> None:
        self.name = name
        self.steps = tuple(steps)

    def __call__(self, text: str) -> str:
        """Apply every step in turn."""
        for step in self.steps:
            text = step(text)
        return text

    def align(self, given: AlignedText) -> AlignedText:
        """Apply every step in turn, each aligned with the one before."""
        for step in self.steps:
            given = step.align(given)
        return given


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
    matcher = difflib.SequenceMatcher(None, given.text, changed, autojunk=False)
    pieces: list[tuple[str, int, int]] = []
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind == "equal":
            pieces += _unchanged(given, start, end)
        else:
            pieces.append((changed[new_start:new_end], *given.span(start, end)))
    return _joined(pieces)
