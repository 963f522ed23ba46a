"""Texts that tokenizers disagree on, and which code points to try when all would take too long."""

import gzip
import json
import sys
import unicodedata
from pathlib import Path

import regex
from hypothesis import strategies as st

from tokenizers_py.text.unicode_tables import _SMALL_LETTERS, LETTER, NOT_NORMALIZED, NUMBER

DATA = Path(__file__).parent / "data"

SPECIAL_LOOK_ALIKES = [
    "<|startoftext|>",
    "<|endoftext|>",
    "<|ENDOFTEXT|>",
    "<|EndOfText|>",
    "<|endoftext|",
    "|endoftext|>",
    "<| endoftext |>",
    "＜|endoftext|＞",
    "<|endofte\u212bxt|>",
    "<|\u017ftartoftext|>",
    "&lt;|endoftext|&gt;",
    "</w>",
]

FRAMES = ["{}", "x{}y", "!{}", "{}!", "1{}{}2", " {} 's{}", "<{}>", "{}!!{}", "{}a{}"]


def look_alikes():
    """Put everything that looks like a special token into several surroundings."""
    return [frame.format(look, look) for look in SPECIAL_LOOK_ALIKES for frame in FRAMES]


FRAGMENTS = [
    *SPECIAL_LOOK_ALIKES,
    *("'s", "'T", "'RE", "’ve", "'ll", "'\u017f", "don't've", "''", "`", "_a_", "!!!", "...", "…"),
    *(
        "&amp;",
        "&amp;amp;lt;",
        "&#x41;",
        "&#0;",
        "&#28;",
        "&nbsp;",
        "&Eacute;",
        "&notit;",
        "<b>",
        "<&#xFF21;&rdquo;",
        "&",
    ),
    *("schÃ¶n", "â€œxâ€\x9d", "Ã©", "ðŸ˜€", "ï»¿", "ﬁﬂﬆ", "ＡＢＣ１", "“”‘’", "ĳ", "Ǆ", "\x1b[31m"),
    *(
        "👩‍👩‍👧‍👦",
        "🏳️‍🌈",
        "👍🏽",
        "🇫🇷",
        "1️⃣",
        "\ud83d\ude00",
        "e\u0301",
        "\u0301",
        "각",
        "ＯΔΟΣ",
        "İıſß",
        "K",
    ),
    *(
        "生活的真谛",
        "ひらがなカタカナ",
        "한국어",
        "العربية",
        "עברית",
        "ไทย",
        "हिन्दी",
        "Ελληνικά",
        "²½Ⅷ٣",
        "x²",
    ),
    *(
        " ",
        "  ",
        "\t",
        "\n",
        "\r\n",
        "\v",
        "\f",
        "\x1c",
        "\x85",
        "\xa0",
        "\u1680",
        "\u2009",
        "\u2028",
    ),
    *(
        "\u202f",
        "\u3000",
        "\u200b",
        "\u200d",
        "\u200e",
        "\ufeff",
        "\xad",
        "\0",
        "\x07",
        "\x7f",
        "\ufffd",
    ),
]
any_text = st.lists(
    st.sampled_from(FRAGMENTS)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
    | st.text(st.sampled_from("aZ09'<|>&;# !._"), max_size=6),
    max_size=12,
).map("".join)


def stored_texts():
    """Give every text of the stored cases."""
    folder = DATA / "tokenizers" / "clip"
    cases = json.loads((folder / "openai_simple_tokenizer.json").read_text("utf-8"))["cases"]
    other = json.loads((folder / "transformersjs_clip.json").read_text("utf-8"))
    return [case["text"] for case in [*cases, *(c for m in other.values() for c in m.values())]]


def corpus(name):
    """Read one of the two books."""
    return gzip.decompress((DATA / "text" / f"{name}.txt.gz").read_bytes()).decode("utf-8")


def corpora_texts():
    """Give both books, line by line and whole."""
    books = [corpus("botchan"), corpus("wagahaiwa_nekodearu")]
    return [*books, *(line for book in books for line in book.split("\n"))]


def all_code_points():
    """Give every code point but the surrogates."""
    return [c for c in range(sys.maxunicode + 1) if not 0xD800 <= c <= 0xDFFF]


def some_code_points():
    """Give code points of every kind: where the category changes, all of Latin, every 211th."""
    chosen = {*range(0x250), *range(0x250, sys.maxunicode + 1, 211)}
    before = ""
    for code in all_code_points():
        category = unicodedata.category(chr(code))
        if category != before:
            chosen |= {code - 1, code}
        before = category
    return sorted(chosen - {-1, *range(0xD800, 0xE000)})


def newer_code_points():
    """Give the code points that libraries know differently, because of Unicode's growth."""
    known = regex.compile(rf"[\p{{L}}--{LETTER}]|[\p{{N}}--{NUMBER}]", regex.V1)
    return [
        code
        for code in all_code_points()
        if NOT_NORMALIZED.match(chr(code)) or known.match(chr(code)) or code in _SMALL_LETTERS
    ]


def alone_and_in_a_word(code_points):
    """Write each code point alone and between letters."""
    return [text for code in code_points for text in (chr(code), f"a{chr(code)}b")]
