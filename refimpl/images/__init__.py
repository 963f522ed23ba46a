"""Files to pixels: everything between a picture and `pixel_values`.

Reading order: load.py (a file, safely, to a picture), profiles/ (one recipe for each upstream:
the steps in order), transforms.py (the steps), sizes.py (which size a picture is resized to),
filters.py and resize_like_pillow.py, resize_like_torch.py, resize_like_tensorflow.py (the resize
written out), one_picture.py and processor.py (the machine that all families share), and then the
families side by side, each a table: clip.py, siglip.py, chinese_clip.py, vit.py, deit.py, beit.py,
bit.py. explain.py shows every step.
auto.py chooses among them.
settings.py checks what a processor is told, config_files.py reads and writes its JSON, and
batch.py is the dictionary that comes out. explain.py, explain_compare.py and explain_files.py show
what happens on the way. web.py fetches a picture, for the pipeline alone.
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
from refimpl.images.explain import ExplainedStep, explain_image
from refimpl.images.explain_compare import StepDifference, compare_steps, first_difference
from refimpl.images.explain_files import write_differences, write_steps
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
    "ExplainedStep",
    "ImageProcessor",
    "SiglipImageProcessor",
    "SiglipImageProcessorFast",
    "StepDifference",
    "ViTFeatureExtractor",
    "ViTImageProcessor",
    "ViTImageProcessorFast",
    "compare_steps",
    "explain_image",
    "first_difference",
    "open_image",
    "write_differences",
    "write_steps",
]
