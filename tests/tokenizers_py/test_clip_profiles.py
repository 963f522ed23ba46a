"""The profiles "transformers" and "transformers-slow": equal to Transformers 5.23 and 4.57.6.

Differences between the versions are listed here by name, and asserted to be differences.
"""

import json

import pytest
import regex
import transformers
from clip_texts import (
    FRAGMENTS,
    all_code_points,
    alone_and_in_a_word,
    any_text,
    corpora_texts,
    look_alikes,
    newer_code_points,
    some_code_points,
    stored_texts,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers4 import ask

from tokenizers_py import CLIPTokenizer, TokenizerError
from tokenizers_py.clip import PROFILES
from tokenizers_py.vocabulary import shipped_vocabulary

WHOLE_CHARACTERS = [text for text in FRAGMENTS if not regex.search(r"\p{Cs}", text)]
MARKS = [
    *("e\u0301", "\u0344", "\u0958", "\u1e69", "s\u0323\u0307", "\u0f73\u0f74", "\uac00", "\u0334"),
    *("\u1100\u1161\u11a8", "\u212b", "\u0130", "ΑΣ", "\u0308\u0323", "\u0345", "\u05c8", "\u07fd"),
    *("\U00011935", "\U00011930", "\u1e9b\u0323", "\u0340", "\U0001d15e", "\U0002f800", "\u0dd9"),
    *("\u0dca", "\u0cc6", "\u0cc2", "\u0cd5", "a", "B", " ", "\t", "\u2028", "<|ENDOFTEXT|>"),
]
texts_of_marks = st.lists(st.sampled_from(MARKS), max_size=12).map("".join)
# Capitals of Unicode 17, which the `tokenizers` release of 4.57.6 does not lower-case yet.
CAPITALS_OF_17 = {0xA7CE, 0xA7D2, 0xA7D4, *range(0x16EA0, 0x16EB9)}

SLOW_WITHOUT_FTFY = """
import sys
sys.modules["ftfy"] = None
slow = transformers.CLIPTokenizer(given["folder"] + "/vocab.json", given["folder"] + "/merges.txt")
assert slow.fix_text is None
answer = [slow(text, add_special_tokens=False)["input_ids"] for text in given["texts"]]
"""
FAST = """
fast = transformers.CLIPTokenizerFast.from_pretrained(given["folder"])
answer = fast(given["texts"], add_special_tokens=False)["input_ids"]
"""


@pytest.fixture(scope="module")
def fast():
    return CLIPTokenizer(profile="transformers")


@pytest.fixture(scope="module")
def slow():
    return CLIPTokenizer(profile="transformers-slow")


def check_ids_and_offsets(ours, theirs, texts):
    got = ours(texts, return_offsets_mapping=True, verbose=False)
    bare = ours(texts, verbose=False).input_ids
    rows = zip(texts, bare, got.input_ids, got.offset_mapping, strict=True)
    theirs.backend_tokenizer.encode_special_tokens = False  # a call with an option leaves it set
    for row, want in zip(rows, theirs.backend_tokenizer.encode_batch(texts), strict=True):
        text, ids, ids_of_pieces, offsets = row
        assert ids == ids_of_pieces == want.ids, ascii(text)[:100]
        assert list(offsets) == want.offsets, ascii(text)[:100]


def test_stored_texts_and_look_alikes(fast, theirs):
    check_ids_and_offsets(fast, theirs, stored_texts() + look_alikes())


def test_fragments(fast, theirs):
    check_ids_and_offsets(fast, theirs, [f"a {x} B{x}c" for x in WHOLE_CHARACTERS])


@settings(max_examples=50, deadline=None)
@given(st.lists(any_text | texts_of_marks, min_size=4, max_size=4))
def test_drawn_texts(fast, theirs, texts):
    check_ids_and_offsets(fast, theirs, [regex.sub(r"\p{Cs}", "", text) for text in texts])


def test_code_points(fast, theirs):
    check_ids_and_offsets(fast, theirs, alone_and_in_a_word(some_code_points()))
    newer = newer_code_points()
    assert len(newer) > 1000
    texts = [f"e\u0301A{chr(code)}\u0323\u0307b" for code in newer[::5]]
    check_ids_and_offsets(fast, theirs, alone_and_in_a_word(newer[::5]) + texts)


@pytest.mark.slow
def test_every_code_point(fast, theirs):
    check_ids_and_offsets(fast, theirs, alone_and_in_a_word(all_code_points()))
    frames = [f"a\u0301{chr(code)}\u0323\u0307" for code in all_code_points()]
    check_ids_and_offsets(fast, theirs, frames)


@pytest.mark.slow
def test_two_books(fast, theirs):
    check_ids_and_offsets(fast, theirs, corpora_texts())


def test_pages_of_two_books(fast, theirs):
    english, japanese, *_ = corpora_texts()
    pages = [english[:30_000], japanese[:30_000]]
    check_ids_and_offsets(fast, theirs, [*pages, *"".join(pages).split("\n")])


def ids_of(tokenizer, texts):
    return tokenizer(texts, add_special_tokens=False, verbose=False).input_ids


def differing(tokenizer, texts, want):
    rows = zip(texts, ids_of(tokenizer, texts), want, strict=True)
    return [text for text, ids, wanted in rows if ids != wanted]


def texts_for_4():
    codes = alone_and_in_a_word(some_code_points())
    framed = [f"a {x} B{x}c" for x in WHOLE_CHARACTERS]
    pages = corpora_texts()[2::25]
    return [*stored_texts(), *look_alikes(), *framed, *codes, *pages]


def test_the_slow_tokenizer_without_ftfy(slow, clip_folder):
    texts = texts_for_4()
    want = ask(SLOW_WITHOUT_FTFY, {"folder": str(clip_folder), "texts": texts})
    assert differing(slow, texts, want) == []


def test_the_fast_tokenizer_of_4(fast, clip_folder):
    texts = [*texts_for_4(), *map(chr, CAPITALS_OF_17)]
    want = ask(FAST, {"folder": str(clip_folder), "texts": texts})
    found = set(differing(fast, texts, want))
    # It looks for special tokens in the text that is already lower-cased.
    upper = {text for text in texts if regex.search(r"<\|(?!e|s)\w+\|>", text)}
    upper |= {text for text in texts if "<|EndOfText|>" in text}
    newer = {text for text in texts if CAPITALS_OF_17 & set(map(ord, text))}
    assert found == (upper & found) | newer
    assert "<|ENDOFTEXT|>" in found and "x<|EndOfText|>y" in found


@pytest.mark.slow
def test_every_code_point_against_4(fast, slow, clip_folder):
    codes = all_code_points()
    for texts in ([chr(code) for code in codes], [f"a{chr(code)}b" for code in codes]):
        given = {"folder": str(clip_folder), "texts": texts}
        assert differing(slow, texts, ask(SLOW_WITHOUT_FTFY, given)) == []
        found = {max(map(ord, text)) for text in differing(fast, texts, ask(FAST, given))}
        assert found == CAPITALS_OF_17


@pytest.mark.slow
def test_two_books_against_4(fast, slow, clip_folder):
    given = {"folder": str(clip_folder), "texts": corpora_texts()}
    assert differing(slow, given["texts"], ask(SLOW_WITHOUT_FTFY, given)) == []
    assert differing(fast, given["texts"], ask(FAST, given)) == []


@pytest.mark.parametrize(
    "text, like_transformers",
    [
        ("a cat", ["openai", "transformers", "transformers-slow"]),
        ("ﬁ ＡＢＣ &amp;", ["transformers", "transformers-slow"]),
        ("ΟΔΟΣ", ["transformers"]),  # the last sigma
        ("生活", ["openai", "transformers"]),  # one word, or one for each ideograph
        ("a\u200db", ["openai", "transformers"]),  # format characters are dropped
        ("<|ENDOFTEXT|>", ["transformers"]),
    ],
)
def test_where_the_profiles_differ(text, like_transformers):
    tokens = {name: CLIPTokenizer(profile=name).tokenize(text) for name in PROFILES}
    assert [n for n in PROFILES if tokens[n] == tokens["transformers"]] == like_transformers


def test_offsets_under_every_profile():
    for name in PROFILES:
        batch = CLIPTokenizer(profile=name)("A  schöner Tag!", return_offsets_mapping=True)
        assert batch.offset_mapping[1] == (0, 1) and batch.offset_mapping[-2] == (14, 15)


def test_offsets_in_a_repaired_text(tokenizer):
    text = "the cafÃ©: &eacute; ﬁ ＡＢＣ"
    offsets = tokenizer(text, return_offsets_mapping=True).offset_mapping[1:-1]
    parts = ["the", "cafÃ©", ":", "&eacute;", "ﬁ", "ＡＢＣ"]
    assert [text[start:end] for start, end in offsets] == parts


def test_refusals():
    with pytest.raises(TokenizerError, match="profile: must be one of openai, transformers, "):
        CLIPTokenizer(profile="fast")
    for name in ("transformers", "transformers-slow"):
        tokenizer = CLIPTokenizer(profile=name)
        for text in (b"a", None, 5, "a\ud800"):
            with pytest.raises(TokenizerError):
                tokenizer(text)
    with pytest.raises(TokenizerError, match="surrogate U\\+D83D"):
        CLIPTokenizer(profile="transformers")("a \ud83d\ude00")


def test_how_many_merges_count(tmp_path):
    """OpenAI's code and 4's slow tokenizer read 48,894; version 5, and 4's out of its own file, all."""
    long = [("q", "z"), ("qz", "q"), ("qzq", "z</w>")]
    whole = shipped_vocabulary()
    new = [a + b for a, b in long]
    ids = {**whole.ids, **{token: len(whole.ids) + n for n, token in enumerate(new)}}
    pairs = [*whole.ranks, *long]
    (tmp_path / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    lines = "".join(f"{a} {b}\n" for a, b in pairs)
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + lines, encoding="utf-8")
    theirs = transformers.CLIPTokenizer.from_pretrained(tmp_path)
    theirs.save_pretrained(tmp_path / "five")
    source = """
folder, texts = given
sys.modules["ftfy"] = None
slow = transformers.CLIPTokenizer.from_pretrained(folder)
fast = transformers.CLIPTokenizerFast.from_pretrained(folder + "/five")
answer = [[each(text)["input_ids"] for text in texts] for each in (slow, fast)]
"""
    texts = ["qzqz", "a cat qzq", "qz"]
    slow, fast = ask(source, [str(tmp_path), texts])
    assert slow != fast
    for profile in PROFILES:
        for folder in (tmp_path, tmp_path / "five"):
            ours = CLIPTokenizer.from_pretrained(folder, profile=profile)
            assert ours(texts).input_ids == (fast if profile == "transformers" else slow)
    assert theirs(texts).input_ids == fast


def test_a_change_of_the_special_tokens_is_seen():
    tokenizer = CLIPTokenizer()
    assert tokenizer.tokenize("cat</w>") != ["cat</w>"]
    tokenizer.eos_token = "cat</w>"
    assert tokenizer.tokenize("a CAT</W>") == ["a</w>", "cat</w>"]
