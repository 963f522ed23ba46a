"""The five steps from a picture to model input, as pure functions on arrays.

one_picture.py calls them in this order: convert_to_rgb, resize, center_crop, rescale, normalize.
Pictures are channels first, (C, height, width), from `to_channels_first` on. No function writes
to its argument. All of them equal transformers 5.23.0's Pillow path bit for bit.
"""

import warnings
from collections.abc import Sequence

import numpy as np
from PIL import Image

from refimpl.errors import InputError
from refimpl.shapes import Array, Num, Shaped


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


def channels_are_first(shape: tuple[int, int, int]) -> bool:
    """Say whether an array of this shape is (C, height, width) rather than (height, width, C).

    An axis of 1, 3 or 4 can be the channels. Where both ends can, the first is taken, with a
    warning, as upstream does.

    Source: transformers 5.23.0, image_utils.py, infer_channel_dimension_format.
    Trap:   transformers 4 does not count 4: there (4, 9, 3) is channels last.

    Raises:
        InputError: neither end can be the channels.

    >>> channels_are_first((3, 9, 9)), channels_are_first((9, 9, 4))
    (True, False)
    """
    first, last = shape[0] in (1, 3, 4), shape[2] in (1, 3, 4)
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
    integers = np.issubdtype(pixels.dtype, np.integer)
    if np.issubdtype(pixels.dtype, np.floating) and (pixels.min() < 0 or pixels.max() > 1):
        raise InputError(
            f"a float array of 4 channels (RGBA) must be within 0..1, got {_span(pixels)}; "
            "for levels of 0..255 use uint8"
        )
    white = 255 if integers else 1.0
    alpha = pixels[3:] / white
    rgb = alpha * pixels[:3] + (1 - alpha) * white
    return (np.round(rgb) if integers else rgb).astype(pixels.dtype)


def resize(
    pixels: Shaped[Array, "C height width"], height: int, width: int, resample: int
) -> Num[Array, "C height2 width2"]:
    """Resize with Pillow, which averages over the whole footprint of a pixel when it shrinks.

    Pillow resizes bytes, so every array goes through them: uint8 as it is; numbers within 0..255
    that are all whole are cast; numbers within 0..1 are multiplied by 255, cut to whole levels,
    resized and divided by 255 again.

    Dtype:  uint8, or float32 for input within 0..1 (levels of 1/255).
    Source: transformers 5.23.0, image_transforms.py, resize; Pillow, Resample.c. `resample` is
            Pillow's number: 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic, 4 box, 5 Hamming.
    Trap:   Pillow's cubic has a = -0.5; OpenCV's and torch's have -0.75 and no antialiasing. A
            float array of nothing but exact 0 and 1 is taken for the levels 0 and 1 of 255.

    Raises:
        InputError: values outside 0..255, or fractions outside 0..1.

    >>> resize(np.full((3, 4, 4), 7, np.uint8), 2, 2, resample=3)[0].tolist()
    [[7, 7], [7, 7]]
    """
    levels, from_unit = _to_levels(pixels)
    last = np.moveaxis(levels, 0, -1)
    image = Image.fromarray(np.ascontiguousarray(last[..., 0] if last.shape[-1] == 1 else last))
    # Image.Resampling is an IntEnum, so its plain number is what Pillow compares with.
    out = np.array(image.resize((width, height), resample=Image.Resampling(resample)))
    out = out[None] if out.ndim == 2 else np.moveaxis(out, -1, 0)
    return rescale(out, 1 / 255) if from_unit else out


def _to_levels(pixels: Shaped[Array, "C height width"]) -> tuple[np.ndarray, bool]:
    """Give the picture as uint8, and whether its values were within 0..1 and are now times 255."""
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


def center_crop(
    pixels: Shaped[Array, "C height width"], height: int, width: int
) -> Shaped[Array, "C height2 width2"]:
    """Cut the middle out; where the picture is too small, zeros (black) go around it.

    A cut begins at floor((old - new) / 2). Padding puts ceil((new - old) / 2) zeros before.

    Dtype:  the input's.
    Source: transformers 5.23.0, image_transforms.py, center_crop.
    Trap:   an odd padding has its extra row or column *before* the picture; torchvision's centre
            crop has it after. torchvision also rounds the offset of a cut half to even.

    >>> center_crop(np.ones((1, 1, 4), np.uint8), 2, 2)[0].tolist()
    [[0, 0], [1, 1]]
    """
    rows, top = _span_of(pixels.shape[-2], height)
    columns, left = _span_of(pixels.shape[-1], width)
    middle = pixels[:, rows, columns]
    if middle.shape[1:] == (height, width):
        return middle
    out = np.zeros((len(pixels), height, width), pixels.dtype)
    out[:, top : top + middle.shape[1], left : left + middle.shape[2]] = middle
    return out


def _span_of(old: int, new: int) -> tuple[slice, int]:
    """Give which part of an axis is kept, and how many zeros go before it."""
    if new <= old:
        start = (old - new) // 2
        return slice(start, start + new), 0
    return slice(0, old), (new - old + 1) // 2


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
    mean_c11 = _per_channel(mean, "image_mean", pixels)
    return np.asarray((pixels - mean_c11) / _per_channel(std, "image_std", pixels))


def _per_channel(
    value: float | Sequence[float], name: str, pixels: Num[Array, "C height width"]
) -> Num[Array, "C 1 1"]:
    values = list(value) if isinstance(value, Sequence) else [value] * len(pixels)
    if len(values) != len(pixels):
        raise InputError(
            f"{name} has {len(values)} numbers for a picture of {len(pixels)} channels; "
            "is do_convert_rgb off?"
        )
    return np.array(values, pixels.dtype).reshape(-1, 1, 1)


def _span(pixels: Shaped[Array, "*b"]) -> str:
    return f"{pixels.min()} to {pixels.max()}"
