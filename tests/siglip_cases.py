"""Model files and texts on which SigLIP's tokenizer is compared with its upstreams."""

import gzip
import json
import random
import sys
from pathlib import Path

from hypothesis import strategies as st

DATA = Path(__file__).parent / "data"
TINY = DATA / "tokenizers" / "siglip" / "tiny.model"  # byte fallback, lower case
T5 = DATA / "tokenizers" / "sentencepiece" / "t5_base.spiece.model"  # no byte fallback
MODELS = {"tiny": TINY, "t5": T5}

LOOK_ALIKES = [
    "</s>",
    "</S>",
    "<unk>",
    "<UNK>",
    "<pad>",
    "<s>",
    "</ s>",
    "< /s>",
    "＜／ｓ＞",
    "<unk",
    "unk>",
    "<<unk>>",
    "<</s>>",
    "<0x41>",
    "▁",
    "▁▁ ▁",
    "{}",
    "_",
]
ODD_TEXTS = [
    "",
    " ",
    "'",
    "Hello, World!",
    "  leading and trailing  ",
    "a photo of 2 cats",
    "A PHOTO OF ÉTIENNE ŁÓDŹ İstanbul STRASSE ẞ",
    "ΟΔΟΣ οδος Σ ΑΣ' Σ.Α AΣ\u0301 ΑΣ▁Σ",
    "▁He is not             ▁He",
    "hi</s>",
    "hi </s> ",
    "</s>",
    "</s></s>",
    "</s> first",
    "a</s>b </s> c",
    "(</s>",
    "'</s>x",
    "<unk>x <unk> y<unk>",
    "中文 a中 > b 中",
    "＜／ｓ＞ ＡＢＣ ﬁne ㍿ ㌀ ① ½ …",
    "\x1ca\x1fb\x85c\xa0d\u2003e\u3000f\u200bg\ufeffh",
    "tab\tnew\nline\r\nNUL\x00BEL\x07",
    "👩‍👩‍👧‍👦 🇨🇭 👍🏽 ♀️",
    "e\u0301 E\u0301 ｶﾞ か\u3099 각",
    "“curly” ‘quotes’ — dash – …",
    "don't_stop under__score",
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "a!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~b",
    "x" * 300,
    *LOOK_ALIKES,
]

UPSTREAM_TEXTS = [  # tests/models/siglip/test_tokenization_siglip.py of Transformers
    "the real mountain view",
    "Zürich",
    "San Francisco",
    "A long paragraph for summarization. </s>",
    "Summary of the text. </s>",
    "I was born in 92000, and this is falsé.",
    ". Hello",
    "       . Hello",
    "▁He is not",
]


def golden_texts():
    """The 194 odd texts of the official SentencePiece set, and those of Transformers' own tests."""
    file = DATA / "tokenizers" / "sentencepiece" / "sentencepiece_official.json.gz"
    rows = json.loads(gzip.decompress(file.read_bytes()))["models"]["t5_tokenizer_base"]
    return [*(row["text"] for row in rows), *UPSTREAM_TEXTS]


def corpus_lines(name):
    """All lines of a corpus."""
    with gzip.open(DATA / "text" / f"{name}.txt.gz", "rt", encoding="utf-8") as file:
        return file.read().splitlines()


def code_point_texts(step=1, size=64):
    """Texts that hold every code point (or every `step`th) alone, and inside a word."""
    points = [*range(0, 0xD800, step), *range(0xE000, sys.maxunicode + 1, step)]
    for start in range(0, len(points), size):
        characters = [chr(point) for point in points[start : start + size]]
        yield " ".join(f"{character} x{character}y" for character in characters)


def random_texts(count, seed=0):
    """Texts of random fragments, for a judge that runs in another process."""
    chance = random.Random(seed)
    words = [
        "cat",
        "The",
        "PHOTO",
        "naïve",
        "Ωmega",
        "ΟΔΟΣ",
        "犬",
        "é",
        "e\u0301",
        "２０",
        ".",
        ",",
    ]
    spaces = ["", " ", "  ", "\t", "\n", "\u3000", "\x1c", "\u200b"]
    fragments = [*words, *spaces, *LOOK_ALIKES]
    return ["".join(chance.choices(fragments, k=chance.randrange(9))) for _ in range(count)]


TEXTS = st.lists(
    st.one_of(
        st.sampled_from(LOOK_ALIKES),
        st.sampled_from([" ", "  ", "\t", "\n", "\u3000", "\x1c", "\x85", "\u200b"]),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
        st.text("aäÄAbBßΣσς.,'!?-_<>/s", max_size=8),
    ),
    max_size=8,
).map("".join)
