"""What all recipes share: how a step is watched, and pictures of 8 bits with any layout.

A recipe (the other files of this folder) passes the picture through `step` after each thing it
does to it, as the graph of a model passes its values through `ops.tap`. explain.py listens there;
everyone else hands in `unwatched`.
"""

import warnings
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from PIL import Image

from refimpl.errors import InputError
from refimpl.images import transforms
from refimpl.images.resize_like_pillow import resize_image_like_pillow
from refimpl.images.sizes import resized
from refimpl.shapes import Array, Shaped

Options = Mapping[str, Any]
"""Every option of settings.py by name, and "input_data_format" and "max_pixels" of the call."""

Picture = TypeVar("Picture", Image.Image, np.ndarray)


@runtime_checkable
class Step(Protocol):
    """Is told of every picture on the way, with the numbers that made it; gives it back."""

    def __call__(self, name: str, picture: Picture, /, **numbers: Any) -> Picture:
        """`name` is "rgb", "resized", "cropped", "rescaled" or "normalized"."""
        ...


def unwatched(name: str, picture: Picture, /, **numbers: Any) -> Picture:
    """Give the picture back: nobody is listening."""
    return picture


def new_size(height: int, width: int, options: Options) -> tuple[int, int]:
    """Give the (height, width) to resize to, by `size`.

    Raises:
        InputError: it is nothing, or more than `max_pixels`.
    """
    new = resized(height, width, options["size"])
    if not 0 < new[0] * new[1] <= options["max_pixels"]:
        raise InputError(
            f"{width}x{height} pixels become {new[1]}x{new[0]} by size={options['size']}, "
            f"not within 1..max_pixels={options['max_pixels']}"
        )
    return new


def crop_edges(options: Options) -> tuple[int, int]:
    """Give the (height, width) to crop to, by `crop_size`.

    Raises:
        InputError: it is more than `max_pixels`.
    """
    crop = options["crop_size"]
    if crop["height"] * crop["width"] > options["max_pixels"]:
        raise InputError(f"crop_size={crop} is more than max_pixels={options['max_pixels']}")
    return crop["height"], crop["width"]


def divisor(factor: float) -> float:
    """Give 1 / `rescale_factor`, for recipes that divide by it where others multiply.

    Raises:
        InputError: the factor is too near to 0.

    >>> divisor(1 / 255)
    255.0
    """
    if abs(factor) < 1e-30:
        raise InputError(f"rescale_factor={factor} must not be 0 in this profile: it divides")
    return 1 / factor


def resize_image(image: Image.Image, height: int, width: int, options: Options) -> Image.Image:
    """Resize as Pillow does: with Pillow itself, or in numpy where `engine` says so.

    Raises:
        InputError: Pillow cannot resize pictures of this mode.
    """
    if options["engine"] == "numpy":
        return resize_image_like_pillow(image, height, width, options["resample"])
    try:
        # Image.Resampling is an IntEnum, so its plain number is what Pillow compares with.
        return image.resize((width, height), Image.Resampling(options["resample"]))
    except (ValueError, OSError) as error:
        raise InputError(f"mode {image.mode!r} cannot be resized: {error}") from error


def channels_first(
    pixels: np.ndarray, options: Options, channels: tuple[int, ...]
) -> Shaped[Array, "C height width"]:
    """Give an array that a caller handed in as (C, height, width); nothing is copied.

    `channels` are the lengths that upstream takes for an axis of channels.

    Raises:
        InputError: an array that is no picture, or whose channels are nowhere.
    """
    check_array(pixels)
    layout = options["input_data_format"]
    if layout:
        first = layout == "channels_first"
    else:
        first = transforms.channels_are_first(pixels.shape, channels)
    found = pixels if first else np.moveaxis(pixels, -1, 0)
    if len(found) > 4:
        raise InputError(f"{len(found)} channels in shape {pixels.shape} by {layout}; at most 4")
    return found


def check_array(pixels: np.ndarray) -> None:
    """Raise where an array cannot be one picture."""
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


def warn_of_double_rescale(pixels: Shaped[Array, "C height width"], options: Options) -> None:
    """Warn where a float picture within 0..1 is about to be multiplied by 1/255 again."""
    scaled = pixels.dtype.kind == "f" and 0 <= pixels.min() <= pixels.max() <= 1
    if options["do_rescale"] and scaled:
        warnings.warn(
            "a float picture within 0..1 is rescaled once more; if it is scaled already, pass "
            "do_rescale=False",
            UserWarning,
            stacklevel=4,
        )


def image_to_array(image: Image.Image) -> Shaped[Array, "C height width"]:
    """Give a Pillow image as an array (C, height, width); grey has one channel."""
    pixels = np.array(image)
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)


def as_image(picture: Image.Image | np.ndarray, options: Options) -> tuple[Image.Image, bool]:
    """Give a Pillow image for a recipe that knows nothing else, and whether it was within 0..1.

    An array becomes the picture that it makes: 1 channel L, 3 RGB, 4 RGBA. Its numbers must be
    whole levels within 0..255, or fractions within 0..1, which are times 255 then.

    Raises:
        InputError: an array that is no picture, or of other numbers.
    """
    if isinstance(picture, Image.Image):
        return picture, False
    pixels = channels_first(picture, options, (1, 3, 4))
    warn_of_double_rescale(pixels, options)
    levels, from_unit = transforms.to_levels(pixels)
    return transforms.levels_to_image(levels), from_unit
