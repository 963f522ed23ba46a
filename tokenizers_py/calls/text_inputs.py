"""What a tokenizer can be called with, read once and strictly: texts, pairs, words.

One text or a list; with `text_pair`, or as pairs in the list; and each text either a str or, with
`is_split_into_words`, a list of words. Called by tokenizer.py.

Source: transformers 5.23.0, tokenization_utils_tokenizers.py (_encode_plus).
"""

from typing import Any, TypeAlias

from tokenizers_py.errors import TokenizerError
from tokenizers_py.text.normalization import check_text

Text: TypeAlias = str | list[str]  # a list holds the words of one text
Sample: TypeAlias = tuple[Text, Text | None]


def read_samples(
    text: Any, text_pair: Any = None, words: bool = False
) -> tuple[list[Sample], bool]:
    """Give the texts as (first, second or None), and whether it was one alone and no list.

    Trap: an empty `text_pair` beside one text is no pair at all, but in a list it is.

    >>> read_samples(["a", ("b", "c")]), read_samples("a", "")
    (([('a', None), ('b', 'c')], False), ([('a', None)], True))
    >>> read_samples(["two", "words"], words=True)
    ([(['two', 'words'], None)], True)

    Raises:
        TokenizerError: Something is no text, or the lists do not fit together.
    """
    if words and isinstance(text, str):
        raise TokenizerError("text: with is_split_into_words it is a list of words; got a str")
    if isinstance(text, str) or (words and _is_list(text) and not (text and _is_list(text[0]))):
        none = text_pair is None or (isinstance(text_pair, str | list | tuple) and not text_pair)
        second = None if none else _text(text_pair, words, "text_pair")
        return [(_text(text, words), second)], True
    if not _is_list(text):
        hint = " Decode it first?" if isinstance(text, bytes) else ""
        raise TokenizerError(
            f"text: must be a str or a list of str; got {type(text).__name__}.{hint}"
        )
    if not text:
        raise TokenizerError("text: the list is empty; there is nothing to encode")
    if text_pair is None:
        return [_sample(one, place, words) for place, one in enumerate(text)], False
    if not _is_list(text_pair) or len(text_pair) != len(text):
        got = f"{len(text_pair)} of them" if _is_list(text_pair) else type(text_pair).__name__
        raise TokenizerError(f"text_pair: must be a list of {len(text)}, as text is; got {got}")
    seconds = [_text(one, words, f"text_pair[{n}]") for n, one in enumerate(text_pair)]
    firsts = [_text(one, words, f"text[{n}]") for n, one in enumerate(text)]
    return list(zip(firsts, seconds, strict=True)), False


def _sample(one: Any, place: int, words: bool) -> Sample:
    if one.__class__ is str and not words and one.isascii():  # the common case, quickly
        return one, None
    if _is_list(one) and len(one) == 2 and (not words or all(map(_is_list, one))):
        first, second = (_text(part, words, f"text[{place}][{n}]") for n, part in enumerate(one))
        return first, second
    return _text(one, words, f"text[{place}]"), None


def _text(one: Any, words: bool, name: str = "text") -> Text:
    if not words:
        return check_text(one, name)
    if not _is_list(one):
        raise TokenizerError(f"{name}: must be a list of words; got {type(one).__name__}")
    return [check_text(word, f"{name}, word {n}") for n, word in enumerate(one)]


def _is_list(one: Any) -> bool:
    return isinstance(one, list | tuple)
