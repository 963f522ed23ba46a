"""Measure the written checkpoint with transformers and print the card's tables.

Everything is computed from the folder itself: half-precision weights widened to float32,
transformers' CLIPModel and tokenizer, pictures of 256 pixels on white through the processor's
steps. Last step of bench/demo_model; pictures.py chooses the demo pictures.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPModel, CLIPTokenizer

from .concepts import Concept, read_concepts, withheld_indices
from .evaluate import among, hits
from .pools import clean_pictures
from .sources import VENDORS, Vendor
from .tokens import CHINESE, ENGLISH


@dataclass(frozen=True, slots=True)
class Names:
    """Unit rows of all concept names: plain English, English over templates, and Chinese."""

    plain: Tensor
    mixed: Tensor
    chinese: Tensor


class Checkpoint:
    """A checkpoint folder with its towers as functions to unit rows."""

    def __init__(self, folder: Path) -> None:
        self.model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = CLIPTokenizer.from_pretrained(folder)

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Embed texts as unit rows."""
        ids = self.tokenizer(
            list(texts), padding=True, truncation=True, return_tensors="pt"
        ).input_ids
        rows = [pooled(self.model.get_text_features(input_ids=part)) for part in ids.split(512)]
        return F.normalize(torch.cat(rows), dim=-1)

    @torch.no_grad()
    def images(self, pixels: Tensor) -> Tensor:
        """Embed preprocessed pictures (B, 3, S, S) as unit rows."""
        parts = pixels.split(256)
        rows = [pooled(self.model.get_image_features(pixel_values=part)) for part in parts]
        return F.normalize(torch.cat(rows), dim=-1)


def pooled(output: Any) -> Tensor:
    """Return the projected rows, which transformers 5 wraps and 4 does not."""
    rows: Tensor = getattr(output, "pooler_output", output)
    return rows


def embed_names(checkpoint: Checkpoint, concepts: list[Concept]) -> Names:
    """Embed every concept's names."""
    english = [c.names[0] for c in concepts]
    parts = [checkpoint.texts([t.format(n) for n in english]) for t in ENGLISH]
    return Names(
        plain=parts[0],
        mixed=F.normalize(torch.stack(parts).mean(0), dim=-1),
        chinese=checkpoint.texts([CHINESE[0].format(c.names[1]) for c in concepts]),
    )


def recall(images: Tensor, concept: Tensor, names: Tensor) -> float:
    """Return in per cent how often a name's best picture is its own, among all given."""
    best = concept[(names[concept] @ images.T).argmax(1)]
    return 100 * (best == concept).float().mean().item()


def vendor_row(images: Tensor, concept: Tensor, names: Names) -> list[float]:
    """Return one vendor's figures on the concepts that were trained on."""
    keep = ~torch.isin(concept, torch.tensor(withheld_indices(len(names.plain))))
    rows, own = images[keep], concept[keep]
    figures = []
    for text in (names.plain, names.mixed, names.chinese):
        scores = rows @ text.T
        figures += [hits(scores, own, 1), hits(scores, own, 5), among(scores, own, 20)]
    return [len(own), *figures, recall(rows, own, names.plain)]


def withheld_row(images: Tensor, concept: Tensor, names: Tensor) -> list[float]:
    """Return the figures on the withheld concepts: 20-way, and ranked among themselves."""
    apart = torch.tensor(withheld_indices(len(names)))
    keep = torch.isin(concept, apart)
    rows, own = images[keep], concept[keep]
    inside = torch.searchsorted(apart, own)
    short = rows @ names[apart].T
    return [
        len(own),
        among(rows @ names.T, own, 20),
        hits(short, inside, 1),
        hits(short, inside, 5),
    ]


def vendor_images(
    work: Path, checkpoint: Checkpoint, vendor: Vendor, concepts: list[Concept]
) -> tuple[Tensor, Tensor]:
    """Embed one vendor's clean pictures; return unit rows and concept numbers."""
    pixels, index = clean_pictures(work, vendor, concepts)
    return checkpoint.images(pixels), torch.from_numpy(np.asarray(index))


HEADER = (
    "| drawings | n | English top-1 | top-5 | 20-way | templates top-1 | top-5 | 20-way "
    "| Chinese top-1 | top-5 | 20-way | text to image R@1 |"
)


def tables(work: Path, folder: Path) -> str:
    """Return the card's two tables as Markdown."""
    checkpoint, concepts = Checkpoint(folder), read_concepts(work)
    names = embed_names(checkpoint, concepts)
    lines, apart = [HEADER, "|" + " --- |" * 12], []
    for vendor in VENDORS:
        if vendor.role == "train" and vendor.key not in ("noto", "emojione"):
            continue
        images, concept = vendor_images(work, checkpoint, vendor, concepts)
        count, *figures = vendor_row(images, concept, names)
        cells = " | ".join(f"{figure:.1f}" for figure in figures)
        lines.append(f"| {vendor.key} ({vendor.role}) | {count:.0f} | {cells} |")
        if vendor.role != "train":
            count, *figures = withheld_row(images, concept, names.plain)
            cells = " | ".join(f"{figure:.1f}" for figure in figures)
            apart.append(f"| {vendor.key} | {count:.0f} | {cells} |")
    head = ["", "| withheld concepts | n | 20-way | top-1 of the 82 | top-5 of the 82 |"]
    return "\n".join([*lines, *head, "|" + " --- |" * 5, *apart])


BEGIN, END = "<!-- measured -->", "<!-- end of measured -->"


def fill_card(work: Path, folder: Path, card: Path) -> None:
    """Put fresh figures between the card's two marks, and the weights' hash into its table."""
    measured = tables(work, folder)
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    text = re.sub(r"sha256 `\w+`", f"sha256 `{digest}`", card.read_text(encoding="utf-8"))
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    card.write_text(f"{before}{BEGIN}\n{measured}\n{END}{after}", encoding="utf-8")
    print(measured)
