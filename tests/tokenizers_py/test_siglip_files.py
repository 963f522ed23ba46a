"""SigLIP's folders, bad input, and Transformers 4.57.6 as a judge of the profile of that name."""

import dataclasses
import itertools
import warnings

import pytest
from siglip_cases import (
    MODELS,
    ODD_TEXTS,
    T5,
    TINY,
    code_point_texts,
    corpus_lines,
    golden_texts,
    random_texts,
)
from transformers4 import ask

from tokenizers_py import SiglipTokenizer, TokenizerError
from tokenizers_py.sentencepiece.model_file import read_model, write_model
from tokenizers_py.siglip import PROFILES

pytestmark = pytest.mark.filterwarnings("ignore:This sequence already has")

VERSION_4 = """
import warnings
warnings.simplefilter("ignore")
files, texts, options = given
answer = []
for file in files:
    tokenizer = transformers.SiglipTokenizer(file, **options)
    ids = tokenizer(texts)["input_ids"]
    answer.append([ids, [tokenizer.tokenize(text) for text in texts], tokenizer.batch_decode(ids)])
"""


@pytest.mark.parametrize("options", [{}, {"do_lower_case": False}])
def test_version_4(options):
    texts = [*ODD_TEXTS, *golden_texts(), *random_texts(200), *code_point_texts(step=2999)]
    answers = ask(VERSION_4, [[str(file) for file in MODELS.values()], texts, options])
    for file, (ids, tokens, decoded) in zip(MODELS.values(), answers, strict=True):
        ours = SiglipTokenizer(file, profile="transformers-4", **options)
        assert ours(texts, verbose=False)["input_ids"] == ids
        assert [ours.tokenize(text) for text in texts] == tokens
        assert ours.batch_decode(ids) == decoded


@pytest.mark.slow
def test_version_4_on_much_text():
    texts = [*random_texts(3000), *code_point_texts(step=7)]
    texts += [*corpus_lines("botchan"), *corpus_lines("wagahaiwa_nekodearu")]
    answers = ask(VERSION_4, [[str(file) for file in MODELS.values()], texts, {}])
    for file, (ids, _, decoded) in zip(MODELS.values(), answers, strict=True):
        ours = SiglipTokenizer(file, profile="transformers-4")
        assert ours(texts, verbose=False)["input_ids"] == ids
        assert ours.batch_decode(ids) == decoded


@pytest.mark.parametrize("text", ["a</S>", "<UNK> y", "ΟΔΟΣ"])
def test_what_changed_from_version_4_to_5(text):
    """Version 4 lower-cases before it looks for special tokens, and each character alone."""
    ids = {name: SiglipTokenizer(TINY, profile=name)(text).input_ids for name in PROFILES}
    assert ids["transformers"] != ids["transformers-4"]


def test_flags_of_the_model_file(tmp_path):
    """Every mix of the normaliser's flags, under both versions."""
    import transformers

    model = read_model(TINY)
    names = ("add_dummy_prefix", "remove_extra_whitespaces", "escape_whitespaces")
    files = []
    for number, flags in enumerate(itertools.product([True, False], repeat=3)):
        rules = dataclasses.replace(model.normalizer, **dict(zip(names, flags, strict=True)))
        files.append(tmp_path / f"{number}.model")
        files[-1].write_bytes(write_model(dataclasses.replace(model, normalizer=rules)))
    texts = [*ODD_TEXTS, *golden_texts(), *random_texts(100)]
    answers = ask(VERSION_4, [[str(file) for file in files], texts, {}])
    for file, (ids, _, decoded) in zip(files, answers, strict=True):
        old = SiglipTokenizer(file, profile="transformers-4")
        assert old(texts, verbose=False)["input_ids"] == ids
        assert old.batch_decode(ids) == decoded
        new, theirs = (
            SiglipTokenizer(file, profile="transformers"),
            transformers.SiglipTokenizer(str(file)),
        )
        ids = theirs(texts, verbose=False)["input_ids"]
        assert new(texts, verbose=False)["input_ids"] == ids
        assert new.batch_decode(ids) == theirs.batch_decode(ids)


