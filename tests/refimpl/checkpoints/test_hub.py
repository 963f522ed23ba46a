"""A name becomes a folder: from the cache, from a hub on this machine, or one clear error.

The hub is a small server in this process; the real one is never asked.
"""

import builtins
import json
import os
import subprocess
import sys
from pathlib import Path

import hub_server
import msgpack
import numpy as np
import pytest
import torch
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


FORMS = {  # the weights that a repository has -> those that are fetched
    "safetensors before pickles": (
        ["model.safetensors", "pytorch_model.bin", "open_clip_model.safetensors",
         "open_clip_pytorch_model.bin", "flax_model.msgpack", "tf_model.h5"],
        ["model.safetensors"],
    ),
    "shards of safetensors": (
        ["model-00001-of-00001.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
         "open_clip_model.safetensors"],
        ["model-00001-of-00001.safetensors", "model.safetensors.index.json"],
    ),
    "open_clip": (
        ["open_clip_config.json", "open_clip_model.safetensors", "open_clip_pytorch_model.bin",
         "pytorch_model.bin"],
        ["open_clip_config.json", "open_clip_model.safetensors"],
    ),
    "pickles where there is nothing else": (
        ["pytorch_model.bin", "flax_model.msgpack", "tf_model.h5", "model.onnx", "training_args.bin",
         "open_clip_pytorch_model.bin", "optimizer.pt"],
        ["pytorch_model.bin"],
    ),
    "shards of pickles": (
        ["pytorch_model-00001-of-00001.bin", "pytorch_model.bin.index.json", "flax_model.msgpack"],
        ["pytorch_model-00001-of-00001.bin", "pytorch_model.bin.index.json"],
    ),
    "open_clip's pickle": (
        ["open_clip_config.json", "open_clip_pytorch_model.bin", "epoch_1.pt"],
        ["open_clip_config.json", "open_clip_pytorch_model.bin"],
    ),
    "Flax alone": (["flax_model.msgpack", "tf_model.h5"], ["flax_model.msgpack"]),
    "none of ours": (["tf_model.h5", "onnx/model.onnx"], []),
}  # fmt: skip


def weight_files(names, folder):
    """Real files of these names; each index names the tensor of its shard."""
    files = {"config.json": b"{}", "modeling_evil.py": b"raise SystemExit"}
    write_folder(folder, {}, {"x": np.arange(3, dtype=np.float32)})
    torch.save({"x": torch.arange(3, dtype=torch.float32)}, folder / "x.bin")
    for name in names:
        files[name] = b"{}"
        if name.endswith(".safetensors"):
            files[name] = (folder / "model.safetensors").read_bytes()
        elif name.endswith(".bin"):
            files[name] = (folder / "x.bin").read_bytes()
        elif name.endswith(".index.json"):
            shard = next(shard for shard in names if "-of-" in shard)
            files[name] = json.dumps({"weight_map": {"x": shard}}).encode()
        elif name.endswith(".msgpack"):
            raw = np.arange(3, dtype=np.float32).tobytes()
            array = msgpack.ExtType(1, msgpack.packb(((3,), "float32", raw)))
            files[name] = msgpack.packb({"x": array})
    return files


@pytest.mark.parametrize(("there", "wanted"), FORMS.values(), ids=FORMS)
def test_one_form_of_the_weights_is_fetched(there, wanted, tmp_path):
    files = weight_files(there, tmp_path / "source")
    with running_hub(files) as (endpoint, _):
        got = resolve(NAME, cache_dir=tmp_path / "cache", endpoint=endpoint)
    assert {path.name for path in got.iterdir()} == {"config.json", *wanted}
    again = resolve(NAME, cache_dir=tmp_path / "cache", local_files_only=True)
    assert again == got
    if wanted:
        np.testing.assert_array_equal(read_weights(again)["x"], [0, 1, 2])
    else:
        with pytest.raises(InputError, match="no weights here"):
            read_weights(again)


def test_a_processor_needs_no_weights(hub, tmp_path):
    got = resolve(NAME, cache_dir=tmp_path / "cache", endpoint=hub[0], weights=False)
    assert {path.name for path in got.iterdir()} == WANTED - {"model.safetensors"}


def test_a_cache_that_other_programs_filled_with_pickles(tmp_path):
    files = weight_files(["pytorch_model.bin"], tmp_path / "source")
    snapshot = fill_cache(tmp_path / "cache", files)
    got = resolve(NAME, cache_dir=tmp_path / "cache", local_files_only=True)
    assert got == snapshot
    np.testing.assert_array_equal(read_weights(got)["x"], [0, 1, 2])


@pytest.mark.parametrize(
    ("token", "sent"),
    [("hf_given", "Bearer hf_given"), (None, "Bearer hf_environment"), (False, None)],
)
def test_token(token, sent, hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_environment")
    headers = []
    monkeypatch.setattr(
        hub_server.Hub, "log_request", lambda self, *_: headers.append(self.headers)
    )
    resolve(NAME, cache_dir=tmp_path / "cache", endpoint=hub[0], token=token)
    assert headers and {each.get("Authorization") for each in headers} == {sent}


def test_a_token_never_stands_in_a_message(hub, tmp_path):
    for name in ("someone/gated", "someone/nothing", "someone/broken", "a..b"):
        with pytest.raises(InputError) as caught:
            resolve(name, cache_dir=tmp_path / "cache", endpoint=hub[0], token="hf_secret")
        assert "hf_secret" not in str(caught.value)


def test_folders_and_address_by_the_environment(tmp_path):
    """The library reads its variables when it is imported, so a new process is asked."""
    source = "import sys; from refimpl.checkpoints.hub import resolve; print(resolve(sys.argv[1]))"
    files = weight_files(["model.safetensors"], tmp_path / "source")

    def ask(**variables):
        clean = {
            k: v for k, v in os.environ.items() if not k.startswith("HF_") and "proxy" not in k
        }
        asked = subprocess.run(
            [sys.executable, "-c", source, NAME],
            env={**clean, "HF_HUB_DISABLE_XET": "1", **variables},
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        return asked.stdout.strip(), asked.stderr

    with running_hub(files) as (endpoint, _):
        found, error = ask(HF_ENDPOINT=endpoint, HF_HUB_CACHE=str(tmp_path / "cache"))
        assert Path(found).is_relative_to(tmp_path / "cache"), error
        found, error = ask(HF_ENDPOINT=endpoint, HF_HOME=str(tmp_path / "home"))
        assert Path(found).is_relative_to(tmp_path / "home" / "hub"), error
    found, error = ask(HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "home"))
    assert Path(found, "model.safetensors").exists(), error
    found, error = ask(HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "empty"))
    assert not found and "InputError" in error and "not complete in the hub's cache" in error


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
