"""What an image processor can be told: the names, and the check of every value.

Called by processor.py before it does anything, so that a wrong option is one clear message and not
a crash in the middle of the arithmetic. Sizes are read in sizes.py; defaults are the families'.
"""

import reprlib
from collections.abc import Callable, Mapping
from typing import Any

from refimpl.errors import InputError
from refimpl.images.sizes import read_crop_size, read_size

_LARGEST = 1e30
"""Numbers beyond it would leave the range of float32 on the way."""


def checked(settings: Mapping[str, Any], default_to_square: bool = False) -> dict[str, Any]:
    """Check every setting and bring it to its canonical form; the input is not changed.

    Args:
        settings: values by option; None says nothing and stays.
        default_to_square: whether an int as "size" is a square rather than the short edge.

    Raises:
        InputError: an unknown name (the known ones are in the message) or a wrong value.

    >>> checked({"size": 224, "do_resize": True})
    {'size': {'shortest_edge': 224}, 'do_resize': True}
    """
    unknown = sorted(set(settings) - set(OPTIONS))
    if unknown:
        raise InputError(f"unknown image option {unknown}; known are {sorted(OPTIONS)}")
    found = {}
    for name, value in settings.items():
        if name == "size" and default_to_square and _is_int(value):
            value = {"height": value, "width": value}
        found[name] = None if value is None else _READERS[name](value, name)
    return found


def check_complete(settings: Mapping[str, Any]) -> None:
    """Raise where a step is switched on that lacks its numbers.

    >>> check_complete({"do_center_crop": True, "crop_size": None})
    Traceback (most recent call last):
    refimpl.errors.InputError: do_center_crop=True needs crop_size, which is None
    """
    for switch, names in _NEEDS.items():
        for name in names:
            if settings.get(switch) and settings.get(name) is None:
                raise InputError(f"{switch}=True needs {name}, which is None")


def check_max_pixels(value: Any) -> None:
    """Raise where the most pixels allowed is no number of pixels.

    >>> check_max_pixels(None)
    Traceback (most recent call last):
    refimpl.errors.InputError: max_pixels must be an int above 0; got None
    """
    if not _is_int(value) or value < 1:
        raise InputError(f"max_pixels must be an int above 0; got {reprlib.repr(value)}")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _switch(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{name} must be True or False; got {reprlib.repr(value)}")
    return value


def _resample(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 5:
        raise InputError(
            f"{name} must be one of Pillow's numbers, 0 nearest, 1 Lanczos, 2 bilinear, "
            f"3 bicubic, 4 box, 5 Hamming; got {reprlib.repr(value)}"
        )
    return int(value)


def _number(value: Any, name: str) -> float:
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (plain and -_LARGEST < value < _LARGEST):  # NaN is not within it, either
        raise InputError(
            f"{name} must be a finite number within ±{_LARGEST:g}; got {reprlib.repr(value)}"
        )
    number: float = value
    return number


def _per_channel(value: Any, name: str) -> float | list[float]:
    if isinstance(value, (list, tuple)) and value:
        return [_number(one, name) for one in value]
    return _number(value, name)


def _std(value: Any, name: str) -> float | list[float]:
    std = _per_channel(value, name)
    if any(abs(one) < 1 / _LARGEST for one in (std if isinstance(std, list) else [std])):
        raise InputError(f"{name} must not be 0, it divides; got {reprlib.repr(value)}")
    return std


def _one_of(*names: str) -> Callable[[Any, str], str]:
    def read(value: Any, name: str) -> str:
        if not isinstance(value, str) or value not in names:
            raise InputError(f"{name} must be one of {names}; got {reprlib.repr(value)}")
        return value

    return read


def _level(value: Any, name: str) -> int:
    if not _is_int(value) or not 0 <= value <= 255:
        raise InputError(f"{name} must be an int within 0..255; got {reprlib.repr(value)}")
    return int(value)


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
    "do_reduce_labels": _switch,
    "resize_mode": _one_of("shortest", "longest", "squash"),
    "fill_color": _level,
    "engine": _one_of("pillow", "numpy"),
}

OPTIONS = tuple(_READERS)
"""All options by name. Every family takes all of them; its table says which it documents."""

_NEEDS = {
    "do_resize": ("size", "resample"),
    "do_center_crop": ("crop_size",),
    "do_rescale": ("rescale_factor",),
    "do_normalize": ("image_mean", "image_std"),
}
