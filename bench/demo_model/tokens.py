"""The demo model's tokenizer and caption tables: a prefix of the real CLIP merge list.

Merges are ranked by frequency, so the first few thousand are themselves a valid vocabulary.
Follows concepts.py; next: train.py, which samples from the caption tables.
"""

import json
import random
from pathlib import Path

import numpy as np
import numpy.typing as npt
from transformers import CLIPTokenizer

from .concepts import Concept

MERGES = 4000
CONTEXT = 32
START, END = "<|startoftext|>", "<|endoftext|>"
ENGLISH = ("{}", "a {}", "{} emoji", "a drawing of {}", "a picture of {}", "a photo of {}")
CHINESE = ("{}", "一个{}", "{}表情", "{}的图片", "一张{}的照片")
CAPTIONS = (24, 16)  # how many captions of each concept, English and Chinese


def byte_symbols() -> list[str]:
    """List the printable stand-ins of the 256 bytes, in the order of CLIP's vocabulary."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1)]
    plain += range(ord("®"), ord("ÿ") + 1)
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + n) for n in range(len(others))]


def write_tokenizer(folder: Path, merges_file: Path) -> None:
    """Write the four tokenizer files of the hub's layout from the real merge list."""
    lines = merges_file.read_text(encoding="utf-8").splitlines()[1 : MERGES + 1]
    symbols = byte_symbols()
    words = [*symbols, *(s + "</w>" for s in symbols)]
    words += ["".join(line.split()) for line in lines] + [START, END]
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": CONTEXT,
        "add_prefix_space": False,
        "do_lower_case": True,
        "errors": "replace",
        **special,
    }
    folder.mkdir(parents=True, exist_ok=True)
    merges = "\n".join(["#version: 0.2", *lines]) + "\n"
    (folder / "merges.txt").write_text(merges, encoding="utf-8")
    vocabulary = {word: index for index, word in enumerate(words)}
    for name, content in (
        ("vocab.json", vocabulary),
        ("tokenizer_config.json", config),
        ("special_tokens_map.json", special),
    ):
        indent = None if name == "vocab.json" else 2
        text = json.dumps(content, ensure_ascii=False, indent=indent) + "\n"
        (folder / name).write_text(text, encoding="utf-8")


def tokenize(folder: Path, texts: list[str]) -> npt.NDArray[np.int64]:
    """Turn texts into ids (N, CONTEXT), cut and padded."""
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    rows = tokenizer(texts, padding="max_length", max_length=CONTEXT, truncation=True)
    return np.array(rows["input_ids"], np.int64)


def captions_of(concept: Concept, language: int, count: int, rng: random.Random) -> list[str]:
    """Draw `count` captions: the plain name first, then templates and keyword mixtures."""
    name, words = concept.names[language], concept.keywords[language]
    templates = (ENGLISH, CHINESE)[language]
    comma = (", ", "，")[language]
    captions = [t.format(name) for t in templates]
    while len(captions) < count:
        some = rng.sample(words, min(len(words), rng.randint(1, 3)))
        if not some or rng.random() < 0.4:
            some = [name, *some[:2]]
        rng.shuffle(some)
        captions.append(rng.choice(("{}", "{}", *templates)).format(comma.join(some)))
    return captions


def caption_table(
    folder: Path, concepts: list[Concept], seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Tokenize captions of all concepts: English (N, 24, L) and Chinese (N, 16, L)."""
    rng = random.Random(seed)
    tables = []
    for language, count in enumerate(CAPTIONS):
        texts = [t for c in concepts for t in captions_of(c, language, count, rng)]
        tables.append(tokenize(folder, texts).reshape(len(concepts), count, CONTEXT))
    return tables[0], tables[1]
