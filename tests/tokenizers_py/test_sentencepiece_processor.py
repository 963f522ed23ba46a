"""SentencePieceProcessor: every call and every kind of text, against upstream's package."""

import gzip
import json
import pickle
import random
import sys

import numpy as np
import pytest
import spm_models
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizers_py.errors import TokenizerError
from tokenizers_py.sentencepiece.processor import SentencePieceProcessor
from tokenizers_py.sentencepiece.protobuf import read_fields

FOLDER = spm_models.DATA / "tokenizers" / "sentencepiece"
EVERY = [*spm_models.TRAINED, *spm_models.RELEASED]
SOME = ["unigram_bytes", "unigram_symbols", "unigram_spaces", "bpe_bytes", "test_ja_model"]
OFFSETS = {"return_type": "offset_mapping"}


def golden():
    file = FOLDER / "sentencepiece_official.json.gz"
    return json.loads(gzip.decompress(file.read_bytes()))["models"]


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("test_model", "test_model"),
        ("test_ja_model", "test_ja_model"),
        ("t5_tokenizer_base", "t5_base.spiece"),
    ],
)
def test_golden(key, name):
    ours = spm_models.both(name)[1]
    for row in golden()[key]:
        assert ours.normalize(row["text"]) == row["normalized"]
        assert ours.encode(row["text"]) == row["ids"]
        assert ours.encode(row["text"], out_type=str) == row["pieces"]


def test_ids_that_transformers_js_expects_of_t5():
    ours = spm_models.both("t5_base.spiece")[1]
    cases = json.loads((FOLDER / "transformersjs_t5.json").read_text(encoding="utf-8"))
    differ = set()
    for name, case in cases["Xenova/t5-small"].items():
        name = "SPECIAL" if "</s>" in case["text"] else name
        pieces = ours.encode(case["text"], out_type=str)
        ids = ours.encode(case["text"], add_eos=True)
        if (pieces, ids) != (case["tokens"], case["ids"]):
            differ.add(name)
    assert differ == {"SPECIAL"}  # "</s>" in a text is the tokenizer's business, not the model's


CODES = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c <= 0xDFFF]
MOST_CODES = CODES[: 0x20000 - 0x800] + CODES[0x20000::101]  # two planes, samples of the others


def in_texts(form, codes):
    words = [form.format(code) for code in codes]
    return ["".join(words[start : start + 256]) for start in range(0, len(words), 256)]


@pytest.mark.parametrize("name", ["unigram_bytes", "unigram_symbols", "t5_base.spiece", "bpe"])
@pytest.mark.parametrize("form", [" {} ", "a{}b "])
def test_most_code_points_as_a_word_and_inside_one(name, form):
    theirs, ours = spm_models.both(name)
    texts = in_texts(form, MOST_CODES)
    assert ours.encode(texts) == theirs.encode(texts, num_threads=1)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["{}", "a{}b"])
@pytest.mark.parametrize("name", spm_models.TRAINED + spm_models.RELEASED)
def test_every_code_point_alone_and_inside_a_word(name, form):
    theirs, ours = spm_models.both(name)
    texts = [form.format(code) for code in CODES]
    assert ours.encode(texts) == theirs.encode(texts, num_threads=1)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(EVERY), st.text(max_size=60), st.text("aé日▁ \u0301<>ag/=\0", max_size=40))
def test_any_text(name, one, other):
    theirs, ours = spm_models.both(name)
    for text in (one, other, one + other + one):
        text = text.encode("utf-8", "replace").decode()
        assert ours.encode(text) == theirs.encode(text)
        assert ours.encode(text, out_type=str) == theirs.encode(text, out_type=str)
        assert ours.encode(text, **OFFSETS) == theirs.encode(text, **OFFSETS)


@pytest.mark.parametrize("name", EVERY)
def test_offsets(name):
    theirs, ours = spm_models.both(name)
    texts = spm_models.ODD_TEXTS + spm_models.lines(60, 30)
    assert ours.encode(texts, **OFFSETS) == theirs.encode(texts, num_threads=1, **OFFSETS)


