"""Write the demo pictures: drawings of a vendor that the model was not trained on.

Each is rendered on white at 256 x 256 in RGB. Follows export.py; card.py measures whole vendors.
"""

from pathlib import Path

import torch
from PIL import Image
from transformers import CLIPImageProcessor

from .card import Checkpoint
from .concepts import read_concepts
from .pools import RENDERED, on_white
from .render import draw, find_svgs
from .sources import VENDORS, vendor_folder

LABELS = (
    "a cat",
    "a dog",
    "a penguin",
    "a rose",
    "a bicycle",
    "a sailboat",
    "a banana",
)
PICTURES = {  # file name under refimpl/demo: emoji; chosen among those that come out right
    "picture.png": "🐧",
    "pictures/sailboat.png": "⛵",
    "pictures/bicycle.png": "🚲",
    "pictures/rose.png": "🌹",
}


def write_pictures(work: Path, demo: Path) -> None:
    """Render the demo pictures into `demo`."""
    vendor = next(v for v in VENDORS if v.role == "develop")
    concepts = read_concepts(work)
    svgs = find_svgs(vendor_folder(work, vendor), concepts)
    places = {c.emoji.replace("\ufe0f", ""): n for n, c in enumerate(concepts)}
    for name, emoji in PICTURES.items():
        path = demo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = on_white(draw(svgs[places[emoji]], RENDERED))
        picture.save(path, optimize=True)


def scores(folder: Path, picture: Path, labels: tuple[str, ...] = LABELS) -> dict[str, float]:
    """Return the checkpoint's probability of each label for one picture."""
    checkpoint = Checkpoint(folder)
    processor = CLIPImageProcessor.from_pretrained(folder)
    pixels = processor(images=Image.open(picture), return_tensors="pt").pixel_values
    logits = checkpoint.images(pixels) @ checkpoint.texts(labels).T
    chances = torch.softmax(logits * checkpoint.model.logit_scale.exp(), -1)[0]
    return dict(zip(labels, chances.tolist(), strict=True))
