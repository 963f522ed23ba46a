"""What the BERT classes do beside the maths: loading, saving, old names, other models' files."""

import json

import numpy as np
import pytest
import torch
import transformers
import transformers4
import upstream
from bert_model_cases import FAMILIES, SMALL, assert_equal, inputs_of, make_ids, pair
from comparing import assert_close
from safetensors.numpy import load_file, save_file

from refimpl import models
from refimpl.configs import BertConfig
from refimpl.errors import InputError
from refimpl.models import BertModel, ChineseCLIPModel, RobertaModel


@pytest.mark.parametrize("family", FAMILIES)
def test_what_upstream_saved_loads_here_and_back(family, tmp_path):
    config, theirs, _ = pair(family, "small", "float32")
    if family == "ChineseCLIPTextModel":  # see test_chinese_clip_against_transformers.py
        with torch.no_grad():
            theirs.embeddings.word_embeddings.weight[config.pad_token_id] = 0
    theirs.save_pretrained(tmp_path / "theirs")
    ours = getattr(models, family).from_pretrained(tmp_path / "theirs")
    inputs = inputs_of(config)
    assert_equal(ours(**inputs), upstream.run(theirs, **inputs), 1e-5, family)
    ours.save_pretrained(tmp_path / "ours")
    kind = getattr(transformers, family)
    again, report = kind.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    for key, value in upstream.weights(again).items():
        np.testing.assert_array_equal(value, ours.state_dict()[key])
    for key, value in (
        getattr(models, family).from_pretrained(tmp_path / "ours").state_dict().items()
    ):
        np.testing.assert_array_equal(value, ours.state_dict()[key])
    assert json.loads((tmp_path / "ours" / "config.json").read_text())["architectures"] == [family]


SAVE = """
import torch
torch.manual_seed(0)
answer = {}
for family, kind in given["families"].items():
    config = getattr(transformers, kind)(**given["sizes"])
    model = getattr(transformers, family)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
        out = model(torch.tensor(given["ids"]))
    model.save_pretrained(given["folder"] + "/" + family)
    answer[family] = [out.last_hidden_state.tolist(), out.pooler_output.tolist()]
towers = {"text_config": given["sizes"], "vision_config": given["vision"]}
model = transformers.ChineseCLIPModel(transformers.ChineseCLIPConfig(**towers)).eval()
model.save_pretrained(given["folder"] + "/ChineseCLIPModel")
with torch.no_grad():
    out = model(torch.tensor(given["ids"]), torch.tensor(given["pixels"]))
answer["ChineseCLIPModel"] = out.logits_per_image.tolist()
"""
LOAD = """
import torch
answer = {}
for family in given["families"]:
    kind = getattr(transformers, family)
    model, report = kind.from_pretrained(given["folder"] + "/" + family, output_loading_info=True)
    assert not any(report[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys")), report
    with torch.no_grad():
        pixels = [torch.tensor(given["pixels"])] if family == "ChineseCLIPModel" else []
        answer[family] = model.eval()(torch.tensor(given["ids"]), *pixels)[0].tolist()
"""


def test_checkpoints_go_to_and_from_version_4(tmp_path):
    families = {name: kind for name, kind in FAMILIES.items() if name != "ChineseCLIPTextModel"}
    ids = make_ids(BertConfig(**SMALL), padded=False).tolist()
    pixels = np.random.default_rng(9).standard_normal((2, 3, 8, 8))
    given = {"families": families, "sizes": SMALL, "ids": ids, "folder": str(tmp_path)}
    given |= {"vision": VISION, "pixels": pixels.astype(np.float32).tolist()}
    theirs = transformers4.ask(SAVE, given)
    whole = ChineseCLIPModel.from_pretrained(tmp_path / "ChineseCLIPModel")
    logits, wanted = whole(ids, pixels).logits_per_image, theirs.pop("ChineseCLIPModel")
    assert_close(logits, np.float32(wanted), 1e-5, "logits_per_image")
    whole.save_pretrained(tmp_path / "ours" / "ChineseCLIPModel")
    for family, (last, pooled) in theirs.items():
        ours = getattr(models, family).from_pretrained(tmp_path / family)
        found = ours(ids)
        assert_close(found.last_hidden_state, np.float32(last), 1e-5, family)
        assert_close(found.pooler_output, np.float32(pooled), 1e-5, family)
        fresh = getattr(models, family)(ours.config, seed=5)
        fresh.save_pretrained(tmp_path / "ours" / family)
    given = {**given, "families": list(families), "folder": str(tmp_path / "ours")}
    given["families"].append("ChineseCLIPModel")
    theirs = transformers4.ask(LOAD, given)
    assert_close(logits, np.float32(theirs.pop("ChineseCLIPModel")), 1e-5, "logits_per_image back")
    for family, last in theirs.items():
        found = getattr(models, family).from_pretrained(tmp_path / "ours" / family)(ids)
        assert_close(found.last_hidden_state, np.float32(last), 1e-5, f"{family} back")


