"""A folder becomes a tokenizer and the other way round, on Transformers' own 23-token vocabulary."""

import hashlib
import json
import os
import pathlib

import pytest
import transformers

from tokenizers_py import AddedToken, CLIPTokenizer, RobertaTokenizer, TokenizerError


@pytest.fixture
def toy_folder(toy_files):
    return toy_files[0].parent


def put(folder, name, content):
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


def test_saved_vocabulary_is_byte_for_byte_that_of_the_released_checkpoints(clip_folder):
    sums = {
        "vocab.json": "5047b556ce86ccaf6aa22b3ffccfc52d391ea4accdab9c2f2407da5b742d4363",
        "merges.txt": "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a",
    }
    for name, digest in sums.items():
        assert hashlib.sha256((clip_folder / name).read_bytes()).hexdigest() == digest


def test_save_and_read_again(toy_files, tmp_path):
    before = CLIPTokenizer(
        *toy_files,
        profile="transformers-slow",
        unk_token="<unk>",
        pad_token="l",
        model_max_length=19,
        padding_side="left",
        truncation_side="left",
        clean_up_tokenization_spaces=True,
    )
    paths = before.save_pretrained(tmp_path / "x" / "y")
    assert sorted(paths) == sorted(str(path) for path in (tmp_path / "x" / "y").iterdir())
    after = CLIPTokenizer.from_pretrained(tmp_path / "x" / "y")
    assert after.get_vocab() == before.get_vocab()
    assert (after.unk_token, after.pad_token, after.profile) == ("<unk>", "l", "transformers-slow")
    assert (after.model_max_length, after.padding_side, after.truncation_side) == (
        19,
        "left",
        "left",
    )
    assert after.clean_up_tokenization_spaces is True
    texts = ["lower", "lower newer"]
    assert after(texts, padding=True) == before(texts, padding=True)


def test_keyword_before_config_before_map_before_default(toy_folder):
    assert CLIPTokenizer.from_pretrained(toy_folder).unk_token == "<|endoftext|>"
    assert CLIPTokenizer.from_pretrained(toy_folder).model_max_length == int(1e30)
    put(
        toy_folder, "special_tokens_map.json", {"unk_token": {"content": "<unk>"}, "pad_token": "l"}
    )
    assert CLIPTokenizer.from_pretrained(toy_folder).unk_token == "<unk>"
    config = {"unk_token": None, "pad_token": "o", "model_max_length": 77}
    put(toy_folder, "tokenizer_config.json", config)
    read = CLIPTokenizer.from_pretrained(toy_folder)
    assert (read.unk_token, read.pad_token, read.model_max_length) == ("<unk>", "o", 77)
    read = CLIPTokenizer.from_pretrained(toy_folder, pad_token="w", model_max_length=5)
    assert (read.pad_token, read.model_max_length) == ("w", 5)


def test_profile_of_keyword_before_that_of_config_before_that_of_class(toy_folder, monkeypatch):
    assert CLIPTokenizer.from_pretrained(toy_folder).profile == "openai"
    put(toy_folder, "config.json", {"model_type": "toy"})
    monkeypatch.setattr(
        CLIPTokenizer,
        "default_profile",
        classmethod(lambda cls, files: {"toy": "transformers"}[files.model_type()]),
    )
    assert CLIPTokenizer.from_pretrained(toy_folder).profile == "transformers"
    put(toy_folder, "tokenizer_config.json", {"profile": "transformers-slow"})
    assert CLIPTokenizer.from_pretrained(toy_folder).profile == "transformers-slow"
    assert CLIPTokenizer.from_pretrained(toy_folder, profile="openai").profile == "openai"
    with pytest.raises(TokenizerError, match=r"profile: must be one of .*got 'open'"):
        CLIPTokenizer.from_pretrained(toy_folder, profile="open")


def test_a_class_with_one_profile(tmp_path):
    transformers.RobertaTokenizer().save_pretrained(tmp_path)
    assert len(RobertaTokenizer.from_pretrained(tmp_path, profile="transformers")) == 5
    with pytest.raises(TokenizerError, match='RobertaTokenizer: has the profile "transformers"'):
        RobertaTokenizer.from_pretrained(tmp_path, profile="fairseq")


