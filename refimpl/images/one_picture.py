"""What happens to one picture: opened as its profile opens it, then through the profile's recipe.

Called by processor.py for each picture of a call, and by explain.py, which watches the steps. The
recipes are in profiles/.
"""

import os
from typing import Any

import numpy as np
from PIL import Image

from refimpl.errors import InputError
from refimpl.images.any_source import upright_rgb
from refimpl.images.load import open_image
from refimpl.images.profiles import Profile
from refimpl.images.profiles.steps import Options, Step, unwatched
from refimpl.shapes import Array, Shaped


def in_memory(
    name: str, source: Any, profile: Profile, max_pixels: int, step: Step = unwatched
) -> Any:
    """Open a picture (load.py); where it is no file, `name` says in messages which one it was.

    Where the profile's upstream does so, a path is turned upright and made RGB (alpha dropped).
    The steps are "decoded" and "upright".

    Raises:
        InputError: see `open_image`.
    """
    is_path = isinstance(source, (str, os.PathLike))
    try:
        picture: Any = open_image(source, max_pixels=max_pixels)
    except InputError as error:
        if is_path:
            raise  # it names the file
        raise InputError(f"{name}: {error}") from error
    picture = step("decoded", picture)
    upright = is_path and profile.upright_files
    return step("upright", upright_rgb(picture)) if upright else picture


def preprocess(
    name: str,
    picture: Image.Image | np.ndarray,
    profile: Profile,
    options: Options,
    step: Step = unwatched,
) -> Shaped[Array, "C height width"]:
    """Take a picture through the profile's recipe; `name` is for messages.

    Raises:
        InputError: a size is nothing or too much, or a step refuses the picture.
    """
    if profile.square and "shortest_edge" in (size := options["size"] or {}):
        edge = size["shortest_edge"]
        options = {**options, "size": {"height": edge, "width": edge}}
    try:
        values = profile.recipe(picture, options, step)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    # With every step off the recipe gives a view of the caller's array: theirs must stay theirs.
    shared = isinstance(picture, np.ndarray) and np.may_share_memory(values, picture)
    return values.copy() if shared else values
