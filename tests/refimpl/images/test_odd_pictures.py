"""Pictures of every mode, shape and type, in every profile: a result, or one error that helps.

What is a result and what is an error stands in two places that must agree: the tables of
docs/preprocessing.md, and what happens here. That a result is the *right* one is judged by the
upstreams themselves, in the tests of profiles/; here are the promises that hold for all of them:
nothing that was handed in changes, and the memory layout of an array does not matter.
"""

import io
import re
import warnings
from pathlib import Path

import image_pictures
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from refimpl import CLIPImageProcessor, InputError
from refimpl.images.profiles import PROFILES

pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{words}:UserWarning")
    for words in (
        "a float picture within 0..1 is rescaled",
        "an array of shape .* can have its channels first or last",
        "a picture [13] pixels high is taken for one of",
        "Palette images with Transparency",  # Pillow's
    )
]

SIDE = 12
OURS = {name: CLIPImageProcessor(profile=name, size=SIDE, crop_size=SIDE) for name in PROFILES}
PAGE = (Path(__file__).parents[3] / "docs" / "preprocessing.md").read_text(encoding="utf-8")


def outcome(profile, picture):
    """Give the values, or the words of the one error there may be."""
    try:
        (values,) = OURS[profile](picture).pixel_values
    except InputError as error:
        return str(error)
    assert values.dtype == np.float32
    assert values.shape == (3, SIDE, SIDE)
    assert np.isfinite(values).all()
    return values


# --- the tables of the docs


def table(heading):
    """Read the table under a heading: {name in the first column: {profile: served or not}}."""
    part = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split(" |")]
        for line in part.splitlines()
        if line.startswith("|")
    ]
    groups = [re.findall(r"`([^`]+)`", cell) for cell in rows[0][1:-1]]
    assert sorted(name for group in groups for name in group) == sorted(PROFILES)
    found = {}
    for first, *cells in rows[2:]:
        served = {
            profile: cell != "error"
            for group, cell in zip(groups, cells[:-1], strict=True)
            for profile in group
        }
        for name in re.findall(r"`([^`]+)`", first):
            assert name not in found, f"{name} has two rows"
            found[name] = served
    return found


MODES = table("Pillow pictures, mode by mode")
ARRAYS = table("Arrays and tensors")
MODE_PICTURES = {
    **{name.removeprefix("mode/"): name for name in image_pictures.names("mode")},
}


def test_the_docs_list_every_mode_and_every_array():
    plain = {name for name in MODE_PICTURES if "," not in name}
    assert {name for name in MODES if "+" not in name} == plain
    assert set(ARRAYS) == set(ODD_ARRAYS)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("mode", MODE_PICTURES)
def test_every_mode_does_what_the_docs_say(mode, profile):
    said = MODES[mode.partition(",")[0]][profile]
    found = outcome(profile, image_pictures.make(MODE_PICTURES[mode]))
    assert said == isinstance(found, np.ndarray), found
    if not said:
        assert found.startswith("images: mode '")


def unit(*shape):
    return np.random.default_rng(3).uniform(0, 1, shape or (30, 41, 3))


