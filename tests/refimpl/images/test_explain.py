"""Watching a picture: the steps are those of the processor itself, and two profiles part rightly."""

import json

import numpy as np
import pytest
from image_pictures import FOLDER, in_mode, noise
from PIL import Image

from refimpl import CLIPImageProcessor, SiglipImageProcessor
from refimpl.errors import InputError
from refimpl.images import (
    ChineseCLIPImageProcessor,
    ExplainedStep,
    ViTImageProcessor,
    compare_steps,
    explain_image,
    first_difference,
    write_differences,
    write_steps,
)
from refimpl.images.explain_files import describe, difference_picture, viewable
from refimpl.images.profiles import PROFILES

FIRST_RGB = ["decoded", "rgb", "resized", "cropped", "rescaled", "normalized"]
LAST_RGB = ["decoded", "resized", "cropped", "rgb", "rescaled", "normalized"]
ORDERS = {
    "transformers-4-slow": FIRST_RGB,
    "transformers-5-pil": FIRST_RGB,
    "transformers-5-torchvision": [name for name in FIRST_RGB if name != "rescaled"],
    "openai": LAST_RGB,
    "open_clip": LAST_RGB,
    "cn_clip": [name for name in LAST_RGB if name != "cropped"],
    "big_vision": ["decoded", "rgb", "resized", "normalized"],
}
FAMILIES = (
    CLIPImageProcessor,
    SiglipImageProcessor,
    ChineseCLIPImageProcessor,
    ViTImageProcessor,
)


@pytest.fixture(scope="module")
def photo():
    """A picture whose crop leaves an odd margin: 335 columns down to 224."""
    return Image.fromarray(noise(427, 640, 3))


def watched(profile, picture, **options):
    return explain_image(CLIPImageProcessor(profile=profile), picture, **options)


def step(steps, name):
    return next(each for each in steps if each.name == name)


def same(found, wanted):
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    assert found.tobytes() == wanted.tobytes()


def test_every_profile_has_its_order_here():
    assert list(ORDERS) == list(PROFILES)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_last_step_is_the_processors_output(profile, photo):
    steps = watched(profile, photo)
    assert [each.name for each in steps] == ORDERS[profile]
    same(steps[-1].values, CLIPImageProcessor(profile=profile)(photo)["pixel_values"][0])
    same(steps[0].values, np.moveaxis(np.array(photo), -1, 0))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore:a float picture within")
def test_every_family_and_way_in(family, profile):
    processor = family(profile=profile, do_convert_rgb=True)
    arrays = noise(30, 41, 3), noise(41, 30, 3) / 255
    for picture in (in_mode("RGBA"), in_mode("P"), FOLDER / "pillow/hopper_gray.jpg", *arrays):
        steps = explain_image(processor, picture)
        same(steps[-1].values, processor(picture)["pixel_values"][0])
        for each in steps:
            json.dumps(each.summary(), allow_nan=False)
            assert viewable(each)[0].size == (each.values.shape[-1], each.values.shape[-2]) or (
                each.name == "decoded" and isinstance(picture, np.ndarray)
            )


def test_options_of_the_call_count(photo):
    off = {name: False for name in ("do_rescale", "do_normalize")}
    for profile in ("openai", "transformers-4-slow"):
        steps = watched(profile, photo, size=64, crop_size=50, **off)
        wanted = CLIPImageProcessor(profile=profile)(photo, size=64, crop_size=50, **off)
        same(steps[-1].values, wanted["pixel_values"][0])
        assert step(steps, "cropped").numbers["new"] == [50, 50]
    assert [each.name for each in watched("openai", photo, **off)][-1] == "final"
    with pytest.raises(InputError, match="input_data_format must be one of"):
        watched("openai", photo, input_data_format="somewhere")
    with pytest.raises(InputError, match="max_pixels"):
        watched("openai", photo, max_pixels=0)


def test_the_numbers_of_a_resize_and_a_crop(photo):
    for profile, left in (("openai", 56), ("transformers-4-slow", 55)):
        steps = watched(profile, photo)
        numbers = step(steps, "resized").numbers
        assert (numbers["old"], numbers["new"]) == ([427, 640], [224, 335])
        assert numbers["rows"] == {
            **{"kernel": "bicubic", "scale": 427 / 224, "support": 2 * 427 / 224, "taps": 8}
        }
        assert numbers["columns"]["scale"] == 640 / 335
        assert step(steps, "cropped").numbers == {"top": 0, "left": left, "new": [224, 224]}
        wide, middle = step(steps, "resized").values, step(steps, "cropped").values
        same(middle, wide[:, :, left : left + 224])


