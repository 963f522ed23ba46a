"""What a BERT tower refuses, with one clear error each, and the forms in which it takes its inputs."""

import numpy as np
import pytest
from bert_model_cases import FAMILIES, SMALL

from refimpl import configs, models
from refimpl.configs import BertConfig
from refimpl.errors import InputError
from refimpl.models import BertModel, ChineseCLIPModel, ChineseCLIPTextModel, RobertaModel

IDS = np.array([[4, 5, 6], [7, 8, 9]])
VECTORS = np.zeros((2, 3, 24))
STATES = np.zeros((2, 4, 24))
KEYS = np.zeros((2, 4, 2, 6))  # two texts, four heads, two tokens
PAST = ((KEYS, KEYS),) * 2
REFUSED = {
    "both": (
        {"input_ids": IDS, "inputs_embeds": VECTORS},
        "either input_ids or inputs_embeds; got both",
    ),
    "neither": ({}, "either input_ids or inputs_embeds; got neither"),
    "fractions": ({"input_ids": IDS + 0.5}, "whole numbers"),
    "beyond_vocabulary": ({"input_ids": IDS + 60}, "vocab_size 61.*got 64"),
    "too_long": ({"input_ids": np.ones((1, 21), int)}, "21 tokens.*positions for 20"),
    "vectors_too_long": ({"inputs_embeds": np.zeros((1, 21, 24))}, "21 tokens.*positions for 20"),
    "vectors_of_another_width": ({"inputs_embeds": VECTORS[..., :7]}, r"\(B, L, 24\).*\(2, 3, 7\)"),
    "vectors_of_two_axes": ({"inputs_embeds": VECTORS[0]}, r"\(B, L, 24\)"),
    "no_vectors": ({"inputs_embeds": VECTORS[:, :0]}, "hold no token"),
    "nan": ({"inputs_embeds": VECTORS * np.nan}, "inputs_embeds hold NaN"),
    "words": ({"inputs_embeds": [["a"]]}, "inputs_embeds must be numbers"),
    "types_shape": ({"input_ids": IDS, "token_type_ids": IDS[:, :2]}, r"token_type_ids.*\(2, 3\)"),
    "types_range": ({"input_ids": IDS, "token_type_ids": IDS}, "type_vocab_size 3"),
    "types_fractions": (
        {"input_ids": IDS, "token_type_ids": IDS / 9},
        "token_type_ids must be whole",
    ),
    "positions_shape": ({"input_ids": IDS, "position_ids": IDS[:, :2]}, "position_ids"),
    "positions_range": ({"input_ids": IDS, "position_ids": IDS + 20}, "max_position_embeddings 20"),
    "mask": (
        {"input_ids": IDS, "attention_mask": IDS[:, :2]},
        r"\(2, 3\) or \(2, 3, 3\); got \(2, 2\)",
    ),
    "mask_3d": ({"input_ids": IDS, "attention_mask": np.ones((2, 3, 2))}, r"got \(2, 3, 2\)"),
    "mask_4d": ({"input_ids": IDS, "attention_mask": np.ones((2, 1, 3, 3))}, r"got \(2, 1, 3, 3\)"),
    "head_mask": ({"input_ids": IDS, "head_mask": np.ones(3)}, r"\(4,\) or \(2, 4\); got \(3,\)"),
    "head_mask_layers": ({"input_ids": IDS, "head_mask": np.ones((3, 4))}, r"got \(3, 4\)"),
    "use_cache": ({"input_ids": IDS, "use_cache": True}, "use_cache=True needs a decoder"),
    "states": ({"input_ids": IDS, "encoder_hidden_states": STATES}, "no cross attention"),
    "states_mask": (
        {"input_ids": IDS, "encoder_attention_mask": IDS},
        "without encoder_hidden_states",
    ),
    "past_no_tuple": (
        {"input_ids": IDS, "past_key_values": KEYS},
        "tuple of 2 layers; got ndarray",
    ),
    "past_layers": ({"input_ids": IDS, "past_key_values": PAST[:1]}, "2 layers; got 1 layers"),
    "past_arrays": ({"input_ids": IDS, "past_key_values": ((KEYS,), (KEYS,))}, "got 1 arrays"),
    "past_four": ({"input_ids": IDS, "past_key_values": ((KEYS,) * 4,) * 2}, "got 4 arrays"),
    "past_layer_kind": ({"input_ids": IDS, "past_key_values": (KEYS, 5)}, r"got ndarray"),
    "past_shape": (
        {"input_ids": IDS, "past_key_values": ((KEYS[:, :3], KEYS[:, :3]),) * 2},
        r"\(B, 4, tokens, 6\); got float64 of shape \(2, 3, 2, 6\)",
    ),
    "past_uneven": (
        {"input_ids": IDS, "past_key_values": ((KEYS, KEYS), (KEYS[:, :, :1],) * 2)},
        r"past_key_values\[1\]\[0\] is \(2, 4, 1, 6\)",
    ),
    "past_batch": (
        {"input_ids": IDS[:1], "past_key_values": PAST},
        "past_key_values are of 2 texts, not of 1",
    ),
    "past_nan": ({"input_ids": IDS, "past_key_values": ((KEYS, KEYS * np.nan),) * 2}, "NaN"),
    "past_too_long": (
        {"input_ids": np.ones((2, 19), int), "past_key_values": PAST},
        "19 tokens after 2 earlier ones",
    ),
    "past_mask": (
        {"input_ids": IDS, "past_key_values": PAST, "attention_mask": np.ones((2, 3))},
        r"\(2, 5\) or \(2, 3, 5\), earlier tokens included; got \(2, 3\)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("family", ["BertModel", "ChineseCLIPTextModel"])
def test_inputs_that_make_no_sense_are_refused(family, case):
    inputs, message = REFUSED[case]
    model = getattr(models, family)(getattr(configs, FAMILIES[family])(**SMALL))
    with pytest.raises(InputError, match=f"(?s){message}"):
        model(**inputs)


ACROSS = {"input_ids": IDS, "encoder_hidden_states": STATES}
FOUR = ((KEYS, KEYS, np.zeros((2, 4, 4, 6)), np.zeros((2, 4, 4, 6))),) * 2
DECODER_REFUSED = {
    "states_width": ({**ACROSS, "encoder_hidden_states": STATES[..., :5]}, "as wide as the tower"),
    "states_batch": ({**ACROSS, "encoder_hidden_states": STATES[:1]}, "of 1 texts, not of 2"),
    "states_mask": (
        {**ACROSS, "encoder_attention_mask": np.ones((2, 3))},
        r"\(2, 4\) or \(2, 3, 4\)",
    ),
    "past_without_across": ({**ACROSS, "past_key_values": PAST}, "do not come from a call with"),
    "past_of_other_states": (
        {**ACROSS, "encoder_hidden_states": STATES[:, :3], "past_key_values": FOUR},
        r"do not come from a call with encoder_hidden_states of shape \(2, 3, 24\)",
    ),
    "past_without_states": (
        {"input_ids": IDS, "past_key_values": FOUR},
        "encoder_hidden_states are missing",
    ),
    "past_mixed": ({**ACROSS, "past_key_values": (FOUR[0], PAST[0])}, "the same shapes"),
}


@pytest.mark.parametrize("case", DECODER_REFUSED)
def test_a_decoders_inputs_that_make_no_sense_are_refused(case):
    inputs, message = DECODER_REFUSED[case]
    model = BertModel(BertConfig(**SMALL, is_decoder=True, add_cross_attention=True))
    with pytest.raises(InputError, match=message):
        model(**inputs)


def test_states_need_cross_attention_in_the_config():
    model = BertModel(BertConfig(**SMALL, is_decoder=True))
    with pytest.raises(InputError, match="add_cross_attention=True"):
        model(**ACROSS)


@pytest.mark.parametrize("vectors", [False, True])
def test_robertas_padding_row_counts_against_the_length(vectors):
    model = RobertaModel(configs.RobertaConfig(**SMALL))
    text = {"inputs_embeds": np.zeros((1, 19, 24))} if vectors else {"input_ids": [[5] * 19]}
    with pytest.raises(InputError, match="19 tokens.*positions for 18"):
        model(**text)
    if not vectors:
        model(input_ids=[[5] * 18 + [1, 1]])  # padding takes no position


def test_no_argument_is_changed():
    model = BertModel(BertConfig(**SMALL, is_decoder=True, add_cross_attention=True))
    inputs = {
        **ACROSS,
        "past_key_values": FOUR,
        "attention_mask": np.ones((2, 5)),
        "head_mask": np.ones(4),
    }
    copies = [x.copy() for layer in FOUR for x in layer]
    model(**inputs)
    assert all(
        np.array_equal(a, b) for a, b in zip(copies, (x for y in FOUR for x in y), strict=True)
    )
    assert not STATES.any() and inputs["attention_mask"].all()


def test_lists_and_one_text_without_a_batch_axis():
    model = BertModel(BertConfig(**SMALL))
    wanted = model(IDS[:1]).last_hidden_state
    for given in (IDS[0], IDS[0].tolist(), IDS[:1].tolist()):
        assert np.array_equal(model(given).last_hidden_state, wanted)
    found = model(
        IDS[0], attention_mask=[1, 1, 1], token_type_ids=[0, 0, 0], position_ids=[0, 1, 2]
    )
    assert np.array_equal(found.last_hidden_state, wanted)


def test_the_tower_takes_part_in_a_whole_models_errors():
    values = {"text_config": SMALL, "vision_config": {**SMALL_VISION}}
    model = ChineseCLIPModel(configs.ChineseCLIPConfig(**values))
    with pytest.raises(InputError, match="got neither"):
        model(pixel_values=np.zeros((1, 3, 8, 8)))
    with pytest.raises(InputError, match="pixel_values are missing"):
        model(input_ids=IDS)
    with pytest.raises(InputError, match="return_loss needs pairs"):
        model(IDS, np.zeros((1, 3, 8, 8)), return_loss=True)


SMALL_VISION = {
    "hidden_size": 8,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "image_size": 8,
    "patch_size": 4,
}


def test_chinese_clips_text_model_is_bert():
    values = {**SMALL, "num_hidden_layers": 1}
    text = ChineseCLIPTextModel(configs.ChineseCLIPTextConfig(**values), seed=3)
    bert = BertModel(BertConfig(**values), params=text.params)
    assert np.array_equal(bert(IDS).pooler_output, text(IDS).pooler_output)
