"""Towers out of checkpoints that hold more: a task's head beside them, or another spelling.

Tiny random models of upstream's own classes are saved by upstream; we load a bare tower from each,
and it must be the one that upstream loads. test_upstream_names.py has the two-tower families.
"""

import numpy as np
import pytest
import transformers
import upstream
from vit_cases import BEIT, DINO, DINOV2, SMALL, WATCH, assert_outputs_equal, make_pixels

from refimpl import models
from refimpl.checkpoints.folder import read_config, read_weights, write_folder
from refimpl.checkpoints.names import reconcile
from refimpl.checkpoints.vit_names import gated_in_one, version_4
from refimpl.errors import InputError

TEXT = {
    "vocab_size": 19,
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 9,
    "pad_token_id": 1,
}
BIASED = {**SMALL, **BEIT["all_positions"]}
GATED = {**DINO, **DINOV2["gated"]}
# Upstream's class with a head: the family of its tower, the config's fields, and whether the file
# has all that the tower needs.
TASKS = {
    "ViTForImageClassification": ("ViT", SMALL, False),
    "ViTForMaskedImageModeling": ("ViT", {**SMALL, "encoder_stride": 8}, False),
    "DeiTForImageClassification": ("DeiT", SMALL, False),
    "DeiTForImageClassificationWithTeacher": ("DeiT", SMALL, False),
    "BeitForImageClassification": ("Beit", BIASED, True),
    "Dinov2ForImageClassification": ("Dinov2", GATED, True),
    "BertForMaskedLM": ("Bert", TEXT, False),
    "BertForPreTraining": ("Bert", TEXT, True),
    "BertForSequenceClassification": ("Bert", TEXT, True),
    "RobertaForMaskedLM": ("Roberta", TEXT, False),
    "RobertaForTokenClassification": ("Roberta", TEXT, False),
}


@pytest.fixture(autouse=True)
def quiet():
    transformers.utils.logging.disable_progress_bar()
    level = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    yield
    transformers.utils.logging.set_verbosity(level)


def saved(name, folder):
    """Save a model with a head, and give its family's name."""
    family, values, complete = TASKS[name]
    config = getattr(transformers, f"{family}Config")(**values)
    upstream.build(getattr(transformers, name), config, "float32").save_pretrained(folder)
    return family, complete


def inputs_of(model, family):
    if family in ("Bert", "Roberta"):
        return {"input_ids": np.random.default_rng(2).integers(2, 19, (2, 6))}
    return {"pixel_values": make_pixels(model.config, 2)}


def assert_same_run(ours, theirs, family, pooled=True):
    inputs = inputs_of(ours, family)
    wanted, found = upstream.run(theirs, **inputs, **WATCH), ours(**inputs, **WATCH)
    if not pooled:  # the pooler is fresh on both sides
        wanted = {n: x for n, x in wanted.items() if n != "pooler_output"}
        found = {n: x for n, x in found.items() if n != "pooler_output"}
    assert_outputs_equal(found, wanted, 1e-5, family)


TOP_LEVEL = {
    "ViT": {"embeddings", "encoder", "layernorm", "pooler"},
    "DeiT": {"embeddings", "encoder", "layernorm", "pooler"},
    "Beit": {"embeddings", "encoder", "pooler"},
    "Dinov2": {"embeddings", "encoder", "layernorm"},
    "Bert": {"embeddings", "encoder", "pooler"},
    "Roberta": {"embeddings", "encoder", "pooler"},
}


@pytest.mark.parametrize("family", TOP_LEVEL)
def test_file_that_upstream_writes(family, tmp_path):
    config = getattr(transformers, f"{family}Config")(**TOWERS[family])
    getattr(transformers, f"{family}Model")(config).save_pretrained(tmp_path)
    names = read_weights(tmp_path)
    assert {name.split(".")[0] for name in names} == TOP_LEVEL[family]
    assert any(name.startswith("encoder.layer.1.attention.") for name in names)


@pytest.mark.parametrize("name", TASKS)
def test_bare_tower_out_of_a_tasks_checkpoint(name, tmp_path):
    family, complete = saved(name, tmp_path)
    kind = getattr(models, f"{family}Model")
    theirs = getattr(transformers, f"{family}Model").from_pretrained(
        tmp_path, attn_implementation="eager"
    )
    if complete:
        ours = kind.from_pretrained(tmp_path)
    else:
        with pytest.warns(UserWarning, match="pooler.dense.weight.*drawn afresh from seed 0"):
            ours = kind.from_pretrained(tmp_path)
    assert_same_run(ours, theirs.eval(), family, complete)
    if "add_pooling_layer" in kind.spec_options:
        bare = kind.from_pretrained(tmp_path, add_pooling_layer=False)
        assert not any(each.startswith("pooler") for each in bare.state_dict())
        assert np.array_equal(
            bare(**inputs_of(ours, family))[0], ours(**inputs_of(ours, family))[0]
        )


