"""Sizes: what a processor may be told, and which height and width follow for one picture.

Called by settings.py (reading) and by the recipes in profiles/ (applying).
"""

import reprlib
from collections.abc import Mapping
from typing import Any

from refimpl.errors import InputError

_RESIZE_KEYS = (
    {"height", "width"},
    {"shortest_edge"},
    {"shortest_edge", "longest_edge"},
    {"max_height", "max_width"},
)


def read_size(value: Any, name: str = "size") -> dict[str, int]:
    """Bring a resize size to its dictionary form.

    An int is the shortest edge (where it is a square, settings.py has made it one); two ints are
    height and width; a dictionary has one of the key sets {height, width}, {shortest_edge},
    {shortest_edge, longest_edge}, {max_height, max_width}.

    Source: transformers 5.23.0, image_processing_utils.py, get_size_dict.
    Trap:   the same int means a square for `crop_size` (read_crop_size).

    Raises:
        InputError: anything else, or an edge that is not a positive int.

    >>> read_size(224), read_size((2, 3))
    ({'shortest_edge': 224}, {'height': 2, 'width': 3})
    """
    if _is_int(value):
        value = {"shortest_edge": value}
    return _checked(value, name, _RESIZE_KEYS)


def read_crop_size(value: Any, name: str = "crop_size") -> dict[str, int]:
    """Bring a crop size to {height, width}: an int is a square, two ints are height and width.

    Raises:
        InputError: anything else, or an edge that is not a positive int.

    >>> read_crop_size(224)
    {'height': 224, 'width': 224}
    """
    if _is_int(value):
        value = {"height": value, "width": value}
    return _checked(value, name, ({"height", "width"},))


def resized(height: int, width: int, size: Mapping[str, int]) -> tuple[int, int]:
    """Give the (height, width) that a picture is resized to.

    * {height, width}: exactly that; the aspect ratio is lost.
    * {shortest_edge: s}: the short edge becomes s, the long one int(s * long / short).
    * {shortest_edge, longest_edge}: as above, but where the long edge would pass longest_edge, the
      exact short edge r = longest_edge * short / long becomes round(r), the long one
      int(r * long / short).
    * {max_height, max_width}: both times the smaller of the two ratios, rounded down.

    Source: transformers 5.23.0, image_transforms.py and image_utils.py; openai/CLIP resizes with
            torchvision's Resize, which truncates too.
    Trap:   the long edge is truncated, not rounded: 640x427 gives 335, not 336. transformers 4
            ignores longest_edge in CLIP.

    >>> resized(427, 640, {"shortest_edge": 224})
    (224, 335)
    """
    if "height" in size:
        return size["height"], size["width"]
    if "max_height" in size:
        ratio = min(size["max_height"] / height, size["max_width"] / width)
        return int(height * ratio), int(width * ratio)
    short, long = min(height, width), max(height, width)
    new_short, new_long = _edges(short, long, size["shortest_edge"], size.get("longest_edge"))
    return (new_short, new_long) if height <= width else (new_long, new_short)


def check_pixels(edges: tuple[int, int], max_pixels: int, why: str) -> None:
    """Raise where a picture of (height, width) would have no pixels, or more than `max_pixels`.

    >>> check_pixels((0, 9), 100, "size={'height': 0, 'width': 9}")
    Traceback (most recent call last):
    refimpl.errors.InputError: size={'height': 0, 'width': 9} asks for 9x0 pixels, not within 1..max_pixels=100
    """
    if not 0 < edges[0] * edges[1] <= max_pixels:
        raise InputError(
            f"{why} asks for {edges[1]}x{edges[0]} pixels, not within 1..max_pixels={max_pixels}"
        )


def _edges(short: int, long: int, new_short: int, longest: int | None) -> tuple[int, int]:
    """Give the new short and long edge; the order of the float operations is upstream's."""
    if longest is None or long / short * new_short <= longest:
        return new_short, int(new_short * long / short)
    exact = longest * short / long
    if round(exact) == short:
        return short, long
    return round(exact), int(exact * long / short)


def _checked(value: Any, name: str, allowed: tuple[set[str], ...]) -> dict[str, int]:
    if isinstance(value, (list, tuple)) and len(value) == 2:
        value = {"height": value[0], "width": value[1]}
    if not isinstance(value, Mapping) or set(value) not in allowed:
        keys = " or ".join("{" + ", ".join(sorted(one)) + "}" for one in allowed)
        raise InputError(
            f"{name} must be an int, (height, width) or a dict of {keys}; got {reprlib.repr(value)}"
        )
    wrong = [edge for edge in value.values() if not _is_int(edge) or edge < 1]
    if wrong:
        raise InputError(f"{name} must hold positive ints; got {reprlib.repr(value)}")
    return {str(key): int(edge) for key, edge in value.items()}


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
