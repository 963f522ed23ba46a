"""Cutting a cleaned text into words: each is encoded alone, and no token spans two of them.

Called by clip.py with the text from normalization.py; the words go to bpe.py.

Source: openai/CLIP d05afc4, clip/simple_tokenizer.py, SimpleTokenizer.pat.
"""

import functools
from collections.abc import Sequence
from typing import TypeAlias

import regex

WordPattern: TypeAlias = "regex.Pattern[str]"

_WORD = "|".join(
    [
        r"'s|'t|'re|'ve|'m|'ll|'d",  # English endings, after an apostrophe
        r"\p{L}+",  # letters of any script, as many as there are
        r"\p{N}",  # one digit or other number sign: 2024 is four words
        r"[^\s\p{L}\p{N}]+",  # punctuation, emoji, combining marks: all else but whitespace
    ]
)


@functools.cache
def word_pattern(special_tokens: tuple[str, ...]) -> WordPattern:
    """Compile the expression that finds words, with special tokens as words of their own.

    What comes first wins at each place of the text, so the special tokens come first. Case is
    ignored. It is linear in the text: no alternative can be read in two ways.
    """
    specials = "".join(regex.escape(token) + "|" for token in special_tokens)
    return regex.compile(specials + _WORD, regex.IGNORECASE)


def split_words(text: str, special_tokens: Sequence[str] = ()) -> list[str]:
    """Cut a cleaned text into words, leaving the whitespace out.

    Trap: a special token is found only where a word may begin. In "!<|endoftext|>" the "!" takes
    "<|" along, and letters and "|>" remain; the original does the same.

    >>> split_words("i can't pay 25 $!?")
    ['i', 'can', "'t", 'pay', '2', '5', '$!?']
    >>> split_words("end<|endoftext|>", ["<|endoftext|>"])
    ['end', '<|endoftext|>']
    """
    words: list[str] = word_pattern(tuple(special_tokens)).findall(text)
    return words
