"""Every output field, hidden state and attention of a lone BERT tower equals Transformers 5.23's."""

import numpy as np
import pytest
import upstream
from bert_model_cases import (
    CASES,
    FAMILIES,
    SMALL,
    TOLERANCE,
    WATCH,
    assert_equal,
    inputs_of,
    make_ids,
    make_types,
    pair,
)
from comparing import assert_close

from refimpl import configs, models


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("family", "name"), CASES)
def test_every_field_equals_upstream(family, name, dtype):
    config, theirs, ours = pair(family, name, dtype)
    inputs = inputs_of(config)
    wanted, found = upstream.run(theirs, **inputs, **WATCH), ours(**inputs, **WATCH)
    assert_equal(found, wanted, TOLERANCE[dtype], name)
    assert len(found.hidden_states) == config.num_hidden_layers + 1
    assert len(found.attentions) == config.num_hidden_layers
    assert np.array_equal(found.hidden_states[-1], found.last_hidden_state)


MASKS = {
    "right": [[1] * 11, [1] * 7 + [0] * 4, [1] + [0] * 10],
    "left": [[1] * 11, [0] * 4 + [1] * 7, [0] * 10 + [1]],
    "holes": [[1, 0] * 5 + [1], [0, 1] * 5 + [0], [1, 1, 0] * 3 + [1, 1]],
    "nothing_visible": [[1] * 11, [0] * 11, [0] * 11],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", [np.int64, np.float32, np.bool_])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", ["small", "decoder"])
def test_masks_equal_upstream(name, mask, kind, dtype):
    config, theirs, ours = pair("BertModel", name, dtype)
    inputs = {
        "input_ids": make_ids(config),
        "attention_mask": np.array(MASKS[mask]).astype(kind),
    }
    wanted, found = upstream.run(theirs, **inputs, **WATCH), ours(**inputs, **WATCH)
    assert_equal(found, wanted, TOLERANCE[dtype], mask)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_positions_and_sentences_equal_upstream(family, rows):
    config, theirs, ours = pair(family, "small", "float64")
    positions = np.random.default_rng(4).integers(0, 20, (rows, 11))
    types = make_types(config, (3, 11))
    inputs = {"input_ids": make_ids(config), "position_ids": positions, "token_type_ids": types}
    wanted = upstream.run(theirs, **inputs)
    assert_equal(ours(**inputs), wanted, 1e-10, family)
    if rows == 1:
        again = ours(**{**inputs, "position_ids": positions[0].tolist()})
        assert np.array_equal(again.last_hidden_state, ours(**inputs).last_hidden_state)


@pytest.mark.parametrize("family", FAMILIES)
def test_one_row_of_sentences_is_for_all_texts(family):
    config, _, ours = pair(family, "small", "float64")
    ids, types = make_ids(config), make_types(config, (1, 11))
    wanted = ours(ids, token_type_ids=np.repeat(types, 3, axis=0)).last_hidden_state
    for given in (types, types[0]):
        found = ours(ids, token_type_ids=given).last_hidden_state
        assert np.array_equal(found, wanted)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("family", FAMILIES)
def test_vectors_instead_of_ids_equal_upstream(family, dtype):
    _, theirs, ours = pair(family, "small", dtype)
    vectors = np.random.default_rng(5).standard_normal((2, 7, 24)).astype(dtype)
    inputs = {"inputs_embeds": vectors, "attention_mask": np.array([[1] * 7, [1] * 4 + [0] * 3])}
    wanted = upstream.run(theirs, **inputs, **WATCH)
    assert_equal(ours(**inputs, **WATCH), wanted, TOLERANCE[dtype], family)


