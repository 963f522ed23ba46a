"""Cleaning a text for SigLIP: case, punctuation, whitespace, as each upstream does it.

Small steps (`Step`, alignment.py) and `canonicalize_text`. big_vision, which trained the released
checkpoints, only lower-cases; Transformers also takes the punctuation away. The steps are put
together in siglip.py; what comes next is the model file's own normaliser (sentencepiece/).

Source: google-research/big_vision 0127fb6, big_vision/pp/ops_text.py and
big_vision/evaluators/proj/image_text/prompt_engineering.py; transformers 5.23.0 and 4.57.6,
models/siglip/tokenization_siglip.py.
"""

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers_py.errors import TokenizerError
from tokenizers_py.text.alignment import AlignedText, Chain, Characters, Step
from tokenizers_py.text.normalization import check_text

META_SPACE = "\u2581"  # "▁": how SentencePiece writes a space inside a piece
_PUNCTUATION = set(string.punctuation)  # ASCII only: curly quotes and "。" stay
_WHITESPACE = re.compile(r"\s+")  # Python's idea of it, with U+001C to U+001F, as in upstream


class Lower(Step):
    """Python's `str.lower`, which looks around for one letter: a final sigma.

    >>> Lower()("ΟΔΟΣ"), Lower().align(AlignedText.of("İI")).starts
    ('οδος', [0, 0, 1])
    """

    name = "lower"

    def __call__(self, text: str) -> str:
        """Lower-case a text."""
        return text.lower()

    def align(self, given: AlignedText) -> AlignedText:
        """Lower-case a text; the form of a sigma does not change how many characters there are."""
        counted = LOWER_EACH.align(given)
        return AlignedText(given.text.lower(), counted.starts, counted.ends)


class OneSpace(Step):
    r"""Make every run of whitespace one space, also at the ends.

    >>> one_space = OneSpace()
    >>> one_space(" a \t\n b"), one_space.align(AlignedText.of("a \t\n b")).ends
    (' a b', [1, 5, 6])
    """

    name = "one space"

    def __call__(self, text: str) -> str:
        """Collapse the whitespace of a text."""
        if text.isascii() and text.isprintable() and "  " not in text:
            return text  # the usual case, in which a space is the only whitespace
        words = " ".join(text.split())
        if not words:
            return " " if text else ""
        before = " " if text[0].isspace() else ""
        return before + words + (" " if text[-1].isspace() else "")

    def align(self, given: AlignedText) -> AlignedText:
        """Collapse the whitespace; each space stands for its whole run."""
        parts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        place = 0
        for match in _WHITESPACE.finditer(given.text):
            start, end = match.span()
            first, last = given.span(start, end)
            parts += given.text[place:start], " "
            starts += [*given.starts[place:start], first]
            ends += [*given.ends[place:start], last]
            place = end
        parts.append(given.text[place:])
        return AlignedText("".join(parts), starts + given.starts[place:], ends + given.ends[place:])


class LowerOutside(Step):
    """Lower-case each character alone, but leave some tokens as they are.

    >>> step = LowerOutside(["<UNK>"])
    >>> step("A<UNK>B</S>"), step.align(AlignedText.of("İ<UNK>")).starts
    ('a<UNK>b</s>', [0, 0, 1, 2, 3, 4, 5])
    """

    name = "lower outside special tokens"

    def __init__(self, tokens: Sequence[str]) -> None:
        """Remember the tokens; where several fit, the first of them counts."""
        self._tokens = re.compile(f"({'|'.join(map(re.escape, tokens))})")

    def __call__(self, text: str) -> str:
        """Lower-case what stands between the tokens."""
        parts = self._tokens.split(text)
        parts[::2] = map(LOWER_EACH, parts[::2])
        return "".join(parts)

    def align(self, given: AlignedText) -> AlignedText:
        """Lower-case what stands between the tokens, character by character."""
        kept = [match.span() for match in self._tokens.finditer(given.text)]
        parts: list[AlignedText] = []
        place = 0
        for start, end in [*kept, (len(given.text), len(given.text))]:
            parts += LOWER_EACH.align(given.part(place, start)), given.part(start, end)
            place = end
        return AlignedText(
            "".join(part.text for part in parts),
            [start for part in parts for start in part.starts],
            [end for part in parts for end in part.ends],
        )