def test_sides_that_tokenizer_json_was_saved_with(tmp_path):
    theirs = transformers.CLIPTokenizer()
    theirs.backend_tokenizer.enable_padding(direction="left", length=5)
    theirs.backend_tokenizer.enable_truncation(8, direction="left")
    theirs.backend_tokenizer.save(str(tmp_path / "tokenizer.json"))
    read = transformers.CLIPTokenizer.from_pretrained(tmp_path)
    assert (read.padding_side, read.truncation_side) == ("left", "left")
    ours = CLIPTokenizer.from_pretrained(tmp_path)
    assert (ours.padding_side, ours.truncation_side) == ("left", "left")
    put(tmp_path, "tokenizer_config.json", {"padding_side": "right"})
    assert CLIPTokenizer.from_pretrained(tmp_path).padding_side == "right"
    for broken in ({"direction": "Up"}, {"direction": []}, "Left", 5):
        content = json.loads((tmp_path / "tokenizer.json").read_text())
        put(tmp_path, "tokenizer.json", content | {"padding": broken})
        with pytest.raises(TokenizerError, match=r'tokenizer\.json, "padding": must have a dir'):
            CLIPTokenizer.from_pretrained(tmp_path)


def test_foreign_keys_of_files_are_ignored_and_foreign_keywords_refused(toy_folder):
    config = {
        "auto_map": {"AutoTokenizer": ["evil.EvilTokenizer", None]},
        "name_or_path": "/etc",
        "_name_or_path": "someone/else",
        "vocab_file": "/etc/passwd",
        "merges_file": 5,
        "do_lower_case": "maybe",
        "add_prefix_space": False,
        "chat_template": "{{ 1 }}",
    }
    put(toy_folder, "tokenizer_config.json", config)
    assert len(CLIPTokenizer.from_pretrained(toy_folder)) == 23
    with pytest.raises(TokenizerError, match="from_pretrained: no such keyword: colour, lower"):
        CLIPTokenizer.from_pretrained(toy_folder, lower=True, colour=1)


def test_no_limit_is_spelled_in_several_ways(toy_folder):
    for spelled in (int(1e30), 1e30, 10**30, 1000000000000000019884624838656):
        put(toy_folder, "tokenizer_config.json", {"model_max_length": spelled})
        assert CLIPTokenizer.from_pretrained(toy_folder).model_max_length >= 10**30


def test_added_special_tokens(toy_folder):
    put(toy_folder, "added_tokens.json", {"<pad>": 23})
    put(toy_folder, "tokenizer_config.json", {"pad_token": "<pad>"})
    read = CLIPTokenizer.from_pretrained(toy_folder)
    assert (read.pad_token_id, len(read)) == (23, 24)
    assert read.added_tokens_decoder[23] == AddedToken("<pad>", normalized=False, special=True)
    (toy_folder / "added_tokens.json").unlink()
    decoder = {"23": {"content": "<pad>", "special": True}, "21": {"content": "<|startoftext|>"}}
    config = {"pad_token": "<pad>", "added_tokens_decoder": decoder}
    put(toy_folder, "tokenizer_config.json", config)
    assert CLIPTokenizer.from_pretrained(toy_folder).pad_token_id == 23


def test_added_tokens_with_their_flags(toy_folder, tmp_path):
    """Plain, special, with flags: equal to Transformers 5 on the same folder, and once saved."""
    decoder = {
        "22": {"content": "<|endoftext|>", "special": True, "normalized": False},
        "23": {"content": "newtok", "lstrip": True, "normalized": False},
        "24": {"content": "<mask>", "rstrip": True, "special": True, "normalized": False},
    }
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "added_tokens_decoder": decoder,
        "additional_special_tokens": ["<mask>"],
        "unk_token": "<unk>",
    }
    put(toy_folder, "tokenizer_config.json", config)
    texts = ["low newtoklow", "low<mask>  low", " <mask> newtok<|endoftext|>"]
    theirs = transformers.CLIPTokenizer.from_pretrained(toy_folder)
    ours = CLIPTokenizer.from_pretrained(toy_folder, profile="transformers")
    ours.save_pretrained(tmp_path / "saved")
    again = CLIPTokenizer.from_pretrained(tmp_path / "saved")
    theirs_again = transformers.CLIPTokenizer.from_pretrained(tmp_path / "saved")
    for text in texts:
        assert ours(text).input_ids == theirs(text).input_ids
        assert again(text).input_ids == theirs(text).input_ids
        assert theirs_again(text).input_ids == theirs(text).input_ids
    assert ours.additional_special_tokens == again.additional_special_tokens == ["<mask>"]
    assert json.loads((tmp_path / "saved" / "added_tokens.json").read_text()) == {
        "newtok": 23,
        "<mask>": 24,
    }
    assert "newtok" not in json.loads((tmp_path / "saved" / "vocab.json").read_text())