@pytest.mark.parametrize("profile", [name for name in PROFILES if name != "open_clip"])
@pytest.mark.parametrize(("height", "width"), [(61, 33), (40, 64), (7, 8), (50, 51)])
def test_offsets_say_where_the_crop_lies(profile, height, width):
    """The middle of the one is the middle of the other, shifted by the offsets."""
    picture = Image.fromarray(noise(height, width, 3))
    options = {"do_resize": False, "do_center_crop": True, "crop_size": {"height": 41, "width": 40}}
    cropped = step(watched(profile, picture, **options), "cropped")
    top, left = cropped.numbers["top"], cropped.numbers["left"]
    wanted = np.zeros((3, 41, 40), np.uint8)
    pixels = np.moveaxis(np.array(picture), -1, 0)
    for row in range(41):
        for column in range(40):
            if 0 <= row + top < height and 0 <= column + left < width:
                wanted[:, row, column] = pixels[:, row + top, column + left]
    same(cropped.values, wanted)


def test_kernels_that_are_not_as_they_were_told():
    palette = step(watched("openai", in_mode("P")), "resized")
    assert palette.numbers["rows"]["kernel"] == "nearest" and palette.numbers["rows"]["taps"] == 1
    alpha = step(watched("openai", in_mode("RGBA")), "resized")
    assert alpha.numbers["weighed_by_alpha"] and alpha.numbers["rows"]["kernel"] == "bicubic"
    white = step(watched("transformers-5-pil", in_mode("RGBA")), "resized")
    assert not white.numbers["weighed_by_alpha"]
    plain = step(watched("big_vision", in_mode("RGB")), "resized").numbers
    assert plain["antialias"] is False
    assert (plain["columns"]["kernel"], plain["columns"]["taps"]) == ("bilinear", 2)
    stays = watched("openai", Image.new("RGB", (224, 300)))
    assert step(stays, "resized").numbers["rows"]["kernel"] == "none, the size stays"


def test_a_path_is_turned_where_its_upstream_does_so():
    path = FOLDER / "pillow/hopper_orientation_6.jpg"
    turned, left = watched("transformers-4-slow", path), watched("openai", path)
    assert step(turned, "upright").numbers == {"orientation": 6, "from_mode": "RGB"}
    assert [each.name for each in left] == LAST_RGB
    assert first_difference(compare_steps(turned, left)).name == "upright"
    with Image.open(path) as picture:
        assert [each.name for each in watched("transformers-4-slow", picture)] == FIRST_RGB


@pytest.mark.parametrize("profile", PROFILES)
def test_files_hold_what_the_steps_hold(profile, photo, tmp_path):
    steps = watched(profile, photo)
    names = write_steps(tmp_path, steps, describe(CLIPImageProcessor(profile=profile)))
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    about = json.loads((tmp_path / "steps.json").read_text())
    assert about["upstream"] == PROFILES[profile].upstream
    assert set(about["versions"]) == {"refimpl", "python", "numpy", "pillow"}
    levels = [each for each in steps if each.values.dtype == np.uint8][-1].values
    for number, (each, listed) in enumerate(zip(steps, about["steps"], strict=True), 1):
        stem = f"{number:02d}-{each.name}"
        assert listed["files"] == [f"{stem}.png", f"{stem}.npy"]
        same(np.load(tmp_path / f"{stem}.npy", allow_pickle=False), each.values)
        with Image.open(tmp_path / f"{stem}.png") as image:
            pixels = np.moveaxis(np.array(image), -1, 0)
        same(pixels, each.values if each.values.dtype == np.uint8 else levels)
        assert listed["mean"] == pytest.approx(each.values.mean(dtype=np.float64))


def test_fractions_are_scaled_back_to_what_they_were():
    unit = noise(30, 41, 3) / 255
    for profile in PROFILES:
        off = {"do_rescale": False, "do_center_crop": False, "do_resize": False}
        steps = explain_image(CLIPImageProcessor(profile=profile), unit, **off)
        found = np.array(viewable(steps[-1])[0]).astype(int)
        if profile != "big_vision" and not PROFILES[profile].upright_files:
            continue  # their ToTensor cannot be told to leave fractions
        assert np.abs(found - np.rint(unit * 255)).max() <= 1, profile


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_png_keeps_the_mode_where_it_can(mode, tmp_path):
    picture = in_mode(mode)
    write_steps(tmp_path, [ExplainedStep("decoded", picture)], {})
    with Image.open(tmp_path / "01-decoded.png") as image:
        assert image.mode == mode and image.tobytes() == picture.tobytes()
        if mode == "P":
            assert image.getpalette() == picture.getpalette()


