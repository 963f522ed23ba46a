"""A name becomes a folder: from the cache, from a hub on this machine, or one clear error.

The hub is a small server in this process; the real one is never asked.
"""

import builtins
from pathlib import Path

import numpy as np
import pytest
from hub_server import COMMIT, NAME, fill_cache, go_online, running_hub

from refimpl.checkpoints.folder import read_config, read_weights, write_folder
from refimpl.checkpoints.hub import resolve
from refimpl.errors import InputError


def checkpoint_files(folder):
    """The files of a repository as bytes: a checkpoint, and what must never be fetched."""
    write_folder(folder, {"model_type": "clip"}, {"x": np.arange(3, dtype=np.float32)})
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    files["merges.txt"] = b"#version: 0.2\n"
    files["spiece.model"] = b"\n"
    files["modeling_evil.py"] = b"raise SystemExit"
    files["pytorch_model.bin"] = b"pickle"
    files["README.md"] = b"# card"
    files["onnx/config.json"] = b"{}"
    return files


WANTED = {"config.json", "model.safetensors", "merges.txt", "spiece.model"}


@pytest.fixture
def hub(tmp_path):
    with running_hub(checkpoint_files(tmp_path / "source")) as running:
        yield running


@pytest.fixture(autouse=True)
def online(monkeypatch):
    go_online(monkeypatch)


def assert_checkpoint(folder):
    assert read_config(folder) == {"model_type": "clip"}
    np.testing.assert_array_equal(read_weights(folder)["x"], [0, 1, 2])


def test_folder_and_file_are_taken_as_they_are(tmp_path, monkeypatch):
    write_folder(tmp_path / NAME, {}, {})
    monkeypatch.chdir(tmp_path)
    assert resolve(NAME) == Path(NAME)
    assert resolve(tmp_path / NAME) == tmp_path / NAME
    assert resolve(str(tmp_path / NAME / "config.json")) == tmp_path / NAME / "config.json"


@pytest.mark.parametrize(
    "name",
    ["", "/missing", "./missing", "../missing", "~/missing", "a/b/c", "a b", "é", "a\0b", "-a",
     "a/", "/", "a\\b", "model.safetensors", "x/model.safetensors", "a" * 97, Path("someone/tiny"),
     "https://example.org/a"],
)  # fmt: skip
def test_what_cannot_be_a_hub_id(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    if name == "/":
        assert resolve(name) == Path("/")
        return
    with pytest.raises(InputError, match="no such folder or file, and it is no hub id"):
        resolve(name, local_files_only=True)


@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_from_the_cache(revision, tmp_path):
    files = checkpoint_files(tmp_path / "source")
    snapshot = fill_cache(tmp_path / "cache", {name: files[name] for name in WANTED})
    got = resolve(NAME, revision=revision, cache_dir=tmp_path / "cache", local_files_only=True)
    assert got == snapshot
    assert_checkpoint(got)


def test_not_in_the_cache(tmp_path):
    with pytest.raises(
        InputError, match=r"tiny-clip'.*not complete in the hub's cache.*only local"
    ):
        resolve(NAME, cache_dir=tmp_path, local_files_only=True)
    fill_cache(tmp_path, {"config.json": b"{}"})
    with pytest.raises(InputError, match="revision 'v2'"):
        resolve(NAME, revision="v2", cache_dir=str(tmp_path), local_files_only=True)


def test_from_the_hub_comes_only_data(hub, tmp_path):
    endpoint, asked = hub
    got = resolve(NAME, cache_dir=tmp_path / "cache", endpoint=endpoint)
    assert {str(path.relative_to(got)) for path in got.rglob("*") if path.is_file()} == WANTED
    assert_checkpoint(got)
    fetched = {path.rpartition("/")[2] for command, path in asked if "/resolve/" in path}
    assert fetched == WANTED
    asked.clear()
    again = resolve(NAME, cache_dir=tmp_path / "cache", local_files_only=True, endpoint=endpoint)
    assert again == got and asked == []


def test_cache_is_used_when_the_network_is_down(hub, tmp_path):
    got = resolve(NAME, cache_dir=tmp_path / "cache", endpoint=hub[0])
    down = "http://127.0.0.1:9"
    assert resolve(NAME, cache_dir=tmp_path / "cache", endpoint=down) == got


def test_network_is_down_and_nothing_in_the_cache(tmp_path):
    with pytest.raises(InputError, match="tiny-clip'"):
        resolve(NAME, cache_dir=tmp_path, endpoint="http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("name", "revision", "message"),
    [
        ("someone/nothing", None, "neither a folder here nor a repository"),
        ("nothing", None, "neither a folder here nor a repository"),
        (NAME, "v9", "tiny-clip', revision 'v9': the repository has no such revision"),
        ("someone/gated", None, "ask for access"),
        ("someone/broken", None, "someone/broken'"),
        ("a..b", None, "fetching from the hub failed"),
    ],
)
def test_refusals_of_the_hub(name, revision, message, hub, tmp_path):
    with pytest.raises(InputError, match=message):
        resolve(name, revision=revision, cache_dir=tmp_path / "cache", endpoint=hub[0])


def test_offline_by_the_environment(hub, tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="not complete in the hub's cache"):
        resolve(NAME, cache_dir=tmp_path / "cache", endpoint=hub[0])
    assert hub[1] == []


def test_package_missing(tmp_path, monkeypatch):
    def without_hub(name, *args, **kwargs):
        if name.startswith("huggingface_hub"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", without_hub)
    with pytest.raises(InputError, match=r'no such folder; .*pip install "clip-refimpl\[hub\]"'):
        resolve(NAME, cache_dir=tmp_path)
