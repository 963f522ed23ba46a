"""What a stranger's settings file, or a caller's slip, may hold: one InputError, and no more.

Every case here once was a foreign exception, or a demand for more memory than there is.
"""

import json
import struct
import warnings
import weakref

import numpy as np
import pytest
from PIL import Image, ImageOps

import refimpl
from refimpl import CLIPImageProcessor, InputError, load_image
from refimpl.images import one_picture, processor

BLACK = Image.new("RGB", (9, 7))


def nested(depth):
    pictures = BLACK
    for _ in range(depth):
        pictures = [pictures]
    return pictures


def endless():
    pictures = []
    pictures.append(pictures)
    return pictures


def test_lists_in_a_list_and_no_deeper():
    ours = CLIPImageProcessor()
    for pictures in (BLACK, nested(1), nested(2)):
        assert len(ours(pictures).pixel_values) == 1
    assert len(ours([[BLACK, BLACK], [BLACK]]).pixel_values) == 3
    for pictures in (nested(3), nested(100_000), endless()):
        with pytest.raises(InputError, match=r"images\[0\]\[0\]: pictures may stand in a list"):
            ours(pictures)


@pytest.mark.parametrize("kind", [None, "np", "pt"])
def test_an_empty_batch_holds_no_picture(kind):
    with pytest.raises(InputError, match="an empty list holds no picture"):
        CLIPImageProcessor()(np.zeros((0, 3, 4, 4)), return_tensors=kind)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop_size": 10**9}, "crop_size=.*1000000000.* is more than max_pixels=89478485"),
        ({"crop_size": {"height": 10**5, "width": 10**5}}, "is more than max_pixels"),
        ({"image_mean": [10**300, 0, 0]}, "image_mean must be a finite number"),
        ({"rescale_factor": 10**300}, "rescale_factor must be a finite number"),
        ({"rescale_factor": 1e39}, "rescale_factor must be a finite number"),
        ({"image_std": [1, 1, 1e-320]}, "image_std must not be 0"),
    ],
)
def test_numbers_that_are_too_large_or_too_small(settings, message, tmp_path):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match=message):
        CLIPImageProcessor.from_pretrained(tmp_path)(BLACK)
    with pytest.raises(InputError, match=message):
        CLIPImageProcessor()(BLACK, **settings)


@pytest.mark.parametrize("value", [10**400, float("nan"), float("inf")])
def test_numbers_that_no_file_can_hold(value):
    for name in ("rescale_factor", "image_mean", "image_std"):
        with pytest.raises(InputError, match=f"{name} must be a finite number"):
            CLIPImageProcessor(**{name: value})


def test_a_crop_as_large_as_allowed():
    ours = CLIPImageProcessor(do_resize=False, crop_size=20)
    assert ours(BLACK, max_pixels=400).pixel_values[0].shape == (3, 20, 20)
    with pytest.raises(InputError, match="more than max_pixels=399"):
        ours(BLACK, max_pixels=399)


@pytest.mark.parametrize("most", [None, "9", 0, -1, True, 2.5, [3]])
def test_a_limit_that_is_none(most):
    with pytest.raises(InputError, match="max_pixels must be an int above 0"):
        CLIPImageProcessor()(BLACK, max_pixels=most)


@pytest.mark.parametrize("name", ["size", "crop_size", "image_mean", "do_resize", "resample"])
def test_a_value_without_an_end_can_be_told(name):
    with pytest.raises(InputError, match=rf"{name} must .*\.\.\."):
        CLIPImageProcessor(**{name: {"a": nested(100_000)}})


@pytest.mark.parametrize("fields", [None, [], "x", 3])
def test_fields_that_are_none(fields):
    with pytest.raises(InputError, match="CLIPImageProcessor: the fields must be a dict"):
        CLIPImageProcessor.from_dict(fields)


def test_a_field_may_have_any_name(tmp_path):
    fields = {"self": 1, "cls": 2, "values": 3, "settings": 4, "folder": 5, "images": 6, "": 7}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(fields))
    assert CLIPImageProcessor.from_pretrained(tmp_path).extra == fields


def test_unequal_channels_are_explained():
    ours = refimpl.ViTImageProcessor(do_normalize=False)
    with pytest.raises(InputError, match="do_convert_rgb=True"):
        ours([BLACK, BLACK.convert("L")], return_tensors="np")


def test_pictures_are_opened_one_by_one(tmp_path, monkeypatch):
    """A list of 200 paths holds one open picture at a time, the last one and the next at most."""
    BLACK.save(tmp_path / "black.png")
    seen, most = [], []
    opened = one_picture.in_memory

    def watched(*given):
        picture = opened(*given)
        seen.append(weakref.ref(picture))
        most.append(sum(each() is not None for each in seen))
        return picture

    monkeypatch.setattr(processor, "in_memory", watched)
    found = CLIPImageProcessor(crop_size=2, size=2)([tmp_path / "black.png"] * 200)
    assert len(found.pixel_values) == len(most) == 200
    assert max(most) <= 2


@pytest.mark.parametrize("error", [struct.error, TypeError, KeyError, ZeroDivisionError])
def test_broken_exif_fails_in_any_way(error, monkeypatch):
    def fails(picture):
        raise error("broken")

    monkeypatch.setattr(ImageOps, "exif_transpose", fails)
    with pytest.raises(InputError, match="cannot become RGB.*broken"):
        load_image(BLACK)


@pytest.mark.parametrize("info", [{"exif": 3}, {"exif": "x"}, {"xmp": 3}])
def test_exif_that_is_none(info):
    picture = BLACK.copy()
    picture.info.update(info)
    with pytest.raises(InputError, match="cannot become RGB"):
        load_image(picture)


@pytest.mark.parametrize("transparency", ["x", b"", (1, 2)])
def test_transparency_that_is_none(transparency):
    picture = BLACK.copy()
    picture.info["transparency"] = transparency
    with pytest.raises(InputError, match="mode 'RGB' cannot be converted"):
        CLIPImageProcessor(profile="transformers-5-pil")(picture)


def test_a_warning_made_an_error_stays_the_callers(monkeypatch):
    def warns(picture):
        warnings.warn("odd", UserWarning, stacklevel=1)

    monkeypatch.setattr(ImageOps, "exif_transpose", warns)
    with pytest.raises(UserWarning, match="odd"):
        load_image(BLACK)
