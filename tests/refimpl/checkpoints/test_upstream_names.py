"""What Transformers really writes, and that our tensors are the ones that it loads.

Tiny random models are saved by upstream and read here. The first test pins the table of names in
refimpl/checkpoints/names.py; the others compare with upstream's own loading.
"""

import numpy as np
import pytest
import torch
import transformers

from refimpl.checkpoints.folder import read_config, read_weights, write_folder
from refimpl.checkpoints.names import compare_trees, reconcile

SIZES = {
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "projection_dim": 6,
}
VISION = {**SIZES, "image_size": 8, "patch_size": 4}
TEXT = {
    **SIZES,
    "vocab_size": 11,
    "max_position_embeddings": 5,
    "bos_token_id": 9,
    "eos_token_id": 10,
    "pad_token_id": 1,
}
CLIP = {"text_config": TEXT, "vision_config": VISION, "projection_dim": 6}


def make(name):
    """Make a tiny random model of an upstream class."""
    family = next(f for f in ("ChineseCLIP", "Siglip", "CLIP") if name.startswith(f))
    part = "text_config" if "Text" in name else "vision_config" if "VisionModel" in name else None
    values = CLIP
    if family == "Siglip":
        values = {"text_config": {**TEXT, "projection_size": 8}, "vision_config": VISION}
    config = getattr(transformers, family + "Config")(**values)
    torch.manual_seed(0)
    return getattr(transformers, name)(getattr(config, part) if part else config)


def make_dual_encoder():
    config = transformers.VisionTextDualEncoderConfig.from_vision_text_configs(
        transformers.CLIPVisionConfig(**VISION), transformers.BertConfig(**TEXT)
    )
    torch.manual_seed(0)
    return transformers.VisionTextDualEncoderModel(config=config)


@pytest.fixture(autouse=True)
def quiet():
    transformers.utils.logging.disable_progress_bar()
    level = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    yield
    transformers.utils.logging.set_verbosity(level)


def arrays(model):
    return {name: x.numpy() for name, x in model.state_dict().items()}


def assert_same(got, want):
    assert got.keys() == want.keys()
    for name, x in want.items():
        np.testing.assert_array_equal(got[name], x, strict=True)


TOP_LEVEL = {
    "CLIPModel": {"text_model", "vision_model", "text_projection", "visual_projection",
                  "logit_scale"},
    "CLIPTextModel": {"embeddings", "encoder", "final_layer_norm"},
    "CLIPVisionModel": {"embeddings", "encoder", "pre_layrnorm", "post_layernorm"},
    "CLIPTextModelWithProjection": {"text_model", "text_projection"},
    "CLIPVisionModelWithProjection": {"vision_model", "visual_projection"},
    "CLIPForImageClassification": {"vision_model", "classifier"},
    "SiglipModel": {"text_model", "vision_model", "logit_scale", "logit_bias"},
    "SiglipTextModel": {"embeddings", "encoder", "final_layer_norm", "head"},
    "SiglipVisionModel": {"embeddings", "encoder", "post_layernorm", "head"},
    "SiglipForImageClassification": {"vision_model", "classifier"},
    "ChineseCLIPModel": {"text_model", "vision_model", "text_projection", "visual_projection",
                         "logit_scale"},
    "ChineseCLIPTextModel": {"embeddings", "encoder", "pooler"},
    "ChineseCLIPVisionModel": {"embeddings", "encoder", "pre_layrnorm", "post_layernorm"},
}  # fmt: skip


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_file_that_upstream_writes(name, tmp_path):
    model = make(name)
    model.save_pretrained(tmp_path)
    tensors = read_weights(tmp_path)
    assert {key.split(".")[0] for key in tensors} == TOP_LEVEL[name]
    assert_same(tensors, arrays(model))
    assert read_config(tmp_path)["architectures"] == [name]


def test_dual_encoder_has_the_prefix_once(tmp_path):
    make_dual_encoder().save_pretrained(tmp_path)
    tensors = read_weights(tmp_path)
    assert "vision_model.embeddings.class_embedding" in tensors
    version_4 = {
        "vision_model." + name if name.startswith("vision_model.") else name: x
        for name, x in tensors.items()
    }
    assert_same(reconcile(version_4, tensors.keys()), tensors)
    assert_same(reconcile(tensors, version_4.keys()), version_4)


def test_shards_that_upstream_writes(tmp_path):
    model = make("CLIPModel")
    model.save_pretrained(tmp_path, max_shard_size="2KB")
    assert not (tmp_path / "model.safetensors").exists()
    assert len(list(tmp_path.glob("model-*-of-*.safetensors"))) > 2
    assert_same(read_weights(tmp_path), arrays(model))


@pytest.mark.parametrize(
    "name",
    ["CLIPTextModel", "CLIPVisionModel", "CLIPTextModelWithProjection",
     "CLIPVisionModelWithProjection", "SiglipTextModel", "SiglipVisionModel",
     "ChineseCLIPVisionModel"],
)  # fmt: skip
def test_tower_out_of_a_composite_is_the_one_that_upstream_loads(name, tmp_path):
    composite = make(name[: name.index("Text" if "Text" in name else "Vision")] + "Model")
    composite.save_pretrained(tmp_path / "composite")
    upstream = getattr(transformers, name).from_pretrained(tmp_path / "composite")
    want = arrays(upstream)
    assert_same(reconcile(read_weights(tmp_path / "composite"), want.keys()), want)
    # With the prefix, as version 4 names it, whatever the file has.
    tower = "text_model." if "Text" in name else "vision_model."
    prefixed = {
        key if key.startswith((tower, "text_proj", "visual_proj")) else tower + key: x
        for key, x in want.items()
    }
    assert_same(reconcile(read_weights(tmp_path / "composite"), prefixed.keys()), prefixed)
    # Upstream writes the names that it read, so a saved tower may have either spelling.
    upstream.save_pretrained(tmp_path / "again")
    again = read_weights(tmp_path / "again")
    assert all(key.startswith((tower, "text_proj", "visual_proj")) for key in again)
    assert_same(reconcile(again, want.keys()), want)
    make(name).save_pretrained(tmp_path / "fresh")
    fresh = reconcile(read_weights(tmp_path / "fresh"), prefixed.keys())
    compare_trees({key: x.shape for key, x in prefixed.items()}, fresh, "fresh")


def test_chinese_text_tower_out_of_a_composite(tmp_path):
    make("ChineseCLIPModel").save_pretrained(tmp_path)
    wanted = [n for n in arrays(make("ChineseCLIPTextModel")) if not n.startswith("pooler")]
    got = reconcile(read_weights(tmp_path), wanted)
    assert_same(
        {"text_model." + name: x for name, x in got.items()},
        {n: x for n, x in read_weights(tmp_path).items() if n.startswith("text_model.")},
    )


def test_upstream_loads_the_folder_that_we_write(tmp_path):
    model = make("CLIPModel")
    model.save_pretrained(tmp_path / "theirs")
    write_folder(
        tmp_path / "ours", read_config(tmp_path / "theirs"), read_weights(tmp_path / "theirs")
    )
    loaded = transformers.CLIPModel.from_pretrained(tmp_path / "ours")
    assert_same(arrays(loaded), arrays(model))
