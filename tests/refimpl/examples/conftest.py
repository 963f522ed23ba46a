"""Fixtures of the examples: the hub they name, and how they are run."""

import functools

import numpy as np
import pytest
import transformers
from documented import Example
from example_hub import REPOSITORIES, Hub, point_at

import refimpl.pretrained
from refimpl.params import map_leaves


@pytest.fixture(scope="session")
def hub(tmp_path_factory):
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return Hub(tmp_path_factory.mktemp("hub"))


@pytest.fixture
def offline_hub(hub, monkeypatch):
    point_at(hub, monkeypatch)
    return hub


@pytest.fixture
def run(offline_hub, tmp_path):
    """Run an example in a folder of its own, with our library and with upstream's."""

    def run_example(text, **options):
        example = Example(text, **options)
        for name in REPOSITORIES:
            if f'"{name}"' in example.text:
                offline_hub.need(name)
        return example.run(tmp_path)

    return run_example


@pytest.fixture(params=["zeros", pytest.param("drawn", marks=pytest.mark.slow)])
def cheap_weights(request, monkeypatch):
    """Fresh weights of the released sizes are zeros here, or drawn in the slow version.

    Gives a function that lists the shapes of a model's weights.
    """
    if request.param == "zeros":
        zeros = functools.partial(map_leaves, lambda _, leaf: np.zeros(leaf.shape, np.float32))
        monkeypatch.setattr(refimpl.pretrained, "fresh", lambda place, spec, seed: zeros(spec))
    return lambda model: sorted(tuple(x.shape) for x in model.state_dict().values())
