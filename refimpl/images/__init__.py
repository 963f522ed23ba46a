"""Files to pixels: everything between a picture and `pixel_values`.

Reading order: load.py (a file, safely, to a picture), transforms.py (the five steps as pure
functions), sizes.py (which size a picture is resized to), one_picture.py (the steps in order),
processor.py (the machine that all families share), and then the families side by side, each a
table: clip.py, siglip.py, chinese_clip.py, vit.py, deit.py, beit.py, bit.py.
auto.py chooses among them.
settings.py checks what a processor is told, config_files.py reads and writes its JSON, and
batch.py is the dictionary that comes out. web.py fetches a picture, for the pipeline alone.
refimpl/processing.py joins all this with a tokenizer.
"""

from refimpl.images.auto import AutoImageProcessor
from refimpl.images.batch import BatchFeature
from refimpl.images.beit import BeitFeatureExtractor, BeitImageProcessor, BeitImageProcessorFast
from refimpl.images.bit import BitImageProcessor, BitImageProcessorFast
from refimpl.images.chinese_clip import (
    ChineseCLIPFeatureExtractor,
    ChineseCLIPImageProcessor,
    ChineseCLIPImageProcessorFast,
)
from refimpl.images.clip import CLIPFeatureExtractor, CLIPImageProcessor, CLIPImageProcessorFast
from refimpl.images.deit import DeiTFeatureExtractor, DeiTImageProcessor, DeiTImageProcessorFast
from refimpl.images.load import FORMATS, MAX_PIXELS, open_image
from refimpl.images.processor import ImageProcessor
from refimpl.images.siglip import SiglipImageProcessor, SiglipImageProcessorFast
from refimpl.images.vit import ViTFeatureExtractor, ViTImageProcessor, ViTImageProcessorFast

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "AutoImageProcessor",
    "BatchFeature",
    "BeitFeatureExtractor",
    "BeitImageProcessor",
    "BeitImageProcessorFast",
    "BitImageProcessor",
    "BitImageProcessorFast",
    "CLIPFeatureExtractor",
    "CLIPImageProcessor",
    "CLIPImageProcessorFast",
    "ChineseCLIPFeatureExtractor",
    "ChineseCLIPImageProcessor",
    "ChineseCLIPImageProcessorFast",
    "DeiTFeatureExtractor",
    "DeiTImageProcessor",
    "DeiTImageProcessorFast",
    "ImageProcessor",
    "SiglipImageProcessor",
    "SiglipImageProcessorFast",
    "ViTFeatureExtractor",
    "ViTImageProcessor",
    "ViTImageProcessorFast",
    "open_image",
]
