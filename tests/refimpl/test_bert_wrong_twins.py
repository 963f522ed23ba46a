"""Each mistake that a port of BERT is likely to make must turn the comparison red.

The judge is Transformers 4.37.2 by its stored answers, in float64. A mistake is an operation done
wrong, or a function of the graph.
"""

import functools
from dataclasses import replace

import numpy as np
import pytest
from bert_model_cases import TOLERANCE
from comparing import relative_l2
from mutants import mutant
from transformers437 import Stored, flat

from refimpl import ops
from refimpl.graph import bert, bert_decoder, roberta
from refimpl.graph.interface import Mask

ENCODER, DECODER = "chinese_clip_text_absolute", "chinese_clip_text_absolute_decoder"
KEY, BOTH = "chinese_clip_text_relative_key", "chinese_clip_text_relative_key_query"
Stored = functools.cache(Stored)


def attention_with(**changes):
    """Attention with some arguments replaced; a function makes the new one of the old."""

    def wrong(p, q, k, v, **given):
        for name, change in changes.items():
            given[name] = change(given[name]) if callable(change) else change
        return ops.attention(p, q, k, v, **given)

    return wrong


def another_eps(x, weight, bias, eps):
    return ops.layer_norm(x, weight, bias, 1e-5)


def norms_left_out(x, weight, bias, eps):
    return x


OPERATIONS = {
    "no tanh in the pooler": (ENCODER, "plain", "tanh", lambda x: x),
    "eps 1e-5": (ENCODER, "plain", "layer_norm", another_eps),
    "no norms": (ENCODER, "plain", "layer_norm", norms_left_out),
    "no scale": (ENCODER, "plain", "attention", attention_with(scale=1.0)),
    "heads mixed up": (ENCODER, "plain", "attention", attention_with(heads=4)),
    "padding read": (ENCODER, "padded", "attention", attention_with(mask=Mask())),
    "head mask dropped": (ENCODER, "head_mask", "attention", attention_with(head_mask=None)),
    "head mask before the softmax": (
        ENCODER,
        "head_mask",
        "attention",
        lambda p, q, k, v, head_mask, **given: ops.attention(
            p, q * np.repeat(head_mask, 4), k, v, **given
        ),
    ),
    "one head mask for all layers": (
        ENCODER,
        "head_mask_by_layer",
        "attention",
        attention_with(head_mask=np.array([1.0, 0.25])),
    ),
    "embedding off by one": (
        ENCODER,
        "plain",
        "embedding",
        lambda table, ids: table[(ids + 1) % len(table)],
    ),
    "not causal": (
        DECODER,
        "plain",
        "attention",
        attention_with(mask=lambda mask: replace(mask, causal=False)),
    ),
    "causal beside a mask with three axes": (
        DECODER,
        "each_its_mask",
        "attention",
        attention_with(mask=lambda mask: replace(mask, causal=True)),
    ),
    "the encoder's padding read": (
        DECODER,
        "across_padded",
        "attention",
        attention_with(mask=lambda mask: replace(mask, key_padding=None)),
    ),
    "new keys before the old": (
        DECODER,
        "tokens",
        "concatenate",
        lambda parts, axis: ops.concatenate(parts[::-1], axis),
    ),
    "old keys forgotten": (
        "bert_relative_key_decoder",
        "tokens",
        "concatenate",
        lambda parts, axis: ops.concatenate([parts[0] * 0, parts[1]], axis),
    ),
    "key minus query": (
        KEY,
        "plain",
        "relative_query_scores",
        lambda q, table, *sizes: ops.relative_query_scores(q, table[::-1], *sizes),
    ),
    "key minus query, for keys": (
        BOTH,
        "plain",
        "relative_key_scores",
        lambda k, table, *sizes: ops.relative_key_scores(k, table[::-1], *sizes),
    ),
    "distances off by one": (
        KEY,
        "plain",
        "relative_query_scores",
        lambda q, table, *sizes: ops.relative_query_scores(q, np.roll(table, 1, axis=0), *sizes),
    ),
    "queries for keys": (
        BOTH,
        "plain",
        "relative_key_scores",
        lambda k, table, heads, queries: ops.relative_key_scores(k, table, heads, queries).swapaxes(
            2, 3
        ),
    ),
    "relative scores not scaled": (
        KEY,
        "plain",
        "attention",
        attention_with(mask=lambda mask: replace(mask, bias=mask.bias * 2)),  # K is 4
    ),
    "queries counted from 0 behind a cache": (
        "bert_relative_key_decoder",
        "tokens",
        "relative_query_scores",
        lambda q, table, heads, keys: ops.relative_query_scores(
            np.repeat(q, keys, axis=1), table, heads, keys
        )[:, :, :1],
    ),
    "RoBERTa counts from one less": (
        "roberta_absolute",
        "plain",
        "cumulative_sum",
        lambda x: ops.cumulative_sum(x) - 1,
    ),
}


