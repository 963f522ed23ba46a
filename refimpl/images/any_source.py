"""`load_image`: any picture that a person may name, turned upright and in RGB.

Called by the pipeline, and by users, as upstream's examples do. The image processors open files
with load.py alone; for a path the profiles of Transformers then call `upright_rgb`.

Source: transformers 4.57.6 and 5.23.0, image_utils.py, load_image.
"""

import base64
import binascii
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from refimpl.errors import InputError
from refimpl.images.load import open_bytes, open_image
from refimpl.images.web import MAX_BYTES, fetch, shown

_DATA = "data:image/"


def load_image(image: Any, timeout: Any = None) -> Image.Image | np.ndarray:
    """Open a picture, turn it upright by its EXIF tag, and drop all but its colours.

    Args:
        image: an http or https address (needs the extra "web"), a "data:image/...;base64,..."
            string, a path, a Pillow image; an array or tensor is passed through, as an array.
        timeout: seconds to wait for the web; None is 60.

    Returns:
        A Pillow image of mode RGB. Alpha is dropped, not put on white as the processors do.

    Raises:
        InputError: the picture cannot be had or opened, or has no way to RGB.

    >>> load_image(Image.new("LA", (2, 3))).mode
    'RGB'
    """
    opened = _opened(image, timeout)
    return upright_rgb(opened) if isinstance(opened, Image.Image) else opened


def upright_rgb(opened: Image.Image) -> Image.Image:
    """Turn a picture upright by its EXIF tag, and drop all but its colours.

    Raises:
        InputError: broken EXIF, or a mode without a way to RGB.
    """
    try:
        return ImageOps.exif_transpose(opened).convert("RGB")
    except Warning:
        raise  # the caller's warning filter made it an error: theirs to see
    except Exception as error:  # broken EXIF fails in any way, as broken pixels do in load.py
        name = getattr(opened, "filename", "") or "the Pillow image"
        raise InputError(f"{name}: mode {opened.mode!r} cannot become RGB: {error}") from error


def _opened(image: Any, timeout: Any) -> Image.Image | np.ndarray:
    if isinstance(image, str) and image.startswith(("http://", "https://")):
        return open_bytes(fetch(image, timeout=timeout), shown(image))
    if isinstance(image, str) and image.startswith(_DATA):
        return open_bytes(_decoded(image), f"{image[:40]}...")
    return open_image(image)


def _decoded(text: str) -> bytes:
    """Give the bytes in a data address.

    Raises:
        InputError: it is not base64, or too long.
    """
    head, comma, body = text.partition(",")
    name = f"{text[:40]}..."
    if not comma or not head.endswith(";base64"):
        raise InputError(f"{name}: must go {_DATA}<kind>;base64,<picture>")
    if len(body) > MAX_BYTES * 2:
        raise InputError(f"{name}: {len(body)} characters; at most {MAX_BYTES * 2} are read")
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"{name}: not base64: {error}") from error
