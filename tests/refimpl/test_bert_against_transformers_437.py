"""Decoder mode, relative positions and head masks equal Transformers 4.37.2's stored answers."""

import functools

import numpy as np
import pytest
from bert_model_cases import TOLERANCE
from comparing import assert_close, relative_l2
from transformers437 import NAMES, Stored, flat

Stored = functools.cache(Stored)
TOWERS = [name for name in NAMES if name != "chinese_clip"]
DECODERS = [name for name in TOWERS if name.endswith("_decoder")]
# What 4.37.2 gets wrong: a piece of several tokens after others, where positions are relative.
WRONG = {(name, "pieces_1") for name in DECODERS if "relative" in name}


def assert_same(found, wanted, dtype, name):
    found = flat(found)
    assert set(found) == set(wanted), name
    for key, value in wanted.items():
        assert_close(found[key], value.astype(dtype), TOLERANCE[dtype], f"{name}.{key}")


SINGLE = [
    (name, call)
    for name in TOWERS
    for call in Stored(name).calls
    if not call.startswith(("tokens_", "pieces_"))
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "call"), SINGLE)
def test_one_call(name, call, dtype):
    stored = Stored(name)
    inputs, wanted = stored.inputs(call), stored.outputs(call)
    probs = "attentions.0" in wanted
    watch = {"output_hidden_states": True, "output_attentions": probs}
    assert_same(stored.ours(dtype)(**inputs, **watch), wanted, dtype, call)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", ["tokens", "pieces"])
@pytest.mark.parametrize("name", DECODERS)
def test_reading_piece_by_piece(name, way, dtype):
    stored, past = Stored(name), None
    ours = stored.ours(dtype)
    calls = [call for call in stored.calls if call.startswith(way)]
    assert len(calls) == {"tokens": 5, "pieces": 2}[way]
    for call in calls:
        found = ours(**stored.inputs(call), past_key_values=past)
        if (name, call) not in WRONG:
            assert_same(found, stored.outputs(call), dtype, call)
        past = found.past_key_values


@pytest.mark.parametrize("name", DECODERS)
def test_several_tokens_after_others_equal_a_call_with_all(name):
    """Where 4.37.2 is wrong, its own answer to one call with all tokens judges us."""
    stored = Stored(name)
    ours = stored.ours("float64")
    first, second = stored.inputs("pieces_0"), stored.inputs("pieces_1")
    ids = np.concatenate([first["input_ids"], second["input_ids"]], axis=1)
    whole = {**second, "input_ids": ids}
    wanted = ours(**whole).last_hidden_state[:, 2:]
    past = ours(**first).past_key_values
    found = ours(**second, past_key_values=past).last_hidden_state
    assert_close(found, wanted, 1e-10, "pieces")
    theirs = stored.outputs("pieces_1")["last_hidden_state"]
    if (name, "pieces_1") in WRONG:
        assert relative_l2(theirs, wanted) > 1e-3
    else:
        assert_close(wanted, theirs, 1e-10, "theirs")
    assert_close(
        ours(ids).last_hidden_state, stored.outputs("plain")["last_hidden_state"], 1e-10, "plain"
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_whole_chinese_clip(dtype):
    stored = Stored("chinese_clip")
    ours, inputs = stored.ours(dtype), stored.inputs("compared")
    inputs["pixel_values"] = inputs["pixel_values"].astype(dtype)
    assert_same(ours(**inputs), stored.outputs("compared"), dtype, "compared")
    wanted = stored.outputs("features")
    text = ours.get_text_features(inputs["input_ids"], inputs["attention_mask"])
    image = ours.get_image_features(inputs["pixel_values"])
    assert_close(text, wanted["text"].astype(dtype), TOLERANCE[dtype], "text")
    assert_close(image, wanted["image"].astype(dtype), TOLERANCE[dtype], "image")
