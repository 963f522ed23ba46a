"""Open a picture: from a file (safely), a Pillow image, a numpy array or a torch tensor.

Called by one_picture.py for every picture it is given; the next step is a recipe of profiles/.
A file is the only input that a stranger may have written, so it alone meets the allow-list of
formats and the limits; any bad file ends in one `InputError` that names it.
"""

import contextlib
import io
import os
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from refimpl.errors import InputError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""The file formats that are opened; what a file holds decides, never its extension."""

MAX_PIXELS = 89_478_485
"""Width times height that is accepted by default: where Pillow itself begins to warn."""

_BYTES_A_PIXEL = 8  # RGBA of 16 bits: an uncompressed picture has no more
_SMALL_FILE = 64 * 2**20  # such a file is read whatever max_pixels is
_MOST_PASSES = 64  # a JPEG of scans is decoded scan by scan, each over the whole picture
_MOST_HEADER = (
    2**35
)  # reads times bytes: Pillow joins tags and comments by copying, again and again
_TILE_WIDTH, _TILE_LENGTH = 322, 323  # the numbers of TIFF's tags

_PILLOW_LIMIT = threading.Lock()  # Pillow's limit is one global; see _open_header
_PILLOW_FLAG = threading.Lock()  # and so is its tolerance of cut files; see _no_cut_files
_held: dict[str, int] = {"by": 0, "was": False}


def open_image(source: Any, *, max_pixels: int = MAX_PIXELS) -> Image.Image | np.ndarray:
    """Give a picture that is in memory: a Pillow image, or an array just as it was handed in.

    * `str` or path: the file must hold one of `FORMATS` and at most `max_pixels` pixels. The
      first frame is decoded, whole: `ImageFile.LOAD_TRUNCATED_IMAGES` does not reach here. The
      extension is not looked at: a PNG called `x.jpg` opens, a text called `x.jpg` does not.
    * Pillow image: the same object, decoded. Any format and size, at the frame it stands on.
    * numpy array: the same array, neither copied nor changed.
    * torch tensor: its numbers as numpy, which may share its memory; nothing here writes to it.

    An EXIF orientation is not applied and an ICC profile is not used, as in the original CLIP
    code and in transformers when it is handed a Pillow image. (transformers 5 given a *path*
    does turn the picture upright, and drops its alpha: compare with `Image.open(path)`.)

    Raising `max_pixels` above Pillow's own limit lifts that limit, for the whole process, while
    the header is being read. A file may have 8 bytes for each of `max_pixels` (64 MiB at least).

    Memory: below 16 bytes for each of `max_pixels`, and the file, whatever a file says of itself.
    Trap:   a JPEG that ends early *with* an end marker is grey from there on, in every decoder of
            libjpeg: only a missing marker tells that a file was cut.

    Raises:
        InputError: a missing file, a directory, no picture, a format that is not allowed, too
            many pixels or bytes, a broken or truncated file, or a source of another kind.

    >>> open_image(np.zeros((2, 3, 3), np.uint8)).shape
    (2, 3, 3)
    """
    if isinstance(source, (str, os.PathLike)):
        return _open_file(os.fspath(source), max_pixels)
    if isinstance(source, Image.Image):
        return _decoded(source, getattr(source, "filename", "") or "the Pillow image")
    if isinstance(source, np.ndarray):
        return source
    if hasattr(source, "detach") and hasattr(source, "numpy"):
        return _tensor_to_numpy(source)
    raise InputError(
        f"a picture is a path, a Pillow image, a numpy array or a torch tensor; "
        f"got {type(source).__name__}"
    )


def open_bytes(data: bytes, name: str, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Open the bytes of a picture file as `open_image` opens a file; `name` is for messages.

    Raises:
        InputError: no picture, a format that is not allowed, too many pixels, or broken bytes.
    """
    return _open(io.BytesIO(data), "", name, max_pixels)


def _open_file(path: Any, max_pixels: int) -> Image.Image:
    name = _short(path)
    if not os.path.isfile(path):  # also false for what open() would wait on, such as a FIFO
        raise InputError(f"{name}: {_why_no_file(path)}")
    size, most = os.path.getsize(path), max(_SMALL_FILE, _BYTES_A_PIXEL * max_pixels)
    if size > most:
        raise InputError(f"{name}: {size} bytes; at most {most} are read with {max_pixels=}")
    try:
        raw = io.FileIO(path)
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error})") from error
    return _open(raw, path, name, max_pixels)


def _open(raw: Any, path: Any, name: str, max_pixels: int) -> Image.Image:
    with _no_cut_files(), _Metered(raw) as file:
        image = _open_strictly(file, name, max_pixels)
    image.filename = path  # type: ignore[attr-defined]  # for messages, as where Pillow opens it
    return image


