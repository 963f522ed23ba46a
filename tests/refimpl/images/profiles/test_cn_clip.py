"""Profile cn_clip equals the original Chinese-CLIP's transform (1.6.0), exactly, everywhere."""

import image_pictures
import pytest
from image_judging import BY_DEFAULT, Case, disagreements, pictures_of

PROFILE = "cn_clip"


def case(picture, edge, until=None, kind="ChineseCLIP", **more):
    """It is told one number, the side of a square that every picture is squeezed to."""
    return Case(picture, {"size": edge, **more}, {"image_size": edge}, kind=kind, until=until)


@pytest.mark.parametrize("engine", ["pillow", "numpy"])
def test_every_pillow_picture(engine):
    cases = [case(name, 32) for name in image_pictures.PILLOW]
    assert not disagreements(PROFILE, cases, engine=engine)


@pytest.mark.parametrize("edge", [1, 7, 33])
def test_other_sizes(edge):
    names = image_pictures.names("mode", "size")
    assert not disagreements(PROFILE, [case(name, edge, kind="CLIP") for name in names])


@pytest.mark.parametrize("engine", ["pillow", "numpy"])
def test_levels_before_they_are_floats(engine):
    off = {"do_rescale": False, "do_normalize": False}
    cases = [case(name, 32, "levels", **off) for name in image_pictures.PILLOW]
    assert not disagreements(PROFILE, cases, engine=engine)


def test_before_it_normalizes():
    cases = [case(name, 32, "unit", do_normalize=False) for name in image_pictures.PILLOW]
    assert not disagreements(PROFILE, cases)


def test_the_size_of_the_released_models():
    assert not disagreements(PROFILE, [case(name, 224) for name in BY_DEFAULT])


@pytest.mark.parametrize(
    ("other", "pictures"),
    [
        ("transformers-4-slow", {"mode/RGB", "mode/P", "mode/RGBA"}),
        ("transformers-5-pil", {"mode/RGB", "mode/P", "mode/RGBA"}),
        ("transformers-5-torchvision", {"mode/RGB", "mode/P", "mode/RGBA"}),
        ("openai", {"mode/RGB", "size/RGB 33x50"}),
        ("big_vision", {"mode/RGB", "mode/L", "mode/P"}),
    ],
)
def test_another_recipe_is_noticed(other, pictures):
    cases = [case(name, 32) for name in sorted(pictures)]
    assert pictures_of(disagreements(PROFILE, cases, profile=other)) == pictures


def test_even_with_the_same_square_the_order_is_noticed():
    """Told to squeeze and not to crop, Transformers differs still: it makes RGB first."""
    square = {"size": {"height": 32, "width": 32}, "do_center_crop": False}
    pictures = {"mode/P", "mode/1", "mode/RGBA", "mode/RGB"}
    cases = [Case(name, square, {"image_size": 32}) for name in sorted(pictures)]
    found = disagreements(PROFILE, cases, profile="transformers-4-slow")
    assert pictures_of(found) == pictures - {"mode/RGB"}
