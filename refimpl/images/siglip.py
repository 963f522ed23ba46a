"""SigLIP's image processor: resize to a square, no crop, every pixel to -1..1.

A table; processor.py is the machine. Beside it: clip.py and the others.

Source: transformers 4.57.6 and 5.23.0, models/siglip/image_processing_siglip.py.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from refimpl.images.processor import ImageProcessor


class SiglipImageProcessor(ImageProcessor):
    """Pictures to `pixel_values`, float32 (B, 3, 224, 224), by SigLIP's released files.

    Without `profile` it is "transformers-4-slow", which the hub's released checkpoints were
    published and evaluated with: bicubic, antialiased. The paper's numbers and the demo come from
    `profile="big_vision"`: bilinear without antialiasing, whatever `resample` says.

    Trap: the aspect ratio is lost. An int as `size` is the short edge, not a square: pictures then
          differ in shape. `do_convert_rgb` is on as in transformers 5; version 4 left it off,
          and failed on grey pictures.

    >>> from PIL import Image
    >>> processor = SiglipImageProcessor()
    >>> processor(Image.new("L", (640, 427), 255), return_tensors="np").pixel_values.max().item()
    1.0
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "do_resize": True,
        "size": {"height": 224, "width": 224},
        "resample": 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "do_convert_rgb": True,
    }
    default_to_square = False
    other_names = ("SiglipImageProcessorFast",)


class SiglipImageProcessorFast(SiglipImageProcessor):
    """The same, equal to upstream's torchvision class where no `profile` is named."""

    default_profile = "transformers-5-torchvision"
    other_names = ("SiglipImageProcessor",)
