"""`AutoImageProcessor`: the image processor that a checkpoint is made for.

Its file says which ("image_processor_type", or the old "feature_extractor_type"); where it does
not, config.json's kind of model does. The tables are all there is to it: no code of a checkpoint is
ever run, and `auto_map` is never followed.

Source: transformers 5.23.0, models/auto/image_processing_auto.py.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from refimpl.checkpoints.folder import CONFIG_NAME, read_config
from refimpl.checkpoints.hub import resolve
from refimpl.errors import InputError
from refimpl.images.beit import BeitImageProcessor, BeitImageProcessorFast
from refimpl.images.bit import BitImageProcessor, BitImageProcessorFast
from refimpl.images.chinese_clip import ChineseCLIPImageProcessor, ChineseCLIPImageProcessorFast
from refimpl.images.clip import CLIPImageProcessor, CLIPImageProcessorFast
from refimpl.images.config_files import find_settings
from refimpl.images.deit import DeiTImageProcessor, DeiTImageProcessorFast
from refimpl.images.processor import ImageProcessor
from refimpl.images.siglip import SiglipImageProcessor, SiglipImageProcessorFast
from refimpl.images.vit import ViTImageProcessor, ViTImageProcessorFast

CLASSES: tuple[type[ImageProcessor], ...] = (
    BeitImageProcessor,
    BitImageProcessor,
    CLIPImageProcessor,
    ChineseCLIPImageProcessor,
    DeiTImageProcessor,
    SiglipImageProcessor,
    ViTImageProcessor,
)
OF_MODEL: dict[str, type[ImageProcessor]] = {
    "beit": BeitImageProcessor,
    "chinese_clip": ChineseCLIPImageProcessor,
    "chinese_clip_vision_model": ChineseCLIPImageProcessor,
    "clip": CLIPImageProcessor,
    "clip_vision_model": CLIPImageProcessor,
    "deit": DeiTImageProcessor,
    "dinov2": BitImageProcessor,
    "siglip": SiglipImageProcessor,
    "siglip_vision_model": SiglipImageProcessor,
    "vit": ViTImageProcessor,
}
_FAST: tuple[type[ImageProcessor], ...] = (
    BeitImageProcessorFast,
    BitImageProcessorFast,
    CLIPImageProcessorFast,
    ChineseCLIPImageProcessorFast,
    DeiTImageProcessorFast,
    SiglipImageProcessorFast,
    ViTImageProcessorFast,
)
_OF_NAME = {
    **{name: kind for kind in CLASSES for name in (kind.__name__, *kind.other_names)},
    **{kind.__name__: kind for kind in _FAST},
}


class AutoImageProcessor:
    """Reads the image processor of a folder or a hub id, whatever its family.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = DeiTImageProcessor(size=64).save_pretrained(folder)
    ...     type(AutoImageProcessor.from_pretrained(folder)).__name__
    'DeiTImageProcessor'
    """

    def __init__(self) -> None:
        raise InputError("AutoImageProcessor: call AutoImageProcessor.from_pretrained(folder)")

    @classmethod
    def from_pretrained(
        cls,
        folder: str | os.PathLike[str],
        *,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
        use_fast: bool | None = None,
        trust_remote_code: bool | None = None,
        **overrides: Any,
    ) -> ImageProcessor:
        """Read an image processor; arguments as of `ImageProcessor.from_pretrained`.

        With `use_fast=True` the class is upstream's torchvision one (`...Fast`), with False it is
        not; None leaves it to the file. `trust_remote_code` changes nothing: no code of a
        checkpoint is ever run.

        Raises:
            InputError: as there; or the family is unknown, or nothing tells which it is.
        """
        where = resolve(
            folder,
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            token=token,
            weights=False,
        )
        settings, file = find_settings(where)
        kind = _class_for(settings, file)
        if use_fast is not None:
            kind = _OF_NAME[kind.__name__.removesuffix("Fast") + ("Fast" if use_fast else "")]
        return kind.from_pretrained(where, **overrides)


def named_class(settings: Mapping[str, Any]) -> type[ImageProcessor] | None:
    """Give the class that a file itself names; None where it names none, or none of ours."""
    named = settings.get("image_processor_type")
    named = settings.get("feature_extractor_type") if named is None else named
    return _OF_NAME.get(named) if isinstance(named, str) else None


def _class_for(settings: Mapping[str, Any], file: Path) -> type[ImageProcessor]:
    """Choose the class by the file's own word, else by the model beside it.

    Raises:
        InputError: the type or model is none of ours, or nothing tells.
    """
    if (kind := named_class(settings)) is not None:
        return kind
    for field in ("image_processor_type", "feature_extractor_type"):
        if settings.get(field) is not None:
            raise InputError(
                f"{file}: {field} {settings[field]!r} is not supported; there are "
                f"{', '.join(kind.__name__ for kind in CLASSES)}"
            )
    model = None
    if (file.parent / CONFIG_NAME).is_file():
        model = read_config(file.parent).get("model_type")
    if isinstance(model, str) and model in OF_MODEL:
        return OF_MODEL[model]
    raise InputError(
        f"{file}: names no image_processor_type, and the model_type beside it is {model!r}; "
        f"known are {', '.join(sorted(OF_MODEL))}"
    )
