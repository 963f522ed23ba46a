"""Whatever is passed to whatever call: a result, or one TokenizerError; never another error."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from tokenizers_py import (
    BertTokenizer,
    CLIPTokenizer,
    SentencePieceProcessor,
    SiglipTokenizer,
    TokenizerError,
)

DATA = Path(__file__).parents[1] / "data" / "tokenizers"
SPIECE = DATA / "siglip" / "tiny.model"
NO_TEXT = [None, b"a", bytearray(b"a"), 3, 3.5, True, object(), {1}, np.array(3), [None], [b"a"]]
ODD = [
    *NO_TEXT,
    *(np.array("a"), np.array(["a"]), [3.5], [["a", 3]], {"a": 1}, [], (), [[]], -1, 2**70),
    *([2**70], [-1], "\ud800", ["\ud800"], "\ud83d\ude00", "a" + "\udfff"),
]
CALLS = ["__call__", "encode", "tokenize", "explain", "convert_tokens_to_ids", "decode"]
CALLS += ["convert_tokens_to_string", "convert_ids_to_tokens", "batch_decode", "add_tokens"]
SPM_CALLS = ["encode", "decode", "nbest_encode", "sample_encode", "piece_to_id", "id_to_piece"]


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    vocab = tmp_path_factory.mktemp("bert") / "vocab.txt"
    vocab.write_bytes(gzip.decompress((DATA / "bert/chinese-clip.vocab.txt.gz").read_bytes()))
    clip = ("openai", "transformers", "transformers-slow")
    bert = ("transformers", "transformers-slow", "cn_clip")
    siglip = ("big_vision", "transformers", "transformers-4")
    return [
        *(CLIPTokenizer(profile=profile) for profile in clip),
        *(BertTokenizer(vocab, profile=profile) for profile in bert),
        *(SiglipTokenizer(SPIECE, profile=profile) for profile in siglip),
    ]


@pytest.mark.parametrize("call", CALLS)
def test_no_other_error(tokenizers, call):
    for tokenizer in tokenizers:
        for value in ODD:
            try:
                getattr(tokenizer, call)(value)
            except TokenizerError as error:
                assert 10 < len(str(error)) < 400


@pytest.mark.parametrize("call", SPM_CALLS)
def test_no_other_error_from_sentencepiece(call):
    processor = SentencePieceProcessor(model_file=str(SPIECE))
    for value in ODD:
        try:
            getattr(processor, call)(value)
        except TokenizerError as error:
            assert 10 < len(str(error)) < 400


@pytest.mark.parametrize("call", ["__call__", "encode", "tokenize", "explain"])
def test_what_is_no_text_is_an_error(tokenizers, call):
    for tokenizer in tokenizers:
        for value in [*NO_TEXT, "\ud800", "a\udfff"]:
            with pytest.raises(TokenizerError, match="text"):
                getattr(tokenizer, call)(value)
