"""Chinese-CLIP, from its authors' .pt file: a training checkpoint, no config.

The image tower is OpenAI's, name by name. The text tower is BERT under the hub's own names after
`bert.`, with OpenAI's `text_projection`. Files trained with FlashAttention pack the projections of
both towers into `Wqkv`, and put BERT's output projection beside it.

Trap: no shape tells the number of heads. They are 64 wide, but 80 in the image tower of ViT-H/14.
Source: OFA-Sys/Chinese-CLIP, package cn-clip 1.6.0, clip/model.py, clip/model_configs/.
"""

from typing import Any

from refimpl.checkpoints.layouts import openai
from refimpl.checkpoints.layouts.renaming import (
    Move,
    Tensors,
    affine,
    packed,
    renamed,
    respelled,
    transposed,
    without_prefix,
)
from refimpl.checkpoints.layouts.sizes import Sizes
from refimpl.shapes import Array, Shaped

_IMAGE_BLOCK = "visual.transformer.resblocks.*."
_NEW_IMAGE_BLOCK = "vision_model.encoder.layers.*."
_BERT_LAYER, _NEW_BERT_LAYER = "bert.encoder.layer.*.", "text_model.encoder.layer.*."

TABLE = {
    **openai.VISION,
    **packed(f"{_IMAGE_BLOCK}attn.Wqkv", f"{_NEW_IMAGE_BLOCK}self_attn.{{}}_proj", "qkv"),
    **{
        f"{_BERT_LAYER}attention.self.Wqkv.{kind}": Move(
            tuple(
                f"{_NEW_BERT_LAYER}attention.self.{part}.{kind}"
                for part in ("query", "key", "value")
            )
        )
        for kind in ("weight", "bias")
    },
    **affine(f"{_BERT_LAYER}attention.self.out_proj", f"{_NEW_BERT_LAYER}attention.output.dense"),
    "text_projection": Move("text_projection.weight", transposed),
}
# The tower that reads a text at its first token has no pooler, though its files may hold BERT's.
_NOT_WEIGHTS = ("bert.pooler.", "bert.embeddings.position_ids")
_WIDE_HEADS = {1280: 80}  # of image towers, by their width


def hub_tensors(tensors: Tensors, where: str) -> dict[str, Shaped[Array, "..."]]:
    """Give Chinese-CLIP's tensors the hub's names for a ChineseCLIPModel.

    Raises:
        InputError: a packed tensor cannot be cut, or two tensors would have one name.
    """
    return respelled(renamed(_plain(tensors), TABLE, where), _of_the_hub, where)


def _of_the_hub(name: str) -> str:
    return "text_model." + name.removeprefix("bert.") if name.startswith("bert.") else name


def hub_config(tensors: Tensors, where: str) -> dict[str, Any]:
    """Tell the config.json of a ChineseCLIPModel from the shapes.

    Raises:
        InputError: a ResNet, which the hub's classes cannot express; a tensor is missing, or the
            shapes describe no Chinese-CLIP.
    """
    plain = _plain(tensors)
    openai.refuse_resnet(plain, where)
    sizes = Sizes(plain, where)
    width = sizes.axis("visual.conv1.weight", 0, rank=4)
    joint = sizes.axis("text_projection", 1, rank=2)
    vision = openai.vision_config(sizes, "quick_gelu", _WIDE_HEADS.get(width, openai.HEAD_WIDTH))
    return {
        "model_type": "chinese_clip",
        "architectures": ["ChineseCLIPModel"],
        "text_config": _text_config(sizes),
        "vision_config": {
            "model_type": "chinese_clip_vision_model",
            **vision,
            "projection_dim": joint,
        },
        "projection_dim": joint,
    }


def _text_config(sizes: Sizes) -> dict[str, Any]:
    """Tell BERT's sizes from its shapes."""
    vocabulary, width = (
        sizes.axis("bert.embeddings.word_embeddings.weight", axis, rank=2) for axis in (0, 1)
    )
    return {
        "model_type": "chinese_clip_text_model",
        "vocab_size": vocabulary,
        "type_vocab_size": sizes.axis("bert.embeddings.token_type_embeddings.weight", 0, rank=2),
        "max_position_embeddings": sizes.axis(
            "bert.embeddings.position_embeddings.weight", 0, rank=2
        ),
        "hidden_size": width,
        "intermediate_size": sizes.axis("bert.encoder.layer.0.intermediate.dense.weight", 0, 2),
        "num_hidden_layers": sizes.count("bert.encoder.layer.{}.output.dense.weight"),
        "num_attention_heads": sizes.heads(width, openai.HEAD_WIDTH),
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    }


def _plain(tensors: Tensors) -> dict[str, Shaped[Array, "..."]]:
    plain = without_prefix(tensors, "module.")
    return {name: x for name, x in plain.items() if not name.startswith(_NOT_WEIGHTS)}
