"""Watch one picture on its way to a tensor: each step, what came out, and the numbers that made it.

The recipes in profiles/ tell of every step; here is who listens. Nothing is computed a second
time: the pictures are those of the processor itself. Next: explain_compare.py (two profiles step
by step) and explain_files.py (pictures and raw values on disk). Used by cli/preprocess.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from refimpl.images.filters import NEAREST, facts
from refimpl.images.load import MAX_PIXELS
from refimpl.images.one_picture import in_memory, preprocess
from refimpl.images.processor import ImageProcessor
from refimpl.images.profiles import PROFILES
from refimpl.images.profiles.steps import Options, Picture, image_to_array
from refimpl.shapes import Array, Shaped

_ORIENTATION = 0x0112  # the EXIF tag


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedStep:
    """One step: its name, the picture after it, and the numbers that went into it.

    The names: "decoded" (as it came), "upright" (a file turned by EXIF and made RGB, where the
    profile does so), "rgb", "resized", "cropped", "rescaled", "normalized"; "final" where the
    tensor is none of these. The order is the profile's, and a step that is off is not there.
    """

    name: str
    picture: Image.Image | np.ndarray
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """What made it; "to_levels" says how to see it: levels = value * times + plus, per channel."""

    @property
    def values(self) -> Shaped[Array, "..."]:
        """The raw values, (C, height, width); of an array that was handed in, as it came."""
        return (
            image_to_array(self.picture) if isinstance(self.picture, Image.Image) else self.picture
        )

    def summary(self) -> dict[str, Any]:
        """Give name, mode, shape, dtype, smallest, largest and mean value, and the numbers."""
        values = self.values
        return {
            "name": self.name,
            "mode": self.picture.mode if isinstance(self.picture, Image.Image) else None,
            "shape": list(values.shape),
            "dtype": str(values.dtype),
            "min": values.min().item(),
            "max": values.max().item(),
            "mean": float(values.mean(dtype=np.float64)),
            "numbers": dict(self.numbers),
        }


def explain_image(
    processor: ImageProcessor,
    image: Any,
    *,
    input_data_format: Any = None,
    max_pixels: Any = MAX_PIXELS,
    **options: Any,
) -> list[ExplainedStep]:
    """Take one picture through a processor and give every step; the last holds the tensor.

    Args:
        processor: whose numbers; its `profile` has the recipe.
        image: one picture, as the processor takes it: a path, a Pillow image, an array, a tensor.
        input_data_format: as in the processor's call.
        max_pixels: as in the processor's call.
        **options: as in the processor's call.

    Returns:
        The steps in order. The last one's picture is `processor(image)["pixel_values"][0]`.

    Trap:   a path and the Pillow picture opened from it may differ: the profiles of Transformers
            turn a path upright and drop its alpha first.

    Raises:
        InputError: where the processor itself raises one.

    >>> from refimpl.images.clip import CLIPImageProcessor
    >>> picture = Image.new("RGB", (640, 427))
    >>> [step.name for step in explain_image(CLIPImageProcessor(profile="openai"), picture)]
    ['decoded', 'resized', 'cropped', 'rgb', 'rescaled', 'normalized']
    """
    settings = processor._of_call(options, input_data_format, max_pixels)
    profile = PROFILES[processor.profile]
    watch = _Watch(settings)
    picture = in_memory("image", image, profile, max_pixels, watch)
    values = preprocess("image", picture, profile, settings, watch)
    if values is not watch.steps[-1].picture:
        watch("final", values)
    return watch.steps


class _Watch:
    """Listens to a recipe and keeps what it hears."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.steps: list[ExplainedStep] = []

    def __call__(self, name: str, picture: Picture, /, **numbers: Any) -> Picture:
        before = self.steps[-1].picture if self.steps else None
        made = _plain(_numbers(name, before, picture, numbers, self.options))
        if isinstance(picture, np.ndarray) and picture.dtype.kind == "f":
            made["to_levels"] = self._to_levels(name, picture)
        self.steps.append(ExplainedStep(name, picture, made))
        return picture

    def _to_levels(self, name: str, picture: np.ndarray) -> dict[str, list[float]]:
        """Say how float values become levels of 0..255 again: value * times + plus."""
        first = self.steps[0].picture if self.steps else picture
        unit = isinstance(first, np.ndarray) and _within_unit(first)
        times = 255.0 if unit else 1.0
        done = {step.name for step in self.steps} | {name}
        normalized = "normalized" in done
        if self.options["do_rescale"] and (normalized or "rescaled" in done):
            times /= self.options["rescale_factor"] or 1.0
        if not normalized:
            return {"times": [times], "plus": [0.0]}
        mean, std = (
            np.atleast_1d(self.options[key]).astype(np.float64) * times
            for key in ("image_mean", "image_std")
        )
        return {"times": std.tolist(), "plus": mean.tolist()}


