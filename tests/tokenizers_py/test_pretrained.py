import hashlib
import json
import os

import pytest

from tokenizers_py import CLIPTokenizer, TokenizerError, pretrained


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
        *toy_files, unk_token="<unk>", pad_token="l", model_max_length=9, padding_side="left"
    )
    paths = before.save_pretrained(tmp_path / "x" / "y")
    assert sorted(paths) == sorted(str(path) for path in (tmp_path / "x" / "y").iterdir())
    after = CLIPTokenizer.from_pretrained(tmp_path / "x" / "y")
    assert after.get_vocab() == before.get_vocab()
    assert (after.unk_token, after.pad_token) == ("<unk>", "l")
    assert (after.model_max_length, after.padding_side) == (9, "left")
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


def test_added_special_tokens(toy_folder):
    put(toy_folder, "added_tokens.json", {"<pad>": 23})
    put(toy_folder, "tokenizer_config.json", {"pad_token": "<pad>"})
    read = CLIPTokenizer.from_pretrained(toy_folder)
    assert (read.pad_token_id, len(read)) == (23, 24)
    (toy_folder / "added_tokens.json").unlink()
    decoder = {"23": {"content": "<pad>", "special": True}, "21": {"content": "<|startoftext|>"}}
    config = {"pad_token": "<pad>", "added_tokens_decoder": decoder}
    put(toy_folder, "tokenizer_config.json", config)
    assert CLIPTokenizer.from_pretrained(toy_folder).pad_token_id == 23


@pytest.mark.parametrize(
    "added, message",
    [
        ({"newtok": 23}, "'newtok' .id 23. is not supported"),
        ({"<|endoftext|>": 23}, "has id 23, but id 22 in the vocabulary"),
        ({"<pad>": 3}, "'<pad>' has id 3, as has 'e'"),
        ({"<pad>": "23"}, "the id of '<pad>' is no id"),
    ],
)
def test_added_tokens_that_contradict(toy_folder, added, message):
    put(toy_folder, "added_tokens.json", added)
    with pytest.raises(TokenizerError, match=message):
        CLIPTokenizer.from_pretrained(toy_folder, pad_token="<pad>")


@pytest.mark.parametrize(
    "config, message",
    [
        ({"unk_token": 5}, "'unk_token': must be a token's text; got 5"),
        ({"unk_token": {"text": "x"}}, "'unk_token': must be a token's text"),
        ({"unk_token": "<nowhere>"}, "unk_token: '<nowhere>' is not in the vocabulary"),
        ({"model_max_length": "77"}, '"model_max_length" must be a count'),
        ({"model_max_length": 0}, '"model_max_length" must be a count'),
        ({"model_max_length": True}, '"model_max_length" must be a count'),
        ({"model_max_length": float("inf")}, '"model_max_length" must be a count'),
        ({"padding_side": "middle"}, "padding_side: must be one of"),
        ({"truncation_side": "left"}, '"truncation_side" other than "right"'),
        ({"added_tokens_decoder": []}, None),
        ({"added_tokens_decoder": [1]}, '"added_tokens_decoder" must be an object'),
        ({"added_tokens_decoder": {"x": {"content": "<pad>"}}}, "is no id: 'x'"),
        ([], "must hold a JSON object"),
    ],
)
def test_broken_config(toy_folder, config, message):
    put(toy_folder, "tokenizer_config.json", config)
    if message is None:
        assert len(CLIPTokenizer.from_pretrained(toy_folder)) == 23
        return
    with pytest.raises(TokenizerError, match=message) as error:
        CLIPTokenizer.from_pretrained(toy_folder)
    assert str(toy_folder) in str(error.value)


def toy_json(toy_folder, **changes):
    model = {
        "type": "BPE",
        "vocab": json.loads((toy_folder / "vocab.json").read_text()),
        "merges": ["l o", "lo w</w>", ["e", "r</w>"]],
        "end_of_word_suffix": "</w>",
        "continuing_subword_prefix": "",
    }
    for name in ("vocab.json", "merges.txt"):
        (toy_folder / name).unlink()
    return {"added_tokens": [{"id": 20, "content": "<unk>"}], "model": {**model, **changes}}


def test_tokenizer_json_alone_with_both_forms_of_merges(toy_folder):
    put(toy_folder, "tokenizer.json", toy_json(toy_folder))
    read = CLIPTokenizer.from_pretrained(toy_folder, unk_token="<unk>")
    assert read("lower newer").input_ids == [21, 10, 2, 16, 9, 3, 2, 16, 22]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"type": "WordPiece"}, 'of type "BPE"'),
        ({"end_of_word_suffix": None}, "word ends"),
        ({"vocab": [1]}, '"vocab": must be an object'),
        ({"merges": {}}, '"merges": must be a list'),
        ({"merges": ["l o", "l"]}, '"merges", entry 1: must be'),
        ({"merges": [["l", "o", "w"]]}, '"merges", entry 0: must be'),
        ({"merges": [["l", 5]]}, '"merges", entry 0: must be'),
        ({"merges": ["l o", ["l", "o"]]}, '"merges", entry 1: the merge .l o. stands'),
        ({"merges": ["n d"]}, "entry 0: makes 'nd', which is not in its vocab"),
    ],
)
def test_broken_tokenizer_json(toy_folder, changes, message):
    put(toy_folder, "tokenizer.json", toy_json(toy_folder, **changes))
    with pytest.raises(TokenizerError, match=f"tokenizer.json(:|,) .*{message}"):
        CLIPTokenizer.from_pretrained(toy_folder)


@pytest.mark.parametrize("added", ["x", [5], [{"id": 3}], [{"id": "3", "content": "<unk>"}]])
def test_broken_added_tokens_of_tokenizer_json(toy_folder, added):
    put(toy_folder, "tokenizer.json", {**toy_json(toy_folder), "added_tokens": added})
    with pytest.raises(TokenizerError, match=r'tokenizer\.json.* ?"added_tokens"'):
        CLIPTokenizer.from_pretrained(toy_folder)


def test_a_folder_that_lacks_files(tmp_path, toy_folder):
    with pytest.raises(TokenizerError, match="no such folder"):
        CLIPTokenizer.from_pretrained(tmp_path / "nowhere")
    (toy_folder / "merges.txt").unlink()
    with pytest.raises(TokenizerError, match=r"merges\.txt missing"):
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
        real = pretrained.Path.write_bytes

        def half(path, data):
            real(path, data[: len(data) // 2])
            full()

        monkeypatch.setattr(pretrained.Path, "write_bytes", half)
    for folder in (old, new):
        with pytest.raises(TokenizerError, match="No space left"):
            CLIPTokenizer(pad_token="!").save_pretrained(folder)
    assert {path.name: path.read_bytes() for path in old.iterdir()} == before
    assert not new.exists()


def test_saving_beside_a_file_that_readers_prefer(tokenizer, tmp_path):
    put(tmp_path, "tokenizer.json", {})
    with pytest.raises(TokenizerError, match=r"tokenizer\.json: belongs to another tokenizer"):
        tokenizer.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "file").write_text("")
    with pytest.raises(TokenizerError, match="cannot be written"):
        tokenizer.save_pretrained(tmp_path / "file")
