"""Which published row is computed by which recipe, and how near it must come.

A row may have a part that needs no weights beside parts that do. Called by check.py; the
functions are in recipes.py.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from refimpl.published.materials import Materials
from refimpl.published.recipes import (
    B32,
    CATS,
    Pair,
    Row,
    clip_corner,
    computed_features,
    corner,
    logits,
    openai_cifar,
    openai_cosines,
    openai_readme,
    openai_tokens,
    pixel_mean,
    probabilities,
    roberta_positions,
    siglip_demo,
    siglip_printed,
    stored_features,
    text_states,
    vit_classes,
)
from refimpl.published.tolerance import Slack

CHINESE = "OFA-Sys/chinese-clip-vit-base-patch16"
POKEMON_BLOB = "6b5826cf"


@dataclass(frozen=True)
class Recipe:
    """How one row, or a part of it, is computed.

    Attributes:
        compute: from materials and the row to pairs of arrays.
        part: which part of the row, where it has several.
        slack: what the comparison allows beside the printed digits.
        atol: an absolute tolerance in place of the printed digits', with `why`.
        why: the reason of `atol`.
    """

    compute: Callable[[Materials, Row], Iterable[Pair]]
    part: str = ""
    slack: Slack = Slack.FLOAT32
    atol: float | None = None
    why: str = ""


_POKEMON: dict[str, Any] = {"model": CHINESE, "kind": "ChineseCLIPModel", "picture": "pokemon.jpeg"}
_SMALL: dict[str, Any] = {
    "size": {"height": 180, "width": 180},
    "crop_size": {"height": 180, "width": 180},
}
_DEMO = "the demo ran on an accelerator, with another JPEG decoder; the scale is 118"
_FEATURES = "float32 features of length 10, after twelve layers"
_FIGURE = "two printed decimals, read off a figure; the features were half precision"

RECIPES: dict[str, tuple[Recipe, ...]] = {
    "openai-readme": (Recipe(openai_readme),),
    "npclip-features": (
        Recipe(stored_features, "from stored features"),
        Recipe(computed_features, "from the picture", atol=5e-4, why=_FEATURES),
    ),
    "openai-tokenize": (Recipe(openai_tokens, slack=Slack.EXACT),),
    "openai-notebook-cosine": (Recipe(openai_cosines, atol=7e-3, why=_FIGURE),),
    "openai-cifar100": (Recipe(openai_cifar, slack=Slack.HALF),),
    "hf-clip-b32": (Recipe(partial(logits, model=B32, kind="CLIPModel", picture=CATS)),),
    "hf-clip-b32-interp": (Recipe(partial(clip_corner, model=B32, kind="CLIPModel", **_SMALL)),),
    "hf-siglip-b16-224": (
        Recipe(
            partial(
                logits, model="google/siglip-base-patch16-224", kind="SiglipModel", picture=CATS
            )
        ),
    ),
    "siglip-demo": (
        Recipe(siglip_printed, "printed percentages", atol=0.05, why="one printed decimal"),
        Recipe(
            partial(siglip_demo, run=0, model="google/siglip-large-patch16-384", size=384),
            "L/16 384",
            atol=0.2,
            why=_DEMO,
        ),
        Recipe(
            partial(
                siglip_demo, run=1, model="google/siglip-base-patch16-256-multilingual", size=256
            ),
            "B/16 i18n 256",
            atol=0.2,
            why=_DEMO,
        ),
    ),
    "hf-chinese-clip-b16-new": (
        Recipe(partial(probabilities, **{**_POKEMON, "picture": "pokemon-synthetic.jpeg"})),
    ),
    "hf-chinese-clip-b16-doc": (Recipe(partial(probabilities, **_POKEMON, blob=POKEMON_BLOB)),),
    "ofa-chinese-clip-b16": (
        Recipe(partial(probabilities, **_POKEMON, blob=POKEMON_BLOB), slack=Slack.HALF),
    ),
    "ofa-chinese-clip-b16-onnx": (
        Recipe(partial(probabilities, **_POKEMON, blob=POKEMON_BLOB), slack=Slack.HALF),
    ),
    "hf-chinese-clip-interp": (
        Recipe(partial(clip_corner, model=CHINESE, kind="ChineseCLIPModel", **_SMALL)),
    ),
    "hf-vtde-clip-italian": (
        Recipe(
            partial(
                logits,
                model="clip-italian/clip-italian",
                kind="VisionTextDualEncoderModel",
                picture=f"{CATS}.png",
            )
        ),
    ),
    "hf-vit-b16": (Recipe(partial(vit_classes, model="google/vit-base-patch16-224")),),
    "hf-dino-vits8-480": (
        Recipe(partial(corner, model="facebook/dino-vits8", kind="ViTModel", size=480)),
    ),
    "hf-dinov2-b": (Recipe(partial(corner, model="facebook/dinov2-base", kind="Dinov2Model")),),
    "hf-bert": (
        Recipe(
            partial(
                text_states,
                model="google-bert/bert-base-uncased",
                kind="BertModel",
                part=np.s_[:, 1:4, 1:4],
            )
        ),
    ),
    "hf-roberta": (
        Recipe(
            partial(
                text_states,
                model="FacebookAI/roberta-base",
                kind="RobertaModel",
                part=np.s_[:, :3, :3],
            )
        ),
    ),
    "hf-roberta-positions": (Recipe(roberta_positions, slack=Slack.EXACT),),
    "transformersjs-clip-pre": (Recipe(pixel_mean),),
}

MODELS = (
    B32,
    "google/siglip-base-patch16-224",
    "google/siglip-large-patch16-384",
    "google/siglip-base-patch16-256-multilingual",
    CHINESE,
    "clip-italian/clip-italian",
    "google/vit-base-patch16-224",
    "facebook/dino-vits8",
    "facebook/dinov2-base",
    "google-bert/bert-base-uncased",
    "FacebookAI/roberta-base",
)
"""All checkpoints that rows are about, by their names on the hub."""
