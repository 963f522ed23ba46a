"""Measure the demo model: rank names for pictures, and pictures for names, vendor by vendor.

`development_line` is the short form watched while training. What the card shows is measured by
card.py on the written checkpoint, with the same `hits` and `among`.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .concepts import Concept, read_concepts
from .pools import clean_pictures, trained_concepts
from .sources import VENDORS
from .tokens import tokenize
from .towers import loaded

DEVELOP = next(v for v in VENDORS if v.role == "develop")


@lru_cache(maxsize=1)
def cached_concepts(work: Path) -> list[Concept]:
    """Read the concepts once."""
    return read_concepts(work)


@lru_cache(maxsize=2)
def name_ids(work: Path, folder: Path, language: int) -> Tensor:
    """Tokenize the plain names of all concepts once."""
    names = [c.names[language] for c in cached_concepts(work)]
    return torch.from_numpy(tokenize(folder, names))


@lru_cache(maxsize=1)
def development_set(work: Path) -> tuple[Tensor, Tensor, Tensor]:
    """Return the development pictures of trained concepts, their concepts and classes."""
    concepts = cached_concepts(work)
    pixels, index = clean_pictures(work, DEVELOP, concepts)
    classes = {c: n for n, c in enumerate(trained_concepts(len(concepts)))}
    keep = np.array([int(c) in classes for c in index])
    labels = torch.tensor([classes[int(c)] for c in index[keep]])
    return pixels[torch.from_numpy(keep)], torch.from_numpy(index[keep]), labels


def table_accuracy(work: Path, scores: Callable[[Tensor], Tensor]) -> str:
    """Describe how often class scores are right on the development pictures."""
    pixels, _, labels = development_set(work)
    found = torch.cat([scores(p) for p in pixels.split(256)])
    return f"table top-1 {hits(found, labels, 1):.1f} top-5 {hits(found, labels, 5):.1f}"


def hits(scores: Tensor, target: Tensor, count: int) -> float:
    """Return in per cent how often the target column is among the best `count` of its row."""
    own = scores.gather(1, target[:, None])
    return 100 * ((scores > own).sum(1) < count).float().mean().item()


def among(scores: Tensor, target: Tensor, count: int, seed: int = 0) -> float:
    """Return in per cent how often the target beats `count` - 1 random other columns."""
    rng = torch.Generator().manual_seed(seed)
    own = scores.gather(1, target[:, None])
    noise = torch.rand(scores.shape, generator=rng).scatter_(1, target[:, None], -1.0)
    others = scores.gather(1, noise.topk(count - 1, dim=1).indices)
    return 100 * (others < own).all(1).float().mean().item()


@torch.no_grad()
def development_line(
    work: Path, folder: Path, clip_weights: dict[str, Tensor], head_weights: dict[str, Tensor]
) -> str:
    """Describe averaged weights on the development pictures."""
    clip = loaded(clip_weights)
    pixels, concept, _ = development_set(work)
    images = torch.cat([clip.images(p) for p in pixels.split(256)])
    names = [clip.texts(name_ids(work, folder, language)) for language in (0, 1)]
    english, chinese = images @ names[0].T, images @ names[1].T
    table = F.normalize(head_weights["table"], dim=-1)
    return (
        f"{table_accuracy_of(images, table, work)} en {hits(english, concept, 1):.1f} "
        f"{hits(english, concept, 5):.1f} 20-way {among(english, concept, 20):.1f} "
        f"zh {hits(chinese, concept, 1):.1f} {hits(chinese, concept, 5):.1f} "
        f"scale {clip.logit_scale.exp().item():.1f}"
    )


def table_accuracy_of(images: Tensor, table: Tensor, work: Path) -> str:
    """Describe how often the class table is right for image rows."""
    return f"table {hits(images @ table.T, development_set(work)[2], 1):.1f}"
