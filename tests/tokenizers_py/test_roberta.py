"""RoBERTa's tokenizer, equal to Transformers 5.23 and to 4.57.6's slow one.

RoBERTa's own vocabulary is made of GPT-2's tokens in another order; here it is made of GPT-2's
merges, with RoBERTa's special tokens around them.
"""

import gzip
import json

import numpy as np
import pytest
import regex
import transformers
from clip_texts import (
    DATA,
    FRAGMENTS,
    all_code_points,
    alone_and_in_a_word,
    any_text,
    corpora_texts,
    newer_code_points,
    some_code_points,
    stored_texts,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers4 import ask

from tokenizers_py import TokenizerError
from tokenizers_py.bpe import byte_alphabet
from tokenizers_py.roberta import RobertaTokenizer

GPT2 = DATA / "tokenizers" / "gpt2"
SPECIALS = ["<mask>", " <mask>", "<s>", "</s>", "<unk>", "<pad>", "<MASK>", "  <mask>  "]
FRAMES = ["{}", "x{}y", "! {} a", "1\t{}{}2 "]
WHOLE_CHARACTERS = [text for text in FRAGMENTS if not regex.search(r"\p{Cs}", text)]
OPTIONS = [
    {"add_prefix_space": prefix, "trim_offsets": trim}
    for prefix in (False, True)
    for trim in (True, False)
]
SLOW = """
slow = transformers.RobertaTokenizer(given["folder"] + "/vocab.json", given["folder"] + "/merges.txt")
answer = {
    "ids": [slow(text)["input_ids"] for text in given["texts"]],
    "pair": dict(slow("a cat", "two dogs", return_token_type_ids=True)),
    "decoded": [slow.decode(ids) for ids in given["ids"]],
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    merges = gzip.decompress((GPT2 / "merges.txt.gz").read_bytes())
    pairs = [line.split(" ") for line in merges.decode("utf-8").splitlines()[1:]]
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *byte_alphabet().values()]
    tokens += ["".join(pair) for pair in pairs] + ["<mask>"]
    folder = tmp_path_factory.mktemp("roberta")
    (folder / "merges.txt").write_bytes(merges)
    ids = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def ours(folder):
    return RobertaTokenizer(folder / "vocab.json", folder / "merges.txt")


@pytest.fixture(scope="module")
def theirs(folder):
    """Transformers 5.23. The published tokenizer.json says that the mask takes the space along."""
    mask = transformers.AddedToken("<mask>", lstrip=True, normalized=False, special=True)
    return transformers.RobertaTokenizer.from_pretrained(
        folder, mask_token=mask, model_max_length=512
    )


def check(ours, theirs, texts):
    got = ours(texts, return_offsets_mapping=True, verbose=False)
    bare = ours(texts, verbose=False).input_ids
    rows = zip(texts, bare, got.input_ids, got.offset_mapping, strict=True)
    for row, want in zip(rows, theirs.backend_tokenizer.encode_batch(texts), strict=True):
        text, ids, ids_of_pieces, offsets = row
        assert ids == ids_of_pieces == want.ids, ascii(text)[:100]
        assert list(offsets) == want.offsets, ascii(text)[:100]


def odd_texts():
    specials = [frame.format(one, one) for one in SPECIALS for frame in FRAMES]
    framed = [f"a {x} B{x}c" for x in WHOLE_CHARACTERS]
    spaces = [
        "",
        " ",
        "  ",
        "a  b",
        " \n a",
        "a \n",
        "\u3000a",
        "a\u00a0 b",
        "'s 's",
        " a   <mask>",
    ]
    return [*stored_texts(), *specials, *framed, *spaces]


def test_the_tokens_that_another_project_expects(ours):
    cases = json.loads((GPT2 / "transformersjs_roberta.json").read_text("utf-8"))
    assert sum(map(len, cases.values())) > 10
    for case in (case for model in cases.values() for case in model.values()):
        assert ours.tokenize(case["text"]) == case["tokens"]
        assert ours.decode(ours(case["text"]).input_ids) == case["decoded"]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_odd_texts(folder, options):
    mask = transformers.AddedToken("<mask>", lstrip=True, normalized=False, special=True)
    theirs = transformers.RobertaTokenizer.from_pretrained(folder, mask_token=mask, **options)
    ours = RobertaTokenizer(folder / "vocab.json", folder / "merges.txt", **options)
    check(ours, theirs, odd_texts())


def test_without_the_published_flags_the_mask_of_5_takes_no_space(folder, ours):
    bare = transformers.RobertaTokenizer.from_pretrained(folder)
    assert bare.tokenize("a <mask>") == ["a", "Ġ", "<mask>"]
    assert len(ours("a <mask>", add_special_tokens=False).input_ids) == 2


pieces = any_text | st.lists(st.sampled_from([*SPECIALS, " ", "\n", "a", "25", "'s"])).map("".join)


@settings(max_examples=50, deadline=None)
@given(st.lists(pieces, min_size=4, max_size=4))
def test_drawn_texts(ours, theirs, texts):
    check(ours, theirs, [regex.sub(r"\p{Cs}", "", text) for text in texts])


def test_code_points(ours, theirs):
    codes = {*some_code_points(), *newer_code_points()[::3]}
    check(ours, theirs, alone_and_in_a_word(sorted(codes)[::2]))


@pytest.mark.slow
def test_every_code_point(ours, theirs):
    check(ours, theirs, alone_and_in_a_word(all_code_points()))


def test_pages_of_two_books(ours, theirs):
    english, japanese, *_ = corpora_texts()
    pages = [english[:50_000], japanese[:20_000]]
    check(ours, theirs, [*pages, *"".join(pages).split("\n")])


@pytest.mark.slow
def test_two_books(ours, theirs):
    check(ours, theirs, corpora_texts())


def test_the_slow_tokenizer_of_4(ours, folder):
    texts = [*odd_texts(), *map(chr, some_code_points()), *corpora_texts()[2::60]]
    rows = ours(texts, verbose=False).input_ids
    want = ask(SLOW, {"folder": str(folder), "texts": texts, "ids": rows})
    wrong = [text for text, *ids in zip(texts, rows, want["ids"], strict=True) if ids[0] != ids[1]]
    # Letters and numbers that are newer than the expressions of version 5; see text/unicode_tables.py.
    newer = {chr(code) for code in newer_code_points()}
    assert [text for text in wrong if not newer & set(text)] == []
    assert {**ours("a cat", "two dogs", return_token_type_ids=True)} == want["pair"]
    assert ours.batch_decode(rows) == want["decoded"]


def test_calls(ours, theirs):
    for options in ({}, {"padding": "max_length", "truncation": True}, {"return_tensors": "np"}):
        got, want = ours("a cat", "two dogs", **options), theirs("a cat", "two dogs", **options)
        assert list(got) == list(want)
        for name in want:
            np.testing.assert_array_equal(got[name], want[name])
    assert ours.model_max_length == 512 and ours.mask_token_id == theirs.mask_token_id


def test_a_saved_folder_is_read_by_both(ours, theirs, tmp_path):
    ours.save_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    texts = odd_texts()
    check(ours, transformers.RobertaTokenizer.from_pretrained(tmp_path / "ours"), texts)
    for name in ("ours", "theirs"):
        check(RobertaTokenizer.from_pretrained(tmp_path / name), theirs, texts)


def test_all_merges_count_beyond_the_limit_of_clip(ours):
    assert len(ours._vocabulary.ranks) == 50_000
    rare = list(ours._vocabulary.ranks)[-1]
    assert ours.tokenize("".join(rare).replace("Ġ", " ")) == ["".join(rare)]


def test_a_vocabulary_that_lacks_bytes(tmp_path):
    """What is lacking is left out before anything is merged, as in 5.23; 4's slow one has <unk>."""
    merges = [("a", "b"), ("Ġ", "ab"), ("b", "b"), ("Ã", "a")]
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "a", "b", "Ġ", "Ã", *("".join(m) for m in merges)]
    ids = {token: number for number, token in enumerate([*tokens, "<mask>"])}
    (tmp_path / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    lines = "".join(f"{first} {second}\n" for first, second in merges)
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + lines, encoding="utf-8")
    ours = RobertaTokenizer(tmp_path / "vocab.json", tmp_path / "merges.txt")
    theirs = transformers.RobertaTokenizer(vocab=ids, merges=merges)
    texts = ["axb ab", "xb xbxb", "éab éa", "x", "", "a éaéb bxéb"]
    assert ours(texts).input_ids == theirs(texts)["input_ids"]
    assert ours("axb").input_ids == ours("ab").input_ids
    # Known difference: 5.23 gives the places of the word without what is left out.
    offsets = ours("axb ébb", return_offsets_mapping=True).offset_mapping
    assert offsets == [(0, 0), (0, 3), (4, 4), (4, 5), (5, 7), (0, 0)]
    assert theirs("axb ébb", return_offsets_mapping=True)["offset_mapping"] != offsets
    given = {"folder": str(tmp_path), "texts": texts, "ids": []}
    slow = ask(SLOW.replace('"a cat", "two dogs"', '"a"'), given)["ids"]
    assert slow[0] == [0, 4, 3, 5, 9, 2] and slow != ours(texts).input_ids


def test_refusals(folder, ours):
    with pytest.raises(TokenizerError, match="needs vocab_file and merges_file"):
        RobertaTokenizer(folder / "vocab.json")
    with pytest.raises(TokenizerError, match="mask_token: '<nothing>' is not in the vocabulary"):
        RobertaTokenizer(folder / "vocab.json", folder / "merges.txt", mask_token="<nothing>")
    with pytest.raises(TokenizerError, match="errors: must be one of"):
        RobertaTokenizer(folder / "vocab.json", folder / "merges.txt", errors="guess")
    strict = RobertaTokenizer(folder / "vocab.json", folder / "merges.txt", errors="strict")
    with pytest.raises(TokenizerError, match="no UTF-8"):
        strict.decode([ours.vocab["Ã"]])
    for text in (b"a", None, 5, "a\ud800", "\ud83d\ude00"):
        with pytest.raises(TokenizerError):
            ours(text)
