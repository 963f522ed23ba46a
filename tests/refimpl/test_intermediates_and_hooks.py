"""What docs/intermediates.md says of hooks: which module of Transformers shows which value.

Every tap is found at a module, on its way in or out, but for those that live inside a function.
"""

import re

import pytest
import tiny
import torch
import transformers
import upstream
from comparing import relative_l2

from refimpl import models, ops
from refimpl.trace import Record

TEXT = {**tiny.TEXT, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 0}
FAMILIES = {
    "siglip": transformers.SiglipConfig(
        text_config={**TEXT, "projection_size": tiny.VISION["hidden_size"]},
        vision_config=tiny.VISION,
    ),
    "chinese_clip": transformers.ChineseCLIPConfig(
        text_config=TEXT, vision_config=tiny.VISION, projection_dim=10
    ),
    "bert": transformers.BertConfig(**TEXT),
    "vit": transformers.ViTConfig(**tiny.VISION),
}
# Our name, the module of Transformers 5.23, and which of its ends; the first that fits counts.
PLACES = [
    (r"(.*)\.self_attn\.([qkv])", r"\1.self_attn.\2_proj", "out"),
    (r"(.*)\.self_attn\.context", r"\1.self_attn.out_proj", "in"),
    (r"(.*)\.self_attn\.output", r"\1.self_attn.out_proj", "out"),
    (r"(.*)\.mlp\.activation", r"\1.mlp.fc2", "in"),
    (r"(.*)\.mlp\.output", r"\1.mlp.fc2", "out"),
    (r"(.*layers.*)\.attention_residual", r"\1.layer_norm2", "in"),
    (r"(.*layer\.\d+)\.attention_residual", r"\1.layernorm_after", "in"),
    (r"(.*layer\.\d+\.attention)\.([qkv])", r"\1.\2_proj", "out"),
    (r"(.*layer\.\d+\.attention)\.context", r"\1.o_proj", "in"),
    (r"(.*attention\.self)\.q", r"\1.query", "out"),
    (r"(.*attention\.self)\.k", r"\1.key", "out"),
    (r"(.*attention\.self)\.v", r"\1.value", "out"),
    (r"(.*attention\.self)\.context", r"\1", "out"),
    (r"(.*)\.residual", r"\1.LayerNorm", "in"),
    (r"(.*)\.intermediate\.fc1", r"\1.intermediate.dense", "out"),
    (r"(.*)\.intermediate\.activation", r"\1.intermediate", "out"),
    (r"((?:text_model\.)?embeddings)\.output", r"\1.LayerNorm", "in"),  # BERT's
    (r"(.*)encoder\.input", r"\1encoder.layers.0", "in"),
    (r"(.*)encoder\.input", r"\1encoder.layer.0", "in"),
    (r"(.*)\.patches", r"\1.patch_embedding", "out"),
    (r"(.*)\.patches", r"\1.patch_embeddings.projection", "out"),
    (r"(.*\.dense)", r"\1", "out"),
    (r"(.*\.fc1)", r"\1", "out"),
    (r"(pooler)\.fc1", r"\1.dense", "out"),
    (r"(pooler)(?:_output|\.activation)", r"\1", "out"),
    (r"(.*)\.pooler_output", r"\1.head", "out"),
    (r"(.*)\.pooler_output", r"\1.post_layernorm", "out"),
    (r"(.*)\.output", r"\1", "out"),
]
INSIDE = re.compile(
    r".*\.(scores|probs)|vision_model\.head\.attention\.[qkv]|.*head\.attention\.context"
    r"|(image|text)_embeds|logits_per_(image|text)"
)


def place(name, modules):
    """The first end of a module on the list at which the value may be seen, or None."""
    for ours, theirs, end in PLACES:
        if re.fullmatch(ours, name):
            module = re.sub(ours, theirs, name)
            for each in (module, re.sub(r"encoder\.layer\.(\d+)", r"layers.\1", module)):
                if each in modules:
                    return modules[each][end]
    return None


def watched(model):
    """Record what goes into each module and what comes out, by its name."""
    found = {}

    def hook(name):
        def keep(module, given, result):
            result = result[0] if isinstance(result, tuple) else result
            found[name] = {"in": given[0] if given else None, "out": result}

        return keep

    for name, module in model.named_modules():
        module.register_forward_hook(hook(name))
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_every_value_is_seen_at_a_module(family, tmp_path):
    config = FAMILIES[family]
    name = type(config).__name__.replace("Config", "Model")
    theirs = upstream.build(getattr(transformers, name), config, "float32")
    theirs.save_pretrained(tmp_path)
    values = {}
    ours = getattr(models, name).from_pretrained(tmp_path, ops=Record(ops, values))
    inputs = {"input_ids": tiny.IDS} if family != "vit" else {}
    inputs |= {"pixel_values": tiny.PIXELS} if family != "bert" else {}
    modules = watched(theirs)
    with torch.no_grad():
        theirs(**{key: torch.tensor(x) for key, x in inputs.items()})
    ours(**inputs)
    for name, value in values.items():
        seen = place(name, modules)
        assert (seen is None) == bool(INSIDE.fullmatch(name)), name
        if seen is not None:
            seen = seen.flatten(2).swapaxes(1, 2) if name.endswith(".patches") else seen
            assert seen.shape == value.shape, name
            assert relative_l2(value, seen.numpy()) <= 1e-5, name
