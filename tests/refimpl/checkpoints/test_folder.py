"""A checkpoint folder: config and weights, whole or in shards, and what is wrong with it."""

import json
import os

import msgpack
import numpy as np
import pytest
import torch

from refimpl import strict_json
from refimpl.checkpoints.folder import read_config, read_weights, write_config, write_folder
from refimpl.checkpoints.safetensors_file import write_safetensors
from refimpl.errors import InputError

CONFIG = {"model_type": "clip", "projection_dim": 6, "text_config": {"hidden_act": "gelu"}}
TENSORS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.float16(2.5)}


def assert_same(got, want):
    assert got.keys() == want.keys()
    for name, x in want.items():
        np.testing.assert_array_equal(got[name], x, strict=True)


@pytest.fixture
def checkpoint(tmp_path):
    write_folder(tmp_path / "model", CONFIG, TENSORS)
    return tmp_path / "model"


def write_shards(folder, shards, weight_map):
    folder.mkdir(exist_ok=True)
    for name, tensors in shards.items():
        write_safetensors(folder / name, tensors)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return folder


def ones(*names):
    return {name: np.ones(2, np.float32) for name in names}


A, B = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def test_round_trip(checkpoint):
    assert read_config(checkpoint) == CONFIG
    assert_same(read_weights(checkpoint), TENSORS)
    assert sorted(path.name for path in checkpoint.iterdir()) == [
        "config.json",
        "model.safetensors",
    ]


def test_config_is_written_as_upstream_writes_it(checkpoint):
    want = json.dumps(CONFIG, indent=2, sort_keys=True) + "\n"
    assert (checkpoint / "config.json").read_text() == want


def test_config_alone(tmp_path):
    write_config(tmp_path / "new" / "folder", {"größe": "大"})
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["config.json"]
    assert read_config(tmp_path / "new" / "folder") == {"größe": "大"}
    assert read_config(tmp_path / "new" / "folder" / "config.json") == {"größe": "大"}


def test_path_of_the_weight_file_stands_for_it_and_the_config_beside_it(checkpoint):
    write_safetensors(checkpoint / "other.safetensors", ones("z"))
    assert read_weights(checkpoint / "other.safetensors").keys() == {"z"}
    assert read_config(str(checkpoint / "other.safetensors")) == CONFIG


def test_folder_reached_through_a_link_and_with_odd_letters(checkpoint, tmp_path):
    (tmp_path / "Ünïcode 文件").symlink_to(checkpoint)
    assert_same(read_weights(tmp_path / "Ünïcode 文件"), TENSORS)