class _Metered(io.BufferedReader):
    """A file that stops being read where its header is more work than any picture's."""

    reads = bytes = 0
    in_header = True

    def read(self, size: int | None = -1, /) -> Any:
        data = super().read(size)
        if self.in_header:
            self.reads, self.bytes = self.reads + 1, self.bytes + len(data)
            if self.reads * self.bytes > _MOST_HEADER:
                raise InputError(f"tags or comments of {self.bytes} bytes in {self.reads} parts")
        return data


@contextlib.contextmanager
def _no_cut_files() -> Iterator[None]:
    """Switch off that Pillow fills cut files up with grey, if the process has it on.

    The switch is one for the whole process: the first thread in turns it, the last one out turns
    it back.
    """
    with _PILLOW_FLAG:
        if not _held["by"]:
            _held["was"] = ImageFile.LOAD_TRUNCATED_IMAGES
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        _held["by"] += 1
    try:
        yield
    finally:
        with _PILLOW_FLAG:
            _held["by"] -= 1
            if not _held["by"]:
                ImageFile.LOAD_TRUNCATED_IMAGES = bool(_held["was"])


def _open_strictly(file: Any, name: str, max_pixels: int) -> Image.Image:
    try:
        image = _open_header(file, max_pixels)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise InputError(f"{name}: more than max_pixels={max_pixels} pixels ({error})") from error
    except UnidentifiedImageError as error:
        allowed = ", ".join(FORMATS)
        raise InputError(f"{name}: not a picture in one of the formats {allowed}") from error
    except Warning:
        raise  # the caller's warning filter made it an error: theirs to see
    except Exception as error:  # a Pillow plugin may fail on bad bytes in any way
        raise InputError(f"{name}: cannot be read as a picture ({error})") from error
    with image:
        _check_work(image, name, max_pixels)
        return _decoded(image, name)


def _check_work(image: Any, name: str, max_pixels: int) -> None:
    """Raise where a small picture would take the memory or time of one above the limit.

    A TIFF's tiles may be larger than the picture, and a JPEG may have thousands of empty scans.
    """
    if image.format == "TIFF":
        sides = [image.tag_v2.get(tag, 1) for tag in (_TILE_WIDTH, _TILE_LENGTH)]
        if not all(isinstance(side, int) for side in sides) or sides[0] * sides[1] > max_pixels:
            raise InputError(f"{name}: tiles of {sides} hold more than {max_pixels=} pixels")
    if image.format in ("JPEG", "MPO"):
        passes, pixels = _count(image.fp, b"\xff\xda"), image.width * image.height
        if passes * pixels > _MOST_PASSES * max_pixels:
            raise InputError(
                f"{name}: {passes} scans of {pixels} pixels are too much work; together they may "
                f"have {_MOST_PASSES} times {max_pixels=}"
            )


def _count(file: Any, marker: bytes) -> int:
    """Count a marker of two bytes in a file, and leave the file where it stood."""
    here, last, found = file.tell(), b"", 0
    file.seek(0)
    while block := file.read(2**20):
        found += (last + block).count(marker)
        last = block[-1:]
    file.seek(here)
    return found


def _open_header(file: Any, max_pixels: int) -> Image.Image:
    """Read the header only; a picture above the limit raises before a pixel is decoded."""
    with _PILLOW_LIMIT, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = max_pixels
        try:
            return Image.open(file, formats=FORMATS)
        finally:
            file.in_header = False
            Image.MAX_IMAGE_PIXELS = before


def _decoded(image: Image.Image, name: str) -> Image.Image:
    try:
        image.load()
    except Warning:
        raise
    except Exception as error:  # as above: broken bytes surface here, as many kinds of error
        raise InputError(f"{name}: broken or truncated picture ({error})") from error
    if 0 in image.size:
        raise InputError(f"{name}: a picture of {image.width}x{image.height} has no pixels")
    return image


def _tensor_to_numpy(tensor: Any) -> np.ndarray:
    try:
        return np.asarray(tensor.detach().cpu().numpy())
    except (TypeError, RuntimeError) as error:  # bfloat16, sparse, quantised: no numpy twin
        raise InputError(f"a tensor that numpy cannot hold ({error}); try .float()") from error


def _why_no_file(path: Any) -> str:
    if os.path.isdir(path):
        return "is a directory, not a picture file"
    if os.path.exists(path):
        return "is not a regular file"
    if str(path).startswith(("http://", "https://", "data:")):
        return "nothing is downloaded or unpacked here; refimpl.load_image does that"
    return "no such picture file"


def _short(path: Any) -> str:
    """Name a path in a message; someone may have passed a whole base64 picture as one."""
    name = os.fsdecode(path)
    return name if len(name) <= 300 else f"{name[:300]}..."
