"""Files that were cut, forged or built to exhaust: one InputError each, in bounded memory and time.

test_load.py has what is taken, and test_limits.py the settings. Here every format is made with
Pillow or by hand, then broken on purpose.
"""

import io
import json
import random
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from refimpl import CLIPImageProcessor, InputError
from refimpl.images.load import MAX_PIXELS, open_bytes, open_image
from refimpl.images.profiles import PROFILES

# Pillow remarks on cut TIFF tags and the like; a remark is neither a picture nor a refusal.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

# --- whole files of every format, and what cutting them gives


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def whole_files():
    noise = np.random.default_rng(0).integers(0, 30, (40, 56, 3))
    levels = (np.add.outer(np.arange(40) * 3, np.arange(56) * 2)[..., None] + noise) % 256
    rgb = Image.fromarray(levels.astype(np.uint8))
    grey, palette, other = rgb.convert("L"), rgb.quantize(200), rgb.rotate(180)
    rgba = rgb.copy()
    rgba.putalpha(grey)
    frames = {"save_all": True, "append_images": [other] * 3}
    return {
        "baseline.jpg": saved(rgb, "JPEG"),
        "progressive.jpg": saved(rgb, "JPEG", progressive=True),
        "cmyk.jpg": saved(rgb.convert("CMYK"), "JPEG"),
        "grey.jpg": saved(grey, "JPEG"),
        "restarts.jpg": saved(rgb, "JPEG", restart_marker_blocks=2),
        "rgb.png": saved(rgb, "PNG"),
        "palette.png": saved(palette, "PNG"),
        "alpha.png": saved(rgba, "PNG"),
        "animated.png": saved(rgb, "PNG", **frames),
        "still.gif": saved(palette, "GIF"),
        "animated.gif": saved(palette, "GIF", **frames),
        "lossy.webp": saved(rgb, "WEBP"),
        "lossless.webp": saved(rgba, "WEBP", lossless=True),
        "animated.webp": saved(rgb, "WEBP", **frames),
        "rgb.bmp": saved(rgb, "BMP"),
        "palette.bmp": saved(palette, "BMP"),
        "raw.tif": saved(rgb, "TIFF"),
        "lzw.tif": saved(rgb, "TIFF", compression="tiff_lzw"),
        "deflate.tif": saved(rgb, "TIFF", compression="tiff_adobe_deflate"),
        "jpeg.tif": saved(rgb, "TIFF", compression="jpeg"),
        "fax.tif": saved(rgb.convert("1"), "TIFF", compression="group4"),
    }


WHOLE = whole_files()
ENOUGH_BEFORE_THE_END = {"animated.png", "animated.gif"}
"""The first frame is all there before the file ends; animated WebP has its length in front."""


