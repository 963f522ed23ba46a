"""The `.model` file, judged by sentencepiece: what it reads we read, what it refuses we refuse."""

import dataclasses
import math
import struct

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from spm_files import (
    BYTES,
    PIECES,
    agree,
    field,
    ours,
    part,
    piece,
    small,
    theirs,
    trained,
)
from spm_models import RELEASED, released

from tokenizers_py.errors import TokenizerError
from tokenizers_py.sentencepiece.model_file import (
    NormalizerSpec,
    PieceType,
    SentencePiece,
    SentencePieceModel,
    TrainerSpec,
    read_model,
    write_model,
)
from tokenizers_py.sentencepiece.protobuf import write_varint


@pytest.mark.parametrize("name", RELEASED)
def test_released_models_are_read_and_written_byte_for_byte(name):
    data = released(name)
    model = read_model(data)
    assert write_model(model) == data
    assert write_model(read_model(write_model(model))) == data
    sp = sentencepiece.SentencePieceProcessor(model_proto=data)
    assert [(p.piece, p.score) for p in model.pieces] == [
        (sp.id_to_piece(number), sp.get_score(number)) for number in range(len(sp))
    ]
    assert [p.type is PieceType.CONTROL for p in model.pieces] == [
        sp.is_control(number) for number in range(len(sp))
    ]


@pytest.mark.parametrize("model_type", ["unigram", "bpe", "char", "word"])
def test_every_trained_type_is_read_and_written(model_type, tmp_path):
    data = trained(model_type)
    model = read_model(data)
    assert model.trainer.model_type == model_type and write_model(model) == data
    (tmp_path / "m.model").write_bytes(data)
    assert read_model(tmp_path / "m.model") == model
    assert agree(data) is None


def test_what_the_trainer_was_told_is_in_its_part():
    """Every field that its options can set is read back, each with a value unlike its default."""
    told = {
        "vocab_size": 25, "character_coverage": 0.99, "input_sentence_size": 9999999999,
        "shuffle_input_sentence": False, "seed_sentencepiece_size": 77, "shrinking_factor": 0.5,
        "num_threads": 1, "num_sub_iterations": 1, "max_sentence_length": 4000,
        "max_sentencepiece_length": 7, "split_by_unicode_script": False, "split_by_number": False,
        "split_by_whitespace": False, "split_digits": True, "treat_whitespace_as_suffix": True,
        "allow_whitespace_only_pieces": True, "byte_fallback": False, "required_chars": "é",
        "vocabulary_output_piece_score": False, "hard_vocab_limit": False, "unk_id": 3,
        "bos_id": -1, "eos_id": 1, "pad_id": 0, "unk_piece": "<U>", "bos_piece": "<B>",
        "eos_piece": "<E>", "pad_piece": "<P>", "unk_surface": " ? ",
        "input_format": "text", "use_all_vocab": False, "pretokenization_delimiter": "|",
    }  # fmt: skip
    spec = read_model(trained("unigram", control_symbols="<x>", **told)).trainer
    defaults = TrainerSpec()
    for name, value in told.items():
        assert getattr(spec, name) == pytest.approx(value), name
        assert getattr(defaults, name) != value or name in ("byte_fallback", "use_all_vocab")
    assert spec.control_symbols == ("<x>",) and spec.user_defined_symbols == ("<u>",)


def test_the_flags_of_the_normaliser_are_read():
    spec = read_model(trained("bpe", add_dummy_prefix=False)).normalizer
    assert (spec.add_dummy_prefix, spec.remove_extra_whitespaces) == (False, True)
    spec = read_model(trained("bpe", remove_extra_whitespaces=False)).normalizer
    assert (spec.add_dummy_prefix, spec.remove_extra_whitespaces) == (True, False)
    assert spec.name == "user_defined" and spec.precompiled_charsmap


@pytest.mark.parametrize("model_type", ["unigram", "bpe", "char", "word"])
def test_a_model_of_ours_loads_upstream(model_type):
    assert theirs(small(model_type=model_type)) is not None
    assert agree(small(model_type=model_type)) is None
    assert agree(small(*BYTES, byte_fallback=True, model_type=model_type)) is None


