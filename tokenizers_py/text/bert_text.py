"""BERT's way from text to words, in small named steps: clean, space ideographs, lower, strip.

`bert_normalizer` chains the steps for one of the three upstreams that disagree; a `WordSplitter`
cuts what comes out at whitespace and around punctuation. What a control character, an accent or a
punctuation mark is, bert_unicode.py says. Called by bert.py; the words go to wordpiece.py.

Almost every step changes each character alone. `OnePass` uses that: it runs a whole chain as one
table of characters, and takes the long way only where characters act on each other.

Source: google-research/bert, tokenization.py, BasicTokenizer; tokenizers 0.23.3,
normalizers/bert.rs; transformers 4.57.6, tokenization_bert.py; cn_clip 1.6.0, bert_tokenizer.py.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from tokenizers_py.text.alignment import AlignedText, Chain, Characters, NormalForm, Step
from tokenizers_py.text.bert_unicode import Unicode, python_unicode, rust_unicode

TRANSFORMERS, SLOW, CN_CLIP = PROFILES = ("transformers", "transformers-slow", "cn_clip")

_DETOUR = "\0"  # marks a character that acts on others; cleaning leaves no other NUL
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")  # beyond the first 65,536 characters


def unicode_of(profile: str) -> Unicode:
    """Give the way in which a profile reads Unicode."""
    if profile == TRANSFORMERS:
        return rust_unicode()
    return python_unicode(("C",) if profile == SLOW else ("Cc", "Cf"))


def clean(rules: Unicode) -> Step:
    r"""Drop control characters, NUL and U+FFFD; make all whitespace spaces.

    >>> clean(rust_unicode())("a\tb\x00\u200dc")
    'a bc'
    """

    def cleaned(character: str) -> str:
        if rules.removed(character):
            return ""
        return " " if rules.blank(character) else character

    return Characters("clean", cleaned)


def space_ideographs(rules: Unicode) -> Step:
    """Put spaces around every Chinese character, so that each is a word.

    >>> space_ideographs(rust_unicode())("a中文b")
    'a 中  文 b'
    """
    return Characters("space ideographs", lambda c: f" {c} " if rules.ideograph(c) else c)


def lower(rules: Unicode) -> Step:
    """Make each character lower case, whatever stands beside it.

    >>> lower(rust_unicode())("ΟΔΟΣ")
    'οδοσ'
    """
    return Characters("lower", rules.lower)


class LowerWords(Step):
    """Lower-case with Python's `str.lower`, where a sigma that ends a word becomes ς.

    >>> LowerWords()("ΟΔΟΣ ΣΑΣ")
    'οδος σας'
    """

    name = "lower"

    def __call__(self, text: str) -> str:
        """Lower-case a text."""
        return text.lower()

    def align(self, given: AlignedText) -> AlignedText:
        """Lower-case a text; the sigma aside, each character stands for itself."""
        places = [i for i, c in enumerate(given.text) for _ in c.lower()]
        starts, ends = ([side[i] for i in places] for side in (given.starts, given.ends))
        return AlignedText(given.text.lower(), starts, ends)


def drop_accents(rules: Unicode) -> Step:
    r"""Drop the marks that taking the letters apart (NFD) has set free.

    >>> drop_accents(rust_unicode())("cafe\u0301")
    'cafe'
    """
    return Characters("drop accents", lambda c: "" if rules.mark(c) else c)


class OnePass(Step):
    """A chain as one table of characters, for speed; the same text as the chain, always.

    Args:
        chain: The steps.
        acts: Does a character act on others, or they on it? Then the chain itself runs.
        lowers: What the chain does to printable ASCII: it makes it lower case, or nothing.
    """

    def __init__(self, chain: Chain, acts: Callable[[str], bool], *, lowers: bool) -> None:
        self.name = chain.name
        self.steps = chain.steps
        self._chain = chain
        self._lowers = lowers
        self._table = Characters(chain.name, lambda c: _DETOUR if acts(c) else chain(c))

    def __call__(self, text: str) -> str:
        """Change a text."""
        if text.isascii() and text.isprintable():
            return text.lower() if self._lowers else text
        changed = self._table(text)
        return self._chain(text) if _DETOUR in changed else changed

    def align(self, given: AlignedText) -> AlignedText:
        """Change a text, and align: what a character becomes stands where it stood."""
        changed = self._table.align(given)
        return self._chain.align(given) if _DETOUR in changed.text else changed

    def stages(self, text: str) -> list[tuple[str, str]]:
        """List the chain's steps, each with the text after it."""
        return self._chain.stages(text)


class ExceptWords(Step):
    """Apply a step to all of a text but some words, which stand alone between whitespace."""

    def __init__(self, step: Step, words: Sequence[str]) -> None:
        self.name = step.name
        self._step = step
        self._words = re.compile(_standing_alone(words)) if words else None

    def __call__(self, text: str) -> str:
        """Change a text around the words."""
        return self.align(AlignedText.of(text)).text if self._in(text) else self._step(text)

    def align(self, given: AlignedText) -> AlignedText:
        """Change a text around the words, and align."""
        parts: list[AlignedText] = []
        place = 0
        for match in self._words.finditer(given.text) if self._words else ():
            parts.append(self._step.align(given.part(place, match.start())))
            parts.append(given.part(*match.span()))
            place = match.end()
        parts.append(self._step.align(given.part(place, len(given.text))))
        return AlignedText(
            "".join(part.text for part in parts),
            [start for part in parts for start in part.starts],
            [end for part in parts for end in part.ends],
        )

    def _in(self, text: str) -> bool:
        return self._words is not None and self._words.search(text) is not None


