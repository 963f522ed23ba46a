"""SigLIP as big_vision saved it: one .npz file of JAX arrays, no config.

Names are paths with slashes, some files put `params/` before them. Kernels are (in, out); those of
attention keep the heads as an axis of their own: (C, heads, d) for query, key and value, and
(heads, d, C) for the output. Newer files stack all layers in one array, `encoderblock/`.

Trap: all four kernels of attention have the same size when reshaped, and only one order is right.
Trap: pixels that fill no patch leave no trace: the so400m/14 that was trained at 384 is told from
    its 27×27 patches to be of 378 pixels, and pictures are then resized to 378.
Source: google-research/big_vision 0127fb6, models/vit.py, models/proj/image_text/text_transformer.py,
    two_towers.py; Transformers 5.23.0, models/siglip/convert_siglip_to_hf.py for the hub's names.
"""

from typing import Any

from refimpl.checkpoints.layouts.open_clip import siglip_config, with_identity_head
from refimpl.checkpoints.layouts.renaming import (
    Move,
    Table,
    Tensors,
    as_one,
    joined,
    renamed,
    respelled,
    transposed,
    under,
    without_first_axis,
)
from refimpl.checkpoints.layouts.sizes import Sizes
from refimpl.errors import InputError
from refimpl.shapes import Array, Shaped

_LAYER = ".encoderblock."


