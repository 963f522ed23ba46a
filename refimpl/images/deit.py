"""DeiT's image processor: resize to a square of 256, cut 224 out of the middle, pixels to -1..1.

A table; processor.py is the machine. Beside it: clip.py and the others.

Source: transformers 4.57.6 and 5.23.0, models/deit/image_processing_deit.py.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from refimpl.images.processor import ImageProcessor


class DeiTImageProcessor(ImageProcessor):
    """Pictures to `pixel_values`, float32 (B, 3, 224, 224), by upstream's defaults for DeiT.

    Trap: by position, `rescale_factor` stands before `do_rescale`, here and in BEiT. The released
          checkpoints carry ImageNet's mean and std in their file; these defaults are 0.5.

    >>> from PIL import Image
    >>> DeiTImageProcessor()(Image.new("RGB", (640, 427))).pixel_values[0].shape
    (3, 224, 224)
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "do_resize": True,
        "size": {"height": 256, "width": 256},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": 224, "width": 224},
        "rescale_factor": 1 / 255,
        "do_rescale": True,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    default_to_square = True
    other_names = ("DeiTFeatureExtractor", "DeiTImageProcessorFast")


DeiTFeatureExtractor = DeiTImageProcessor
"""The name that this class had in old checkpoints."""


class DeiTImageProcessorFast(DeiTImageProcessor):
    """The same, equal to upstream's torchvision class where no `profile` is named."""

    default_profile = "transformers-5-torchvision"
    other_names = ("DeiTImageProcessor", "DeiTFeatureExtractor")
