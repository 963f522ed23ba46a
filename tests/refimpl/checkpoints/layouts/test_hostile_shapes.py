"""Any shape under any known name ends in a result or in one InputError, in every layout."""

import functools
import math

import numpy as np
import original_models
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl import InputError
from refimpl.checkpoints.layouts import big_vision, cn_clip, flax, open_clip, openai
from refimpl.checkpoints.layouts.renaming import renamed, without_prefix

SIDE = {
    "vision_cfg": {"timm_model_name": "vit_base_patch16_siglip_224", "timm_pool": "map"},
    "text_cfg": {"no_causal_mask": True, "pool_type": "last", "proj_bias": True},
}
SIDE["vision_cfg"]["timm_proj"] = "none"
CLIP_SIDE = {"vision_cfg": {}, "text_cfg": {}}
LAYOUTS = {
    "openai": (openai.TABLE, openai.hub_config, openai.hub_tensors),
    "cn_clip": (cn_clip.TABLE, cn_clip.hub_config, cn_clip.hub_tensors),
    "big_vision": (big_vision.TABLE, big_vision.hub_config, big_vision.hub_tensors),
    "open_clip": (
        open_clip.CLIP_TABLE,
        lambda x, where: open_clip.hub_config(x, CLIP_SIDE, where),
        lambda x, where: open_clip.hub_tensors(x, CLIP_SIDE, where),
    ),
    "siglip": (
        open_clip.SIGLIP_TABLE,
        lambda x, where: open_clip.hub_config(x, SIDE, where),
        lambda x, where: open_clip.hub_tensors(x, SIDE, where),
    ),
    "flax": ({"a/kernel": None, "b/scale": None, "c/embedding": None}, None, flax.hub_tensors),
}
SHAPES = (
    st.lists(st.sampled_from([0, 1, 2, 3, 64, 192]), max_size=5)
    .map(tuple)
    .filter(lambda shape: math.prod(shape) <= 192 * 192)
)


@functools.cache
def names(layout):
    """Every name of the table, for the layers 0 and 1, and one that no table has."""
    rows = LAYOUTS[layout][0]
    return sorted({name.replace("*", digit) for name in rows for digit in "01"} | {"strange"})


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_shape_ends_in_a_result_or_in_one_error(layout, data):
    known = names(layout)
    kept = data.draw(st.sets(st.sampled_from(known)) | st.just(set(known)))
    same = data.draw(st.booleans())
    shape = data.draw(SHAPES)
    tensors = {
        name: np.broadcast_to(np.float32(1), shape if same else data.draw(SHAPES))
        for name in sorted(kept)
    }
    for convert in LAYOUTS[layout][1:]:
        if convert is None:
            continue
        try:
            assert convert(tensors, "file") is not None
        except InputError as error:
            assert str(error).startswith("file: ")


def test_the_callers_tensors_are_never_changed():
    net = original_models.openai_model().CLIP(16, 8, 1, 64, 4, 5, 9, 64, 1, 1)
    tensors = original_models.tensors_of(net)
    before = {name: x.copy() for name, x in tensors.items()}
    openai.hub_tensors(tensors, "file")
    openai.hub_config(tensors, "file")
    assert tensors.keys() == before.keys()
    assert all(np.array_equal(tensors[name], before[name]) for name in before)


def test_numbers_of_layers_are_kept_whatever_they_look_like():
    table = {"h.*.x": openai.Move("layers.*.y")}
    tensors = {name: np.zeros(1) for name in ("h.0.x", "h.10.x", "h.x", "h.٣.x", "h.1.2.x", "*.x")}
    found = sorted(renamed(tensors, table, "file"))
    assert found == sorted(["layers.0.y", "layers.10.y", "h.x", "h.٣.x", "h.1.2.x", "*.x"])


def test_a_prefix_goes_only_when_every_name_has_it():
    x = np.zeros(1)
    assert list(without_prefix({"module.a": x, "module.b": x}, "module.")) == ["a", "b"]
    assert list(without_prefix({"module.a": x, "b": x}, "module.")) == ["module.a", "b"]
