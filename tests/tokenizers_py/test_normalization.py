import random
import time

import ftfy
import pytest
import regex
import tokenizers
from clip_texts import all_code_points, any_text
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizers_py import TokenizerError
from tokenizers_py.text.alignment import Chain
from tokenizers_py.text.normalization import (
    CLIP_OPENAI,
    CLIP_TRANSFORMERS,
    CLIP_TRANSFORMERS_SLOW,
    check_text,
    clean_text,
    repair,
    unescape_html,
)
from tokenizers_py.text.pre_tokenization import split_words
from tokenizers_py.text.unicode_tables import LETTER, NUMBER

CHAINS = [CLIP_OPENAI, CLIP_TRANSFORMERS, CLIP_TRANSFORMERS_SLOW]


@pytest.mark.parametrize("text", [None, 3, b"cat", ["cat"], 1.5])
def test_what_is_no_string_is_named(text):
    with pytest.raises(TokenizerError, match=f"must be a str; got {type(text).__name__}"):
        check_text(text)


@pytest.mark.parametrize(
    "text, place",
    [("a\ud800", 1), ("\udc80", 0), ("\ud83d\ud83d\ude00", 0), ("\ud83d\ude00\ude00", 2)],
)
def test_a_lone_surrogate_is_named_with_its_place(text, place):
    with pytest.raises(TokenizerError, match=f"character {place} is U\\+D"):
        check_text(text)


def test_a_pair_of_surrogates_is_repaired():
    assert clean_text(check_text("\ud83d\ude00")) == "😀"


def test_steps_run_in_the_originals_order():
    assert clean_text("&lt;B&gt;  &AMP;AMP; ＡＢＣ\u3000“x”") == '<b> & abc "x"'
    assert clean_text("<i> &amp;amp; &Eacute;") == "<i> & é"  # ftfy leaves entities beside "<"
    assert clean_text("<i> &#xFF21;") == "<i> ａ"  # so what such an entity gives is not repaired
    assert clean_text("ΟΔΟΣ") == "οδος"


def test_three_escapes_are_undone_only_twice():
    assert unescape_html("&amp;amp;amp;") == "&amp;"


def test_whitespace_is_unicodes():
    collapse_whitespace = Chain("whitespace", CLIP_OPENAI.steps[2:4])
    assert collapse_whitespace("\u2003a\u00a0\u2028b\u1680\u200bc\n") == "a b \u200bc"
    assert collapse_whitespace("a\x1cb") == "a\x1cb"  # Python's re would count it as whitespace


def test_words():
    assert split_words("it's 2²Ⅷ _a_ e\u0301 don't've") == [
        *("it", "'s", "2", "²", "Ⅷ", "_", "a", "_", "e", "\u0301", "don", "'t", "'ve")
    ]


def test_a_special_token_is_taken_literally_and_first():
    assert split_words("a[x]+b", ["[x]+"]) == ["a", "[x]+", "b"]


@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: chain.name)
@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(codec="ascii"), max_size=30) | any_text)
def test_the_shortcut_gives_what_the_steps_give(chain, text):
    text = regex.sub(r"\p{Cs}", "", text)
    slowly = text
    for step in chain.steps:
        slowly = step(slowly)
    assert chain(text) == slowly


def test_plain_ascii_needs_no_repair():
    plain = [chr(code) for code in range(32, 127) if chr(code) != "&"]
    texts = [first + second for first in plain for second in plain]
    texts += [f"a{text}b" for text in texts] + ["".join(plain) * 3, "<b>'s</b> \\n #39;"]
    for text in texts:
        assert repair(text) == unescape_html(text) == text


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="&")))
def test_drawn_plain_ascii_needs_no_repair(text):
    assert repair(text) == unescape_html(text) == text


def test_the_lower_case_is_the_librarys():
    theirs = tokenizers.normalizers.Lowercase()
    for code in all_code_points():
        assert CLIP_TRANSFORMERS.steps[2](chr(code)) == theirs.normalize_str(chr(code)), hex(code)


def test_the_classes_of_characters_are_the_librarys():
    everything = "".join(map(chr, all_code_points()))
    for name, ours in (("\\p{L}", LETTER), ("\\p{N}", NUMBER), ("\\s", r"\s")):
        theirs = tokenizers.normalizers.Replace(tokenizers.Regex(name), "")
        assert theirs.normalize_str(everything) == regex.sub(ours, "", everything, flags=regex.V1)


def test_many_marks_in_a_row_are_repaired_quickly():
    draw = random.Random(0)
    for length in (150, 250, 2000):
        marks = "".join(draw.choices("\u0301\u0323\u0334\u0344\u094d\u0902\u0903\u05b0", k=length))
        text = f"Ã© a{marks}b ﬁ"
        assert repair(text) == ftfy.fix_text(text)
    start = time.process_time()
    repair("a" + "\u0301\u0323" * 50_000)
    assert time.process_time() - start < 5
