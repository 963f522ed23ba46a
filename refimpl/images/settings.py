"""What an image processor can be told: names, defaults, and the check of every value.

Called by clip.py before it does anything, so that a wrong option is one clear message and not a
crash in the middle of the arithmetic. Sizes are read in sizes.py.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from refimpl.errors import InputError
from refimpl.images.sizes import read_crop_size, read_size

CLIP_DEFAULTS: Mapping[str, Any] = {
    "do_resize": True,
    "size": {"shortest_edge": 224},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "do_convert_rgb": True,
}
"""CLIP's own values (openai/CLIP d05afc4, clip/clip.py); ImageNet's mean and std are others."""


def checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Check every setting and bring it to its canonical form; the input is not changed.

    Raises:
        InputError: an unknown name (the nearest known ones are in the message) or a wrong value.

    >>> checked({"size": 224, "do_resize": True})
    {'size': {'shortest_edge': 224}, 'do_resize': True}
    """
    unknown = sorted(set(settings) - set(_READERS))
    if unknown:
        raise InputError(f"unknown image option {unknown}; known are {sorted(_READERS)}")
    return {name: _READERS[name](value, name) for name, value in settings.items()}


def _switch(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{name} must be True or False; got {value!r}")
    return value


def _resample(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 5:
        raise InputError(
            f"{name} must be one of Pillow's numbers, 0 nearest, 1 Lanczos, 2 bilinear, "
            f"3 bicubic, 4 box, 5 Hamming; got {value!r}"
        )
    return int(value)


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"{name} must be a finite number; got {value!r}")
    return value


def _per_channel(value: Any, name: str) -> float | list[float]:
    if isinstance(value, (list, tuple)) and value:
        return [_number(one, name) for one in value]
    return _number(value, name)


def _std(value: Any, name: str) -> float | list[float]:
    std = _per_channel(value, name)
    if 0 in (std if isinstance(std, list) else [std]):
        raise InputError(f"{name} must not be 0, it divides; got {value!r}")
    return std


_READERS: Mapping[str, Callable[[Any, str], Any]] = {
    "do_resize": _switch,
    "size": read_size,
    "resample": _resample,
    "do_center_crop": _switch,
    "crop_size": read_crop_size,
    "do_rescale": _switch,
    "rescale_factor": _number,
    "do_normalize": _switch,
    "image_mean": _per_channel,
    "image_std": _std,
    "do_convert_rgb": _switch,
}