def test_special_tokens_without_flags_of_their_own_are_left_to_the_reader(toy_folder, tmp_path):
    """4.57.6 finds "<|ENDOFTEXT|>" too unless a folder says how special tokens are matched."""
    CLIPTokenizer.from_pretrained(toy_folder).save_pretrained(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "tokenizer_config.json").read_text())
    assert "added_tokens_decoder" not in config
    flags = {"content": "<|endoftext|>", "normalized": True, "special": True}
    put(toy_folder, "tokenizer_config.json", {"added_tokens_decoder": {"22": flags}})
    CLIPTokenizer.from_pretrained(toy_folder).save_pretrained(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "tokenizer_config.json").read_text())
    assert config["added_tokens_decoder"]["22"]["normalized"] is True


def test_flags_of_a_special_token_that_is_written_as_an_object(toy_folder):
    token = {"content": "<unk>", "lstrip": True, "normalized": False}
    put(toy_folder, "special_tokens_map.json", {"unk_token": token})
    put(toy_folder, "tokenizer_config.json", {"unk_token": "<unk>"})
    ours = CLIPTokenizer.from_pretrained(toy_folder, profile="transformers")
    assert ours.added_tokens_decoder[20].lstrip and ours.added_tokens_decoder[20].special
    theirs = transformers.CLIPTokenizer.from_pretrained(toy_folder)
    for text in ("low  <unk>low", "<unk>"):
        assert ours(text).input_ids == theirs(text).input_ids


TOKEN_Y = {"__type": "AddedToken", "content": "<y>", "lstrip": True}


@pytest.mark.parametrize("key", ["additional_special_tokens", "extra_special_tokens"])
def test_extra_special_tokens_by_file_and_by_keyword(toy_folder, key):
    put(toy_folder, "tokenizer_config.json", {key: ["<x>", TOKEN_Y]})
    read = CLIPTokenizer.from_pretrained(toy_folder, profile="transformers")
    assert read.extra_special_tokens == ["<x>", "<y>"]
    assert read.convert_tokens_to_ids(["<x>", "<y>"]) == [23, 24]
    theirs = transformers.CLIPTokenizer.from_pretrained(toy_folder)
    assert read("low <y> <x>").input_ids == theirs("low <y> <x>").input_ids
    read = CLIPTokenizer.from_pretrained(toy_folder, **{key: ["<z>"]})
    assert (read.extra_special_tokens, len(read)) == (["<z>"], 24)
    with pytest.raises(TokenizerError, match="must be a list of tokens; got 'xyz'"):
        CLIPTokenizer.from_pretrained(toy_folder, **{key: "xyz"})


@pytest.mark.parametrize(
    "added, message",
    [
        ({"<|endoftext|>": 23}, "'<|endoftext|>', id 23: has id 22 already"),
        ({"<pad>": 3}, "'<pad>', id 3: 'e' has it already"),
        ({"<pad>": "23"}, "the id of '<pad>' is no id"),
        ({"": 23}, "'' is no token"),
    ],
)
def test_added_tokens_that_contradict_the_vocabulary(toy_folder, added, message):
    put(toy_folder, "added_tokens.json", added)
    with pytest.raises(TokenizerError, match=message.replace("|", r"\|")):
        CLIPTokenizer.from_pretrained(toy_folder)


@pytest.mark.parametrize(
    "config, message",
    [
        ({"unk_token": 5}, "'unk_token': must be a token's text; got 5"),
        ({"unk_token": {"text": "x"}}, "'unk_token': must be a token's text"),
        ({"unk_token": {"content": "l", "lstrip": 1}}, "'lstrip' must be true or false; got 1"),
        ({"unk_token": "\ud800"}, "'unk_token': must be a token's text"),
        ({"unk_token": "<nowhere>"}, "unk_token: '<nowhere>' is not in the vocabulary"),
        ({"model_max_length": "77"}, "'model_max_length': must be a count; got '77'"),
        ({"model_max_length": 0}, "'model_max_length': must be a count"),
        ({"model_max_length": True}, "'model_max_length': must be a count"),
        ({"model_max_length": 7.5}, "'model_max_length': must be a count"),
        ({"model_max_length": float("inf")}, "Infinity is no number"),
        ({"padding_side": "middle"}, "padding_side: must be one of"),
        ({"padding_side": []}, "'padding_side': must be text"),
        ({"truncation_side": "middle"}, "truncation_side: must be one of"),
        ({"clean_up_tokenization_spaces": "no"}, "must be true or false; got 'no'"),
        ({"profile": "unheard-of"}, "profile: must be one of"),
        ({"additional_special_tokens": "<x>"}, "must be a list of tokens; got '<x>'"),
        ({"additional_special_tokens": [5]}, "must be a token's text; got"),
        ({"errors": 5}, "'errors': must be text"),
        ([], "must hold a JSON object"),
    ],
)
def test_broken_config(toy_folder, config, message):
    put(toy_folder, "tokenizer_config.json", config)
    with pytest.raises(TokenizerError, match=message) as error:
        CLIPTokenizer.from_pretrained(toy_folder)
    assert str(toy_folder) in str(error.value)


