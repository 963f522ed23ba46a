"""CLIP's image processor: resize the short edge, cut the middle out, CLIP's own mean and std.

A table; processor.py is the machine. Beside it: siglip.py, chinese_clip.py, vit.py, deit.py,
beit.py, bit.py.

Source: openai/CLIP d05afc4, clip/clip.py, _transform; transformers 4.57.6 and 5.23.0,
models/clip/image_processing_clip.py.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from refimpl.images.processor import ImageProcessor


class CLIPImageProcessor(ImageProcessor):
    """Pictures to `pixel_values`, float32 (B, 3, 224, 224), as CLIP was trained.

    Without `profile` it is "transformers-4-slow", which the hub's released checkpoints were
    published and evaluated with. OpenAI's own evaluation is `profile="openai"`: on opaque pictures
    the two differ where a margin is odd, by one pixel of offset, and in last bits.

    >>> from PIL import Image
    >>> processor = CLIPImageProcessor()
    >>> processor(Image.new("L", (640, 427)), return_tensors="np").pixel_values.shape
    (1, 3, 224, 224)
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
    other_names = ("CLIPFeatureExtractor", "CLIPImageProcessorFast")


CLIPFeatureExtractor = CLIPImageProcessor
"""The name that this class had in old checkpoints."""


class CLIPImageProcessorFast(CLIPImageProcessor):
    """The same, equal to upstream's torchvision class where no `profile` is named."""

    default_profile = "transformers-5-torchvision"
    other_names = ("CLIPImageProcessor", "CLIPFeatureExtractor")
