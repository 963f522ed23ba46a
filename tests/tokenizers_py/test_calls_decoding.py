"""Decoding: equal to Transformers 5.23, but for ids that are not there; and slow profiles' own way."""

import random

import numpy as np
import pytest
import torch
import transformers
from transformers4 import ask

from tokenizers_py import AddedToken, CLIPTokenizer, TokenizerError
from tokenizers_py.bert import BertTokenizer
from tokenizers_py.calls.decoding import clean_up_tokenization

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] it ' s a cat , is n ##t here ! ? . un ##able don t".split()
ROW = [2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 3, 18, 19, 4, 20, 6, 21, 1, 0, 0]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    vocab = tmp_path_factory.mktemp("bert") / "vocab.txt"
    vocab.write_text("\n".join(WORDS) + "\n")
    ids = {token: number for number, token in enumerate(WORDS)}
    return BertTokenizer(vocab), transformers.BertTokenizer(vocab=ids)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("clean", [None, False, True])
@pytest.mark.parametrize(
    "ids",
    [ROW, [ROW, ROW[:5]], np.array([ROW]), torch.tensor(ROW), 8, np.int64(8), [], [[]], ROW[1:2]],
)
def test_bert(bert, ids, skip, clean):
    ours, theirs = bert
    options = {"skip_special_tokens": skip, "clean_up_tokenization_spaces": clean}
    assert ours.decode(ids, **options) == theirs.decode(ids, **options)
    if not isinstance(ids, int | np.int64) and len(ids):
        assert ours.batch_decode(ids, **options) == theirs.batch_decode(ids, **options)


def test_the_default_is_the_tokenizers_own(bert):
    ours, _ = bert
    assert ours.decode(ROW, True) == ours.decode(ROW, True, False)
    ours.clean_up_tokenization_spaces = True
    try:
        assert (
            ours.decode(ROW, True) == ours.decode(ROW, True, True) != ours.decode(ROW, True, False)
        )
    finally:
        ours.clean_up_tokenization_spaces = False


def test_cleaning_up_equals_theirs(bert):
    text = "a . b ? c ! d , e ' f n't 'm 's 've 're .? ' ' s n 't"
    assert clean_up_tokenization(text) == bert[1].clean_up_tokenization(text)


def test_byte_pair_tokenizers_are_not_cleaned_up(theirs):
    """Version 5 ignores the option for them, because it takes spaces away that were there."""
    ours = CLIPTokenizer(profile="transformers", clean_up_tokenization_spaces=True)
    ids = theirs("hello , world !").input_ids
    assert ours.decode(ids) == theirs.decode(ids, clean_up_tokenization_spaces=True)
    assert ours.decode(ids, True, True) == "hello , world !"


@pytest.mark.parametrize("ids", [[22], -1, [[5], [99]], 2**70])
def test_ids_that_are_not_there(bert, ids):
    with pytest.raises(TokenizerError, match="is not in the vocabulary, whose ids go from 0 to 21"):
        bert[0].decode(ids)


def test_a_batch_is_decoded_as_it_is(bert):
    ours, theirs = bert
    assert ours.decode(ours("a cat")) == ours.decode(ours("a cat").input_ids)
    assert (ours.batch_decode([]), theirs.batch_decode([])) == ([], [""])  # [] in 4.57 too


