"""Equal ids to OpenAI's own tokenizer, on stored texts, on drawn ones and over all characters."""

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

DATA = Path(__file__).parents[1] / "data" / "tokenizers" / "clip"
STORED = json.loads((DATA / "openai_simple_tokenizer.json").read_text("utf-8"))["cases"]
CHECKPOINTS = json.loads((DATA / "transformersjs_clip.json").read_text("utf-8"))

# transformers.js follows the fast tokenizers: no ftfy, and the pad token is looked for in text.
FAST_ONLY = {
    ("Xenova/clip-vit-base-patch16", "CONTROL_TOKENS"),
    ("Xenova/clip-vit-base-patch16", "TILDE_NORMALIZATION"),
    ("Xenova/owlvit-base-patch32", "PUNCTUATION"),
}


def ids_of(tokenizer, text):
    return tokenizer(text, add_special_tokens=False, max_length=10**6).input_ids


@pytest.mark.parametrize("case", STORED, ids=range(len(STORED)))
def test_stored_ids(tokenizer, case):
    assert ids_of(tokenizer, case["text"]) == case["ids"]


def test_ids_that_another_project_expects(tokenizer):
    differing = {
        (model, name)
        for model, cases in CHECKPOINTS.items()
        for name, case in cases.items()
        if tokenizer(case["text"], max_length=1000).input_ids != case["ids"]
    }
    assert differing == FAST_ONLY


def test_the_vocabulary_is_the_originals(tokenizer, original):
    assert tokenizer.get_vocab() == original.encoder
    assert tokenizer._vocabulary.ranks == original.bpe_ranks


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


@pytest.mark.parametrize("special", SPECIAL_LOOK_ALIKES)
@pytest.mark.parametrize("frame", ["{}", "x{}y", "!{}", "{}!", "1{}{}2", " {} 's{}", "<{}>"])
def test_special_tokens_in_text(tokenizer, original, special, frame):
    text = frame.format(*[special] * 2)
    assert ids_of(tokenizer, text) == original.encode(text)


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


@settings(max_examples=50, deadline=None)
@given(st.lists(any_text, min_size=4, max_size=4))
def test_drawn_texts(tokenizer, original, texts):
    for text in texts:
        assert ids_of(tokenizer, text) == original.encode(text)


@settings(max_examples=50, deadline=None)
@given(ids=st.lists(st.integers(0, 49407), max_size=20))
def test_decoding_drawn_ids(tokenizer, original, ids):
    assert tokenizer.decode(ids) == original.decode(ids).strip()


@pytest.mark.parametrize("text", FRAGMENTS)
def test_fragments_alone_and_in_a_word(tokenizer, original, text):
    for framed in (text, f"a{text}b", f"a {text} B"):
        assert ids_of(tokenizer, framed) == original.encode(framed)


def check_code_points(tokenizer, original, code_points):
    for code_point in code_points:
        if not 0xD800 <= code_point <= 0xDFFF:
            for text in (chr(code_point), f"a{chr(code_point)}b"):
                assert ids_of(tokenizer, text) == original.encode(text), hex(code_point)


def test_every_97th_code_point(tokenizer, original):
    check_code_points(tokenizer, original, [*range(0x250), *range(0x250, sys.maxunicode + 1, 97)])


@pytest.mark.slow
def test_every_code_point(tokenizer, original):
    check_code_points(tokenizer, original, range(sys.maxunicode + 1))
