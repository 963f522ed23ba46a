"""Cleaning a text before it is cut into words: repair, unescape, whitespace, case.

Small steps, and three chains of them, one for each upstream of CLIP's tokenizer: `CLIP_OPENAI`
(the released weights have only ever seen text cleaned this way), `CLIP_TRANSFORMERS` and
`CLIP_TRANSFORMERS_SLOW`. Leave one step out and the ids of some texts change without any error.
Called by clip.py; next: pre_tokenization.py.

Source: openai/CLIP d05afc4, clip/simple_tokenizer.py, basic_clean and whitespace_clean;
transformers 5.23.0 and 4.57.6, models/clip/.
"""

import html
import re
import unicodedata

import ftfy

from tokenizers_py.errors import TokenizerError
from tokenizers_py.text.alignment import (
    AlignedText,
    Chain,
    Characters,
    NormalForm,
    Opaque,
    Step,
    Substitution,
)
from tokenizers_py.text.composition import sort_many_marks
from tokenizers_py.text.unicode_tables import NOT_NORMALIZED, lower

_LONE_SURROGATE = re.compile(
    "[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]"
)

_SURROGATE = re.compile("[\ud800-\udfff]")


def check_text(text: object, name: str = "text") -> str:
    r"""Return `text` when it is a string of real characters.

    Raises:
        TokenizerError: It is no string, or it holds half of a surrogate pair, which is no
            character and has no UTF-8. (The original silently reads it as U+FFFD.)

    >>> check_text("a photo")
    'a photo'
    >>> check_text(b"a photo")
    Traceback (most recent call last):
    tokenizers_py.errors.TokenizerError: text: must be a str; got bytes. Decode it first?
    """
    if not isinstance(text, str):
        hint = " Decode it first?" if isinstance(text, bytes | bytearray) else ""
        raise TokenizerError(f"{name}: must be a str; got {type(text).__name__}.{hint}")
    if not text.isascii() and (lone := _LONE_SURROGATE.search(text)):
        raise TokenizerError(
            f"{name}: character {lone.start()} is U+{ord(lone[0]):04X}, half of a surrogate pair, "
            "which is no text. Was it decoded with errors='surrogateescape'?"
        )
    return text


def check_no_surrogates(text: str, name: str = "text") -> None:
    r"""Raise a TokenizerError for a surrogate, even where two make a pair.

    `check_text` lets pairs pass, because the original joins them (`repair`). The Rust library's
    texts are UTF-8, which has none.

    >>> check_no_surrogates("\ud83d\ude00")
    Traceback (most recent call last):
    tokenizers_py.errors.TokenizerError: text: has the surrogate U+D83D. Decode UTF-16 as such first
    """
    if not text.isascii() and (found := _SURROGATE.search(text)):
        raise TokenizerError(
            f"{name}: has the surrogate U+{ord(found[0]):04X}. Decode UTF-16 as such first"
        )


def repair(text: str) -> str:
    """Undo what broken software did to the text, with ftfy's default repairs.

    Mojibake, curly quotes, ligatures, full-width letters, control characters, HTML entities where
    no "<" is near; the result is in Unicode's NFC.

    >>> repair("schÃ¶n “ﬁne” ＡＢＣ")
    'schön "fine" ABC'
    """
    fixed: str = ftfy.fix_text(sort_many_marks(text))
    return fixed


def unescape_html(text: str) -> str:
    """Turn HTML entities into characters, twice, because captions from the web were often escaped twice.

    >>> unescape_html("salt &amp;amp; pepper")
    'salt & pepper'
    """
    return html.unescape(html.unescape(text))


class Strip(Step):
    r"""Leave out the whitespace at both ends, as `str.strip` does.

    Trap: Python takes a little more for whitespace than Unicode does (U+001C to U+001F).

    >>> Strip()("\x1c a photo "), Strip().align(AlignedText.of("  a ")).starts
    ('a photo', [2])
    """

    name = "strip"

    def __call__(self, text: str) -> str:
        """Strip a text."""
        return text.strip()

    def align(self, given: AlignedText) -> AlignedText:
        """Strip a text; what is left comes from where it stood."""
        start = len(given.text) - len(given.text.lstrip())
        return given.part(start, max(start, len(given.text.rstrip())))


