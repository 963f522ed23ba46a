"""Which emoji the demo model knows, what they are called, and which are withheld from training.

A concept is one emoji: not a flag, no skin tone, no component. Captions are the Unicode CLDR names
and keywords in English and Chinese. Follows sources.py; next: render.py, tokens.py.
"""

import random
from dataclasses import dataclass
from pathlib import Path

from .sources import read_json, text_folder

COMPONENT, FLAGS = 2, 9  # emojibase group numbers
WITHHELD = 82  # concepts never trained on, 5 % of the whole
WITHHELD_SEED = 20240


@dataclass(frozen=True, slots=True)
class Concept:
    """One emoji with its captions."""

    code: str  # lower-case code points joined by "-", without U+FE0F
    emoji: str
    group: int
    names: tuple[str, str]  # English, Chinese
    keywords: tuple[tuple[str, ...], tuple[str, ...]]


def plain_code(code: str) -> str:
    """Lower-case a joined code-point name and drop the variation selectors.

    >>> plain_code("0023-FE0F-20E3")
    '23-20e3'
    """
    return "-".join(f"{int(c, 16):x}" for c in code.split("-") if c.lower() != "fe0f")


def read_annotations(work: Path, language: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Map each emoji without variation selectors to its CLDR name and keywords."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for package, folder, top in (
        ("cldr-annotations-derived-full", "annotationsDerived", "annotationsDerived"),
        ("cldr-annotations-full", "annotations", "annotations"),
    ):
        path = text_folder(work, package) / folder / language / "annotations.json"
        for emoji, entry in read_json(path)[top]["annotations"].items():
            if "tts" in entry:
                name = entry["tts"][0]
                words = tuple(w for w in entry.get("default", ()) if w != name)
                found[emoji.replace("\ufe0f", "")] = (name, words)
    return found


def read_concepts(work: Path) -> list[Concept]:
    """List the 1,644 concepts in emojibase order."""
    english, chinese = read_annotations(work, "en"), read_annotations(work, "zh")
    concepts = []
    for row in read_json(text_folder(work, "emojibase-data") / "en" / "data.json"):
        if row.get("group", COMPONENT) in (COMPONENT, FLAGS):
            continue
        bare = row["emoji"].replace("\ufe0f", "")
        (en, en_words), (zh, zh_words) = english[bare], chinese[bare]
        code = plain_code(row["hexcode"])
        concepts.append(Concept(code, row["emoji"], row["group"], (en, zh), (en_words, zh_words)))
    return concepts


def withheld_indices(count: int) -> list[int]:
    """Choose the concepts that no vendor's drawings are trained on."""
    return sorted(random.Random(WITHHELD_SEED).sample(range(count), WITHHELD))