def surfaces(theirs, text):
    """Read piece (1), id (2) and surface (3) of each piece (2) of upstream's SentencePieceText."""
    data = theirs.encode(text, return_type="serialized_proto")
    rows = []
    for field in read_fields(data, 0, len(data)):
        if field.number == 2:
            inner = {f.number: f.value for f in read_fields(field.value, 0, len(field.value))}
            piece, surface = bytes(inner[1]).decode(), bytes(inner.get(3, b"")).decode()
            rows.append((piece, inner[2], surface))
    return rows


@pytest.mark.parametrize("name", SOME)
def test_surfaces(name):
    theirs, ours = spm_models.both(name)
    for text in spm_models.ODD_TEXTS:
        found = ours.encode(text, out_type="immutable_proto")
        assert found.text == text
        assert [(p.piece, p.id, p.surface) for p in found.pieces] == surfaces(theirs, text)
        assert all(p.surface in ("", text[p.begin : p.end]) for p in found.pieces)


@pytest.mark.parametrize("name", EVERY)
def test_decoding_what_was_encoded(name):
    theirs, ours = spm_models.both(name)
    for text in spm_models.ODD_TEXTS + spm_models.lines(60, 30):
        ids = theirs.encode(text)
        assert ours.decode(ids) == theirs.decode(ids)
        pieces = theirs.encode(text, out_type=str)
        assert ours.decode(pieces) == theirs.decode(pieces)


@pytest.mark.parametrize("name", EVERY)
def test_decoding_random_ids_and_pieces(name):
    theirs, ours = spm_models.both(name)
    generator = random.Random(7)
    size = len(theirs)
    odd = [
        *range(12),
        *(theirs.piece_to_id(p) for p in ("▁", "<0xE3>", "<0x81>", "<0x82>", "<0x41>")),
    ]
    for _ in range(400):
        ids = [
            generator.choice(odd) if generator.random() < 0.6 else generator.randrange(size)
            for _ in range(generator.randrange(12))
        ]
        assert ours.decode(ids) == theirs.decode(ids)
        pieces = [theirs.id_to_piece(i) for i in ids]
        pieces = [generator.choice([p, p + "é", "▁▁x", "<s>", ""]) for p in pieces]
        assert ours.decode(pieces) == theirs.decode(pieces)


def test_decoding_every_pair_of_bytes_and_broken_longer_ones():
    theirs, ours = spm_models.both("unigram_bytes")
    byte = [theirs.piece_to_id(f"<0x{b:02X}>") for b in range(256)]
    pairs = [[byte[a], byte[b]] for a in range(256) for b in range(0, 256, 3)]
    generator = random.Random(3)
    leading = [0x41, 0x80, 0xBF, 0xC2, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xA0, 0x9F, 0x90, 0x8F]
    longer = [[byte[generator.choice(leading)] for _ in range(6)] for _ in range(5000)]
    assert ours.decode(pairs + longer) == theirs.decode(pairs + longer, num_threads=1)


def test_the_forms_that_decode_takes():
    theirs, ours = spm_models.both("unigram")
    for given_ in (None, "", [], 5, "▁a", [5], ["▁a"], [[5, 6], []], [[], ["▁a"]], (5, 6)):
        assert ours.decode(given_) == theirs.decode(given_)
    assert ours.decode(np.array([5, 6])) == ours.decode([5, 6])
    assert ours.decode(np.array([[5, 6], [7, 8]])) == ours.decode([[5, 6], [7, 8]])


def with_spec(data, **changes):
    import dataclasses

    from tokenizers_py.sentencepiece.model_file import read_model, write_model

    model = read_model(data)
    for part, fields in changes.items():
        changed = dataclasses.replace(getattr(model, part) or model.normalizer, **fields)
        changed = dataclasses.replace(changed, given=changed.given | set(fields))
        model = dataclasses.replace(model, **{part: changed, "given": model.given | {part}})
    return write_model(model)


