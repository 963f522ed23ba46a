"""open_clip: every published config converts or is refused by name; outputs are open_clip's own.

A real model has a billion weights, so the widths shrink; whatever else a config says stays, above
all heads, activations, masks and pooling.
"""

import copy
import functools
import json
from pathlib import Path

import numpy as np
import original_models
import pytest
import torch
from comparing import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

import refimpl
from refimpl import CLIPVisionModel, InputError
from refimpl.checkpoints.layouts import open_clip, timm
from refimpl.checkpoints.originals import read_checkpoint

FOLDER = Path(__file__).parents[3] / "data" / "checkpoints"
CONFIGS = {
    path.stem: json.loads(path.read_text())
    for kind in ("open_clip", "tinyclip")
    for path in sorted((FOLDER / kind).glob("*.json"))
}
# What the hub's four families cannot express, and the field that says so.
REFUSED = {
    "MobileCLIP-B": r"vision_cfg.timm_model_name is 'vit_base_mci_224'",
    "roberta-ViT-B-32": r"text_cfg.hf_model_name is 'roberta-base'",
    "xlm-roberta-base-ViT-B-32": r"text_cfg.hf_model_name is 'xlm-roberta-base'",
    "xlm-roberta-large-ViT-H-14": r"text_cfg.hf_model_name is 'xlm-roberta-large'",
}
CLIP = sorted(n for n in CONFIGS if n not in REFUSED and "SigLIP" not in n)
SIGLIP = sorted(n for n in CONFIGS if "SigLIP" in n)
BASE = CONFIGS["ViT-B-32"]
BASE_SIGLIP = CONFIGS["ViT-B-16-SigLIP"]


def shrunken(config):
    """Narrow and shallow, but with two heads or more of the width that the config gives them."""
    config = copy.deepcopy(config)
    vision, text = config["vision_cfg"], config["text_cfg"]
    config["embed_dim"] = 48
    text |= {"vocab_size": 99, "context_length": 9, "layers": 2, "width": 12 * text["heads"]}
    if "timm_model_name" in vision:
        config["embed_dim"] = text["width"] = 4 * timm.TRUNKS[vision["timm_model_name"]].heads
        text["heads"] = 4
        vision["image_size"] = 64
    else:
        head = vision.get("head_width", 64)
        vision |= {"layers": 2, "width": 2 * head, "image_size": 3 * vision["patch_size"]}
    return config


def original_clip(config, monkeypatch):
    """Build open_clip's own model, with timm's trunks as narrow as the text tower."""
    package, trunks = original_models.original("open_clip"), original_models.original("timm")
    make = trunks.create_model

    def narrow(name, **options):
        size = {"embed_dim": config["embed_dim"], "depth": 2, "img_size": 64}
        return make(name, **size, **options)

    monkeypatch.setattr(trunks, "create_model", narrow)
    options = {name: value for name, value in config.items() if name != "custom_text"}
    kind = package.CustomTextCLIP if config.get("custom_text") else package.CLIP
    return original_models.randomised(kind(**options))


def written(folder, net, config, **preprocess):
    save_file(net.state_dict(), folder / "open_clip_model.safetensors")
    side = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(side))
    return folder


def compare(folder, net, kind, length=9):
    ours = kind.from_pretrained(folder)
    size = ours.config.vision_config.image_size
    pixels = original_models.pixels(3, size)
    ids = original_models.ids(5, length, 99, end=98)
    with torch.no_grad():
        image, text = net.encode_image(torch.tensor(pixels)), net.encode_text(torch.tensor(ids))
        logits, _ = net.get_logits(torch.tensor(pixels), torch.tensor(ids))
    assert_close(ours.get_image_features(pixels), image, 1e-5, "encode_image")
    assert_close(ours.get_text_features(ids), text, 1e-5, "encode_text")
    found = ours(input_ids=ids, pixel_values=pixels).logits_per_image
    assert_close(found, logits, 1e-5, "logits")
    return ours


def test_every_published_config_is_judged():
    assert len(CONFIGS) == 41 and sorted([*CLIP, *SIGLIP, *REFUSED]) == sorted(CONFIGS)


@pytest.mark.parametrize("name", CLIP)
def test_clip(name, tmp_path, monkeypatch):
    config = shrunken(CONFIGS[name])
    net = original_clip(config, monkeypatch)
    ours = compare(written(tmp_path, net, config), net, refimpl.CLIPModel)
    wanted = "quick_gelu" if CONFIGS[name].get("quick_gelu") else "gelu"
    assert ours.config.text_config.hidden_act == ours.config.vision_config.hidden_act == wanted


@pytest.mark.parametrize("name", SIGLIP)
def test_siglip(name, tmp_path, monkeypatch):
    config = shrunken(CONFIGS[name])
    net = original_clip(config, monkeypatch)
    compare(written(tmp_path, net, config), net, refimpl.SiglipModel)


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_hub_cannot_express_is_refused_by_the_field(name):
    for convert in (open_clip.hub_config, open_clip.hub_tensors):
        with pytest.raises(InputError, match=REFUSED[name]):
            convert({}, CONFIGS[name], "open_clip_config.json")