def bert_normalizer(
    profile: str,
    *,
    lower_case: bool = True,
    strip_accents: bool | None = None,
    ideographs: bool = True,
    never_changed: Sequence[str] = (),
) -> Step:
    """Chain BERT's steps as one upstream does.

    `strip_accents` None follows `lower_case`. `never_changed` are the special tokens, which only
    Transformers' Python tokenizer spares here (the others find them before).

    Trap: the order differs. Rust strips accents and then lowers; Chinese-CLIP lowers whole words
    (with the final sigma) and then strips; Transformers' Python tokenizer lowers character by
    character before all else, and composes (NFC), which shows when accents are kept.

    >>> bert_normalizer("transformers")("Ｃafé 中")
    'ｃafe  中 '
    """
    rules = unicode_of(profile)
    strips = lower_case if strip_accents is None else strip_accents
    cleaning = [clean(rules), *([space_ideographs(rules)] if ideographs else [])]
    stripping = [rules.apart, drop_accents(rules)] if strips else []

    def moves(character: str) -> bool:
        parts = rules.apart(character) if strips else ""
        return any(rules.order(part) and not rules.mark(part) for part in parts)

    if profile == TRANSFORMERS:
        steps = [*cleaning, *stripping, *([lower(rules)] if lower_case else [])]
        return OnePass(Chain("BERT", steps), moves, lowers=lower_case)
    if profile == CN_CLIP:
        steps = [*cleaning, *([LowerWords()] if lower_case else []), *stripping]
        acts = (lambda c: c == "Σ" or moves(c)) if lower_case else moves
        return OnePass(Chain("BERT", steps), acts, lowers=lower_case)
    before = Chain("clean", [*([lower(rules)] if lower_case else []), *cleaning])
    after = OnePass(Chain("strip accents", stripping), moves, lowers=False)
    first = OnePass(before, lambda c: False, lowers=lower_case)
    return Chain("BERT", [first, NormalForm("NFC"), ExceptWords(after, never_changed)])


class WordSplitter:
    """Cuts a normalised text at whitespace, and around every punctuation mark.

    Args:
        rules: What whitespace and punctuation are.
        whole: Words that are not cut at punctuation where they stand between whitespace.

    >>> split = WordSplitter(rust_unicode())
    >>> split("don't pay $5!"), list(split.spans("a, b"))
    (['don', "'", 't', 'pay', '$', '5', '!'], [(0, 1), (1, 2), (3, 4)])
    """

    def __init__(self, rules: Unicode, whole: Sequence[str] = ()) -> None:
        self._rules = rules
        self._whole = re.compile(_standing_alone(whole)) if whole else None
        self._words: re.Pattern[str] | None = None
        self._apart = Characters("apart", self._with_spaces)

    def __call__(self, text: str) -> list[str]:
        """Give the words: the fast way."""
        if self._whole is not None and self._whole.search(text):
            return [text[start:end] for start, end in self.spans(text)]
        if _ASTRAL.search(text):
            return [word for word in self._apart(text).split(" ") if word]
        return self._pattern().findall(text)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Give where each word stands: the fast way."""
        if self._whole is not None or _ASTRAL.search(text):
            return self.plain_spans(text)
        return (match.span() for match in self._pattern().finditer(text))

    def plain_spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Give where each word stands: the plain way, which defines the words."""
        whole = dict(match.span() for match in self._whole.finditer(text)) if self._whole else {}
        begun = 0  # where the word began that we are in
        place = 0
        while place < len(text):
            character = text[place]
            alone = whole.get(place) or place + self._rules.punctuation(character)
            if alone > place or self._rules.space(character):
                if begun < place:
                    yield begun, place
                if alone > place:
                    yield place, alone
                begun = place = max(alone, place + 1)
            else:
                place += 1
        if begun < len(text):
            yield begun, len(text)

    def _pattern(self) -> re.Pattern[str]:
        if self._words is None:
            self._words = _word_pattern(self._rules)
        return self._words

    def _with_spaces(self, character: str) -> str:
        if self._rules.punctuation(character):
            return f" {character} "
        return " " if self._rules.space(character) else character


def _word_pattern(rules: Unicode) -> re.Pattern[str]:
    """Compile the words of texts within the first 65,536 characters, where `re` is fast."""
    characters = [chr(code) for code in range(0x10000) if not 0xD800 <= code <= 0xDFFF]
    space = "".join(re.escape(c) for c in characters if rules.space(c))
    punctuation = "".join(re.escape(c) for c in characters if rules.punctuation(c))
    return re.compile(f"[^{space}{punctuation}]+|[{punctuation}]")


def _standing_alone(words: Sequence[str]) -> str:
    longest_first = sorted(words, key=len, reverse=True)
    return rf"(?<!\S)(?:{'|'.join(map(re.escape, longest_first))})(?!\S)"
