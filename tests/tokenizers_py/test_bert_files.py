"""BertTokenizer's folders, options and bad input."""

import json
import time

import pytest
from bert_cases import CASED, CHINESE, SMALL, UNCASED, ours, theirs, vocab_file
from transformers4 import ask

from tokenizers_py.bert import BertTokenizer
from tokenizers_py.errors import TokenizerError
from tokenizers_py.text.bert_text import PROFILES

TEXTS = ["A photo of a Cat, unaffable [MASK] Càfé!", "中文字符 ab\u2028c", "", "ＡＢ İx"]
IDS = {token: number for number, token in enumerate(SMALL)}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(SMALL) + "\n")
    return tmp_path


def config(folder, **content):
    (folder / "tokenizer_config.json").write_text(json.dumps(content))


@pytest.mark.parametrize("name", [UNCASED, CASED, CHINESE])
def test_transformers_reads_what_we_save(name, tmp_path):
    import transformers

    ours(name).save_pretrained(tmp_path)
    assert (tmp_path / "vocab.txt").read_bytes() == vocab_file(name).read_bytes()
    five = transformers.BertTokenizer.from_pretrained(tmp_path)
    again = BertTokenizer.from_pretrained(tmp_path)
    assert again.get_vocab() == ours(name).get_vocab()
    assert again.do_lower_case == ours(name).do_lower_case
    for text in TEXTS:
        want = ours(name)(text)
        assert {**want} == {**five(text)} == {**again(text)}


READ = """
slow = transformers.BertTokenizer.from_pretrained(given["folder"])
fast = transformers.BertTokenizerFast.from_pretrained(given["folder"])
answer = [[t(text)["input_ids"] for text in given["texts"]] for t in (slow, fast)]
fast.save_pretrained(given["fast"])
slow.save_pretrained(given["slow"])
"""


def test_transformers_4_reads_what_we_save_and_we_what_it_saves(tmp_path):
    tokenizer = ours(CASED)
    tokenizer.save_pretrained(tmp_path / "ours")
    places = {name: str(tmp_path / name) for name in ("slow", "fast")}
    slow, fast = ask(READ, {"folder": str(tmp_path / "ours"), "texts": TEXTS, **places})
    assert [tokenizer(text)["input_ids"] for text in TEXTS] == fast
    spare = ours(CASED, "transformers-slow")
    assert [spare(text)["input_ids"] for text in TEXTS] == slow
    for name in places:
        read = BertTokenizer.from_pretrained(tmp_path / name)
        assert read.profile == "transformers"
        assert [read(text)["input_ids"] for text in TEXTS] == fast


@pytest.mark.parametrize("name", [UNCASED, CASED, CHINESE])
def test_we_read_what_transformers_5_saves(name, tmp_path):
    theirs(name).save_pretrained(tmp_path)
    assert not (tmp_path / "vocab.txt").exists()
    read = BertTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        assert {**read(text)} == {**theirs(name)(text)}
    (tmp_path / "vocab.txt").write_bytes(vocab_file(name).read_bytes())
    assert BertTokenizer.from_pretrained(tmp_path)(TEXTS) == read(TEXTS)
    changed = vocab_file(name).read_bytes().replace(b"\n[MASK]\n", b"\n[MASKE]\n")
    (tmp_path / "vocab.txt").write_bytes(changed)
    with pytest.raises(TokenizerError):
        BertTokenizer.from_pretrained(tmp_path)


def test_two_files_that_contradict_each_other(tmp_path):
    """Transformers' BertTokenizer obeys the config or its default, other readers tokenizer.json."""
    import transformers

    theirs(CASED).save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    content = json.loads(path.read_text())
    assert content.pop("do_lower_case") is False
    path.write_text(json.dumps(content))
    five = transformers.BertTokenizer.from_pretrained(tmp_path)
    single = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    assert five("Cat")["input_ids"] != single("Cat")["input_ids"]
    with pytest.raises(TokenizerError, match="do_lower_case"):
        BertTokenizer.from_pretrained(tmp_path)


def test_the_profile_of_a_folder(folder):
    assert BertTokenizer.from_pretrained(folder).profile == "transformers"
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    assert BertTokenizer.from_pretrained(folder).profile == "transformers"
    (folder / "config.json").write_text(json.dumps({"model_type": "chinese_clip"}))
    tokenizer = BertTokenizer.from_pretrained(folder)
    assert (tokenizer.profile, tokenizer.model_max_length) == ("cn_clip", 52)
    assert BertTokenizer.from_pretrained(folder, profile="transformers").profile == "transformers"
    (folder / "config.json").write_text("{")
    with pytest.raises(TokenizerError, match="config.json"):
        BertTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("profile", PROFILES)
