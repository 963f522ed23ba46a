"""Transformers 4.57.6 loads what we save, we load what it saves, and both compute the same.

It is also the judge of head masks, which version 5 has no more. One process does it all.
"""

import numpy as np
import pytest
import transformers4
from comparing import assert_close
from dual_encoder_cases import TEXTS, VISION, config_of, make_inputs
from vit_cases import BEIT, DINO, DINOV2, SMALL, make_pixels, on_random_weights

from refimpl import configs, models
from refimpl.models import VisionTextDualEncoderModel

TOWERS = {
    "ViT": SMALL,
    "DeiT": SMALL,
    "Beit": {**SMALL, **BEIT["all_positions"]},
    "Dinov2": {**DINO, **DINOV2["gated"]},
}
# Version 4 cannot run CLIP's text tower here: it hands token_type_ids to it.
PAIRS = [(vision, text) for vision in VISION for text in ("BertConfig", "RobertaConfig")]
HEADS = {
    "each head": [0.0, 0.5, 1.0, 2.0],
    "each layer": [[1.0, 0.0, 1.0, 0.25], [0.0, 1.0, 0.5, 1.0]],
}

SOURCE = """
import torch
answer = {}
torch.set_num_threads(1)
def listed(out, fields):
    found = {name: out[name].tolist() for name in fields}
    for name in ("hidden_states", "attentions"):
        if out.get(name) is not None:
            found[name] = [x.tolist() for x in out[name]]
    return found
with torch.no_grad():
    for name, (folder, pixels, heads) in given["towers"].items():
        kind = getattr(transformers, name + "Model")
        model, info = kind.from_pretrained(
            folder, attn_implementation="eager", output_loading_info=True)
        assert not any(info.values()), info
        pixels = torch.tensor(pixels)
        fields = ("last_hidden_state", "pooler_output")
        answer[name] = {"plain": listed(model(pixels), fields)}
        for case, weights in heads.items():
            out = model(pixels, head_mask=torch.tensor(weights), output_hidden_states=True,
                        output_attentions=True)
            answer[name][case] = listed(out, fields)
        model.save_pretrained(folder + "_again")
    for name, (folder, inputs) in given["pairs"].items():
        kind = transformers.VisionTextDualEncoderModel
        model, info = kind.from_pretrained(
            folder, attn_implementation="eager", output_loading_info=True)
        assert not any(info.values()), info
        out = model(**{name: torch.tensor(x) for name, x in inputs.items()}, return_loss=True)
        answer[name] = listed(out, ("loss", "logits_per_image", "text_embeds", "image_embeds"))
        answer[name]["text_pooled"] = out.text_model_output.pooler_output.tolist()
        model.save_pretrained(folder + "_again")
"""


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Our models, their folders and inputs, and version 4's answers about them."""
    root = tmp_path_factory.mktemp("saved")
    ours, towers, pairs = {}, {}, {}
    for name, values in TOWERS.items():
        config = getattr(configs, f"{name}Config")(**values)
        ours[name] = on_random_weights(getattr(models, f"{name}Model"), config)
        ours[name].save_pretrained(root / name)
        towers[name] = (str(root / name), make_pixels(config, 2).tolist(), HEADS)
    for vision, text in PAIRS:
        name, config = f"{vision}-{text}", config_of(configs, vision, text)
        ours[name] = on_random_weights(VisionTextDualEncoderModel, config)
        ours[name].save_pretrained(root / name)
        inputs = {key: x.tolist() for key, x in make_inputs(config).items()}
        pairs[name] = (str(root / name), inputs)
    answer = transformers4.ask(SOURCE, {"towers": towers, "pairs": pairs})
    return root, ours, answer


def assert_equal(found, wanted, name):
    for field, values in wanted.items():
        many = field in ("hidden_states", "attentions")
        for a, b in zip(found[field], values, strict=True) if many else [(found[field], values)]:
            assert_close(a, np.float32(b), 1e-5, f"{name}.{field}")


@pytest.mark.parametrize("name", TOWERS)
def test_version_4_computes_the_same(name, judged):
    root, ours, answer = judged
    pixels = make_pixels(ours[name].config, 2)
    assert_equal(ours[name](pixels), answer[name]["plain"], name)
    again = type(ours[name]).from_pretrained(root / f"{name}_again")
    for key, x in ours[name].state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[key], x, strict=True)
    assert ours[name].config.to_dict().items() <= again.config.to_dict().items()


@pytest.mark.parametrize("case", HEADS)
@pytest.mark.parametrize("name", TOWERS)
def test_head_masks_equal_version_4(name, case, judged):
    _, ours, answer = judged
    pixels = make_pixels(ours[name].config, 2)
    watch = {"output_hidden_states": True, "output_attentions": True}
    found = ours[name](pixels, head_mask=HEADS[case], **watch)
    assert_equal(found, answer[name][case], f"{name} {case}")
    assert np.abs(found.pooler_output - ours[name](pixels).pooler_output).max() > 1e-2


@pytest.mark.parametrize(("vision", "text"), PAIRS)
def test_dual_encoders_equal_version_4(vision, text, judged):
    root, ours, answer = judged
    name = f"{vision}-{text}"
    found, wanted = ours[name](**make_inputs(ours[name].config), return_loss=True), answer[name]
    pooled = wanted.pop("text_pooled")
    assert_equal(found, wanted, name)
    assert_close(found.text_model_output.pooler_output, np.float32(pooled), 1e-5, "text pooled")
    again = VisionTextDualEncoderModel.from_pretrained(root / f"{name}_again")
    assert again.state_dict().keys() == ours[name].state_dict().keys()
    for key, x in ours[name].state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[key], x, strict=True)


def test_the_cases_cover_every_tower():
    assert {vision for vision, _ in PAIRS} == set(VISION)
    assert {text for _, text in PAIRS} | {"CLIPTextConfig"} == set(TEXTS)
