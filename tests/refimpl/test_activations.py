import math

import numpy as np
import pytest
import torch
from comparing import assert_close
from transformers.activations import ACT2FN

from refimpl.activations import ACTIVATIONS, activation, erf
from refimpl.errors import InputError

GRID = np.concatenate([np.linspace(-12, 12, 4001), [-1e4, -1e-30, 0.0, 1e-30, 1e4]])


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-13)])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_equals_upstream(name, dtype, tolerance):
    x = GRID.astype(dtype)
    before = x.copy()
    with torch.no_grad():
        wanted = ACT2FN[name](torch.tensor(x)).numpy()
    found = ACTIVATIONS[name](x)
    assert_close(found, wanted, tolerance, name)
    # near zero the relative error of the whole says little
    np.testing.assert_allclose(found, wanted, rtol=0, atol=3e-6 if dtype == "float32" else 1e-12)
    np.testing.assert_array_equal(x, before)


def test_every_key_of_upstream_without_parameters_is_known():
    assert set(ACTIVATIONS) == set(ACT2FN) - {"prelu", "xielu"}


def test_float32_erf_is_within_a_few_units_of_the_c_library():
    x = np.linspace(-5, 5, 20_001).astype(np.float32)
    exact = np.array([math.erf(v) for v in x.tolist()])
    assert np.abs(erf(x) - exact).max() < 4e-7


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_stays_nan(name):
    assert np.isnan(ACTIVATIONS[name](np.float32([np.nan]))).all()


def test_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"'selu' is unknown; known are gelu, .*quick_gelu"):
        activation("selu")
