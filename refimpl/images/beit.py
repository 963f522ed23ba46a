"""BEiT's image processor: resize to a square, pixels to -1..1.

A table; processor.py is the machine. Beside it: clip.py and the others.

Source: transformers 5.23.0, models/beit/image_processing_pil_beit.py.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from refimpl.images.processor import ImageProcessor


class BeitImageProcessor(ImageProcessor):
    """Pictures to `pixel_values`, float32 (B, 3, 224, 224), by upstream's defaults for BEiT.

    `do_reduce_labels` is about maps of segmentation labels, which are not taken here; it is kept
    and written back.

    Trap: transformers 4 resized to 256 and cut 224 out of the middle where a file said neither;
          these defaults are version 5's. The released files say both.

    >>> BeitImageProcessor().do_center_crop
    False
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "do_resize": True,
        "size": {"height": 224, "width": 224},
        "resample": 3,
        "do_center_crop": False,
        "crop_size": {"height": 224, "width": 224},
        "rescale_factor": 1 / 255,
        "do_rescale": True,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "do_reduce_labels": False,
    }
    default_to_square = True
    other_names = ("BeitFeatureExtractor", "BeitImageProcessorFast")


BeitFeatureExtractor = BeitImageProcessor
"""The name that this class had in old checkpoints."""


class BeitImageProcessorFast(BeitImageProcessor):
    """The same, equal to upstream's torchvision class where no `profile` is named."""

    default_profile = "transformers-5-torchvision"
    other_names = ("BeitImageProcessor", "BeitFeatureExtractor")
