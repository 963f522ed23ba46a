"""Files to pixels: everything between a picture and `pixel_values`.

Reading order: load.py (a file, safely, to a picture), transforms.py (the five steps as pure
functions), sizes.py (which size a picture is resized to), clip.py (the steps in CLIP's order).
settings.py checks what a processor is told, config_files.py reads and writes its JSON, and
batch.py is the dictionary that comes out. refimpl/processing.py joins this with a tokenizer.
"""

from refimpl.images.batch import BatchFeature
from refimpl.images.clip import CLIPFeatureExtractor, CLIPImageProcessor
from refimpl.images.load import FORMATS, MAX_PIXELS, open_image

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "BatchFeature",
    "CLIPFeatureExtractor",
    "CLIPImageProcessor",
    "open_image",
]
