"""The original repositories' code: torchvision's transforms on a Pillow picture of any mode.

openai/CLIP and Chinese-CLIP: resize, centre crop, only then RGB, ToTensor, Normalize; open_clip
has two more ways to resize. All three are one recipe: `size` and `do_center_crop` tell them apart,
and `resize_mode` says which of open_clip's ways.

Source: openai/CLIP d05afc4, clip/clip.py, _transform; Chinese-CLIP (cn_clip 1.6.0), clip/utils.py,
image_transform; open_clip 3.3.0, transform.py, image_transform; torchvision 0.29.2,
transforms/functional.py.
"""

import math

import numpy as np
from PIL import Image, ImageOps

from refimpl.errors import InputError
from refimpl.images import transforms
from refimpl.images.profiles.steps import (
    Options,
    Step,
    as_image,
    crop_edges,
    image_to_array,
    new_size,
    resize_image,
)
from refimpl.images.sizes import check_pixels
from refimpl.shapes import Array, Shaped


def torchvision_on_pillow(
    picture: Image.Image | np.ndarray, options: Options, step: Step
) -> Shaped[Array, "C height width"]:
    """Resize, crop, drop alpha, and only then make numbers of it.

    Trap:   Pillow resizes palette and 1-bit pictures by nearest neighbour, and weighs RGBA by its
            alpha: to convert to RGB first gives other colours. An odd margin is cut half to even:
            111 pixels too many leave 56 on the left where Transformers leaves 55.
    """
    image, from_unit = as_image(picture, options)
    if options["do_resize"]:
        height, width = _resized(image, options)
        old = image.height, image.width
        image = step("resized", resize_image(image, height, width, options), old=old)
    if options["do_center_crop"] or options["resize_mode"] == "longest":
        edges = _crop_edges(options)
        offsets = crop_offset(image.height, edges[0]), crop_offset(image.width, edges[1])
        middle = center_crop(image, *edges, options["fill_color"])
        image = step("cropped", middle, offsets=offsets)
    if options["do_convert_rgb"]:
        image = step("rgb", transforms.drop_alpha(image))
    pixels = image_to_array(image)
    return _to_tensor_and_normalize(pixels, from_unit, options, step)


def _target(options: Options) -> tuple[int, int]:
    """Give open_clip's `image_size` as (height, width): a shortest edge is a square."""
    size = options["size"]
    edge = size.get("shortest_edge")
    return (edge, edge) if edge else (size["height"], size["width"])


def _resized(image: Image.Image, options: Options) -> tuple[int, int]:
    """Give the new (height, width): by `size`, or by open_clip's `resize_mode` where it is set."""
    mode = options["resize_mode"]
    if mode is None:
        return new_size(image.height, image.width, options)
    height, width = _target(options)
    if mode == "squash":
        return new_size(image.height, image.width, {**options, "size": _edges(height, width)})
    if mode == "shortest" and height == width:
        size = {"shortest_edge": height}
        return new_size(image.height, image.width, {**options, "size": size})
    ratios = image.height / height, image.width / width
    ratio = max(ratios) if mode == "longest" else min(ratios)
    new = round(image.height / ratio), round(image.width / ratio)
    check_pixels(new, options["max_pixels"], f"resize_mode={mode!r}, size={options['size']}")
    return new


def _edges(height: int, width: int) -> dict[str, int]:
    return {"height": height, "width": width}


def _crop_edges(options: Options) -> tuple[int, int]:
    return crop_edges(options) if options["do_center_crop"] else _target(options)


def center_crop(image: Image.Image, height: int, width: int, fill: int = 0) -> Image.Image:
    """Cut the middle out of a Pillow picture; where it is too small, `fill` goes around it.

    A cut begins at (old - new) / 2, rounded half to even. Of an odd padding the extra row or
    column goes after.

    Source: torchvision 0.29.2, transforms/functional.py, center_crop; open_clip 3.3.0,
            transform.py, center_crop_or_pad.

    >>> center_crop(Image.new("L", (335, 1), 7), 1, 224).size
    (224, 1)
    """
    down, across = max(height - image.height, 0), max(width - image.width, 0)
    if down or across:
        border = (across // 2, down // 2, (across + 1) // 2, (down + 1) // 2)
        palette = image.getpalette() if image.mode == "P" else None
        filling = fill if len(image.getbands()) == 1 else (fill,) * len(image.getbands())
        image = ImageOps.expand(image, border=border, fill=filling)
        if palette is not None:
            image.putpalette(palette)
    top, left = crop_offset(image.height, height), crop_offset(image.width, width)
    return image.crop((left, top, left + width, top + height))


def crop_offset(old: int, new: int) -> int:
    """Say how many rows or columns `center_crop` cuts off before the middle; below 0 it adds some.

    >>> crop_offset(335, 224), crop_offset(4, 7)
    (56, -1)
    """
    return round((old - new) / 2) if old >= new else -((new - old) // 2)


def _to_tensor_and_normalize(
    pixels: np.ndarray, from_unit: bool, options: Options, step: Step
) -> Shaped[Array, "C height width"]:
    """Do ToTensor and Normalize: x / 255, then (x - mean) / std, all in float32."""
    if pixels.dtype not in (np.uint8, np.bool_):
        raise InputError(
            f"a picture of {pixels.dtype} without conversion to RGB has no levels of 8 bits"
        )
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    if from_unit:
        pixels = transforms.rescale(pixels, 1 / 255)
    if options["do_rescale"]:
        factor = options["rescale_factor"]
        values = pixels.astype(np.float32)
        # 1/255 is a division in torchvision; 255 is exact where 1/255 is not.
        divides = abs(factor) > 1e-30 and math.isclose(1 / factor, round(1 / factor), rel_tol=1e-15)
        values = values / np.float32(1 / factor) if divides else values * np.float32(factor)
        pixels = step("rescaled", values, factor=factor)
    if options["do_normalize"]:
        mean, std = options["image_mean"], options["image_std"]
        pixels = step("normalized", transforms.normalize(pixels, mean, std), mean=mean, std=std)
    return pixels
