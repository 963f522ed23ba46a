"""Transformers' two generations of Pillow code: version 4's slow classes, version 5's Pil classes.

The five steps are the same functions in both (transforms.py). What differs is how a picture
becomes an array: version 4 drops alpha and knows 1 and 3 channels; version 5 puts alpha on white,
knows 4 channels, and makes three of one.

Source: transformers 4.57.6, models/*/image_processing_*.py; transformers 5.23.0,
image_processing_backends.py, PilBackend.
"""

import warnings

import numpy as np
from PIL import Image

from refimpl.images import transforms
from refimpl.images.profiles.steps import (
    Options,
    Step,
    channels_first,
    crop_edges,
    image_to_array,
    new_size,
    resize_image,
    warn_of_double_rescale,
)
from refimpl.shapes import Array, Shaped


def transformers_4_slow(
    picture: Image.Image | np.ndarray, options: Options, step: Step
) -> Shaped[Array, "C height width"]:
    """Drop alpha, resize, crop, rescale, normalize.

    Trap:   `convert("RGB")` shows whatever colour hides under transparent pixels, mostly black.
            A picture 1 or 3 pixels high is taken for one of so many channels. `longest_edge` is
            ignored. Upstream refuses arrays of 4 channels, and those of 1 by the way: here they
            are served like the Pillow picture that they make.
    """
    if "longest_edge" in options["size"] and "shortest_edge" in options["size"]:
        options = {**options, "size": {"shortest_edge": options["size"]["shortest_edge"]}}
    if isinstance(picture, Image.Image):
        if options["do_convert_rgb"]:
            picture = step("rgb", transforms.drop_alpha(picture))
        pixels = _rows_or_channels(image_to_array(picture), options)
    else:
        pixels = _channels_of_version_4(picture, options)
        if options["do_convert_rgb"] and len(pixels) in (1, 4):
            pixels = step("rgb", np.repeat(pixels, 3, axis=0) if len(pixels) == 1 else pixels[:3])
    return _five_steps(pixels, options, step)


def transformers_5_pil(
    picture: Image.Image | np.ndarray, options: Options, step: Step
) -> Shaped[Array, "C height width"]:
    """Put alpha on white, resize, crop, rescale, normalize."""
    if isinstance(picture, Image.Image):
        if options["do_convert_rgb"]:
            picture = step("rgb", transforms.convert_to_rgb(picture))
        pixels = image_to_array(picture)
    else:
        pixels = channels_first(picture, options, (1, 3, 4))
        if options["do_convert_rgb"]:
            pixels = step("rgb", transforms.array_to_rgb(pixels))
    return _five_steps(pixels, options, step)


def _channels_of_version_4(pixels: np.ndarray, options: Options) -> Shaped[Array, "C height width"]:
    """Find the channels, 1 or 3 of them; failing that 4, which version 4 refuses."""
    known = pixels.ndim != 3 or {1, 3} & {pixels.shape[0], pixels.shape[2]}
    return channels_first(pixels, options, (1, 3) if known else (1, 3, 4))


def _rows_or_channels(
    pixels: Shaped[Array, "C height width"], options: Options
) -> Shaped[Array, "C2 height2 width2"]:
    """Do as version 4, which has forgotten that a Pillow picture's channels are last."""
    height = pixels.shape[1]
    layout = options["input_data_format"]
    if layout != "channels_first" and (layout or height not in (1, 3)):
        return pixels
    warnings.warn(
        f"a picture {height} pixels high is taken for one of {height} channels, as Transformers 4 "
        'does; pass input_data_format="channels_last", or use profile="transformers-5-pil"',
        UserWarning,
        stacklevel=4,
    )
    return np.moveaxis(pixels, 0, -1)


def _five_steps(
    pixels: Shaped[Array, "C height width"], options: Options, step: Step
) -> Shaped[Array, "C height2 width2"]:
    """Apply the steps that are switched on, in the one order there is."""
    warn_of_double_rescale(pixels, options)
    if options["do_resize"]:
        height, width = new_size(pixels.shape[1], pixels.shape[2], options)
        old = pixels.shape[1:]
        pixels = step("resized", _resize(pixels, height, width, options), old=old)
    if options["do_center_crop"]:
        height, width = crop_edges(options)
        offsets = transforms.crop_offsets(pixels.shape[1:], height, width)
        pixels = step("cropped", transforms.center_crop(pixels, height, width), offsets=offsets)
    if options["do_rescale"]:
        factor = options["rescale_factor"]
        pixels = step("rescaled", transforms.rescale(pixels, factor), factor=factor)
    if options["do_normalize"]:
        mean, std = options["image_mean"], options["image_std"]
        pixels = step("normalized", transforms.normalize(pixels, mean, std), mean=mean, std=std)
    return pixels


def _resize(
    pixels: Shaped[Array, "C height width"], height: int, width: int, options: Options
) -> Shaped[Array, "C height2 width2"]:
    """Resize through a Pillow image of 8 bits, and back.

    Raises:
        InputError: values outside 0..255, or fractions outside 0..1.
    """
    levels, from_unit = transforms.to_levels(pixels)
    image = transforms.levels_to_image(levels)
    out = image_to_array(resize_image(image, height, width, options))
    return transforms.rescale(out, 1 / 255) if from_unit else out
