"""SigLIP's folders, bad input, and Transformers 4.57.6 as a judge of the profile of that name."""

import dataclasses
import functools
import itertools
import json
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

from tokenizers_py import AutoTokenizer, SiglipTokenizer, TokenizerError
from tokenizers_py.sentencepiece.model_file import read_model, write_model
from tokenizers_py.siglip import PROFILES

pytestmark = pytest.mark.filterwarnings("ignore:This sequence already has")

VERSION_4 = """
import warnings
warnings.simplefilter("ignore")
answer = []
for files, texts, options in given["questions"]:
    answer.append([])
    for file in files:
        tokenizer = transformers.SiglipTokenizer(file, **options)
        ids = tokenizer(texts)["input_ids"]
        tokens = [tokenizer.tokenize(text) for text in texts]
        answer[-1].append([ids, tokens, tokenizer.batch_decode(ids)])
if "file" in given:
    tokenizer = transformers.SiglipTokenizer(
        given["file"], do_lower_case=False, model_max_length=16
    )
    tokenizer.save_pretrained(given["theirs"])
    again = transformers.SiglipTokenizer.from_pretrained(given["ours"])
    for one in (tokenizer, again):
        answer.append(one(["A Cat", "b</s>c"], padding="max_length")["input_ids"])
"""
OPTIONS = [{}, {"do_lower_case": False}]
FILES = [str(file) for file in MODELS.values()]


@functools.cache
def many_texts():
    return [*ODD_TEXTS, *golden_texts(), *random_texts(200), *code_point_texts(step=2999)]


def some_texts():
    return [*ODD_TEXTS, *golden_texts()[::3], *random_texts(40)]


def files_with_flags(folder):
    """Write a model file for every mix of the normaliser's flags."""
    model = read_model(TINY)
    names = ("add_dummy_prefix", "remove_extra_whitespaces", "escape_whitespaces")
    for number, flags in enumerate(itertools.product([True, False], repeat=3)):
        rules = dataclasses.replace(model.normalizer, **dict(zip(names, flags, strict=True)))
        file = folder / f"{number}.model"
        file.write_bytes(write_model(dataclasses.replace(model, normalizer=rules)))
        yield str(file)


@pytest.fixture(scope="module")
def version_4(tmp_path_factory):
    """A folder, and all that is asked of version 4: in one process, since it starts slowly."""
    folder = tmp_path_factory.mktemp("version_4")
    flags = list(files_with_flags(folder))
    ours = SiglipTokenizer(T5, do_lower_case=False, model_max_length=16)
    ours.save_pretrained(folder / "ours")
    questions = [[FILES, many_texts(), options] for options in OPTIONS]
    questions.append([flags, some_texts(), {}])
    paths = {name: str(folder / name) for name in ("ours", "theirs")}
    return folder, ask(VERSION_4, {"questions": questions, "file": str(T5), **paths})


@pytest.mark.parametrize("number", range(len(OPTIONS)), ids=lambda number: str(OPTIONS[number]))
def test_version_4(version_4, number):
    for file, (ids, tokens, decoded) in zip(FILES, version_4[1][number], strict=True):
        ours = SiglipTokenizer(file, profile="transformers-4", **OPTIONS[number])
        assert ours(many_texts(), verbose=False)["input_ids"] == ids
        assert [ours.tokenize(text) for text in many_texts()] == tokens
        assert ours.batch_decode(ids) == decoded


@pytest.mark.slow
def test_version_4_on_much_text():
    texts = [*random_texts(3000), *code_point_texts(step=7)]
    texts += [*corpus_lines("botchan"), *corpus_lines("wagahaiwa_nekodearu")]
    (answers,) = ask(VERSION_4, {"questions": [[FILES, texts, {}]]})
    for file, (ids, _, decoded) in zip(FILES, answers, strict=True):
        ours = SiglipTokenizer(file, profile="transformers-4")
        assert ours(texts, verbose=False)["input_ids"] == ids
        assert ours.batch_decode(ids) == decoded


@pytest.mark.parametrize("text", ["a</S>", "<UNK> y", "ΟΔΟΣ"])
def test_what_changed_from_version_4_to_5(text):
    """Version 4 lower-cases before it looks for special tokens, and each character alone."""
    ids = {name: SiglipTokenizer(TINY, profile=name)(text).input_ids for name in PROFILES}
    assert ids["transformers"] != ids["transformers-4"]


def test_flags_of_the_model_file(version_4):
    """Every mix of the normaliser's flags, under both versions."""
    import transformers

    folder, answers = version_4
    texts = some_texts()
    for file, (ids, _, decoded) in zip(files_with_flags(folder), answers[2], strict=True):
        old = SiglipTokenizer(file, profile="transformers-4")
        assert old(texts, verbose=False)["input_ids"] == ids
        assert old.batch_decode(ids) == decoded
        new, theirs = (
            SiglipTokenizer(file, profile="transformers"),
            transformers.SiglipTokenizer(file),
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


def test_folders_of_version_4_both_ways(version_4):
    folder, (*_, want, of_our_folder) = version_4
    ours = SiglipTokenizer.from_pretrained(folder / "theirs", profile="transformers-4")
    assert ours(["A Cat", "b</s>c"], padding="max_length").input_ids == want == of_our_folder


@pytest.mark.parametrize(
    "data", [b"", b"no model", TINY.read_bytes()[:5000], b"\xff" * 100], ids=len
)
def test_a_broken_model_file_is_named(tmp_path, data):
    (tmp_path / "spiece.model").write_bytes(data)
    with pytest.raises(TokenizerError, match=r"spiece\.model"):
        SiglipTokenizer(tmp_path / "spiece.model")
    with pytest.raises(TokenizerError, match=r"spiece\.model"):
        SiglipTokenizer.from_pretrained(tmp_path)


def test_broken_rules_are_reported_with_the_file(tmp_path):
    model = read_model(TINY)
    rules = dataclasses.replace(model.normalizer, precompiled_charsmap=b"\1\0\0\0\0")
    file = tmp_path / "spiece.model"
    file.write_bytes(write_model(dataclasses.replace(model, normalizer=rules)))
    with pytest.raises(TokenizerError, match=r"spiece\.model: charsmap: "):
        SiglipTokenizer(file)


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


@pytest.mark.parametrize(
    ("config", "model"),
    [
        ({"tokenizer_class": "GemmaTokenizer"}, {"model_type": "siglip"}),
        ({"tokenizer_class": "GemmaTokenizerFast"}, None),
        ({"tokenizer_class": "Siglip2Tokenizer"}, {"model_type": "siglip2"}),
        ({"tokenizer_class": "TokenizersBackend"}, {"model_type": "siglip"}),
        (None, {"model_type": "siglip"}),
        (None, {"model_type": "siglip2"}),
    ],
)
def test_the_tokenizer_of_siglip_2_is_refused_by_name(tmp_path, config, model):
    """Its folders hold Gemma's tokenizer, also where their config.json says "siglip"."""
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "BPE", "vocab": {}}}')
    (tmp_path / "tokenizer.model").write_bytes(TINY.read_bytes())
    for name, content in [("tokenizer_config.json", config), ("config.json", model)]:
        if content is not None:
            (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(TokenizerError, match=r"SigLIP 2 .*Gemma's.* not supported"):
        AutoTokenizer.from_pretrained(tmp_path)
