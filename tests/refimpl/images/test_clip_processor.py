"""CLIPImageProcessor against transformers 5's own Pillow processor, bit for bit.

The other profiles are in profiles/.
"""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from refimpl.errors import InputError
from refimpl.images import CLIPFeatureExtractor, CLIPImageProcessor

PICTURES = Path(__file__).parents[2] / "data" / "images"
REFUSED = {
    "broken.png",
    "broken_data_stream.png",
    "decompression_bomb.gif",
    "hopper_1bit.pbm",
    "la.tga",
    "multipage_rgb.tif",
    "truncated.jpg",
    "truncated_end_chunk.png",
    "truncated_image.png",
    "truncated_jpeg.jpg",
}
FILES = sorted(path for path in PICTURES.glob("*/*") if path.name not in REFUSED)
MODES = "1 L LA P PA RGB RGBA RGBX CMYK YCbCr LAB HSV I F I;16 I;16B".split()
OURS = CLIPImageProcessor(profile="transformers-5-pil")
THEIRS = CLIPImageProcessorPil()


def same(ours, theirs):
    """Equal in shape, dtype and every bit."""
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    assert np.array_equal(ours, theirs), f"largest difference {np.abs(ours - theirs).max()}"


def both(picture, **options):
    """Run both processors on one picture; give ours after it was found equal."""
    theirs = THEIRS(picture, return_tensors="np", **options)["pixel_values"]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "a float picture within 0..1|an array of shape")
        ours = OURS(picture, return_tensors="np", **options).pixel_values
    same(ours, theirs)
    return ours


def noise(mode, width, height, seed=0):
    """Give a random picture of any Pillow mode."""
    rng = np.random.default_rng(seed)
    if mode in ("I", "F"):
        numbers = rng.uniform(-50, 400, (height, width))
        return Image.fromarray(numbers.astype(np.int32 if mode == "I" else np.float32))
    if mode.startswith("I;16"):
        data = rng.integers(0, 600, (height, width), np.uint16)
        return Image.frombytes(mode, (width, height), data.tobytes())
    if mode == "1":
        return Image.fromarray(rng.integers(0, 2, (height, width), np.uint8) * 255).convert("1")
    bands = len(Image.new(mode, (1, 1)).getbands())
    data = rng.integers(0, 256, (height, width, bands), np.uint8)
    image = Image.frombytes(mode, (width, height), data.tobytes())
    if mode in ("P", "PA"):
        image.putpalette(rng.integers(0, 256, 768, np.uint8).tobytes())
    return image


def test_every_picture_is_accounted_for():
    assert len(FILES) == 57
    assert REFUSED <= {path.name for path in PICTURES.glob("*/*")}


@pytest.mark.filterwarnings(  # upstream leaves animated files open
    "ignore:unclosed file:ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore:Palette images with Transparency:UserWarning",
)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_equal_upstream(path):
    with Image.open(path) as image:
        values = both(image)
    assert values.dtype == np.float32
    assert values.shape == (1, 3, 224, 224)
    both(str(path))


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_files_name_themselves(name):
    (path,) = PICTURES.glob(f"*/{name}")
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        OURS([PICTURES / "pillow/7x13.png", str(path)])


@settings(max_examples=50, deadline=None)
@given(
    mode=st.sampled_from(MODES),
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    size=st.one_of(
        st.builds(lambda edge: {"shortest_edge": edge}, st.integers(1, 40)),
        st.builds(lambda h, w: {"height": h, "width": w}, st.integers(1, 90), st.integers(1, 90)),
        st.builds(
            lambda s, more: {"shortest_edge": s, "longest_edge": s + more},
            st.integers(5, 40),
            st.integers(0, 60),
        ),
    ),
    crop=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    resample=st.integers(0, 5),
    seed=st.integers(0, 9),
)
def test_any_mode_and_size_equals_upstream(mode, width, height, size, crop, resample, seed):
    picture = noise(mode, width, height, seed)
    if "longest_edge" in size and max(width, height) > 8 * min(width, height):
        size = {"shortest_edge": size["shortest_edge"]}  # else an edge may round to 0
    options = {
        "size": size,
        "crop_size": {"height": crop[0], "width": crop[1]},
        "resample": resample,
    }
    both(picture, **options)


