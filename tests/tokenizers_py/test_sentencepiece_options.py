"""Models trained by upstream's trainer under each option that changes what a model does.

Where test_sentencepiece_processor.py asks much of a few models, here every kind of model is trained
with every option, and a stream of odd texts goes through all calls.
"""

import random

import pytest
import sentencepiece
import spm_models

from tokenizers_py.sentencepiece.processor import SentencePieceProcessor

RULES = ["41\t61", "42\t62 62", "43\t", "44 45\t78 20 79", "20 46\t20", "47\t20 20", "E9\t65 301"]
BACK = ["61\t41", "62 63\t5A 5A", "20\t5F", "64\t", "65 20\t3D", "2047\t3F 3F", "74\t20 20"]
OPTIONS = {
    "plain": {},
    "bytes": {"byte_fallback": True},
    "no prefix": {"add_dummy_prefix": False},
    "all spaces": {"remove_extra_whitespaces": False},
    "all spaces, no prefix": {"remove_extra_whitespaces": False, "add_dummy_prefix": False},
    "suffix": {"treat_whitespace_as_suffix": True},
    "spaces inside": {"split_by_whitespace": False},
    "spaces inside, suffix": {"split_by_whitespace": False, "treat_whitespace_as_suffix": True},
    "across scripts": {"split_by_unicode_script": False, "split_by_number": False},
    "digits": {"split_digits": True, "allow_whitespace_only_pieces": True},
    "symbols": {"user_defined_symbols": ["<a>", "<a><b>", "of a", " ", "ab", "abc", "bcd", "▁x"]},
    "symbols, suffix": {
        "user_defined_symbols": ["the", "th", "he ", " the", "▁", "  ", "\n"],
        "treat_whitespace_as_suffix": True,
        "byte_fallback": True,
    },
    "control": {"control_symbols": ["<c>", "▁the", "a"], "user_defined_symbols": ["<x>"]},
    "rules": {"normalization_rule_tsv": RULES},
    "rules, all spaces": {
        "normalization_rule_tsv": RULES,
        "remove_extra_whitespaces": False,
        "user_defined_symbols": ["AB", "DE", "G "],
    },
    "rules back": {"denormalization_rule_tsv": BACK},
    "rules back, bytes": {"denormalization_rule_tsv": BACK, "byte_fallback": True},
    "unknown surface": {"unk_surface": "[? ▁]"},
    "other ids": {"pad_id": 3, "bos_id": 5, "eos_id": 0, "unk_id": 2, "unk_piece": "<<u>>"},
    "as SigLIP": {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1, "byte_fallback": True},
    "identity": {"normalization_rule_name": "identity"},
}
KINDS = ["unigram", "bpe", "word", "char"]
PARTS = [
    *" \t\n\u3000\u2581\u200b\0\u00ad",
    *("  ", "<unk>", "<s>", "</s>", "<a>", "<a><b>", "of a", "the", "he ", " th", "▁x", "<x>"),
    *(
        "ABC",
        "DE",
        " F",
        "G",
        "GG",
        "abc",
        "bcd",
        "e\u0301",
        "é",
        "あ",
        "吾輩",
        "😀",
        "👩‍👩‍👧",
        "<c>",
    ),
    *("<0x41>", "ＡＢ", "ｶﾞ", "ﬁ", "12", "3.5", "\ufffd", "cat", "which was", "⁇"),
]


def processors(kind, option, tmp_path):
    settings = dict(OPTIONS[option])
    for name in ("normalization_rule_tsv", "denormalization_rule_tsv"):
        if name in settings:
            file = tmp_path / f"{name}.tsv"
            file.write_text("\n".join(settings[name]) + "\n", encoding="utf-8")
            settings[name] = str(file)
    texts = [*spm_models.lines(200, 20), "<a><b> of a x the 12 3.5 ABC DEF G", "naïve é 😀"]
    data = spm_models.train(model_type=kind, texts=texts, **settings)
    theirs = sentencepiece.SentencePieceProcessor(model_proto=data)
    return theirs, SentencePieceProcessor(model_proto=data)


def odd_texts(seed, count):
    random_ = random.Random(seed)
    book = spm_models.corpus("botchan")
    for _ in range(count):
        start = random_.randrange(len(book))
        chosen = random_.choices([*PARTS, book[start : start + 20], book[start]], k=8)
        yield "".join(chosen[: random_.randrange(9)])


def assert_same(theirs, ours, seed, count):
    random_ = random.Random(seed)
    pieces = [theirs.id_to_piece(number) for number in range(len(theirs))]
    for text in odd_texts(seed, count):
        ids = theirs.encode(text)
        assert ours.encode(text) == ids, text
        assert ours.encode(text, out_type=str) == theirs.encode(text, out_type=str), text
        offsets = {"out_type": "offset_mapping"}
        assert ours.encode(text, **offsets) == theirs.encode(text, **offsets), text
        got = ours.normalize(text, with_offsets=True)
        assert got == tuple(theirs.normalize(text, with_offsets=True)), text
        assert ours.decode(ids) == theirs.decode(ids), ids
        some = random_.choices(range(len(theirs)), k=6) + random_.choices(range(9), k=3)
        random_.shuffle(some)
        assert ours.decode(some) == theirs.decode(some), some
        mixed = random_.choices([*PARTS, *pieces[:300]], k=6)
        assert ours.decode(mixed) == theirs.decode(mixed), mixed
    assert ours.serialized_model_proto() == theirs.serialized_model_proto()


def all_of_them():
    """Give every pair, with a mark for those that are slow: two kinds for each option are not."""
    for number, option in enumerate(OPTIONS):
        for place, kind in enumerate(KINDS):
            marks = [pytest.mark.slow] * (place not in (number % 2, 2 + number // 2 % 2))
            yield pytest.param(kind, option, marks=marks)


@pytest.mark.parametrize(("kind", "option"), list(all_of_them()))
def test_models_of_upstreams_trainer(kind, option, tmp_path):
    assert_same(*processors(kind, option, tmp_path), seed=option, count=60)


@pytest.mark.parametrize("option", ["plain", "symbols", "spaces inside", "rules", "as SigLIP"])
def test_n_best(option, tmp_path):
    theirs, ours = processors("unigram", option, tmp_path)
    for text in odd_texts(option, 40):
        got = ours.nbest_encode(text, nbest_size=5)
        assert got == theirs.nbest_encode(text, nbest_size=5), text


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("option", OPTIONS)
def test_more_texts(kind, option, tmp_path):
    assert_same(*processors(kind, option, tmp_path), seed=f"{kind} {option}", count=1000)


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_a_denormaliser_changes_what_decode_gives(kind, tmp_path):
    theirs, ours = processors(kind, "rules back", tmp_path)
    ids = ours.encode("a bcd the end")
    assert ours.decode(ids) == theirs.decode(ids) != "a bcd the end"
