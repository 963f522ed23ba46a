"""Configurations of the families: frozen dataclasses, one file per family.

Read in order: towers.py (what they share), clip.py; then the others, side by side.
"""

from refimpl.configs.beit import BeitConfig
from refimpl.configs.bert import BertConfig, RobertaConfig
from refimpl.configs.chinese_clip import (
    ChineseCLIPConfig,
    ChineseCLIPTextConfig,
    ChineseCLIPVisionConfig,
)
from refimpl.configs.clip import CLIPConfig, CLIPTextConfig, CLIPVisionConfig
from refimpl.configs.deit import DeiTConfig
from refimpl.configs.dinov2 import Dinov2Config
from refimpl.configs.siglip import SiglipConfig, SiglipTextConfig, SiglipVisionConfig
from refimpl.configs.vision_text_dual_encoder import VisionTextDualEncoderConfig
from refimpl.configs.vit import ViTConfig

__all__ = [
    "BeitConfig",
    "BertConfig",
    "CLIPConfig",
    "CLIPTextConfig",
    "CLIPVisionConfig",
    "ChineseCLIPConfig",
    "ChineseCLIPTextConfig",
    "ChineseCLIPVisionConfig",
    "DeiTConfig",
    "Dinov2Config",
    "RobertaConfig",
    "SiglipConfig",
    "SiglipTextConfig",
    "SiglipVisionConfig",
    "ViTConfig",
    "VisionTextDualEncoderConfig",
]