@pytest.mark.parametrize("read", [read_config, read_weights])
def test_nothing_there(read, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match="no such folder or file"):
        read(tmp_path / "missing")
    with pytest.raises(InputError, match=r"neither a folder nor a file of weights \(\.safetensors"):
        read(tmp_path / "notes.txt")
    with pytest.raises(InputError, match=str(tmp_path)):
        read(tmp_path)
    for name in ("x" * 300, "a\0b", ""):
        with pytest.raises(InputError):
            read(tmp_path / name if name else "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "must be a JSON object, got list"),
        ('{"a": 1, "a": 2}', "'a' stands there twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("{", "not valid JSON"),
        ("", "not valid JSON"),
        ("[" * 100_000, "nested deeper than"),
        ('{"a": "' + "x" * 2**24 + '"}', "larger than"),
    ],
    ids=["list", "key twice", "NaN", "cut", "empty", "deep", "large"],
)
def test_bad_config(text, message, checkpoint):
    (checkpoint / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"config\.json: .*" + message):
        read_config(checkpoint)


def test_config_that_is_no_file(checkpoint):
    (checkpoint / "config.json").unlink()
    with pytest.raises(InputError, match=r"no config\.json"):
        read_config(checkpoint)
    os.mkfifo(checkpoint / "config.json")
    with pytest.raises(InputError, match="not a regular file"):
        read_config(checkpoint)


def test_code_and_other_names_in_the_config_are_plain_entries(checkpoint):
    config = {"auto_map": {"AutoModel": "evil--model.Evil"}, "_name_or_path": "/etc/passwd"}
    write_config(checkpoint, config)
    (checkpoint / "model.py").write_text("raise SystemExit('ran')")
    assert read_config(checkpoint) == config


def test_weights_of_tensorflow_are_refused_by_name(checkpoint):
    (checkpoint / "model.safetensors").rename(checkpoint / "tf_model.h5")
    with pytest.raises(InputError, match=r"only tf_model\.h5: .*save_pretrained"):
        read_weights(checkpoint)
    with pytest.raises(InputError, match=r"tf_model\.h5: TensorFlow's .*save_pretrained"):
        read_weights(checkpoint / "tf_model.h5")


def test_path_of_a_pickle_that_is_a_program(checkpoint):
    (checkpoint / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    with pytest.raises(InputError, match=r"pytorch_model\.bin: not a file of torch\.save"):
        read_weights(checkpoint / "pytorch_model.bin")


def save_flax(path, tensors):
    tree = {
        name: msgpack.ExtType(1, msgpack.packb((x.shape, x.dtype.name, x.tobytes())))
        for name, x in tensors.items()
    }
    path.write_bytes(msgpack.packb(tree))


def test_order_of_the_formats_in_a_folder(tmp_path):
    """The first in the list is read: each file holds one tensor that tells which one it was."""

    def one(name):
        return {name: np.ones(2, np.float32)}

    def torch_one(name):
        return {name: torch.ones(2)}

    order = ["one file", "shards", "open_clip", "bin", "bin shards", "open_clip bin", "flax"]
    write_safetensors(tmp_path / "model.safetensors", one("one file"))
    write_shards(tmp_path, {A: one("shards")}, {"shards": A})
    write_safetensors(tmp_path / "open_clip_model.safetensors", one("open_clip"))
    torch.save(torch_one("bin"), tmp_path / "pytorch_model.bin")
    torch.save(torch_one("bin shards"), tmp_path / "pytorch_model-00001-of-00001.bin")
    (tmp_path / "pytorch_model.bin.index.json").write_text(
        json.dumps({"weight_map": {"bin shards": "pytorch_model-00001-of-00001.bin"}})
    )
    torch.save(torch_one("open_clip bin"), tmp_path / "open_clip_pytorch_model.bin")
    save_flax(tmp_path / "flax_model.msgpack", one("flax"))
    (tmp_path / "tf_model.h5").write_bytes(b"")
    found = []
    for name in [
        "model.safetensors", "model.safetensors.index.json", "open_clip_model.safetensors",
        "pytorch_model.bin", "pytorch_model.bin.index.json", "open_clip_pytorch_model.bin",
        "flax_model.msgpack",
    ]:  # fmt: skip
        found += read_weights(tmp_path)
        assert read_weights(tmp_path / name).keys() == read_weights(tmp_path).keys()
        (tmp_path / name).unlink()
    assert found == order
    with pytest.raises(InputError, match=r"only tf_model\.h5"):
        read_weights(tmp_path)


@pytest.mark.parametrize("name", ["m.bin", "m.pt", "m.pth", "m.ckpt"])
def test_endings_of_pytorch_files(name, tmp_path):
    torch.save({"x": torch.arange(3)}, tmp_path / name)
    np.testing.assert_array_equal(read_weights(tmp_path / name)["x"], [0, 1, 2])


# --- shards


def test_shards(tmp_path):
    shards = {A: ones("x", "y"), B: {"z": np.arange(3)}}
    folder = write_shards(tmp_path / "m", shards, {"x": A, "y": A, "z": B})
    assert_same(read_weights(folder), {**shards[A], **shards[B]})


def test_shards_of_pytorch(tmp_path):
    first, second = "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"
    shards = {first: ones("x", "y"), second: {"z": np.arange(3)}}
    for name, tensors in shards.items():
        torch.save({n: torch.from_numpy(x) for n, x in tensors.items()}, tmp_path / name)
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": {"x": first, "y": first, "z": second}}))
    assert_same(read_weights(tmp_path), {**shards[first], **shards[second]})
    index.write_text(json.dumps({"weight_map": {"x": second, "gone": first, "z": "third.bin"}}))
    with pytest.raises(InputError) as caught:
        read_weights(tmp_path)
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("pytorch_model.bin.index.json: does not fit its shards")
    assert sorted(lines[1:]) == sorted(
        [
            "  third.bin: there is no such file",
            f"  x: is in {first}, but the index does not say so",
            f"  y: is in {first}, but the index does not say so",
            f"  z: is in {second}, but the index does not say so",
            f"  gone: is not in {first}, but the index says so",
        ]
    )
    index.write_text(json.dumps({"weight_map": {"x": "../x.bin"}}))
    with pytest.raises(InputError, match=r"'x' must be in a \.bin file of this folder"):
        read_weights(tmp_path)
    index.write_text(json.dumps({"weight_map": {"x": first, "y": first, "z": second}}))
    (tmp_path / second).write_bytes(b"")
    with pytest.raises(InputError, match=f"{second}: not a file of torch.save"):
        read_weights(tmp_path)


def test_one_file_goes_before_an_index(tmp_path):
    folder = write_shards(tmp_path / "m", {A: ones("x")}, {"x": A})
    write_folder(folder, CONFIG, TENSORS)
    assert_same(read_weights(folder), TENSORS)


def test_everything_wrong_with_the_shards_is_told_at_once(tmp_path):
    folder = write_shards(
        tmp_path / "m",
        {A: ones("x", "twice", "extra"), B: ones("twice", "elsewhere")},
        {"x": A, "twice": A, "missing": B, "elsewhere": A, "gone": "gone.safetensors"},
    )
    with pytest.raises(InputError) as caught:
        read_weights(folder)
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("model.safetensors.index.json: does not fit its shards")
    assert sorted(lines[1:]) == sorted(
        [
            "  gone.safetensors: there is no such file",
            f"  extra: is in {A}, but the index does not say so",
            f"  twice: stands in two shards, {A} and {B}",
            f"  elsewhere: is in {B}, but the index does not say so",
            f"  missing: is not in {B}, but the index says so",
        ]
    )


@pytest.mark.parametrize(
    "shard",
    ["../x.safetensors", "/x.safetensors", "a/x.safetensors", "..\\x.safetensors", "~/x.bin",
     "C:x.safetensors", "x\0.safetensors", "x.bin", "..", "", None, 3, ["x.safetensors"]],
)  # fmt: skip
def test_index_never_leads_out_of_the_folder(shard, tmp_path):
    write_safetensors(tmp_path / "x.safetensors", ones("x"))
    folder = write_shards(tmp_path / "m", {}, {"x": shard})
    with pytest.raises(InputError, match=r"'x' must be in a \.safetensors file of this folder"):
        read_weights(folder)


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"weight_map": []}', '{"weight_map": {}}', "{", "null"]
)
def test_index_of_another_kind(text, tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(InputError, match=r"model\.safetensors\.index\.json: "):
        read_weights(tmp_path)


def test_tensor_twice_in_the_index(tmp_path):
    text = f'{{"weight_map": {{"x": "{A}", "x": "{B}"}}}}'
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(InputError, match="'x' stands there twice"):
        read_weights(tmp_path)


def test_empty_shard(tmp_path):
    folder = write_shards(tmp_path / "m", {A: ones("x")}, {"x": A, "y": B})
    (folder / B).write_bytes(b"")
    with pytest.raises(InputError, match=f"{B}: not a safetensors file: only 0 bytes"):
        read_weights(folder)


# --- writing


@pytest.mark.parametrize("value", [float("nan"), object(), np.float32(1), {1, 2}])
def test_config_that_is_not_json_is_refused_before_anything_is_written(value, tmp_path):
    with pytest.raises(InputError, match=r"config\.json: cannot be saved as JSON"):
        write_folder(tmp_path / "m", {"a": value}, TENSORS)
    assert not (tmp_path / "m").exists()


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "a\0b"):
        with pytest.raises(InputError, match="cannot be made"):
            write_folder(place, CONFIG, TENSORS)


def test_failure_between_the_files_keeps_each_whole(checkpoint, monkeypatch):
    before = (checkpoint / "config.json").read_bytes()

    def no_space(path):
        raise InputError(f"{path}: no space")

    monkeypatch.setattr(strict_json, "open_for_replacing", no_space)
    with pytest.raises(InputError, match="no space"):
        write_folder(checkpoint, {"new": 1}, ones("new"))
    assert (checkpoint / "config.json").read_bytes() == before
    assert read_weights(checkpoint).keys() == {"new"}
    assert len(list(checkpoint.iterdir())) == 2
