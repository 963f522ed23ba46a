"""What a tap gives back is what the graph goes on with, at every point that has a name."""

import numpy as np
import pytest
import tapped
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


def names(family):
    values = {}
    tapped.results(family, Record(ops, values))
    return list(values)


CASES = [(family, name) for family in tapped.RUNS for name in names(family)]
PLAIN = {family: tapped.results(family, ops) for family in tapped.RUNS}


@pytest.mark.parametrize(("family", "name"), CASES)
def test_a_changed_value_is_carried_on(family, name):
    shaken = tapped.results(family, Shaken(name))
    assert np.abs(PLAIN[family] - shaken).max() > 1e-3


@pytest.mark.parametrize("family", tapped.RUNS)
def test_recording_changes_nothing(family):
    np.testing.assert_array_equal(tapped.results(family, Record(ops, {})), PLAIN[family])


def test_only_wanted_names_are_kept():
    values = {}
    watched = Record(ops, values, lambda name: name.endswith(".probs"))
    CLIPModel(tiny.config(), ops=watched)(**INPUTS)
    assert len(values) == 4 and all(name.endswith(".probs") for name in values)
