"""The steps of a picture on disk: each as a PNG to look at and as raw values, and all numbers.

Takes what explain.py and explain_compare.py give; cli/preprocess.py calls it. The raw values are
.npy files with their exact dtype. A PNG can hold few modes: what it cannot hold is shown as
levels of 0 to 255, and `steps.json` says how.
"""

import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL
from PIL import Image

from refimpl.errors import InputError
from refimpl.files import make_folder, open_for_replacing
from refimpl.images.explain import ExplainedStep
from refimpl.images.explain_compare import StepDifference, first_difference
from refimpl.images.processor import ImageProcessor
from refimpl.images.profiles import PROFILES
from refimpl.images.transforms import levels_to_image
from refimpl.shapes import Array, Num, Shaped, UInt8
from refimpl.strict_json import write_json
from refimpl.version import __version__

_IN_PNG = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


def describe(processor: ImageProcessor) -> dict[str, Any]:
    """Say whose numbers these are: the class, its profile, the upstream's version, the options.

    >>> from refimpl.images.clip import CLIPImageProcessor
    >>> describe(CLIPImageProcessor())["profile"]
    'transformers-4-slow'
    """
    return {
        "processor": type(processor).__name__,
        "profile": processor.profile,
        "upstream": PROFILES[processor.profile].upstream,
        "options": processor.to_dict(),
        "versions": {
            "refimpl": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "pillow": PIL.__version__,
        },
    }


def write_steps(
    folder: Path, steps: Sequence[ExplainedStep], facts: Mapping[str, Any]
) -> list[str]:
    """Write 01-decoded.png, 01-decoded.npy, ..., and steps.json; give the names written.

    `facts` (see `describe`) stand in steps.json beside the steps.

    Raises:
        InputError: the folder cannot be made or written.
    """
    make_folder(folder)
    listed, names = [], []
    for number, step in enumerate(steps, 1):
        stem = f"{number:02d}-{step.name}"
        image, shown = viewable(step)
        _write_png(folder / f"{stem}.png", image)
        _write_values(folder / f"{stem}.npy", step.values)
        files = [f"{stem}.png", f"{stem}.npy"]
        listed.append({**step.summary(), "shown": shown, "files": files})
        names += files
    write_json(folder / "steps.json", {**facts, "steps": listed})
    return [*names, "steps.json"]


def write_differences(
    folder: Path, differences: Sequence[StepDifference], facts: Mapping[str, Any]
) -> list[str]:
    """Write the differences of two profiles; give the names written.

    difference.png and differences.npy are those of the tensor, differences/<step>.png and .npy
    those of the steps before it, and differences.json has all numbers.

    Raises:
        InputError: the folder cannot be made or written.
    """
    make_folder(folder / "differences")
    names = []
    for each in differences:
        if each.values is None or each.values.ndim != 3:
            continue
        final = each.name == "final"
        picture = "difference.png" if final else f"differences/{each.name}.png"
        values = "differences.npy" if final else f"differences/{each.name}.npy"
        _write_png(folder / picture, difference_picture(each.values))
        _write_values(folder / values, each.values)
        names += [picture, values]
    first = first_difference(differences)
    listed = [each.summary() for each in differences]
    whole = {**facts, "first_difference": first.name if first else None, "differences": listed}
    write_json(folder / "differences.json", whole)
    return [*names, "differences.json"]


def viewable(step: ExplainedStep) -> tuple[Image.Image, str]:
    """Give a step as a picture that PNG can hold, and say in words how it is shown.

    >>> viewable(ExplainedStep("resized", np.zeros((3, 1, 2), np.uint8)))[1]
    'as it is'
    """
    picture = step.picture
    if not isinstance(picture, Image.Image):
        levels, shown = _levels(_channels_first(step), step.numbers)
        return levels_to_image(levels), shown
    if picture.mode in _IN_PNG:
        return picture, "as it is"
    if len(picture.getbands()) == 1:  # I, F, I;16B: PNG has no such numbers
        levels, shown = _levels(step.values, {})
        return levels_to_image(levels), f"mode {picture.mode}: {shown}"
    try:
        return picture.convert("RGB"), f"mode {picture.mode} as RGB"
    except (ValueError, OSError):  # LAB and the like, where Pillow has no way
        levels, shown = _levels(step.values[:3], {})
        return levels_to_image(levels), f"mode {picture.mode}: its bands as they are"


def _channels_first(step: ExplainedStep) -> Shaped[Array, "C height width"]:
    """Give the values channels first; those of an array that was handed in may be otherwise."""
    values = step.values
    if step.name != "decoded":
        return values
    layout, ends = step.numbers.get("input_data_format"), (values.shape[0], values.shape[-1])
    is_first = ends[0] in (1, 3) or (ends[0] == 4 and ends[1] not in (1, 3))
    first = layout == "channels_first" if layout else is_first
    return values if first else np.moveaxis(values, -1, 0)


def _levels(
    pixels: Shaped[Array, "C height width"], numbers: Mapping[str, Any]
) -> tuple[UInt8[Array, "C height width"], str]:
    """Give bytes to look at, and say how they were made."""
    if pixels.dtype == np.uint8:
        return pixels, "as it is"
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255), "true as 255"
    values = pixels.astype(np.float64)
    if "to_levels" in numbers:
        times, plus = (
            np.array(numbers["to_levels"][name]).reshape(-1, 1, 1) for name in ("times", "plus")
        )
        with np.errstate(over="ignore", invalid="ignore"):
            back = np.nan_to_num(values * times + plus)
        return np.clip(np.rint(back), 0, 255).astype(np.uint8), "scaled back to levels"
    low, high = values.min(), values.max()
    if low >= 0 and high <= 255:
        return np.rint(values).astype(np.uint8), "rounded to levels"
    stretched = (values - low) * (255 / (high - low or 1))
    return np.rint(stretched).astype(np.uint8), f"stretched from {low:g}..{high:g} to 0..255"


def difference_picture(values: Num[Array, "C height width"]) -> Image.Image:
    """Show differences: grey 128 is none, and the largest reaches 1 or 255. Alpha is left out.

    >>> difference_picture(np.array([[[0, -3, 1]]])).tobytes().hex()
    '8001aa'
    """
    colours = values[:3] if len(values) >= 3 else values[:1]
    most = float(np.abs(colours).max()) or 1.0
    levels = np.rint(128 + colours.astype(np.float64) / most * 127).astype(np.uint8)
    return levels_to_image(levels)


def _write_png(path: Path, image: Image.Image) -> None:
    """Write pixels and palette alone: no EXIF, which would make viewers turn the picture."""
    kept = image.info.get("transparency")
    plain = image.copy()
    plain.info = {} if kept is None else {"transparency": kept}

    def save(file: BinaryIO) -> None:
        try:
            plain.save(file, "PNG")
        except Exception:  # a transparency that is none fails in any way
            file.seek(0)
            file.truncate()
            plain.info = {}
            plain.save(file, "PNG")

    _write(path, save)


def _write_values(path: Path, values: np.ndarray) -> None:
    _write(path, lambda file: np.save(file, np.ascontiguousarray(values), allow_pickle=False))


def _write(path: Path, save: Callable[[BinaryIO], None]) -> None:
    with open_for_replacing(path) as file:
        try:
            save(file)
        except (ValueError, SystemError) as error:
            raise InputError(f"{path}: cannot be written: {error}") from error
