import numpy as np
import pytest
from comparing import assert_close


def test_the_comparator_passes_what_is_equal():
    assert_close(np.float32([1, 2]), np.float32([1, 2]), 0.0, "x")


@pytest.mark.parametrize(
    "found",
    [
        np.float32([1, 2.1]),
        np.float32([1, np.nan]),
        np.float32([[1, 2]]),
        np.float64([1, 2]),
    ],
    ids=["value", "nan", "shape", "dtype"],
)
def test_the_comparator_fails(found):
    with pytest.raises(AssertionError, match="x: "):
        assert_close(found, np.float32([1, 2]), 1e-3, "x")