@pytest.mark.parametrize("profile", PROFILES)
def test_folders_both_ways(profile, tmp_path):
    import transformers

    theirs = transformers.SiglipTokenizer(str(T5), model_input_names=["input_ids"])
    theirs.save_pretrained(tmp_path / "theirs")
    ours = SiglipTokenizer.from_pretrained(tmp_path / "theirs", profile=profile)
    assert ours.profile == profile
    assert list(ours("a cat")) == ["input_ids"]  # as the released folders say
    ours.save_pretrained(tmp_path / "ours")
    again = transformers.SiglipTokenizer.from_pretrained(tmp_path / "ours")
    assert (
        again(ODD_TEXTS, verbose=False)["input_ids"]
        == theirs(ODD_TEXTS, verbose=False)["input_ids"]
    )
    assert list(again("a cat")) == ["input_ids"]
    assert (tmp_path / "ours" / "spiece.model").read_bytes() == T5.read_bytes()
    same = SiglipTokenizer.from_pretrained(tmp_path / "ours", profile=profile)
    assert (
        same(ODD_TEXTS, verbose=False)["input_ids"] == ours(ODD_TEXTS, verbose=False)["input_ids"]
    )


def test_a_folder_says_nothing_about_the_profile(tmp_path):
    SiglipTokenizer(TINY).save_pretrained(tmp_path)
    assert SiglipTokenizer.from_pretrained(tmp_path).profile == "big_vision"


def test_a_folder_of_version_4(tmp_path):
    source = """
tokenizer = transformers.SiglipTokenizer(given[0], do_lower_case=False, model_max_length=16)
tokenizer.save_pretrained(given[1])
answer = tokenizer("A Cat", padding="max_length")["input_ids"]
"""
    want = ask(source, [str(T5), str(tmp_path)])
    ours = SiglipTokenizer.from_pretrained(tmp_path, profile="transformers-4")
    assert ours("A Cat", padding="max_length").input_ids == want


@pytest.mark.parametrize(
    "data", [b"", b"no model", TINY.read_bytes()[:5000], b"\xff" * 100], ids=len
)
def test_a_broken_model_file_is_named(tmp_path, data):
    (tmp_path / "spiece.model").write_bytes(data)
    with pytest.raises(TokenizerError, match=r"spiece\.model"):
        SiglipTokenizer(tmp_path / "spiece.model")
    with pytest.raises(TokenizerError, match=r"spiece\.model"):
        SiglipTokenizer.from_pretrained(tmp_path)


def test_a_folder_without_a_model_file(tmp_path):
    with pytest.raises(TokenizerError, match=r"spiece\.model"):
        SiglipTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {"profile": "hugging_vision"},
        {"profile": None},
        {"do_lower_case": "yes"},
        {"eos_token": "</end>"},
        {"unk_token": 3},
        {"model_max_length": 0},
        {"padding_side": "middle"},
    ],
)
def test_bad_options(options):
    with pytest.raises(TokenizerError, match=next(iter(options))):
        SiglipTokenizer(TINY, **options)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("text", [None, 3, b"a cat", "a \ud800 b", [], [None], ["a", b"b"]])
def test_bad_texts(profile, text):
    with pytest.raises(TokenizerError):
        SiglipTokenizer(TINY, profile=profile)(text)
    if not isinstance(text, list):
        with pytest.raises(TokenizerError):
            SiglipTokenizer(TINY, profile=profile).canonicalize_text(text)


def test_bad_kept_string():
    with pytest.raises(TokenizerError, match="keep_punctuation_exact_string"):
        SiglipTokenizer(TINY).canonicalize_text("a", keep_punctuation_exact_string=3)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("unit", ["a", "A b ", "é", " ", "▁", "</s>", "<", "İ", "犬", "\x00", "."])
def test_long_texts(profile, unit):
    ours = SiglipTokenizer(TINY, profile=profile)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ids = ours(unit * (100_000 // len(unit)), truncation=True).input_ids
    assert len(ids) <= 64
    assert ids[-1] == ours.eos_token_id
