r"""The corpus as a trainer sees it: words, and how often each of them occurs.

No token ever spans two words, so it does not matter where in the corpus a word stands: a million
lines shrink to some ten thousand words with their counts, and all that follows works on these.
What a word is must be decided as the finished tokenizer will decide it, hence one function for
each family. Called by bpe.py, wordpiece.py and unigram.py; next: merging.py.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from tokenizers_py.errors import TokenizerError
from tokenizers_py.text.normalization import check_text, clean_text
from tokenizers_py.text.pre_tokenization import gpt2_pattern, split_words

Words: TypeAlias = Mapping[str, int]  # word -> how often it occurs
Texts: TypeAlias = Iterable[str] | Words


def count_words(texts: Texts, split: Callable[[str], Iterable[str]]) -> dict[str, int]:
    """Cut each text into words and count them, in the order in which they are first met.

    Args:
        texts: The lines of a corpus; or words already counted, which are taken as they are.
        split: Cuts one text into words, as the finished tokenizer will.

    Raises:
        TokenizerError: A text is no str, a count is no positive number, or there is no word at all.

    >>> count_words(["so long", "so what"], str.split)
    {'so': 2, 'long': 1, 'what': 1}
    """
    if isinstance(texts, str | bytes):
        raise TokenizerError("texts: must be a list or iterator of str; got one text. Pass [text]?")
    if isinstance(texts, Mapping):
        counts = _check_counts(texts)
    else:
        counts = {}
        for number, text in enumerate(_lines(texts)):
            for word in split(check_text(text, f"texts[{number}]")):
                counts[word] = counts.get(word, 0) + 1
    if not counts:
        raise TokenizerError("texts: there is not one word in them, so there is nothing to learn")
    return counts


def clip_words(text: str) -> list[str]:
    """Cut a text as CLIP does: cleaned, in lower case, without whitespace.

    >>> clip_words("A Cat's 9 lives!")
    ['a', 'cat', "'s", '9', 'lives', '!']
    """
    return split_words(clean_text(text))


def gpt2_words(text: str) -> list[str]:
    """Cut a text as GPT-2 and RoBERTa do: nothing is lost, a space belongs to the word after it.

    >>> gpt2_words("A Cat's 99 lives!")
    ['A', ' Cat', "'s", ' 99', ' lives', '!']
    """
    words: list[str] = gpt2_pattern().findall(text)
    return words


def bert_words(text: str) -> list[str]:
    """Cut a text as BERT does: lower case, no accents, each punctuation mark alone.

    >>> bert_words("Ein Café, 中国!")
    ['ein', 'cafe', ',', '中', '国', '!']
    """
    normalize, split = _bert()
    return split(normalize(text))


@functools.cache
def _bert() -> tuple[Callable[[str], str], Callable[[str], list[str]]]:
    # Only BERT's words need its tables of Unicode, so they are not loaded before.
    from tokenizers_py.text.bert_text import TRANSFORMERS, WordSplitter, bert_normalizer, unicode_of

    return bert_normalizer(TRANSFORMERS), WordSplitter(unicode_of(TRANSFORMERS))


def _lines(texts: Iterable[str]) -> Iterable[str]:
    try:
        return iter(texts)
    except TypeError:
        kind = type(texts).__name__
        raise TokenizerError(f"texts: must be a list or iterator of str; got {kind}") from None


def _check_counts(counts: Words) -> dict[str, int]:
    for word, count in counts.items():
        check_text(word, "texts: a word")
        if not word:
            raise TokenizerError("texts: a word is empty")
        if type(count) is not int or not 1 <= count < 2**53:
            raise TokenizerError(f"texts: {word!r:.60} must have a positive count; got {count!r}")
    return dict(counts)