ADDED = [
    {"content": "newtok"},
    {"content": "NEWTOK", "normalized": False},
    {"content": "Photo"},
    {"content": "<l>", "lstrip": True},
    {"content": "<r>", "rstrip": True, "normalized": False},
    {"content": "é"},
    {"content": "<Extra>", "special": True, "normalized": False},
]
FOUND = [
    *(
        "a newtok NEWTOK xnewtoky",
        "a photo, Photo.",
        "a  <l> b <r>  c",
        "café é É",
        "<extra> <Extra>",
    ),
    *("hello , world ! it's", "don't ' s", "a\u00adb 生活 ΟΔΟΣ"),
]
PAIRS = [("a b c d e", "f g h", 8), ("a b c", "d e f", 7), ("a b c d", "e", 6)]
SLOW = """
sys.modules["ftfy"] = None
answer = []
for kind, folder, added, texts, rows, pairs in given:
    slow = getattr(transformers, kind).from_pretrained(folder)
    slow.add_tokens([transformers.AddedToken(**token) for token in added])
    ids = [slow(text)["input_ids"] for text in texts]
    answer.append({
        "ids": ids,
        "tokens": [slow.tokenize(text) for text in texts],
        "pairs": [slow(a, b, truncation=True, max_length=n)["input_ids"] for a, b, n in pairs],
        "decoded": [
            [
                slow.decode(row, skip_special_tokens=skip),
                slow.decode(row, skip_special_tokens=skip, clean_up_tokenization_spaces=True),
                slow.decode(row, skip_special_tokens=skip, clean_up_tokenization_spaces=False),
                slow.decode(row, skip_special_tokens=skip, spaces_between_special_tokens=False),
            ]
            for row in [*ids, *rows]
            for skip in (False, True)
        ],
    })
"""


def slow_tokenizers(folder):
    """Make ours under the slow profiles, saved for theirs, before tokens are added."""
    vocab = folder / "vocab.txt"
    vocab.write_text("\n".join([*WORDS, "photo", "e", "##e", "new", "hello", "world", "b"]) + "\n")
    return {
        "CLIPTokenizer": CLIPTokenizer(profile="transformers-slow"),
        "BertTokenizer": BertTokenizer(vocab, profile="transformers-slow"),
    }


def test_slow_profiles_find_and_decode_added_tokens_as_4_does(tmp_path):
    """They look for them before anything is normalised, and write each with spaces around."""
    numbers, asked, ours = random.Random(3), [], slow_tokenizers(tmp_path)
    for kind, tokenizer in ours.items():
        tokenizer.save_pretrained(tmp_path / kind)
        tokenizer.add_tokens([AddedToken(**token) for token in ADDED])
        ends = range(len(tokenizer) - len(ADDED) - 1, len(tokenizer))
        some = [*range(0, len(tokenizer), 997), *range(20), *ends, *ends]
        rows = [numbers.choices(some, k=numbers.randint(0, 12)) for _ in range(60)]
        asked.append((kind, str(tmp_path / kind), ADDED, FOUND, rows, PAIRS))
    for (kind, _, _, _, rows, _), want in zip(asked, ask(SLOW, asked), strict=True):
        slow = ours[kind]
        ids = [slow(text).input_ids for text in FOUND]
        assert ids == want["ids"]
        assert [slow.tokenize(text) for text in FOUND] == want["tokens"]
        cut = [slow(a, b, truncation=True, max_length=n).input_ids for a, b, n in PAIRS]
        assert cut == want["pairs"]
        got = [
            [
                slow.decode(row, skip),
                slow.decode(row, skip, True),
                slow.decode(row, skip, False),
                slow.decode(row, skip, spaces_between_special_tokens=False),
            ]
            for row in [*ids, *rows]
            for skip in (False, True)
        ]
        assert got == want["decoded"]


def test_tokens_that_are_none(bert):
    for tokenizer in (bert[0], CLIPTokenizer()):
        for tokens in (None, 5, b"a", "a", [None], ["a", b"b"], [["a"]]):
            with pytest.raises(TokenizerError, match="tokens: must be a list of str"):
                tokenizer.convert_tokens_to_string(tokens)
        for tokens in (None, 5, [None], [["a"]]):
            with pytest.raises(TokenizerError, match="tokens: must be a list of str"):
                tokenizer.convert_tokens_to_ids(tokens)
        with pytest.raises(TokenizerError, match="ids: must be"):
            tokenizer.decode({"a": 1})
        assert tokenizer.batch_decode(iter([[5]])) == tokenizer.batch_decode([[5]])
