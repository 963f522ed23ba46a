"""Batches: the training drawings as endless random views, the test drawings as clean pictures.

Uses render.py and augment.py; used by train.py and evaluate.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .augment import random_views
from .concepts import Concept, read_concepts, withheld_indices
from .render import load_vendor, pictures_of
from .sources import VENDORS, Vendor
from .towers import SIDE

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
RENDERED = 256  # pixels of the pictures that evaluation resizes, as a user's file would be
WEIGHTS = {"noto": 1.3, "noto-v1": 1.3, "emojione": 1.6, "fluent-line": 0.3}  # others 1
SYMBOLS = 8  # emojibase group number
SIDED = ("left", "right", "clock", "arrow", "keycap", "button")


@dataclass(frozen=True, slots=True)
class Batch:
    """Views (B, 3, S, S) normalised, concept numbers and trained-class numbers (B,)."""

    pixels: Tensor
    concept: Tensor
    label: Tensor


@dataclass(frozen=True, slots=True)
class Pool:
    """All training drawings of the concepts that are not withheld."""

    rgba: Tensor
    concept: Tensor
    label: Tensor
    weight: Tensor
    may_flip: Tensor


def trained_concepts(count: int) -> list[int]:
    """List the concepts that are trained on; their positions are the class numbers."""
    return sorted(set(range(count)) - set(withheld_indices(count)))


def mirrored_is_same(concept: Concept) -> bool:
    """Say whether a mirrored drawing still has the same name."""
    return concept.group != SYMBOLS and not any(w in concept.names[0] for w in SIDED)


def load_pool(work: Path) -> Pool:
    """Load every training vendor's drawings."""
    concepts = read_concepts(work)
    classes = {c: n for n, c in enumerate(trained_concepts(len(concepts)))}
    rgba, index, weight = [], [], []
    for vendor in (v for v in VENDORS if v.role == "train"):
        pixels, found = load_vendor(work, vendor, concepts)
        keep = np.isin(found, list(classes))
        rgba.append(pixels[keep])
        index.append(found[keep])
        weight.append(np.full(int(keep.sum()), WEIGHTS.get(vendor.key, 1.0)))
    concept = np.concatenate(index)
    flip = np.array([mirrored_is_same(c) for c in concepts])
    return Pool(
        rgba=torch.from_numpy(np.concatenate(rgba)),
        concept=torch.from_numpy(concept),
        label=torch.tensor([classes[int(c)] for c in concept]),
        weight=torch.from_numpy(np.concatenate(weight)),
        may_flip=torch.from_numpy(flip[concept]),
    )


def normalised(pixels: Tensor) -> Tensor:
    """Give pixels in 0..1 the mean and spread that the processor file names."""
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    return (pixels - mean) / std


def view_batches(pool: Pool, size: int, seed: int) -> Iterator[Batch]:
    """Yield random batches for ever."""
    rng = torch.Generator().manual_seed(seed)
    while True:
        rows = torch.multinomial(pool.weight, size, generator=rng)
        views = random_views(pool.rgba[rows], SIDE, pool.may_flip[rows], rng)
        yield Batch(normalised(views), pool.concept[rows], pool.label[rows])


def clean_pictures(
    work: Path, vendor: Vendor, concepts: list[Concept]
) -> tuple[Tensor, np.ndarray[Any, np.dtype[np.int64]]]:
    """Return one vendor's pictures on white, resized as the processor does, and their concepts."""
    cache = work / "cache" / f"{vendor.key}-clean-{SIDE}.npz"
    if not cache.exists():
        found = pictures_of(work, vendor, concepts, RENDERED)
        rows = [
            np.asarray(on_white(p).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
            for p in found.values()
        ]
        np.savez(cache, pixels=np.stack(rows), index=np.array(list(found), np.int64))
    with np.load(cache) as data:
        pixels = torch.from_numpy(data["pixels"]).permute(0, 3, 1, 2).float() / 255
        return normalised(pixels), data["index"]


def on_white(picture: Image.Image) -> Image.Image:
    """Composite an RGBA picture on white."""
    ground = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(ground, picture).convert("RGB")


def in_background(task: Any, *arguments: Any) -> Iterator[Any]:
    """Run a generator function in a second process and yield what it yields, in order."""
    context = get_context("spawn")
    queue: Queue[Any] = context.Queue(maxsize=6)
    process = context.Process(target=_feed, args=(queue, task, arguments), daemon=True)
    process.start()
    while True:
        yield [torch.from_numpy(array) for array in queue.get()]


def _feed(queue: "Queue[Any]", task: Any, arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    for tensors in task(*arguments):
        queue.put([tensor.numpy() for tensor in tensors])
