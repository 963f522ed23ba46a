"""Checking what callers hand to a BERT tower, and bringing it into the shape that the graph reads.

Beside inputs.py, which checks what all text towers take; here stands what only BERT's take: vectors
instead of ids, token types, head masks, 3-D masks, another model's states, keys and values of
earlier calls. Called by bert_towers.py.
"""

from typing import Any

import numpy as np

from refimpl.configs.bert import ABSOLUTE, BertTowerConfig
from refimpl.devices import Place
from refimpl.errors import InputError
from refimpl.graph.bert import KeysValues, Text
from refimpl.graph.bert_decoder import Cached, Memory
from refimpl.graph.interface import Mask
from refimpl.inputs import (
    as_array,
    as_flags,
    as_numbers,
    check_ids,
    check_position_ids,
    check_range,
    kind,
)
from refimpl.shapes import Array, Float, Int, Num

PastKeysValues = tuple[tuple[Array, ...], ...]


def check_text(
    cfg: BertTowerConfig,
    place: Place,
    input_ids: Any,
    inputs_embeds: Any,
    token_type_ids: Any,
    position_ids: Any,
    past: int,
    pad_rows: int,
) -> Text:
    """Return what is to be read: ids or vectors, their sentences and their positions.

    Args:
        cfg: the tower's config.
        place: where the model computes, and in which dtype.
        input_ids: (B, L) token ids, or None.
        inputs_embeds: (B, L, D) vectors in their place, or None.
        token_type_ids: (B, L) or (1, L), or None.
        position_ids: (B, L) or (1, L), or None.
        past: how many tokens earlier calls have read.
        pad_rows: rows of the position table before the first token's.

    Raises:
        InputError: ids and vectors both, or neither; a wrong shape, kind or range; too long a text.
    """
    if (input_ids is None) == (inputs_embeds is None):
        came = "neither" if input_ids is None else "both"
        raise InputError(f"give either input_ids or inputs_embeds; got {came}")
    if input_ids is not None:
        ids, vectors = check_ids(cfg, input_ids), None
        shape = ids.shape
        real = int((ids != cfg.pad_token_id).sum(axis=1).max(initial=0)) if pad_rows else shape[1]
    else:
        ids, vectors = None, check_states("inputs_embeds", inputs_embeds, cfg, place)
        shape, real = vectors.shape[:2], vectors.shape[1]
    if position_ids is None or cfg.position_embedding_type != ABSOLUTE:
        _check_length(cfg, shape[1], real, past, pad_rows)
    return Text(
        ids=ids,
        vectors=vectors,
        token_type_ids=_check_token_types(cfg, token_type_ids, shape),
        position_ids=check_position_ids(cfg, position_ids, shape),
        start=past,
    )


def _check_length(cfg: BertTowerConfig, length: int, real: int, past: int, pad_rows: int) -> None:
    rows = cfg.max_position_embeddings
    if past + length > rows or (
        cfg.position_embedding_type == ABSOLUTE and past + real + pad_rows > rows
    ):
        before = f" after {past} earlier ones" if past else ""
        raise InputError(
            f"the text has {length} tokens{before}, the model has positions for {rows - pad_rows}"
            f" (max_position_embeddings {rows}{f', {pad_rows} of them padding' if pad_rows else ''}"
            "); tokenize with truncation=True"
        )


def check_states(
    name: str, states: Any, cfg: BertTowerConfig, place: Place
) -> Float[Array, "B S D"]:
    """Return states of tokens as (B, S, D) in the model's dtype.

    Raises:
        InputError: not three axes, not as wide as the tower, or not finite numbers.
    """
    array = as_numbers(name, states, place)
    shape = tuple(array.shape)
    if kind(array) not in "fiu" or array.ndim != 3 or array.shape[2] != cfg.hidden_size:
        raise InputError(
            f"{name} must be numbers of shape (B, L, {cfg.hidden_size}), as wide as the tower; "
            f"got {array.dtype} of shape {shape}"
        )
    if 0 in shape:
        raise InputError(f"{name} of shape {shape} hold no token")
    return place.finite(name, array)


def _check_token_types(
    cfg: BertTowerConfig, token_type_ids: Any, shape: tuple[int, ...]
) -> Int[Array, "#B L"] | None:
    if token_type_ids is None:
        return None
    types = as_array("token_type_ids", token_type_ids)
    types = types[None] if types.ndim == 1 else types
    if types.dtype.kind not in "iu" or types.shape not in (tuple(shape), (1, shape[1])):
        raise InputError(
            f"token_type_ids must be whole numbers of shape {tuple(shape)}; "
            f"got {types.dtype} of shape {types.shape}"
        )
    check_range("token_type_ids", types, cfg.type_vocab_size, "type_vocab_size")
    return types.astype(np.int64)


def check_mask(name: str, mask: Any, batch: int, queries: int, keys: int, causal: bool) -> Mask:
    """Return which keys each query may see: (B, S) for all queries alike, (B, L, S) one by one.

    Trap: a mask with three axes says all there is to say; a decoder adds no causal mask to it.

    Raises:
        InputError: another shape, or something else than 0 and 1.
    """
    if mask is None:
        return Mask(causal=causal)
    array = as_array(name, mask)
    array = array[None] if array.ndim == 1 else array
    if array.shape == (batch, keys):
        return Mask(causal=causal, key_padding=as_flags(name, array))
    if array.shape == (batch, queries, keys):
        return Mask(visible=as_flags(name, array))
    why = "" if keys == queries else ", earlier tokens included"
    raise InputError(
        f"{name} must be {(batch, keys)} or {(batch, queries, keys)}{why}; got {array.shape}"
    )


