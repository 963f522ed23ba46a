"""Small random checkpoints under the released names, and pictures for those we may not pass on."""

from pathlib import Path

import pytest
import transformers
from example_hub import Hub, point_at
from PIL import Image

ROCKET = Path(__file__).parents[2] / "data" / "images" / "skimage" / "rocket.jpg"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return Hub(tmp_path_factory.mktemp("hub"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pictures under the names of those that this package may not pass on."""
    folder = tmp_path_factory.mktemp("pictures")
    picture = Image.open(ROCKET)
    for name in ("000000039769", "cifar100-test-3637", "tiger", "camera"):
        picture.resize((120, 90)).save(folder / f"{name}.png")
    for name in ("pokemon.jpeg", "pokemon-synthetic.jpeg", "apple-ipod.jpg", "meat_ball.jpg"):
        picture.resize((90, 120)).save(folder / name)
    return folder


@pytest.fixture
def offline(hub, monkeypatch):
    point_at(hub, monkeypatch)


@pytest.fixture
def nothing_here(tmp_path_factory, monkeypatch):
    point_at(Hub(tmp_path_factory.mktemp("empty")), monkeypatch)
