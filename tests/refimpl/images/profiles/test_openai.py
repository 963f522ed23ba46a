"""Profile openai equals OpenAI's own transform (clip-anytorch 2.6.0), exactly, everywhere."""

import image_pictures
import numpy as np
import pytest
from image_judging import BY_DEFAULT, Case, disagreements, pictures_of
from PIL import Image

import refimpl

PROFILE = "openai"


def case(picture, edge, until=None, **more):
    """It is told one number: the short edge, and the square that is cut out of it."""
    return Case(picture, {"size": edge, "crop_size": edge, **more}, {"n_px": edge}, until=until)


@pytest.mark.parametrize("engine", ["pillow", "numpy"])
def test_every_pillow_picture(engine):
    cases = [case(name, 32) for name in image_pictures.PILLOW]
    assert not disagreements(PROFILE, cases, engine=engine)


@pytest.mark.parametrize("edge", [1, 7, 33])
def test_other_sizes(edge):
    names = image_pictures.names("mode", "size")
    assert not disagreements(PROFILE, [case(name, edge) for name in names])


@pytest.mark.parametrize("engine", ["pillow", "numpy"])
def test_levels_before_they_are_floats(engine):
    off = {"do_rescale": False, "do_normalize": False}
    cases = [case(name, 32, "levels", **off) for name in image_pictures.PILLOW]
    assert not disagreements(PROFILE, cases, engine=engine)


def test_before_it_normalizes():
    cases = [case(name, 32, "unit", do_normalize=False) for name in image_pictures.PILLOW]
    assert not disagreements(PROFILE, cases)


def test_the_size_that_is_the_default():
    assert not disagreements(PROFILE, [Case(name, {}, {"n_px": 224}) for name in BY_DEFAULT])


def test_arrays_are_served_as_the_pictures_they_make():
    """Upstream takes Pillow pictures alone; what is made of those is right."""
    processor = refimpl.CLIPImageProcessor(profile=PROFILE, size=32, crop_size=32)
    for name, mode in {"HWC": "RGB", "HW1": "L", "1HW": "L", "HW4": "RGBA", "4HW": "RGBA"}.items():
        array = image_pictures.make(f"array/uint8 {name}")
        last = np.moveaxis(array, 0, -1) if array.shape[0] in (1, 4) else array
        picture = Image.fromarray(last[..., 0] if mode == "L" else last)
        assert picture.mode == mode
        got, want = (processor(each).pixel_values[0] for each in (array, picture))
        assert np.array_equal(got, want), name


@pytest.mark.parametrize(
    ("other", "pictures"),
    [
        ("transformers-4-slow", {"mode/P", "mode/1", "mode/RGBA", "mode/LA", "size/RGB 640x427"}),
        ("transformers-5-pil", {"mode/P", "mode/RGBA", "mode/PA", "size/RGB 640x427"}),
        ("transformers-5-torchvision", {"mode/P", "mode/RGBA", "size/RGB 640x427"}),
        ("cn_clip", {"mode/RGB", "size/RGB 33x50"}),
        ("big_vision", {"mode/RGB", "mode/L"}),
    ],
)
def test_another_recipe_is_noticed(other, pictures):
    cases = [case(name, 32) for name in sorted(pictures)]
    found = pictures_of(disagreements(PROFILE, cases, profile=other))
    assert found == pictures