@settings(max_examples=50, deadline=None)
@given(
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    crop=st.tuples(st.integers(1, 50), st.integers(1, 50)),
)
def test_crop_alone_equals_upstream_with_odd_padding(width, height, crop):
    crop_size = {"height": crop[0], "width": crop[1]}
    both(noise("RGB", width, height), do_resize=False, crop_size=crop_size)


@settings(max_examples=50, deadline=None)
@given(
    dtype=st.sampled_from(["uint8", "int16", "int64", "uint16", ">u2", "float16", "float32"]),
    unit=st.booleans(),
    channels=st.sampled_from([1, 3, 4]),
    first=st.booleans(),
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    switches=st.fixed_dictionaries(
        {
            name: st.booleans()
            for name in ("do_resize", "do_center_crop", "do_rescale", "do_convert_rgb")
        }
    ),
)
def test_arrays_equal_upstream(dtype, unit, channels, first, height, width, switches):
    rng = np.random.default_rng(height * 31 + width)
    shape = (channels, height, width) if first else (height, width, channels)
    whole = rng.integers(0, 256, shape)
    fractions = "float" in dtype and (unit or channels == 4)  # RGBA floats must be within 0..1
    array = (whole / 255 if fractions else whole).astype(dtype)
    before = array.copy()
    options = {**switches, "size": 12, "crop_size": 15, "image_mean": 0.4, "image_std": 0.25}
    both(array, **options)
    layout = "channels_first" if first else "channels_last"
    both(array, input_data_format=layout, **options)
    assert np.array_equal(array, before)
    assert array.dtype == before.dtype


@pytest.mark.parametrize("step", ["do_resize", "do_center_crop", "do_rescale", "do_normalize"])
@pytest.mark.parametrize("others", [True, False])
def test_each_step_alone_and_left_out(step, others):
    steps = ["do_resize", "do_center_crop", "do_rescale", "do_normalize"]
    options = {name: others for name in steps} | {step: not others}
    both(noise("RGB", 33, 50), size=20, crop_size=13, **options)
    both(np.asarray(noise("RGB", 33, 50)).astype(np.float64), size=20, crop_size=13, **options)


def test_nothing_switched_on_gives_the_picture_itself():
    off = dict.fromkeys(["do_resize", "do_center_crop", "do_rescale", "do_normalize"], False)
    picture = noise("RGB", 5, 4)
    assert np.array_equal(both(picture, **off)[0], np.moveaxis(np.asarray(picture), -1, 0))


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "CMYK", "P", "1", "YCbCr"])
def test_without_conversion_the_bands_stay(mode):
    values = both(noise(mode, 30, 20), do_convert_rgb=False, do_normalize=False)
    assert values.shape[1] == len(Image.new(mode, (1, 1)).getbands())


def test_a_size_with_a_largest_box_equals_upstream():
    for shape in ((31, 77), (77, 31), (50, 50)):
        size = {"max_height": 40, "max_width": 60}
        both(noise("RGB", *shape), size=size, do_center_crop=False)


def test_the_released_sizes_equal_upstream_and_truncate():
    with Image.open(PICTURES / "skimage/rocket.jpg") as image:
        both(image, size=336, crop_size=336)
    values = both(noise("RGB", 640, 427), do_center_crop=False)
    assert values.shape == (1, 3, 224, 335)


def test_alpha_lands_on_white():
    clear = Image.new("RGBA", (9, 9), (0, 0, 0, 0))
    white = both(Image.new("RGB", (9, 9), (255, 255, 255)))
    assert np.array_equal(both(clear), white)


def test_binary_floats_are_levels_as_upstream():
    mask = (np.random.default_rng(0).random((20, 30, 3)) > 0.5).astype(np.float32)
    assert both(mask, do_rescale=False, do_normalize=False).dtype == np.uint8
    both(mask.astype(bool))


def test_strides_byte_order_and_read_only_arrays():
    array = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    want = both(array)
    assert np.array_equal(both(np.ascontiguousarray(array[::-1, ::-1])), both(array[::-1, ::-1]))
    assert np.array_equal(OURS(array.astype(">f4"), return_tensors="np").pixel_values, want)
    array.flags.writeable = False
    assert np.array_equal(OURS(array, return_tensors="np").pixel_values, want)


