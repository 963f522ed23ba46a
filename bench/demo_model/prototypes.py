"""One visual vector a concept, without learning: gradients and colours of its drawings.

Class tables start from these, so that concepts that look alike start close together and a tower
has a smooth target from the first step; a random table of 1,562 classes learns far more slowly.
Used by train.py; uses pools.py.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

CELLS, BINS = 8, 8
COLOUR_SHARE = 0.6


def on_ground(rgba: Tensor) -> Tensor:
    """Composite uint8 drawings (B, H, W, 4) on white, as (B, 3, H, W) in 0..1."""
    layers = rgba.permute(0, 3, 1, 2).float() / 255
    return 1 + (layers[:, :3] - 1) * layers[:, 3:]


def descriptors(pictures: Tensor) -> Tensor:
    """Describe pictures (B, 3, H, W) by gradient histograms and coarse colours, unit rows."""
    across = F.pad(pictures[..., 2:] - pictures[..., :-2], (1, 1))
    down = F.pad(pictures[..., 2:, :] - pictures[..., :-2, :], (0, 0, 1, 1))
    size = (across**2 + down**2).sqrt().max(1, keepdim=True)
    across, down = across.gather(1, size.indices), down.gather(1, size.indices)
    place = (torch.atan2(down, across) / math.pi % 1) * BINS
    centres = torch.arange(BINS).view(1, -1, 1, 1)
    gap = (place - centres).abs()
    share = (1 - torch.minimum(gap, BINS - gap)).clamp(min=0) * size.values
    cells = F.adaptive_avg_pool2d(share, CELLS)
    cells = F.normalize(cells + 1e-3, dim=1) * cells.norm(dim=1, keepdim=True).sqrt()
    colours = F.adaptive_avg_pool2d(1 - pictures, CELLS)
    parts = [F.normalize(cells.flatten(1)), COLOUR_SHARE * F.normalize(colours.flatten(1))]
    return torch.cat(parts, 1)


def prototypes(rgba: Tensor, label: Tensor, width: int) -> Tensor:
    """Average drawings' descriptors by class and reduce them to unit rows (classes, width)."""
    rows = torch.cat([descriptors(on_ground(part)) for part in rgba.split(512)])
    total = torch.zeros(int(label.max()) + 1, rows.shape[1]).index_add_(0, label, rows)
    mean = total / label.bincount()[:, None]
    u, s, _ = torch.linalg.svd(mean - mean.mean(0), full_matrices=False)
    return F.normalize(u[:, :width] * s[:width].sqrt(), dim=-1)