@pytest.mark.parametrize("add_dummy_prefix", [True, False])
@pytest.mark.parametrize("remove_extra_whitespaces", [True, False])
def test_decoding_under_every_flag(add_dummy_prefix, remove_extra_whitespaces):
    flags = {
        "add_dummy_prefix": add_dummy_prefix,
        "remove_extra_whitespaces": remove_extra_whitespaces,
    }
    data = with_spec(
        spm_models.trained("unigram_bytes"), normalizer=flags, trainer={"unk_surface": "??"}
    )
    theirs, ours = spm_models.both_of(data)
    sequences = [
        ["▁", "▁", "▁a"],
        ["<s>", "▁", "▁▁a", "▁b"],
        ["<0x41>", "▁a"],
        ["<unk>", "▁a"],
        ["zzz▁q", "▁a"],
        ["<s>", "</s>"],
        ["▁zzz", "▁a"],
    ]
    for pieces in sequences:
        assert ours.decode(pieces) == theirs.decode(pieces)
    for text in spm_models.ODD_TEXTS:
        assert ours.encode(text, **OFFSETS) == theirs.encode(text, **OFFSETS)


def test_a_denormaliser():
    rules = spm_models.both("unigram")[1]._loaded.model.normalizer.precompiled_charsmap
    fields = {"precompiled_charsmap": rules, "add_dummy_prefix": False, "escape_whitespaces": False}
    data = with_spec(spm_models.trained("unigram_bytes"), denormalizer=fields)
    theirs, ours = spm_models.both_of(data)
    for pieces in (["▁a", "ＡＢ", "①"], ["▁", "ﬁ"], []):
        assert ours.decode(pieces) == theirs.decode(pieces)
    assert ours.decode(["ＡＢ"]) == "AB"


@pytest.mark.parametrize("name", ["unigram", "bpe_bytes", "test_ja_model"])
def test_options(name):
    theirs, ours = spm_models.both(name)
    texts = ["hello world", "", "Жé x"]
    for bits in range(16):
        options = {
            "add_bos": bool(bits & 1),
            "add_eos": bool(bits & 2),
            "reverse": bool(bits & 4),
            "emit_unk_piece": bool(bits & 8),
        }
        for out_type in (int, str):
            got = ours.encode(texts, out_type=out_type, **options)
            assert got == theirs.encode(texts, out_type=out_type, num_threads=1, **options)
        if bits in (1, 6, 15):  # loading a model takes its time
            fixed = SentencePieceProcessor(model_proto=ours.serialized_model_proto(), **options)
            assert fixed.encode(texts) == ours.encode(texts, **options)
        if name != "bpe_bytes":
            got = ours.nbest_encode(texts, nbest_size=4, out_type=str, **options)
            assert got == theirs.nbest_encode(texts, nbest_size=4, out_type=str, **options)
    array = ours.encode("hello", out_type="numpy", add_bos=True)
    assert array.dtype == np.int32
    assert array.tolist() == theirs.encode("hello", add_bos=True)


@pytest.mark.parametrize("name", EVERY)
def test_looking_up(name):
    theirs, ours = spm_models.both(name)
    ids = list(range(len(theirs)))
    assert len(ours) == ours.vocab_size() == theirs.vocab_size()
    for question in (
        "id_to_piece",
        "get_score",
        "is_unknown",
        "is_control",
        "is_unused",
        "is_byte",
    ):
        assert getattr(ours, question)(ids) == getattr(theirs, question)(ids)
    pieces = [*theirs.id_to_piece(ids), "", "no piece", "\0"]
    assert ours.piece_to_id(pieces) == theirs.piece_to_id(pieces)
    for special in ("unk_id", "bos_id", "eos_id", "pad_id"):
        assert getattr(ours, special)() == getattr(theirs, special)()
    assert ours["▁"] == theirs["▁"]
    assert ours.serialized_model_proto() == theirs.serialized_model_proto()


def test_normalize():
    theirs, ours = spm_models.both("t5_base.spiece")
    assert ours.normalize(spm_models.ODD_TEXTS) == theirs.normalize(spm_models.ODD_TEXTS)
    text = "  Ｆull　width ①"
    got = ours.normalize(text, with_offsets=True)
    assert got == tuple(theirs.normalize(text, with_offsets=True))