@pytest.mark.parametrize(
    ("base", "field", "value"),
    [
        (BASE, "vision_cfg.ls_init_value", 1e-5),
        (BASE, "vision_cfg.layers", [3, 4, 6, 3]),
        (BASE, "vision_cfg.attentional_pool", True),
        (BASE, "vision_cfg.no_ln_pre", True),
        (BASE, "vision_cfg.pool_type", "avg"),
        (BASE, "vision_cfg.qk_norm", True),
        (BASE, "vision_cfg.timm_model_name", "convnext_base"),
        (BASE, "vision_cfg.act_kwargs", {"approximate": "cubic"}),
        (BASE, "vision_cfg.norm_kwargs", {"elementwise_affine": False}),
        (BASE, "vision_cfg.head_width", 0),
        (BASE, "text_cfg.heads", True),
        (BASE, "text_cfg.no_causal_mask", True),
        (BASE, "text_cfg.pool_type", "last"),
        (BASE, "text_cfg.pool_type", "eos"),
        (BASE, "text_cfg.embed_cls", True),
        (BASE, "text_cfg.proj_bias", True),
        (BASE, "text_cfg.hf_model_name", "roberta-base"),
        (BASE, "text_cfg.something_new", 1),
        (BASE, "multimodal_cfg", {"layers": 12}),
        (BASE, "init_logit_bias", -10),
        (BASE_SIGLIP, "vision_cfg.timm_pool", "avg"),
        (BASE_SIGLIP, "vision_cfg.timm_proj", "linear"),
        (BASE_SIGLIP, "text_cfg.no_causal_mask", False),
        (BASE_SIGLIP, "text_cfg.pool_type", "argmax"),
        (BASE_SIGLIP, "text_cfg.proj_bias", False),
    ],
)
def test_each_field_that_changes_the_model_is_refused_by_name(base, field, value):
    config = copy.deepcopy(base)
    place, _, name = field.rpartition(".")
    (config[place] if place else config)[name] = value
    told = "text_cfg.eos_id" if value == "eos" else field
    with pytest.raises(InputError, match=f"(?s)asks for what the hub lacks.*{told}") as caught:
        open_clip.hub_config({}, config, "open_clip_config.json")
    assert str(caught.value).count("\n") == 1  # this field and no other


@pytest.mark.parametrize("field", ["vision_cfg.timm_pool", "text_cfg.pool_type"])
def test_a_siglip_must_say_what_differs_from_open_clips_defaults(field):
    config = copy.deepcopy(BASE_SIGLIP)
    place, _, name = field.partition(".")
    del config[place][name]
    with pytest.raises(InputError, match=f"{field} must be"):
        open_clip.hub_config({}, config, "open_clip_config.json")


@pytest.mark.parametrize("side", [{}, {"model_cfg": []}, {"vision_cfg": {}, "text_cfg": 3}])
def test_a_side_config_without_towers(side):
    with pytest.raises(InputError, match="the objects vision_cfg and text_cfg"):
        open_clip.hub_config({}, side, "open_clip_config.json")


def test_fields_that_are_read_from_the_config(tmp_path, monkeypatch):
    config = shrunken(BASE)
    config["vision_cfg"] |= {
        "head_width": 32,
        "norm_kwargs": {"eps": 0.01},
        "act_kwargs": {"approximate": "tanh"},
        "mlp_ratio": 2.5,
    }
    config["text_cfg"] |= {
        "norm_kwargs": {"eps": 0.02},
        "pool_type": "eos",
        "eos_id": 98,
        "mlp_ratio": 3,
    }
    net = original_clip(config, monkeypatch)
    ours = compare(written(tmp_path, net, config), net, refimpl.CLIPModel)
    assert ours.config.vision_config.num_attention_heads == 4
    assert ours.config.vision_config.hidden_act == "gelu_pytorch_tanh"


@pytest.mark.parametrize("size", [225, 95, [96, 97], [96], "96", True])
def test_an_image_size_that_the_file_does_not_bear_out(size, monkeypatch):
    config = shrunken(BASE)
    tensors = original_models.tensors_of(original_clip(config, monkeypatch))
    config["vision_cfg"]["image_size"] = size
    with pytest.raises(InputError, match="image_size is"):
        open_clip.hub_config(tensors, config, "file")
    config["vision_cfg"]["image_size"] = 100  # four pixels that are never seen
    found = open_clip.hub_config(tensors, config, "file")["vision_config"]
    assert (found["image_size"], found["patch_size"]) == (100, 32)


def test_variants_of_the_names(tmp_path, monkeypatch):
    """A training checkpoint: `module.` before all names, a stored mask, and a custom text tower."""
    config = {**shrunken(BASE), "custom_text": True}
    net = original_clip(config, monkeypatch)
    written(tmp_path, net, config)
    (tmp_path / "open_clip_model.safetensors").unlink()
    state = {f"module.{name}": value for name, value in net.state_dict().items()}
    state["module.text.attn_mask"] = torch.full((9, 9), -torch.inf).triu(1)
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "epoch_3.pt")
    compare(tmp_path, net, refimpl.CLIPModel)
    assert read_checkpoint(tmp_path / "epoch_3.pt").origin == "open_clip"


