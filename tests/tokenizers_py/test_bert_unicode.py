"""Which character is what: held against each upstream itself, on every code point."""

import sys
import unicodedata

import pytest
from bert_cases import cn_clip, every_character
from tokenizers import normalizers, pre_tokenizers
from transformers4 import ask

from tokenizers_py.text.bert_unicode import CodePoints, python_unicode, rust_unicode

CHARACTERS = every_character()


def bert(**on):
    names = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
    return normalizers.BertNormalizer(**{name: on.get(name, False) for name in names})


def alone(normalizer):
    """Each character as the normaliser leaves it; commas keep neighbours apart."""
    text = ",".join(c for c in CHARACTERS if c != ",")
    changed = normalizer.normalize_str(text).split(",")
    return zip((c for c in CHARACTERS if c != ","), changed, strict=True)


def test_rust_cleaning():
    rules = rust_unicode()
    for character, changed in alone(bert(clean_text=True)):
        want = "" if rules.removed(character) else " " if rules.blank(character) else character
        assert changed == want, hex(ord(character))


def test_rust_ideographs():
    rules = rust_unicode()
    for character, changed in alone(bert(handle_chinese_chars=True)):
        assert (changed == f" {character} ") == rules.ideograph(character), hex(ord(character))


def test_rust_accents():
    rules = rust_unicode()
    for character, changed in alone(bert(strip_accents=True)):
        parts = rules.apart(character)
        assert changed == "".join(c for c in parts if not rules.mark(c)), hex(ord(character))


def test_rust_lower_case():
    rules = rust_unicode()
    for character, changed in alone(bert(lowercase=True)):
        assert changed == rules.lower(character), hex(ord(character))


def test_rust_words():
    rules = rust_unicode()
    text = "".join(f"a{character}b" for character in CHARACTERS)
    cuts = {start for _, (start, _) in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(text)}
    for place, character in enumerate(CHARACTERS):
        start = place * 3 + 1
        assert (start in cuts) == rules.punctuation(character), hex(ord(character))
        ends = rules.space(character) or rules.punctuation(character)
        assert (start + 1 in cuts) == ends, hex(ord(character))


def test_the_rust_library_has_256_ideographs_less():
    rust, python = rust_unicode(), python_unicode(("C",))
    differ = [c for c in CHARACTERS if rust.ideograph(c) != python.ideograph(c)]
    assert (ord(differ[0]), ord(differ[-1]), len(differ)) == (0x2B820, 0x2B91F, 256)


def test_cn_clip():
    module, rules = cn_clip(), python_unicode(("Cc", "Cf"))
    chinese = module.BasicTokenizer()._is_chinese_char
    for c in CHARACTERS:
        removed = c in "\0\ufffd" or module._is_control(c)
        assert removed == rules.removed(c), hex(ord(c))
        assert module._is_whitespace(c) == (rules.blank(c) or c == " "), hex(ord(c))
        assert module._is_punctuation(c) == rules.punctuation(c), hex(ord(c))
        assert chinese(ord(c)) == rules.ideograph(c), hex(ord(c))


ASK_SLOW = """
from transformers.models.bert import tokenization_bert as bert
chinese = bert.BasicTokenizer()._is_chinese_char
characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
answer = "".join(
    chr(
        32
        + (c in "\\0\\ufffd" or bert._is_control(c))
        + 2 * bert._is_whitespace(c)
        + 4 * bert._is_punctuation(c)
        + 8 * chinese(ord(c))
    )
    for c in characters
)
"""


def test_transformers_slow():
    rules = python_unicode(("C",))
    for c, answer in zip(CHARACTERS, ask(ASK_SLOW), strict=True):
        blank = rules.blank(c) or c == " "
        flags = (rules.removed(c), blank, rules.punctuation(c), rules.ideograph(c))
        got = sum(flag << place for place, flag in enumerate(flags))
        assert got == ord(answer) - 32, hex(ord(c))


def test_python_and_rust_do_differ():
    rust, python = rust_unicode(), python_unicode(("C",))
    assert python.mark("\u1acd") and not rust.mark("\u1acd")  # a mark of Unicode 14
    assert python.removed("\u0378") and not rust.removed("\u0378")  # unassigned
    assert python.punctuation("\u061d") and not rust.punctuation("\u061d")  # of Unicode 14
    assert rust.punctuation("\u166d") and unicodedata.category("\u166d") == "So"


def test_code_points():
    ranges = CodePoints("A-C 41 1F600-1F64F")
    inside = [c for c in range(sys.maxunicode + 1) if chr(c) in ranges]
    assert inside == [10, 11, 12, 65, *range(0x1F600, 0x1F650)]
    assert "a" not in CodePoints("")


@pytest.mark.parametrize("character", ["a", "é", "が", "\u0344", "\U0001d15e"])
def test_parts_of_characters(character):
    assert rust_unicode().apart(character) == unicodedata.normalize("NFD", character)
