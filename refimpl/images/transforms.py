"""The steps from a picture to model input, as pure functions.

The recipes in profiles/ call them. Arrays are channels first, (C, height, width). No function
writes to its argument. Where a docstring names no other source, they equal transformers 5.23.0's
Pillow classes bit for bit. The resize itself is in resize_like_pillow.py and its two siblings.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from refimpl.errors import InputError
from refimpl.shapes import Array, Num, Shaped, UInt8


def convert_to_rgb(image: Image.Image) -> Image.Image:
    """Convert a Pillow image of any mode to RGB; what is transparent lands on white.

    Source: transformers 5.23.0, image_transforms.py, convert_to_rgb.
    Trap:   before the resize, not after it: Pillow resizes palette and 1-bit pictures by nearest
            neighbour. 16-bit grey above 255 becomes white, as in every version of upstream.

    Raises:
        InputError: Pillow knows no way from this mode to RGB.

    >>> convert_to_rgb(Image.new("RGBA", (1, 1), (10, 20, 30, 0))).getpixel((0, 0))
    (255, 255, 255)
    """
    try:
        if "A" in image.getbands() or image.info.get("transparency") is not None:
            return alpha_over_white(image)
        return image.convert("RGB")
    except (ValueError, OSError, TypeError) as error:  # TypeError: a transparency that is none
        raise InputError(f"mode {image.mode!r} cannot be converted to RGB ({error})") from error


def drop_alpha(image: Image.Image) -> Image.Image:
    """Convert a Pillow image of any mode to RGB; what hides under transparency shows.

    Source: transformers 4.57.6, image_transforms.py, convert_to_rgb; openai/CLIP d05afc4,
            clip/clip.py, _convert_image_to_rgb.

    Raises:
        InputError: Pillow knows no way from this mode to RGB.

    >>> drop_alpha(Image.new("RGBA", (1, 1), (10, 20, 30, 0))).getpixel((0, 0))
    (10, 20, 30)
    """
    try:
        return image.convert("RGB")
    except (ValueError, OSError, TypeError) as error:
        raise InputError(f"mode {image.mode!r} cannot be converted to RGB ({error})") from error


def alpha_over_white(image: Image.Image) -> Image.Image:
    """Composite a Pillow image with transparency on a white ground, and give RGB.

    This is transformers 5. transformers 4, openai/CLIP and open_clip *drop* the alpha instead
    (`image.convert("RGB")`), which shows whatever colour hides under the transparent pixels,
    mostly black: for cut-out pictures the two differ a lot.

    >>> alpha_over_white(Image.new("LA", (1, 1), (0, 128))).getpixel((0, 0))
    (127, 127, 127)
    """
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


def channels_are_first(shape: tuple[int, int, int], channels: tuple[int, ...]) -> bool:
    """Say whether an array of this shape is (C, height, width) rather than (height, width, C).

    An axis as long as one of `channels` can be the channels. Where both ends can, the first is
    taken, with a warning, as upstream does.

    Source: transformers 5.23.0, image_utils.py, infer_channel_dimension_format.
    Trap:   transformers 4 knows (1, 3), transformers 5 knows (1, 3, 4): a (4, 9, 3) is channels
            last in the one and channels first in the other.

    Raises:
        InputError: neither end can be the channels.

    >>> channels_are_first((4, 9, 3), (1, 3)), channels_are_first((3, 9, 9), (1, 3))
    (False, True)
    """
    first, last = shape[0] in channels, shape[2] in channels
    if not first and not last:
        raise InputError(
            f"an array of shape {shape} has no axis of 1, 3 or 4 channels, first or last; "
            "where the channels are elsewhere, say input_data_format"
        )
    if first and last:
        warnings.warn(
            f"an array of shape {shape} can have its channels first or last; channels first is "
            "taken: pass input_data_format='channels_first' or 'channels_last'",
            UserWarning,
            stacklevel=2,
        )
    return first


def array_to_rgb(pixels: Shaped[Array, "C height width"]) -> Shaped[Array, "C2 height width"]:
    """Give an array three channels: one is repeated, four are taken for RGBA on white.

    With white = 255 for integers and 1 for the rest, and a = alpha / white:
    rgb = a * rgb + (1 - a) * white, rounded half to even for integers. Other channel counts pass.

    Dtype:  the input's; computed in float64 for integers, in the input's own float type otherwise.
    Source: transformers 5.23.0, image_transforms.py, convert_to_rgb.
    Trap:   transformers 4 refuses arrays of 4 channels and leaves those of 1.

    Raises:
        InputError: a 4-channel float array that is not within 0..1.

    >>> array_to_rgb(np.uint8([[[10]], [[20]], [[30]], [[0]]])).ravel().tolist()
    [255, 255, 255]
    """
    if len(pixels) == 1:
        return np.repeat(pixels, 3, axis=0)
    if len(pixels) != 4:
        return pixels
    check_unit_range(pixels)
    integers = np.issubdtype(pixels.dtype, np.integer)
    white = 255 if integers else 1.0
    alpha = pixels[3:] / white
    rgb = alpha * pixels[:3] + (1 - alpha) * white
    return (np.round(rgb) if integers else rgb).astype(pixels.dtype)


def check_unit_range(pixels: Shaped[Array, "C height width"]) -> None:
    """Raise where a float array of 4 channels, which is taken for RGBA, is not within 0..1."""
    if pixels.dtype.kind == "f" and (pixels.min() < 0 or pixels.max() > 1):
        raise InputError(
            f"a float array of 4 channels (RGBA) must be within 0..1, got {_span(pixels)}; "
            "for levels of 0..255 use uint8"
        )


def to_levels(pixels: Shaped[Array, "*b"]) -> tuple[UInt8[Array, "*b"], bool]:
    """Give a picture as levels of 8 bits, and whether its numbers were within 0..1.

    Pillow resizes bytes, so every array goes through them: uint8 as it is; numbers within 0..255
    that are all whole are cast; numbers within 0..1 are multiplied by 255 and cut to whole levels.

    Source: transformers 5.23.0, image_transforms.py, _rescale_for_pil_conversion and to_pil_image.
    Trap:   a float array of nothing but exact 0 and 1 is taken for the levels 0 and 1 of 255.

    Raises:
        InputError: values outside 0..255, or fractions outside 0..1.

    >>> to_levels(np.array([0.0, 0.5]))
    (array([  0, 127], dtype=uint8), True)
    """
    if pixels.dtype == np.uint8:
        return pixels, False
    fits = pixels.min() >= 0 and pixels.max() <= 255
    whole = fits and np.allclose(pixels, pixels.astype(np.int64))
    if not fits or (not whole and pixels.max() > 1):
        raise InputError(
            f"a {pixels.dtype} picture to resize must hold whole levels within 0..255 or "
            f"fractions within 0..1; got {_span(pixels)}"
        )
    return (pixels if whole else rescale(pixels, 255)).astype(np.uint8), not whole


def levels_to_image(levels: UInt8[Array, "C height width"]) -> Image.Image:
    """Give a Pillow image: 1 channel is L, 2 are LA, 3 RGB, 4 RGBA.

    >>> levels_to_image(np.zeros((3, 1, 2), np.uint8)).mode
    'RGB'
    """
    last = np.moveaxis(levels, 0, -1)
    return Image.fromarray(np.ascontiguousarray(last[..., 0] if last.shape[-1] == 1 else last))


def center_crop(
    pixels: Shaped[Array, "C height width"], height: int, width: int, extra_before: bool = True
) -> Shaped[Array, "C height2 width2"]:
    """Cut the middle out; where the picture is too small, zeros (black) go around it.

    A cut begins at floor((old - new) / 2). Padding is halved; the extra row or column of an odd
    one goes before the picture, or after it.

    Dtype:  the input's.
    Source: transformers 5.23.0, image_transforms.py, center_crop (before), and
            image_processing_backends.py, TorchvisionBackend.center_crop (after).
    Trap:   torchvision's own centre crop, which the original repositories use, rounds the offset
            of a cut half to even (profiles/torchvision_on_pillow.py).

    >>> center_crop(np.ones((1, 1, 4), np.uint8), 2, 2)[0].tolist()
    [[0, 0], [1, 1]]
    """
    top, left = crop_offsets(pixels.shape[-2:], height, width, extra_before)
    rows, columns = _kept(top, height), _kept(left, width)
    middle = pixels[:, rows, columns]
    if middle.shape[1:] == (height, width):
        return middle
    out = np.zeros((len(pixels), height, width), pixels.dtype)
    above, before = max(-top, 0), max(-left, 0)
    out[:, above : above + middle.shape[1], before : before + middle.shape[2]] = middle
    return out


def crop_offsets(
    old: tuple[int, ...], height: int, width: int, extra_before: bool = True
) -> tuple[int, int]:
    """Say how many rows and columns `center_crop` cuts off before the middle; below 0 it adds some.

    >>> crop_offsets((335, 4), 224, 7), crop_offsets((335, 4), 224, 7, extra_before=False)
    ((55, -2), (55, -1))
    """
    spare = old[0] - height, old[1] - width
    top, left = (one // 2 if one >= 0 or extra_before else -(-one // 2) for one in spare)
    return top, left


def _kept(offset: int, new: int) -> slice:
    return slice(max(offset, 0), max(offset + new, 0))


def rescale(pixels: Shaped[Array, "*b"], factor: float) -> Num[Array, "*b"]:
    """Multiply by a factor: y = x * factor, mostly 1/255.

    Dtype:  computed in float64, returned as float32.
    Source: transformers 5.23.0, image_transforms.py, rescale.
    Trap:   once only: a picture that already is within 0..1 comes out nearly black.

    >>> rescale(np.uint8([255]), 1 / 255).tolist()
    [1.0]
    """
    return (pixels.astype(np.float64) * factor).astype(np.float32)


def normalize(
    pixels: Shaped[Array, "C height width"],
    mean: float | Sequence[float],
    std: float | Sequence[float],
) -> Num[Array, "C height width"]:
    """Shift and scale each channel: y = (x - mean) / std.

    Dtype:  a float type stays and computes; anything else becomes float32. Mean and std are cast
            to that type first.
    Source: transformers 5.23.0, image_transforms.py, normalize.
    Trap:   the fast (torchvision) path fuses this with the rescale: last bits differ.

    Raises:
        InputError: mean or std has another length than there are channels.

    >>> normalize(np.full((3, 1, 1), 3.0), [1, 2, 3], 2).ravel().tolist()
    [1.0, 0.5, 0.0]
    """
    if not np.issubdtype(pixels.dtype, np.floating):
        pixels = pixels.astype(np.float32)
    mean_c11 = per_channel(mean, "image_mean", len(pixels), pixels.dtype)
    return np.asarray(
        (pixels - mean_c11) / per_channel(std, "image_std", len(pixels), pixels.dtype)
    )


def per_channel(
    value: float | Sequence[float], name: str, channels: int, dtype: Any
) -> Num[Array, "C 1 1"]:
    """Give a mean or std as an array (C, 1, 1); one number is the same for all channels.

    Raises:
        InputError: another length than there are channels.
    """
    values = list(value) if isinstance(value, Sequence) else [value] * channels
    if len(values) != channels:
        raise InputError(
            f"{name} has {len(values)} numbers for a picture of {channels} channels; "
            "is do_convert_rgb off?"
        )
    return np.array(values, dtype).reshape(-1, 1, 1)


def _span(pixels: Shaped[Array, "*b"]) -> str:
    return f"{pixels.min()} to {pixels.max()}"
