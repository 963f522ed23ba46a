"""The class-shaped face of the families: upstream's names, arguments and outputs, one file each.

Thin: each class checks its inputs (inputs.py), runs functions of graph/, and names the results
(outputs.py). base.py is what they share. Classes are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from refimpl.models.beit import BeitModel
    from refimpl.models.bert import BertModel, RobertaModel
    from refimpl.models.chinese_clip import (
        ChineseCLIPModel,
        ChineseCLIPTextModel,
        ChineseCLIPVisionModel,
    )
    from refimpl.models.clip import (
        CLIPModel,
        CLIPTextModel,
        CLIPTextModelWithProjection,
        CLIPVisionModel,
        CLIPVisionModelWithProjection,
    )
    from refimpl.models.deit import DeiTModel
    from refimpl.models.dinov2 import Dinov2Model
    from refimpl.models.image_classification import (
        CLIPForImageClassification,
        SiglipForImageClassification,
    )
    from refimpl.models.siglip import SiglipModel, SiglipTextModel, SiglipVisionModel
    from refimpl.models.vision_text_dual_encoder import VisionTextDualEncoderModel
    from refimpl.models.vit import ViTModel

_HOME = {
    "BeitModel": "beit",
    "BertModel": "bert",
    "CLIPForImageClassification": "image_classification",
    "CLIPModel": "clip",
    "CLIPTextModel": "clip",
    "CLIPTextModelWithProjection": "clip",
    "CLIPVisionModel": "clip",
    "CLIPVisionModelWithProjection": "clip",
    "ChineseCLIPModel": "chinese_clip",
    "ChineseCLIPTextModel": "chinese_clip",
    "ChineseCLIPVisionModel": "chinese_clip",
    "DeiTModel": "deit",
    "Dinov2Model": "dinov2",
    "RobertaModel": "bert",
    "SiglipForImageClassification": "image_classification",
    "SiglipModel": "siglip",
    "SiglipTextModel": "siglip",
    "SiglipVisionModel": "siglip",
    "ViTModel": "vit",
    "VisionTextDualEncoderModel": "vision_text_dual_encoder",
}

__all__ = [
    "BeitModel",
    "BertModel",
    "CLIPForImageClassification",
    "CLIPModel",
    "CLIPTextModel",
    "CLIPTextModelWithProjection",
    "CLIPVisionModel",
    "CLIPVisionModelWithProjection",
    "ChineseCLIPModel",
    "ChineseCLIPTextModel",
    "ChineseCLIPVisionModel",
    "DeiTModel",
    "Dinov2Model",
    "RobertaModel",
    "SiglipForImageClassification",
    "SiglipModel",
    "SiglipTextModel",
    "SiglipVisionModel",
    "ViTModel",
    "VisionTextDualEncoderModel",
]


def __getattr__(name: str) -> Any:
    """Load a class from its file when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'refimpl.models' has no attribute {name!r}")
    value = getattr(import_module(f"refimpl.models.{_HOME[name]}"), name)
    globals()[name] = value
    return value