def test_pickled_weights_and_a_tower_of_them(tmp_path, monkeypatch):
    config = shrunken(BASE)
    net = original_clip(config, monkeypatch)
    written(tmp_path, net, config)
    (tmp_path / "open_clip_model.safetensors").unlink()
    torch.save(net.state_dict(), tmp_path / "open_clip_pytorch_model.bin")
    compare(tmp_path, net, refimpl.CLIPModel)
    vision = CLIPVisionModel.from_pretrained(tmp_path)
    pixels = original_models.pixels(2, vision.config.image_size)
    with torch.no_grad():
        image = net.encode_image(torch.tensor(pixels))
    pooled = vision(pixels).pooler_output
    assert_close(pooled @ net.visual.proj.detach().numpy(), image, 1e-5, "image tower")


@pytest.mark.parametrize("name", ["logit_bias", "visual.trunk.attn_pool.q.bias"])
def test_a_missing_tensor_is_listed(name, tmp_path, monkeypatch):
    config = shrunken(BASE_SIGLIP)
    net = original_clip(config, monkeypatch)
    state = net.state_dict()
    del state[name]
    written(tmp_path, net, config)
    save_file(state, tmp_path / "open_clip_model.safetensors")
    with pytest.raises(InputError, match="missing"):
        refimpl.SiglipModel.from_pretrained(tmp_path)


def test_tensors_that_do_not_fit_the_table():
    side = shrunken(BASE_SIGLIP)
    at = "visual.trunk.attn_pool."
    cases = [
        ({"logit_scale": np.zeros(3)}, "logit_scale has the shape"),
        ({"visual.trunk.pos_embed": np.zeros((2, 4, 8))}, "pos_embed has the shape"),
        ({f"{at}q.weight": np.zeros((4, 4)), f"{at}kv.weight": np.zeros((8, 3))}, "in_proj_weight"),
        ({"text.ln_final.bias": np.zeros(3), "ln_final.bias": np.zeros(3)}, "two tensors"),
    ]
    for tensors, message in cases:
        with pytest.raises(InputError, match=message):
            open_clip.hub_tensors(tensors, side, "file")


_FIELDS = [
    f"{tower}.{name}"
    for tower in ("vision_cfg", "text_cfg")
    for name in {
        **BASE_SIGLIP[tower],
        **BASE[tower],
        "norm_kwargs": 0,
        "act_kwargs": 0,
        "eos_id": 0,
    }
]
_ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
_ANYTHING = st.recursive(
    _ANYTHING,
    lambda x: (
        st.lists(x, max_size=2)
        | st.dictionaries(st.sampled_from(["eps", "approximate", "x"]), x, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([*_FIELDS, "quick_gelu", "embed_dim"]), _ANYTHING, st.booleans())
def test_any_value_of_any_field_ends_in_a_config_or_in_one_error(field, value, siglip):
    config = copy.deepcopy(shrunken(BASE_SIGLIP if siglip else BASE))
    place, _, name = field.rpartition(".")
    (config[place] if place else config)[name] = value
    tensors = _tensors(siglip)
    try:
        found = open_clip.hub_config(tensors, config, "file")
        kind = refimpl.SiglipConfig if siglip else refimpl.CLIPConfig
        kind.from_dict(found)
        open_clip.hub_tensors(tensors, config, "file")
    except InputError as error:
        assert str(error)


@functools.cache
def _tensors(siglip):
    with pytest.MonkeyPatch.context() as patch:
        net = original_clip(shrunken(BASE_SIGLIP if siglip else BASE), patch)
    return original_models.tensors_of(net)


@pytest.mark.parametrize("value", ["abc", 3, [1, 2], [1, 2, "x"], [True, 1, 2], {"a": 1}])
def test_a_mean_that_is_not_three_numbers(value, tmp_path, monkeypatch):
    config = shrunken(BASE)
    written(tmp_path, original_clip(config, monkeypatch), config, mean=value)
    with pytest.raises(InputError, match="mean must be three numbers"):
        read_checkpoint(tmp_path)


def test_pictures(tmp_path, monkeypatch):
    config = shrunken(BASE)
    net = original_clip(config, monkeypatch)
    mean = [0.1, 0.2, 0.3]
    written(tmp_path, net, config, mean=mean, resize_mode="squash", interpolation="bilinear")
    pictures = read_checkpoint(tmp_path).pictures
    assert pictures["image_mean"] == mean and pictures["size"] == {"height": 96, "width": 96}
    assert (pictures["resample"], pictures["do_center_crop"]) == (2, False)
    assert pictures["profile"] == "open_clip"
    written(tmp_path, net, config)
    pictures = read_checkpoint(tmp_path).pictures
    assert pictures["size"] == {"shortest_edge": 96} and pictures["do_center_crop"]
    for option in ({"resize_mode": "longest"}, {"interpolation": "random"}, {"interpolation": []}):
        written(tmp_path, net, config, **option)
        assert read_checkpoint(tmp_path).pictures is None