def test_mask_token_out_of_a_pre_training_checkpoint(tmp_path):
    saved("ViTForMaskedImageModeling", tmp_path)
    given = {"add_pooling_layer": False, "use_mask_token": True}
    ours = models.ViTModel.from_pretrained(tmp_path, **given)
    file = read_weights(tmp_path)
    token = ours.params.embeddings.mask_token
    assert np.array_equal(token, file["vit.embeddings.mask_token"]) and np.abs(token).max() > 0
    plain = models.ViTModel.from_pretrained(tmp_path, add_pooling_layer=False)
    assert plain.params.embeddings.mask_token is None


TOWERS = {
    "ViT": SMALL,
    "DeiT": SMALL,
    "Beit": BIASED,
    "Dinov2": GATED,
    "Bert": TEXT,
    "Roberta": TEXT,
}


@pytest.mark.parametrize("family", TOWERS)
def test_every_spelling_of_a_tower_loads_to_the_same(family, tmp_path):
    config = getattr(transformers, f"{family}Config")(**TOWERS[family])
    theirs = upstream.build(getattr(transformers, f"{family}Model"), config, "float32")
    theirs.save_pretrained(tmp_path / "version 4")
    kind = getattr(models, f"{family}Model")
    ours = kind.from_pretrained(tmp_path / "version 4")
    assert_same_run(ours, theirs, family)
    values, file = read_config(tmp_path / "version 4"), read_weights(tmp_path / "version 4")
    running = upstream.weights(theirs)
    prefix = family.lower() + "."
    old = {n.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): x
           for n, x in file.items()}  # fmt: skip
    ids = np.arange(9)[None]
    spellings = {
        "version 5": running,
        "data parallel": {f"module.{n}": x for n, x in file.items()},
        "version 5, data parallel": {f"module.{n}": x for n, x in running.items()},
        "in a task": {prefix + n: x for n, x in file.items()} | {"classifier.bias": ids[0] * 0.5},
        "version 5, in a task": {prefix + n: x for n, x in running.items()},
        "in a dual encoder": {f"vision_model.{n}": x for n, x in running.items()}
        | {"logit_scale": np.float32(1), "text_model.embeddings.x": ids * 0.5},
        "buffers": file | {"embeddings.position_ids": ids, "x.relative_position_index": ids},
        "from TensorFlow": old,
    }
    for name, tensors in spellings.items():
        write_folder(tmp_path / name, values, tensors)
        again = kind.from_pretrained(tmp_path / name).state_dict()
        assert again.keys() == ours.state_dict().keys(), name
        for key, x in ours.state_dict().items():
            np.testing.assert_array_equal(again[key], x, strict=True)


@pytest.mark.parametrize("family", ["ViT", "Dinov2"])
def test_what_is_missing_or_unknown_in_a_tower_is_listed(family, tmp_path):
    config = getattr(transformers, f"{family}Config")(**TOWERS[family])
    theirs = upstream.build(getattr(transformers, f"{family}Model"), config, "float32")
    theirs.save_pretrained(tmp_path)
    file = read_weights(tmp_path)
    del file["encoder.layer.1.attention.attention.key.weight"]
    file["encoder.layer.7.odd.weight"] = np.ones(3, np.float32)
    for prefix in ("", family.lower() + "."):
        folder = tmp_path / f"broken {prefix}"
        write_folder(folder, read_config(tmp_path), {prefix + n: x for n, x in file.items()})
        with pytest.raises(InputError, match=r"(?s)layer.1.attention.attention.key.*layer.7.odd"):
            getattr(models, f"{family}Model").from_pretrained(folder)


def test_names_of_clip_are_not_taken_for_vits():
    for name in (
        "vision_model.encoder.layers.0.self_attn.q_proj.weight",
        "text_model.encoder.layer.0.attention.self.query.weight",
        "embeddings.cls_token",
        "layers.weight",
        "x.layers.q.attention.q_proj.bias",
    ):
        spelled = version_4(name)
        if ".layers.0." not in name:
            assert spelled == name
        # Whatever it would be, a name that is wanted as it is stays.
        assert list(reconcile({name: np.zeros(1)}, {name, spelled})) == [name]


def test_gated_parts_that_do_not_belong_together_stay():
    zeros = np.zeros((2, 3), np.float32)
    for parts in (
        {"mlp.gate_proj.weight": zeros},
        {"mlp.up_proj.weight": zeros},
        {"a.mlp.gate_proj.weight": zeros, "b.mlp.up_proj.weight": zeros},
        {"mlp.gate_proj.weight": zeros, "mlp.up_proj.weight": zeros[:1]},
        {"mlp.gate_proj.weight": zeros, "mlp.up_proj.weight": zeros.astype("f8")},
        {"mlp.gate_proj.weight": zeros[0, 0], "mlp.up_proj.weight": zeros[0, 0]},
        {n: zeros for n in ("mlp.gate_proj.x", "mlp.up_proj.x", "mlp.weights_in.x")},
    ):
        assert gated_in_one(parts).keys() == parts.keys()
