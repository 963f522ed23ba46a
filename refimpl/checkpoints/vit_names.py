"""ViT and its kin have two spellings: version 4's in files, version 5's in its running modules.

version 4 (files, and our trees)                    version 5 (a running module's state dict)
encoder.layer.0.attention.attention.query.weight    layers.0.attention.q_proj.weight
encoder.layer.0.attention.output.dense.weight       layers.0.attention.o_proj.weight
encoder.layer.0.intermediate.dense.weight           layers.0.mlp.fc1.weight
encoder.layer.0.output.dense.weight                 layers.0.mlp.fc2.weight
encoder.layer.0.layernorm_before.weight             layers.0.layernorm_before.weight
encoder.relative_position_bias.…                    shared_position_bias.…

Version 5 writes version 4's names into the files that it saves; its own names are in files that
somebody else saved from its state dict. DINOv2 keeps `encoder.layer.0.`, and its gated MLP stands
in two parts in version 5 (`gate_proj`, `up_proj`), in one in version 4 (`weights_in`).

Called by names.py.
Source: Transformers 5.23, conversion_mapping.py, ViTModel and Dinov2Model.
"""

import re
from collections.abc import Mapping

import numpy as np

from refimpl.shapes import Array, Shaped

__all__ = ["gated_in_one", "version_4"]

_LAYER = re.compile(r"(?P<before>|.*\.)(?:encoder\.layer|layers)\.(?P<number>\d+)\.(?P<rest>.+)")
# Of one layer: version 5's beginning, version 4's.
_PARTS = (
    ("attention.q_proj.", "attention.attention.query."),
    ("attention.k_proj.", "attention.attention.key."),
    ("attention.v_proj.", "attention.attention.value."),
    ("attention.o_proj.", "attention.output.dense."),
    ("mlp.fc1.", "intermediate.dense."),
    ("mlp.fc2.", "output.dense."),
    ("mlp.down_proj.", "mlp.weights_out."),
    ("relative_position_bias.", "attention.attention.relative_position_bias."),
)
_SHARED = "shared_position_bias."


def version_4(name: str) -> str:
    """Spell a name of version 5's ViT, DeiT, BEiT or DINOv2 as version 4 does; others stay.

    >>> version_4("vision_model.layers.3.attention.o_proj.bias")
    'vision_model.encoder.layer.3.attention.output.dense.bias'
    """
    before, shared, rest = name.rpartition(_SHARED)
    if shared:
        return f"{before}encoder.relative_position_bias.{rest}"
    layer = _LAYER.fullmatch(name)
    if layer is None:
        return name
    rest = layer["rest"]
    for new, old in _PARTS:
        if rest.startswith(new):
            rest = old + rest.removeprefix(new)
            break
    return f"{layer['before']}encoder.layer.{layer['number']}.{rest}"


def gated_in_one(
    tensors: Mapping[str, Shaped[Array, "..."]],
) -> dict[str, Shaped[Array, "..."]]:
    """Join the two parts of version 5's gated MLPs into version 4's one; the rest stays.

    >>> parts = {"mlp.gate_proj.bias": np.zeros(2), "mlp.up_proj.bias": np.ones(2)}
    >>> {name: x.tolist() for name, x in gated_in_one(parts).items()}
    {'mlp.weights_in.bias': [0.0, 0.0, 1.0, 1.0]}
    """
    result = dict(tensors)
    for name, gate in tensors.items():
        before, found, last = name.rpartition("mlp.gate_proj.")
        partner, whole = f"{before}mlp.up_proj.{last}", f"{before}mlp.weights_in.{last}"
        if not found or partner not in tensors or whole in tensors:
            continue
        up = tensors[partner]
        if gate.ndim and gate.shape == up.shape and gate.dtype == up.dtype:
            del result[name], result[partner]
            result[whole] = np.concatenate([gate, up], axis=0)
    return result
