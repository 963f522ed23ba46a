"""SentencePieceProcessor called in every way that upstream's package and its README allow."""

import dataclasses

import numpy as np
import pytest
import spm_models

from tokenizers_py.errors import TokenizerError
from tokenizers_py.sentencepiece.model_file import NormalizerSpec, read_model, write_model
from tokenizers_py.sentencepiece.processor import SentencePieceProcessor

TEXT = "I saw a cat café 犬"
CALLS = [
    lambda sp: sp.encode(TEXT, True),
    lambda sp: sp.encode(TEXT, True, True, True),
    lambda sp: sp.encode(TEXT, None, True, None, True, out_type=str),
    lambda sp: sp.encode(TEXT, False, False, False, False, False, -1, 0.1, 1, None, str),
    lambda sp: sp.encode([TEXT, "a b"], return_type=str, num_threads=1),
    lambda sp: sp.EncodeAsPieces([TEXT], add_eos=True),
    lambda sp: sp.encode_as_numpy(TEXT).tolist(),
    lambda sp: sp.NBestEncodeAsPieces(TEXT, 3),
    lambda sp: sp.nbest_encode_as_ids(TEXT, 3),
    lambda sp: sp.NBestEncode(TEXT, True, nbest_size=2),
    lambda sp: sp.nbest_encode(TEXT, True, True, True, True, 2, str),
    lambda sp: sp.nbest_encode(TEXT),
    lambda sp: "".join(sp.SampleEncodeAsPieces(TEXT, -1, 0.1)),
    lambda sp: "".join(sp.sample_encode_as_pieces(TEXT, 3, 0.5)),
    lambda sp: "".join(sp.encode(TEXT, False, False, False, False, True, -1, 0.1, out_type=str)),
    lambda sp: sp.decode([[5, 6], [7]], str),
    lambda sp: sp.DecodeIds([5, 6], num_threads=1),
    lambda sp: sp.decode(["▁a", "b"], None, str, 1),
    lambda sp: (sp["▁a"], len(sp), sp.piece_to_id(["▁a", "zz"]), sp.id_to_piece([5, 6])),
]


@pytest.mark.parametrize("call", CALLS)
def test_a_call_as_upstream_takes_it(call):
    theirs, ours = spm_models.both("unigram")
    assert call(ours) == call(theirs)


@pytest.mark.parametrize("places", [(), (str,), (str, True, True), (int, False, True, True)])
def test_a_constructor_as_upstream_takes_it(places, tmp_path):
    file = tmp_path / "a.model"
    file.write_bytes(spm_models.trained("unigram"))
    theirs = type(spm_models.both("unigram")[0])
    want = theirs(str(file), None, *places).encode(TEXT)
    assert SentencePieceProcessor(str(file), None, *places).encode(TEXT) == want


@pytest.mark.parametrize("name", ["unigram", "bpe_bytes", "unigram_suffix", "test_ja_model"])
def test_protos_have_the_same_fields(name):
    theirs, ours = spm_models.both(name)
    for text in spm_models.ODD_TEXTS:
        got, want = ours.encode_as_proto(text), theirs.encode_as_proto(text)
        assert got.text == want.text
        assert [tuple(piece) for piece in got.pieces] == [
            (one.piece, one.id, one.surface, one.begin, one.end) for one in want.pieces
        ]
        by_character = ours.encode(text, out_type="immutable_proto")
        spans = [(piece.begin, piece.end) for piece in by_character.pieces]
        assert spans == theirs.encode(text, out_type="offset_mapping")["offsets"]


def test_n_best_as_protos_are_a_list():
    theirs, ours = spm_models.both("unigram")
    got, want = ours.nbest_encode_as_proto(TEXT, 4), theirs.nbest_encode_as_proto(TEXT, 4).nbests
    assert [[piece.id for piece in way.pieces] for way in got] == [
        [piece.id for piece in way.pieces] for way in want
    ]
    np.testing.assert_allclose([way.score for way in got], [way.score for way in want], rtol=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda sp: sp.encode(TEXT, True, add_bos=True),
        lambda sp: sp.encode(TEXT, *[None] * 13),
        lambda sp: sp.encode_as_ids(TEXT, True),
        lambda sp: sp.nbest_encode_as_ids(TEXT, 3, 4),
        lambda sp: sp.nbest_encode_as_ids(TEXT, 3, nbest_size=4),
    ],
)
def test_too_many_arguments(call):
    for processor in spm_models.both("unigram"):
        with pytest.raises(TypeError):
            call(processor)


def test_broken_rules_are_reported_with_the_file(tmp_path):
    file = tmp_path / "broken.model"
    model = read_model(spm_models.trained("unigram"))
    rules = NormalizerSpec(precompiled_charsmap=b"\1\0\0\0\0")
    file.write_bytes(write_model(dataclasses.replace(model, normalizer=rules)))
    with pytest.raises(TokenizerError, match=r"broken\.model: charsmap: "):
        SentencePieceProcessor(str(file))
