"""Random views of drawings, made for whole batches at once with torch on the CPU.

A drawing is moved, recoloured, sometimes turned into a line drawing or given an outline, and put
on a background that is white half of the time. The aim is that a tower cannot rely on the manner
of one vendor. Follows render.py; next: train.py.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

WHITE = 0.6  # share of views on a white background, as test pictures are


def uniform(rng: torch.Generator, count: int, low: float, high: float) -> Tensor:
    """Draw `count` numbers between low and high."""
    return torch.rand(count, generator=rng) * (high - low) + low


def chosen(rng: torch.Generator, count: int, share: float) -> Tensor:
    """Choose each of `count` rows with probability `share`; return the chosen row numbers."""
    return (torch.rand(count, generator=rng) < share).nonzero()[:, 0]


def moved(rgba: Tensor, side: int, may_flip: Tensor, rng: torch.Generator) -> Tensor:
    """Scale, turn, shear, shift and mirror premultiplied RGBA (B, 4, H, W) to side x side."""
    count = len(rgba)
    angle = uniform(rng, count, -1, 1).pow(3) * math.radians(22)
    size = torch.exp(uniform(rng, count, math.log(0.85), math.log(1.3)))
    aspect = torch.exp(uniform(rng, count, -0.1, 0.1))
    shear = uniform(rng, count, -0.08, 0.08)
    flip = torch.where(may_flip & (torch.rand(count, generator=rng) < 0.3), -1.0, 1.0)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2)
    lean = torch.eye(2).repeat(count, 1, 1)
    lean[:, 0, 1] = shear
    stretch = torch.diag_embed(torch.stack([size * aspect * flip, size / aspect], 1))
    room = (size - 0.9).clamp(min=0.06)[:, None]
    shift = torch.stack([uniform(rng, count, -1, 1), uniform(rng, count, -1, 1)], 1) * room
    matrix = torch.cat([stretch @ lean @ turn, shift[:, :, None]], 2)
    grid = F.affine_grid(matrix, [count, 4, side, side], align_corners=False)
    return F.grid_sample(rgba, grid, align_corners=False)


def recoloured(colour: Tensor, rng: torch.Generator) -> Tensor:
    """Change hue, saturation, contrast and brightness of straight colours (B, 3, H, W)."""
    count = len(colour)
    grey = torch.full((3, 3), 1 / 3)
    hue = uniform(rng, count, -1, 1).pow(3) * 0.6
    axis = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    turn = hue.cos().view(-1, 1, 1) * (torch.eye(3) - grey) + hue.sin().view(-1, 1, 1) * axis
    full = uniform(rng, count, 0.5, 1.5)
    full[chosen(rng, count, 0.05)] = 0
    mixing = (full.view(-1, 1, 1) * turn + grey) * uniform(rng, count, 0.8, 1.2).view(-1, 1, 1)
    bias = uniform(rng, count, -0.1, 0.12).view(-1, 1, 1)
    return torch.baddbmm(bias, mixing, colour.flatten(2)).view_as(colour).clamp_(0, 1)


def edges(picture: Tensor) -> Tensor:
    """Return the strength (B, 1, H, W) of brightness steps."""
    ring = F.max_pool2d(picture, 3, 1, 1) + F.max_pool2d(-picture, 3, 1, 1)
    return ring.amax(1, keepdim=True)


def redrawn(picture: Tensor, alpha: Tensor, rng: torch.Generator) -> None:
    """Give some pictures a dark outline or steps, and turn a few into line drawings, in place."""
    count = len(picture)
    rows = chosen(rng, count, 0.1)
    rim = F.max_pool2d(alpha[rows], 3, 1, 1) - alpha[rows]
    picture[rows] *= 1 - rim * uniform(rng, len(rows), 0.5, 1).view(-1, 1, 1, 1)
    rows = chosen(rng, count, 0.06)
    steps = torch.randint(2, 6, (len(rows), 1, 1, 1), generator=rng)
    picture[rows] = (picture[rows] * steps).round() / steps
    rows = chosen(rng, count, 0.06)
    ink = (edges(picture[rows]) * uniform(rng, len(rows), 1, 2.5).view(-1, 1, 1, 1)).clamp(0, 1)
    keep = uniform(rng, len(rows), -0.5, 1).clamp(min=0).view(-1, 1, 1, 1)
    picture[rows] = (1 - keep + keep * picture[rows]) * (1 - ink)


def backgrounds(count: int, side: int, rng: torch.Generator) -> Tensor:
    """Make white, plain and shaded backgrounds (B, 3, side, side)."""
    ends = torch.rand(2, count, 3, 1, 1, generator=rng)
    plain = chosen(rng, count, 0.6)
    ends[1, plain] = ends[0, plain]
    ends[:, chosen(rng, count, WHITE)] = 1
    ramp = torch.linspace(0, 1, side).expand(side, side)
    across = torch.rand(count, 1, 1, 1, generator=rng) < 0.5
    ramp = torch.where(across, ramp, ramp.T)
    return ends[0] + (ends[1] - ends[0]) * ramp


def spoiled(picture: Tensor, rng: torch.Generator) -> None:
    """Blur or sharpen, add noise to, and cut a patch out of some pictures, in place."""
    count, side = len(picture), picture.shape[-1]
    rows = chosen(rng, count, 0.2)
    soft = F.avg_pool2d(F.pad(picture[rows], (1, 1, 1, 1), mode="replicate"), 3, 1)
    amount = uniform(rng, len(rows), -0.6, 1).view(-1, 1, 1, 1)
    picture[rows] += amount * (soft - picture[rows])
    rows = chosen(rng, count, 0.05)
    picture[rows] += torch.randn(picture[rows].shape, generator=rng) * 0.05
    for row in chosen(rng, count, 0.1).tolist():
        high, wide = torch.randint(side // 8, side // 2, (2,), generator=rng).tolist()
        top = int(torch.randint(0, side - high, (1,), generator=rng))
        left = int(torch.randint(0, side - wide, (1,), generator=rng))
        picture[row, :, top : top + high, left : left + wide] = torch.rand(3, 1, 1, generator=rng)
    picture.clamp_(0, 1)


def random_views(rgba: Tensor, side: int, may_flip: Tensor, rng: torch.Generator) -> Tensor:
    """Turn stored drawings, uint8 (B, H, W, 4), into views in 0..1, (B, 3, side, side)."""
    layers = rgba.permute(0, 3, 1, 2).float() / 255
    layers[:, :3] *= layers[:, 3:]
    layers = moved(layers, side, may_flip, rng)
    alpha = layers[:, 3:]
    colour = recoloured(layers[:, :3] / alpha.clamp(min=1 / 255), rng)
    ground = backgrounds(len(rgba), side, rng)
    picture = ground + (colour - ground) * alpha
    redrawn(picture, alpha, rng)
    spoiled(picture, rng)
    return picture