def test_torch_tensors_in_and_out():
    tensor = torch.randint(0, 256, (3, 30, 40), dtype=torch.uint8)
    ours = OURS(tensor, return_tensors="pt").pixel_values
    theirs = THEIRS(tensor, return_tensors="pt")["pixel_values"]
    assert ours.dtype == torch.float32
    assert torch.equal(ours, theirs)


def test_batches_of_every_nesting_equal_upstream():
    pictures = [noise("RGB", 30, 40, seed) for seed in range(4)]
    arrays = np.stack([np.asarray(picture) for picture in pictures])
    want = THEIRS(pictures, return_tensors="np")["pixel_values"]
    nested = [pictures[:2], pictures[2:]]
    for given_as in (pictures, tuple(pictures), nested, arrays, torch.from_numpy(arrays)):
        same(OURS(given_as, return_tensors="np").pixel_values, want)
    for index, picture in enumerate(pictures):  # a picture does not know its neighbours
        assert np.array_equal(OURS(picture).pixel_values[0], want[index])


def test_without_return_tensors_a_list_comes_back():
    batch = OURS([noise("RGB", 9, 9), noise("L", 7, 12)])
    theirs = THEIRS([noise("RGB", 9, 9), noise("L", 7, 12)])["pixel_values"]
    assert isinstance(batch["pixel_values"], list)
    for ours, want in zip(batch.pixel_values, theirs, strict=True):
        same(ours, want)


def test_data_format():
    picture = noise("RGB", 30, 40)
    first = OURS(picture, return_tensors="np").pixel_values
    for name in (None, "channels_first"):
        values = OURS(picture, return_tensors="np", data_format=name).pixel_values
        assert np.array_equal(values, first)
    last = OURS(picture, return_tensors="np", data_format="channels_last").pixel_values
    assert last.shape == (1, 224, 224, 3)
    assert np.array_equal(np.moveaxis(last, -1, 1), first)
    for option in ("data_format", "input_data_format"):
        with pytest.raises(InputError, match=option):
            OURS(picture, **{option: "none"})


def test_ambiguous_arrays_are_channels_first_with_a_warning():
    array = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    both(array)
    with pytest.warns(UserWarning, match=r"\(3, 4, 3\) can have its channels first or last"):
        OURS(array)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OURS(array, input_data_format="channels_last")
        OURS(Image.fromarray(array))  # a Pillow image is never in doubt


def test_scaled_floats_are_warned_about():
    scaled = np.random.default_rng(0).random((9, 9, 3)).astype(np.float32)
    with pytest.warns(UserWarning, match="do_rescale=False"):
        OURS(scaled)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OURS(scaled, do_rescale=False)


BAD_ARRAYS = {
    "two axes": (np.zeros((9, 9), np.uint8), r"shape \(9, 9\)"),
    "one axis": (np.zeros(9, np.uint8), r"shape \(9,\)"),
    "five axes": (np.zeros((1, 1, 9, 9, 3), np.uint8), "shape"),
    "no channels": (np.zeros((9, 8, 7), np.uint8), r"\(9, 8, 7\) has no axis of 1, 3 or 4"),
    "empty": (np.zeros((0, 9, 3), np.uint8), "no pixels"),
    "NaN": (np.full((9, 9, 3), np.nan), "NaN or infinity"),
    "one infinity": (np.pad([[[np.inf]]], ((0, 8), (0, 8), (0, 2))), "NaN or infinity"),
    "too large": (np.full((9, 9, 3), 256), "0..255.*256 to 256"),
    "negative": (np.full((9, 9, 3), -1.0), r"0..255.*-1.0 to -1.0"),
    "fractions above 1": (np.full((9, 9, 3), 1.5), "fractions within 0..1"),
    "RGBA floats": (np.full((9, 9, 4), 200.0), "RGBA.*within 0..1"),
    "complex": (np.zeros((9, 9, 3), complex), "complex128"),
    "objects": (np.zeros((9, 9, 3), object), "object"),
    "text": (np.full((9, 9, 3), "x"), "<U1"),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_bad_arrays_are_one_clear_error(name):
    array, message = BAD_ARRAYS[name]
    with pytest.raises(InputError, match=message) as caught:
        OURS([noise("L", 4, 4), array])
    assert str(caught.value).startswith("images[1]")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "empty list"),
        ([[]], r"images\[0\]: an empty list"),
        (None, "got NoneType"),
        ([noise("L", 4, 4), None], r"images\[1\].*NoneType"),
        (7, "got int"),
        ("missing.png", "missing.png: no such picture file"),
    ],
)
def test_no_pictures_at_all(images, message):
    with pytest.raises(InputError, match=message):
        OURS(images)


