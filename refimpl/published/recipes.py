"""From a published row to our numbers: one small function for each kind of row.

Each takes what there is to compute from (materials.py) and the row, and gives pairs of arrays:
ours, and the published one it must equal. table.py says which row is computed by which.
"""

from collections.abc import Iterable
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from refimpl import ops
from refimpl.base_config import Config
from refimpl.graph.clip import clip_spec, compare
from refimpl.published.classes import CIFAR100
from refimpl.published.materials import HERE, Materials, NotHere
from refimpl.published.pixels import big_vision_pixels, openai_pixels
from refimpl.shapes import Array
from refimpl.strict_json import read_json

B32 = "openai/clip-vit-base-patch32"
CATS = "000000039769"  # of COCO val2017; not ours to pass on


class Pair(NamedTuple):
    """One array of ours and the published one; `name` tells the pairs of a row apart."""

    name: str
    ours: Array
    theirs: Array


Row = dict[str, Any]


def _pair(ours: Any, theirs: Any, name: str = "") -> Pair:
    return Pair(name, np.asarray(ours, np.float64), np.asarray(theirs, np.float64))


def _class(name: str) -> Any:
    import refimpl

    return getattr(refimpl, name)


def _load(m: Materials, class_name: str, model: str, **changes: Any) -> Any:
    """Load a model, a processor or a tokenizer of a checkpoint."""
    return _class(class_name).from_pretrained(m.checkpoint(model), **changes)


# Images and texts, compared


def prepared(
    m: Materials, row: Row, model: str, picture: str, blob: str = "", kind: str = "AutoProcessor"
) -> Any:
    """Prepare a row's texts and its picture with the checkpoint's own processor."""
    path = m.picture(picture, blob)
    processor = _load(m, kind, model)
    padding = "max_length" if "siglip" in model else True
    return processor(text=row["texts"], images=path, padding=padding, return_tensors="np")


def logits(m: Materials, row: Row, model: str, kind: str, **where: Any) -> Iterable[Pair]:
    """The row's values are logits_per_image, or logits and their sigmoid."""
    batch = prepared(m, row, model, **where)
    found = _load(m, kind, model)(**batch).logits_per_image
    values = row["values"]
    if isinstance(values, dict):
        yield _pair(found, values["logits"], "logits")
        yield _pair(np.exp(ops.log_sigmoid(found)), values["probs"], "probs")
    else:
        yield _pair(found, values)


def probabilities(m: Materials, row: Row, model: str, kind: str, **where: Any) -> Iterable[Pair]:
    """The row's values are the softmax of logits_per_image over the texts."""
    batch = prepared(m, row, model, **where)
    found = ops.softmax(_load(m, kind, model)(**batch).logits_per_image)
    values = row["values"]
    for name, theirs in values.items() if isinstance(values, dict) else [("", values)]:
        yield _pair(found, theirs, name)


def openai_logits(
    m: Materials, texts: list[str], pictures: list[Path], rgb_first: bool = False
) -> Any:
    """Run CLIP base-32 on pixels made as OpenAI's program makes them."""
    pixels = np.concatenate([openai_pixels(path, rgb_first=rgb_first) for path in pictures])
    tokenizer = _load(m, "CLIPTokenizer", B32)
    tokens = tokenizer(texts, padding="max_length", max_length=77, return_tensors="np")
    return _load(m, "CLIPModel", B32)(input_ids=tokens["input_ids"], pixel_values=pixels)


def openai_readme(m: Materials, row: Row) -> Iterable[Pair]:
    """OpenAI's first example: a diagram, a dog, or a cat."""
    out = openai_logits(m, row["texts"], [m.picture("CLIP.png")])
    yield _pair(ops.softmax(out.logits_per_image), row["values"])


def openai_cosines(m: Materials, row: Row) -> Iterable[Pair]:
    """Cosines of eight texts and eight pictures; columns whose picture is missing are left out."""
    pictures = {}
    for column, name in enumerate(row["images"]):
        try:
            pictures[column] = m.picture(name)
        except NotHere:
            continue
    if not pictures:
        raise NotHere("none of its pictures is here: name their folder with --pictures")
    out = openai_logits(m, row["texts"], list(pictures.values()), rgb_first=True)
    theirs = np.float64(row["values"])[:, list(pictures)]
    name = f"{len(pictures)} of {len(row['images'])} pictures"
    yield _pair(out.text_embeds @ out.image_embeds.T, theirs, name)


