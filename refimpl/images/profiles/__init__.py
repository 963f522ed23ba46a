"""The ground truths by name: one recipe for each upstream that turns pictures into tensors.

Upstreams disagree about alpha, palettes, odd margins, resize kernels and last bits. A *profile*
says which of them a processor is equal to: `CLIPImageProcessor(profile="openai")`. Sizes, mean,
std and the like stay the family's or the file's. docs/preprocessing.md has the differences in one
table. Called by processor.py; read transformers_pillow.py first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

from refimpl.errors import InputError
from refimpl.images.profiles.big_vision import big_vision
from refimpl.images.profiles.steps import Options, Step
from refimpl.images.profiles.torchvision_on_pillow import torchvision_on_pillow
from refimpl.images.profiles.transformers_pillow import transformers_4_slow, transformers_5_pil
from refimpl.images.profiles.transformers_torchvision import transformers_5_torchvision

Recipe = Callable[[Image.Image | np.ndarray, Options, Step], np.ndarray]


@dataclass(frozen=True, slots=True)
class Profile:
    """One upstream's way from a picture to a tensor."""

    name: str
    upstream: str
    """Package or repository, version, file."""
    recipe: Recipe
    upright_files: bool = False
    """Whether a picture given as a path is turned upright by EXIF and made RGB as it is opened."""
    square: bool = False
    """Whether its upstream knows no shortest edge: one number is the side of a square."""
    resize_modes: bool = False
    """Whether its upstream has open_clip's `resize_mode`."""
    sets: Mapping[str, Any] = field(default_factory=dict)
    """Defaults of its own, which win over the family's and lose against a file's."""


_SQUARE = MappingProxyType({"do_center_crop": False})

_ALL = (
    Profile(
        "transformers-4-slow",
        "transformers 4.57.6, models/*/image_processing_*.py",
        transformers_4_slow,
        upright_files=True,
    ),
    Profile(
        "transformers-5-pil",
        "transformers 5.23.0, image_processing_backends.py, PilBackend",
        transformers_5_pil,
        upright_files=True,
    ),
    Profile(
        "transformers-5-torchvision",
        "transformers 5.23.0, image_processing_backends.py, TorchvisionBackend",
        transformers_5_torchvision,
        upright_files=True,
    ),
    Profile("openai", "openai/CLIP d05afc4, clip/clip.py, _transform", torchvision_on_pillow),
    Profile(
        "open_clip",
        "open_clip 3.3.0, transform.py, image_transform",
        torchvision_on_pillow,
        resize_modes=True,
    ),
    Profile(
        "cn_clip",
        "Chinese-CLIP (cn_clip 1.6.0), clip/utils.py, image_transform",
        torchvision_on_pillow,
        square=True,
        sets=_SQUARE,
    ),
    Profile(
        "big_vision",
        "google-research/big_vision 0127fb6, pp/ops_image.py, get_resize",
        big_vision,
        square=True,
        sets=_SQUARE,
    ),
)

PROFILES: Mapping[str, Profile] = MappingProxyType({each.name: each for each in _ALL})
"""All profiles by name."""


def profile_named(name: Any) -> Profile:
    """Find a profile.

    Raises:
        InputError: there is none of that name; the message lists them.

    >>> profile_named("openai").upstream
    'openai/CLIP d05afc4, clip/clip.py, _transform'
    """
    if not isinstance(name, str) or name not in PROFILES:
        raise InputError(f"profile must be one of {', '.join(PROFILES)}; got {name!r:.60}")
    return PROFILES[name]
