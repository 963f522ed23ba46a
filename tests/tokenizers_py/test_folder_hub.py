"""A tokenizer from the hub: only its files are fetched, and the cache is enough afterwards.

What the shared download can answer is tested in tests/refimpl/checkpoints/test_hub.py.
"""

import json

import pytest
from hub_server import COMMIT, NAME, fill_cache, go_online, running_hub

from tokenizers_py import AutoTokenizer, CLIPTokenizer, TokenizerError
from tokenizers_py.folders.hub import TOKENIZER_PATTERNS, resolve

NEVER = {
    "model.safetensors": b"weights",
    "pytorch_model.bin": b"pickle",
    "tokenization_evil.py": b"raise SystemExit",
    "README.md": b"# card",
    "preprocessor_config.json": b"{}",
    "onnx/tokenizer.json": b"{}",
    "onnx/spiece.model": b"",
}


@pytest.fixture
def files(toy_files, tmp_path):
    """A repository: a saved tokenizer, all else that one may have, and what is not fetched."""
    CLIPTokenizer(*toy_files, unk_token="<unk>").save_pretrained(tmp_path / "source")
    found = {path.name: path.read_bytes() for path in (tmp_path / "source").iterdir()}
    config = json.dumps({"model_type": "clip", "auto_map": {"AutoTokenizer": "evil.Evil"}})
    return {**found, "config.json": config.encode()}


@pytest.fixture(autouse=True)
def online(monkeypatch):
    go_online(monkeypatch)


@pytest.mark.parametrize("kind", [CLIPTokenizer, AutoTokenizer])
def test_from_the_hub_and_then_from_the_cache(kind, files, tmp_path, monkeypatch):
    with running_hub({**files, **NEVER}) as (endpoint, asked):
        folder = resolve(NAME, cache_dir=tmp_path / "cache", endpoint=endpoint)
    assert {path.name for path in folder.rglob("*") if path.is_file()} == files.keys()
    assert {path.rpartition("/")[2] for _, path in asked if "/resolve/" in path} == files.keys()
    read = kind.from_pretrained(NAME, cache_dir=tmp_path / "cache", local_files_only=True)
    assert isinstance(read, CLIPTokenizer) and read.unk_token == "<unk>"


def test_every_file_of_a_tokenizer_is_fetched(tmp_path):
    names = [name.replace("*", "spiece") for name in TOKENIZER_PATTERNS]
    with running_hub(dict.fromkeys(names, b"{}")) as (endpoint, _):
        folder = resolve(NAME, cache_dir=tmp_path, endpoint=endpoint)
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)


def test_from_a_revision_in_the_cache(files, tmp_path):
    fill_cache(tmp_path / "cache", files)
    options = {"cache_dir": tmp_path / "cache", "local_files_only": True}
    for revision in (None, "main", COMMIT):
        read = CLIPTokenizer.from_pretrained(NAME, revision=revision, **options)
        assert len(read) == 23
    with pytest.raises(TokenizerError, match=r"tiny-clip', revision 'v2': .*only local files"):
        CLIPTokenizer.from_pretrained(NAME, revision="v2", **options)


def test_a_cache_with_a_hole_in_it(files, tmp_path):
    snapshot = fill_cache(tmp_path / "cache", files)
    (snapshot / "tokenizer_config.json").resolve().unlink()
    with pytest.raises(TokenizerError, match=r"tokenizer_config\.json: no such file"):
        CLIPTokenizer.from_pretrained(NAME, cache_dir=tmp_path / "cache", local_files_only=True)


def test_a_path_is_never_taken_for_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (tmp_path / "x", "./x", "../x", "~/x", "a/b/c", "x.json", ""):
        with pytest.raises(TokenizerError, match="no such folder or file, and it is no hub id"):
            AutoTokenizer.from_pretrained(name, local_files_only=True)