@pytest.mark.parametrize("mode", ["PA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16B", "RGBX"])
def test_other_modes_are_shown_some_way(mode, tmp_path):
    picture = in_mode(mode)
    write_steps(tmp_path, [ExplainedStep("decoded", picture)], {})
    with Image.open(tmp_path / "01-decoded.png") as image:
        assert image.size == picture.size and image.mode in ("L", "RGB")
    found = np.load(tmp_path / "01-decoded.npy")
    assert np.array_equal(np.moveaxis(found, 0, -1).squeeze(), np.array(picture))
    assert json.loads((tmp_path / "steps.json").read_text())["steps"][0]["shown"] != "as it is"


def test_a_transparency_that_is_none_does_not_stop_the_writing(tmp_path):
    picture = in_mode("P")
    picture.info["transparency"] = "nonsense"
    write_steps(tmp_path, [ExplainedStep("decoded", picture)], {})
    with Image.open(tmp_path / "01-decoded.png") as image:
        assert image.tobytes() == picture.tobytes()
    assert picture.info["transparency"] == "nonsense"  # the caller's own stays


def test_the_odd_margin_is_found_where_it_happens(photo):
    first, second = watched("openai", photo), watched("transformers-4-slow", photo)
    differences = {each.name: each for each in compare_steps(first, second)}
    assert list(differences) == ["decoded", "resized", "rgb", "cropped", "final"]
    assert not differences["decoded"].differs and not differences["resized"].differs
    assert "not compared" in differences["rgb"].note
    assert first_difference(list(differences.values())).name == "cropped"
    final = differences["final"]
    a, b = first[-1].values.astype(np.float64), second[-1].values.astype(np.float64)
    same(final.values, a - b)
    assert final.share == np.mean(a != b)
    assert final.relative_l2 == pytest.approx(np.sqrt(((a - b) ** 2).sum() / (b**2).sum()))
    sizes = np.sort(np.abs(a - b).ravel())[::-1]
    assert [abs(each["difference"]) for each in final.largest] == sizes[:5].tolist()
    for each in final.largest:
        where = each["channel"], each["row"], each["column"]
        assert (each["first"], each["second"]) == (a[where], b[where])


def test_alpha_on_white_against_alpha_dropped():
    picture = in_mode("RGBA")
    first, second = watched("transformers-5-pil", picture), watched("transformers-4-slow", picture)
    found = first_difference(compare_steps(first, second))
    assert found.name == "rgb"
    white, dropped = (np.array(step(each, "rgb").picture).astype(int) for each in (first, second))
    same(found.values, np.moveaxis((white - dropped).astype(np.int16), -1, 0))
    # openai drops alpha too, but after the resize: the steps of one name are RGBA and RGB
    late = compare_steps(watched("openai", picture), second)
    assert first_difference(late).name == "resized"


def test_another_size_and_nothing_at_all(photo):
    squares, edges = watched("cn_clip", photo), watched("openai", photo)
    found = first_difference(compare_steps(squares, edges))
    assert found.name == "resized" and "another shape" in found.note and found.values is None
    squash = explain_image(CLIPImageProcessor(profile="open_clip", resize_mode="squash"), photo)
    assert first_difference(compare_steps(edges, squash)).name == "resized"
    alike = compare_steps(edges, watched("open_clip", photo))
    assert first_difference(alike) is None
    assert all(each.relative_l2 == 0 and each.largest == () for each in alike)
    with pytest.raises(InputError, match="no steps"):
        compare_steps([], edges)


def test_grey_or_palette_is_not_a_difference_in_itself():
    picture = in_mode("L")
    differences = compare_steps(watched("openai", picture), watched("transformers-4-slow", picture))
    assert first_difference(differences) is None


def test_differences_on_disk(photo, tmp_path):
    first, second = watched("openai", photo), watched("transformers-4-slow", photo)
    differences = compare_steps(first, second)
    names = write_differences(tmp_path, differences, {"first": "openai"})
    assert "difference.png" in names and "differences/cropped.npy" in names
    values = np.load(tmp_path / "differences.npy")
    same(values, differences[-1].values)
    with Image.open(tmp_path / "difference.png") as image:
        levels = np.array(image).astype(int)
    place = differences[-1].largest[0]
    found = levels[place["row"], place["column"], place["channel"]]
    assert found == (255 if place["difference"] > 0 else 1)
    assert (levels[np.moveaxis(values, 0, -1) == 0] == 128).all()
    about = json.loads((tmp_path / "differences.json").read_text())
    assert about["first_difference"] == "cropped" and about["first"] == "openai"


def test_no_difference_is_plain_grey():
    assert np.unique(np.array(difference_picture(np.zeros((3, 4, 5))))).tolist() == [128]


def test_folders_that_cannot_be(photo, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be made"):
        write_steps(tmp_path / "file" / "out", watched("openai", photo)[:1], {})
