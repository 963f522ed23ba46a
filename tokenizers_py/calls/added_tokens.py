r"""Tokens that are found in a text before any algorithm sees it: special ones and added ones.

`AddedToken` says how one is matched; a `TokenFinder` cuts a text at all of them, the leftmost
first and of those the longest. Tokens with `normalized=False` are looked for in the text as it
is; the stretches between them are normalised, and there the others are looked for, their own
content normalised too. So "NEWTOK" is found as "newtok" where the normaliser lower-cases. Made by
token_table.py, used by segments.py; read and written by folders/pretrained.py.

Source: tokenizers 0.23.3, tokenizer/added_vocabulary.rs (AddedToken, find_matches).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import regex

from tokenizers_py.text.unicode_tables import WORD

Found: TypeAlias = tuple[int | None, int, int]  # id, or None for a stretch between; start; end

_SPACES = regex.compile(r"\s*")  # Unicode's White_Space; Python's own `re` takes more for blank
_WORD = regex.compile(WORD, regex.V1)


@dataclass(frozen=True)
class AddedToken:
    """A token that is matched as it stands, with what is swallowed around it.

    Args:
        content: The token's text.
        single_word: Match it only where it is no part of a longer word.
        lstrip: Take the whitespace before it along.
        rstrip: Take the whitespace after it along.
        normalized: Match it in the normalised text (and normalise the token itself).
        special: A mark of the format (start, end, ...): `skip_special_tokens` leaves it out.
    """

    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = True
    special: bool = False

    def __str__(self) -> str:
        return self.content


class TokenFinder:
    """Cuts texts at tokens. It takes one pass: the work grows with the text, however it is made.

    Trap: a match that `single_word` or `split_special` refuses still hides what overlaps it.

    >>> finder = TokenFinder([("<x>", 7, AddedToken("<x>", lstrip=True))])
    >>> finder.cut("a  <x>b")
    [(None, 0, 1), (7, 1, 6), (None, 6, 7)]
    """

    def __init__(self, tokens: Iterable[tuple[str, int, AddedToken]]) -> None:
        self._tokens: dict[str, tuple[int, AddedToken]] = {}
        for pattern, number, token in tokens:
            if pattern:  # nothing is left of some tokens once they are normalised
                self._tokens.setdefault(pattern, (number, token))
        self._pattern = re.compile(_alternatives(self._tokens)) if self._tokens else None
        # The quick way out: most texts have no token in them.
        self.search: Callable[[str], object] = self._pattern.search if self._pattern else _nothing

    def finds(self, text: str) -> bool:
        """Say whether there may be a token in a text."""
        return self.search(text) is not None

    def cut(self, text: str, split_special: bool = False) -> list[Found]:
        """Cut a text into tokens and the stretches between them; empty stretches are left out.

        With `split_special`, special tokens are not found: they are text like any other.
        """
        parts: list[Found] = []
        done = 0  # the text is cut up to here
        blanks = (0, 0)  # the whitespace looked at last, so that it is looked at once
        for match in self._pattern.finditer(text) if self._pattern else ():
            start, end = match.span()
            number, token = self._tokens[match[0]]
            if token.special and split_special:
                continue
            if token.single_word and _inside_word(text, start, end):
                continue
            if token.lstrip:
                while start > done and _SPACES.fullmatch(text[start - 1]):
                    start -= 1
            if token.rstrip:
                if not blanks[0] <= end < blanks[1]:
                    blanks = (end, _end_of_blanks(text, end))
                end = blanks[1]
            if done < start:
                parts.append((None, done, start))
            parts.append((number, start, end))
            done = end
        if done < len(text):
            parts.append((None, done, len(text)))
        return parts


def _nothing(text: str) -> None:
    return None


def _alternatives(patterns: Iterable[str]) -> str:
    """Write an expression for any of the texts, the longest that fits; grouped for speed."""
    groups: dict[str, list[str]] = {}
    for pattern in patterns:
        groups.setdefault(pattern[0], []).append(pattern[1:])
    return "|".join(
        re.escape(first) + "(?:" + "|".join(map(re.escape, sorted(rests, key=len)[::-1])) + ")"
        for first, rests in groups.items()
    )


def _inside_word(text: str, start: int, end: int) -> bool:
    before, after = text[max(start - 1, 0) : start], text[end : end + 1]
    return bool(_WORD.match(before) or _WORD.match(after))


def _end_of_blanks(text: str, start: int) -> int:
    match = _SPACES.match(text, start)
    return match.end() if match else start