def _within_unit(pixels: np.ndarray) -> bool:
    return bool(pixels.dtype.kind == "f" and 0 <= pixels.min() <= pixels.max() <= 1)


def _numbers(
    name: str, before: Any, picture: Any, given: Mapping[str, Any], options: Options
) -> dict[str, Any]:
    """Add to the numbers of a recipe what follows from the pictures before and after."""
    if name == "decoded":
        return _origin(picture, options)
    if name == "upright":
        return {"orientation": _orientation(before), "from_mode": before.mode}
    if name == "rgb":
        return {"from_mode": before.mode} if isinstance(before, Image.Image) else {}
    if name == "resized":
        return _resize_numbers(before, picture, given, options)
    if name == "cropped":
        top, left = given["offsets"]
        return {"top": top, "left": left, "new": _size(picture)}
    return dict(given)


def _origin(picture: Any, options: Options) -> dict[str, Any]:
    """Say what came in: which kind of file, how it lies, whether anything is transparent."""
    if not isinstance(picture, Image.Image):
        return {"input_data_format": options["input_data_format"]}
    alpha = "A" in picture.getbands() or picture.info.get("transparency") is not None
    return {
        "format": picture.format,
        "orientation": _orientation(picture),
        "transparency": alpha,
    }


def _orientation(image: Image.Image) -> int:
    """Give the EXIF tag that says how a picture lies; 1, upright, where it is missing or broken."""
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # broken EXIF fails in any way
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _resize_numbers(
    before: Any, picture: Any, given: Mapping[str, Any], options: Options
) -> dict[str, Any]:
    """Give sizes, and for each axis the kernel, old / new, its reach in pixels, and its most taps.

    Pillow resizes modes 1 and P by nearest, and weighs LA and RGBA by their alpha.
    """
    old, new = list(given["old"]), _size(picture)
    antialias = given.get("antialias", True)
    on_pillow = isinstance(picture, Image.Image)
    mode = before.mode if on_pillow and isinstance(before, Image.Image) else None
    resample = NEAREST if mode in ("1", "P") else options["resample"]
    axes = [_axis(*sizes, resample, antialias) for sizes in zip(old, new, strict=True)]
    weighed = mode in ("LA", "RGBA") and resample != NEAREST
    return {
        "old": old,
        "new": new,
        "rows": axes[0],
        "columns": axes[1],
        "antialias": antialias,
        "weighed_by_alpha": weighed,
    }


def _axis(old: int, new: int, resample: int, antialias: bool) -> dict[str, Any]:
    if old == new:
        return {"kernel": "none, the size stays", "scale": 1.0, "support": 0.0, "taps": 1}
    if not antialias:  # big_vision: always bilinear, and always between two neighbours
        return {"kernel": "bilinear", "scale": old / new, "support": 1.0, "taps": 2}
    kernel, scale, support, taps = facts(old, new, resample)
    return {"kernel": kernel, "scale": scale, "support": support, "taps": taps}


def _size(picture: Any) -> list[int]:
    """Give [height, width]; an array after the first step has its channels first."""
    if isinstance(picture, Image.Image):
        return [picture.height, picture.width]
    return list(picture.shape[1:])


def _plain(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Make lists of tuples, as JSON has them."""
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in numbers.items()
    }
