"""Unicode's normal forms: the text, and what each of its characters stands for.

Python's `unicodedata` only gives the text. `normal_form_parts` does the same in its steps, so that
alignment.py knows where each character came from: take every character apart, put the marks into
their order, and (NFC, NFKC) compose what has a composed character.

Source: Unicode Standard Annex 15; the counts as in tokenizers 0.23.3 (NormalizedString).
"""

import functools
import itertools
import re
import unicodedata
from typing import Literal, NamedTuple, TypeAlias

import regex

Form: TypeAlias = Literal["NFC", "NFD", "NFKC", "NFKD"]

# Python's own normal forms sort such a run of marks in quadratic time: 40,000 take seconds.
MANY_MARKS = regex.compile(r"(?<!\p{M})\p{M}{200}")


class _Part(NamedTuple):
    """A character on its way into a normal form."""

    text: str
    order: int  # the canonical combining class; -1 where nothing may be done
    taken: int  # how many characters of the text it stands for


def normal_form(text: str, form: Form, inert: "re.Pattern[str] | None" = None) -> str:
    r"""Bring a text into a normal form, but for the characters that `inert` matches.

    Nothing reorders or composes over an inert character.

    >>> normal_form("e\u0301", "NFC"), normal_form("e\u0301", "NFC", re.compile("\u0301"))
    ('é', 'e\u0301')
    """
    if len(text) > 200 and MANY_MARKS.search(text):
        return "".join([part for part, _ in normal_form_parts(text, form, inert)])
    if inert is None or not inert.search(text):
        return unicodedata.normalize(form, text)
    pieces: list[str] = []
    place = 0
    for match in inert.finditer(text):
        pieces += (unicodedata.normalize(form, text[place : match.start()]), match[0])
        place = match.end()
    return "".join([*pieces, unicodedata.normalize(form, text[place:])])


def normal_form_parts(
    text: str, form: Form, inert: "re.Pattern[str] | None" = None
) -> list[tuple[str, int]]:
    r"""Give the characters of a normal form, each with how many of the text's it stands for.

    Of several characters that come out of one, the first stands for it, the others for none.

    >>> normal_form_parts("e\u0301x", "NFC"), normal_form_parts("é", "NFD")
    ([('é', 2), ('x', 1)], [('e', 1), ('\u0301', 0)])
    """
    parts = _apart(text, "NFKD" if "K" in form else "NFD", inert)
    if form in ("NFC", "NFKC"):
        parts = _together(parts)
    return [(part.text, part.taken) for part in parts]


def sort_many_marks(text: str) -> str:
    r"""Put long runs of marks into their order, so that Python's normal forms have less to do.

    >>> sort_many_marks("a" + "\u0301\u0323" * 100) == "a" + "\u0323" * 100 + "\u0301" * 100
    True
    """

    def in_order(match: "regex.Match[str]") -> str:
        runs = itertools.groupby(match[0], lambda mark: unicodedata.combining(mark) > 0)
        return "".join(
            "".join(sorted(run, key=unicodedata.combining) if marks else run) for marks, run in runs
        )

    if len(text) <= 200 or not MANY_MARKS.search(text):
        return text
    ordered: str = regex.sub(r"\p{M}{200,}", in_order, text)
    return ordered


def _apart(text: str, form: Form, inert: "re.Pattern[str] | None") -> list[_Part]:
    """Take every character apart and put marks into their order."""
    parts: list[_Part] = []
    first_mark = 0  # where the marks begin that the next one may have to stand before
    for character in text:
        alone = inert is not None and inert.match(character)
        pieces = character if alone else unicodedata.normalize(form, character)
        for number, piece in enumerate(pieces):
            order = -1 if alone else unicodedata.combining(piece)
            if order <= 0:
                _sort_marks(parts, first_mark)
                first_mark = len(parts) + 1
            parts.append(_Part(piece, order, 0 if number else 1))
    _sort_marks(parts, first_mark)
    return parts


def _sort_marks(parts: list[_Part], first: int) -> None:
    if len(parts) > first + 1:
        parts[first:] = sorted(parts[first:], key=lambda part: part.order)


def _together(parts: list[_Part]) -> list[_Part]:
    """Compose letters with the marks (and letters) behind them, as far as Unicode has one."""
    done: list[_Part] = []
    letter = -1  # where in `done` the letter stands that a mark may compose with
    highest = -1  # the class of the mark before; it hides the letter from marks not above it
    for part in parts:
        if letter >= 0 and part.order > highest:
            composed = _composed(done[letter].text, part.text)
            if composed:
                done[letter] = _Part(composed, 0, done[letter].taken + part.taken)
                continue
        if part.order > 0:
            highest = part.order
        else:
            letter, highest = (len(done) if part.order == 0 else -1), -1
        done.append(part)
    return done


@functools.lru_cache(maxsize=10_000)
def _composed(first: str, second: str) -> str | None:
    both = unicodedata.normalize("NFC", first + second)
    return both if len(both) == 1 else None
