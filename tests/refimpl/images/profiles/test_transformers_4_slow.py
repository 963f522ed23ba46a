"""Profile transformers-4-slow equals Transformers 4.57.6's slow classes, exactly, everywhere."""

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
from PIL import Image

import refimpl

PROFILE = "transformers-4-slow"
GREY_OR_ALPHA = {
    f"{kind}/{name}"
    for kind in ("array", "tensor")
    for name in (
        *("uint8 HW1", "uint8 1HW", "uint8 HW4", "uint8 4HW", "uint8 4x4x4", "uint8 1x1x3"),
        *("uint8 1x1x1", "float32 HW4 in 0-1", "float32 HW4 whole", "float32 HW1 in 0-1"),
    )
}
STRICTER = OTHER_FORMATS | NO_PICTURES


def test_every_picture():
    cases = [Case(name, SMALL) for name in image_pictures.NAMES]
    assert not disagreements(PROFILE, cases, stricter=STRICTER, lenient=GREY_OR_ALPHA)


@pytest.mark.parametrize("kind", KINDS)
def test_every_family(kind):
    """Here without the arrays that ours serves and upstream refuses, and with RGB asked for."""
    names = [*image_pictures.PILLOW, *image_pictures.names("array")]
    made = {**KINDS[kind], "do_convert_rgb": True}
    cases = [Case(name, made, kind=kind) for name in names if name not in GREY_OR_ALPHA]
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
    named = [{**options, "data_format": "channels_last"} for options in OPTIONS]
    cases = [Case(name, SMALL, called=options) for options in named for name in FEW]
    assert not disagreements(PROFILE, cases)


def test_the_size_that_is_the_default():
    cases = [Case(name) for name in BY_DEFAULT]
    assert not disagreements(PROFILE, cases)


def test_grey_and_alpha_arrays_are_served_as_their_colours():
    """Upstream refuses these; what it makes of the same colours as a Pillow picture is right."""
    twins = {"uint8 HW1": "L", "uint8 1HW": "L", "uint8 HW4": "RGBA", "uint8 4HW": "RGBA"}
    for name, mode in twins.items():
        array = image_pictures.make(f"array/{name}")
        last = np.moveaxis(array, 0, -1) if array.shape[0] in (1, 4) else array
        picture = Image.fromarray(last[..., 0] if mode == "L" else last)
        assert picture.mode == mode
        processor = refimpl.CLIPImageProcessor(profile=PROFILE, **SMALL)
        got, want = (processor(each).pixel_values[0] for each in (array, picture))
        assert np.array_equal(got, want), name


@pytest.mark.parametrize(
    ("other", "pictures"),
    [
        ("transformers-5-pil", {"mode/RGBA", "mode/LA", "file/pillow/pil123p.png"}),
        ("transformers-5-torchvision", {"mode/RGBA", "mode/P, one transparent"}),
        ("openai", {"mode/P", "mode/1", "mode/RGBA", "mode/LA", "size/RGB 640x427"}),
        ("cn_clip", {"mode/RGB", "mode/P", "size/RGB 33x50"}),
        ("big_vision", {"mode/RGB", "mode/L"}),
    ],
)
def test_another_recipe_is_noticed(other, pictures):
    cases = [Case(name, SMALL) for name in sorted(pictures)]
    assert pictures_of(disagreements(PROFILE, cases, profile=other)) == pictures
