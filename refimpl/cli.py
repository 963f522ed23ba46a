"""The command `refimpl`: classify pictures, tokenize texts, look into a checkpoint.

Stands on top of everything. Bad use or input ends in one line on standard error and exit code 2;
no traceback. With `--json` standard output holds one JSON document and nothing else. A lone `-`
in a list reads its items from standard input, one a line.

argparse, from the standard library, because it takes `--labels "a cat" "a dog"` as it stands.
"""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from refimpl import __version__
from refimpl.errors import InputError

FINE, BAD_INPUT = 0, 2

Entries = Sequence[tuple[str, ...]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 fine, 2 bad use or input."""
    parsed = _parser().parse_args(arguments)
    warnings.showwarning = _warn
    try:
        code: int = parsed.run(parsed)
        sys.stdout.flush()
    except (ValueError, OSError, MemoryError) as error:
        if isinstance(error, BrokenPipeError):  # whoever read our output has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FINE
        _complain(error)
        return BAD_INPUT
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="refimpl",
        description="The golden reference for image-text models, in numpy.",
        epilog="Exit codes: 0 fine, 2 bad use or input.",
    )
    parser.add_argument("--version", action="version", version=f"refimpl {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_classify(commands)
    _add_tokenize(commands)
    _add_info(commands)
    return parser


def _add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.set_defaults(run=run)
    command.add_argument("--json", action="store_true", help="print JSON only")
    return command


# refimpl classify


def _add_classify(commands: Any) -> None:
    command = _add_command(commands, "classify", _classify, "say which label fits a picture best")
    command.add_argument(
        "images", nargs="+", metavar="IMAGE", help="picture files; - reads paths from stdin"
    )
    command.add_argument(
        "--labels", nargs="+", required=True, metavar="LABEL", help="labels; - reads stdin"
    )
    _add_model_option(command, "the embedded one (emoji and clip-art)")
    command.add_argument(
        "--template",
        default="{}",
        help='sentence around a label, such as "a photo of {}"; the label alone by default',
    )
    command.add_argument("--top", type=int, metavar="N", help="print only the N best labels")


def _classify(options: argparse.Namespace) -> int:
    from refimpl.pipelines import check_labels, pipeline

    if options.images.count("-") + options.labels.count("-") > 1:
        raise InputError("standard input (-) can be read once: for pictures or for labels")
    if options.top is not None and options.top < 1:
        raise InputError(f"--top must be at least 1; got {options.top}")
    images = _items(options.images, "pictures")
    labels = check_labels(_items(options.labels, "labels"))
    classifier = pipeline("zero-shot-image-classification", options.model)
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
                _print_table([(f"  {x['score']:7.2%}", x["label"]) for x in each["scores"]])
    if options.json:
        _print_json(found)
    return BAD_INPUT if any("error" in each for each in found) else FINE


def _opened(path: str) -> dict[str, Any]:
    """Open one picture; a bad one is told and passed over, so that the others are not lost."""
    from refimpl.pipelines import upright_rgb

    try:
        return {"image": path, "picture": upright_rgb(path)}
    except InputError as error:
        _complain(error)
        return {"image": path, "error": str(error)}


# refimpl tokenize


def _add_tokenize(commands: Any) -> None:
    command = _add_command(commands, "tokenize", _tokenize, "turn texts into token ids")
    command.add_argument("texts", nargs="+", metavar="TEXT", help="texts; - reads stdin")
    _add_model_option(command, "CLIP's own vocabulary")
    command.add_argument(
        "--profile", help="which upstream to follow where they differ, such as transformers"
    )
    command.add_argument(
        "--explain", action="store_true", help="show every step: cleaning, words, merges, scores"
    )


def _tokenize(options: argparse.Namespace) -> int:
    texts = _items(options.texts, "texts")
    tokenizer = _tokenizer(options.model, options.profile)
    found = []
    for text in texts:
        if options.explain:
            explanation = tokenizer.explain(text)
            found.append(explanation.to_dict())
            if not options.json:
                print(explanation)
            continue
        ids = tokenizer.encode(text)
        tokens = tokenizer.convert_ids_to_tokens(ids)
        found.append({"text": text, "ids": ids, "tokens": tokens})
        if not options.json:
            print(text)
            _print_table([(f"  {i:6d}", token) for i, token in zip(ids, tokens, strict=True)])
    if options.json:
        _print_json(found)
    return FINE


def _tokenizer(model: str | None, profile: str | None) -> Any:
    """Give a checkpoint's own tokenizer, whatever its family; CLIP's without a checkpoint."""
    from tokenizers_py import AutoTokenizer, CLIPTokenizer

    if model is None:
        return CLIPTokenizer() if profile is None else CLIPTokenizer(profile=profile)
    return AutoTokenizer.from_pretrained(model, profile=profile)


# refimpl info


def _add_info(commands: Any) -> None:
    command = _add_command(commands, "info", _info, "say what a checkpoint is, and check it")
    command.add_argument("model", nargs="?", help="folder or hub id; the embedded one by default")
    command.add_argument("--full", action="store_true", help="also print every tensor")


def _info(options: argparse.Namespace) -> int:
    from refimpl.checkpoints.hub import resolve
    from refimpl.demo import model_folder
    from refimpl.models import CLIPModel

    where = model_folder() if options.model is None else resolve(options.model)
    model = CLIPModel.from_pretrained(where)
    tensors = model.state_dict()
    parts = {
        part: sum(x.size for name, x in tensors.items() if name.startswith(part))
        for part in ("text_model", "vision_model")
    }
    if options.json:
        shapes = {"tensors": {name: list(x.shape) for name, x in tensors.items()}}
        _print_json(
            {
                "model": str(where),
                "config": model.config.to_dict(),
                "parameters": {"total": model.num_parameters(), **parts},
                **(shapes if options.full else {}),
            }
        )
        return FINE
    _print_table(_summary(str(where), model, parts))
    if options.full:
        _print_table([(name, str(x.shape)) for name, x in tensors.items()])
    return FINE


def _summary(where: str, model: Any, parts: dict[str, int]) -> Entries:
    """Lines of `refimpl info`: what the towers are, and how large."""
    text, vision = model.config.text_config, model.config.vision_config
    patches = (vision.image_size // vision.patch_size) ** 2

    def tower(cfg: Any, part: str) -> str:
        return (
            f"{cfg.num_hidden_layers} layers of width {cfg.hidden_size}, "
            f"{cfg.num_attention_heads} heads, {cfg.hidden_act}; {parts[part]:,} parameters"
        )

    return [
        ("model", where),
        ("kind", f"{model.config.model_type}, joint width {model.config.projection_dim}"),
        ("image tower", tower(vision, "vision_model")),
        (
            "",
            f"{vision.image_size}×{vision.image_size} pixels, {patches} patches of "
            f"{vision.patch_size}×{vision.patch_size}",
        ),
        ("text tower", tower(text, "text_model")),
        ("", f"{text.vocab_size} tokens, texts up to {text.max_position_embeddings}"),
        ("parameters", f"{model.num_parameters():,}"),
        ("in memory", f"{model.num_parameters() * 4 / 1e6:.1f} MB as float32"),
        ("checkpoint", "every tensor is there, of the right shape, and finite"),
    ]


# Shared


def _add_model_option(command: argparse.ArgumentParser, default: str) -> None:
    command.add_argument("--model", help=f"folder or hub id; by default {default}")


def _items(given: Sequence[str], what: str) -> list[str]:
    """Replace a lone `-` by the lines of standard input; empty lines are dropped."""
    items = []
    for each in given:
        if each == "-":
            items += [line for line in sys.stdin.read().splitlines() if line.strip()]
        else:
            items.append(each)
    if not items:
        raise InputError(f"standard input held no {what}")
    return items


def _print_table(rows: Entries) -> None:
    """Print rows in columns, each as wide as its widest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def _complain(error: BaseException) -> None:
    """Print an error as one line; the lines of a list (of tensors, say) are joined."""
    message = "; ".join(line.strip() for line in str(error).splitlines())
    print(f"refimpl: error: {message or type(error).__name__}", file=sys.stderr)


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning as one line."""
    print(f"refimpl: warning: {' '.join(str(message).split())}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