GROUP = field(9, 3) + field(2, 0, b"\x05") + field(9, 4)
WIRE_CASES = {
    "nothing": b"",
    "tag of 5 bytes": b"\xa0\x80\x80\x80\x00\x01",
    "tag of 6 bytes": b"\xa0\x80\x80\x80\x80\x00\x01",
    "tag over 32 bits": b"\xa0\x80\x80\x80\x7f\x01",
    "tag over 32 bits, the low ones 0": b"\x80\x80\x80\x80\x10\x01",
    "varint of 10 bytes": field(9, 0, b"\xff" * 9 + b"\x01"),
    "varint of 10 bytes, too large": field(9, 0, b"\xff" * 9 + b"\x7f"),
    "varint of 11 bytes": field(9, 0, b"\xff" * 10 + b"\x01"),
    "varint cut": field(9, 0, b"\xff"),
    "long zero": field(9, 0, b"\x80\x80\x00"),
    "length past the end": field(9, 2, b"\x05abc"),
    "length of 6 bytes": field(9, 2, b"\x81\x80\x80\x80\x80\x00a"),
    "length 2^31": field(9, 2, b"\x80\x80\x80\x80\x08"),
    "length 2^35": field(9, 2, b"\x80\x80\x80\x80\x80\x01"),
    "piece past the end": field(1, 2, b"\x05\x0a\x01b"),
    "unknown number": field(9, 0, b"\x05"),
    "unknown bytes": part(9, b"abc"),
    "unknown 4 bytes": field(9, 5, b"abcd"),
    "unknown 8 bytes": field(9, 1, b"abcdefgh"),
    "8 bytes cut": field(9, 1, b"abc"),
    "4 bytes cut": field(9, 5, b"abc"),
    "extension": part(200, b"abc"),
    "largest field number": field(2**29 - 1, 0, b"\x05"),
    "field number 0": field(0, 0, b"\x05"),
    "byte 0": b"\0",
    "group": GROUP,
    "groups in a group": field(8, 3) + GROUP + GROUP + part(3, b"xy") + field(8, 4),
    "group never ended": field(9, 3) + field(2, 0, b"\x05"),
    "group ended by another": field(9, 3) + field(8, 4),
    "end of no group": field(9, 4),
    "100 groups deep": field(9, 3) * 100 + field(9, 4) * 100,
    "101 groups deep": field(9, 3) * 101 + field(9, 4) * 101,
    "a million groups deep": field(9, 3) * 1_000_000 + field(9, 4) * 1_000_000,
    "99 groups deep in a piece": part(1, part(1, b"b") + field(9, 3) * 99 + field(9, 4) * 99),
    "100 groups deep in a piece": part(1, part(1, b"b") + field(9, 3) * 100 + field(9, 4) * 100),
    "group that is a known field": field(1, 3) + part(1, b"b") + field(1, 4),
    "wire type 6": field(9, 6, b"abcd"),
    "wire type 7": field(9, 7, b"abcd"),
    "piece as a number": field(1, 0, b"\x05"),
    "trainer as a number": field(2, 0, b"\x05"),
    "text as a number": part(1, field(1, 0, b"\x05") + part(1, b"b")),
    "score as a number": piece(rest=field(2, 0, b"\x05")),
    "score as 8 bytes": piece(rest=field(2, 1, b"abcdefgh")),
    "type as bytes": piece(rest=part(3, b"\x01")),
    "flags packed": part(3, part(3, b"\0")),
    "scores packed": piece(rest=part(2, b"\0\0\x80\xbf")),
    "two scores": piece(rest=b"\x15\0\0\0\0\x15\0\0\x80\xbf"),
    "two texts": piece(rest=part(1, b"bb")),
    "two types": piece(rest=field(3, 0, b"\x03") + field(3, 0, b"\x01")),
    "no score": piece(rest=b""),
    "trailing byte": b"\x05",
    "trailing text": b"hello",
    "type 0": piece(rest=field(3, 0, b"\0")),
    "type 7": piece(rest=field(3, 0, b"\x07")),
    "type 2^32 + 4": piece(rest=field(3, 0, b"\x84\x80\x80\x80\x10")),
    "type -1": piece(rest=field(3, 0, write_varint(-1))),
    "control, then type 9": piece(rest=field(3, 0, b"\x03") + field(3, 0, b"\x09")),
    "model type 0": part(2, field(3, 0, b"\0")),
    "model type 5": part(2, field(3, 0, b"\x05")),
    "model type 2, then 7": part(2, field(3, 0, b"\x02") + field(3, 0, b"\x07")),
    "trainer in two parts": part(2, field(24, 0, b"\x01")) + part(2, part(45, b"<U>")),
    "normaliser in two parts": part(3, field(3, 0, b"\0")) + part(3, field(4, 0, b"\0")),
    "vocab_size lies": part(2, field(4, 0, b"\x07")),
    "ids that are not there": part(2, field(40, 0, b"\x63") + field(41, 0, b"\x03")),
    "vocab_size over 32 bits": part(2, field(4, 0, write_varint(2**40 + 3))),
    "bool 2": part(3, field(3, 0, b"\x02")),
    "bool 2^40": part(3, field(3, 0, write_varint(2**40))),
    "bool 2^32, low half 0": part(3, field(5, 0, write_varint(2**32))),
    "input is not UTF-8": part(2, part(1, b"\xff.txt")),
    "name is not UTF-8": part(3, part(1, b"\xff")),
    "eos_piece is not UTF-8": part(2, part(47, b"\xff")),
    "eos_piece is empty": part(2, part(47, b"")),
    "an old self test that fails": part(4, part(1, part(1, b"a") + part(2, b"wrong"))),
    "a self test that is none": part(4, b"\xff"),
    "denormaliser": part(5, field(3, 0, b"\0")),
    "denormaliser's charsmap is none": part(5, part(2, b"abc")),
    "charsmap is none": part(3, part(2, b"abc")),
    "empty piece": piece(b""),
    "piece without text": part(1, b"\x15\0\0\x80\xbf"),
    "piece of 7999 bytes": piece(b"b" * 7999),
    "piece of 8000 bytes": piece(b"b" * 8000),
    "piece of 200,000 bytes": piece(b"b" * 200_000),
    "8000 bytes of 2-byte letters": piece("é".encode() * 4000),
    "NUL piece": piece(b"\0"),
    "NUL in a piece": piece(b"b\0c"),
    "normal piece twice": piece(b"a"),
    "control piece twice": piece(b"<c>", field(3, 0, b"\x03")),
    "normal piece with a control's name": piece(b"<c>"),
    "two unks": piece(b"<unk2>", field(3, 0, b"\x02")),
    "unk of another name": part(2, part(45, b"<U>")),
    "byte piece without fallback": piece(b"<0x41>", field(3, 0, b"\x06")),
    "fallback without bytes": part(2, field(35, 0, b"\x01")),
    "score NaN": piece(rest=b"\x15" + struct.pack("<f", math.nan)),
    "score that is a NaN of another kind": piece(rest=b"\x15\x01\x02\x80\xff"),
    "score inf": piece(rest=b"\x15" + struct.pack("<f", math.inf)),
    "score -inf": piece(rest=b"\x15" + struct.pack("<f", -math.inf)),
    "score 1e38": piece(rest=b"\x15" + struct.pack("<f", 1e38)),
    "score -0": piece(rest=b"\x15" + struct.pack("<f", -0.0)),
    "score tiny": piece(rest=b"\x15\x01\0\0\0"),
    "user-defined": piece(b"lo", field(3, 0, b"\x04")),
    "unused": piece(b"lo", field(3, 0, b"\x05")),
}  # fmt: skip


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
@pytest.mark.parametrize("case", WIRE_CASES)
def test_odd_bytes_give_upstreams_result(case, model_type):
    assert agree(small(model_type=model_type) + WIRE_CASES[case]) is None


