"""`refimpl classify` and `refimpl info` over checkpoints of every family."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_checkpoints
from safetensors.numpy import load_file

from refimpl import AutoConfig, AutoModel, pipeline
from refimpl.cli import main
from refimpl.errors import InputError

PICTURES = Path(__file__).parents[1] / "data" / "images"
PATHS = [PICTURES / "skimage/rocket.jpg", PICTURES / "pillow/hopper_orientation_6.jpg"]
LABELS = ["a cat", "two dogs", "a rocket"]
TOWERS = {
    "bert": {"vocab_size": 20, "max_position_embeddings": 12},
    "siglip_text_model": {"vocab_size": 20, "max_position_embeddings": 12},
    "dinov2": {"image_size": 8, "patch_size": 4},
    "vit": {"image_size": 8, "patch_size": 4},
}


def run(capsys, *arguments):
    capsys.readouterr()  # what making the checkpoint said
    assert main([str(each) for each in arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize("kind", tiny_checkpoints.KINDS)
def test_classify_is_the_pipeline(capsys, kind):
    folder = tiny_checkpoints.folder(kind)
    options = ["--labels", *LABELS, "--template", "a photo of {}", "--model", folder]
    found = json.loads(run(capsys, "classify", *PATHS, "--json", *options))
    wanted = pipeline(model=folder)(PATHS, LABELS, "a photo of {}")
    for each, path, scores in zip(found, PATHS, wanted, strict=True):
        assert each["image"] == str(path)
        assert [one["label"] for one in each["scores"]] == [one["label"] for one in scores]
        np.testing.assert_allclose(
            [one["score"] for one in each["scores"]], [one["score"] for one in scores], rtol=1e-5
        )
    table = run(capsys, "classify", PATHS[0], "--top", 1, *options)
    assert f"{wanted[0][0]['score']:.2%}  {wanted[0][0]['label']}" in table


@pytest.mark.parametrize("kind", tiny_checkpoints.KINDS)
def test_info_of_whole_models(capsys, kind):
    folder = tiny_checkpoints.folder(kind)
    found = json.loads(run(capsys, "info", folder, "--json"))
    tensors = load_file(folder / "model.safetensors")
    assert found["parameters"]["total"] == sum(value.size for value in tensors.values())
    model_type = json.loads((folder / "config.json").read_text())["model_type"]
    table = run(capsys, "info", folder)
    assert model_type in table and "every tensor is there" in table
    assert "32×32 pixels, 16 patches of 8×8" in table and "text tower   2 layers" in table


@pytest.mark.parametrize("model_type", TOWERS)
def test_info_of_lone_towers(capsys, tmp_path, model_type):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = AutoConfig.for_model(model_type, **sizes, **TOWERS[model_type])
    AutoModel.from_config(config).save_pretrained(tmp_path)
    table = run(capsys, "info", tmp_path)
    assert model_type in table and "1 layers of width 8, 2 heads" in table


def test_info_counts_no_position_of_padding(capsys, tmp_path):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = AutoConfig.for_model("roberta", **sizes, vocab_size=20, max_position_embeddings=14)
    model = AutoModel.from_config(config)
    model.save_pretrained(tmp_path)
    longest = np.full((1, 12), 5)
    model(longest)
    with pytest.raises(InputError):
        model(np.full((1, 13), 5))
    assert f"texts up to {longest.size}\n" in run(capsys, "info", tmp_path)


def test_a_model_that_does_not_compare(capsys, tmp_path):
    config = AutoConfig.for_model("vit", hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    AutoModel.from_config(config).save_pretrained(tmp_path)
    arguments = ["classify", str(PATHS[0]), "--labels", "a", "--model", str(tmp_path)]
    assert main(arguments) == 2
    assert (
        "model_type 'vit'; there is a zero-shot class for chinese_clip" in capsys.readouterr().err
    )