def outcome(data, name):
    """Give the pixels, or None where the file is refused; anything else that is raised is a bug."""
    try:
        return np.array(open_bytes(data, name, max_pixels=1_000_000))
    except InputError as error:
        assert str(error).startswith(f"{name}: ")
        assert "\n" not in str(error)
        return None


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("tolerant", [False, True], ids=["", "LOAD_TRUNCATED_IMAGES"])
def test_a_cut_file_is_refused_or_whole_but_never_half_grey(name, tolerant, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", tolerant)
    data, picture = WHOLE[name], outcome(WHOLE[name], name)
    assert picture is not None
    lengths = {len(data) * tenth // 10 for tenth in range(10)}
    lengths |= {len(data) - few for few in (1, 2, 3, 8, 12, 16, 40)}
    given = {length: outcome(data[:length], name) for length in lengths}
    for length, cut in given.items():
        assert cut is None or np.array_equal(cut, picture), length
    served = {length for length, cut in given.items() if cut is not None}
    assert bool(served & {len(data) * tenth // 10 for tenth in range(10)}) == (
        name in ENOUGH_BEFORE_THE_END
    )
    assert ImageFile.LOAD_TRUNCATED_IMAGES is tolerant


def test_pillow_itself_would_fill_a_cut_file_with_grey(monkeypatch):
    """The wrong twin: the guard above is there for something."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = WHOLE["baseline.jpg"]
    with Image.open(io.BytesIO(data[: len(data) * 9 // 10])) as image:
        cut = np.array(image)
        assert not np.array_equal(cut, outcome(data, "whole.jpg"))
    with Image.open(io.BytesIO(data[: len(data) * 9 // 10])) as image:
        assert open_image(image) is image  # a Pillow picture is the caller's, and so is the switch


def test_the_switch_comes_back_when_many_threads_read(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    cut, found = WHOLE["raw.tif"][:3000], []

    def work():
        found.extend(outcome(cut, "cut.tif") for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [None] * 200
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


@pytest.mark.parametrize("name", WHOLE)
def test_flipped_bytes_end_in_a_picture_or_one_error(name):
    data, chance = WHOLE[name], random.Random(name)
    places = [chance.randrange(len(data)) for _ in range(40)] + list(range(min(60, len(data))))
    refused = 0
    for place in places:
        flipped = data[:place] + bytes([data[place] ^ chance.randrange(1, 256)]) + data[place + 1 :]
        refused += outcome(flipped, name) is None
    assert refused >= 5


# --- formats

KINDS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "BMP": "bmp", "TIFF": "tif"}


@pytest.mark.parametrize("kind", KINDS)
def test_contents_decide_under_every_other_extension(kind, tmp_path):
    data = saved(Image.new("L", (16, 16), 7), kind)
    for extension in (*KINDS.values(), "eps", "ico", "pdf", "npy", ""):
        path = tmp_path / f"picture.{extension}"
        path.write_bytes(data)
        assert open_image(path).size == (16, 16)


PSD = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 16, 16, 8, 3) + bytes(12) + bytes(2 + 768)


@pytest.mark.parametrize("kind", ["PSD", "PDF", "EPS", "ICO", "PPM", "TGA", "DDS", "ICNS", "SGI"])
def test_other_formats_are_refused_under_every_allowed_extension(kind, tmp_path):
    data = PSD if kind == "PSD" else saved(Image.new("RGB", (16, 16), (9, 8, 7)), kind)
    for extension in (*KINDS.values(), kind.lower()):
        path = tmp_path / f"picture.{extension}"
        path.write_bytes(data)
        with pytest.raises(InputError, match="JPEG, PNG, WEBP, GIF, BMP, TIFF") as caught:
            open_image(path)
        assert path.name in str(caught.value)
    if kind != "PDF":  # which Pillow writes only; the others it would have opened
        assert Image.open(io.BytesIO(data)).format == kind


# --- headers that promise what the file does not hold


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *chunks, data=b""):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = b"".join(chunks) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + body


def gif(width, height):
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\x00;"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + frame


def bmp(width, height):
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 94, 0, 0, 54) + head + bytes(40)


def tiff(width, height, changed=(), following=0):
    """Build a TIFF of one byte a pixel; `changed` is {tag: (type, count, value)}."""
    tags = {256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 8), 259: (3, 1, 1)}
    tags |= {262: (3, 1, 1), 273: (4, 1, 8), 277: (3, 1, 1), 278: (4, 1, height), 279: (4, 1, 10)}
    tags |= dict(changed)
    listed = b"".join(struct.pack("<HHII", tag, *tags[tag]) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + listed + struct.pack("<I", following)


def jpeg(width, height):
    data = saved(Image.new("RGB", (16, 16), 90), "JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def webp(width, height):
    data = saved(Image.new("RGB", (16, 16), 90), "WEBP", lossless=True)
    at = data.index(b"VP8L") + 9
    fields = int.from_bytes(data[at : at + 4], "little") >> 28 << 28
    sides = (fields | width - 1 | height - 1 << 14).to_bytes(4, "little")
    return data[:at] + sides + data[at + 4 :]


HEADERS = {"png": png, "gif": gif, "bmp": bmp, "tif": tiff, "jpg": jpeg, "webp": webp}


@pytest.mark.parametrize("kind", HEADERS)
@pytest.mark.parametrize("side", [9460, 13378, 16383], ids=["89.5 Mpx", "179 Mpx", "268 Mpx"])
def test_too_many_pixels_by_default_and_by_a_limit_of_ones_own(kind, side, monkeypatch):
    data = HEADERS[kind](side, side)
    assert (side - 1) ** 2 <= MAX_PIXELS or side > 9460
    with pytest.raises(InputError, match=f"a.{kind}: more than max_pixels={MAX_PIXELS}"):
        open_bytes(data, f"a.{kind}")
    small = HEADERS[kind](100, 101)
    with pytest.raises(InputError, match="more than max_pixels=10099"):
        open_bytes(small, "small", max_pixels=10099)
    # Above the limit that Pillow has, the header is read all the same: only then the pixels fail.
    if kind in ("png", "gif", "bmp", "tif"):
        with pytest.raises(InputError, match="broken or truncated"):
            open_bytes(small, "small", max_pixels=10100)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
        with pytest.raises(InputError, match="broken or truncated"):
            open_bytes(small, "small", max_pixels=10100)


@pytest.mark.parametrize("action", ["ignore", "always", "default"])
def test_a_bomb_is_an_error_whatever_the_warning_filter(action):
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        with pytest.raises(InputError, match="more than max_pixels"):
            open_bytes(png(9460, 9460), "bomb.png")


# --- files built to exhaust


def scans(side, count):
    """A progressive JPEG whose last scan, of a few bytes, comes again and again."""
    data = saved(Image.new("L", (side, side), 90), "JPEG", progressive=True)[:-2]
    last = data[data.rindex(b"\xff\xda") :]
    return data + last * count + b"\xff\xd9"


def tiles(side, compression):
    return tiff(
        *(10, 10, {259: (3, 1, compression), 322: (4, 1, side), 323: (4, 1, side)}.items()),
    )


def exhausting_files():
    bomb = zlib.compress(bytes(100_000_000), 9)
    row = zlib.compress(bytes(2))
    texts = [chunk(b"zTXt", b"k%d\0\0" % i + zlib.compress(bytes(1_000_000))) for i in range(100)]
    still = saved(Image.new("L", (8, 8)), "GIF")
    frame = still[still.index(b",") : -1]
    tags = b"".join(struct.pack("<HHII", tag, 2, 1000, 8) for tag in range(65_000))
    most = 2**32 - 1
    photo = saved(Image.new("RGB", (8, 8)), "JPEG")
    segments = (b"\xff\xe1" + struct.pack(">H", 65_535) + b"Exif\0\0" + bytes(65_527)) * 100
    comments = b"!\xfe" + (b"\xff" + b"a" * 255) * 20_000 + b"\0" + b"!\xfe\x01a\0" * 200_000
    return {
        "text.png": png(1, 1, chunk(b"zTXt", b"k\0\0" + bomb), data=row),
        "international.png": png(1, 1, chunk(b"iTXt", b"k\0\1\0\0\0" + bomb), data=row),
        "texts.png": png(1, 1, *texts, data=row),
        "profile.png": png(1, 1, chunk(b"iCCP", b"k\0\0" + bomb), data=row),
        "rows.png": png(1, 1, data=bomb),
        "chunk.png": png(1, 1)[:-12] + struct.pack(">I", 2**31 - 1) + b"abCd" + bytes(100),
        "below.png": png(999, 999),
        "below.webp": webp(999, 999),
        "below.jpg": jpeg(999, 999),
        "below.tif": tiff(999, 999),
        "below.bmp": bmp(999, 999),
        "below.gif": gif(999, 999),
        "scans.jpg": scans(900, 20_000),
        "exif.jpg": photo[:2] + segments * 9 + photo[2:],
        "comments.gif": still.replace(frame, comments + frame),
        "segments.jpg": photo[:2] + segments + photo[2:],
        "count.tif": tiff(1, 1, {258: (3, most, 8)}.items()),
        "text.tif": tiff(1, 1, {270: (2, 2**31, 8)}.items()),
        "strips.tif": tiff(1, 1, {273: (4, 2**30, 8), 279: (4, 2**30, 8)}.items()),
        "samples.tif": tiff(1, 1, {277: (3, 1, 65_535)}.items()),
        "rows.tif": tiff(900, 900, {259: (3, 1, 8), 278: (4, 1, most)}.items()),
        "itself.tif": tiff(1, 1, following=8),
        "inside.tif": tiff(1, 1, {330: (4, 1, 8), 34665: (4, 1, 8), 34853: (4, 1, 8)}.items()),
        "tags.tif": b"II*\0" + struct.pack("<IH", 8, 65_000) + tags,
        "tiles.tif": tiles(32_768, 8),
        "raw tiles.tif": tiles(2**31 - 1, 1),
        "frames.gif": still[:-1] + frame * 5_000 + b";",
        "animated.gif": still[:-1] + frame * 50_000,
    }


SERVED = {"rows.png", "below.webp", "below.jpg", "segments.jpg", "itself.tif", "frames.gif"}
SERVED |= {"count.tif", "text.tif", "inside.tif", "animated.gif"}
"""Those whose first picture is all there. (below.jpg ends early, but with a proper end marker.)"""
MOST_MEGABYTES, MOST_SECONDS = 100, 20

PROGRAM = """
import json, sys, time, warnings
from pathlib import Path
import numpy as np
from refimpl.images.any_source import upright_rgb
from refimpl.images.load import open_image
from refimpl.errors import InputError

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))

warnings.simplefilter("ignore")
found, began = {}, time.process_time()
upright_rgb(open_image(sys.argv[2]))
before = peak()
for path in sorted(Path(sys.argv[1]).iterdir()):
    then = time.process_time()
    try:
        upright_rgb(open_image(path, max_pixels=1_000_000))
        words = "served"
    except InputError as error:
        words = str(error)
    found[path.name] = [words, time.process_time() - then, peak() - before]
print(json.dumps([found, time.process_time() - began]))
"""
# getrusage would tell the peak of the test process, which a child inherits; VmHWM begins anew.


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured on Linux")
def test_memory_and_time_are_bounded_on_files_built_to_exhaust(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for name, data in exhausting_files().items():
        (folder / name).write_bytes(data)
    with open(folder / "sparse.webp", "wb") as file:  # reads of it would fill the memory
        file.write(b"RIFF" + struct.pack("<I", 2**31) + b"WEBPVP8 ")
        file.truncate(2**31)
    (tmp_path / "warm.tif").write_bytes(WHOLE["lzw.tif"])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), str(tmp_path / "warm.tif")],
        capture_output=True,
        text=True,
        timeout=5 * MOST_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found, seconds = json.loads(done.stdout)
    assert {name for name, (words, *_) in found.items() if words == "served"} == SERVED
    for name, (words, *_) in found.items():
        assert words == "served" or f"/{name}: " in words, words
    assert max(peak for _, _, peak in found.values()) < MOST_MEGABYTES, found
    assert seconds < MOST_SECONDS, found


def test_too_large_a_file_is_refused_unread_and_the_limit_can_be_raised(tmp_path):
    path = tmp_path / "large.bmp"
    with open(path, "wb") as file:
        file.write(saved(Image.new("L", (16, 16)), "BMP"))
        file.truncate(64 * 2**20 + 1)
    with pytest.raises(InputError, match=r"large.bmp: 67108865 bytes; at most 67108864"):
        open_image(path, max_pixels=8 * 2**20)
    assert open_image(path, max_pixels=8 * 2**20 + 1).size == (16, 16)


def test_ordinary_tiles_and_scans_are_taken():
    assert outcome(scans(90, 300), "scans.jpg").shape == (90, 90)
    with pytest.raises(InputError, match="tiles of .32768, 32768. hold more than max_pixels"):
        open_bytes(tiles(32_768, 8), "tiles.tif")
    with pytest.raises(InputError, match="scans of 810000 pixels are too much work"):
        open_bytes(scans(900, 100), "scans.jpg", max_pixels=900 * 900)


# --- tags around the picture

EXIF = {
    "no end": b"Exif\0\0II*\0\x08\0\0\0\x01\0",
    "a count without end": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\xff\xff\xff\xff\x06\0\0\0",
    "an offset to itself": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x04\0\x01\0\0\0\x08\0\0\0"
    + b"\x08\0\0\0",
    "text for a number": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x04abc\0\0\0\0\0",
    "orientation 9": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x09\0\0\0\0\0\0",
    "nothing": b"Exif\0\0",
    "noise": b"Exif\0\0" + bytes(range(256)),
}


def upright(path):
    """Give the picture as Pillow turns it, or None where Pillow fails on its EXIF."""
    with Image.open(path) as image:
        try:
            return ImageOps.exif_transpose(image).convert("RGB")
        except Exception:
            return None


@pytest.mark.parametrize("exif", EXIF.values(), ids=EXIF)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_turns_as_in_pillow_or_is_refused(kind, exif, tmp_path):
    picture = Image.fromarray(np.arange(105, dtype=np.uint8).reshape(5, 7, 3))
    picture.save(tmp_path / "odd", kind, exif=exif, lossless=True)
    with Image.open(tmp_path / "odd") as image:
        image.load()
    for name, profile in PROFILES.items():
        ours = CLIPImageProcessor(profile=name, size=9, crop_size=8)
        seen = upright(tmp_path / "odd") if profile.upright_files else image
        if seen is None:
            with pytest.raises(InputError, match=r"odd: mode 'RGB' cannot become RGB"):
                ours(tmp_path / "odd")
        else:
            found = ours(tmp_path / "odd").pixel_values[0]
            assert np.array_equal(found, ours(seen).pixel_values[0])
