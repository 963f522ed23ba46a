"""Chinese-CLIP's image processor: CLIP's numbers; its released files squeeze to a square.

A table; processor.py is the machine. Beside it: clip.py and the others.

Source: transformers 4.57.6 and 5.23.0, models/chinese_clip/image_processing_chinese_clip.py;
OFA-Sys/Chinese-CLIP, cn_clip/clip/utils.py, image_transform.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from refimpl.images.processor import ImageProcessor


class ChineseCLIPImageProcessor(ImageProcessor):
    """Pictures to `pixel_values`, float32 (B, 3, 224, 224), as Chinese-CLIP was trained.

    Without `profile` it is "transformers-4-slow", which the hub's released checkpoints were
    published and evaluated with. The authors' own evaluation is `profile="cn_clip"`: on opaque
    pictures, with a released file's sizes, the two differ in last bits.

    Trap: the released checkpoints set `size` to {"height": 224, "width": 224}, which loses the
          aspect ratio, as the original code does. The default below keeps it, and is what
          transformers 5 does; version 4 raises KeyError on its own default. Version 4.37's page
          claims ImageNet's mean and std: its code has CLIP's.

    >>> ChineseCLIPImageProcessor().size
    {'shortest_edge': 224}
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
    other_names = ("ChineseCLIPFeatureExtractor", "ChineseCLIPImageProcessorFast")


ChineseCLIPFeatureExtractor = ChineseCLIPImageProcessor
"""The name that this class had in old checkpoints."""


class ChineseCLIPImageProcessorFast(ChineseCLIPImageProcessor):
    """The same, equal to upstream's torchvision class where no `profile` is named."""

    default_profile = "transformers-5-torchvision"
    other_names = ("ChineseCLIPImageProcessor", "ChineseCLIPFeatureExtractor")
