"""refimpl convert: originals to the hub's layout, never half a checkpoint."""

import json
import os
import shutil

import numpy as np
import original_models
import pytest
import tiny_checkpoints
import torch
from comparing import assert_close
from safetensors.numpy import load_file

import refimpl
from refimpl import AutoProcessor, AutoTokenizer, CLIPImageProcessor, CLIPModel
from refimpl.cli import main
from refimpl.demo import model_folder

SIDE = {
    "model_cfg": {
        "embed_dim": 20,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 16, "layers": 1, "width": 64, "patch_size": 8},
        "text_cfg": {"context_length": 7, "vocab_size": 30, "width": 64, "heads": 1, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]},
}


@pytest.fixture
def source(tmp_path):
    """A folder as open_clip's authors publish it."""
    folder = tmp_path / "source"
    folder.mkdir()
    net = original_models.randomised(
        original_models.original("open_clip").CLIP(**SIDE["model_cfg"])
    )
    torch.save(net.state_dict(), folder / "open_clip_pytorch_model.bin")
    (folder / "open_clip_config.json").write_text(json.dumps(SIDE))
    return folder


def run(capsys, *arguments):
    code = main([str(each) for each in arguments])
    return (code, *capsys.readouterr())


def test_what_is_written_loads_to_the_same_model(capsys, source, tmp_path):
    target = tmp_path / "new" / "target"
    code, out, err = run(capsys, "convert", source, target)
    assert (code, err) == (0, "") and "open_clip" in out and "no tokenizer files" in out
    names = ["config.json", "model.safetensors", "preprocessor_config.json"]
    assert sorted(os.listdir(target)) == names
    assert os.listdir(target.parent) == ["target"]  # nothing temporary stays
    pixels, ids = original_models.pixels(2, 16), original_models.ids(2, 7, 30)
    outputs = [
        CLIPModel.from_pretrained(place)(ids, pixels).logits_per_image for place in (source, target)
    ]
    assert_close(outputs[1], outputs[0], 0, "logits")
    tensors = load_file(target / "model.safetensors")
    assert {x.dtype for x in tensors.values()} == {np.dtype("float32")}
    processor = CLIPImageProcessor.from_pretrained(target)
    assert processor.image_mean == [0.1, 0.2, 0.3] and processor.size == {"shortest_edge": 16}
    assert run(capsys, "info", target)[0] == 0


def test_transformers_loads_what_is_written(capsys, source, tmp_path):
    import transformers

    run(capsys, "convert", source, tmp_path / "target")
    theirs = transformers.CLIPModel.from_pretrained(tmp_path / "target").eval()
    pixels, ids = original_models.pixels(2, 16), original_models.ids(2, 7, 30)
    with torch.no_grad():
        wanted = theirs(torch.tensor(ids), torch.tensor(pixels)).logits_per_image
    found = CLIPModel.from_pretrained(source)(ids, pixels).logits_per_image
    assert_close(found, wanted, 1e-5, "logits")


def test_json_is_one_document(capsys, source, tmp_path):
    code, out, err = run(capsys, "convert", source, tmp_path / "target", "--json")
    facts = json.loads(out)
    assert (code, err, facts["origin"], facts["class"]) == (0, "", "open_clip", "CLIPModel")
    assert facts["files"] == sorted(os.listdir(tmp_path / "target"))


def test_the_hubs_own_layout_and_its_pictures(capsys, tmp_path):
    code, out, _ = run(capsys, "convert", model_folder(), tmp_path / "target", "--json")
    assert code == 0 and json.loads(out)["origin"] == "the hub"
    wanted, found = (
        load_file(folder / "model.safetensors") for folder in (model_folder(), tmp_path / "target")
    )
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)
    assert found.keys() == wanted.keys()
    assert CLIPImageProcessor.from_pretrained(tmp_path / "target").size == (
        CLIPImageProcessor.from_pretrained(model_folder()).size
    )


def test_a_checkpoint_that_is_there_is_kept_unless_forced(capsys, source, tmp_path):
    target = tmp_path / "target"
    shutil.copytree(model_folder(), target)
    before = (target / "model.safetensors").read_bytes()
    code, out, err = run(capsys, "convert", source, target)
    assert (code, out) == (2, "") and "--force" in err and err.count("\n") == 1
    assert (target / "model.safetensors").read_bytes() == before
    (target / "vocab.json").write_text("{}")
    assert run(capsys, "convert", source, target, "--force")[0] == 0
    assert CLIPModel.from_pretrained(target).config.projection_dim == 20
    assert (target / "vocab.json").exists()  # what is not written here is left alone


def test_an_empty_folder_is_a_good_target(capsys, source, tmp_path):
    (tmp_path / "target").mkdir()
    assert run(capsys, "convert", source, tmp_path / "target")[0] == 0
    assert CLIPModel.from_pretrained(tmp_path / "target").config.projection_dim == 20