@pytest.mark.parametrize("case", WIRE_CASES)
def test_odd_bytes_alone_are_no_model(case):
    assert theirs(WIRE_CASES[case]) is None
    with pytest.raises(TokenizerError):
        read_model(WIRE_CASES[case])


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
@pytest.mark.parametrize(
    ("change", "fine"),
    [
        ({}, True),
        ({0: SentencePiece("<0x-1>", 0.0, PieceType.BYTE)}, False),
        ({0: SentencePiece("<0xZZ>", 0.0, PieceType.BYTE)}, False),
        ({0x41: SentencePiece("<0x4a>", 0.0, PieceType.BYTE)}, False),
        ({0x41: SentencePiece("<0x042>", 0.0, PieceType.BYTE)}, False),
        ({0x41: SentencePiece("<0x41>", 0.0)}, False),
        ({0x41: SentencePiece("x", 0.0)}, False),
        ({256: SentencePiece("<0x41>", 0.0, PieceType.BYTE)}, False),
        ({256: SentencePiece("\0", -3.0)}, True),
        ({256: SentencePiece("\0", 0.0, PieceType.BYTE)}, True),
        ({256: SentencePiece("\0\0", -3.0)}, False),
    ],
    ids=str,
)
def test_byte_pieces(change, fine, model_type):
    rows = dict(enumerate(BYTES)) | change
    data = small(*rows.values(), byte_fallback=True, model_type=model_type)
    assert (theirs(data) is not None) == fine
    assert agree(data) is None


