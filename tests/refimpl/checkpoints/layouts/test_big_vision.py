"""big_vision's .npz: files of its layout, judged by open_clip's own reader of the same files.

open_clip loads big_vision's files into its own modules with code of its own (convert.py); its
outputs are what ours are held against. The trunk is the one of timm that has the tanh GELU, which
big_vision trained with.
"""

import numpy as np
import original_models
import pytest
import torch
from comparing import assert_close

import refimpl
from refimpl import InputError
from refimpl.checkpoints.layouts import big_vision
from refimpl.checkpoints.originals import read_checkpoint

WIDTH, HEADS, LAYERS, MLP, PATCH, GRID = 48, 12, 3, 192, 32, 2  # 12 heads are the trunk's own
LENGTH, VOCABULARY = 7, 99
TRUNK = "vit_base_patch32_siglip_256"


class Draw:
    """Random weights by their name in the file, norms and biases included."""

    def __init__(self):
        self.rng = np.random.default_rng(3)
        self.tensors = {}

    def put(self, name, *shape, near=0.0):
        scale = 0.3 if len(shape) < 2 else (WIDTH**-0.5)
        self.tensors[name] = (near + scale * self.rng.standard_normal(shape)).astype(np.float32)

    def dense(self, name, *shape):
        self.put(f"{name}/kernel", *shape)
        self.put(f"{name}/bias", *(shape[1:] if len(shape) == 3 else shape[-1:]))

    def norm(self, name):
        self.put(f"{name}/scale", WIDTH, near=1.0)
        self.put(f"{name}/bias", WIDTH)

    def attention(self, name):
        for part in ("query", "key", "value"):
            self.dense(f"{name}/{part}", WIDTH, HEADS, WIDTH // HEADS)
        self.put(f"{name}/out/kernel", HEADS, WIDTH // HEADS, WIDTH)
        self.put(f"{name}/out/bias", WIDTH)

    def mlp(self, name):
        self.dense(f"{name}/Dense_0", WIDTH, MLP)
        self.dense(f"{name}/Dense_1", MLP, WIDTH)

    def blocks(self, name):
        for number in range(LAYERS):
            at = f"{name}/encoderblock_{number}"
            self.norm(f"{at}/LayerNorm_0")
            self.attention(f"{at}/MultiHeadDotProductAttention_0")
            self.norm(f"{at}/LayerNorm_1")
            self.mlp(f"{at}/MlpBlock_0")
        self.norm(f"{name}/encoder_norm")


def published(has_head=True):
    """Every tensor of a SigLIP, with the names and axes of models/vit.py and text_transformer.py."""
    draw = Draw()
    draw.put("img/embedding/kernel", PATCH, PATCH, 3, WIDTH)
    draw.put("img/embedding/bias", WIDTH)
    draw.put("img/pos_embedding", 1, GRID * GRID, WIDTH)
    draw.blocks("img/Transformer")
    draw.put("img/MAPHead_0/probe", 1, 1, WIDTH)
    draw.attention("img/MAPHead_0/MultiHeadDotProductAttention_0")
    draw.norm("img/MAPHead_0/LayerNorm_0")
    draw.mlp("img/MAPHead_0/MlpBlock_0")
    draw.put("txt/Embed_0/embedding", VOCABULARY, WIDTH)
    draw.put("txt/pos_embedding", 1, LENGTH, WIDTH)
    draw.blocks("txt/Encoder_0")
    if has_head:
        draw.dense("txt/head", WIDTH, WIDTH)
    draw.tensors["t"] = np.float32([2.3])
    draw.tensors["b"] = np.float32([-10.1])
    return draw.tensors


def stacked(tensors):
    """The newer files: one array for all layers of a tower."""
    result = {name: x for name, x in tensors.items() if "encoderblock_" not in name}
    for name in tensors:
        if "encoderblock_0/" in name:
            every = [tensors[name.replace("block_0", f"block_{i}")] for i in range(LAYERS)]
            result[name.replace("block_0", "block")] = np.stack(every)
    return result


def below_params(tensors):
    return {f"params/{name}": x for name, x in tensors.items()}


def as_open_clip_reads_it(path, monkeypatch, has_head):
    package, trunks = original_models.original("open_clip"), original_models.original("timm")
    make = trunks.create_model
    size = {"embed_dim": WIDTH, "depth": LAYERS, "img_size": PATCH * GRID}
    monkeypatch.setattr(trunks, "create_model", lambda name, **given: make(name, **size, **given))
    text = {
        "context_length": LENGTH,
        "vocab_size": VOCABULARY,
        "width": WIDTH,
        "heads": HEADS,
        "layers": LAYERS,
        "mlp_ratio": MLP / WIDTH,
        "no_causal_mask": True,
        "pool_type": "last",
        "norm_kwargs": {"eps": 1e-6},
        "act_kwargs": {"approximate": "tanh"},
        **({"proj_bias": True} if has_head else {"proj_type": "none"}),
    }
    vision = {"image_size": PATCH * GRID, "timm_model_name": TRUNK}
    net = package.CustomTextCLIP(
        embed_dim=WIDTH,
        init_logit_bias=-10,
        vision_cfg={**vision, "timm_pool": "map", "timm_proj": "none"},
        text_cfg=text,
    )
    original_models.original("open_clip.convert").load_big_vision_weights(net, str(path))
    return net.eval()


@pytest.mark.parametrize("has_head", [True, False], ids=["head", "no_head"])
@pytest.mark.parametrize("form", [dict, below_params, stacked], ids=["bare", "params", "stacked"])
def test_outputs_are_those_of_open_clips_modules(form, has_head, tmp_path, monkeypatch):
    path = tmp_path / "siglip.npz"
    np.savez(path, **form(published(has_head)))
    net = as_open_clip_reads_it(path, monkeypatch, has_head)
    ours = refimpl.SiglipModel.from_pretrained(path)
    pixels = original_models.pixels(3, PATCH * GRID)
    ids = original_models.ids(4, LENGTH, VOCABULARY)
    with torch.no_grad():
        image, text = net.encode_image(torch.tensor(pixels)), net.encode_text(torch.tensor(ids))
        logits, _ = net.get_logits(torch.tensor(pixels), torch.tensor(ids))
    assert_close(ours.get_image_features(pixels), image, 1e-5, "encode_image")
    assert_close(ours.get_text_features(ids), text, 1e-5, "encode_text")
    found = ours(input_ids=ids, pixel_values=pixels).logits_per_image
    assert_close(found, logits, 1e-5, "logits")
    checkpoint = read_checkpoint(path)
    assert checkpoint.origin == "big_vision"
    assert checkpoint.pictures["image_mean"] == [0.5] * 3 and "crop_size" not in checkpoint.pictures


def test_a_training_checkpoint_holds_the_optimizer_too(tmp_path):
    tensors = {**below_params(published()), "opt/0/count": np.int32(3), "chrono/steps": np.ones(1)}
    plain = big_vision.hub_tensors(published(), "file")
    found = big_vision.hub_tensors(tensors, "file")
    assert found.keys() == plain.keys()
    assert all(np.array_equal(found[name], plain[name]) for name in plain)


def test_the_real_sizes_are_told_by_the_shapes():
    """google/siglip-so400m-patch14-384, by the shapes of its arrays alone."""
    shapes = {
        "img/embedding/kernel": (14, 14, 3, 1152),
        "img/pos_embedding": (1, 729, 1152),
        "txt/Embed_0/embedding": (32000, 1152),
        "txt/pos_embedding": (1, 64, 1152),
        "txt/head/kernel": (1152, 1152),
    }
    for at in ("img/Transformer", "txt/Encoder_0"):
        shapes[f"{at}/encoderblock/LayerNorm_0/scale"] = (27, 1152)
        shapes[f"{at}/encoderblock/MlpBlock_0/Dense_0/kernel"] = (27, 1152, 4304)
        name = f"{at}/encoderblock/MultiHeadDotProductAttention_0/query/kernel"
        shapes[name] = (27, 1152, 16, 72)
    tensors = {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}
    config = big_vision.hub_config(tensors, "so400m.npz")
    common = {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "hidden_act": "gelu_pytorch_tanh",
        "layer_norm_eps": 1e-6,
    }
    assert common.items() <= config["text_config"].items()
    assert common.items() <= config["vision_config"].items()
    assert config["vision_config"]["image_size"] == 378  # 384, of which 6 pixels are never seen
    assert config["text_config"]["max_position_embeddings"] == 64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"img/pos_embedding": np.zeros((1, 5, WIDTH))}, "5 patches do not make a square"),
        ({"img/pos_embedding": np.zeros((4, WIDTH))}, "must have 3 axes"),
        ({"img/embedding/kernel": np.zeros((32, 32, 3))}, "must have 4 axes"),
        ({"txt/Encoder_0/encoderblock/x": np.zeros((5000, 0))}, "an axis of layers"),
        ({"txt/Encoder_0/encoderblock/x": np.float32(1)}, "an axis of layers"),
        ({"img.embedding/bias": np.zeros(3)}, "two tensors would become img.embedding.bias"),
        ({"t": np.zeros(2)}, "t has the shape"),
    ],
)
def test_shapes_that_describe_no_siglip(changes, message):
    tensors = {**published(), **changes}
    with pytest.raises(InputError, match=message):
        big_vision.hub_config(tensors, "file")
        big_vision.hub_tensors(tensors, "file")
