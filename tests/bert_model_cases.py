"""BERT, RoBERTa and Chinese-CLIP: configurations that differ in every field that changes the maths.

Each family's models are built from them, ours on the weights of upstream's. Transformers 5.23 has
no relative positions; those are judged by 4.37.2 (test_bert_against_transformers_437.py).
"""

import numpy as np
import transformers
import upstream
from comparing import assert_close

from refimpl import configs, models
from refimpl.params import fill

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
WATCH = {"output_hidden_states": True, "output_attentions": True}

SMALL = {
    "vocab_size": 61,
    "hidden_size": 24,
    "intermediate_size": 29,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 20,
    "type_vocab_size": 3,
}
# Each differs from the small tower in the fields named; together they differ in every field that
# changes the maths.
CONFIGS = {
    "small": {},
    "three_heads": {"hidden_size": 27, "num_attention_heads": 3},
    "one_head": {"num_attention_heads": 1},
    "one_layer": {"num_hidden_layers": 1},
    "deep": {"num_hidden_layers": 5},
    "narrow_mlp": {"intermediate_size": 5},
    "large_eps": {"layer_norm_eps": 0.1},
    "gelu_new": {"hidden_act": "gelu_new"},
    "relu": {"hidden_act": "relu"},
    "silu": {"hidden_act": "silu"},
    "one_type": {"type_vocab_size": 1},
    "many_words": {"vocab_size": 400, "max_position_embeddings": 33},
    "other_padding": {"pad_token_id": 3},
    "decoder": {"is_decoder": True, "use_cache": False},
}
FAMILIES = {
    "BertModel": "BertConfig",
    "RobertaModel": "RobertaConfig",
    "ChineseCLIPTextModel": "ChineseCLIPTextConfig",
}


def names_for(family):
    """The configurations that upstream 5.23 can run: Chinese-CLIP is no decoder there."""
    return [name for name in CONFIGS if family != "ChineseCLIPTextModel" or name != "decoder"]


CASES = [(family, name) for family in FAMILIES for name in names_for(family)]


def pair(family, name, dtype, seed=0, pooler=True, **changes):
    """One config, upstream's tower on random weights, and ours on the same weights."""
    values = {**SMALL, **CONFIGS[name], **changes}
    kind = FAMILIES[family]
    config = getattr(configs, kind)(**values)
    given = getattr(transformers, kind)(**values)

    def build(config):
        return getattr(transformers, family)(config, add_pooling_layer=pooler)

    theirs = upstream.build(lambda config: build(config), given, dtype, seed)
    ours = getattr(models, family)(config, add_pooling_layer=pooler, dtype=dtype)
    ours.params = fill(ours.params, upstream.weights(theirs), dtype)
    return config, theirs, ours


def make_ids(config, batch=3, length=11, seed=1, padded=True):
    """Ids with padding at the end of each row but the first."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, config.vocab_size, (batch, length))
    ids[ids == config.pad_token_id] = config.pad_token_id + 1
    for row in ids[1:] if padded else []:
        row[rng.integers(2, length) :] = config.pad_token_id
    return ids


def make_types(config, shape, seed=2):
    return np.random.default_rng(seed).integers(0, config.type_vocab_size, shape)


def inputs_of(config, batch=3, length=11):
    """Ids, their mask and their sentences."""
    ids = make_ids(config, batch, length)
    return {
        "input_ids": ids,
        "attention_mask": (ids != config.pad_token_id).astype(np.int64),
        "token_type_ids": make_types(config, ids.shape),
    }


def assert_equal(found, wanted, tolerance, name, fields=("last_hidden_state", "pooler_output")):
    """Compare the fields, every hidden state and every attention."""
    for field in fields:
        assert_close(getattr(found, field), getattr(wanted, field), tolerance, f"{name}.{field}")
    for field in ("hidden_states", "attentions", "cross_attentions"):
        ours, theirs = getattr(found, field, None), getattr(wanted, field, None)
        assert len(ours or ()) == len(theirs or ()), f"{name}.{field}"
        for index, (a, b) in enumerate(zip(ours or (), theirs or (), strict=True)):
            assert_close(a, b, tolerance, f"{name}.{field}[{index}]")
