"""Profile "cn_clip": equal to the tokenizer that the Chinese-CLIP checkpoints were trained with."""

import functools

import pytest
from bert_cases import (
    CASED,
    CHINESE,
    TEXTS,
    UNCASED,
    blocks,
    cn_clip,
    corpus,
    every_character,
    golden,
    ours,
    some_characters,
    vocab_file,
)
from hypothesis import given, settings


@functools.cache
def original(name=CHINESE, do_lower_case=True):
    return cn_clip().FullTokenizer(str(vocab_file(name)), do_lower_case=do_lower_case)


def same(text, name=CHINESE, **options):
    upstream, tokenizer = original(name, **options), ours(name, "cn_clip", **options)
    tokens = upstream.tokenize(text)
    got = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    assert got == upstream.convert_tokens_to_ids(tokens), ascii(text)[:200]
    assert tokenizer.tokenize(text) == tokens


def as_tokenize(text, context_length=52):
    """What cn_clip.clip.tokenize does, whose module needs torchvision."""
    upstream = original()
    ids = upstream.convert_tokens_to_ids(upstream.tokenize(text))[: context_length - 2]
    ids = [upstream.vocab["[CLS]"], *ids, upstream.vocab["[SEP]"]]
    return ids + [0] * (context_length - len(ids))


def test_golden_ids():
    cases = golden("chinese_clip_bert_tokenizer")["cases"]
    assert len(cases) == 194
    tokenizer = ours(CHINESE, "cn_clip")
    assert tokenizer.model_max_length == 52
    for case in cases:
        got = tokenizer(case["text"], truncation=True)["input_ids"]
        assert got == case["ids"], case["text"]
        padded = tokenizer(case["text"], truncation=True, padding="max_length")["input_ids"]
        assert padded == as_tokenize(case["text"])
        same(case["text"])


@pytest.mark.parametrize("count", [49, 50, 51, 52, 53, 54])
def test_the_length_of_the_model(count):
    text = "中" * (count - 2)
    got = ours(CHINESE, "cn_clip")(text, truncation=True, padding="max_length")
    assert got["input_ids"] == as_tokenize(text)
    assert len(got["input_ids"]) == 52
    assert got["input_ids"].count(102) == 1


def test_characters():
    for text in blocks(some_characters()[::4]):
        same(text)


@pytest.mark.slow
@pytest.mark.parametrize("name", [CHINESE, UNCASED])
def test_every_character(name):
    for text in blocks(every_character()):
        same(text, name)


@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
def test_any_text(text):
    same(text)
    same(text, CASED, do_lower_case=False)


@pytest.mark.parametrize(("book", "part"), [("botchan", 4), ("wagahaiwa_nekodearu", 16)])
def test_part_of_a_book(book, part):
    text = corpus(book)
    same(text[: len(text) // part])


@pytest.mark.slow
@pytest.mark.parametrize("book", ["botchan", "wagahaiwa_nekodearu"])
def test_books(book):
    text = corpus(book)
    same(text)
    for line in text.splitlines():
        same(line)


@pytest.mark.parametrize("letters", [100, 101, 199, 200, 201])
def test_long_words(letters):
    for text in ("a" * letters, "İ" * (letters // 2) + "x", "É" * letters):
        same(text)
    got = ours(CHINESE, "cn_clip")("a" * letters, add_special_tokens=False, verbose=False)
    unknown = got["input_ids"] == [100]
    assert unknown == (letters > 200)


def test_special_tokens_in_a_text_are_text():
    for text in ("[MASK]", "a [SEP] b", "[CLS][UNK]", "[MA\u00adSK]"):
        same(text)
    tokenizer = ours(CHINESE, "cn_clip")
    assert tokenizer.tokenize("[MASK]") == ["[", "ma", "##sk", "]"]
    assert ours(CHINESE).tokenize("[MASK]") == ["[MASK]"]


def test_text_of_tokens():
    tokenizer, upstream = ours(CHINESE, "cn_clip"), cn_clip().FullTokenizer
    for text in (
        "It's a dog, isn't it? I don't know!",
        "we 're I 've 'm",
        "一只 猫 . dogs' ' x",
        "",
    ):
        tokens = original().tokenize(text)
        assert tokenizer.convert_tokens_to_string(tokens) == upstream.convert_tokens_to_string(
            tokens
        )
        ids = original().convert_tokens_to_ids(tokens)
        assert tokenizer.decode(ids) == upstream.convert_tokens_to_string(tokens)


def test_how_it_differs_from_transformers():
    """Each text has other ids under "transformers", for a reason that bert.py names."""
    one, other = ours(CHINESE, "cn_clip"), ours(CHINESE)
    for text in ("[MASK]", "a" * 150, "ΟΔΟΣ", "\U0002b820a", "a\u1acdb"):
        ids = [t(text, verbose=False)["input_ids"] for t in (one, other)]
        assert ids[0] != ids[1], ascii(text)


def test_places():
    text = " Ｃafé ΟΔΟΣ [SEP]中 İx"
    got = ours(CHINESE, "cn_clip")(text, add_special_tokens=False, return_offsets_mapping=True)
    words = [text[start:end] for start, end in got["offset_mapping"]]
    assert "".join(words).replace(" ", "") == text.replace(" ", "")
