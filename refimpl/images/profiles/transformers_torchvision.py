"""Transformers 5's torchvision classes (version 4's `Fast`), in numpy: torch is not needed.

Beside transformers_pillow.py: the resize is torch's, on the picture's own numbers; an odd padding
has its extra row after the picture; rescale and normalize are one pass in float32.

Source: transformers 5.23.0, image_processing_backends.py, TorchvisionBackend; torchvision 0.29.2,
transforms/v2/functional.
"""

import numpy as np
from PIL import Image

from refimpl.images import transforms
from refimpl.images.profiles.steps import (
    Options,
    Step,
    channels_first,
    crop_edges,
    divisor,
    image_to_array,
    new_size,
)
from refimpl.images.resize_like_torch import resize_like_torch
from refimpl.shapes import Array, Shaped


def transformers_5_torchvision(
    picture: Image.Image | np.ndarray, options: Options, step: Step
) -> Shaped[Array, "C height width"]:
    """Put alpha on white, resize as torch does, crop, then rescale and normalize in one pass.

    Trap:   a float picture may have any range, is resized without being cut to levels, and
            overshoots at edges: up to tens of levels from the Pillow classes.
    """
    if isinstance(picture, Image.Image):
        if options["do_convert_rgb"]:
            picture = step("rgb", transforms.convert_to_rgb(picture))
        pixels = image_to_array(picture)
    else:
        pixels = channels_first(picture, options, (1, 3, 4))
        if options["do_convert_rgb"]:
            pixels = step("rgb", _array_to_rgb(pixels))
    if options["do_resize"]:
        height, width = new_size(pixels.shape[1], pixels.shape[2], options)
        new = resize_like_torch(pixels, height, width, options["resample"])
        pixels = step("resized", new, old=pixels.shape[1:])
    if options["do_center_crop"]:
        height, width = crop_edges(options)
        offsets = transforms.crop_offsets(pixels.shape[1:], height, width, extra_before=False)
        middle = transforms.center_crop(pixels, height, width, extra_before=False)
        pixels = step("cropped", middle, offsets=offsets)
    return _rescale_and_normalize(pixels, options, step)


def _array_to_rgb(pixels: Shaped[Array, "C height width"]) -> Shaped[Array, "C2 height width"]:
    """Give an array three channels: one is repeated, four are taken for RGBA on white.

    Dtype:  the input's; four channels are blended in float32 on 0..1 and cut, not rounded, back.

    Raises:
        InputError: a 4-channel float array that is not within 0..1.
    """
    if len(pixels) != 4:
        return transforms.array_to_rgb(pixels)
    transforms.check_unit_range(pixels)
    if pixels.dtype.kind == "f":
        unit = pixels.astype(np.float32)
        return (unit[:3] * unit[3:] + (1 - unit[3:])).astype(pixels.dtype)
    most = 1 if pixels.dtype == bool else int(np.iinfo(pixels.dtype).max)
    unit = pixels.astype(np.float32) / np.float32(most)
    blended = unit[:3] * unit[3:] + (1 - unit[3:])
    return (blended * np.float32(most + 1 - 1e-3)).astype(pixels.dtype)


def _rescale_and_normalize(
    pixels: Shaped[Array, "C height width"], options: Options, step: Step
) -> Shaped[Array, "C height width"]:
    """Compute (x - mean/factor) / (std/factor) in float32, which rescales in the same pass."""
    factor = options["rescale_factor"]
    if not options["do_normalize"]:
        if not options["do_rescale"]:
            return pixels
        kept = pixels.dtype if pixels.dtype.kind == "f" else np.dtype(np.float32)
        return step("rescaled", pixels.astype(kept) * kept.type(factor), factor=factor)
    mean, std = (
        transforms.per_channel(options[name], name, len(pixels), np.float32)
        for name in ("image_mean", "image_std")
    )
    if options["do_rescale"]:
        scale = np.float32(divisor(factor))
        mean, std = mean * scale, std * scale
    values = (pixels.astype(np.float32) - mean) / std
    return step("normalized", values, mean=mean.ravel().tolist(), std=std.ravel().tolist())
