"""OpenAI's .pt: the real file's names, and OpenAI's own model on random weights."""

import json
import warnings
from pathlib import Path

import numpy as np
import original_models
import pytest
import torch
from comparing import assert_close

from refimpl import (
    AutoConfig,
    AutoModel,
    BertConfig,
    BertModel,
    CLIPModel,
    CLIPTextModelWithProjection,
    CLIPVisionModel,
    InputError,
    VisionTextDualEncoderModel,
)
from refimpl.checkpoints.layouts import openai
from refimpl.checkpoints.layouts.renaming import Move
from refimpl.checkpoints.originals import read_checkpoint
from refimpl.params import named_leaves

LAYOUT = Path(__file__).parents[3] / "data" / "checkpoints" / "openai" / "ViT-B-32.layout.json"
SCALARS = {"input_resolution": 32, "context_length": 13, "vocab_size": 99}
SIZES = {
    "embed_dim": 40,
    "image_resolution": 32,
    "vision_layers": 3,
    "vision_width": 128,
    "vision_patch_size": 8,
    "context_length": 13,
    "vocab_size": 99,
    "transformer_width": 64,
    "transformer_heads": 1,
    "transformer_layers": 2,
}


def model(**sizes):
    return original_models.randomised(original_models.openai_model().CLIP(**{**SIZES, **sizes}))


