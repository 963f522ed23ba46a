"""Open a picture: from a file (safely), a Pillow image, a numpy array or a torch tensor.

Called by one_picture.py for every picture it is given; the next step is transforms.py. A file is
the only input that a stranger may have written, so it alone meets the allow-list of formats and
the pixel limit; any bad file ends in one `InputError` that names it.
"""

import io
import os
import threading
import warnings
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from refimpl.errors import InputError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""The file formats that are opened; what a file holds decides, never its extension."""

MAX_PIXELS = 89_478_485
"""Width times height that is accepted by default: where Pillow itself begins to warn."""

_PILLOW_LIMIT = threading.Lock()  # Pillow's limit is one global; see _open_header


def open_image(source: Any, *, max_pixels: int = MAX_PIXELS) -> Image.Image | np.ndarray:
    """Give a picture that is in memory: a Pillow image, or an array just as it was handed in.

    * `str` or path: the file must hold one of `FORMATS` and at most `max_pixels` pixels. The
      first frame is decoded, whole. The extension is not looked at: a PNG called `x.jpg` opens,
      a text called `x.jpg` does not.
    * Pillow image: the same object, decoded. Any format and size, at the frame it stands on.
    * numpy array: the same array, neither copied nor changed.
    * torch tensor: its numbers as numpy, which may share its memory; nothing here writes to it.

    An EXIF orientation is not applied and an ICC profile is not used, as in the original CLIP
    code and in transformers when it is handed a Pillow image. (transformers 5 given a *path*
    does turn the picture upright, and drops its alpha: compare with `Image.open(path)`.)

    Raising `max_pixels` above Pillow's own limit lifts that limit, for the whole process, while
    the header is being read.

    Raises:
        InputError: a missing file, a directory, no picture, a format that is not allowed, too
            many pixels, a broken or truncated file, or a source of another kind.

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
    return _open(io.BytesIO(data), name, max_pixels)


def _open_file(path: Any, max_pixels: int) -> Image.Image:
    name = _short(path)
    if not os.path.isfile(path):  # also false for what open() would wait on, such as a FIFO
        raise InputError(f"{name}: {_why_no_file(path)}")
    return _open(path, name, max_pixels)


def _open(file: Any, name: str, max_pixels: int) -> Image.Image:
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
        return _decoded(image, name)


def _open_header(file: Any, max_pixels: int) -> Image.Image:
    """Read the header only; a picture above the limit raises before a pixel is decoded."""
    with _PILLOW_LIMIT, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = max_pixels
        try:
            return Image.open(file, formats=FORMATS)
        finally:
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