def openai_cifar(m: Materials, row: Row) -> Iterable[Pair]:
    """The five likeliest of CIFAR-100's classes, in percent."""
    picture = m.picture("cifar100-test-3637")
    texts = [f"a photo of a {name}" for name in CIFAR100]
    out = openai_logits(m, texts, [picture])
    percent = 100 * ops.softmax(out.logits_per_image)[0]
    ours = [percent[CIFAR100.index(name)] for name in row["values"]]
    yield _pair(ours, list(row["values"].values()))


# Stored arrays of CLIP base-32


def stored_features(m: Materials, row: Row) -> Iterable[Pair]:
    """Compare stored features with our `compare`: the scale, the norms and the logits follow."""
    image, text = m.array("image_features"), m.array("text_features")
    cfg: Any = _class("CLIPConfig")()
    p = replace(clip_spec(cfg), logit_scale=np.float32(log(100)))
    out = compare(ops, p, text, image)
    values = row["values"]
    yield _pair(out.logits_per_image, values["logits_per_image"], "logits_per_image")
    yield _pair(ops.softmax(out.logits_per_image), values["probs"], "probs")
    yield from _norms(values, image, text)


def computed_features(m: Materials, row: Row) -> Iterable[Pair]:
    """Compute the same features from the picture and the texts."""
    pixels = openai_pixels(m.picture("CLIP.png"))
    tokenizer = _load(m, "CLIPTokenizer", B32)
    tokens = tokenizer(row["texts"], padding="max_length", max_length=77, return_tensors="np")
    model = _load(m, "CLIPModel", B32)
    image = model.get_image_features(pixel_values=pixels)
    text = model.get_text_features(input_ids=tokens["input_ids"])
    yield _pair(image, m.array("image_features"), "image features")
    yield _pair(text, m.array("text_features"), "text features")
    yield from _norms(row["values"], image, text)


def _norms(values: Any, image: Array, text: Array) -> Iterable[Pair]:
    yield _pair(np.linalg.norm(image), values["image_feature_norm"], "image norm")
    yield _pair(np.linalg.norm(text, axis=-1), values["text_feature_norms"], "text norms")
    yield _pair(image[0, :8], values["image_features_first8"], "first 8")


# SigLIP's demo


def siglip_demo_row(row: Row) -> Row:
    """Give the row the matrices that stand in a file of their own."""
    demo = read_json(HERE / "siglip_demo_logits.json", 1 << 20)
    return {**row, "runs": demo["runs"], "values": demo["runs"][0]["logits_image_by_text"]}


def siglip_printed(m: Materials, row: Row) -> Iterable[Pair]:
    """The two printed percentages follow from the stored logits and the bias."""
    run = row["runs"][0]
    stored = np.float64(run["logits_image_by_text"])[0, :2]
    percent = 100 * np.exp(ops.log_sigmoid(stored + run["b"]))
    yield _pair(percent, [float(text.split("%")[0]) for text in run["printed"]], "percent")


def siglip_demo(m: Materials, row: Row, run: int, model: str, size: int) -> Iterable[Pair]:
    """One matrix of the demo: pictures in rows; rows whose picture is missing are left out."""
    demo = row["runs"][run]
    pictures = {}
    for i, name in enumerate(demo["images"]):
        try:
            pictures[i] = m.picture(name)
        except NotHere:
            continue
    if not pictures:
        raise NotHere("none of its pictures is here: name their folder with --pictures")
    tokenizer = _load(m, "SiglipTokenizer", model, profile="big_vision")
    options = {"padding": "max_length", "truncation": True, "max_length": 64}
    ids = tokenizer(demo["texts"], return_tensors="np", **options)["input_ids"]
    siglip = _load(m, "SiglipModel", model)
    pixels = np.concatenate([big_vision_pixels(path, size) for path in pictures.values()])
    out = siglip(input_ids=ids, pixel_values=pixels)
    ours = out.logits_per_image - siglip.params.logit_bias  # the demo adds the bias later
    theirs = np.float64(demo["logits_image_by_text"])[list(pictures)]
    yield _pair(ours, theirs, f"{len(pictures)} of {len(demo['images'])} pictures")


