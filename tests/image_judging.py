"""Compares our image processors with an upstream, over whole lists of cases at once.

`disagreements(profile, cases)` asks image_upstreams.py for all cases in one process, runs ours on
the same pictures, and gives a line for each case that is not as it should be; a test asserts that
there is none. Handed another profile than the upstream's it gives what tells the two apart.
"""

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import image_pictures
import image_upstreams
import numpy as np

import refimpl
from refimpl.errors import InputError

# What Transformers' classes are asked, in the words that both have for it.
SMALL = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
SQUARE = {"size": {"height": 32, "width": 30}}
KINDS = {"CLIP": SMALL, "ChineseCLIP": {**SMALL, **SQUARE}, "Siglip": SQUARE, "ViT": SQUARE}
OTHER_FORMATS = {"path/pillow/hopper_1bit.pbm", "path/pillow/la.tga"}
"""Files that upstream opens, of formats that are not opened here."""
NO_PICTURES = {"array/complex", "tensor/complex", "array/empty", "tensor/empty"}
"""What upstream may take and ours never does."""
OPTIONS = [
    {},
    {"size": 20},
    {"size": {"height": 20, "width": 31}},
    {"size": {"shortest_edge": 20, "longest_edge": 25}},
    {"crop_size": 45},
    {"crop_size": {"height": 44, "width": 29}},
    {"crop_size": {"height": 20, "width": 61}},
    *({"resample": resample} for resample in range(6)),
    {"do_resize": False},
    {"do_center_crop": False},
    {"do_rescale": False},
    {"do_normalize": False},
    {"do_convert_rgb": False},
    {"rescale_factor": 1 / 127.5},
    {"rescale_factor": 2.0},
    {"image_mean": 0.3, "image_std": 0.7},
    {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.6, 0.7]},
]
FEW = ("mode/RGB", "mode/RGBA", "mode/P", "mode/L", "size/RGB 33x50", "array/uint8 HWC")
BY_DEFAULT = (
    *("file/skimage/rocket.jpg", "size/RGB 640x427", "size/RGB 427x640", "size/RGB 227x224"),
    *("file/pillow/transparent.png", "file/pillow/pil123p.png", "file/pillow/hopper_gray.jpg"),
)
"""Pictures that are tried with no option at all, so to 224 pixels."""


@dataclass(frozen=True)
class Case:
    """One picture, and the same options in our words (`ours`) and in upstream's (`theirs`)."""

    picture: str
    ours: Mapping[str, Any] = field(default_factory=dict)
    theirs: Mapping[str, Any] | None = None
    """None: upstream has the very same options."""
    kind: str = "CLIP"
    called: Mapping[str, Any] = field(default_factory=dict)
    """Options of the call, the same in both."""
    until: str | None = None

    def job(self) -> dict[str, Any]:
        made = self.ours if self.theirs is None else self.theirs
        job = {"picture": self.picture, "kind": self.kind, "made": dict(made)}
        return {**job, "called": dict(self.called), "until": self.until}

    def __str__(self) -> str:
        options = {**self.ours, **self.called}
        return f"{self.picture}: {self.kind} {options} {self.until or ''}"


def ours(case: Case, profile: str, **options: Any) -> np.ndarray | str:
    """Give our pixel values of a case, or the words of our refusal."""
    processor = getattr(refimpl, f"{case.kind}ImageProcessor")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a second rescale, as upstream warns
        try:
            made = processor(profile=profile, **{**case.ours, **options})
            values = made(image_pictures.make(case.picture), **case.called).pixel_values
        except InputError as error:
            return str(error)
    return np.stack(values) if len(values) > 1 else values[0]


def disagreements(
    upstream: str,
    cases: Sequence[Case],
    *,
    profile: str | None = None,
    stricter: Collection[str] = (),
    lenient: Collection[str] = (),
    tolerance: Mapping[str, float] | None = None,
    **options: Any,
) -> dict[str, str]:
    """Give what differs, by case.

    Args:
        upstream: whose answers are right.
        cases: what to run.
        profile: whose recipe ours follows; the upstream's where None.
        stricter: pictures that upstream takes and ours must refuse.
        lenient: pictures that upstream refuses and ours must take.
        tolerance: the largest difference by picture, 0 for all others.
        **options: more options, for ours alone (`engine`).
    """
    wanted = image_upstreams.answers(upstream, [case.job() for case in cases])
    found = {}
    for case, want in zip(cases, wanted, strict=True):
        got = ours(case, profile or upstream, **options)
        words = _difference(
            got,
            want,
            case.picture in stricter,
            case.picture in lenient,
            (tolerance or {}).get(case.picture, 0.0),
        )
        if words:
            found[str(case)] = words
    return found


def _difference(
    got: np.ndarray | str, want: np.ndarray | str, stricter: bool, lenient: bool, tolerance: float
) -> str:
    if isinstance(want, str):
        if isinstance(got, str):
            return f"both refuse, so it is not lenient: {got}" if lenient else ""
        return "" if lenient else f"upstream refuses it: {want}"
    if isinstance(got, str):
        return "" if stricter else f"only ours refuses it: {got}"
    if stricter or lenient:
        return "upstream and ours both take it"
    if got.shape != want.shape or got.dtype != want.dtype:
        return f"{got.dtype} {got.shape}, and upstream has {want.dtype} {want.shape}"
    if np.array_equal(got, want):
        return ""
    distance = np.abs(got.astype(np.float64) - want.astype(np.float64)).max()
    return "" if distance <= tolerance else f"off by up to {distance:.3g}"


def pictures_of(found: Mapping[str, str]) -> set[str]:
    """Give the pictures among the disagreements."""
    return {case.partition(": ")[0] for case in found}
