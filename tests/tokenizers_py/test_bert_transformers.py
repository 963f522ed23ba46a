"""Profile "transformers": equal to BertTokenizer of Transformers 5, ids, offsets and text."""

import copy
import pickle
import random

import numpy as np
import pytest
from bert_cases import (
    CHINESE,
    SMALL,
    TEXTS,
    UNCASED,
    VOCABULARIES,
    blocks,
    corpus,
    every_character,
    golden,
    ours,
    some_characters,
    theirs,
    vocab_file,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizers_py import TokenizerError
from tokenizers_py.bert import BertTokenizer
from tokenizers_py.text.alignment import AlignedText

VOCABULARY_NAMES = tuple(VOCABULARIES)
OPTIONS = [
    {},
    {"do_lower_case": True, "strip_accents": False},
    {"do_lower_case": False, "strip_accents": True},
    {"tokenize_chinese_chars": False},
]


def same(one, other, text, **options):
    """Encode with both, and compare all that a call can return."""
    given = {"return_offsets_mapping": True, "return_special_tokens_mask": True, **options}
    got, want = one(text, verbose=False, **given), other(text, verbose=False, **given)
    assert {**got} == {**want}, ascii(text)[:200]
    assert list(got)[:3] == ["input_ids", "token_type_ids", "attention_mask"]
    assert one(text, options.get("text_pair"), verbose=False)["input_ids"] == want["input_ids"]


@pytest.mark.parametrize("name", VOCABULARY_NAMES)
def test_golden_ids(name):
    models = golden("bert_hf_tokenizers")["models"]
    (cases,) = [cases for model, cases in models.items() if model.startswith(name)]
    assert len(cases) == 194
    for case in cases:
        assert ours(name)(case["text"], verbose=False)["input_ids"] == case["ids"], case["text"]
        same(ours(name), theirs(name), case["text"])


def test_golden_ids_of_another_project():
    models = golden("transformersjs_bert")
    names = {"Xenova/bert-base-uncased": UNCASED, "Xenova/bge-base-zh-v1.5": CHINESE}
    names |= dict.fromkeys(
        ("Xenova/bert-base-cased", "google-bert/bert-base-cased"), "bert-base-cased"
    )
    for model, cases in models.items():
        options = {"do_lower_case": False} if model == "Xenova/bge-small-zh-v1.5" else {}
        tokenizer = ours(names.get(model, CHINESE), **options)
        for case in cases.values():
            pair = case.get("text_pair")
            assert tokenizer.tokenize(case["text"], pair) == case["tokens"], case["text"]
            assert tokenizer(case["text"], pair)["input_ids"] == case["ids"]
            decoded = tokenizer.decode(case["ids"], clean_up_tokenization_spaces=True)
            assert decoded == case["decoded"]


@pytest.mark.parametrize("name", VOCABULARY_NAMES)
def test_characters(name):
    for text in blocks(some_characters()):
        same(ours(name), theirs(name), text)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [*((name, {}) for name in VOCABULARY_NAMES), *((CHINESE, one) for one in OPTIONS[1:])],
    ids=str,
)
def test_every_character(name, options):
    for text in blocks(every_character()):
        same(ours(name, **options), theirs(name, **options), text)


@pytest.mark.parametrize("options", OPTIONS[1:], ids=str)
def test_options(options):
    for text in blocks(some_characters()):
        normalizer = theirs(UNCASED, **options).backend_tokenizer.normalizer
        assert ours(UNCASED, **options).normalizer(text) == normalizer.normalize_str(text)


@settings(max_examples=100, deadline=None)
@given(text=TEXTS, pair=st.none() | TEXTS)
@pytest.mark.parametrize("name", VOCABULARY_NAMES)
def test_any_text(name, text, pair):
    same(ours(name), theirs(name), text, text_pair=pair)


@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
@pytest.mark.parametrize("options", OPTIONS[1:], ids=str)
def test_any_text_with_options(options, text):
    same(ours(CHINESE, **options), theirs(CHINESE, **options), text)


BOOKS = ["botchan", "wagahaiwa_nekodearu"]


@pytest.mark.parametrize("name", VOCABULARY_NAMES)
@pytest.mark.parametrize("book", BOOKS)
def test_books(name, book):
    text = corpus(book)
    lines = text.splitlines()
    assert ours(name)(lines)["input_ids"] == theirs(name)(lines)["input_ids"]
    whole = theirs(name)(text)["input_ids"]
    assert ours(name)(text)["input_ids"] == whole
    assert ours(name).decode(whole) == theirs(name).decode(whole)


