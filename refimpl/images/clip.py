"""CLIP's image processor: convert to RGB, resize, centre crop, rescale, normalize.

The class-shaped face over transforms.py, with the surface of transformers 4 and the numbers of
transformers 5.23.0's Pillow path. The options are in settings.py, opening is in load.py.
"""

import os
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from refimpl.errors import InputError
from refimpl.images import transforms
from refimpl.images.batch import BatchFeature, stack
from refimpl.images.config_files import find_settings, write_settings
from refimpl.images.load import MAX_PIXELS, open_image
from refimpl.images.settings import CLIP_DEFAULTS, checked
from refimpl.images.sizes import resized
from refimpl.shapes import Array, Num, Shaped

_LAYOUTS = (None, "channels_first", "channels_last")
_WHERE_NONE = {
    name: False if name.startswith("do_") else value for name, value in CLIP_DEFAULTS.items()
}
_TYPES = ("CLIPImageProcessor", "CLIPFeatureExtractor", "CLIPImageProcessorFast")


class CLIPImageProcessor:
    """Pictures to `pixel_values`, float32 (B, 3, height, width), as CLIP was trained.

    Every argument can also be given per call. None, also null in a file, is off for a switch
    (do_...) and the default for the rest, as upstream; per call it leaves what the processor has.
    (Typed Any, as a JSON file may hold anything: each is checked, in settings.py.)

    Args:
        do_resize: whether to resize.
        size: {"shortest_edge": int}, {"height", "width"}, ...: see sizes.py. Default 224 short.
        resample: Pillow's number of the filter; default 3, bicubic.
        do_center_crop: whether to cut out the middle.
        crop_size: {"height", "width"} or an int for a square; default 224x224.
        do_rescale: whether to multiply by `rescale_factor`.
        rescale_factor: default 1/255.
        do_normalize: whether to subtract `image_mean` and divide by `image_std`.
        image_mean: one number or one a channel; default CLIP's own.
        image_std: likewise.
        do_convert_rgb: whether to convert to RGB first; alpha lands on white (transforms.py).
        **extra: fields of other processors, kept in `extra` and written back by `to_dict`.

    Raises:
        InputError: a value that cannot be.

    >>> processor = CLIPImageProcessor()
    >>> processor(Image.new("L", (640, 427)), return_tensors="np").pixel_values.shape
    (1, 3, 224, 224)
    """

    model_input_names: ClassVar[list[str]] = ["pixel_values"]

    def __init__(
        self,
        do_resize: Any = True,
        size: Any = None,
        resample: Any = None,
        do_center_crop: Any = True,
        crop_size: Any = None,
        do_rescale: Any = True,
        rescale_factor: Any = None,
        do_normalize: Any = True,
        image_mean: Any = None,
        image_std: Any = None,
        do_convert_rgb: Any = True,
        **extra: Any,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in CLIP_DEFAULTS}
        found = checked(_filled(_WHERE_NONE, given))
        self.do_resize: bool = found["do_resize"]
        self.size: dict[str, int] = found["size"]
        self.resample: int = found["resample"]
        self.do_center_crop: bool = found["do_center_crop"]
        self.crop_size: dict[str, int] = found["crop_size"]
        self.do_rescale: bool = found["do_rescale"]
        self.rescale_factor: float = found["rescale_factor"]
        self.do_normalize: bool = found["do_normalize"]
        self.image_mean: float | list[float] = found["image_mean"]
        self.image_std: float | list[float] = found["image_std"]
        self.do_convert_rgb: bool = found["do_convert_rgb"]
        self.extra = extra

    def __call__(
        self,
        images: Any,
        return_tensors: Any = None,
        data_format: Any = None,
        input_data_format: Any = None,
        max_pixels: int = MAX_PIXELS,
        **options: Any,
    ) -> BatchFeature:
        """Turn one picture or many into pixel values.

        Args:
            images: what `open_image` takes, a 4-D array or tensor of pictures, or a list (of
                lists) of these.
            return_tensors: None for a list of arrays, "np" for one array, "pt" for a torch tensor.
            data_format: "channels_first" (also None) or "channels_last", of the result.
                (transformers 5 ignores it.)
            input_data_format: the same, of arrays and tensors that come in; None finds out.
            max_pixels: the most pixels of a file, and of a picture once it is resized.
            **options: any argument of the constructor, for this call; None leaves it.

        Returns:
            "pixel_values": float32 (B, 3, height, width). With rescale and normalize both off,
            the type of the step before: uint8 after a resize.

        Raises:
            InputError: a bad picture (named), or an unknown or wrong option.
        """
        settings = checked(_filled(self._settings(), options))
        for name, value in (("data_format", data_format), ("input_data_format", input_data_format)):
            if _plain(value) not in _LAYOUTS:
                raise InputError(f"{name} must be one of {_LAYOUTS}; got {value!r}")
        out = []
        for name, source in _flat(images):
            picture = _in_memory(name, source, max_pixels)
            try:
                pixels = _channels_first(picture, settings, _plain(input_data_format))
                values = _preprocess(pixels, settings, max_pixels)
            except InputError as error:
                raise InputError(f"{name}: {error}") from error
            out.append(np.moveaxis(values, 0, -1) if _plain(data_format) == _LAYOUTS[2] else values)
        return BatchFeature(pixel_values=stack(out, return_tensors))

    preprocess = __call__

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in CLIP_DEFAULTS}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any], **overrides: Any) -> "CLIPImageProcessor":
        """Make a processor from the fields of a configuration; `overrides` win.

        Raises:
            InputError: a wrong value, or the configuration of another family's processor.

        >>> CLIPImageProcessor.from_dict({"size": 336, "crop_size": 336}).size
        {'shortest_edge': 336}
        """
        fields = {**settings, **overrides}
        kind = fields.pop("image_processor_type", None)
        kind = fields.pop("feature_extractor_type", None) if kind is None else kind
        fields.pop("feature_extractor_type", None)
        if kind not in (None, *_TYPES):
            raise InputError(
                f"this configuration is for {kind!r}, not for {cls.__name__}; to use its numbers "
                'all the same, remove "image_processor_type"'
            )
        return cls(**{str(name): value for name, value in fields.items()})

    def to_dict(self) -> dict[str, Any]:
        """Give all fields, the unknown ones included, as transformers 4 writes them."""
        return {**self.extra, **self._settings(), "image_processor_type": "CLIPImageProcessor"}

    @classmethod
    def from_pretrained(
        cls, folder: str | os.PathLike[str], **overrides: Any
    ) -> "CLIPImageProcessor":
        """Read the processor of a checkpoint folder, in the layout of transformers 4 or 5.

        Args:
            folder: with preprocessor_config.json, or a processor_config.json that holds an
                "image_processor"; or one such file. Old files with "feature_extractor_type" and
                integer sizes are read too.
            **overrides: arguments of the constructor that win over the file.

        Raises:
            InputError: no such folder or file, broken JSON, or a wrong value; names the file.
        """
        checked({name: value for name, value in overrides.items() if value is not None})
        settings, file = find_settings(folder)
        try:
            return cls.from_dict(settings, **overrides)
        except InputError as error:
            raise InputError(f"{file}: {error}") from error

    def save_pretrained(self, folder: str | os.PathLike[str]) -> list[str]:
        """Write preprocessor_config.json (the layout of transformers 4); give the paths written.

        Where a processor_config.json of transformers 5 with an image part stands there already,
        that part is replaced too: it would win over the new file.

        Raises:
            InputError: the folder cannot be made or written, or a field is wrong.
        """
        checked(self._settings())
        return [str(path) for path in write_settings(folder, self.to_dict())]

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self._settings().items())
        return f"{type(self).__name__}({fields})"