def check_memory(
    cfg: BertTowerConfig,
    place: Place,
    batch: int,
    queries: int,
    encoder_hidden_states: Any,
    encoder_attention_mask: Any,
    past: PastKeysValues | None,
) -> Memory:
    """Return another model's states and what earlier calls kept, if they fit together.

    Raises:
        InputError: they do not fit the text, the config, or each other.
    """
    cached = None if past is None else tuple(_cached(layer) for layer in past)
    across = None if cached is None else cached[0].across
    if past is not None and past[0][0].shape[0] != batch:
        raise InputError(f"past_key_values are of {past[0][0].shape[0]} texts, not of {batch}")
    if encoder_hidden_states is None:
        if encoder_attention_mask is not None:
            raise InputError("encoder_attention_mask came without encoder_hidden_states")
        if across is not None:
            raise InputError(
                "past_key_values hold keys of a cross attention, but encoder_hidden_states are "
                "missing; give the ones of the first call again"
            )
        return Memory(cached)
    if not cfg.add_cross_attention:
        raise InputError(
            "encoder_hidden_states came, but the model has no cross attention to read them; its "
            "config needs is_decoder=True and add_cross_attention=True"
        )
    states = check_states("encoder_hidden_states", encoder_hidden_states, cfg, place)
    if states.shape[0] != batch:
        raise InputError(f"encoder_hidden_states are of {states.shape[0]} texts, not of {batch}")
    if cached is not None and (across is None or across.k.shape[1] != states.shape[1]):
        raise InputError(
            "past_key_values do not come from a call with encoder_hidden_states of shape "
            f"{tuple(states.shape)}"
        )
    name, length = "encoder_attention_mask", states.shape[1]
    mask = check_mask(name, encoder_attention_mask, batch, queries, length, causal=False)
    return Memory(cached, states, mask)


def check_past(cfg: BertTowerConfig, past: Any, place: Place) -> PastKeysValues | None:
    """Return keys and values of earlier calls as arrays: for each layer 2 or 4, (B, H, S, K) each.

    Raises:
        InputError: another number of layers or arrays, or another shape.
    """
    if past is None:
        return None
    layers = cfg.num_hidden_layers
    if not isinstance(past, (list, tuple)) or len(past) != layers:
        got = f"{len(past)} layers" if isinstance(past, (list, tuple)) else type(past).__name__
        raise InputError(f"past_key_values must be a tuple of {layers} layers; got {got}")
    return tuple(_past_layer(cfg, past, index, place) for index in range(layers))


def _past_layer(cfg: BertTowerConfig, past: Any, index: int, place: Place) -> tuple[Array, ...]:
    """Check one layer's arrays; every layer must be like the first."""
    layer, name = past[index], f"past_key_values[{index}]"
    kinds = (2, 4) if cfg.add_cross_attention else (2,)
    if not isinstance(layer, (list, tuple)) or len(layer) not in kinds:
        wanted = "keys and values" + (", or these twice" if cfg.add_cross_attention else "")
        got = f"{len(layer)} arrays" if isinstance(layer, (list, tuple)) else type(layer).__name__
        raise InputError(f"{name} must hold {wanted}; got {got}")
    arrays = tuple(as_numbers(f"{name}[{at}]", each, place) for at, each in enumerate(layer))
    head_width = cfg.hidden_size // cfg.num_attention_heads
    first = [tuple(np.shape(each)) for each in past[0]]
    for at, array in enumerate(arrays):
        shape = tuple(array.shape)
        heads = shape[1:2] + shape[3:] if len(shape) == 4 else ()
        if heads != (cfg.num_attention_heads, head_width) or kind(array) != "f":
            raise InputError(
                f"{name}[{at}] must be (B, {cfg.num_attention_heads}, tokens, {head_width}); "
                f"got {array.dtype} of shape {shape}"
            )
        if len(first) != len(arrays) or shape != first[at - at % 2]:
            raise InputError(
                f"{name}[{at}] is {shape}; all layers must hold arrays of the same shapes"
            )
    return tuple(place.finite(f"{name}[{at}]", array) for at, array in enumerate(arrays))


def _cached(layer: tuple[Array, ...]) -> Cached:
    """Bring one layer's arrays into the graph's layout, heads side by side."""
    flat = [
        each.swapaxes(1, 2).reshape(each.shape[0], each.shape[2], each.shape[1] * each.shape[3])
        for each in layer
    ]
    return Cached(KeysValues(*flat[:2]), KeysValues(*flat[2:]) if len(flat) == 4 else None)


def past_key_values(cfg: BertTowerConfig, kept: tuple[Cached, ...]) -> PastKeysValues:
    """Give what a call kept in upstream's layout: a head axis before the tokens."""

    def split(x: Num[Array, "B S D"]) -> Num[Array, "B H S K"]:
        heads, width = cfg.num_attention_heads, cfg.hidden_size // cfg.num_attention_heads
        apart: Array = x.reshape(*x.shape[:2], heads, width).swapaxes(1, 2)
        return apart

    return tuple(tuple(split(x) for x in (*own, *(across or ()))) for own, across in kept)
