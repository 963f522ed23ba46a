"""What each `model_type` stands for: the classes of a family by name, in one table.

Used by auto.py, and by models that hold towers of any family. The names are those of the package,
whose classes are loaded when they are used.

Source: transformers 4.57.6 and 5.23.0, models/auto/.
"""

from importlib import import_module
from typing import Any, NamedTuple

from refimpl.errors import InputError


class Family(NamedTuple):
    """The classes that one `model_type` stands for, by name; None where there is none."""

    config: str
    model: str
    zero_shot: str | None = None
    image_classification: str | None = None
    processor: str | None = None


FAMILIES = {
    "clip": Family(
        "CLIPConfig", "CLIPModel", "CLIPModel", "CLIPForImageClassification", "CLIPProcessor"
    ),
    "siglip": Family(
        "SiglipConfig",
        "SiglipModel",
        "SiglipModel",
        "SiglipForImageClassification",
        "SiglipProcessor",
    ),
    "chinese_clip": Family(
        "ChineseCLIPConfig",
        "ChineseCLIPModel",
        "ChineseCLIPModel",
        processor="ChineseCLIPProcessor",
    ),
    "vision-text-dual-encoder": Family(
        "VisionTextDualEncoderConfig",
        "VisionTextDualEncoderModel",
        "VisionTextDualEncoderModel",  # upstream's zero-shot class does not list it
        processor="VisionTextDualEncoderProcessor",
    ),
    "clip_text_model": Family("CLIPTextConfig", "CLIPTextModel"),
    "clip_vision_model": Family("CLIPVisionConfig", "CLIPVisionModel"),
    "siglip_text_model": Family("SiglipTextConfig", "SiglipTextModel"),
    "siglip_vision_model": Family("SiglipVisionConfig", "SiglipVisionModel"),
    "chinese_clip_text_model": Family("ChineseCLIPTextConfig", "ChineseCLIPTextModel"),
    "chinese_clip_vision_model": Family("ChineseCLIPVisionConfig", "ChineseCLIPVisionModel"),
    "vit": Family("ViTConfig", "ViTModel"),
    "deit": Family("DeiTConfig", "DeiTModel"),
    "beit": Family("BeitConfig", "BeitModel"),
    "dinov2": Family("Dinov2Config", "Dinov2Model"),
    "bert": Family("BertConfig", "BertModel"),
    "roberta": Family("RobertaConfig", "RobertaModel"),
}


def class_for(model_type: Any, kind: str, where: str) -> Any:
    """Load the class that a `model_type` stands for.

    Args:
        model_type: as config.json has it.
        kind: a field of `Family`, such as "config" or "model".
        where: what is being read, for the message.

    Raises:
        InputError: the type is unknown, or has no such class; the message lists those that do.

    >>> class_for("clip", "config", "here").__name__
    'CLIPConfig'
    """
    family = FAMILIES.get(model_type) if isinstance(model_type, str) else None
    name = getattr(family, kind, None)
    if name is None:
        known = ", ".join(sorted(each for each, row in FAMILIES.items() if getattr(row, kind)))
        said = "names no model_type" if model_type is None else f"is of model_type {model_type!r}"
        raise InputError(
            f"{where}: the config {said}; there is a {kind.replace('_', '-')} class for {known}"
        )
    return getattr(import_module("refimpl"), name)