CLIPFeatureExtractor = CLIPImageProcessor
"""The name that this class had in old checkpoints."""


def _filled(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {**defaults, **{name: value for name, value in given.items() if value is not None}}


def _plain(layout: Any) -> Any:
    return getattr(layout, "value", layout)  # transformers' enum, or the string


def _flat(images: Any, name: str = "images") -> Iterator[tuple[str, Any]]:
    """Give every single picture with the name it has in messages."""
    if isinstance(images, (list, tuple)):
        if not images:
            raise InputError(f"{name}: an empty list holds no picture")
        for index, one in enumerate(images):
            yield from _flat(one, f"{name}[{index}]")
    elif getattr(images, "ndim", 3) == 4:
        for index in range(len(images)):
            yield f"{name}[{index}]", images[index]
    else:
        yield name, images


def _in_memory(name: str, source: Any, max_pixels: int) -> Image.Image | np.ndarray:
    try:
        return open_image(source, max_pixels=max_pixels)
    except InputError as error:
        if isinstance(source, (str, os.PathLike)):
            raise  # it names the file
        raise InputError(f"{name}: {error}") from error


def _channels_first(
    picture: Image.Image | np.ndarray, settings: Mapping[str, Any], layout: str | None
) -> Shaped[Array, "C height width"]:
    """Give the picture as an array (C, height, width), in RGB where that is asked for."""
    if isinstance(picture, Image.Image):
        if settings["do_convert_rgb"]:
            picture = transforms.convert_to_rgb(picture)
        pixels = np.array(picture)
        return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    _check_array(picture)
    first = layout == "channels_first" if layout else transforms.channels_are_first(picture.shape)
    pixels = picture if first else np.moveaxis(picture, -1, 0)
    if len(pixels) > 4:
        raise InputError(f"{len(pixels)} channels in shape {picture.shape} by {layout}; at most 4")
    return transforms.array_to_rgb(pixels) if settings["do_convert_rgb"] else pixels


def _check_array(pixels: np.ndarray) -> None:
    if pixels.ndim != 3:
        raise InputError(
            f"an array of shape {pixels.shape}: one picture is (height, width, C) or "
            "(C, height, width); for grey add an axis of 1, as in x[..., None]"
        )
    if pixels.dtype.kind not in "buif":
        raise InputError(f"an array of {pixels.dtype} is no picture; use uint8 or a float type")
    if 0 in pixels.shape:
        raise InputError(f"an array of shape {pixels.shape} holds no pixels")
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise InputError("the array holds NaN or infinity")


def _preprocess(
    pixels: Shaped[Array, "C height width"], settings: Mapping[str, Any], max_pixels: int
) -> Num[Array, "C height2 width2"]:
    """Apply the steps that are switched on, in CLIP's order."""
    if (
        settings["do_rescale"]
        and pixels.dtype.kind == "f"
        and 0 <= pixels.min() <= pixels.max() <= 1
    ):
        warnings.warn(
            "a float picture within 0..1 is rescaled once more; if it is scaled already, pass "
            "do_rescale=False",
            UserWarning,
            stacklevel=3,
        )
    if settings["do_resize"]:
        height, width = resized(pixels.shape[1], pixels.shape[2], settings["size"])
        if not 0 < height * width <= max_pixels:
            raise InputError(
                f"{pixels.shape[2]}x{pixels.shape[1]} pixels become {width}x{height} by "
                f"size={settings['size']}, not within 1..max_pixels={max_pixels}"
            )
        pixels = transforms.resize(pixels, height, width, settings["resample"])
    if settings["do_center_crop"]:
        crop = settings["crop_size"]
        pixels = transforms.center_crop(pixels, crop["height"], crop["width"])
    if settings["do_rescale"]:
        pixels = transforms.rescale(pixels, settings["rescale_factor"])
    if settings["do_normalize"]:
        pixels = transforms.normalize(pixels, settings["image_mean"], settings["image_std"])
    return pixels
