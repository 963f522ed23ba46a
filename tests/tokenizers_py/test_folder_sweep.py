"""Every cut and every changed byte of small files: our error, or what Transformers 5.23 gives."""

import json

import pytest
import transformers

from tokenizers_py import CLIPTokenizer, TokenizerError

TOKENS = "l o w e r l</w> w</w> r</w> lo low</w> er</w> <unk> <|startoftext|> <|endoftext|>".split()
MERGES = [("l", "o"), ("lo", "w</w>"), ("e", "r</w>")]
TEXTS = [
    "lower <unk> low",
    "<|endoftext|>er",
    "LOWER <|ENDOFTEXT|>",
    "lo  w a<x>lo! b",
    "x <|endoftext|> low<|startoftext|>l",
]


@pytest.fixture
def layout_5(tmp_path):
    """tokenizer.json and tokenizer_config.json, as Transformers 5 writes them."""
    ids = {token: number for number, token in enumerate(TOKENS)}
    transformers.CLIPTokenizer(vocab=ids, merges=MERGES).save_pretrained(tmp_path)
    return tmp_path


@pytest.fixture
def layout_4(tmp_path):
    """vocab.json, merges.txt and added_tokens.json."""
    ids = {token: number for number, token in enumerate(TOKENS)}
    (tmp_path / "vocab.json").write_text(json.dumps(ids))
    (tmp_path / "merges.txt").write_text("#version: 0.2\nl o\nlo w</w>\ne r</w>\n")
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<x>": 14, "lo!": 15}))
    return tmp_path


def ids(tokenizer):
    return [list(tokenizer(text)["input_ids"]) for text in TEXTS]


def try_all(folder, name, versions):
    """Load each version of a file; returns how many ended in an error, and how many did not."""
    broken = read = 0
    for content in versions:
        (folder / name).write_bytes(content)
        try:
            ours = ids(CLIPTokenizer.from_pretrained(folder, profile="transformers"))
        except TokenizerError as error:
            assert str(folder) in str(error)
            broken += 1
            continue
        read += 1
        theirs = transformers.CLIPTokenizer.from_pretrained(folder)
        assert ours == ids(theirs), content
    return broken, read


def compact(path):
    """Write JSON without spaces: changes of those are of no interest."""
    content = json.loads(path.read_text(encoding="utf-8"))
    raw = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    path.write_bytes(raw)
    return raw


def changes(raw, step):
    return (raw[:n] + bytes([raw[n] ^ 1]) + raw[n + 1 :] for n in range(0, len(raw), step))


def cuts(raw):
    return [raw[:length] for length in range(0, len(raw), 1 + len(raw) // 400)]


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_tokenizer_json_with_one_byte_changed(layout_5, step):
    raw = compact(layout_5 / "tokenizer.json")
    broken, read = try_all(layout_5, "tokenizer.json", changes(raw, step))
    assert broken > 4 * read > 0


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_files_of_layout_5_cut_short(layout_5, name):
    raw = compact(layout_5 / name)
    assert try_all(layout_5, name, cuts(raw)) == (len(cuts(raw)), 0)


def test_tokenizer_config_with_one_byte_changed(layout_5):
    raw = compact(layout_5 / "tokenizer_config.json")
    broken, read = try_all(layout_5, "tokenizer_config.json", changes(raw, 1))
    assert broken > 50 and read > 50


@pytest.mark.parametrize("name", ["vocab.json", "added_tokens.json"])
def test_files_of_layout_4_cut_short_and_changed(layout_4, name):
    raw = (layout_4 / name).read_bytes()
    assert try_all(layout_4, name, cuts(raw)) == (len(raw), 0)
    # Transformers 5 also refuses merges of parts that are not in the vocabulary; 4 does not.
    (layout_4 / "merges.txt").write_text("#version: 0.2\n")
    broken, read = try_all(layout_4, name, changes(raw, 1))
    assert broken > read > 0
