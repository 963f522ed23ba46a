"""BiT's image processor, which Dinov2's checkpoints use: CLIP's steps and numbers by default.

A table; processor.py is the machine. Beside it: clip.py and the others.

Source: transformers 4.57.6 and 5.23.0, models/bit/image_processing_bit.py.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from refimpl.images.processor import ImageProcessor


class BitImageProcessor(ImageProcessor):
    """Pictures to `pixel_values`, float32 (B, 3, 224, 224), by upstream's defaults for BiT.

    Trap: Dinov2's files set the short edge to 256 and ImageNet's mean and std.

    >>> from PIL import Image
    >>> BitImageProcessor(size=256)(Image.new("RGB", (640, 427))).pixel_values[0].shape
    (3, 224, 224)
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "do_resize": True,
        "size": {"shortest_edge": 224},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": 224, "width": 224},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "do_convert_rgb": True,
    }
    default_to_square = False
    other_names = ("BitImageProcessorFast",)


class BitImageProcessorFast(BitImageProcessor):
    """The same, equal to upstream's torchvision class where no `profile` is named."""

    default_profile = "transformers-5-torchvision"
    other_names = ("BitImageProcessor",)
