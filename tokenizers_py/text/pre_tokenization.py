r"""Cutting a cleaned text into words: each is encoded alone, and no token spans two of them.

Two expressions, CLIP's (words without the space before them) and GPT-2's (with it). Called by
clip.py and roberta.py with the text from normalization.py; the words go to bpe.py. Both are
linear in the text: no alternative can be read in two ways.

Source: openai/CLIP d05afc4, clip/simple_tokenizer.py, SimpleTokenizer.pat; openai/gpt-2,
src/encoder.py, Encoder.pat; transformers 5.23.0, models/clip/tokenization_clip.py.
"""

import functools
from collections.abc import Sequence
from typing import TypeAlias

import regex

from tokenizers_py.text.unicode_tables import LETTER, NUMBER

WordPattern: TypeAlias = "regex.Pattern[str]"

_ENDINGS = r"'s|'t|'re|'ve|'m|'ll|'d"  # English endings, after an apostrophe
_WORD = "|".join(
    [
        _ENDINGS,
        r"\p{L}+",  # letters of any script, as many as there are
        r"\p{N}",  # one digit or other number sign: 2024 is four words
        r"[^\s\p{L}\p{N}]+",  # punctuation, emoji, combining marks: all else but whitespace
    ]
)
# The same with the letters and numbers of `tokenizers`, and case counts: "'S" is no ending.
_WORD_TRANSFORMERS = rf"{_ENDINGS}|{LETTER}+|{NUMBER}|[^\s{LETTER}{NUMBER}]+"
# GPT-2's. Of several spaces before a word the last one belongs to the word.
_WORD_GPT2 = (
    rf"{_ENDINGS}| ?{LETTER}+| ?{NUMBER}+| ?[^\s{LETTER}{NUMBER}]+"
    r"|\s+(?!\S)"  # spaces, but the last one only where no word follows
    r"|\s+"
)


@functools.cache
def word_pattern(special_tokens: tuple[str, ...]) -> WordPattern:
    """Compile the expression that finds words, with special tokens as words of their own.

    What comes first wins at each place of the text, so the special tokens come first. Case is
    ignored.
    """
    return regex.compile(_specials(special_tokens) + _WORD, regex.IGNORECASE)


@functools.cache
def transformers_pattern(special_tokens: tuple[str, ...]) -> WordPattern:
    """Compile CLIP's expression as Transformers 5 has it: case counts, Unicode of its year."""
    return regex.compile(_specials(special_tokens) + _WORD_TRANSFORMERS, regex.V1)


@functools.cache
def gpt2_pattern() -> WordPattern:
    """Compile GPT-2's expression: a word has the space before it, a run of digits is one word.

    >>> gpt2_pattern().findall("Hello  world's 25")
    ['Hello', ' ', ' world', "'s", ' 25']
    """
    return regex.compile(_WORD_GPT2, regex.V1)


def _specials(tokens: tuple[str, ...]) -> str:
    return "".join(regex.escape(token) + "|" for token in tokens)


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