@pytest.mark.parametrize(("name", "book"), [(UNCASED, BOOKS[0]), (CHINESE, BOOKS[1])])
def test_places_in_books(name, book):
    lines = corpus(book).splitlines()
    got, want = (t(lines, return_offsets_mapping=True) for t in (ours(name), theirs(name)))
    assert {**got} == {**want}


@pytest.mark.parametrize("name", VOCABULARY_NAMES)
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("cleans", [None, True])
def test_decoding(name, skip, cleans):
    numbers = random.Random(5)
    one, other = ours(name), theirs(name)
    strange = {n for token, n in one.get_vocab().items() if token.endswith("\u2028")}
    usual = [n for n in range(len(one)) if n not in strange]
    rows = [numbers.choices(usual, k=numbers.randint(0, 40)) for _ in range(200)]
    marks = one.convert_tokens_to_ids("' . , ? ! s t m do not ##s ve re [CLS] [UNK] [SEP]".split())
    rows += [numbers.choices(marks, k=20) for _ in range(200)]
    options = {"skip_special_tokens": skip, "clean_up_tokenization_spaces": cleans}
    for row in rows:
        assert one.decode(row, **options) == other.decode(row, **options), row
        tokens = one.convert_ids_to_tokens(row)
        assert tokens == other.convert_ids_to_tokens(row)
        assert one.convert_tokens_to_string(tokens) == other.convert_tokens_to_string(tokens)
    assert one.batch_decode(rows, **options) == other.batch_decode(rows, **options)


def test_two_entries_that_are_line_separators():
    """Entries 343 and 13502 of the Chinese vocabulary are U+2028, alone and inside a word.

    No text has ever these ids: U+2028 is whitespace. The Rust library strips what it reads from
    vocab.txt, though not what it reads from tokenizer.json; so the same upstream shows them as
    nothing or as themselves. Here they are themselves, as in the file.
    """
    one, other = ours(CHINESE), theirs(CHINESE)
    assert one.convert_ids_to_tokens([343, 13502]) == ["\u2028", "##\u2028"]
    assert other.convert_ids_to_tokens([343, 13502]) == ["", "##"]
    assert {**one.get_vocab(), "\u2028": 0, "##\u2028": 0} == {
        **{k: v for k, v in other.get_vocab().items() if k not in ("", "##")},
        "\u2028": 0,
        "##\u2028": 0,
    }
    same(one, other, "a\u2028b \u2028 ##\u2028")


