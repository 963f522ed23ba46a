"""What a tap gives back is what the graph goes on with, at every point that has a name."""

import numpy as np
import pytest
import tiny

from refimpl import ops
from refimpl.models import CLIPModel
from refimpl.trace import Record

INPUTS = {"input_ids": tiny.IDS, "pixel_values": tiny.PIXELS}


class Shaken(Record):
    """A recorder that disturbs the value at one name before the graph goes on."""

    def __init__(self, name):
        super().__init__(ops, {}, lambda each: each == name)

    def tap(self, p, point, x):
        self._values.clear()
        x = super().tap(p, point, x)
        noise = np.random.default_rng(0).standard_normal(x.shape).astype(x.dtype)
        return x + noise if self._values else x


def recorded():
    values = {}
    CLIPModel(tiny.config(), ops=Record(ops, values))(**INPUTS)
    return values


def results(model):
    out = model(**INPUTS)
    return np.concatenate(
        [
            out.logits_per_image.ravel(),
            out.logits_per_text.ravel(),
            out.text_model_output.last_hidden_state.ravel(),
            out.vision_model_output.last_hidden_state.ravel(),
        ]
    )


@pytest.mark.parametrize("name", recorded())
def test_a_changed_value_is_carried_on(name):
    plain, shaken = results(tiny.model()), results(CLIPModel(tiny.config(), ops=Shaken(name)))
    assert np.abs(plain - shaken).max() > 1e-3


def test_recording_changes_nothing():
    watched = results(CLIPModel(tiny.config(), ops=Record(ops, {})))
    np.testing.assert_array_equal(watched, results(tiny.model()))


def test_only_wanted_names_are_kept():
    values = {}
    watched = Record(ops, values, lambda name: name.endswith(".probs"))
    CLIPModel(tiny.config(), ops=watched)(**INPUTS)
    assert len(values) == 4 and all(name.endswith(".probs") for name in values)