LEVELS = image_pictures.noise(30, 41, 3)
LOCKED = LEVELS.copy()
LOCKED.flags.writeable = False
HOLED, ENDLESS = unit(), unit()
HOLED[3, 4, 1], ENDLESS[3, 4, 1] = np.nan, -np.inf
ODD_ARRAYS = {
    "uint8 (H, W, 3)": LEVELS,
    "uint8 (3, H, W)": np.ascontiguousarray(LEVELS.transpose(2, 0, 1)),
    "uint8 (H, W, 1)": LEVELS[..., :1],
    "uint8 (H, W, 4)": image_pictures.noise(30, 41, 4),
    "uint8 (3, 3, 3)": image_pictures.noise(3, 3, 3),
    "negative strides": LEVELS[::-1, ::-1, ::-1],
    "Fortran order": np.asfortranarray(LEVELS),
    "read-only": LOCKED,
    "big-endian int32": LEVELS.astype(">i4"),
    "int64 in 0..255": LEVELS.astype(np.int64),
    "uint16 in 0..255": LEVELS.astype(np.uint16),
    "big-endian uint16": LEVELS.astype(">u2"),
    "uint16 in 0..65535": LEVELS.astype(np.uint16) * 257,
    "int64 below 0": LEVELS.astype(np.int64) - 100,
    "bool": LEVELS > 127,
    "float in 0..1": unit(),
    "float16 in 0..1": unit().astype(np.float16),
    "big-endian float": unit().astype(">f8"),
    "float, whole, in 0..255": LEVELS.astype(np.float64),
    "float, fractions, in 0..255": unit() * 255,
    "float in -1..1": unit() * 2 - 1,
    "float (H, W, 4) in 0..1": unit(30, 41, 4),
    "float (H, W, 4) in 0..255": image_pictures.noise(30, 41, 4).astype(np.float32),
    "NaN": HOLED,
    "infinity": ENDLESS,
    "(H, W)": LEVELS[..., 0],
    "(H, W, 2)": LEVELS[..., :2],
    "(H, W, 5)": image_pictures.noise(30, 41, 5),
    "(0, W, 3)": LEVELS[:0],
    "complex": unit().astype(np.complex64),
    "object": LEVELS.astype(object),
    "strings": LEVELS.astype(str),
    "dates": LEVELS.astype("datetime64[s]"),
    "records": np.zeros((30, 41, 3), [("red", "u1")]),
    "tensor uint8": torch.from_numpy(LEVELS.copy()),
    "tensor float32 in 0..1": torch.from_numpy(unit()).float().requires_grad_(),
    "tensor bfloat16": torch.from_numpy(unit()).bfloat16(),
    "sparse tensor": torch.eye(30).to_sparse(),
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", ODD_ARRAYS)
def test_every_array_does_what_the_docs_say(name, profile):
    found = outcome(profile, ODD_ARRAYS[name])
    assert ARRAYS[name][profile] == isinstance(found, np.ndarray), found
    if isinstance(found, str):
        assert re.match(r"images(\[0\])?: .{20,}", found)


# --- what was handed in does not change


@pytest.mark.parametrize("profile", PROFILES)
def test_no_array_is_changed(profile):
    for name, array in ODD_ARRAYS.items():
        if isinstance(array, torch.Tensor):
            if array.is_sparse:
                continue
            array = array.detach().view(torch.uint8).numpy()
        before = array.copy() if array.dtype == object else array.tobytes()
        state = array.flags.num, array.strides, array.dtype, array.shape
        outcome(profile, ODD_ARRAYS[name])
        after = array if array.dtype == object else array.tobytes()
        assert np.array_equal(after, before) if array.dtype == object else after == before, name
        assert state == (array.flags.num, array.strides, array.dtype, array.shape), name


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("mode", MODE_PICTURES)
def test_no_pillow_picture_is_changed(mode, profile):
    picture = image_pictures.make(MODE_PICTURES[mode])
    picture.info["note"] = ["mine"]

    def state():
        palette = picture.palette and (picture.palette.mode, picture.palette.tobytes())
        return picture.mode, picture.size, picture.tobytes(), repr(picture.info), palette

    before = state()
    outcome(profile, picture)
    assert state() == before


@pytest.mark.parametrize("profile", PROFILES)
def test_a_result_shares_no_memory_with_the_picture(profile):
    """Even with every step off but the conversion, where nothing needs to be computed."""
    ours = CLIPImageProcessor(
        profile=profile, do_resize=False, do_center_crop=False, do_rescale=False, do_normalize=False
    )
    array = LEVELS.copy()
    (found,) = ours(array).pixel_values
    found += 1
    assert np.array_equal(array, LEVELS)


# --- layout, byte order and kind do not matter

TWINS = {
    "negative strides": np.ascontiguousarray(LEVELS[::-1, ::-1, ::-1]),
    "Fortran order": LEVELS,
    "read-only": LEVELS,
    "big-endian int32": LEVELS,
    "big-endian float": unit(),
    "uint8 (3, H, W)": LEVELS,
    "int64 in 0..255": LEVELS,
    "float, whole, in 0..255": LEVELS,
    "tensor uint8": LEVELS,
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", TWINS)
def test_layout_and_byte_order_do_not_matter(name, profile):
    found, plain = outcome(profile, ODD_ARRAYS[name]), outcome(profile, TWINS[name])
    # torch resizes floats without rounding to levels, and not all integers are bytes to it
    tensors = profile == "transformers-5-torchvision" and name in (
        *("big-endian int32", "int64 in 0..255", "float, whole, in 0..255"),
    )
    assert np.abs(found - plain).max() < 0.3 if tensors else np.array_equal(found, plain)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_an_array_of_bytes_is_the_pillow_picture_it_makes(mode, profile):
    picture = image_pictures.in_mode(mode)
    array = np.array(picture).reshape(picture.height, picture.width, -1)
    found, seen = outcome(profile, array), outcome(profile, picture)
    if (mode, profile) == ("RGBA", "transformers-5-torchvision"):
        # It puts a Pillow picture on white in whole numbers, and an array in floats.
        assert 0 < np.abs(found - seen).max() < 0.04  # two levels
    else:
        assert np.array_equal(found, seen)


# --- animations, EXIF, sizes


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", image_pictures.FRAMES)
def test_the_frame_that_a_picture_stands_on_is_taken_and_the_first_of_a_file(name, profile):
    path = image_pictures.FOLDER / name
    with Image.open(path) as image:
        first = outcome(
            profile, image.convert("RGB" if PROFILES[profile].upright_files else "RGBA")
        )
        assert np.array_equal(outcome(profile, image.copy()), outcome(profile, image))
        image.seek(image_pictures.FRAMES[name])
        later = outcome(profile, image)
        assert np.array_equal(later, outcome(profile, image.copy()))
        assert image.tell() == image_pictures.FRAMES[name]
    assert not np.array_equal(first, later)
    if PROFILES[profile].upright_files:
        assert np.array_equal(outcome(profile, path), first)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_turns_a_path_under_transformers_and_nothing_else(turn, profile, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = turn
    path = tmp_path / "picture.png"
    Image.fromarray(image_pictures.noise(20, 13, 3)).save(path, exif=exif)
    with Image.open(path) as image:
        plain = Image.fromarray(np.array(image))
        turned = ImageOps.exif_transpose(image)
        assert np.array_equal(outcome(profile, image), outcome(profile, plain))
    expected = turned if PROFILES[profile].upright_files else plain
    assert np.array_equal(outcome(profile, path), outcome(profile, expected))
    assert (turn == 1) == np.array_equal(outcome(profile, turned), outcome(profile, plain))


SIZES = [(1, 1), (1, 9), (9, 1), (2, 2), (3, 20), (20, 3), (3, 3), (10_000, 1), (1, 10_000)]
SIZES += [(SIDE, SIDE), (SIDE - 1, SIDE + 1), (90, 31)]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_awkward_sizes(size, profile):
    """Transformers 4 takes a picture 1 pixel high for one of a single channel: it is refused."""
    found = outcome(profile, image_pictures.in_mode("RGB", *size))
    if profile == "transformers-4-slow" and size[1] == 1:
        assert "1 channels" in found
    else:
        assert isinstance(found, np.ndarray), found


@pytest.mark.parametrize("profile", PROFILES)
def test_the_ambiguous_picture_warns_and_can_be_told(profile):
    array = image_pictures.noise(3, 3, 3)
    with pytest.warns(UserWarning, match="can have its channels first or last"):
        found = outcome(profile, array)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, last = (
            OURS[profile](array, input_data_format=layout).pixel_values[0]
            for layout in ("channels_first", "channels_last")
        )
    assert np.array_equal(found, first)
    assert not np.array_equal(found, last)


@pytest.mark.parametrize("profile", PROFILES)
def test_one_bad_picture_is_named_in_a_batch(profile):
    good, bad = Image.new("RGB", (5, 5)), Image.new("La", (5, 5))
    with pytest.raises(InputError, match=r"images\[1\]\[0\]: mode 'La'"):
        OURS[profile]([[good], [bad]])
    file = io.BytesIO()
    good.save(file, "PNG")
    with pytest.raises(InputError, match=r"images\[1\]: a picture is a path"):
        OURS[profile]([good, file])