def archive(path, net):
    """Save as OpenAI does: a TorchScript archive with the three numbers beside the weights."""

    class Holder(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    holder = Holder()
    for name, value in [*net.state_dict().items(), *SCALARS.items()]:
        *modules, last = name.split(".")
        at = holder
        for each in modules:
            if each not in dict(at.named_children()):
                at.add_module(each, Holder())
            at = getattr(at, each)
        at.register_buffer(last, torch.as_tensor(value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit: the files stay
        torch.jit.save(torch.jit.trace(holder, torch.zeros(1)), path)
    return path


def test_every_name_of_the_real_file_is_known_and_has_the_shape_that_the_model_wants():
    listed = json.loads(LAYOUT.read_text())
    tensors = {
        name: np.broadcast_to(np.dtype(each["dtype"]).type(0), each["shape"])
        for name, each in listed.items()
        if "shape" in each
    }
    heads = {
        part: listed[f"{part}transformer.resblocks.0.attn.num_heads"] for part in ("", "visual.")
    }
    config = openai.hub_config(tensors, "ViT-B-32.pt")
    wanted = {
        name: tuple(leaf.shape)
        for name, leaf in named_leaves(CLIPModel.spec(CLIPModel.config_class.from_dict(config)))
    }
    found = openai.hub_tensors(tensors, "ViT-B-32.pt")
    assert {name: x.shape for name, x in found.items()} == wanted
    assert len(tensors) == 305 and len(wanted) == 398
    text, vision = config["text_config"], config["vision_config"]
    assert {"value": text["num_attention_heads"]} == heads[""]
    assert {"value": vision["num_attention_heads"]} == heads["visual."]
    assert (text["eos_token_id"], text["bos_token_id"]) == (49407, 49406)
    assert (vision["image_size"], vision["patch_size"], config["projection_dim"]) == (224, 32, 512)
    assert text["hidden_act"] == vision["hidden_act"] == "quick_gelu"


@pytest.mark.parametrize("sizes", [{}, {"embed_dim": 64}], ids=["narrow", "square_projection"])
def test_outputs_are_those_of_openais_model(tmp_path, sizes):
    net = model(**sizes)
    path = archive(tmp_path / "tiny.pt", net)
    ours = CLIPModel.from_pretrained(path)
    pixels, ids = original_models.pixels(3, 32), original_models.ids(5, 13, 99, end=98)
    with torch.no_grad():
        image, text = net.encode_image(torch.tensor(pixels)), net.encode_text(torch.tensor(ids))
        logits, _ = net(torch.tensor(pixels), torch.tensor(ids))
    assert_close(ours.get_image_features(pixels), image, 1e-5, "encode_image")
    assert_close(ours.get_text_features(ids), text, 1e-5, "encode_text")
    found = ours(input_ids=ids, pixel_values=pixels).logits_per_image
    assert_close(found, logits, 1e-5, "logits")


def test_towers_are_read_from_the_archive_and_the_config_too(tmp_path):
    net = model()
    path = archive(tmp_path / "tiny.pt", net)
    pixels, ids = original_models.pixels(2, 32), original_models.ids(2, 13, 99)
    with torch.no_grad():
        image, text = net.encode_image(torch.tensor(pixels)), net.encode_text(torch.tensor(ids))
    pooled = CLIPVisionModel.from_pretrained(path)(pixels).pooler_output
    assert_close(pooled @ net.visual.proj.detach().numpy(), image, 1e-5, "vision tower")
    found = CLIPTextModelWithProjection.from_pretrained(path)(ids).text_embeds
    assert_close(found, text, 1e-5, "text tower")
    assert CLIPModel.config_class.from_pretrained(path).projection_dim == 40


def test_auto_classes_and_a_dual_encoder_read_the_archive(tmp_path):
    path = archive(tmp_path / "tiny.pt", model())
    assert isinstance(AutoModel.from_pretrained(path), CLIPModel)
    assert AutoConfig.from_pretrained(path).projection_dim == 40
    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(BertConfig(**small, vocab_size=20, intermediate_size=8)).save_pretrained(
        tmp_path / "b"
    )
    with pytest.warns(UserWarning, match="newly initialized"):
        dual = VisionTextDualEncoderModel.from_vision_text_pretrained(path, tmp_path / "b")
    pixels = original_models.pixels(1, 32)
    wanted = CLIPVisionModel.from_pretrained(path)(pixels).pooler_output
    found = dual(input_ids=[[1, 2]], pixel_values=pixels).vision_model_output.pooler_output
    assert_close(found, wanted, 1e-6, "the dual encoder's tower")


@pytest.mark.parametrize(
    ("row", "move"),
    [
        ("text_projection", Move("text_projection.weight")),
        (
            "transformer.resblocks.*.attn.in_proj_weight",
            Move(
                tuple(f"text_model.encoder.layers.*.self_attn.{part}_proj.weight" for part in "kqv")
            ),
        ),
        (
            "visual.transformer.resblocks.*.ln_1.weight",
            Move("vision_model.encoder.layers.*.layer_norm2.weight"),
        ),
    ],
    ids=["untransposed", "key_before_query", "norms_exchanged"],
)
def test_a_wrong_row_turns_the_comparison_red(row, move, tmp_path, monkeypatch):
    rows = {**openai.TABLE, row: move}
    if "ln_1" in row:
        other = row.replace("ln_1", "ln_2")
        rows[other] = Move(move.to.replace("norm2", "norm1"))
    monkeypatch.setattr(openai, "TABLE", rows)
    with pytest.raises(AssertionError, match="relative L2"):
        test_outputs_are_those_of_openais_model(tmp_path, {"embed_dim": 64})


def test_half_precision_is_read_and_the_texts_end_is_found_in_openais_vocabulary(tmp_path):
    net = model(vocab_size=49408)
    module = original_models.openai_model()
    ids = original_models.ids(4, 13, 49000, end=49407)
    module.convert_weights(net)
    exact = {name: value.float() for name, value in net.state_dict().items()}
    path = archive(tmp_path / "tiny.pt", net)
    net = net.float()
    net.load_state_dict(exact)
    ours = CLIPModel.from_pretrained(path)
    assert ours.config.text_config.eos_token_id == 49407
    with torch.no_grad():
        text = net.encode_text(torch.tensor(ids))
    assert_close(ours.get_text_features(ids), text, 1e-5, "encode_text")


def test_a_resnet_is_refused_by_name():
    sizes = {**SIZES, "vision_layers": (1, 1, 1, 1), "vision_width": 16}
    net = original_models.openai_model().CLIP(**sizes)
    tensors = original_models.tensors_of(net)
    with pytest.raises(InputError, match="ResNet .*only vision transformers"):
        openai.hub_config(tensors, "RN50.pt")


def test_the_same_names_without_the_archive_are_not_guessed_at(tmp_path):
    torch.save(model().state_dict(), tmp_path / "unknown.pt")
    with pytest.raises(InputError, match="which activation.*quick_gelu"):
        read_checkpoint(tmp_path / "unknown.pt")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("visual.conv1.weight", None, "visual.conv1.weight is missing"),
        ("visual.conv1.weight", np.zeros(3), "must have 4 axes"),
        ("visual.positional_embedding", np.zeros((4, 128)), "3 patches do not make a square"),
        ("visual.conv1.weight", np.zeros((100, 3, 8, 8)), "heads of width 64 do not fill"),
        ("transformer.resblocks.0.ln_1.weight", None, "there is no layer"),
    ],
)
def test_shapes_that_describe_no_clip(name, value, message):
    tensors = {**original_models.tensors_of(model()), name: value}
    if value is None:
        del tensors[name]
    with pytest.raises(InputError, match=message):
        openai.hub_config(tensors, "file")


def test_a_packed_tensor_that_cannot_be_cut():
    name = "transformer.resblocks.1.attn.in_proj_bias"
    tensors = {**original_models.tensors_of(model()), name: np.zeros(10)}
    with pytest.raises(InputError, match=rf"{name} has the shape \(10,\).*q_proj"):
        openai.hub_tensors(tensors, "file")


def test_missing_and_strange_tensors_are_listed(tmp_path):
    net = model()
    del net.visual.ln_post
    net.register_buffer("strange", torch.zeros(2))
    path = archive(tmp_path / "broken.pt", net)
    with pytest.raises(InputError) as caught:
        CLIPModel.from_pretrained(path)
    message = str(caught.value)
    assert "- vision_model.post_layernorm.bias" in message and "+ strange" in message
