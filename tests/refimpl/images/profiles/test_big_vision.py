"""Profile big_vision equals TensorFlow doing `resize(32)|value_range(-1, 1)`, exactly.

TensorFlow is handed the RGB that Pillow decodes; where its own decoder of a lossless file is asked
instead, the pixels are the same. (Its JPEG decoder is another one than Pillow's.)
"""

import image_pictures
import pytest
from image_judging import BY_DEFAULT, Case, disagreements, pictures_of

PROFILE = "big_vision"
NOT_DECODED = {
    f"mode/{mode}"
    for mode in ("RGBa", "CMYK", "YCbCr", "LAB", "HSV", "I", "I;16", "I;16L", "I;16B", "F")
} | {
    *("file/pillow/12in16bit.tif", "file/pillow/16bit.cropped.tif", "file/pillow/hopper.Lab.tif"),
    *("file/pillow/i_trns.png", "file/pillow/pil_sample_cmyk.jpg"),
    *("file/pillow/tiff_strip_cmyk_jpeg.tif", "file/pillow/uint16_1_4660.tif"),
    "file/skimage/chessboard_GRAY_U16.tif",
}
"""Pillow has a way from these to RGB and TensorFlow's decoder has none; ours refuses."""
ARRAYS = [
    f"array/{name}"
    for name in (
        *("uint8 HWC", "uint8 read-only", "uint8 negative strides", "uint8 steps"),
        *("uint8 Fortran", "uint8 larger than the crop"),
    )
]
DECODED = [f"path/{name}" for name in image_pictures.FILES if name.endswith((".png", ".bmp"))]
"""Lossless files; of animated ones both take the first frame."""
CUT_TO_8_BITS = {"path/pillow/i_trns.png"}
"""TensorFlow keeps the upper half of its 16 bits; ours refuses, as Pillow's RGB is another."""


def case(picture, edges=(32, 32), until=None, decode=False, kind="Siglip", **more):
    height, width = edges
    theirs = {"size": list(edges), "decode": decode}
    ours = {"size": {"height": height, "width": width}, **more}
    return Case(picture, ours, theirs, kind=kind, until=until)


def test_every_pillow_picture():
    cases = [case(name) for name in image_pictures.PILLOW]
    assert not disagreements(PROFILE, cases, stricter=NOT_DECODED)


def test_arrays_of_levels():
    assert not disagreements(PROFILE, [case(name) for name in ARRAYS])


@pytest.mark.parametrize("edges", [(1, 1), (7, 50), (33, 20), (64, 64)])
def test_other_sizes(edges):
    names = [name for name in image_pictures.names("mode", "size") if name not in NOT_DECODED]
    assert not disagreements(PROFILE, [case(name, edges) for name in names])


def test_levels_before_they_are_floats():
    off = {"do_rescale": False, "do_normalize": False}
    cases = [case(name, until="levels", **off) for name in image_pictures.PILLOW]
    assert not disagreements(PROFILE, cases, stricter=NOT_DECODED)


def test_before_it_normalizes():
    cases = [case(name, until="unit", do_normalize=False) for name in image_pictures.PILLOW]
    assert not disagreements(PROFILE, cases, stricter=NOT_DECODED)


def test_the_size_that_is_the_default():
    cases = [Case(name, {}, {"size": [224, 224]}, kind="Siglip") for name in BY_DEFAULT]
    assert not disagreements(PROFILE, cases)


def test_files_that_tensorflow_decodes():
    assert not disagreements(
        PROFILE, [case(name, decode=True) for name in DECODED], stricter=CUT_TO_8_BITS
    )


@pytest.mark.parametrize(
    "other",
    [
        *("transformers-4-slow", "transformers-5-pil", "transformers-5-torchvision"),
        *("openai", "open_clip", "cn_clip"),
    ],
)
def test_another_recipe_is_noticed(other):
    """Even with the filter and the square of big_vision: the others average, and round."""
    pictures = {"mode/RGB", "mode/L", "size/RGB 37x37"}
    cases = [case(name, resample=2) for name in sorted(pictures)]
    assert pictures_of(disagreements(PROFILE, cases, profile=other)) == pictures
