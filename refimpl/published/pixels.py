"""How two original programs prepared their pictures, where the released configs do it otherwise.

A published number belongs to the pixels that its program saw. Both are profiles of images/; used by
recipes.py.
"""

from pathlib import Path

from refimpl.images.any_source import load_image
from refimpl.images.clip import CLIPImageProcessor
from refimpl.images.siglip import SiglipImageProcessor
from refimpl.shapes import Array, Float


def openai_pixels(path: Path, size: int = 224, rgb_first: bool = False) -> Float[Array, "1 3 S S"]:
    """Prepare a picture as OpenAI's `preprocess` does: resize, crop, and only then make it RGB.

    `rgb_first` is for callers of `preprocess` that convert the picture themselves beforehand.

    Raises:
        InputError: the picture cannot be read, is of a mode that Pillow cannot resize or turn into
            RGB, or is far longer than wide.
    """
    processor = CLIPImageProcessor(size=size, crop_size=size, profile="openai")
    picture = load_image(path) if rgb_first else path
    pixels: Array = processor(picture, return_tensors="np").pixel_values
    return pixels


def big_vision_pixels(path: Path, size: int) -> Float[Array, "1 3 S S"]:
    """Prepare a picture as SigLIP's demo does: bilinear to a square, without antialiasing.

    Raises:
        InputError: the picture cannot be read or turned into RGB.
    """
    processor = SiglipImageProcessor(size=size, profile="big_vision")
    pixels: Array = processor(load_image(path), return_tensors="np").pixel_values
    return pixels
