"""Profile transformers-5-pil equals Transformers 5.23.0's Pillow classes, exactly, everywhere."""

import image_pictures
import numpy as np
import pytest
from image_judging import (
    BY_DEFAULT,
    FEW,
    KINDS,
    NO_PICTURES,
    OPTIONS,
    OTHER_FORMATS,
    SMALL,
    Case,
    disagreements,
    ours,
    pictures_of,
)

PROFILE = "transformers-5-pil"
STRICTER = OTHER_FORMATS | NO_PICTURES


def test_every_picture():
    cases = [Case(name, SMALL) for name in image_pictures.NAMES]
    assert not disagreements(PROFILE, cases, stricter=STRICTER)


@pytest.mark.parametrize("kind", KINDS)
def test_every_family(kind):
    names = [*image_pictures.PILLOW, *image_pictures.names("array")]
    cases = [Case(name, {**KINDS[kind], "do_convert_rgb": True}, kind=kind) for name in names]
    assert not disagreements(PROFILE, cases, stricter=STRICTER)


def test_levels_before_they_are_floats():
    made = {**SMALL, "do_rescale": False, "do_normalize": False}
    cases = [Case(name, made) for name in image_pictures.PILLOW]
    assert not disagreements(PROFILE, cases)
    taken = [got for case in cases if not isinstance(got := ours(case, PROFILE), str)]
    assert len(taken) > 150 and {got.dtype for got in taken} == {np.dtype(np.uint8)}


def test_the_numpy_engine():
    cases = [Case(name, SMALL) for name in image_pictures.PILLOW]
    assert not disagreements(PROFILE, cases, engine="numpy")


@pytest.mark.parametrize("engine", ["pillow", "numpy"])
def test_options(engine):
    cases = [Case(name, {**SMALL, **options}) for options in OPTIONS for name in FEW]
    assert not disagreements(PROFILE, cases, engine=engine)


def test_options_of_a_call():
    cases = [Case(name, SMALL, called=options) for options in OPTIONS for name in FEW]
    assert not disagreements(PROFILE, cases)


def test_the_size_that_is_the_default():
    cases = [Case(name, kind=kind) for name in BY_DEFAULT for kind in ("CLIP", "Siglip")]
    assert not disagreements(PROFILE, cases)


@pytest.mark.parametrize(
    ("other", "pictures"),
    [
        ("transformers-4-slow", {"mode/RGBA", "mode/LA", "size/RGB 20x3"}),
        ("openai", {"mode/P", "mode/1", "mode/RGBA", "mode/LA", "size/RGB 640x427"}),
        ("cn_clip", {"mode/RGB", "mode/P", "size/RGB 33x50"}),
        ("big_vision", {"mode/RGB", "mode/L"}),
    ],
)
def test_another_recipe_is_noticed(other, pictures):
    cases = [Case(name, SMALL) for name in sorted(pictures)]
    assert pictures_of(disagreements(PROFILE, cases, profile=other)) == pictures