def test_with_byte_fallback_there_need_be_no_unknown_piece():
    model = SentencePieceModel((*PIECES[1:], *BYTES), TrainerSpec(byte_fallback=True))
    assert agree(write_model(model)) is None
    without = write_model(dataclasses.replace(model, trainer=TrainerSpec()))
    assert theirs(without) is None and isinstance(ours(without), str)


@pytest.mark.parametrize("pieces", [(), PIECES[:1], (PIECES[0], PIECES[3]), PIECES[1:]])
@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_too_few_pieces(pieces, model_type):
    assert (
        agree(write_model(SentencePieceModel(pieces, TrainerSpec(model_type=model_type)))) is None
    )


@pytest.mark.parametrize(
    ("why", "data", "message"),
    [
        ("no text has half a character", small() + piece(b"\xe2\x96"), "not UTF-8"),
        ("decoding would give no text", small() + part(2, part(44, b"\xff")), "unk_surface"),
    ],
)
def test_what_upstream_loads_and_we_refuse(why, data, message):
    """Upstream loads these, and then cannot give out in Python what they hold."""
    sentencepiece.SentencePieceProcessor(model_proto=data)
    with pytest.raises(TokenizerError, match=message):
        read_model(data)


def test_errors_say_which_file_and_where(tmp_path):
    path = tmp_path / "bad.model"
    path.write_bytes(small() + field(9, 6))
    with pytest.raises(TokenizerError, match=rf"bad\.model: byte {len(small())}: .*wire type 6"):
        read_model(path)
    with pytest.raises(TokenizerError, match=r"piece 4 .*score is nan"):
        read_model(small(SentencePiece("b", math.nan)))
    with pytest.raises(TokenizerError, match="too large"):
        small(SentencePiece("b", 1e39))
    with pytest.raises(TokenizerError, match="no such file"):
        read_model(tmp_path / "none.model")


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(names, unique=True, min_size=1, max_size=8),
    st.builds(
        TrainerSpec,
        vocab_size=st.integers(-(2**31), 2**31 - 1),
        input_sentence_size=st.integers(0, 2**64 - 1),
        shrinking_factor=st.floats(width=32, allow_nan=False),
        split_digits=st.booleans(),
        unk_surface=st.text(st.characters(exclude_categories=["Cs"])),
        control_symbols=st.lists(names).map(tuple),
    ),
    st.builds(NormalizerSpec, name=names, add_dummy_prefix=st.booleans()),
)
def test_any_model_is_written_as_upstream_writes_it(texts, trainer, normalizer):
    pieces = (PIECES[0], *(SentencePiece(t, -1.5) for t in texts if t != "<unk>"), PIECES[1])
    pieces = tuple({p.piece: p for p in pieces}.values())
    model = SentencePieceModel(pieces, trainer, normalizer)
    data = write_model(model)
    assert read_model(data) == model
    sp = sentencepiece.SentencePieceProcessor(model_proto=data)
    assert sp.serialized_model_proto() == data


def test_a_large_vocabulary_is_read_in_seconds():
    pieces = (*PIECES, *(SentencePiece(f"▁{number}", -float(number)) for number in range(30_000)))
    data = write_model(SentencePieceModel(pieces))
    assert read_model(data).pieces == pieces
