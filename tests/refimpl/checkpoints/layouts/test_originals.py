"""Which layout a path has: folders, files, what lies beside them, and what nobody knows."""

import json
import shutil
from pathlib import Path

import numpy as np
import original_models
import pytest
from safetensors.numpy import load_file, save_file

from refimpl import (
    AutoConfig,
    AutoModel,
    CLIPConfig,
    CLIPModel,
    CLIPVisionModel,
    InputError,
    SiglipModel,
)
from refimpl.checkpoints import originals
from refimpl.checkpoints.folder import read_weights
from refimpl.checkpoints.originals import ORIGINS, read_checkpoint, read_checkpoint_config
from refimpl.cli import main

TOWER = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
CONFIG = CLIPConfig(
    text_config={**TOWER, "vocab_size": 9, "intermediate_size": 8},
    vision_config={**TOWER, "image_size": 8, "patch_size": 4, "intermediate_size": 8},
)
SIDE = {"vision_cfg": {}, "text_cfg": {}}


@pytest.fixture
def hub(tmp_path):
    folder = tmp_path / "model"
    CLIPModel(CONFIG).save_pretrained(folder)
    return folder


def same(found, folder):
    wanted = load_file(folder / "model.safetensors")
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


def test_the_hubs_layout_is_read_as_it_is(hub):
    for path in (hub, str(hub), hub / "model.safetensors"):
        config, tensors, origin, where, pictures = read_checkpoint(path)
        assert config == json.loads((hub / "config.json").read_text())
        assert (origin, where, pictures) == ("the hub", str(path), None)
        same(tensors, hub)


def test_the_hubs_weights_win_over_open_clips_beside_them(hub):
    """As in laion's folders on the hub, which hold both."""
    save_file({"visual.proj": np.zeros((2, 2), np.float32)}, hub / "open_clip_model.safetensors")
    (hub / "open_clip_config.json").write_text(json.dumps(SIDE))
    same(read_checkpoint(hub).tensors, hub)
    same(CLIPModel.from_pretrained(hub).state_dict(), hub)


def test_open_clips_weights_are_asked_for_by_name(hub):
    save_file({"visual.proj": np.zeros((2, 2), np.float32)}, hub / "open_clip_model.safetensors")
    (hub / "open_clip_config.json").write_text(json.dumps(SIDE))
    with pytest.raises(InputError, match="visual.conv1.weight is missing|token_embedding"):
        read_checkpoint(hub / "open_clip_model.safetensors")
    (hub / "model.safetensors").unlink()
    with pytest.raises(InputError, match="visual.conv1.weight is missing|token_embedding"):
        read_checkpoint(hub)


def test_the_config_alone(hub):
    wanted = json.loads((hub / "config.json").read_text())
    assert read_checkpoint_config(hub / "config.json") == wanted
    (hub / "model.safetensors").unlink()
    assert read_checkpoint_config(hub) == wanted


def test_a_config_given_by_the_caller_needs_none_in_the_folder(hub):
    (hub / "config.json").unlink()
    same(CLIPModel.from_pretrained(hub, config=CONFIG).state_dict(), hub)
    same(CLIPModel.from_pretrained(hub / "model.safetensors", config=CONFIG).state_dict(), hub)
    with pytest.raises(InputError, match="config.json"):
        CLIPModel.from_pretrained(hub)


def test_what_nobody_knows_is_answered_with_what_is_known(tmp_path):
    save_file({"conv.weight": np.zeros(2, np.float32)}, tmp_path / "resnet.safetensors")
    with pytest.raises(InputError) as caught:
        read_checkpoint(tmp_path)
    message = str(caught.value)
    assert all(f"  {each.name}: {each.sign}" in message for each in ORIGINS)
    assert "begin with conv.weight" in message and "quick_gelu" not in message


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "config.json"),
        (["a.pt", "b.npz"], "one file of weights .*here: a.pt, b.npz"),
        (["readme.txt"], "config.json"),
    ],
)
def test_folders_that_are_no_checkpoint(files, message, tmp_path):
    for name in files:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=message):
        read_checkpoint(tmp_path)
    with pytest.raises(InputError, match="config.json"):
        read_checkpoint_config(tmp_path)


@pytest.mark.parametrize("name", ["nowhere", "nowhere.pt", "nowhere/config.json"])
def test_nothing_there(name, tmp_path):
    for read in (read_checkpoint, read_checkpoint_config):
        with pytest.raises(InputError, match="no such"):
            read(tmp_path / name)


@pytest.mark.parametrize("text", ["[1]", "{", '{"model_cfg": 3}', '{"a": 1, "a": 2}'])
def test_broken_side_configs(text, tmp_path):
    save_file({"x": np.zeros(1, np.float32)}, tmp_path / "open_clip_model.safetensors")
    (tmp_path / "open_clip_config.json").write_text(text)
    with pytest.raises(InputError, match="open_clip"):
        read_checkpoint(tmp_path)


def test_a_broken_file_is_told_as_its_reader_tells_it(hub):
    shutil.copy(Path(__file__), hub.parent / "lies.pt")
    with pytest.raises(InputError, match="lies.pt"):
        CLIPModel.from_pretrained(hub.parent / "lies.pt")


@pytest.fixture
def original(tmp_path):
    """A file of OpenAI's names, and the list of the files that were read since."""
    net = original_models.openai_model().CLIP(16, 8, 1, 64, 4, 5, 9, 64, 1, 1)
    numbers = {name: np.array(1) for name in ("input_resolution", "context_length", "vocab_size")}
    save_file(numbers | original_models.tensors_of(net), tmp_path / "clip.safetensors")
    return tmp_path / "clip.safetensors"


@pytest.mark.parametrize(
    "use",
    [
        CLIPModel.from_pretrained,
        CLIPVisionModel.from_pretrained,
        AutoModel.from_pretrained,
        AutoConfig.from_pretrained,
        lambda path: main(["info", str(path)]),
        lambda path: main(["convert", str(path), str(path.parent / "new")]),
    ],
    ids=["model", "tower", "AutoModel", "AutoConfig", "info", "convert"],
)
def test_an_original_is_read_once(use, original, monkeypatch, capsys):
    read = []

    def watched(path):
        read.append(path)
        return read_weights(path)

    monkeypatch.setattr(originals, "read_weights", watched)
    use(original)
    assert read == [original] and capsys.readouterr().err == ""


def test_what_was_read_can_be_given_to_several_classes(original):
    checkpoint = read_checkpoint(original)
    model, tower = (kind.from_pretrained(checkpoint) for kind in (CLIPModel, CLIPVisionModel))
    wanted = model.state_dict()
    assert all(np.array_equal(wanted[name], x) for name, x in tower.state_dict().items())
    with pytest.raises(InputError, match=r"clip\.safetensors: SiglipConfig: .*'clip'"):
        SiglipModel.from_pretrained(checkpoint)
    with pytest.raises(InputError, match="missing"):
        CLIPModel.from_pretrained(checkpoint._replace(tensors={}))
