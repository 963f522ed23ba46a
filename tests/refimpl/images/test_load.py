"""Opening pictures: what is taken, and that every bad file ends in one InputError naming it."""

import os
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, UnidentifiedImageError

from refimpl.errors import InputError
from refimpl.images.load import MAX_PIXELS, open_image

PICTURES = Path(__file__).parents[2] / "data" / "images"
BROKEN = [
    "pillow/broken_data_stream.png",
    "pillow/truncated_end_chunk.png",
    "pillow/truncated_image.png",
    "pillow/truncated_jpeg.jpg",
]
NO_PICTURE = ["pillow/broken.png", "skimage/multipage_rgb.tif", "skimage/truncated.jpg"]


def png_header(width, height):
    """A PNG that promises this many pixels and holds none of them."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def refused(source, *words, **options):
    with pytest.raises(InputError) as caught:
        open_image(source, **options)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", BROKEN)
def test_broken_pixels_are_refused_naming_the_file(name):
    refused(PICTURES / name, name, "broken or truncated")


@pytest.mark.parametrize("name", NO_PICTURE)
def test_no_picture_is_refused_naming_the_file(name):
    refused(PICTURES / name, name, "picture")


@pytest.mark.parametrize("name", ["pillow/la.tga", "pillow/hopper_1bit.pbm"])
def test_other_formats_are_refused_as_files_and_taken_as_pillow_images(name):
    refused(PICTURES / name, name, "JPEG, PNG, WEBP, GIF, BMP, TIFF")
    with Image.open(PICTURES / name) as image:
        assert open_image(image) is image


@pytest.mark.parametrize("kind", ["EPS", "ICO", "DDS", "PPM", "TGA", "PCX"])
def test_a_disallowed_format_stays_disallowed_under_an_allowed_name(tmp_path, kind):
    path = tmp_path / "picture.jpg"
    Image.new("RGB", (16, 16), (9, 8, 7)).save(path, format=kind)
    refused(path, "picture.jpg", "not a picture in one of the formats")


def test_contents_decide_not_the_extension(tmp_path):
    path = tmp_path / "really_a_png.jpg"
    shutil.copy(PICTURES / "pillow/7x13.png", path)
    assert open_image(path).size == (7, 13)
    text = tmp_path / "text.png"
    text.write_text("no picture at all")
    refused(str(text), "text.png", "not a picture")


def test_paths_that_lead_to_no_file(tmp_path):
    refused(tmp_path / "missing.png", "missing.png", "no such picture file")
    refused(tmp_path, str(tmp_path), "is a directory")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "gone.png")
    refused(tmp_path / "dangling.png", "dangling.png", "no such")
    refused("nul\0.png", "no such")
    refused("data:image/png;base64," + "A" * 10_000, "nothing is downloaded", "...")
    refused("https://example.org/cat.png", "https://example.org/cat.png", "nothing is downloaded")
    refused("", "no such")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    refused(tmp_path / "pipe.png", "pipe.png", "not a regular file")


def test_an_empty_file_and_a_symlink(tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    refused(tmp_path / "empty.png", "empty.png", "not a picture")
    (tmp_path / "link.png").symlink_to(PICTURES / "pillow/7x13.png")
    assert open_image(tmp_path / "link.png").size == (7, 13)


@pytest.mark.parametrize(
    "size", [(9460, 9460), (10_000, 9_000), (20_000, 10_000), (2**31 - 1, 2**31 - 1)]
)
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, size):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(*size))
    refused(path, "bomb.png", "max_pixels")


def test_the_bomb_that_pillow_ships():
    refused(PICTURES / "pillow/decompression_bomb.gif", "decompression_bomb.gif", "max_pixels")


def test_the_limit_is_ours_and_can_be_moved(tmp_path):
    path = PICTURES / "pillow/hopper.jpg"  # 128 x 128
    assert open_image(path, max_pixels=128 * 128).size == (128, 128)
    refused(path, "hopper.jpg", "max_pixels=16383", max_pixels=128 * 128 - 1)
    wide = tmp_path / "wide.png"
    Image.new("1", (MAX_PIXELS // 1000 + 1, 1000)).save(wide)
    before = Image.MAX_IMAGE_PIXELS
    refused(wide, "wide.png", f"max_pixels={MAX_PIXELS}")
    assert open_image(wide, max_pixels=2 * MAX_PIXELS).width == MAX_PIXELS // 1000 + 1
    assert before == Image.MAX_IMAGE_PIXELS


def test_pillow_limit_is_restored_after_an_error():
    before = Image.MAX_IMAGE_PIXELS
    refused(PICTURES / "pillow/hopper.jpg", max_pixels=1)
    refused(PICTURES / "pillow/broken.png", max_pixels=1)
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize(
    "name",
    [
        "pillow/7x13.png",
        "pillow/exif_gps.jpg",
        "pillow/hopper.webp",
        "pillow/dispose_prev_first_frame.gif",
        "skimage/palette_color.png",
        "pillow/uint16_1_4660.tif",
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow remarks on cut TIFF tags
def test_every_truncation_ends_in_a_picture_or_an_error(tmp_path, name):
    whole = (PICTURES / name).read_bytes()
    path = tmp_path / Path(name).name
    outcomes = set()
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:length])
        outcomes.add(_outcome(path))
    assert outcomes >= {"refused"}
    path.write_bytes(whole)
    assert _outcome(path) == "picture"


@pytest.mark.parametrize(
    "name", ["pillow/7x13.png", "skimage/foo3x5x4indexed.png", "pillow/no_palette.gif"]
)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_every_flipped_byte_ends_in_a_picture_or_an_error(tmp_path, name):
    whole = (PICTURES / name).read_bytes()
    path = tmp_path / Path(name).name
    outcomes = []
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        outcomes.append(_outcome(path))
    assert "refused" in outcomes


def _outcome(path):
    try:
        open_image(path, max_pixels=1_000_000)
    except InputError as error:
        assert path.name in str(error)
        return "refused"
    return "picture"


def test_the_first_frame_of_an_animation_is_taken():
    with Image.open(PICTURES / "pillow/dispose_bgnd_rgba.gif") as image:
        first = np.array(image.convert("RGBA"))
        image.seek(2)
        third = np.array(image.convert("RGBA"))
        opened = open_image(PICTURES / "pillow/dispose_bgnd_rgba.gif")
        assert np.array_equal(np.array(opened.convert("RGBA")), first)
        assert not np.array_equal(first, third)
        assert np.array_equal(np.array(open_image(image).convert("RGBA")), third)


@pytest.mark.parametrize("turn", range(2, 9))
def test_exif_orientation_is_not_applied(turn):
    path = PICTURES / f"pillow/hopper_orientation_{turn}.jpg"
    opened = open_image(path)
    assert opened.getexif()[0x0112] == turn
    with Image.open(path) as image:
        assert np.array_equal(np.array(opened), np.array(image))


def test_a_broken_pillow_image_is_an_input_error_that_names_its_file():
    with Image.open(PICTURES / "pillow/truncated_jpeg.jpg") as image:
        refused(image, "truncated_jpeg.jpg", "broken or truncated")


def test_pillow_images_are_taken_whatever_their_size_but_not_empty():
    image = Image.new("1", (20_000, 5_000))  # above MAX_PIXELS
    assert image.width * image.height > MAX_PIXELS
    assert open_image(image) is image
    refused(Image.new("L", (0, 5)), "0x5", "no pixels")


def test_arrays_and_tensors():
    array = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert open_image(array) is array
    assert np.array_equal(open_image(torch.from_numpy(array)), array)
    assert open_image(torch.ones(3, 2, 2, requires_grad=True)).dtype == np.float32
    refused(torch.ones(3, 2, 2, dtype=torch.bfloat16), "numpy", ".float()")


@pytest.mark.parametrize("source", [None, 3, b"bytes", {"a": 1}, object()])
def test_other_sources_are_refused(source):
    refused(source, "a picture is a path, a Pillow image", type(source).__name__)


def test_the_judge_too_refuses_the_broken_ones():
    for name in BROKEN:
        with Image.open(PICTURES / name) as image, pytest.raises(OSError):
            image.load()
    with pytest.raises(UnidentifiedImageError):
        Image.open(PICTURES / "pillow/broken.png")
