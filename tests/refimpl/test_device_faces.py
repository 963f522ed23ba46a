"""What loads models for others hands `device` and `dtype` on: pipelines, Auto classes, commands."""

import json

import numpy as np
import pytest
import tapped
import tiny
import tiny_checkpoints
import torch
from comparing import relative_l2
from PIL import Image

from refimpl import AutoModel, cli, configs, models, pipeline
from refimpl.models import VisionTextDualEncoderModel

RNG = np.random.default_rng(4)
CALL = {"input_ids": tiny.IDS, "pixel_values": tiny.PIXELS}


@pytest.fixture(autouse=True)
def plain_torch(monkeypatch):
    """Without the kernels' interpreter, even where the kernels' own tests run in this process."""
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)


LABELS = ["a cat", "a dog", "two birds"]


@pytest.fixture
def picture(tmp_path):
    Image.fromarray(RNG.integers(0, 255, (40, 30, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    return str(tmp_path / "a.png")


def scores(results):
    return {each["label"]: each["score"] for each in results}


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_a_pipeline_on_a_device_gives_the_same_scores(kind, picture):
    folder = tiny_checkpoints.folder(kind)
    wanted = scores(pipeline(model=folder)(picture, LABELS))
    for options, tolerance in (
        ({"device": torch.device("cpu")}, 1e-5),
        ({"device": "cpu", "torch_dtype": torch.bfloat16}, 0.1),
    ):
        classify = pipeline(model=folder, **options)
        found = scores(classify(picture, LABELS))
        assert found.keys() == wanted.keys()
        assert all(abs(found[x] / wanted[x] - 1) <= tolerance for x in wanted)
        assert classify.model.device == torch.device("cpu")


def test_small_scores_of_half_precision_are_not_lost(picture):
    """float16 ends at 6e-8; the scores are float32's."""
    folder = tiny_checkpoints.folder("siglip")
    classify = pipeline(model=folder, device="cpu", dtype="float16")
    classify.model.params.logit_bias.fill_(-25)
    assert all(0 < each < 1e-7 for each in scores(classify(picture, LABELS)).values())


def test_auto_classes_hand_the_device_on():
    model = AutoModel.from_pretrained(
        tiny_checkpoints.folder("clip"), device="cpu", dtype=torch.bfloat16
    )
    assert repr(model).endswith("bfloat16 on cpu)")
    assert AutoModel.from_config(tiny.config(), device="cpu").device == torch.device("cpu")


def test_joining_towers_on_a_device(tmp_path):
    vit = models.ViTModel(configs.ViTConfig(**tapped.PICTURE), seed=1)
    bert = models.BertModel(configs.BertConfig(**tapped.BERT), seed=2)
    vit.save_pretrained(tmp_path / "vit")
    bert.save_pretrained(tmp_path / "bert")
    join = VisionTextDualEncoderModel.from_vision_text_pretrained
    with pytest.warns(UserWarning, match="newly initialized"):
        ours = join(tmp_path / "vit", tmp_path / "bert", projection_dim=8)
    with pytest.warns(UserWarning, match="newly initialized"):
        twin = join(tmp_path / "vit", tmp_path / "bert", projection_dim=8, device="cpu")
    wanted = ours(**CALL, return_loss=True)
    assert (
        relative_l2(twin(**CALL, return_loss=True).logits_per_text, wanted.logits_per_text) < 2e-6
    )
    towers = {
        "vision_model": models.ViTModel(vit.config, params=vit.params, device="cpu"),
        "text_model": bert,
    }
    again = VisionTextDualEncoderModel(twin.config, **towers)  # without a device: the towers' own
    assert again.device == twin.device and again.vision_model.device == twin.device
    one = VisionTextDualEncoderModel(twin.config, vision_model=vit, device="cpu", dtype="bfloat16")
    assert torch.equal(
        one.state_dict()["vision_model.layernorm.bias"],
        torch.from_numpy(vit.state_dict()["layernorm.bias"]).bfloat16(),
    )


def test_classify_on_a_device(picture, capsys):
    folder = str(tiny_checkpoints.folder("clip"))
    command = ["classify", picture, "--labels", *LABELS, "--model", folder, "--json"]
    found = []
    for more in ([], ["--device", "cpu"], ["--device", "cpu", "--dtype", "bfloat16"]):
        assert cli.main([*command, *more]) == 0
        found.append(scores(json.loads(capsys.readouterr().out)[0]["scores"]))
    for label, score in found[0].items():
        assert abs(found[1][label] - score) < 1e-5 and abs(found[2][label] - score) < 0.05
    assert cli.main([*command, "--device", "tpu"]) == 2
    assert "device must be 'cpu', 'cuda'" in capsys.readouterr().err
    assert cli.main([*command, "--dtype", "bfloat16"]) == 2
    assert "pass a device too" in capsys.readouterr().err
