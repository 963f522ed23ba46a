import pytest

from tokenizers_py import TokenizerError
from tokenizers_py.normalization import check_text, clean_text, collapse_whitespace, unescape_html
from tokenizers_py.pre_tokenization import split_words


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
    assert collapse_whitespace("\u2003a\u00a0\u2028b\u1680\u200bc\n") == "a b \u200bc"
    assert collapse_whitespace("a\x1cb") == "a\x1cb"  # Python's re would count it as whitespace


def test_words():
    assert split_words("it's 2²Ⅷ _a_ e\u0301 don't've") == [
        *("it", "'s", "2", "²", "Ⅷ", "_", "a", "_", "e", "\u0301", "don", "'t", "'ve")
    ]


def test_a_special_token_is_taken_literally_and_first():
    assert split_words("a[x]+b", ["[x]+"]) == ["a", "[x]+", "b"]
