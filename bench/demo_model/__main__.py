"""Everything from download to checkpoint: `python -m bench.demo_model --work DIR`.

Steps run in the order of STEPS; `--only` runs one of them, when those before it have left their
files in the work folder. "teacher" and "first" do not depend on each other and may run side by
side, as may "second" and "words". Read the steps in this order: sources, concepts, render, tokens,
augment, pools, prototypes, towers, train, words, export, card, pictures.

Made with torch 2.13.0 (CPU), transformers 5.23.0 and resvg-py 0.5.0; npm fetches the packages.
"""

import argparse
from pathlib import Path

import torch

from .card import fill_card
from .export import write_checkpoint
from .pictures import scores, write_pictures
from .tokens import write_tokenizer
from .train import train_student, train_teacher
from .words import fit_scale, train_words

MERGES = Path("tokenizers_py/data/clip/merges.txt")
SEED = 7
TEACHER_STEPS, FIRST_STEPS, SECOND_STEPS, WORD_STEPS, LAST_STEPS = 4250, 5500, 6000, 2500, 1500
STEPS = ("tokenizer", "teacher", "first", "second", "words", "last", "export")


def run(step: str, work: Path, merges: Path, out: Path) -> None:
    """Run one step."""
    folder = work / "tokenizer"
    if step == "tokenizer":
        write_tokenizer(folder, merges)
    elif step == "teacher":
        train_teacher(work, TEACHER_STEPS, SEED)
    elif step == "first":
        train_student(work, folder, 1, FIRST_STEPS, SEED)
    elif step == "second":
        train_student(work, folder, 2, SECOND_STEPS, SEED)
    elif step == "words":
        train_words(work, folder, "halfway.pt", "words.pt", WORD_STEPS, SEED)
    elif step == "last":
        train_words(work, folder, "student2.pt", "final.pt", LAST_STEPS, SEED, words="words.pt")
        print("logit scale", fit_scale(work, folder, "final.pt", SEED))
    elif step == "export":
        export(work, folder, out)


def export(work: Path, folder: Path, out: Path) -> None:
    """Write the checkpoint and the pictures, and put the measured tables into the card."""
    write_checkpoint(work / "final.pt", folder, out)
    write_pictures(work, out.parent)
    fill_card(work, out, out.parent / "MODEL_CARD.md")
    for picture in sorted(out.parent.rglob("*.png")):
        print(picture.name, scores(out, picture))


def main() -> None:
    """Read the command line and run the steps."""
    parser = argparse.ArgumentParser(prog="python -m bench.demo_model")
    parser.add_argument("--work", type=Path, required=True, help="downloads, caches and runs")
    parser.add_argument("--merges", type=Path, default=MERGES, help="CLIP's merges.txt")
    parser.add_argument("--out", type=Path, default=Path("refimpl/demo/model"))
    parser.add_argument("--only", choices=STEPS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for step in (given.only,) if given.only else STEPS:
        run(step, given.work, given.merges, given.out)


if __name__ == "__main__":
    main()