# Towers


def corner(m: Materials, row: Row, model: str, kind: str, **options: Any) -> Iterable[Pair]:
    """The shape of last_hidden_state, which the row tells in words, and three by three of it."""
    pixels = _pixels(m, model, **options)
    another_size = {"interpolate_pos_encoding": True} if options else {}
    out = _load(m, kind, model)(pixel_values=pixels, **another_size)
    yield from _corner(out.last_hidden_state, row)


def clip_corner(m: Materials, row: Row, model: str, kind: str, **options: Any) -> Iterable[Pair]:
    """The same of the image tower of a whole model."""
    pixels = _pixels(m, model, **options)
    tokens = _load(m, "AutoTokenizer", model)(row["texts"], return_tensors="np")
    out = _load(m, kind, model)(**tokens, pixel_values=pixels, interpolate_pos_encoding=True)
    yield from _corner(out.vision_model_output.last_hidden_state, row)


def _pixels(m: Materials, model: str, **options: Any) -> Array:
    path = m.picture(f"{CATS}.png")
    processor = _load(m, "AutoImageProcessor", model)
    pixels: Array = processor(path, return_tensors="np", **options)["pixel_values"]
    return pixels


def _corner(states: Array, row: Row) -> Iterable[Pair]:
    told = row["what"].split("shape [")[1].split("]")[0]
    yield _pair(states.shape, [int(size) for size in told.split(",")], "shape")
    yield _pair(states[0, :3, :3], row["values"], "corner")


def vit_classes(m: Materials, row: Row, model: str) -> Iterable[Pair]:
    """Our tower, and the checkpoint's own linear head on its class token."""
    from refimpl.checkpoints.originals import read_checkpoint

    pixels = _pixels(m, model)
    tower = _load(m, "ViTModel", model, add_pooling_layer=False)
    state = tower(pixel_values=pixels).last_hidden_state[:, 0]
    head = read_checkpoint(m.checkpoint(model)).tensors
    found = ops.linear(state, head["classifier.weight"], head["classifier.bias"])
    yield _pair(found[0, :3], row["values"])


def text_states(m: Materials, row: Row, model: str, kind: str, part: Any) -> Iterable[Pair]:
    """A part of the last states of given ids."""
    inputs = {name: np.array(row[name]) for name in ("input_ids", "attention_mask") if name in row}
    tower = _load(m, kind, model, add_pooling_layer=False)
    yield _pair(tower(**inputs).last_hidden_state[part], row["values"])


# What needs no weights


def openai_tokens(m: Materials, row: Row) -> Iterable[Pair]:
    """OpenAI's `tokenize`: begin, words, end, and zeros up to 77."""
    tokenizer = _class("CLIPTokenizer")(profile="openai")
    ids = [tokenizer(text)["input_ids"] for text in row["texts"]]
    yield _pair(ids, row["values"])


def roberta_positions(m: Materials, row: Row) -> Iterable[Pair]:
    """Positions of RoBERTa, counted from the padding id on."""
    from refimpl.graph.bert import Text
    from refimpl.graph.roberta import with_positions

    cfg: Config = _class("RobertaConfig")(pad_token_id=1)
    text: Any = with_positions(ops, cfg, Text(ids=np.array(row["input_ids"])))  # type: ignore[arg-type]
    yield _pair(text.position_ids, row["values"])


def pixel_mean(m: Materials, row: Row) -> Iterable[Pair]:
    """Mean of the prepared picture, from another library's tests."""
    path = m.picture("tiger")
    pixels = _class("CLIPImageProcessor")()(path, return_tensors="np")["pixel_values"]
    yield _pair(np.mean(pixels, dtype=np.float64), row["values"])