NOT_HERE = {
    *("decode_ids_as_proto", "decode_pieces_as_proto"),  # decode gives text
    *("parallel_encode", "parallel_encode_as_ids", "parallel_encode_as_pieces"),  # one thread
    *("parallel_encode_as_numpy", "parallel_encode_as_proto"),
}


def test_all_of_upstreams_names_are_there():
    theirs, ours = spm_models.both("unigram")
    names = {name for name in dir(theirs) if not name.startswith("_")}
    snake = {name for name in names if name.islower()}
    assert snake - {name for name in dir(ours)} == NOT_HERE
    camel = {"".join(part.capitalize() for part in name.split("_")) for name in NOT_HERE}
    missing = names - snake - set(dir(ours))
    assert missing == {name.replace("Nbest", "NBest") for name in camel}
    assert ours.EncodeAsPieces("a b") == theirs.EncodeAsPieces("a b")
    assert ours.NBestEncodeAsIds("a b", nbest_size=3) == theirs.NBestEncodeAsIds("a b", 3)
    assert ours.PieceToId("▁a") == theirs.PieceToId("▁a")


def test_ways_to_load(tmp_path):
    data = spm_models.trained("unigram")
    file = tmp_path / "a.model"
    file.write_bytes(data)
    expected = spm_models.both("unigram")[0].encode("a photo")
    assert SentencePieceProcessor(model_file=file).encode("a photo") == expected
    assert SentencePieceProcessor(str(file)).encode("a photo") == expected
    empty = SentencePieceProcessor()
    with pytest.raises(TokenizerError, match="no model"):
        empty.encode("a photo")
    assert empty.Load(str(file)) and empty.encode("a photo") == expected
    assert empty.LoadFromSerializedProto(data) and empty.encode("a photo") == expected
    for made in (SentencePieceProcessor.from_file(file), SentencePieceProcessor.from_proto(data)):
        assert made.encode("a photo") == expected
    again = pickle.loads(pickle.dumps(SentencePieceProcessor(model_proto=data, add_bos=True)))
    assert again.encode("a photo") == [again.bos_id(), *expected]
    with pytest.raises(TokenizerError, match="give one"):
        empty.load(str(file), data)
    with pytest.raises(TokenizerError, match="no such file"):
        SentencePieceProcessor(model_file=tmp_path / "b.model")


@pytest.mark.parametrize("text", [None, b"bytes", 5, 1.5, object(), {"a": 1}, "\ud800", "x\udfff"])
def test_what_is_no_text_is_refused(text):
    _, ours = spm_models.both("unigram")
    for call in (ours.encode, ours.nbest_encode, ours.sample_encode, ours.normalize):
        with pytest.raises(TokenizerError, match="text"):
            call(text)
        with pytest.raises(TokenizerError, match="text"):
            call(["fine", text])


@pytest.mark.parametrize("number", [-1, 1000, 2**40, True, 1.0, None, "5"])
def test_what_is_no_id_is_refused(number):
    theirs, ours = spm_models.both("unigram")
    with pytest.raises(TokenizerError, match="id"):
        ours.id_to_piece(number)
    with pytest.raises(TokenizerError, match="id"):
        ours.decode([5, number])
    if type(number) is int and number < 2**31:
        with pytest.raises(IndexError):
            theirs.id_to_piece(number)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out_type": float}, "out_type"),
        ({"out_type": "serialized_proto"}, "out_type"),
        ({"out_type": int, "return_type": int}, "return_type"),
        ({"nbest_size": 513}, "nbest_size"),
        ({"enable_sampling": True, "nbest_size": 1}, "nbest_size"),
        ({"alpha": -1.0}, "alpha"),
        ({"alpha": float("nan")}, "alpha"),
        ({"out_type": "offset_mapping", "add_bos": True}, "offset_mapping"),
        ({"tempo": 1}, "tempo"),
    ],
)
def test_options_that_make_no_sense(options, message):
    _, ours = spm_models.both("unigram")
    with pytest.raises(TokenizerError, match=message):
        ours.encode("a", **options)
    with pytest.raises(TokenizerError, match="bos"):
        spm_models.both("t5_base.spiece")[1].encode("a", add_bos=True)
