"""Train the shipped text tower alone, against an image tower and a class table that stand still.

Captions are many and cheap next to pictures, so the text tower is trained by itself: first on the
table and image tower from halfway through the second phase, while that goes on, then briefly on the
final ones. It is as wide as the joint space; the draft tower of train.py spans only 128 of its 192
dimensions, and that alone cost a third of the top-1. Last, the logit scale is fitted on random
training views. Follows train.py; next: export.py.
"""

import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from .concepts import read_concepts
from .evaluate import development_line
from .pools import load_pool, trained_concepts, view_batches
from .tokens import CHINESE, ENGLISH, caption_table
from .towers import Clip, loaded
from .train import averaged, descend, note, optimiser, set_rate, warm_cosine

CAPTIONS, RATE, NAMED = 128, 1.5e-3, 0.6
SHARPNESS = 25.0  # what cosines with pictures are multiplied by
PULL = 8.0  # weight of the distance to the concept's own vector
BANK = 96  # batches of 128 views that stand for the image tower


class Drawer:
    """Draws captions of trained concepts; NAMED of them are a template around the name."""

    def __init__(self, work: Path, folder: Path, seed: int) -> None:
        concepts = read_concepts(work)
        trained = trained_concepts(len(concepts))
        self.tables = [torch.from_numpy(t)[trained] for t in caption_table(folder, concepts, seed)]

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """Return ids (B, L) and class numbers (B,)."""
        label = torch.randint(len(self.tables[0]), (count,))
        named = torch.rand(count) < NAMED
        ids = []
        for table, templates in zip(self.tables, (ENGLISH, CHINESE), strict=True):
            most = torch.where(named, len(templates), table.shape[1])
            ids.append(table[label, (torch.rand(count) * most).long()])
        return torch.where(torch.rand(count)[:, None] < 0.55, ids[0], ids[1]), label


@torch.no_grad()
def embedded_views(work: Path, clip: Clip, batches: int, seed: int) -> tuple[Tensor, Tensor]:
    """Embed random training views; return unit rows (N, E) and class numbers (N,)."""
    rows, labels = [], []
    for _, batch in zip(range(batches), view_batches(load_pool(work), 128, seed), strict=False):
        with torch.autocast("cpu", torch.bfloat16):
            rows.append(clip.images(batch.pixels))
        labels.append(batch.label)
    return torch.cat(rows), torch.cat(labels)


def words_loss(
    rows: Tensor, label: Tensor, table: Tensor, views: Tensor, view_label: Tensor
) -> Tensor:
    """Pull unit rows (B, E) onto their concept's vector, and rank pictures by them.

    Ranking alone is soon right on training views and leaves names far from their vectors.
    """
    scores = rows @ views.T * SHARPNESS
    own = scores.masked_fill(label[:, None] != view_label, -1e4)
    seen = (label[:, None] == view_label).any(1)
    ranking = torch.logsumexp(scores, 1) - torch.logsumexp(own, 1)
    cosine = (rows * table[label]).sum(1)
    return ranking[seen].mean() + PULL * (1 - cosine).mean()


def train_words(
    work: Path, folder: Path, source: str, target: str, steps: int, seed: int, words: str = ""
) -> None:
    """Train on `source`'s image tower and table, from the text tower of `words` if one is named."""
    torch.manual_seed(seed)
    state = torch.load(work / source)
    table = F.normalize(state["mean"][1]["table"], dim=-1)
    views, view_label = embedded_views(work, loaded(state["mean"][0]), BANK, seed)
    clip, drawer = Clip(), Drawer(work, folder, seed)
    clip.load_state_dict(starting_weights(work, clip, state["mean"][0], words))
    clip.vision_model.requires_grad_(False)
    mean, sgd = averaged(clip), optimiser([clip])
    run, start = torch.compile(clip.texts), time.time()
    for step in range(steps):
        set_rate(sgd, RATE * warm_cosine(step, steps))
        ids, label = drawer.draw(CAPTIONS)
        with torch.autocast("cpu", torch.bfloat16):
            rows = run(ids)
        loss = words_loss(rows.float(), label, table, views, view_label)
        descend(sgd, [clip], loss)
        mean.update()
        if step % 250 == 249 or step + 1 == steps:
            heads = {"table": table}
            torch.save({"mean": [mean.shadow, heads]}, work / target)
            line = development_line(work, folder, mean.shadow, heads)
            note(work, Path(target).stem, step, start, loss, line)


def starting_weights(
    work: Path, clip: Clip, source: dict[str, Tensor], words: str
) -> dict[str, Tensor]:
    """Take the image side from `source` and the text side from `words` or from new weights."""
    text = torch.load(work / words)["mean"][0] if words else clip.state_dict()
    return {k: (text if k.startswith("text_") else source)[k] for k in source}


@torch.no_grad()
def fit_scale(work: Path, folder: Path, target: str, seed: int) -> float:
    """Set the logit scale of `target` to the likeliest on random training views and names."""
    state = torch.load(work / target)
    clip, drawer = loaded(state["mean"][0]), Drawer(work, folder, seed)
    names = clip.texts(drawer.tables[0][:, 0])
    rows, label = embedded_views(work, clip, 16, seed + 1)
    scales = torch.arange(8.0, 100.0, 1.0)
    losses = torch.stack([F.cross_entropy(rows @ names.T * s, label) for s in scales])
    best = scales[losses.argmin()]
    state["mean"][0]["logit_scale"] = best.log()
    torch.save(state, work / target)
    return best.item()
