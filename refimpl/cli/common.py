"""What the commands share: their options, standard input, and how results and errors are printed.

Used by the files of this folder; __init__.py has the entry.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import refimpl.models
from refimpl.errors import InputError

FINE, BAD_INPUT = 0, 2

# The class of a whole model, where `architectures` in its config names none of ours.
_WHOLE_MODELS = {
    "clip": "CLIPModel",
    "siglip": "SiglipModel",
    "chinese_clip": "ChineseCLIPModel",
    "vision-text-dual-encoder": "VisionTextDualEncoderModel",
    "bert": "BertModel",
    "roberta": "RobertaModel",
    "vit": "ViTModel",
    "deit": "DeiTModel",
    "beit": "BeitModel",
    "dinov2": "Dinov2Model",
}

Entries = Sequence[tuple[str, ...]]


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    """Add a command: its name, what runs it, and one line of help."""
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.set_defaults(run=run)
    command.add_argument("--json", action="store_true", help="print JSON only")
    return command


def add_model_option(command: argparse.ArgumentParser, default: str) -> None:
    """Add the option that names a checkpoint."""
    command.add_argument("--model", help=f"folder or hub id; by default {default}")


def items(given: Sequence[str], what: str) -> list[str]:
    """Replace a lone `-` by the lines of standard input; empty lines are dropped."""
    found = []
    for each in given:
        if each == "-":
            found += [line for line in sys.stdin.read().splitlines() if line.strip()]
        else:
            found.append(each)
    if not found:
        raise InputError(f"standard input held no {what}")
    return found


def print_table(rows: Entries) -> None:
    """Print rows in columns, each as wide as its widest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def print_json(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def complain(error: BaseException) -> None:
    """Print an error as one line; the lines of a list (of tensors, say) are joined."""
    message = "; ".join(line.strip() for line in str(error).splitlines())
    print(f"refimpl: error: {message or type(error).__name__}", file=sys.stderr)


def warn(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning as one line."""
    print(f"refimpl: warning: {' '.join(str(message).split())}", file=sys.stderr)


def model_class(config: Mapping[str, Any], where: str) -> Any:
    """Give the class that a checkpoint was saved from, or its family's whole model.

    Raises:
        InputError: the config names no class and no family that is known here.
    """
    saved_from = config.get("architectures")
    names = [saved_from[0]] if isinstance(saved_from, list) and saved_from else []
    names.append(_WHOLE_MODELS.get(str(config.get("model_type"))))
    for name in names:
        if name in refimpl.models.__all__:
            return getattr(refimpl.models, str(name))
    raise InputError(
        f"{where}: the config is of model_type {config.get('model_type')!r}; known here are "
        + ", ".join(sorted(_WHOLE_MODELS))
    )
