"""ViT's image processor: resize to a square with the bilinear filter, every pixel to -1..1.

A table; processor.py is the machine. Beside it: clip.py and the others.

Source: transformers 4.57.6 and 5.23.0, models/vit/image_processing_vit.py.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from refimpl.images.processor import ImageProcessor


class ViTImageProcessor(ImageProcessor):
    """Pictures to `pixel_values`, float32 (B, 3, 224, 224), as ViT's checkpoints expect them.

    Without `profile` it is "transformers-4-slow", which the hub's released checkpoints, and dual
    encoders with a ViT tower, were published and evaluated with.

    Trap: bilinear (2), where the other families are bicubic (3). Nothing is converted to RGB
          unless `do_convert_rgb=True` asks for it: a grey picture is then an error.

    >>> ViTImageProcessor(size=384).size
    {'height': 384, 'width': 384}
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "do_resize": True,
        "size": {"height": 224, "width": 224},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "do_convert_rgb": None,
    }
    default_to_square = True
    other_names = ("ViTFeatureExtractor", "ViTImageProcessorFast")


ViTFeatureExtractor = ViTImageProcessor
"""The name that this class had in old checkpoints."""


class ViTImageProcessorFast(ViTImageProcessor):
    """The same, equal to upstream's torchvision class where no `profile` is named."""

    default_profile = "transformers-5-torchvision"
    other_names = ("ViTImageProcessor", "ViTFeatureExtractor")
