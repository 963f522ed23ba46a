"""Pairs of unit vectors, for the tests of both losses."""

import numpy as np
from guarded import guarded


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def pairs_of(pairs, width, dtype, gap, noise, seed, device):
    """Unit vectors of texts, and of images that differ from them by some noise."""
    rng = np.random.default_rng(seed)
    text = unit(rng.standard_normal((pairs, width)))
    image = unit(text + noise * unit(rng.standard_normal((pairs, width))))
    return guarded(text, device, dtype, gap), guarded(image, device, dtype, gap)
