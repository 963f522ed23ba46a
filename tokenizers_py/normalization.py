"""Cleaning a text before it is cut into words: repair, unescape, whitespace, case.

Five small steps and `clean_text`, which runs them in the order of the original. The released CLIP
weights have only ever seen text cleaned this way: leave one step out and the ids of some texts
change without any error. Called by clip.py; next: pre_tokenization.py.

Source: openai/CLIP d05afc4, clip/simple_tokenizer.py, basic_clean and whitespace_clean.
"""

import html
import re

import ftfy
import regex

from tokenizers_py.alignment import Opaque
from tokenizers_py.errors import TokenizerError

_WHITESPACE = regex.compile(r"\s+")  # Unicode's White_Space, which Python's own `re` widens
_LONE_SURROGATE = re.compile(
    "[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]"
)


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


def repair(text: str) -> str:
    """Undo what broken software did to the text, with ftfy's default repairs.

    Mojibake, curly quotes, ligatures, full-width letters, control characters, HTML entities where
    no "<" is near; the result is in Unicode's NFC.

    >>> repair("schÃ¶n “ﬁne” ＡＢＣ")
    'schön "fine" ABC'
    """
    fixed: str = ftfy.fix_text(text)
    return fixed


def unescape_html(text: str) -> str:
    """Turn HTML entities into characters, twice, because captions from the web were often escaped twice.

    >>> unescape_html("salt &amp;amp; pepper")
    'salt & pepper'
    """
    return html.unescape(html.unescape(text))


def collapse_whitespace(text: str) -> str:
    r"""Make every run of whitespace one space, and none at the ends.

    >>> collapse_whitespace("  two\t\n words\u3000")
    'two words'
    """
    collapsed: str = _WHITESPACE.sub(" ", text.strip())
    return collapsed.strip()


def clean_text(text: str) -> str:
    """Run all steps in the original's order: repair, unescape, whitespace, lower case.

    Trap: the order matters. Lower-casing last also lower-cases what the entities held, and it is
    Python's `str.lower`, which knows the final sigma.

    >>> clean_text(" A  Photo of &Eacute;TIENNE ")
    'a photo of étienne'
    """
    return collapse_whitespace(unescape_html(repair(text))).lower()


CLIP_OPENAI = Opaque("clean_text", clean_text)
