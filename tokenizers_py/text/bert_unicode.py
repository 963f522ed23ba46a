"""What a character is: the three ways of reading Unicode that BERT's tokenizers have.

BERT's rules speak of control characters, whitespace, marks, punctuation, lower case. Which
characters those are depends on who is asked, and on the year. The Rust library `tokenizers` asks a
crate that was made from Unicode 8 for the categories: its answers are pinned in
data/bert/unicode.txt, so that ids do not change with the Python version. (Its decompositions and
its lower case are of other years: unicode_tables.py.) The Python tokenizers ask `unicodedata`, and
so do we for them. Used by bert_text.py.

Source: tokenizers 0.23.3, normalizers/bert.rs, pre_tokenizers/bert.rs; the lists were found by
asking it about every code point, and the tests ask again. Unicode 8 is inferred from the marks: it
knows A69E and FE2E, which came with 8, and not 8D4 and 11C30, which came with 9.
"""

import bisect
import functools
import string
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tokenizers_py.text import unicode_tables
from tokenizers_py.text.alignment import NormalForm, Step

_FILE = Path(__file__).parents[1] / "data" / "bert" / "unicode.txt"


@dataclass(frozen=True)
class Unicode:
    """One way of reading Unicode; every field is a question about one character.

    Args:
        removed: Is it dropped when the text is cleaned?
        blank: Does cleaning make it a space?
        mark: Is it an accent (a nonspacing mark)?
        punctuation: Is it a word of its own?
        ideograph: Is it a Chinese character, so a word of its own?
        space: Does it end a word?
        lower: Its lower case, whatever stands beside it.
        order: Its place among the marks of one letter (the canonical combining class); 0 if none.
        apart: The step that takes letters and their marks apart (NFD).
    """

    removed: Callable[[str], bool]
    blank: Callable[[str], bool]
    mark: Callable[[str], bool]
    punctuation: Callable[[str], bool]
    ideograph: Callable[[str], bool]
    space: Callable[[str], bool]
    lower: Callable[[str], str]
    order: Callable[[str], int]
    apart: Step


class CodePoints:
    """A set of characters, written as ranges of code points.

    >>> digits = CodePoints("30-39 660-669 B2")
    >>> "7" in digits, "²" in digits, "a" in digits
    (True, True, False)
    """

    def __init__(self, ranges: str) -> None:
        pairs = sorted([int(code, 16) for code in one.split("-")] for one in ranges.split())
        self._starts = [pair[0] for pair in pairs]
        self._ends = [pair[-1] for pair in pairs]

    def __contains__(self, character: str) -> bool:
        code = ord(character)
        place = bisect.bisect_right(self._starts, code) - 1
        return place >= 0 and code <= self._ends[place]


# The blocks of ideographs, as BERT lists them. Kana and Hangul are none: they form words.
_IDEOGRAPHS = (
    "4E00-9FFF 3400-4DBF 20000-2A6DF 2A700-2B73F 2B740-2B81F 2B820-2CEAF F900-FAFF 2F800-2FA1F"
)
IDEOGRAPHS = CodePoints(_IDEOGRAPHS)
# The Rust library has mistyped where the sixth block begins: 256 characters are none to it.
RUST_IDEOGRAPHS = CodePoints(_IDEOGRAPHS.replace("2B820", "2B920"))


@functools.cache
def rust_unicode() -> Unicode:
    r"""Read Unicode as `tokenizers` does, under every Python.

    Trap: it does not know what is newer than its tables. Unassigned characters stay, marks that
    were added after Unicode 8 are no accents, and U+166D and U+1734 are what they then were.

    >>> rust = rust_unicode()
    >>> rust.mark("\u0301"), rust.mark("\u1acf"), rust.removed("\u0378")
    (True, False, False)
    """
    lists = _read_lists()
    removed, space, mark, punctuation = (
        CodePoints(lists[name]) for name in ("removed", "space", "mark", "punctuation")
    )
    untouched = unicode_tables.NOT_NORMALIZED
    return Unicode(
        removed=removed.__contains__,
        blank=space.__contains__,
        mark=mark.__contains__,
        punctuation=punctuation.__contains__,
        ideograph=RUST_IDEOGRAPHS.__contains__,
        space=space.__contains__,
        lower=unicode_tables.lower,
        order=lambda c: 0 if untouched.match(c) else unicodedata.combining(c),
        apart=NormalForm("NFD", untouched),
    )


@functools.cache
def python_unicode(removed_categories: tuple[str, ...]) -> Unicode:
    r"""Read Unicode as Python tokenizers do: `unicodedata` of the Python that runs.

    `removed_categories` differ: "C" for Transformers 4 (with unassigned and private characters),
    "Cc" and "Cf" for the original BERT and Chinese-CLIP.

    >>> python_unicode(("C",)).removed("\ue000"), python_unicode(("Cc", "Cf")).removed("\ue000")
    (True, False)
    """
    category = unicodedata.category

    def removed(character: str) -> bool:
        if character in "\t\n\r":
            return False
        return character in "\0\ufffd" or category(character).startswith(removed_categories)

    return Unicode(
        removed=removed,
        blank=lambda character: character in "\t\n\r" or category(character) == "Zs",
        mark=lambda character: category(character) == "Mn",
        punctuation=lambda c: c in string.punctuation or category(c).startswith("P"),
        ideograph=IDEOGRAPHS.__contains__,
        space=str.isspace,
        lower=str.lower,
        order=unicodedata.combining,
        apart=NormalForm("NFD"),
    )


def _read_lists() -> dict[str, str]:
    """Read the sections of unicode.txt: name to ranges."""
    lists: dict[str, str] = {}
    name = ""
    for line in _FILE.read_text("utf-8").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
        elif name:
            lists[name] = f"{lists.get(name, '')} {line}"
    return lists
