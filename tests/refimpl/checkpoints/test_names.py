"""Names brought to the model's spelling, and the one error that lists what does not fit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.checkpoints.names import check_finite, compare_trees, reconcile, shortened
from refimpl.errors import InputError

VISION = {
    "embeddings.class_embedding",
    "encoder.layers.0.mlp.fc1.weight",
    "encoder.layers.1.mlp.fc1.weight",
    "pre_layrnorm.weight",
}
TEXT = {
    "embeddings.token_embedding.weight",
    "encoder.layers.0.mlp.fc1.weight",
    "encoder.layers.1.mlp.fc1.weight",
    "final_layer_norm.weight",
}
JOINTS = {"logit_scale", "text_projection.weight", "visual_projection.weight"}


def under(prefix, names):
    return {prefix + name for name in names}


COMPOSITE = under("vision_model.", VISION) | under("text_model.", TEXT) | JOINTS


def file_of(names):
    """One array per name, each of another value, so that a mix-up shows."""
    return {name: np.float32([number]) for number, name in enumerate(sorted(names))}


def renamed(file, wanted):
    """Which name of the file each resulting name came from."""
    source = {x.item(): name for name, x in file.items()}
    return {name: source[x.item()] for name, x in reconcile(file, wanted).items()}


def test_fitting_names_stay():
    assert renamed(file_of(COMPOSITE), COMPOSITE) == {name: name for name in COMPOSITE}


@pytest.mark.parametrize(
    ("tower", "names"), [("vision_model.", VISION), ("text_model.", TEXT)], ids=["vision", "text"]
)
class TestTower:
    def test_file_without_prefix_wanted_with(self, tower, names):
        got = renamed(file_of(names), under(tower, names))
        assert got == {tower + name: name for name in names}

    def test_file_with_prefix_wanted_without(self, tower, names):
        got = renamed(file_of(under(tower, names)), names)
        assert got == {name: tower + name for name in names}

    def test_out_of_a_composite_wanted_with_prefix(self, tower, names):
        got = renamed(file_of(COMPOSITE), under(tower, names))
        assert got == {tower + name: tower + name for name in names}

    def test_out_of_a_composite_wanted_without_prefix(self, tower, names):
        got = renamed(file_of(COMPOSITE), names)
        assert got == {name: tower + name for name in names}

    def test_with_projection_out_of_a_composite(self, tower, names):
        projection = {"vision_model.": "visual", "text_model.": "text"}[
            tower
        ] + "_projection.weight"
        wanted = under(tower, names) | {projection}
        assert renamed(file_of(COMPOSITE), wanted) == {name: name for name in wanted}

    def test_head_of_a_fine_tuned_tower_is_left_out(self, tower, names):
        file = file_of(under(tower, names) | {"classifier.weight", "classifier.bias"})
        assert renamed(file, under(tower, names)).keys() == under(tower, names)

    def test_unknown_tensors_in_the_tower_are_kept_for_the_listing(self, tower, names):
        odd = {tower + "head.weight", "odd.weight"}
        for wanted in (under(tower, names), names):
            assert set(renamed(file_of(COMPOSITE | odd), wanted)) == set(wanted) | odd


def test_double_prefix_of_a_dual_encoder_both_ways():
    rest = {"logit_scale", "text_model.pooler.dense.weight"}
    single, double = under("vision_model.", VISION), under("vision_model.vision_model.", VISION)
    got = renamed(file_of(double | rest), single | rest)
    assert got == {**{name: "vision_model." + name for name in single}, **{n: n for n in rest}}
    assert renamed(file_of(single | rest), double | rest).keys() == double | rest


def test_composite_never_loses_what_only_a_file_has():
    file = file_of(COMPOSITE | {"logit_bias", "classifier.weight"})
    assert renamed(file, COMPOSITE).keys() == file.keys()


def test_data_parallel_prefix_is_stripped_with_any_other_change():
    assert renamed(file_of(under("module.", COMPOSITE)), VISION) == {
        name: "module.vision_model." + name for name in VISION
    }
    mixed = file_of(under("module.", VISION) | {"other"})  # not what DataParallel writes
    assert renamed(mixed, VISION).keys() == mixed.keys()


def test_norms_that_came_from_tensorflow():
    wanted = {"embeddings.LayerNorm.weight", "embeddings.LayerNorm.bias", "layer.gamma"}
    file = file_of({"embeddings.LayerNorm.gamma", "embeddings.LayerNorm.beta", "layer.gamma"})
    assert renamed(file, wanted) == {
        "embeddings.LayerNorm.weight": "embeddings.LayerNorm.gamma",
        "embeddings.LayerNorm.bias": "embeddings.LayerNorm.beta",
        "layer.gamma": "layer.gamma",
    }
    assert renamed(file_of({"bert.LayerNorm.gamma"}), {"text_model.bert.LayerNorm.weight"}) == {
        "text_model.bert.LayerNorm.weight": "bert.LayerNorm.gamma"
    }


def test_position_ids_are_left_out_only_as_an_integer_buffer():
    ids = {"text_model.embeddings.position_ids": np.arange(3)[None], "position_ids": np.arange(3)}
    assert reconcile(ids, {"a"}) == {}
    assert reconcile(ids, {"position_ids"}).keys() == {"position_ids"}
    odd = {"x.position_ids": np.ones(3), "x.position_ids_table": np.arange(3)}
    assert reconcile(odd, {"a"}).keys() == odd.keys()


def test_no_tensor_takes_the_name_of_another():
    file = file_of({"LayerNorm.gamma", "LayerNorm.weight", "module.x"})
    assert renamed(file, {"LayerNorm.weight"}) == {name: name for name in file}
    both = file_of(under("vision_model.", VISION) | VISION)
    assert renamed(both, VISION) == {name: name for name in both}


def test_arguments_are_not_changed():
    file = file_of(under("module.", COMPOSITE))
    before = dict(file)
    reconcile(file, VISION)
    assert file == before


NAME = st.lists(
    st.sampled_from(["module", "vision_model", "text_model", "a", "LayerNorm", "gamma", "weight"]),
    min_size=1,
    max_size=4,
).map(".".join)


@settings(max_examples=50, deadline=None)
@given(st.sets(NAME), st.sets(NAME))
def test_nothing_is_lost_doubled_or_made_up(names, wanted):
    file = file_of(names)
    got = renamed(file, wanted)
    assert len(set(got.values())) == len(got) <= len(file)
    for name in names & wanted:
        assert got[name] == name
    lost = names - set(got.values())
    assert all("_model." in name or name.startswith("classifier") for name in lost)


# --- compare_trees


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


def test_fitting_trees():
    compare_trees({"a": (2, 3), "b": ()}, {"b": zeros(), "a": zeros(2, 3, dtype="f2")}, "here")


def test_everything_that_does_not_fit_is_in_one_error():
    wanted = {"same": (1,), "gone": (2, 3), "gone2": (), "shape": (4, 5), "type": (2,)}
    found = {
        "same": zeros(1),
        "new": zeros(7),
        "shape": zeros(5, 4),
        "type": zeros(2, dtype="i8"),
    }
    with pytest.raises(InputError) as caught:
        compare_trees(wanted, found, "folder")
    assert str(caught.value).splitlines() == [
        "folder: the weights do not fit the model",
        "  missing (2):",
        "  - gone (2, 3)",
        "  - gone2 ()",
        "  unexpected (1):",
        "  + new (7,)",
        "  wrong (2):",
        "    shape: wanted (4, 5), got (5, 4)",
        "    type: wanted floating-point numbers, got int64",
    ]


def test_equal_size_of_another_shape_never_fits():
    for shape in [(6,), (3, 2), (1, 6), (2, 3, 1)]:
        with pytest.raises(InputError, match=r"x: wanted \(2, 3\), got"):
            compare_trees({"x": (2, 3)}, {"x": zeros(*shape)}, "here")


def test_long_lists_are_cut_and_counted():
    wanted = {f"w{number:03}": (1,) for number in range(300)}
    found = {f"f{number:03}": zeros(1) for number in range(21)}
    with pytest.raises(InputError) as caught:
        compare_trees(wanted, found, "here")
    text = str(caught.value)
    assert "missing (300):" in text and "... and 280 more" in text
    assert "unexpected (21):" in text and "... and 1 more" in text
    assert "w019" in text and "w020" not in text
    assert len(text.splitlines()) == 1 + 2 * (1 + 20 + 1)


def test_shortened_keeps_twenty():
    assert shortened(["x"] * 20) == ["x"] * 20


# --- check_finite


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(dtype, value):
    x = np.ones((3, 4), dtype)
    check_finite({"x": x, "ids": np.arange(3), "flag": np.array(True)}, "here")
    x[2, 3] = value
    counts = "1 NaN and 0" if np.isnan(value) else "0 NaN and 1"
    with pytest.raises(InputError, match=f"x: {counts} infinite of 12"):
        check_finite({"ok": np.ones(2), "x": x}, "here")


def test_largest_numbers_are_finite():
    check_finite({"x": np.full(1000, np.finfo(np.float32).max)}, "here")
    check_finite({"x": np.full(1000, np.finfo(np.float16).max, np.float16)}, "here")


def test_all_tensors_that_are_not_finite_are_named():
    with pytest.raises(InputError, match=r"(?s)here: .*a: 1 NaN.*b: 2 NaN"):
        check_finite({"b": np.full(2, np.nan), "a": np.full(1, np.nan)}, "here")
