"""Measure the shipped model with refimpl alone: its tokenizer, its pictures, its numpy forward.

`python -m bench.demo_model.with_numpy --work DIR`, after a run of the steps up to the drawings. The
figures differ a little from the card's table, which uses transformers' tokenizer: ours cleans text
as OpenAI's does, so names with curly quotes or full-width signs get other ids.
"""

import argparse
from pathlib import Path

import numpy as np

from refimpl import CLIPModel, CLIPProcessor
from refimpl.demo import model_folder

from .concepts import read_concepts, withheld_indices
from .pools import RENDERED, on_white
from .render import pictures_of
from .sources import VENDORS

BATCH = 128


def main() -> None:
    """Print top-1 and top-5 on Twemoji in both languages, ranking all names."""
    parser = argparse.ArgumentParser(prog="python -m bench.demo_model.with_numpy")
    parser.add_argument("--work", type=Path, required=True, help="where the drawings are")
    work = parser.parse_args().work
    model = CLIPModel.from_pretrained(model_folder())
    processor = CLIPProcessor.from_pretrained(model_folder())
    concepts = read_concepts(work)
    twemoji = next(vendor for vendor in VENDORS if vendor.key == "twemoji")
    pictures = pictures_of(work, twemoji, concepts, RENDERED)
    withheld = set(withheld_indices(len(concepts)))
    own = np.array([index for index in pictures if index not in withheld])
    batches = []
    for start in range(0, len(own), BATCH):
        images = [on_white(pictures[index]) for index in own[start : start + BATCH]]
        pixels = processor(images=images, return_tensors="np")
        batches.append(model.ops.l2_normalize(model.get_image_features(**pixels)))
    for language, place in (("English", 0), ("Chinese", 1)):
        names = [concept.names[place] for concept in concepts]
        tokens = processor(text=names, padding=True, truncation=True, return_tensors="np")
        texts = model.ops.l2_normalize(model.get_text_features(**tokens))
        scores = np.concatenate(batches) @ texts.T
        rank = (scores > scores[np.arange(len(own)), own][:, None]).sum(axis=1)
        first, fifth = (100 * np.mean(rank < k) for k in (1, 5))
        print(f"twemoji, {len(own)} trained concepts, {language}: {first:.1f} / {fifth:.1f}")


if __name__ == "__main__":
    main()
