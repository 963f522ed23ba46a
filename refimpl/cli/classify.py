"""refimpl classify: which label fits a picture best."""

import argparse
from typing import Any

from refimpl.cli.common import (
    BAD_INPUT,
    FINE,
    add_command,
    add_model_option,
    complain,
    items,
    print_json,
    print_table,
)
from refimpl.errors import InputError


def add_classify(commands: Any) -> None:
    """Add the command and its options."""
    command = add_command(commands, "classify", _classify, "say which label fits a picture best")
    command.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="picture files or http(s) addresses; - reads stdin",
    )
    command.add_argument(
        "--labels", nargs="+", required=True, metavar="LABEL", help="labels; - reads stdin"
    )
    add_model_option(command, "the embedded one (emoji and clip-art)")
    command.add_argument(
        "--template",
        default="{}",
        help='sentence around a label, such as "a photo of {}"; the label alone by default',
    )
    command.add_argument(
        "--device", help='where torch computes, such as "cuda" or "cpu"; without it numpy computes'
    )
    command.add_argument(
        "--dtype", help='"float32" by default; with a device "bfloat16" and "float16" too'
    )
    command.add_argument("--top", type=int, metavar="N", help="print only the N best labels")


def _classify(options: argparse.Namespace) -> int:
    from refimpl.pipelines import pipeline
    from refimpl.prompts import check_labels

    if options.images.count("-") + options.labels.count("-") > 1:
        raise InputError("standard input (-) can be read once: for pictures or for labels")
    if options.top is not None and options.top < 1:
        raise InputError(f"--top must be at least 1; got {options.top}")
    images = items(options.images, "pictures")
    labels = check_labels(items(options.labels, "labels"))
    device, dtype = options.device, options.dtype or "float32"
    classifier = pipeline(None, options.model, device=device, dtype=dtype)
    texts = classifier.encode_texts(labels, options.template)
    found: list[dict[str, Any]] = []
    for start in range(0, len(images), classifier.batch_size):
        batch = [_opened(path) for path in images[start : start + classifier.batch_size]]
        results = classifier.results([p["picture"] for p in batch if "picture" in p], labels, texts)
        for each in batch:
            if each.pop("picture", None) is not None:
                each["scores"] = next(results)[: options.top]
            found.append(each)
            if not options.json and "scores" in each:
                print(each["image"])
                print_table([(f"  {x['score']:7.2%}", x["label"]) for x in each["scores"]])
    if options.json:
        print_json(found)
    return BAD_INPUT if any("error" in each for each in found) else FINE


def _opened(path: str) -> dict[str, Any]:
    """Open one picture; a bad one is told and passed over, so that the others are not lost."""
    from refimpl.images.any_source import load_image

    try:
        return {"image": path, "picture": load_image(path)}
    except InputError as error:
        complain(error)
        return {"image": path, "error": str(error)}
