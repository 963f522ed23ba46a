"""Chinese-CLIP's .pt: every published pair of towers, against the authors' own model."""

import json
from pathlib import Path

import numpy as np
import original_models
import pytest
import torch
from comparing import assert_close

import refimpl
from refimpl import InputError
from refimpl.checkpoints.layouts import cn_clip
from refimpl.checkpoints.originals import read_checkpoint

FOLDER = Path(__file__).parents[3] / "data" / "checkpoints" / "cn_clip"
CONFIGS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
BASE, LARGE = "RoBERTa-wwm-ext-base-chinese", "RoBERTa-wwm-ext-large-chinese"
# The published pairs (cn-clip 1.6.0, clip/utils.py). RN50 stands with RBT3, and is refused below.
PAIRS = {"ViT-B-16": BASE, "ViT-L-14": BASE, "ViT-L-14-336": BASE, "ViT-H-14": LARGE}


def shrunken(vision, text):
    """Both configs with two layers; the widths stay a whole number of heads of the right width."""
    vision = dict(CONFIGS[vision])
    patch = vision["vision_patch_size"]
    text = {**CONFIGS[text], "vocab_size": 120, "text_max_position_embeddings": 20}
    heads = 2
    text |= {"text_num_attention_heads": heads, "text_hidden_size": 64 * heads}
    text |= {"text_num_hidden_layers": 2, "text_intermediate_size": 50}
    vision |= {"vision_layers": 2, "image_resolution": 2 * patch, "embed_dim": 40}
    if vision["vision_width"] != 1280:  # the only width whose heads are not 64 wide
        vision["vision_width"] = 128
    return {**vision, **text}


def model(pair=("ViT-B-16", BASE)):
    kind = original_models.original("cn_clip.clip.model").CLIP

    class Vocabulary:
        vocab = {"[PAD]": 0}  # noqa: RUF012

    return original_models.randomised(kind(**shrunken(*pair), tokenizer=Vocabulary()))


def state_dict(net):
    """The state dict of a published file, which DataParallel trained."""
    return {f"module.{name}": value for name, value in net.state_dict().items()}


def written(path, state):
    torch.save({"epoch": 15, "step": 2, "name": "pretrain", "state_dict": state}, path)
    return path


def compare(path, net):
    ours = refimpl.ChineseCLIPModel.from_pretrained(path)
    pixels = original_models.pixels(3, ours.config.vision_config.image_size)
    ids = original_models.ids(4, 11, 120, end=102)
    with torch.no_grad():
        image, text = net.encode_image(torch.tensor(pixels)), net.encode_text(torch.tensor(ids))
        logits, _ = net.get_similarity(torch.tensor(pixels), torch.tensor(ids))
    mask = (ids != 0).astype(int)  # the authors' model takes it from the ids
    assert_close(ours.get_image_features(pixels), image, 1e-5, "encode_image")
    assert_close(ours.get_text_features(ids, attention_mask=mask), text, 1e-5, "encode_text")
    found = ours(input_ids=ids, pixel_values=pixels, attention_mask=mask).logits_per_image
    assert_close(found, logits, 1e-5, "logits")
    return ours


@pytest.mark.parametrize("vision", PAIRS)
def test_every_published_pair(vision, tmp_path):
    net = model((vision, PAIRS[vision]))
    ours = compare(written(tmp_path / "clip_cn.pt", state_dict(net)), net)
    width = CONFIGS[vision].get("vision_head_width", 64)
    tower = ours.config.vision_config
    assert tower.hidden_size // tower.num_attention_heads == width
    assert read_checkpoint(tmp_path / "clip_cn.pt").origin == "Chinese-CLIP's authors"


def test_heads_of_the_real_sizes():
    """Text heads are 64 wide in both published towers, which is all that a shape has to tell."""
    for name in (BASE, LARGE, "RBT3-chinese"):
        config = CONFIGS[name]
        assert config["text_hidden_size"] == 64 * config["text_num_attention_heads"]


def test_files_trained_with_flash_attention(tmp_path):
    """The authors' own function makes the file; what it makes is what their trainer saves."""
    net = model()
    state = original_models.original("cn_clip.clip.model").convert_state_dict(state_dict(net))
    assert any("Wqkv" in name for name in state) and not any("in_proj" in name for name in state)
    compare(written(tmp_path / "flash.pt", state), net)


def test_the_poolers_and_position_ids_of_old_files_are_passed_over(tmp_path):
    net = model()
    extra = {
        "module.bert.pooler.dense.weight": torch.ones(4, 4),
        "module.bert.embeddings.position_ids": torch.arange(20)[None],
    }
    compare(written(tmp_path / "old.pt", {**state_dict(net), **extra}), net)


def test_half_precision(tmp_path):
    net = model()
    state = {name: value.half() for name, value in state_dict(net).items()}
    net.load_state_dict({name.removeprefix("module."): x.float() for name, x in state.items()})
    compare(written(tmp_path / "half.pt", state), net)


def test_the_resnet_is_refused_by_name(tmp_path):
    assert CONFIGS["RN50"]["vision_layers"] == "[3,4,6,3]"
    values = {**shrunken("ViT-B-16", "RBT3-chinese"), "vision_layers": (1, 1, 1, 1)}
    values |= {"vision_width": 16, "image_resolution": 64, "vision_patch_size": None}
    net = original_models.original("cn_clip.clip.model").CLIP(**values)
    path = written(tmp_path / "clip_cn_rn50.pt", state_dict(net))
    with pytest.raises(InputError, match="clip_cn_rn50.*ResNet"):
        refimpl.ChineseCLIPModel.from_pretrained(path)


def test_a_packed_projection_that_cannot_be_cut():
    name = "bert.encoder.layer.0.attention.self.Wqkv.weight"
    with pytest.raises(InputError, match=rf"{name} has the shape \(10, 4\)"):
        cn_clip.hub_tensors({name: np.zeros((10, 4))}, "file")
    both = {name: np.zeros((9, 4)), name.replace("Wqkv", "query"): np.zeros((3, 4))}
    with pytest.raises(InputError, match="two tensors would become .*query.weight"):
        cn_clip.hub_tensors(both, "file")