def test_a_folder_that_lacks_files(tmp_path, toy_folder):
    with pytest.raises(TokenizerError, match="no such folder"):
        CLIPTokenizer.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(TokenizerError, match=r"vocab\.json: no such folder"):
        CLIPTokenizer.from_pretrained(toy_folder / "vocab.json")
    (toy_folder / "merges.txt").unlink()
    with pytest.raises(TokenizerError, match=r"merges\.txt missing; or tokenizer\.json missing"):
        CLIPTokenizer.from_pretrained(toy_folder)


@pytest.mark.parametrize("fails_at", ["write", "rename"])
def test_a_failed_save_leaves_nothing_half_written(tokenizer, tmp_path, monkeypatch, fails_at):
    def full(*args):
        raise OSError(28, "No space left on device")

    old, new = tmp_path / "old", tmp_path / "new"
    CLIPTokenizer().save_pretrained(old)
    before = {path.name: path.read_bytes() for path in old.iterdir()}
    if fails_at == "rename":
        monkeypatch.setattr(os, "replace", full)
    else:
        real = pathlib.Path.write_bytes

        def half(path, data):
            real(path, data[: len(data) // 2])
            full()

        monkeypatch.setattr(pathlib.Path, "write_bytes", half)
    for folder in (old, new):
        with pytest.raises(TokenizerError, match="No space left"):
            CLIPTokenizer(pad_token="!").save_pretrained(folder)
    assert {path.name: path.read_bytes() for path in old.iterdir()} == before
    assert not new.exists()


def test_saving_over_an_older_save(toy_files, tmp_path):
    first = CLIPTokenizer(*toy_files, pad_token="l")
    first.add_tokens(["newtok"])
    first.save_pretrained(tmp_path / "saved")
    CLIPTokenizer(*toy_files, pad_token="o").save_pretrained(tmp_path / "saved")
    read = CLIPTokenizer.from_pretrained(tmp_path / "saved")
    assert (read.pad_token, len(read)) == ("o", 23)
    assert not (tmp_path / "saved" / "added_tokens.json").exists()


def test_saving_where_something_is_in_the_way(tokenizer, tmp_path):
    put(tmp_path, "tokenizer.json", {})
    before = sorted(tmp_path.iterdir())
    with pytest.raises(TokenizerError, match=r"tokenizer\.json: belongs to another tokenizer"):
        tokenizer.save_pretrained(tmp_path)
    assert sorted(tmp_path.iterdir()) == before
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "file").write_text("")
    with pytest.raises(TokenizerError, match="cannot be written"):
        tokenizer.save_pretrained(tmp_path / "file")
    (tmp_path / "special_tokens_map.json").mkdir()
    with pytest.raises(TokenizerError, match=r"special_tokens_map\.json: .*there is a folder"):
        tokenizer.save_pretrained(tmp_path)
    assert not (tmp_path / "vocab.json").exists()
    for nonsense in (None, 5, "a\0b"):
        with pytest.raises(TokenizerError, match="cannot be written"):
            tokenizer.save_pretrained(nonsense)


def test_a_saved_file_replaces_a_link_and_not_what_it_leads_to(toy_files, tmp_path):
    blob = tmp_path / "blob"
    blob.write_text("{}")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "vocab.json").symlink_to(blob)
    CLIPTokenizer(*toy_files).save_pretrained(tmp_path / "saved")
    assert blob.read_text() == "{}"
    assert not (tmp_path / "saved" / "vocab.json").is_symlink()


def test_save_vocabulary_alone(toy_files, tmp_path):
    tokenizer = CLIPTokenizer(*toy_files)
    put(tmp_path, "tokenizer.json", {})
    put(tmp_path, "added_tokens.json", {})
    paths = tokenizer.save_vocabulary(tmp_path, filename_prefix="toy")
    assert [os.path.basename(path) for path in paths] == ["toy-vocab.json", "toy-merges.txt"]
    assert CLIPTokenizer(*paths).get_vocab() == tokenizer.get_vocab()
    assert (tmp_path / "added_tokens.json").exists()
    for prefix in ("a/b", "../x", "a\0b"):
        with pytest.raises(TokenizerError, match="filename_prefix"):
            tokenizer.save_vocabulary(tmp_path, prefix)


def test_a_name_of_the_wrong_kind():
    for nonsense in (None, 5, b"folder"):
        with pytest.raises(TokenizerError, match="must be a path or a hub id"):
            CLIPTokenizer.from_pretrained(nonsense)
    with pytest.raises(TokenizerError, match="no such folder or file, and it is no hub id"):
        CLIPTokenizer.from_pretrained("a\0b")