def test_a_conversion_in_place(capsys, source):
    assert run(capsys, "convert", source, source)[0] == 0
    assert CLIPModel.from_pretrained(source).config.projection_dim == 20


@pytest.mark.parametrize("folder_exists", [True, False])
def test_nothing_stays_of_a_failure(capsys, source, tmp_path, monkeypatch, folder_exists):
    target = tmp_path / "target"
    if folder_exists:
        target.mkdir()

    def fail(*_):
        raise refimpl.InputError("the disk is full")

    monkeypatch.setattr("refimpl.strict_json.write_json", fail)
    before = sorted(os.listdir(tmp_path))
    code, out, err = run(capsys, "convert", source, target)
    assert (code, out, err) == (2, "", "refimpl: error: the disk is full\n")
    assert sorted(os.listdir(tmp_path)) == before
    assert not folder_exists or os.listdir(target) == []


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("./nowhere.pt", "target", "nowhere.pt"),
        (__file__, "target", "test_cli_convert.py"),
        (model_folder(), __file__, "TARGET must be a folder"),
        (model_folder(), f"{__file__}/deep", "test_cli_convert.py"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    capsys, tmp_path, monkeypatch, source, target, message
):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "convert", source, target)
    assert (code, out) == (2, "") and err.count("\n") == 1 and message in err
    assert os.listdir(tmp_path) == []


def test_a_config_of_no_known_family(capsys, tmp_path):
    shutil.copytree(model_folder(), tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config |= {"model_type": "llama", "architectures": ["LlamaModel"]}
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    for arguments in (("convert", tmp_path / "model", tmp_path / "target"), ("info",)):
        code, _, err = run(capsys, *arguments, *([tmp_path / "model"] * (len(arguments) == 1)))
        assert code == 2 and "model_type 'llama'" in err and "chinese_clip" in err


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "preprocessor_config.json"])
def test_a_folder_where_a_file_is_to_be_is_found_before_anything_is_written(capsys, tmp_path, name):
    (tmp_path / "target" / name).mkdir(parents=True)
    code, out, err = run(capsys, "convert", model_folder(), tmp_path / "target", "--force")
    assert (code, out) == (2, "") and "is a folder" in err and err.count("\n") == 1
    assert os.listdir(tmp_path / "target") == [name]


def test_an_interruption_leaves_nothing(capsys, source, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("refimpl.strict_json.write_json", interrupt)
    before = sorted(os.listdir(tmp_path))
    assert run(capsys, "convert", source, tmp_path / "target") == (130, "", "")
    assert sorted(os.listdir(tmp_path)) == before


def in_one_pickle(tensors, folder):
    torch.save(tensors, folder / "pytorch_model.bin")


def in_two_pickles(tensors, folder):
    index = {}
    for number in (0, 1):
        part = dict(list(tensors.items())[number::2])
        torch.save(part, folder / f"pytorch_model-{number}.bin")
        index |= dict.fromkeys(part, f"pytorch_model-{number}.bin")
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))


@pytest.mark.parametrize("written", [in_one_pickle, in_two_pickles])
@pytest.mark.parametrize("kind", ["CLIPModel", "CLIPVisionModelWithProjection", "CLIPTextModel"])
def test_pickles_of_the_hub_and_lone_towers(capsys, tmp_path, kind, written):
    """The same bytes come out of every form, and at every run."""
    model = getattr(refimpl, kind).from_pretrained(model_folder())
    model.save_pretrained(tmp_path / "wanted")
    (tmp_path / "given").mkdir()
    shutil.copy(tmp_path / "wanted" / "config.json", tmp_path / "given")
    arrays = model.state_dict().items()
    written({name: torch.from_numpy(np.array(x)) for name, x in arrays}, tmp_path / "given")
    for target in ("first", "second"):
        assert run(capsys, "convert", tmp_path / "given", tmp_path / target)[0] == 0
        for name in ("config.json", "model.safetensors"):
            wanted = (tmp_path / "wanted" / name).read_bytes()
            assert (tmp_path / target / name).read_bytes() == wanted


@pytest.mark.parametrize("kind", ["clip", "siglip", "chinese_clip", "dinov2_roberta"])
def test_a_folder_keeps_its_tokenizer(capsys, tmp_path, kind):
    source, target = tiny_checkpoints.folder(kind), tmp_path / "target"
    code, out, _ = run(capsys, "convert", source, target, "--json")
    assert code == 0
    copied = json.loads(out)["tokenizer"].split(", ")
    assert {(target / name).read_bytes() for name in copied} == {
        (source / name).read_bytes() for name in copied
    }
    texts = ["a cat", "two dogs"]
    ids = [AutoTokenizer.from_pretrained(each)(texts).input_ids for each in (source, target)]
    assert ids[0] == ids[1]
    processors = [AutoProcessor.from_pretrained(each) for each in (source, target)]
    assert type(processors[0]) is type(processors[1])