@pytest.mark.parametrize(
    "options",
    [
        {"padding": True},
        {"padding": "max_length", "max_length": 30, "truncation": True},
        {"truncation": True, "max_length": 5},
        {"truncation": "only_second", "max_length": 12, "stride": 2, "padding": True},
        {"add_special_tokens": False},
        {"truncation": True, "max_length": 9, "stride": 1, "return_overflowing_tokens": True},
        {"return_token_type_ids": False, "return_attention_mask": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("side", ["right", "left"])
def test_calls(options, side):
    one, other = ours(UNCASED), theirs(UNCASED)
    firsts = ["A photo of a cat.", "unaffable!", "[MASK] Là-bas 中文"]
    seconds = [
        "what is it that you are doing there",
        "antidisestablishmentarianism",
        "yes it is so",
    ]
    with pytest.MonkeyPatch.context() as patch:
        for tokenizer in (one, other):
            patch.setattr(tokenizer, "padding_side", side)
            patch.setattr(tokenizer, "truncation_side", side)
        got, want = (t(firsts, seconds, **options) for t in (one, other))
        assert {**got} == {**want}
        if options.get("truncation") != "only_second":
            got, want = (t(firsts, **options) for t in (one, other))
            assert {**got} == {**want}


def test_arrays():
    got, want = (
        t(["a cat", "two cats"], ["a dog", "x"], padding=True, return_tensors="np")
        for t in (ours(UNCASED), theirs(UNCASED))
    )
    assert list(got) == list(want) == ["input_ids", "token_type_ids", "attention_mask"]
    for name in want:
        assert got[name].dtype == want[name].dtype
        np.testing.assert_array_equal(got[name], want[name])


@pytest.mark.parametrize("letters", [99, 100, 101, 199, 200, 201])
def test_long_words(letters):
    one, other = ours(UNCASED), theirs(UNCASED)
    for text in ("a" * letters, "É" * letters, "中" * letters, "\u0301a" * letters, "İ" * letters):
        same(one, other, text)
    unknown = one("a" * letters)["input_ids"] == [101, 100, 102]
    assert unknown == (letters > 100)


def test_special_tokens_in_a_text():
    one, other = ours(UNCASED), theirs(UNCASED)
    for text in ("a[MASK]b", "[MASK].[SEP]", "[mask] [Mask]", "[MASK][MASK]", "[ SEP ] [CLS]"):
        same(one, other, text)
    assert one("[MASK]")["input_ids"] == [101, 103, 102]
    assert one("[mask]")["input_ids"] != one("[MASK]")["input_ids"]


def test_properties():
    one, other = ours(CHINESE), theirs(CHINESE)
    for name in ("unk", "sep", "pad", "cls", "mask"):
        for part in ("_token", "_token_id"):
            assert getattr(one, name + part) == getattr(other, name + part)
    assert (len(one), one.vocab_size) == (len(other), other.vocab_size) == (21128, 21128)
    assert one.model_max_length == other.model_max_length
    assert one.convert_tokens_to_ids(["中", "no such"]) == other.convert_tokens_to_ids(
        ["中", "no such"]
    )


def test_other_special_tokens():
    import transformers

    tokens = [t.replace("[UNK]", "<unk>").replace("[CLS]", "<s>") for t in SMALL]
    ids = {token: number for number, token in enumerate(tokens)}
    options = {"unk_token": "<unk>", "cls_token": "<s>"}
    one = BertTokenizer(vocabulary=ids, **options)
    other = transformers.BertTokenizer(vocab=dict(ids), **options)
    for text in ("unaffable <s> bb xyz <unk>", "[MASK]", ""):
        same(one, other, text)
    one.unk_token = "a"
    assert one("xyz", add_special_tokens=False)["input_ids"] == [ids["a"]]


def test_places_of_reordered_marks():
    """Marks that are no accents stay, in Unicode's order; their places are those of the text."""
    from tokenizers import Tokenizer, models

    text = "x\u302e\u1b44\u302e\u1b44 q\u0344\u302e\u0301\u1b44\u0f73\u302f"
    normalizer = theirs(UNCASED).backend_tokenizer.normalizer
    letters = sorted(set(normalizer.normalize_str(text)) - {" "})
    vocabulary = {"[UNK]": 0}
    for letter in letters:
        vocabulary |= {letter: len(vocabulary), "##" + letter: len(vocabulary) + 1}
    rust = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    rust.normalizer = normalizer
    rust.pre_tokenizer = theirs(UNCASED).backend_tokenizer.pre_tokenizer
    want = rust.encode(text).offsets
    aligned = ours(UNCASED).normalizer.align(AlignedText.of(text))
    got = [
        (start, end)
        for character, start, end in zip(aligned.text, aligned.starts, aligned.ends, strict=True)
        if character != " "
    ]
    assert got == want
    assert len(want) > 8


def test_surrogates():
    """Upstream's library takes UTF-8 only; the Python tokenizers see what they are made of."""
    with pytest.raises(TypeError):
        theirs(UNCASED)("\ud83d\ude00")
    for options in ({}, {"return_offsets_mapping": True}):
        with pytest.raises(TokenizerError, match=r"has the surrogate U\+D83D"):
            ours(UNCASED)("a \ud83d\ude00", **options)
    assert ours(UNCASED, "transformers-slow").tokenize("a\ud83d\ude00b") == ["ab"]
    for profile in ("transformers", "transformers-slow", "cn_clip"):
        with pytest.raises(TokenizerError, match="half of a surrogate pair"):
            ours(UNCASED, profile)("a\ud83d")
    with pytest.raises(TokenizerError, match="token: has the surrogate"):
        BertTokenizer(vocab_file(UNCASED)).add_tokens("\ud83d\ude00")


def test_what_is_no_text():
    tokenizer = ours(UNCASED)
    array = np.array(["a", "b"])
    for call in (
        lambda: tokenizer(array),
        lambda: tokenizer("a", array),
        lambda: tokenizer([array]),
        lambda: tokenizer.explain(("a", "b")),
        lambda: tokenizer.explain(["a"]),
        lambda: tokenizer.add_special_tokens(["<x>"]),
    ):
        with pytest.raises(TokenizerError):
            call()
    assert tokenizer(np.str_("a cat")) == tokenizer("a cat")


@pytest.mark.parametrize("profile", ["transformers", "transformers-slow", "cn_clip"])
@pytest.mark.parametrize("kind", [copy.copy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies(profile, kind):
    before = BertTokenizer(vocab_file(UNCASED), profile=profile)
    before.add_tokens("<new>")
    after = kind(before)
    text = "A <new> Cat [MASK] Été"
    assert after(text) == before(text) and after.get_vocab() == before.get_vocab()
    after.add_tokens("Cat")
    assert len(after) == len(before) + (profile != "transformers-slow")
    assert before.tokenize(text) == kind(before).tokenize(text)
