"""Reading what is in a folder: every broken file ends in one error that names it."""

import json
import os

import pytest

from tokenizers_py import AddedToken, CLIPTokenizer, TokenizerError
from tokenizers_py.folders.reading import read_folder

FILES = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.json")


def put(folder, name, content):
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


def test_an_empty_folder(tmp_path):
    files = read_folder(tmp_path)
    assert (files.config, files.tokenizer_json, files.added) == ({}, None, {})
    assert files.path("vocab.json") is None and files.model_type() is None


def test_settings_of_two_files(tmp_path):
    put(tmp_path, "special_tokens_map.json", {"a": 1, "b": 2, "mask_token": {"content": "m"}})
    put(tmp_path, "tokenizer_config.json", {"b": 3, "c": None, "mask_token": "m"})
    config = read_folder(tmp_path).config
    assert config == {"a": 1, "b": 3, "mask_token": {"content": "m"}}


def test_added_tokens_of_three_files(tmp_path):
    put(tmp_path, "added_tokens.json", {"<a>": 7, "<b>": 8, "<c>": 9})
    added = [{"id": 8, "content": "<b>", "lstrip": True}, {"id": 9, "content": "<c>"}]
    put(tmp_path, "tokenizer.json", {"added_tokens": added})
    decoder = {"9": {"content": "<c>", "rstrip": True, "special": True}}
    config = {"pad_token": "<a>", "added_tokens_decoder": decoder}
    put(tmp_path, "tokenizer_config.json", config)
    assert read_folder(tmp_path).added == {
        7: AddedToken("<a>", normalized=False, special=True),
        8: AddedToken("<b>", lstrip=True),
        9: AddedToken("<c>", rstrip=True, special=True, normalized=False),
    }


@pytest.mark.parametrize(
    "decoder, message",
    [
        ({"7": {"content": "<b>"}}, "'<b>' has id 7, but in .*added_tokens.json '<a>' has id 7"),
        ({"8": {"content": "<a>"}}, "'<a>' has id 8, but in .*added_tokens.json '<a>' has id 7"),
        ([1], '"added_tokens_decoder": must be an object'),
        ({"x": {"content": "<b>"}}, "is no id: 'x'"),
        ({"-8": {"content": "<b>"}}, "is no id: '-8'"),
        ({"²": {"content": "<b>"}}, "is no id: '²'"),
        ({"18446744073709551616": {"content": "<b>"}}, "is no id"),
        ({"2147483648": {"content": "<b>"}}, "is no id: 2147483648"),
        ({"8": "<b>"}, "must hold objects; got '<b>'"),
        ({"8": {}}, "must be a token's text"),
        ({"8": {"content": ""}}, "must be a token's text"),
        ({"8": {"content": "\udfff"}}, "must be a token's text"),
        ({"8": {"content": "<b>", "special": "yes"}}, "'special' must be true or false; got 'yes'"),
        ({"8": {"content": "<b>"}, "08": {"content": "<c>"}}, "stands twice"),
        ({"8": {"content": "<b>"}, "9": {"content": "<b>"}}, "stands twice"),
    ],
)
def test_broken_added_tokens_decoder(tmp_path, decoder, message):
    put(tmp_path, "added_tokens.json", {"<a>": 7})
    put(tmp_path, "tokenizer_config.json", {"added_tokens_decoder": decoder})
    with pytest.raises(TokenizerError, match=rf"tokenizer_config\.json.*{message}"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    "added, message",
    [
        ("x", "must be a list; got 'x'"),
        ([5], "is no id: None"),
        ([{"content": "<a>"}], "is no id: None"),
        ([{"id": "3", "content": "<unk>"}], "is no id: '3'"),
        ([{"id": True, "content": "<unk>"}], "is no id: True"),
        ([{"id": 1.0, "content": "<unk>"}], "is no id: 1.0"),
        ([{"id": -1, "content": "<unk>"}], "is no id: -1"),
        ([{"id": 3}], "must be a token's text"),
        ([{"id": 3, "content": "a"}, {"id": 3, "content": "b"}], "'b' or its id 3 stands twice"),
    ],
)
def test_broken_added_tokens_of_tokenizer_json(tmp_path, added, message):
    put(tmp_path, "tokenizer.json", {"added_tokens": added})
    with pytest.raises(TokenizerError, match=rf'tokenizer\.json, "added_tokens": .*{message}'):
        read_folder(tmp_path)


