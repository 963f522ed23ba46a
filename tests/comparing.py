"""The one comparator of the tests: relative L2 beside shape and dtype, and NaN always fails."""

import numpy as np


def relative_l2(found, wanted):
    """Length of the difference over the length of what is wanted, computed in float64."""
    found, wanted = (np.asarray(x, dtype=np.float64) for x in (found, wanted))
    length = np.linalg.norm(wanted)
    return float(np.linalg.norm(found - wanted) / (length if length else 1.0))


def assert_close(found, wanted, tolerance, name):
    """Fail unless shape and dtype agree and the relative L2 error is within the tolerance."""
    wanted = wanted.numpy() if hasattr(wanted, "numpy") else np.asarray(wanted)
    found = np.asarray(found)
    assert found.shape == wanted.shape, f"{name}: shape {found.shape}, wanted {wanted.shape}"
    assert found.dtype == wanted.dtype, f"{name}: dtype {found.dtype}, wanted {wanted.dtype}"
    error = relative_l2(found, wanted)
    if not error <= tolerance:
        difference = np.abs(np.asarray(found, np.float64) - wanted)
        worst = np.unravel_index(np.argmax(difference), difference.shape)
        raise AssertionError(
            f"{name}: relative L2 {error:.3g} above {tolerance:.3g}; worst at {worst}: "
            f"{found[worst]!r}, wanted {wanted[worst]!r}"
        )
