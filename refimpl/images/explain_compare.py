"""Two profiles, one picture: at which step they part, and by how much.

Takes what explain.py has watched. Steps of the same name are compared, because the order may
differ: openai makes RGB of a picture last, Transformers first. Next: explain_files.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from refimpl.errors import InputError
from refimpl.images.explain import ExplainedStep
from refimpl.images.profiles.steps import image_to_array
from refimpl.images.transforms import drop_alpha
from refimpl.shapes import Array, Num, Shaped

COMPARED = ("decoded", "upright", "rgb", "resized", "cropped", "final")
"""The steps that are compared, in this order; "final" is the tensor, whatever it is called."""

_MOVES = frozenset({"resized", "cropped"})


@dataclass(frozen=True, slots=True, eq=False)
class StepDifference:
    """How one step of two profiles differs: first minus second, value by value."""

    name: str
    shapes: tuple[list[int], list[int]]
    differs: bool
    note: str = ""
    """Why the values were not compared; empty where they were."""
    share: float = 0.0
    """How many of the values differ, 0 to 1."""
    relative_l2: float | None = 0.0
    """|first - second| / |second|; None where the second is all zeros and the first is not."""
    largest: tuple[Mapping[str, Any], ...] = ()
    """The largest absolute differences: channel, row, column, first, second, difference."""
    values: np.ndarray | None = None
    """first - second, (C, height, width); None where the values were not compared."""

    def summary(self) -> dict[str, Any]:
        """Give everything but the array, for JSON."""
        return {
            "name": self.name,
            "shapes": [list(shape) for shape in self.shapes],
            "differs": self.differs,
            "note": self.note,
            "share": self.share,
            "relative_l2": self.relative_l2,
            "largest": [dict(each) for each in self.largest],
        }


def compare_steps(
    first: Sequence[ExplainedStep], second: Sequence[ExplainedStep], top: int = 5
) -> list[StepDifference]:
    """Compare the steps that two profiles share, and their tensors.

    Pictures of different modes are compared as RGB with alpha dropped. A profile that does not
    turn files upright is taken to keep them as decoded. Where the one profile has resized or cut
    before a step and the other has not, it is not compared, and `note` says so. A step comes after
    all that came before it in either profile, so that the first that differs is the cause.

    Args:
        first: what `explain_image` gave.
        second: the same of another profile, for the same picture.
        top: how many of the largest differences to list.

    Raises:
        InputError: there are no steps.

    >>> from refimpl.images.clip import CLIPImageProcessor
    >>> from refimpl.images.explain import explain_image
    >>> noise = Image.effect_noise((640, 427), 80)
    >>> names = "openai", "transformers-4-slow"
    >>> both = [explain_image(CLIPImageProcessor(profile=name), noise) for name in names]
    >>> first_difference(compare_steps(*both)).name
    'cropped'
    """
    if not first or not second:
        raise InputError("compare_steps: there are no steps to compare")
    ours, theirs = _by_name(first), _by_name(second)
    if ours["upright"] is ours["decoded"] and theirs["upright"] is theirs["decoded"]:
        del ours["upright"], theirs["upright"]  # neither profile does it
    shared = [name for name in COMPARED if name in ours and name in theirs]
    shared.sort(key=lambda name: max(_place(first, name), _place(second, name)))
    out = []
    for name in shared:
        moved = _moves_before(first, name) != _moves_before(second, name)
        out.append(_compared(name, ours[name], theirs[name], moved, top))
    return out


def first_difference(differences: Sequence[StepDifference]) -> StepDifference | None:
    """Give the first step that differs, or None.

    >>> first_difference([]) is None
    True
    """
    return next((each for each in differences if each.differs), None)


def _by_name(steps: Sequence[ExplainedStep]) -> dict[str, ExplainedStep]:
    found = {step.name: step for step in steps}
    return {"upright": steps[0], **found, "final": steps[-1]}


def _place(steps: Sequence[ExplainedStep], name: str) -> int:
    """Say which in order a step is; who does not turn files upright has done so from the start."""
    if name == "final":
        return len(steps)
    names = [step.name for step in steps]
    return names.index(name) if name in names else 0


def _moves_before(steps: Sequence[ExplainedStep], name: str) -> set[str]:
    """Say which steps that change the size came before this one."""
    return {step.name for step in steps[: _place(steps, name)]} & _MOVES - {name}


def _compared(
    name: str, ours: ExplainedStep, theirs: ExplainedStep, moved: bool, top: int
) -> StepDifference:
    a, b = _alike(ours, theirs)
    shapes = (list(a.shape), list(b.shape))
    if moved and name != "final":
        return StepDifference(
            name, shapes, False, "not compared: only one was resized or cut before"
        )
    if a.shape != b.shape:
        return StepDifference(name, shapes, True, f"another shape: {a.shape} and {b.shape}")
    if name != "final" and (a.dtype.kind == "f") != (b.dtype.kind == "f"):
        return StepDifference(name, shapes, False, f"not compared: {a.dtype} and {b.dtype}")
    values = _minus(a, b)
    length = float(np.linalg.norm(b.astype(np.float64).ravel()))
    error = float(np.linalg.norm(values.astype(np.float64).ravel()))
    return StepDifference(
        name,
        shapes,
        differs=bool(values.any()),
        share=float(np.count_nonzero(values) / values.size),
        relative_l2=error / length if length else (None if error else 0.0),
        largest=_largest(values, a, b, top),
        values=values,
    )


def _alike(
    ours: ExplainedStep, theirs: ExplainedStep
) -> tuple[Shaped[Array, "..."], Shaped[Array, "..."]]:
    """Give both steps' values; as RGB where the one or the other is of another mode."""
    modes = [x.picture.mode if isinstance(x.picture, Image.Image) else None for x in (ours, theirs)]
    a, b = ours.values, theirs.values
    same = modes[0] == modes[1] or (None in modes and len(a) == len(b))
    if ours.picture is theirs.picture or same:
        return a, b
    return _as_rgb(ours), _as_rgb(theirs)


def _as_rgb(step: ExplainedStep) -> Shaped[Array, "..."]:
    if isinstance(step.picture, Image.Image):
        return image_to_array(drop_alpha(step.picture))
    values = step.values
    return np.repeat(values, 3, axis=0) if len(values) == 1 else values[:3]


def _minus(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Subtract without wrapping around: bytes in int16, floats and the rest in float64."""
    small = {a.dtype, b.dtype} <= {np.dtype(np.uint8), np.dtype(np.bool_)}
    wide = np.int16 if small else np.float64
    return np.asarray(a.astype(wide) - b.astype(wide))


def _largest(
    values: Num[Array, "..."], a: np.ndarray, b: np.ndarray, top: int
) -> tuple[Mapping[str, Any], ...]:
    """Find the largest absolute values; of equal ones those that come first."""
    size = np.abs(values).ravel()
    count = min(top, int(np.count_nonzero(size)))
    if count < 1 or values.ndim != 3:
        return ()
    least = np.partition(size, size.size - count)[size.size - count]
    above, equal = np.flatnonzero(size > least), np.flatnonzero(size == least)
    places = [*above[np.argsort(-size[above].astype(np.float64), kind="stable")], *equal][:count]
    found = []
    for place in places:
        channel, row, column = (int(x) for x in np.unravel_index(int(place), values.shape))
        where = channel, row, column
        found.append(
            {
                **{"channel": channel, "row": row, "column": column},
                **{"first": a[where].item(), "second": b[where].item()},
                "difference": values[where].item(),
            }
        )
    return tuple(found)
