"""What happens to one picture: opened, brought to (C, height, width), then the steps in order.

Called by processor.py for each picture of a call; the steps themselves are in transforms.py. The
order is the same in every family: RGB, resize, centre crop, rescale, normalize. A family differs
in which steps are on, and in their numbers.
"""

import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from refimpl.errors import InputError
from refimpl.images import transforms
from refimpl.images.load import open_image
from refimpl.images.sizes import resized
from refimpl.shapes import Array, Num, Shaped


def in_memory(name: str, source: Any, max_pixels: int) -> Image.Image | np.ndarray:
    """Open a picture (load.py); where it is no file, `name` says in messages which one it was.

    Raises:
        InputError: see `open_image`.
    """
    try:
        return open_image(source, max_pixels=max_pixels)
    except InputError as error:
        if isinstance(source, (str, os.PathLike)):
            raise  # it names the file
        raise InputError(f"{name}: {error}") from error


def to_channels_first(
    picture: Image.Image | np.ndarray, settings: Mapping[str, Any], layout: str | None
) -> Shaped[Array, "C height width"]:
    """Give the picture as an array (C, height, width), in RGB where that is asked for.

    Raises:
        InputError: an array that is no picture, or a mode without a way to RGB.
    """
    if isinstance(picture, Image.Image):
        if settings["do_convert_rgb"]:
            picture = transforms.convert_to_rgb(picture)
        pixels = np.array(picture)
        return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    _check_array(picture)
    first = layout == "channels_first" if layout else transforms.channels_are_first(picture.shape)
    pixels = picture if first else np.moveaxis(picture, -1, 0)
    if len(pixels) > 4:
        raise InputError(f"{len(pixels)} channels in shape {picture.shape} by {layout}; at most 4")
    return transforms.array_to_rgb(pixels) if settings["do_convert_rgb"] else pixels


def _check_array(pixels: np.ndarray) -> None:
    if pixels.ndim != 3:
        raise InputError(
            f"an array of shape {pixels.shape}: one picture is (height, width, C) or "
            "(C, height, width); for grey add an axis of 1, as in x[..., None]"
        )
    if pixels.dtype.kind not in "buif":
        raise InputError(f"an array of {pixels.dtype} is no picture; use uint8 or a float type")
    if 0 in pixels.shape:
        raise InputError(f"an array of shape {pixels.shape} holds no pixels")
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise InputError("the array holds NaN or infinity")


def preprocess(
    pixels: Shaped[Array, "C height width"], settings: Mapping[str, Any], max_pixels: int
) -> Num[Array, "C height2 width2"]:
    """Apply the steps that are switched on, in the one order there is.

    Raises:
        InputError: a size is nothing or too much, or a step refuses the picture.
    """
    if (
        settings["do_rescale"]
        and pixels.dtype.kind == "f"
        and 0 <= pixels.min() <= pixels.max() <= 1
    ):
        warnings.warn(
            "a float picture within 0..1 is rescaled once more; if it is scaled already, pass "
            "do_rescale=False",
            UserWarning,
            stacklevel=3,
        )
    if settings["do_resize"]:
        height, width = resized(pixels.shape[1], pixels.shape[2], settings["size"])
        if not 0 < height * width <= max_pixels:
            raise InputError(
                f"{pixels.shape[2]}x{pixels.shape[1]} pixels become {width}x{height} by "
                f"size={settings['size']}, not within 1..max_pixels={max_pixels}"
            )
        pixels = transforms.resize(pixels, height, width, settings["resample"])
    if settings["do_center_crop"]:
        crop = settings["crop_size"]
        if crop["height"] * crop["width"] > max_pixels:
            raise InputError(f"crop_size={crop} is more than max_pixels={max_pixels}")
        pixels = transforms.center_crop(pixels, crop["height"], crop["width"])
    if settings["do_rescale"]:
        pixels = transforms.rescale(pixels, settings["rescale_factor"])
    if settings["do_normalize"]:
        pixels = transforms.normalize(pixels, settings["image_mean"], settings["image_std"])
    return pixels