def before_the_sub_layer(ops, cfg, p, h, x):
    """Pre-norm: the stream is not normalised, only what is added to it."""
    h = ops.linear(h, p.dense.weight, p.dense.bias)
    return x + ops.layer_norm(h, p.LayerNorm.weight, p.LayerNorm.bias, cfg.layer_norm_eps)


def no_residual(ops, cfg, p, h, x):
    return true_add_norm(ops, cfg, p, h, x * 0)


def without_types(ops, cfg, p, text):
    return true_embeddings(ops, cfg, p, replace(text, token_type_ids=None))


def types_left_out(ops, cfg, p, text):
    table = p.token_type_embeddings
    p = replace(p, token_type_embeddings=replace(table, weight=table.weight * 0))
    return true_embeddings(ops, cfg, p, text)


def one_later(ops, cfg, p, text):
    return true_embeddings(ops, cfg, p, replace(text, start=text.start + bool(text.start)))


def always_from_0(ops, cfg, p, text):
    return true_embeddings(ops, cfg, p, replace(text, start=0))


def last_token(ops, p, x):
    return true_pool(ops, p, x[:, ::-1])


def positions_added_too(ops, cfg, p, text):
    return true_embeddings(ops, cfg.replace(position_embedding_type="absolute"), p, text)


true_add_norm, true_embeddings, true_pool = bert.add_norm, bert.embeddings, bert.pool
FUNCTIONS = {
    "pre-norm": (ENCODER, "plain", bert, "add_norm", before_the_sub_layer),
    "no residual": (ENCODER, "plain", bert, "add_norm", no_residual),
    "types ignored": (ENCODER, "types_and_positions", bert, "embeddings", without_types),
    "type 0 not added": (ENCODER, "plain", bert, "embeddings", types_left_out),
    "pooled at the end": (ENCODER, "plain", bert, "pool", last_token),
    "absolute positions too": (KEY, "plain", bert, "embeddings", positions_added_too),
    "a position too far": (DECODER, "tokens", bert_decoder, "embeddings", one_later),
    "positions from 0 again": (DECODER, "tokens", bert_decoder, "embeddings", always_from_0),
    "RoBERTa from 0": ("roberta_absolute", "plain", roberta, "with_positions", lambda o, c, t: t),
    "RoBERTa's vectors from 0": (
        "roberta_absolute",
        "vectors",
        roberta,
        "with_positions",
        lambda ops, cfg, text: text,
    ),
}


def error(name, call, interpreter=ops):
    """The worst relative error over all outputs; `tokens` is a text read token by token."""
    stored, past, worst = Stored(name), None, 0.0
    model = stored.ours("float64")
    model.ops = interpreter
    for each in [c for c in stored.calls if c == call or c.startswith(f"{call}_")]:
        if each.startswith("head_mask_by") and call == "head_mask":
            continue
        wanted = stored.outputs(each)
        watch = {"output_hidden_states": True} if "hidden_states.0" in wanted else {}
        found = model(**stored.inputs(each), past_key_values=past, **watch)
        past = found.past_key_values if call == "tokens" else None
        pairs = [(x, wanted[key]) for key, x in flat(found).items() if key in wanted]
        worst = max(worst, *(relative_l2(a, b) if a.shape == b.shape else 1.0 for a, b in pairs))
    return worst


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_wrong_operation_is_noticed(name):
    stored, call, operation, wrong = OPERATIONS[name]
    assert error(stored, call) <= TOLERANCE["float64"]
    assert error(stored, call, mutant(operation, wrong)) > 1e-8


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_wrong_function_is_noticed(name, monkeypatch):
    stored, call, module, function, wrong = FUNCTIONS[name]
    assert error(stored, call) <= TOLERANCE["float64"]
    monkeypatch.setattr(module, function, wrong)
    assert error(stored, call) > 1e-8
