"""refimpl: the golden reference for dual-encoder image-text models, in numpy.

>>> from refimpl import CLIPConfig
>>> CLIPConfig().text_config.hidden_size
512

Names are loaded when they are first used, so that `import refimpl` costs next to nothing. Start
reading at graph/clip.py (the model), ops.py (the operations) and models/ (the classes).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from refimpl.configs import CLIPConfig, CLIPTextConfig, CLIPVisionConfig
    from refimpl.errors import InputError
    from refimpl.images.clip import CLIPFeatureExtractor, CLIPImageProcessor
    from refimpl.models import (
        CLIPForImageClassification,
        CLIPModel,
        CLIPTextModel,
        CLIPTextModelWithProjection,
        CLIPVisionModel,
        CLIPVisionModelWithProjection,
    )
    from refimpl.pipelines import pipeline
    from refimpl.processing import CLIPProcessor
    from tokenizers_py import (
        AutoTokenizer,
        BertTokenizer,
        BertTokenizerFast,
        CLIPTokenizer,
        CLIPTokenizerFast,
        RobertaTokenizer,
        RobertaTokenizerFast,
        SiglipTokenizer,
    )

__version__ = "0.1.0"

_HOME = {
    "AutoTokenizer": "tokenizers_py",
    "BertTokenizer": "tokenizers_py",
    "BertTokenizerFast": "tokenizers_py",
    "CLIPConfig": "refimpl.configs",
    "CLIPFeatureExtractor": "refimpl.images.clip",
    "CLIPForImageClassification": "refimpl.models",
    "CLIPImageProcessor": "refimpl.images.clip",
    "CLIPModel": "refimpl.models",
    "CLIPProcessor": "refimpl.processing",
    "CLIPTextConfig": "refimpl.configs",
    "CLIPTextModel": "refimpl.models",
    "CLIPTextModelWithProjection": "refimpl.models",
    "CLIPTokenizer": "tokenizers_py",
    "CLIPTokenizerFast": "tokenizers_py",
    "CLIPVisionConfig": "refimpl.configs",
    "CLIPVisionModel": "refimpl.models",
    "CLIPVisionModelWithProjection": "refimpl.models",
    "InputError": "refimpl.errors",
    "RobertaTokenizer": "tokenizers_py",
    "RobertaTokenizerFast": "tokenizers_py",
    "SiglipTokenizer": "tokenizers_py",
    "pipeline": "refimpl.pipelines",
}

__all__ = [
    "AutoTokenizer",
    "BertTokenizer",
    "BertTokenizerFast",
    "CLIPConfig",
    "CLIPFeatureExtractor",
    "CLIPForImageClassification",
    "CLIPImageProcessor",
    "CLIPModel",
    "CLIPProcessor",
    "CLIPTextConfig",
    "CLIPTextModel",
    "CLIPTextModelWithProjection",
    "CLIPTokenizer",
    "CLIPTokenizerFast",
    "CLIPVisionConfig",
    "CLIPVisionModel",
    "CLIPVisionModelWithProjection",
    "InputError",
    "RobertaTokenizer",
    "RobertaTokenizerFast",
    "SiglipTokenizer",
    "pipeline",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'refimpl' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
