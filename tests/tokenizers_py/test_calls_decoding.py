"""Decoding: equal to Transformers 5.23, but for ids that are not there."""

import numpy as np
import pytest
import torch
import transformers

from tokenizers_py import CLIPTokenizer, TokenizerError
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
