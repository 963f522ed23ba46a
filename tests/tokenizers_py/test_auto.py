"""AutoTokenizer takes the class that the folder names, or that its model or vocabulary tells."""

import json
import shutil

import bert_cases
import pytest
import siglip_cases
import transformers

from tokenizers_py import AutoTokenizer, TokenizerError
from tokenizers_py.auto import CLASSES, tokenizer_class
from tokenizers_py.folders.reading import read_folder


def put(folder, name, content):
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    "config, model, expected",
    [
        ({"tokenizer_class": "CLIPTokenizer"}, {"model_type": "bert"}, "CLIPTokenizer"),
        ({"tokenizer_class": "CLIPTokenizerFast"}, None, "CLIPTokenizer"),
        ({"tokenizer_class": "BertTokenizerFast"}, None, "BertTokenizer"),
        ({"tokenizer_class": "RobertaTokenizerFast"}, None, "RobertaTokenizer"),
        ({"tokenizer_class": "SiglipTokenizer"}, None, "SiglipTokenizer"),
        ({"tokenizer_class": "PreTrainedTokenizerFast"}, {"model_type": "bert"}, "BertTokenizer"),
        ({}, {"model_type": "clip"}, "CLIPTokenizer"),
        ({}, {"model_type": "chinese_clip"}, "BertTokenizer"),
        ({}, {"model_type": "siglip"}, "SiglipTokenizer"),
        ({}, {"model_type": "roberta"}, "RobertaTokenizer"),
        (
            None,
            {"model_type": "vision-text-dual-encoder", "text_config": {"model_type": "roberta"}},
            "RobertaTokenizer",
        ),
    ],
)
def test_class_by_settings_or_model(tmp_path, config, model, expected):
    if config is not None:
        put(tmp_path, "tokenizer_config.json", config)
    if model is not None:
        put(tmp_path, "config.json", model)
    assert tokenizer_class(read_folder(tmp_path)) == expected


def test_models_have_the_class_that_transformers_gives_them():
    from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

    from tokenizers_py.auto import MODELS

    for name, models in MODELS.items():
        for model in models.split():
            # The text towers alone are not in its list; each has its model's tokenizer.
            assert TOKENIZER_MAPPING_NAMES[model.removesuffix("_text_model")] == name


@pytest.mark.parametrize(
    "names, expected",
    [
        (["spiece.model"], "SiglipTokenizer"),
        (["vocab.txt"], "BertTokenizer"),
        (["bpe_simple_vocab_16e6.txt.gz"], "CLIPTokenizer"),
    ],
)
def test_class_by_the_name_of_a_vocabulary_file(tmp_path, names, expected):
    for name in names:
        (tmp_path / name).write_bytes(b"")
    assert tokenizer_class(read_folder(tmp_path)) == expected


@pytest.mark.parametrize(
    "name, layout",
    [
        ("CLIPTokenizer", "tokenizer.json"),
        ("CLIPTokenizer", "vocab.json"),
        ("RobertaTokenizer", "tokenizer.json"),
        ("RobertaTokenizer", "vocab.json"),
        ("BertTokenizer", "tokenizer.json"),
    ],
)
def test_class_by_the_vocabulary_itself(tmp_path, name, layout):
    getattr(transformers, name)().save_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").unlink()
    if layout == "vocab.json":
        content = json.loads((tmp_path / "tokenizer.json").read_text())
        put(tmp_path, "vocab.json", content["model"]["vocab"])
        (tmp_path / "tokenizer.json").unlink()
    assert tokenizer_class(read_folder(tmp_path)) == name


@pytest.mark.parametrize(
    "config, model, message",
    [
        ({"tokenizer_class": "GemmaTokenizer"}, None, "'GemmaTokenizer' is not supported; there"),
        ({"tokenizer_class": ["CLIPTokenizer"]}, None, "'tokenizer_class': must be text"),
        ({}, {"model_type": "siglip2"}, "no tokenizer for 'siglip2'"),
        ({}, {"model_type": []}, '"model_type": must be text'),
        ({}, {}, "no tokenizer to be seen: tokenizer_config.json names no tokenizer_class, config"),
        (None, None, "no tokenizer to be seen"),
    ],
)
def test_what_tells_nothing(tmp_path, config, model, message):
    if config is not None:
        put(tmp_path, "tokenizer_config.json", config)
    if model is not None:
        put(tmp_path, "config.json", model)
    with pytest.raises(TokenizerError, match=message):
        AutoTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize("vocabulary", [{}, {"x": 0}, [], None])
def test_a_vocabulary_of_no_known_kind(tmp_path, vocabulary):
    put(tmp_path, "tokenizer.json", {"model": {"type": "BPE", "vocab": vocabulary}})
    with pytest.raises(TokenizerError, match="no tokenizer to be seen"):
        AutoTokenizer.from_pretrained(tmp_path)
    put(tmp_path, "tokenizer.json", {"model": {"type": "Unigram", "vocab": []}})
    with pytest.raises(TokenizerError, match="no tokenizer to be seen"):
        AutoTokenizer.from_pretrained(tmp_path)


def test_chinese_clip_gets_the_tokenizer_that_it_was_trained_with(tmp_path):
    from tokenizers_py import BertTokenizer

    shutil.copy(bert_cases.vocab_file(bert_cases.CHINESE), tmp_path / "vocab.txt")
    for read in (AutoTokenizer, BertTokenizer):
        put(tmp_path, "config.json", {"model_type": "chinese_clip"})
        assert read.from_pretrained(tmp_path).profile == "cn_clip"
        assert read.from_pretrained(tmp_path, profile="transformers").profile == "transformers"
        put(tmp_path, "tokenizer_config.json", {"profile": "transformers"})
        assert read.from_pretrained(tmp_path).profile == "transformers"
        (tmp_path / "tokenizer_config.json").unlink()
        put(tmp_path, "config.json", {"model_type": "bert"})
        assert read.from_pretrained(tmp_path).profile == "transformers"


def test_keywords_go_through(tmp_path, clip_folder):
    read = AutoTokenizer.from_pretrained(clip_folder, padding_side="left", profile="transformers")
    assert (type(read).__name__, read.padding_side) == ("CLIPTokenizer", "left")
    shutil.copy(siglip_cases.TINY, tmp_path / "spiece.model")
    assert AutoTokenizer.from_pretrained(tmp_path, model_max_length=16).model_max_length == 16
    with pytest.raises(TokenizerError, match="no such keyword: strip_accents"):
        AutoTokenizer.from_pretrained(tmp_path, strip_accents=True)


def test_it_is_no_tokenizer_itself():
    with pytest.raises(TokenizerError, match="call AutoTokenizer.from_pretrained"):
        AutoTokenizer()


def test_every_class_can_be_imported():
    import importlib

    for name, module in CLASSES.items():
        assert getattr(importlib.import_module(module), name).__name__ == name
