"""The class-shaped face of the families: upstream's names, arguments and outputs, one file each.

Thin: each class checks its inputs (inputs.py), runs functions of graph/, and names the results
(outputs.py). base.py is what they share. Classes are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from refimpl.models.clip import (
        CLIPModel,
        CLIPTextModel,
        CLIPTextModelWithProjection,
        CLIPVisionModel,
        CLIPVisionModelWithProjection,
    )
    from refimpl.models.clip_classification import CLIPForImageClassification

_HOME = {
    "CLIPForImageClassification": "clip_classification",
    "CLIPModel": "clip",
    "CLIPTextModel": "clip",
    "CLIPTextModelWithProjection": "clip",
    "CLIPVisionModel": "clip",
    "CLIPVisionModelWithProjection": "clip",
}

__all__ = [
    "CLIPForImageClassification",
    "CLIPModel",
    "CLIPTextModel",
    "CLIPTextModelWithProjection",
    "CLIPVisionModel",
    "CLIPVisionModelWithProjection",
]


def __getattr__(name: str) -> Any:
    """Load a class from its file when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'refimpl.models' has no attribute {name!r}")
    value = getattr(import_module(f"refimpl.models.{_HOME[name]}"), name)
    globals()[name] = value
    return value