def test_unequal_shapes_do_not_stack():
    pictures = [noise("RGB", 30, 40), noise("RGB", 40, 30)]
    with pytest.raises(InputError, match=r"unequal shapes.*do_center_crop"):
        OURS(pictures, do_center_crop=False, return_tensors="np")
    assert len(OURS(pictures, do_center_crop=False).pixel_values) == 2


def test_a_very_long_picture_is_refused_before_it_is_made():
    long = Image.new("L", (10_000, 1))
    with pytest.raises(InputError, match="2240000x224"):
        OURS(long)
    with pytest.raises(InputError, match="0x10"):
        OURS(Image.new("L", (1, 500)), size={"max_height": 10, "max_width": 10})
    assert OURS(long, size=4, crop_size=4, max_pixels=160_000, return_tensors="np")


def test_channels_that_do_not_fit_the_mean():
    with pytest.raises(InputError, match=r"image_mean has 3 numbers.*1 channels"):
        OURS(noise("L", 4, 4), do_convert_rgb=False)
    with pytest.raises(InputError, match="image_std has 2"):
        OURS(noise("L", 4, 4), image_std=[1, 2])
    with pytest.raises(InputError, match="7 channels"):
        OURS(np.zeros((7, 9, 9), np.uint8), input_data_format="channels_first")


def test_options_per_call_do_not_stay():
    picture = noise("RGB", 30, 40)
    want = OURS(picture).pixel_values[0]
    OURS(picture, size=30, crop_size=20, do_normalize=False)
    assert np.array_equal(OURS(picture).pixel_values[0], want)
    changed = CLIPImageProcessor(profile=OURS.profile)
    changed.size = {"shortest_edge": 30}
    changed.crop_size["height"] = 20
    assert changed(picture).pixel_values[0].shape == (3, 20, 224)
    changed.size = {"longest": 30}
    with pytest.raises(InputError, match="size must be"):
        changed(picture)
    assert OURS(picture, size=None).pixel_values[0].shape == (3, 224, 224)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("do_resize", "yes"),
        ("do_normalize", 1),
        ("size", 0),
        ("size", True),
        ("size", "224"),
        ("size", 224.0),
        ("size", (1, 2, 3)),
        ("size", {"longest_edge": 224}),
        ("size", {"height": 224}),
        ("size", {"height": 224, "width": -1}),
        ("crop_size", {"shortest_edge": 224}),
        ("crop_size", []),
        ("resample", 6),
        ("resample", "bicubic"),
        ("rescale_factor", float("nan")),
        ("rescale_factor", "1/255"),
        ("image_mean", []),
        ("image_mean", [0.5, None, 0.5]),
        ("image_std", [0.5, 0, 0.5]),
        ("do_resise", True),
        ("device", "cuda"),
    ],
)
def test_wrong_options_are_one_clear_error(option, value):
    with pytest.raises(InputError, match=option):
        OURS(noise("L", 4, 4), **{option: value})
    if option not in ("do_resise", "device"):  # the constructor keeps what it does not know
        with pytest.raises(InputError, match=option):
            CLIPImageProcessor(**{option: value})


def test_wrong_return_tensors():
    with pytest.raises(InputError, match="'np' or 'pt'"):
        OURS(noise("L", 4, 4), return_tensors="tf")


def test_positional_arguments_and_old_names():
    assert CLIPFeatureExtractor is CLIPImageProcessor
    processor = CLIPImageProcessor(False, 10, 2)
    assert (processor.do_resize, processor.size, processor.resample) == (
        False,
        {"shortest_edge": 10},
        2,
    )
    assert np.array_equal(
        OURS.preprocess(noise("L", 4, 4)).pixel_values, OURS(noise("L", 4, 4)).pixel_values
    )
    assert "size={'shortest_edge': 224}" in repr(OURS)