BROKEN = {
    "empty": b"",
    "cut": b'{"a": {"b": [1, 2',
    "text after it": b'{"a": 1} {"b": 2}',
    "comment": b'{"a": 1} // b',
    "comma": b'{"a": 1,}',
    "list": b"[]",
    "null": b"null",
    "number": b"5",
    "twice": b'{"a": 1, "b": {"c": 1, "c": 2}}',
    "NaN": b'{"a": NaN}',
    "infinite": b'{"a": -Infinity}',
    "BOM": b'\xef\xbb\xbf{"a": 1}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16 without BOM": '{"a": 1}'.encode("utf-16-le"),
    "Latin-1": '{"a": "é"}'.encode("latin-1"),
    "surrogate in bytes": b'{"a": "\xed\xa0\x80"}',
    "NUL": b'{"a": "\x00"}',
    "deep": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "long number": b'{"a": ' + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", BROKEN)
def test_broken_json(tmp_path, name, kind):
    (tmp_path / name).write_bytes(BROKEN[kind])
    with pytest.raises(TokenizerError, match=name.replace(".", r"\.")) as error:
        read_folder(tmp_path)
    assert len(str(error.value)) < 300 + len(str(tmp_path))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["folder", "pipe", "link to nothing", "link to itself", "huge"])
def test_what_is_no_readable_file(tmp_path, monkeypatch, name, kind):
    path = tmp_path / name
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "huge":
        path.write_text('{"a": 1}')
        monkeypatch.setattr("tokenizers_py.files.MAX_FILE_BYTES", 7)
    else:
        path.symlink_to(name if kind == "link to itself" else "nowhere")
    with pytest.raises(TokenizerError, match=name.replace(".", r"\.")):
        read_folder(tmp_path)


def test_a_link_to_a_file_is_followed(tmp_path):
    put(tmp_path, "blob", {"a": 1})
    (tmp_path / "tokenizer_config.json").symlink_to("blob")
    assert read_folder(tmp_path).config == {"a": 1}


@pytest.mark.parametrize("depth", range(100, 1100, 50))
@pytest.mark.parametrize(
    "key", ["unk_token", "model_max_length", "added_tokens_decoder", "profile"]
)
def test_a_deeply_nested_value_is_shown_shortened(tmp_path, toy_files, depth, key):
    text = json.dumps({key: 0}).replace("0", '{"x": [' * depth + "]}" * depth)
    (toy_files[0].parent / "tokenizer_config.json").write_text(text)
    with pytest.raises(TokenizerError) as error:
        CLIPTokenizer.from_pretrained(toy_files[0].parent)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("folder", ["nowhere", "a\0b", "x" * 5000, None, 5])
def test_what_is_no_folder(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TokenizerError, match="no folder|no such folder"):
        read_folder(folder)


@pytest.mark.parametrize(
    "config, kind",
    [
        ({"model_type": "clip"}, "clip"),
        ({}, None),
        ({"model_type": "vision-text-dual-encoder"}, None),
        (
            {"model_type": "vision-text-dual-encoder", "text_config": {"model_type": "bert"}},
            "bert",
        ),
    ],
)
def test_kind_of_model(tmp_path, config, kind):
    put(tmp_path, "config.json", config)
    assert read_folder(tmp_path).model_type() == kind
    put(tmp_path, "config.json", {"model_type": 5})
    with pytest.raises(TokenizerError, match=r'config\.json, "model_type": must be text; got 5'):
        read_folder(tmp_path).model_type()