VISION = {
    "hidden_size": 8,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "image_size": 8,
    "patch_size": 4,
}

TASKS = {
    "BertForPreTraining": BertModel,
    "BertForMaskedLM": BertModel,
    "BertForSequenceClassification": BertModel,
    "RobertaForMaskedLM": RobertaModel,
    "RobertaForSequenceClassification": RobertaModel,
}


@pytest.mark.parametrize("task", TASKS)
def test_the_tower_of_a_tasks_checkpoint(task, tmp_path):
    """The released BERT and RoBERTa are such: the tower has a prefix, and heads stand beside it."""
    kind = TASKS[task]
    given = getattr(transformers, FAMILIES[kind.__name__])(**SMALL)
    theirs = upstream.build(getattr(transformers, task), given, "float32")
    theirs.save_pretrained(tmp_path)
    tower = theirs.base_model
    if tower.pooler is None:
        with pytest.warns(UserWarning, match="pooler.dense.weight, pooler.dense.bias not in the"):
            kind.from_pretrained(tmp_path)
    ours = kind.from_pretrained(tmp_path, add_pooling_layer=tower.pooler is not None)
    inputs = inputs_of(ours.config)
    fields = ("last_hidden_state",) + (("pooler_output",) if tower.pooler is not None else ())
    assert_equal(ours(**inputs), upstream.run(tower, **inputs), 1e-5, task, fields)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoint_with_tensorflows_names(family, tmp_path):
    config, _, ours = pair(family, "small", "float32")
    ours.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}

    def spell(name):
        for new, before in old.items():
            name = name.replace(new, before)
        return name

    tensors = {spell(name): x for name, x in load_file(file).items()}
    tensors["embeddings.position_ids"] = np.arange(20)[None]
    save_file(tensors, file)
    again = getattr(models, family).from_pretrained(tmp_path)
    ids = make_ids(config)
    assert np.array_equal(again(ids).pooler_output, ours(ids).pooler_output)


@pytest.mark.parametrize("kind", ["relative_key", "relative_key_query"])
def test_a_decoder_with_relative_positions_is_saved_and_loaded(kind, tmp_path):
    values = {"position_embedding_type": kind, "is_decoder": True, "add_cross_attention": True}
    ours = BertModel(BertConfig(**{**SMALL, **values}))
    names = ours.state_dict()
    assert "encoder.layer.1.crossattention.self.query.weight" in names
    assert "encoder.layer.1.attention.self.distance_embedding.weight" in names
    assert "encoder.layer.1.crossattention.self.distance_embedding.weight" not in names
    ours.save_pretrained(tmp_path)
    again = BertModel.from_pretrained(tmp_path)
    assert again.config == ours.config.replace(architectures=("BertModel",), dtype="float32")
    ids = make_ids(ours.config)
    assert np.array_equal(again(ids).last_hidden_state, ours(ids).last_hidden_state)


@pytest.mark.parametrize(
    "model_type", ["distilbert", "albert", "electra", "roberta", "xlm-roberta"]
)
def test_other_berts_are_refused_by_name(model_type, tmp_path):
    BertModel(BertConfig(**SMALL)).save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "model_type": model_type}))
    with pytest.raises(InputError, match=f"model_type '{model_type}', not 'bert'"):
        BertModel.from_pretrained(tmp_path)


def test_a_pooler_can_be_left_out(tmp_path):
    model = BertModel(BertConfig(**SMALL), add_pooling_layer=False)
    assert not any(name.startswith("pooler") for name in model.state_dict())
    BertModel(BertConfig(**SMALL)).save_pretrained(tmp_path)
    loaded = BertModel.from_pretrained(tmp_path, add_pooling_layer=False)
    assert np.array_equal(loaded([[1, 2]]).last_hidden_state, model([[1, 2]]).last_hidden_state)
