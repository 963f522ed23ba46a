"""A decoder as the text tower of a whole model: its plain tuple, in the order of version 4.

With `return_dict=False` the keys and values come before the hidden states; in the named output
behind them. Transformers 4.57.6 is the judge.
"""

import pytest
from transformers4 import ask

from refimpl import configs, models

TOWER = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8}
TEXT = {
    **TOWER,
    "num_hidden_layers": 1,
    "vocab_size": 30,
    "is_decoder": True,
    "max_position_embeddings": 10,
}
VISION = {**TOWER, "num_hidden_layers": 2, "image_size": 8, "patch_size": 4}
IDS = [[2, 3, 4]]
CALL = {"output_hidden_states": True, "output_attentions": True, "return_dict": False}


@pytest.fixture(scope="module")
def lengths():
    """How many things are in each entry of 4.57's nested text output: None is one array."""
    return ask(
        """
import torch, transformers
text = transformers.BertConfig(**given["text"], attn_implementation="eager")
vision = transformers.ViTConfig(**given["vision"], attn_implementation="eager")
config = transformers.VisionTextDualEncoderConfig.from_vision_text_configs(vision, text)
config._attn_implementation = "eager"
model = transformers.VisionTextDualEncoderModel(config).eval()
pixels = torch.zeros(1, 3, 8, 8)
out = model(input_ids=torch.tensor(given["ids"]), pixel_values=pixels, **given["call"])
answer = [None if isinstance(each, torch.Tensor) else len(each) for each in out[4]]
""",
        {"text": TEXT, "vision": VISION, "ids": IDS, "call": CALL},
    )


def whole(kind):
    if kind == "ChineseCLIPModel":
        return configs.ChineseCLIPConfig(text_config=TEXT, vision_config=VISION)
    return configs.VisionTextDualEncoderConfig(
        {**VISION, "model_type": "vit"}, {**TEXT, "model_type": "bert"}
    )


@pytest.mark.parametrize("kind", ["VisionTextDualEncoderModel", "ChineseCLIPModel"])
def test_the_order_of_the_plain_tuple(kind, lengths):
    assert lengths == [None, None, 1, 2, 1]  # last, pooled, keys and values, states, attentions
    has_pooler = kind == "VisionTextDualEncoderModel"
    found = getattr(models, kind)(whole(kind))(IDS, [[[[0.0] * 8] * 8] * 3], **CALL)[4]
    wanted = lengths if has_pooler else [None, *lengths[2:]]
    assert [len(each) if isinstance(each, tuple) else None for each in found] == wanted
    keys = found[2 if has_pooler else 1][0][0]
    assert keys.shape == (1, 2, 3, 4)


def test_the_order_of_the_names():
    out = models.BertModel(configs.BertConfig(**TEXT))(IDS, **{**CALL, "return_dict": True})
    names = ["last_hidden_state", "pooler_output", "hidden_states", "past_key_values", "attentions"]
    assert out.keys() == names
    assert out.to_tuple()[2] is out.hidden_states
    assert out.plain()[2] is out.past_key_values
