"""How two original programs prepared their pictures, where the released configs do it otherwise.

A published number belongs to the pixels that its program saw. Both functions are used by
recipes.py only; everyone else wants images/.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from refimpl.errors import InputError
from refimpl.images.any_source import load_image
from refimpl.images.clip import CLIPImageProcessor
from refimpl.images.load import open_image
from refimpl.shapes import Array, Float

_LONGEST = 100  # a longer one would be resized to something enormous before it is cropped


def openai_pixels(path: Path, size: int = 224, rgb_first: bool = False) -> Float[Array, "1 3 S S"]:
    """Prepare a picture as OpenAI's `preprocess` does: resize, crop, and only then make it RGB.

    `rgb_first` is for callers of `preprocess` that convert the picture themselves beforehand.

    Source: openai/CLIP d05afc4, clip/clip.py, `_transform`; torchvision, Resize and CenterCrop.
    Trap:   Pillow weighs the colours of a picture with transparency by its alpha when it resizes,
            so to drop alpha first gives other colours. The crop rounds half to even, where
            Transformers rounds down: for an odd margin they are one pixel apart.

    Raises:
        InputError: the picture cannot be read, is of a mode that Pillow cannot resize or turn into
            RGB, or is far longer than wide.
    """
    image = open_image(path)
    assert isinstance(image, Image.Image)
    short = min(image.size)
    if max(image.size) > _LONGEST * short:
        raise InputError(
            f"{path}: {image.size} pixels; one side is over {_LONGEST} times the other"
        )
    width, height = (int(size * side / short) for side in image.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    try:
        image = image.convert("RGB") if rgb_first else image
        image = image.resize((width, height), Image.Resampling.BICUBIC)
        image = image.crop((left, top, left + size, top + size)).convert("RGB")
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: mode {image.mode!r} cannot be prepared: {error}") from error
    mean, std = (
        np.float32(CLIPImageProcessor.defaults[name]) for name in ("image_mean", "image_std")
    )
    pixels = np.asarray(image, np.float32) / np.float32(255)  # (S, S, 3)
    return ((pixels - mean) / std).transpose(2, 0, 1)[None]


def big_vision_pixels(path: Path, size: int) -> Float[Array, "1 3 S S"]:
    """Prepare a picture as SigLIP's demo does: bilinear to a square, without antialiasing.

    Source: google-research/big_vision 0127fb6, SigLIP_demo.ipynb and pp/ops_image.py, `resize`;
            TensorFlow 2, tf.image.resize.
    Trap:   the resized levels are cut to whole numbers, not rounded.
    """
    opened = load_image(path)
    assert isinstance(opened, Image.Image)
    levels = np.asarray(opened, np.float32)
    for axis in (0, 1):
        levels = _bilinear(levels, size, axis)
    pixels = np.floor(levels) / np.float32(127.5) - 1
    return pixels.transpose(2, 0, 1)[None].astype(np.float32)


def _bilinear(x: Float[Array, "H W 3"], size: int, axis: int) -> Float[Array, "H2 W2 3"]:
    """Resample one axis: each new pixel from the two old ones nearest to its centre."""
    old = x.shape[axis]
    centre = (np.arange(size) + 0.5) * (old / size) - 0.5
    below = np.floor(centre).astype(int)
    part = (centre - below).astype(np.float32)
    low = np.take(x, below.clip(0, old - 1), axis)
    high = np.take(x, (below + 1).clip(0, old - 1), axis)
    weight = part[:, None, None] if axis == 0 else part[None, :, None]
    return low + (high - low) * weight