# Functions with names, because a tokenizer that holds them can then be pickled.
def _lower_ascii(character: str) -> str:
    return character.lower() if character.isascii() else character


def _meta_space_is_space(character: str) -> str:
    return " " if character == META_SPACE else character


def _no_punctuation(character: str) -> str:
    return "" if character in _PUNCTUATION else character


LOWER = Lower()
LOWER_EACH = Characters("lower each character", str.lower)
LOWER_ASCII = Characters("lower A to Z", _lower_ascii)
META_SPACE_IS_SPACE = Characters("▁ to space", _meta_space_is_space)
NO_PUNCTUATION = Characters("no punctuation", _no_punctuation)
ONE_SPACE = OneSpace()
SAME = Chain("as given", [])


def canonicalize_text(text: str, *, keep_punctuation_exact_string: str | None = None) -> str:
    """Take punctuation and case out of a prompt, as SigLIP's zero-shot evaluation does.

    In this order: "_" becomes a space, ASCII punctuation goes (except where
    `keep_punctuation_exact_string` stands), lower case, one space for each run of whitespace.

    Source: google-research/big_vision 0127fb6, prompt_engineering.py, canonicalize_text.
    Trap:   Transformers has a method of the same name that knows nothing of "_": it deletes it
        with the other punctuation and joins two words.

    >>> canonicalize_text("A photo of: {}, {taxi_cab}!", keep_punctuation_exact_string="{}")
    'a photo of {} taxi cab'
    """
    text = check_text(text).replace("_", " ")
    return without_punctuation(text, keep_punctuation_exact_string, lower=True)


def without_punctuation(text: str, kept: str | None = None, *, lower: bool = False) -> str:
    """Take ASCII punctuation away except where `kept` stands, lower-case, collapse whitespace.

    >>> without_punctuation("It's  2:1, {}!", "{}")
    'Its 21 {}'
    """
    text = check_text(text)
    if kept is not None and not isinstance(kept, str):
        raise TokenizerError(
            f"keep_punctuation_exact_string: must be a str; got {type(kept).__name__}"
        )
    text = kept.join(map(NO_PUNCTUATION, text.split(kept))) if kept else NO_PUNCTUATION(text)
    return " ".join((text.lower() if lower else text).split())


@dataclass(frozen=True)
class Profile:
    """What the upstreams do differently.

    Args:
        lower: How a text is lower-cased (unless `do_lower_case` is False).
        lower_first: Whether that comes before special tokens are looked for.
        cleans: Whether punctuation goes, whitespace is collapsed and the text gets its first "▁"
            here. If not, the model file's own normaliser sees the text as it is.
        dummy_prefix: Whether the model file decides about a "▁" before a text; else there is none.
        specials_in_text: Whether "</s>" and "<unk>" in a text are the tokens of that name.
    """

    lower: Step
    lower_first: bool
    cleans: bool
    dummy_prefix: bool
    specials_in_text: bool

    def normalizer(self, do_lower_case: bool) -> Step:
        """Join the steps that a stretch of text between special tokens goes through."""
        lower = self.lower if do_lower_case and not self.lower_first else SAME
        if not self.cleans:
            return lower
        return Chain("canonicalize", [META_SPACE_IS_SPACE, lower, NO_PUNCTUATION, ONE_SPACE])


PROFILES = {
    "big_vision": Profile(
        lower=LOWER_ASCII,
        lower_first=False,
        cleans=False,
        dummy_prefix=True,
        specials_in_text=False,
    ),
    "transformers": Profile(
        lower=LOWER,
        lower_first=False,
        cleans=True,
        dummy_prefix=True,
        specials_in_text=True,
    ),
    "transformers-4": Profile(
        lower=LOWER_EACH,
        lower_first=True,
        cleans=True,
        dummy_prefix=False,
        specials_in_text=True,
    ),
}
