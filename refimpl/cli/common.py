"""What the commands share: their options, standard input, and how results and errors are printed.

Used by the files of this folder; __init__.py has the entry.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from refimpl.errors import InputError

FINE, BAD_INPUT = 0, 2

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
    from refimpl import models
    from refimpl.families import class_for

    saved_from = config.get("architectures")
    if isinstance(saved_from, list) and saved_from and saved_from[0] in models.__all__:
        return getattr(models, saved_from[0])
    return class_for(config.get("model_type"), "model", where)