def test_roberta_counts_what_is_no_padding():
    _, theirs, ours = pair("RobertaModel", "small", "float64")
    ids = np.array([[5, 1, 1, 6, 7, 1], [1, 1, 5, 6, 7, 8], [1] * 6])
    assert_equal(ours(ids), upstream.run(theirs, input_ids=ids), 1e-10, "padding in between")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_longest_text_equals_upstream(family):
    config, theirs, ours = pair(family, "small", "float64")
    longest = 20 - (config.pad_token_id + 1 if family == "RobertaModel" else 0)
    ids = make_ids(config, 1, longest)
    assert_equal(ours(ids), upstream.run(theirs, input_ids=ids), 1e-10, "longest")


@pytest.mark.parametrize("family", FAMILIES)
def test_without_a_pooler(family):
    config, theirs, ours = pair(family, "small", "float64", pooler=False)
    inputs = inputs_of(config)
    wanted, found = upstream.run(theirs, **inputs), ours(**inputs)
    assert_equal(found, wanted, 1e-10, family, fields=("last_hidden_state",))
    assert found.pooler_output is None and list(found) == ["last_hidden_state"]
    # version 4 keeps the pooler's place in the tuple, version 5 does not
    assert ours(**inputs, return_dict=False)[1] is None


@pytest.mark.parametrize("family", ["BertModel", "RobertaModel"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_decoder_with_another_models_states_equals_upstream(family, dtype):
    config, theirs, ours = pair(family, "decoder", dtype, add_cross_attention=True)
    rng = np.random.default_rng(6)
    inputs = {
        **inputs_of(config),
        "encoder_hidden_states": rng.standard_normal((3, 5, 24)).astype(dtype),
        "encoder_attention_mask": np.array([[1] * 5, [1, 0, 1, 0, 1], [0, 0, 0, 0, 1]]),
    }
    wanted, found = upstream.run(theirs, **inputs, **WATCH), ours(**inputs, **WATCH)
    assert_equal(found, wanted, TOLERANCE[dtype], family)
    assert len(found.cross_attentions) == 2 and found.cross_attentions[0].shape == (3, 4, 11, 5)


@pytest.mark.parametrize("family", ["BertModel", "RobertaModel"])
def test_keys_and_values_equal_upstream(family):
    config, theirs, ours = pair(family, "decoder", "float64", add_cross_attention=True)
    ids, states = make_ids(config, padded=False), np.random.default_rng(7).random((3, 5, 24))
    inputs = {"input_ids": ids, "encoder_hidden_states": states, "use_cache": True}
    wanted, found = upstream.run(theirs, **inputs), ours(**inputs)
    caches = (
        wanted.past_key_values.self_attention_cache,
        wanted.past_key_values.cross_attention_cache,
    )
    for index, layer in enumerate(found.past_key_values):
        arrays = [
            x for cache in caches for x in (cache.layers[index].keys, cache.layers[index].values)
        ]
        assert len(layer) == len(arrays) == 4
        for place, (a, b) in enumerate(zip(layer, arrays, strict=True)):
            assert_close(a, b, 1e-10, f"{index}.{place}")


@pytest.mark.parametrize(
    "position_embedding_type", ["absolute", "relative_key", "relative_key_query"]
)
@pytest.mark.parametrize("vectors", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_token_by_token_equals_all_at_once(family, vectors, position_embedding_type):
    """Upstream's RoBERTa forgets the earlier tokens' positions where vectors are given; not ours."""
    config, _, ours = small_decoder(family, position_embedding_type)
    ids = make_ids(config, 2, 6, padded=False)
    words = ours.params.embeddings.word_embeddings.weight[ids]
    whole = ours(inputs_embeds=words) if vectors else ours(ids)
    past, found = None, []
    for index in range(6):
        piece = slice(index, index + 1)
        given = {"inputs_embeds": words[:, piece]} if vectors else {"input_ids": ids[:, piece]}
        out = ours(**given, past_key_values=past)
        past = out.past_key_values
        found.append(out.last_hidden_state)
    assert_close(np.concatenate(found, axis=1), whole.last_hidden_state, 1e-10, family)


def small_decoder(family, position_embedding_type):
    values = {"is_decoder": True, "position_embedding_type": position_embedding_type}
    config = getattr(configs, FAMILIES[family])(**{**SMALL, **values, "initializer_range": 0.3})
    return config, None, getattr(models, family)(config, dtype="float64")


def test_upstreams_roberta_forgets_earlier_positions_where_vectors_are_given():
    _, theirs, ours = pair("RobertaModel", "decoder", "float64", use_cache=True)
    vectors = np.random.default_rng(8).standard_normal((1, 4, 24))
    wanted = upstream.run(theirs, inputs_embeds=vectors).last_hidden_state[:, 2:]
    found, differs = [], []
    for model, run in ((ours, None), (theirs, upstream.run)):
        call = model if run is None else lambda **given: upstream.run(theirs, **given)
        past = call(inputs_embeds=vectors[:, :2]).past_key_values
        found.append(call(inputs_embeds=vectors[:, 2:], past_key_values=past).last_hidden_state)
        differs.append(np.abs(np.asarray(found[-1]) - wanted.numpy()).max() > 1e-3)
    assert differs == [False, True]
    assert_close(found[0], wanted, 1e-10, "ours")


def test_an_encoder_can_have_a_prefix():
    """Keys and values before the text, as prefix tuning gives them: seen by all, from both sides."""
    config, _, ours = pair("BertModel", "small", "float64")
    _, _, decoder = pair("BertModel", "small", "float64", is_decoder=True)
    ids = make_ids(config, 2, 6, padded=False)
    past = decoder(ids[:, :1]).past_key_values  # one token sees itself alone, in either mode
    found = ours(ids[:, 1:], past_key_values=past)
    assert found.past_key_values is None
    # one by one: the first token must not see the later ones, all others see everything
    visible = np.ones((2, 6, 6))
    visible[:, 0, 1:] = 0
    wanted = ours(ids, attention_mask=visible).last_hidden_state[:, 1:]
    assert_close(found.last_hidden_state, wanted, 1e-10, "prefix")


@pytest.mark.parametrize("family", FAMILIES)
def test_tuple_output_has_upstreams_layout(family):
    config, theirs, ours = pair(family, "small", "float32")
    inputs = inputs_of(config)
    wanted = upstream.run(theirs, **inputs, **WATCH, return_dict=False)
    wanted = [each for each in wanted if len(each)]  # version 5 adds an empty tuple
    found = ours(**inputs, **WATCH, return_dict=False)
    assert isinstance(found, tuple) and len(found) == len(wanted) == 4
    for place in (0, 1):
        assert_close(found[place], wanted[place], 1e-5, f"[{place}]")
    for place in (2, 3):
        for a, b in zip(found[place], wanted[place], strict=True):
            assert_close(a, b, 1e-5, f"[{place}]")


def test_a_decoders_tuple_has_keys_and_values_third():
    config, _, ours = pair("BertModel", "small", "float32", is_decoder=True)
    named = ours(make_ids(config), **WATCH)
    assert list(named) == [
        "last_hidden_state",
        "pooler_output",
        "hidden_states",
        "past_key_values",
        "attentions",
    ]
    found = ours(make_ids(config), **WATCH, return_dict=False)
    assert np.array_equal(found[2][0][0], named.past_key_values[0][0])
    assert np.array_equal(found[3][0], named.hidden_states[0])
    assert "past_key_values" not in ours(make_ids(config), use_cache=False)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_real_sizes(family):
    changes = {"vocab_size": 21128, "hidden_size": 768, "intermediate_size": 3072}
    sizes = {"num_hidden_layers": 12, "num_attention_heads": 12, "max_position_embeddings": 514}
    config, theirs, ours = pair(family, "small", "float32", **changes, **sizes)
    ids = make_ids(config, 2, 77)
    inputs = {"input_ids": ids, "attention_mask": (ids != config.pad_token_id).astype(int)}
    watch = {"output_hidden_states": True}
    wanted, found = upstream.run(theirs, **inputs, **watch), ours(**inputs, **watch)
    assert_equal(found, wanted, 1e-5, family)