class LowerCase(Step):
    """Python's lower case of a whole text: a capital sigma at the end of a word becomes "ς".

    >>> lowered = LowerCase().align(AlignedText.of("İΣ"))
    >>> lowered.text, lowered.starts
    ('i̇ς', [0, 0, 1])
    """

    name = "lower"

    def __call__(self, text: str) -> str:
        """Make a text lower case."""
        return text.lower()

    def align(self, given: AlignedText) -> AlignedText:
        """Make a text lower case; a character never depends on another in how long it becomes."""
        lowered = given.text.lower()
        if len(lowered) == len(given.text):
            return AlignedText(lowered, given.starts, given.ends)
        sizes = [len(character.lower()) for character in given.text]
        return AlignedText(
            lowered,
            [start for start, size in zip(given.starts, sizes, strict=True) for _ in range(size)],
            [end for end, size in zip(given.ends, sizes, strict=True) for _ in range(size)],
        )


def clean_text(text: str) -> str:
    """Run the original's steps in its order: repair, unescape, whitespace, lower case.

    Trap: the order matters. Lower-casing last also lower-cases what the entities held, and it is
    Python's `str.lower`, which knows the final sigma.

    >>> clean_text(" A  Photo of &Eacute;TIENNE ")
    'a photo of étienne'
    """
    return CLIP_OPENAI(text)


def clean_character(character: str) -> str:
    r"""Drop a control or format character or U+FFFD, and make any space the plain one.

    Source: BasicTokenizer._clean_text in transformers 4.57.6. Trap: characters that Python's
    Unicode does not know yet count as control characters too.

    >>> [clean_character(one) for one in "a\t\u3000\u200d\ufffd"]
    ['a', ' ', ' ', '', '']
    """
    if character in "\t\n\r":
        return " "
    category = unicodedata.category(character)
    if category.startswith("C") or character == "\ufffd":
        return ""
    return " " if category == "Zs" else character


def space_ideograph(character: str) -> str:
    """Put spaces around an ideograph of Chinese (not around kana or Hangul).

    Source: BasicTokenizer._is_chinese_char in transformers 4.57.6. The ranges end with
    extension E; later ideographs are left alone.

    >>> space_ideograph("生"), space_ideograph("の")
    (' 生 ', 'の')
    """
    code = ord(character)
    chinese = any(first <= code <= last for first, last in _IDEOGRAPHS)
    return f" {character} " if chinese else character


_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def _plain(text: str) -> bool:
    """Say whether a text is of ASCII characters from space to tilde only."""
    return text.isascii() and text.isprintable()


def _openai_shortcut(text: str) -> str | None:
    # Nothing to repair in plain ASCII, nothing to unescape without "&".
    return " ".join(text.split()).lower() if _plain(text) and "&" not in text else None


def _transformers_shortcut(text: str) -> str | None:
    return text.lower() if _plain(text) and "  " not in text else None


def _slow_shortcut(text: str) -> str | None:
    return " ".join(text.split()).lower() if _plain(text) else None


CLIP_OPENAI = Chain(
    "openai",
    [
        Opaque("repair", repair),
        Opaque("unescape", unescape_html),
        Strip(),
        Substitution("whitespace", r"\s+", " "),  # Unicode's White_Space
        LowerCase(),
    ],
    _openai_shortcut,
)
# Trap: no step strips, and the lower case knows no final sigma.
CLIP_TRANSFORMERS = Chain(
    "transformers",
    [
        NormalForm("NFC", NOT_NORMALIZED),
        Substitution("whitespace", r"\s+", " "),
        Characters("lower", lower),
    ],
    _transformers_shortcut,
)
# What 4.57.6 does where ftfy is not installed.
CLIP_TRANSFORMERS_SLOW = Chain(
    "transformers-slow",
    [
        Characters("clean", clean_character),
        Characters("ideographs", space_ideograph),
        NormalForm("NFC"),
        Strip(),
        Substitution("whitespace", r"[\s\x1c-\x1f]+", " "),  # as `str.split` cuts
        LowerCase(),
    ],
    _slow_shortcut,
)
