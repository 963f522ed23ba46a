"""big_vision's code, which SigLIP was trained and evaluated with: `resize(SIZE)|value_range(-1, 1)`.

Source: google-research/big_vision 0127fb6, pp/ops_image.py (get_resize, get_clip_value_range) and
pp/ops_general.py (get_value_range); configs/proj/image_text/SigLIP_demo.ipynb.
"""

import numpy as np
from PIL import Image

from refimpl.errors import InputError
from refimpl.images import transforms
from refimpl.images.profiles.steps import (
    Options,
    Step,
    as_image,
    crop_edges,
    divisor,
    image_to_array,
    new_size,
)
from refimpl.images.resize_like_tensorflow import resize_like_tensorflow
from refimpl.shapes import Array, Shaped

_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX")


def big_vision(
    picture: Image.Image | np.ndarray, options: Options, step: Step
) -> Shaped[Array, "C height width"]:
    """Drop alpha, resize bilinear *without* antialiasing, cut to whole levels, then to -1..1.

    Trap:   TensorFlow's resize skips pixels when it shrinks, and its levels are cut, not rounded.
            `resample` is not looked at: the files' 3 (bicubic) is Transformers' choice.

    Raises:
        InputError: a mode that TensorFlow would not decode to three channels of 8 bits.
    """
    image, from_unit = as_image(picture, options)
    if options["do_convert_rgb"]:
        if image.mode not in _MODES:
            raise InputError(
                f"mode {image.mode!r}: big_vision decodes {', '.join(_MODES)}; convert it yourself"
            )
        image = step("rgb", transforms.drop_alpha(image))
    pixels = image_to_array(image)
    if pixels.dtype != np.uint8:
        raise InputError(f"a picture of {pixels.dtype} has no levels of 8 bits")
    if options["do_resize"]:
        height, width = new_size(image.height, image.width, options)
        new = resize_like_tensorflow(pixels, height, width)
        pixels = step("resized", new, old=pixels.shape[1:], antialias=False)
    if options["do_center_crop"]:
        edges = crop_edges(options)
        offsets = transforms.crop_offsets(pixels.shape[1:], *edges)
        pixels = step("cropped", transforms.center_crop(pixels, *edges), offsets=offsets)
    return _value_range(transforms.rescale(pixels, 1 / 255) if from_unit else pixels, options, step)


def _value_range(
    pixels: Shaped[Array, "C height width"], options: Options, step: Step
) -> Shaped[Array, "C height width"]:
    """Bring levels of 0..255 to -1..1 where mean and std are 0.5; else to (x - mean) / std.

    In float32, in the order of big_vision: -1 + x / 255 * 2, and (x - 255 mean) / (255 std).
    """
    if not (options["do_rescale"] or options["do_normalize"]):
        return pixels
    values = pixels.astype(np.float32)
    most = (
        np.float32(divisor(options["rescale_factor"])) if options["do_rescale"] else np.float32(1)
    )
    if not options["do_normalize"]:
        return step("rescaled", values / most, factor=options["rescale_factor"])
    mean, std = (
        transforms.per_channel(options[name], name, len(pixels), np.float64)
        for name in ("image_mean", "image_std")
    )
    if (mean == 0.5).all() and (std == 0.5).all():
        values = np.float32(-1) + values / most * np.float32(2)
    else:
        scaled_mean, scaled_std = mean * float(most), std * float(most)
        values = (values - scaled_mean.astype(np.float32)) / scaled_std.astype(np.float32)
    return step("normalized", values, mean=options["image_mean"], std=options["image_std"])