def test_save_and_load_keep_the_profile(folder, profile):
    options = {"strip_accents": False, "tokenize_chinese_chars": False, "model_max_length": 9}
    tokenizer = BertTokenizer(folder / "vocab.txt", profile=profile, **options)
    tokenizer.save_pretrained(folder / "out")
    read = BertTokenizer.from_pretrained(folder / "out")
    assert read.profile == profile
    assert {name: getattr(read, name) for name in options} == options
    assert read(TEXTS, verbose=False) == tokenizer(TEXTS, verbose=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"do_basic_tokenize": False}, "do_basic_tokenize"),
        ({"never_split": ["a"]}, "never_split"),
        ({"do_lower_case": "yes"}, "do_lower_case"),
        ({"unk_token": "<no>"}, "<no>"),
    ],
)
def test_bad_settings(folder, content, message):
    config(folder, **content)
    with pytest.raises(TokenizerError, match=message):
        BertTokenizer.from_pretrained(folder)


def test_settings_without_effect(folder):
    config(folder, do_basic_tokenize=True, never_split=None, strip_accents=None)
    assert BertTokenizer.from_pretrained(folder)("ab")["input_ids"] == [2, 5, 7, 3]


def test_an_empty_folder(tmp_path):
    with pytest.raises(TokenizerError, match="vocab.txt"):
        BertTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize("missing", ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"])
def test_a_missing_special_token(missing):
    """Upstream gives it a new id that the model has no weights for (and fails without [UNK])."""
    ids = {token: number for token, number in IDS.items() if token != missing}
    with pytest.raises(TokenizerError, match=r"\[.*\]' is not in the vocabulary"):
        BertTokenizer(vocabulary=ids)


def test_a_vocabulary_without_a_mask():
    ids = {token: number for token, number in IDS.items() if token != "[MASK]"}
    tokenizer = BertTokenizer(vocabulary=ids, mask_token=None)
    assert tokenizer.mask_token is None
    assert tokenizer("[MASK]ab")["input_ids"] == [2, 1, 1, 1, 5, 7, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "vocab_file"),
        ({"vocabulary": IDS, "vocab_file": "vocab.txt"}, "vocab_file"),
        ({"vocabulary": IDS, "profile": "openai"}, "profile"),
        ({"vocabulary": IDS, "do_lower_case": None}, "do_lower_case"),
        ({"vocabulary": IDS, "strip_accents": 1}, "strip_accents"),
        ({"vocabulary": IDS, "tokenize_chinese_chars": "no"}, "tokenize_chinese_chars"),
        ({"vocabulary": {**IDS, "twice": 0}}, "id 0"),
        ({"vocabulary": {**IDS, "": 99}}, "token"),
        ({"vocabulary": IDS, "model_max_length": 0}, "model_max_length"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(TokenizerError, match=message):
        BertTokenizer(**options)


@pytest.mark.parametrize("text", [None, 3, b"a", [], ["a", None], "a\ud800"])
def test_what_is_no_text(text):
    with pytest.raises(TokenizerError):
        BertTokenizer(vocabulary=IDS)(text)


def test_the_unknown_token_can_be_changed():
    tokenizer = BertTokenizer(vocabulary=IDS)
    assert tokenizer("xyz", add_special_tokens=False)["input_ids"] == [1]
    tokenizer.unk_token = "a"
    assert tokenizer("xyz", add_special_tokens=False)["input_ids"] == [5]
    with pytest.raises(TokenizerError, match="unk_token"):
        tokenizer.unk_token = "no such token"


@pytest.mark.parametrize("profile", PROFILES)
def test_ten_megabytes(profile):
    tokenizer = ours(UNCASED, profile)
    text = "A photo of a cat; café ΟΔΟΣ 中文 [MASK] \U0001f600 don't. " * 200_000
    begun = time.process_time()
    ids = tokenizer(text, verbose=False)["input_ids"]
    assert time.process_time() - begun < 60
    assert len(text.encode()) > 10 * 2**20
    part = tokenizer(text[: len(text) // 200_000], add_special_tokens=False)["input_ids"]
    assert ids == [101, *part * 200_000, 102]


def test_the_memory_of_words_is_bounded(monkeypatch):
    monkeypatch.setattr("tokenizers_py.bert.CACHE_WORDS", 10)
    tokenizer = BertTokenizer(vocabulary=IDS)
    for number in range(50):
        tokenizer(f"{'a' * (number + 30)} b{number}")
        assert len(tokenizer._cache) <= 10
        assert max(map(len, tokenizer._cache)) <= 64
