"""Profile transformers-5-torchvision equals Transformers 5.23.0's torchvision classes.

Exactly, wherever the picture is of whole levels of 8 bits, as every Pillow picture is. A float
array is resized in floats, and there the last bits are torch's own: see `TOLERANCE`.
"""

import image_pictures
import numpy as np
import pytest
from image_judging import (
    BY_DEFAULT,
    FEW,
    KINDS,
    NO_PICTURES,
    OPTIONS,
    SMALL,
    Case,
    disagreements,
    ours,
    pictures_of,
)

PROFILE = "transformers-5-torchvision"
ODD_ARRAYS = {
    f"{kind}/{name}"
    for kind in ("array", "tensor")
    for name in ("uint16 of 255", "uint16 of 65535", "float32 NaN", "float32 infinite", "bfloat16")
}
STRICTER = NO_PICTURES | ODD_ARRAYS
LENIENT = {
    f"array/{name}"
    for name in ("uint8 negative strides", "int32 big-endian", "float32 big-endian in 0-1")
}
"""torch cannot hold them as they are; ours reads their numbers."""
TOLERANCE = {
    name: 2e-3 if "float16" in name else 1e-6
    for name in image_pictures.names("array", "tensor")
    if "float16" in name or "float32" in name
}
"""Half a step of float16 at 255, and of float32 a step or two; float64 is exact."""
NAMES = [name for name in image_pictures.NAMES if not name.startswith("path/")]
"""Without paths: a file is opened by torchvision's compiled part, which cannot be had here."""


def test_every_picture():
    cases = [Case(name, SMALL) for name in NAMES]
    found = disagreements(PROFILE, cases, stricter=STRICTER, lenient=LENIENT, tolerance=TOLERANCE)
    assert not found


@pytest.mark.parametrize("kind", KINDS)
def test_every_family(kind):
    names = [*image_pictures.PILLOW, *image_pictures.names("array")]
    cases = [Case(name, {**KINDS[kind], "do_convert_rgb": True}, kind=kind) for name in names]
    found = disagreements(PROFILE, cases, stricter=STRICTER, lenient=LENIENT, tolerance=TOLERANCE)
    assert not found


def test_levels_before_they_are_floats():
    made = {**SMALL, "do_rescale": False, "do_normalize": False}
    cases = [Case(name, made) for name in image_pictures.PILLOW]
    assert not disagreements(PROFILE, cases)
    taken = [got for case in cases if not isinstance(got := ours(case, PROFILE), str)]
    assert len(taken) > 150 and {got.dtype for got in taken} == {np.dtype(np.uint8)}


def test_options():
    cases = [Case(name, {**SMALL, **options}) for options in OPTIONS for name in FEW]
    assert not disagreements(PROFILE, cases)


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
        ("transformers-5-pil", {"file/skimage/rocket.jpg", "array/float32 fractions of 255"}),
        ("openai", {"mode/P", "mode/1", "mode/RGBA", "mode/LA", "size/RGB 640x427"}),
        ("cn_clip", {"mode/RGB", "mode/P", "size/RGB 33x50"}),
        ("big_vision", {"mode/RGB", "mode/L"}),
    ],
)
def test_another_recipe_is_noticed(other, pictures):
    cases = [Case(name, SMALL) for name in sorted(pictures)]
    assert pictures_of(disagreements(PROFILE, cases, profile=other)) == pictures


def test_an_odd_padding_is_not_where_pillows_class_has_it():
    cases = [Case("size/RGB 33x50", {**SMALL, "crop_size": 61})]
    assert not disagreements(PROFILE, cases)
    assert disagreements(PROFILE, cases, profile="transformers-5-pil")
