"""OpenAI's CLIP, from its .pt file: a TorchScript archive, half precision, no config.

Read its table first: open_clip.py and cn_clip.py use the same names for their image tower.

Trap: `visual.proj` and `text_projection` are used as x @ P, so they are transposed; a linear layer
    of the hub computes x @ W.T. A square one (ViT-B/32's text) would fit unchanged and be wrong.
Source: openai/CLIP d05afc4, clip/model.py (build_model), clip/clip.py.
"""

from typing import Any

from refimpl.checkpoints.layouts.renaming import (
    Move,
    Tensors,
    affine,
    packed,
    renamed,
    transposed,
    under,
)
from refimpl.checkpoints.layouts.sizes import Sizes
from refimpl.errors import InputError
from refimpl.shapes import Array, Shaped

HEAD_WIDTH = 64  # of both towers of every ViT that OpenAI published
END_OF_TEXT, BEGIN_OF_TEXT, VOCABULARY = 49407, 49406, 49408

# One block of a transformer, in both towers.
BLOCK = {
    **affine("ln_1", "layer_norm1"),
    **packed("attn.in_proj", "self_attn.{}_proj", "qkv", "_"),
    **affine("attn.out_proj", "self_attn.out_proj"),
    **affine("ln_2", "layer_norm2"),
    **affine("mlp.c_fc", "mlp.fc1"),
    **affine("mlp.c_proj", "mlp.fc2"),
}
VISION = {
    "visual.class_embedding": Move("vision_model.embeddings.class_embedding"),
    "visual.conv1.weight": Move("vision_model.embeddings.patch_embedding.weight"),
    "visual.positional_embedding": Move("vision_model.embeddings.position_embedding.weight"),
    **affine("visual.ln_pre", "vision_model.pre_layrnorm"),
    **under("visual.transformer.resblocks.*.", BLOCK, "vision_model.encoder.layers.*."),
    **affine("visual.ln_post", "vision_model.post_layernorm"),
    "visual.proj": Move("visual_projection.weight", transposed),
}
TEXT = {
    "token_embedding.weight": Move("text_model.embeddings.token_embedding.weight"),
    "positional_embedding": Move("text_model.embeddings.position_embedding.weight"),
    **under("transformer.resblocks.*.", BLOCK, "text_model.encoder.layers.*."),
    **affine("ln_final", "text_model.final_layer_norm"),
}
TABLE = {**VISION, **TEXT, "text_projection": Move("text_projection.weight", transposed)}

# Numbers that the archive holds beside the weights; the shapes say the same.
NOT_WEIGHTS = frozenset({"input_resolution", "context_length", "vocab_size", "attn_mask"})


def hub_tensors(tensors: Tensors, where: str) -> dict[str, Shaped[Array, "..."]]:
    """Give OpenAI's tensors the hub's names for a CLIPModel.

    Raises:
        InputError: a packed tensor cannot be cut, or two tensors would have one name.
    """
    kept = {name: x for name, x in tensors.items() if name not in NOT_WEIGHTS}
    return renamed(kept, TABLE, where)


def hub_config(tensors: Tensors, where: str) -> dict[str, Any]:
    """Tell the config.json of a CLIPModel from the shapes.

    OpenAI pools a text at its largest id. With its vocabulary that is the first 49407, which the
    hub's config says so; with another vocabulary the config says 2, the hub's sign for the rule.

    Raises:
        InputError: a ResNet, which the hub's classes cannot express; a tensor is missing, or the
            shapes describe no CLIP.
    """
    refuse_resnet(tensors, where)
    sizes = Sizes(tensors, where)
    joint = sizes.axis("text_projection", 1, rank=2)
    return clip_config(
        text_config=text_config(sizes, hidden_act="quick_gelu"),
        vision_config=vision_config(sizes, hidden_act="quick_gelu", head_width=HEAD_WIDTH),
        projection_dim=joint,
    )


def refuse_resnet(tensors: Tensors, where: str) -> None:
    """Refuse the image towers that are no transformers.

    Raises:
        InputError: the tensors of a ResNet are there.
    """
    if any(name.startswith(("visual.layer1.", "visual.attnpool.")) for name in tensors):
        raise InputError(
            f"{where}: the image tower is a ResNet (visual.layer1, visual.attnpool); the hub's "
            "layout has only vision transformers, such as ViT-B/32, so it cannot be converted"
        )


def clip_config(
    text_config: dict[str, Any], vision_config: dict[str, Any], projection_dim: int
) -> dict[str, Any]:
    """Put the towers' configs together into a CLIPModel's."""
    joint = {"projection_dim": projection_dim}
    return {
        "model_type": "clip",
        "architectures": ["CLIPModel"],
        "text_config": {"model_type": "clip_text_model", **text_config, **joint},
        "vision_config": {"model_type": "clip_vision_model", **vision_config, **joint},
        "projection_dim": projection_dim,
    }


def vision_config(
    sizes: Sizes, hidden_act: str, head_width: int, image_size: Any = None
) -> dict[str, Any]:
    """Tell the image tower's sizes from its shapes; `image_size` is what a config says of it."""
    first = "visual.conv1.weight"
    width, patch = (sizes.axis(first, axis, rank=4) for axis in (0, 2))
    patches = sizes.axis("visual.positional_embedding", 0, rank=2) - 1  # one is the class token's
    return {
        "hidden_size": width,
        "intermediate_size": sizes.axis(
            "visual.transformer.resblocks.0.mlp.c_fc.weight", 0, rank=2
        ),
        "num_hidden_layers": sizes.count("visual.transformer.resblocks.{}.ln_1.weight"),
        "num_attention_heads": sizes.heads(width, head_width),
        "num_channels": sizes.axis(first, 1, rank=4),
        "image_size": sizes.image_size(patch, patches, image_size),
        "patch_size": patch,
        "hidden_act": hidden_act,
        "layer_norm_eps": 1e-5,
    }


def text_config(
    sizes: Sizes, hidden_act: str, heads: int | None = None, eps: float = 1e-5
) -> dict[str, Any]:
    """Tell the text tower's sizes from its shapes; heads are 64 wide unless they are told."""
    vocabulary, width = (sizes.axis("token_embedding.weight", axis, rank=2) for axis in (0, 1))
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": sizes.axis("transformer.resblocks.0.mlp.c_fc.weight", 0, rank=2),
        "num_hidden_layers": sizes.count("transformer.resblocks.{}.ln_1.weight"),
        "num_attention_heads": heads or sizes.heads(width, HEAD_WIDTH),
        "max_position_embeddings": sizes.axis("positional_embedding", 0, rank=2),
        "hidden_act": hidden_act,
        "layer_norm_eps": eps,
        **text_ids(vocabulary),
    }


def text_ids(vocabulary: int) -> dict[str, int]:
    """Ids of the special tokens; `eos_token_id` also says where a text is pooled."""
    if vocabulary != VOCABULARY:
        return {"eos_token_id": 2}
    return {"bos_token_id": BEGIN_OF_TEXT, "eos_token_id": END_OF_TEXT}
