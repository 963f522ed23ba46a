r"""Where unigram training begins: with every substring that occurs often enough to be a piece.

A sentence, its spaces written as "▁", is cut into words before each "▁", and words into fragments
that no piece may cross: at letters too rare for the alphabet, and where the script changes. So
`fragments` are to unigram.py what words are to BPE. `frequent_substrings` then counts what occurs
in them; there are many more such pieces than will be left in the end.

Source: Kudo 2018 (arXiv:1804.10959), section 3.3; sentencepiece 0.2.1, trainer_interface.cc
(IsValidSentencePiece, LoadSentences) and unigram_model_trainer.cc (MakeSeedSentencePieces), which
finds the substrings of every length in a suffix array.
"""

import functools
from collections import Counter
from collections.abc import Iterator, Mapping

import regex

SPACE = "\u2581"  # "▁", which SentencePiece writes for a space
_WORD = regex.compile(f"{SPACE}[^{SPACE}]*|[^{SPACE}]+")
_DIGIT = regex.compile("[0-9０-９]")
# Those in everyday use (UAX #31, table 5). The rest count as one more script.
_SCRIPTS = (
    "Common Inherited Latin Han Hiragana Katakana Hangul Cyrillic Greek Arabic Hebrew Devanagari "
    "Bengali Thai Armenian Bopomofo Ethiopic Georgian Gujarati Gurmukhi Kannada Khmer Lao Malayalam "
    "Myanmar Oriya Sinhala Tamil Telugu Thaana Tibetan"
).split()
_SCRIPT = regex.compile("|".join(rf"(?P<{name}>\p{{Script={name}}})" for name in _SCRIPTS))


@functools.lru_cache(maxsize=100_000)
def script(letter: str) -> str | None:
    """Name a letter's script; Chinese and both Japanese ones are one, as upstream has it.

    >>> script("a"), script("の"), script("漢"), script("1"), script("ー")
    ('Latin', 'Han', 'Han', 'Common', 'Han')
    """
    match = _SCRIPT.match(letter)
    name = match.lastgroup if match else None
    return "Han" if name in ("Hiragana", "Katakana") or letter == "ー" else name


def alphabet(words: Mapping[str, int], coverage: float, required: str = "") -> dict[str, int]:
    """Choose the letters that the vocabulary must have, with how often each occurs.

    The most frequent ones, until they make up `coverage` of the text; rarer ones become unknown
    (or bytes). That keeps a few thousand rare Chinese characters from filling a vocabulary.

    >>> alphabet({"aaab": 2, "c": 1}, 0.8)
    {'a': 6, 'b': 2}
    """
    counts = Counter(dict.fromkeys(required, 0))
    for word, count in words.items():
        for letter in word:
            counts[letter] += count
    total = sum(counts.values())
    chosen: dict[str, int] = {}
    covered = 0
    for letter in sorted(counts, key=lambda c: (c not in required, -counts[c], c)):
        if letter not in required and covered >= coverage * total:
            break
        chosen[letter] = counts[letter]
        covered += counts[letter]
    return chosen


def split_sentence(sentence: str) -> list[str]:
    """Cut a sentence before each "▁".

    >>> split_sentence("▁so▁long")
    ['▁so', '▁long']
    """
    words: list[str] = _WORD.findall(sentence)
    return words


def fragments(
    words: Mapping[str, int],
    letters: Mapping[str, int],
    *,
    by_script: bool = True,
    by_number: bool = True,
    digits: bool = False,
) -> dict[str, int]:
    """Cut words where no piece may go across, and count the parts.

    >>> fragments({"▁don't": 1, "▁R2D2": 1}, dict.fromkeys("▁dont'R2"))
    {'▁don': 1, "'": 1, 't': 1, '▁R': 1, '2': 2}
    """
    counts: dict[str, int] = {}
    for word, count in words.items():
        for part in _parts(word, letters, by_script, by_number, digits):
            counts[part] = counts.get(part, 0) + count
    return counts


def _parts(
    word: str, letters: Mapping[str, int], by_script: bool, by_number: bool, digits: bool
) -> Iterator[str]:
    start, before = 0, None
    for place, letter in enumerate(word):
        kind = script(letter) if by_script and letter != SPACE else None
        kind = before if kind == "Inherited" or letter == SPACE else kind
        alone = letter not in letters
        if _DIGIT.match(letter):
            kind = kind if by_number else None
            alone |= digits
        if alone or (kind and before and kind != before):
            if start < place:
                yield word[start:place]
            start = place
        if alone:
            if letter in letters:
                yield letter
            start, kind = place + 1, None
        before = kind
    if start < len(word):
        yield word[start:]


def frequent_substrings(parts: Mapping[str, int], longest: int) -> dict[str, int]:
    """Count the substrings of 2 to `longest` letters that occur at least twice.

    One length after the other: a substring can be frequent only if it is so without its last
    letter, hence each length looks only at the places that are left from the one before. One that
    is always followed by the same letter is left out: the longer one says it all.

    Here "lo" is always followed by "w".

    >>> frequent_substrings({"▁low": 5, "▁slow": 1}, 16)
    {'ow': 6, 'low': 6, '▁low': 5}
    """
    found: dict[str, int] = {}
    places = [(part, count, list(range(len(part)))) for part, count in parts.items()]
    for length in range(2, longest + 1):
        counts: Counter[str] = Counter()
        for part, count, starts in places:
            for start in starts:
                if start + length <= len(part):
                    counts[part[start : start + length]] += count
        for text, count in counts.items():
            if found.get(text[:-1]) == count:
                del found[text[:-1]]
        found.update((text, count) for text, count in counts.items() if count >= 2)
        places = [
            (part, count, left)
            for part, count, starts in places
            if (left := [s for s in starts if counts[part[s : s + length]] >= 2])
        ]
    return found


def seeds(
    parts: Mapping[str, int], letters: Mapping[str, int], longest: int, most: int
) -> dict[str, int]:
    """Give the pieces to begin with, scored by how many letters of the corpus each would cover.

    All letters are among them, and at most `most` longer ones, the best.
    """
    scores = {text: n * len(text) for text, n in frequent_substrings(parts, longest).items()}
    best = sorted(scores, key=lambda text: (-scores[text], text))[:most]
    return {**letters, **{text: scores[text] for text in best}}