def _flat_bias(x: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """Lay the heads of a bias, (heads, d), behind each other."""
    return x.reshape(-1)


def _to_heads(x: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """Turn the kernel (C, heads, d) of a query, key or value into a weight (heads * d, C)."""
    return x.reshape(x.shape[0], -1).T


def _from_heads(x: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """Turn the kernel (heads, d, C) of the output into a weight (C, heads * d)."""
    return x.reshape(-1, x.shape[-1]).T


def _convolution(x: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """Turn a kernel (rows, columns, in, out) into a weight (out, in, rows, columns)."""
    return x.transpose(3, 2, 0, 1)


def _dense(old: str, new: str) -> dict[str, Move]:
    return {
        f"{old}.kernel": Move(f"{new}.weight", transposed),
        f"{old}.bias": Move(f"{new}.bias"),
    }


def _norm(old: str, new: str) -> dict[str, Move]:
    return {f"{old}.scale": Move(f"{new}.weight"), f"{old}.bias": Move(f"{new}.bias")}


def _attention(old: str, new: str) -> dict[str, Move]:
    """Rows of one attention; {} in `new` stands for the projection's name."""
    rows = {}
    for part, letter in (("query", "q"), ("key", "k"), ("value", "v"), ("out", "out")):
        change = _from_heads if part == "out" else _to_heads
        rows[f"{old}.{part}.kernel"] = Move(f"{new.format(letter)}.weight", change)
        rows[f"{old}.{part}.bias"] = Move(f"{new.format(letter)}.bias", _flat_bias)
    return rows


BLOCK = {
    **_norm("LayerNorm_0", "layer_norm1"),
    **_attention("MultiHeadDotProductAttention_0", "self_attn.{}_proj"),
    **_norm("LayerNorm_1", "layer_norm2"),
    **_dense("MlpBlock_0.Dense_0", "mlp.fc1"),
    **_dense("MlpBlock_0.Dense_1", "mlp.fc2"),
}
HEAD = {
    "probe": Move("probe"),
    **_attention("MultiHeadDotProductAttention_0", "attention.{}_proj"),
    **_norm("LayerNorm_0", "layernorm"),
    **_dense("MlpBlock_0.Dense_0", "mlp.fc1"),
    **_dense("MlpBlock_0.Dense_1", "mlp.fc2"),
}
TABLE: Table = {
    "img.embedding.kernel": Move("vision_model.embeddings.patch_embedding.weight", _convolution),
    "img.embedding.bias": Move("vision_model.embeddings.patch_embedding.bias"),
    "img.pos_embedding": Move(
        "vision_model.embeddings.position_embedding.weight", without_first_axis
    ),
    **under("img.Transformer.encoderblock.*.", BLOCK, "vision_model.encoder.layers.*."),
    **_norm("img.Transformer.encoder_norm", "vision_model.post_layernorm"),
    **under("img.MAPHead_0.", HEAD, "vision_model.head."),
    "txt.Embed_0.embedding": Move("text_model.embeddings.token_embedding.weight"),
    "txt.pos_embedding": Move(
        "text_model.embeddings.position_embedding.weight", without_first_axis
    ),
    **under("txt.Encoder_0.encoderblock.*.", BLOCK, "text_model.encoder.layers.*."),
    **_norm("txt.Encoder_0.encoder_norm", "text_model.final_layer_norm"),
    **_dense("txt.head", "text_model.head"),
    "t": Move("logit_scale", as_one),
    "b": Move("logit_bias", as_one),
}
_POOLING = "vision_model.head.attention."
JOINS = {
    f"{_POOLING}in_proj_{kind}": tuple(f"{_POOLING}{part}_proj.{kind}" for part in "qkv")
    for kind in ("weight", "bias")
}
_MOST_LAYERS = 1024


def hub_tensors(tensors: Tensors, where: str) -> dict[str, Shaped[Array, "..."]]:
    """Give big_vision's tensors the hub's names for a SiglipModel.

    The files of the multilingual models have no `txt/head`: they get one that changes nothing, as
    the hub's own copies have.

    Raises:
        InputError: a tensor has not the number of axes that its row needs, or stacked layers are
            of different numbers.
    """
    plain = _plain(tensors, where)
    named = joined(renamed(plain, TABLE, where), JOINS, where)
    if any(name.startswith("txt.head.") for name in plain):
        return named
    return with_identity_head(named, Sizes(plain, where).axis("txt.Embed_0.embedding", 1, rank=2))


def hub_config(tensors: Tensors, where: str) -> dict[str, Any]:
    """Tell the config.json of a SiglipModel from the shapes, heads included.

    Raises:
        InputError: a tensor is missing, or the shapes describe no SigLIP.
    """
    plain = _plain(tensors, where)
    sizes = Sizes(plain, where)
    patch = sizes.axis("img.embedding.kernel", 0, rank=4)
    patches = sizes.axis("img.pos_embedding", 1, rank=3)
    vocabulary, text_width = (sizes.axis("txt.Embed_0.embedding", axis, rank=2) for axis in (0, 1))
    has_head = "txt.head.kernel" in plain
    return siglip_config(
        {
            "vocab_size": vocabulary,
            "max_position_embeddings": sizes.axis("txt.pos_embedding", 1, rank=3),
            "projection_size": sizes.axis("txt.head.kernel", 1, rank=2) if has_head else text_width,
            **_tower(sizes, "txt.Encoder_0.encoderblock"),
        },
        {
            "num_channels": sizes.axis("img.embedding.kernel", 2, rank=4),
            "image_size": sizes.image_size(patch, patches),
            "patch_size": patch,
            **_tower(sizes, "img.Transformer.encoderblock"),
        },
    )


def _tower(sizes: Sizes, blocks: str) -> dict[str, Any]:
    query = f"{blocks}.0.MultiHeadDotProductAttention_0.query.kernel"
    return {
        "hidden_size": sizes.axis(query, 0, rank=3),
        "intermediate_size": sizes.axis(f"{blocks}.0.MlpBlock_0.Dense_0.kernel", 1, rank=2),
        "num_hidden_layers": sizes.count(blocks + ".{}.LayerNorm_0.scale"),
        "num_attention_heads": sizes.axis(query, 1, rank=3),
        "hidden_act": "gelu_pytorch_tanh",
        "layer_norm_eps": 1e-6,
    }


def _plain(tensors: Tensors, where: str) -> dict[str, Shaped[Array, "..."]]:
    """Bring both spellings to one: no `params/`, dots, and one tensor for each layer."""
    if any(name.startswith("params/") for name in tensors):  # beside it: the optimizer's
        tensors = {name: x for name, x in tensors.items() if name.startswith("params/")}
    dotted = respelled(tensors, _with_dots, where)
    plain: dict[str, Array] = {}
    for name, x in dotted.items():
        before, stacked, after = name.partition(_LAYER)
        if not stacked or after.partition(".")[0].isdigit():
            plain[name] = x
            continue
        if x.ndim == 0 or len(x) > _MOST_LAYERS:
            raise InputError(f"{where}: {name} must have an axis of layers; its shape is {x.shape}")
        plain |= {f"{before}{_LAYER}{number}.{after}": part for number, part in enumerate(x)}
    return plain


def _with_dots(path: str) -> str:
    return path.removeprefix("params/").replace("/", ".").replace(".encoderblock_", _LAYER)
