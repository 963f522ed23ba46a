"""Tokenizers travel: copied, and pickled to another process, they give the same ids."""

import copy
import gzip
import pickle
from pathlib import Path

import pytest

from tokenizers_py import (
    BertTokenizer,
    CLIPTokenizer,
    RobertaTokenizer,
    SentencePieceProcessor,
    SiglipTokenizer,
)
from tokenizers_py.bpe import byte_alphabet
from tokenizers_py.vocabulary import Vocabulary

DATA = Path(__file__).parents[1] / "data" / "tokenizers"
SPIECE = DATA / "siglip" / "tiny.model"
TEXTS = ["A photo of a Cat.", "ΟΔΟΣ café 中文 <|endoftext|></s>[SEP] <q1>", "\u00ad\ufb01 &amp;"]
COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda one: pickle.loads(pickle.dumps(one)),
}


def bert(tmp_path, profile):
    vocab = tmp_path / "vocab.txt"
    vocab.write_bytes(gzip.decompress((DATA / "bert/bert-base-uncased.vocab.txt.gz").read_bytes()))
    return BertTokenizer(vocab, profile=profile)


def roberta():
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *byte_alphabet().values(), "Ġa", "<mask>"]
    ids = {token: number for number, token in enumerate(tokens)}
    return RobertaTokenizer(vocabulary=Vocabulary(ids, {("Ġ", "a"): 0}))


@pytest.fixture(params=COPIES)
def copied(request):
    return COPIES[request.param]


@pytest.mark.parametrize("profile", ["openai", "transformers", "transformers-slow"])
def test_clip(copied, profile):
    check(CLIPTokenizer(profile=profile), copied)


@pytest.mark.parametrize("profile", ["transformers", "transformers-slow", "cn_clip"])
def test_bert(copied, tmp_path, profile):
    check(bert(tmp_path, profile), copied)


@pytest.mark.parametrize("profile", ["big_vision", "transformers", "transformers-4"])
def test_siglip(copied, profile):
    check(SiglipTokenizer(SPIECE, profile=profile), copied)


def test_roberta(copied):
    check(roberta(), copied)


def test_sentencepiece(copied):
    ours = SentencePieceProcessor(model_file=str(SPIECE))
    theirs = copied(ours)
    assert theirs.encode(TEXTS) == ours.encode(TEXTS) != []


def check(tokenizer, copied):
    tokenizer.add_tokens(["<q1>"])
    tokenizer.model_max_length = 9
    other = copied(tokenizer)
    options = {
        "truncation": True,
        "padding": True,
        "return_offsets_mapping": True,
        "verbose": False,
    }
    assert other(TEXTS, **options) == tokenizer(TEXTS, **options)
    assert other.get_vocab() == tokenizer.get_vocab() and "<q1>" in other.get_vocab()
    assert other(TEXTS, verbose=False).input_ids == tokenizer(TEXTS, verbose=False).input_ids
    # A change of the one is no change of the other.
    size = len(tokenizer)
    if copied is not copy.copy:
        other.add_tokens(["<new>"])
        assert len(tokenizer) == size == len(other) - 1
