"""refimpl verify --published: our numbers beside those that others published.

    refimpl verify --published --model openai/clip-vit-base-patch32=./clip-b32 --pictures ./pictures

Exit codes: 0 nothing that was run differs, 1 something differs, 2 bad use, or a checkpoint or
picture that cannot be read. What was not run is listed with its reason; nothing is claimed of it.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from refimpl.cli.common import BAD_INPUT, FINE, add_command, print_json
from refimpl.errors import InputError

DIFFERS = 1


def add_verify(commands: Any) -> None:
    """Add the command and its options."""
    text = "compare our numbers with published ones"
    command = add_command(commands, "verify", _verify, text)
    command.add_argument(
        "--published",
        action="store_true",
        required=True,
        help="numbers that the authors of released models and of other programs published",
    )
    command.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="take the weights of the hub's NAME from FOLDER; may be given several times",
    )
    command.add_argument(
        "--pictures",
        type=Path,
        metavar="FOLDER",
        help="pictures that this package may not pass on, such as 000000039769.jpg of COCO",
    )
    command.add_argument(
        "--only", action="append", default=[], metavar="ID", help="run only this row, and so on"
    )
    command.add_argument(
        "--offline",
        "--local-files-only",
        action="store_true",
        help="take what the hub's cache holds; without it, weights are downloaded (gigabytes)",
    )


def _verify(options: argparse.Namespace) -> int:
    from refimpl.published import read_rows, verify
    from refimpl.published.materials import Materials

    if options.pictures is not None and not options.pictures.is_dir():
        raise InputError(f"--pictures: {options.pictures} is not a folder")
    materials = Materials(_folders(options.model), options.pictures, options.offline)
    outcomes = []
    for outcome in verify(read_rows(), materials, options.only):
        outcomes.append(outcome)
        if not options.json:
            name = f"{outcome.row}, {outcome.part}" if outcome.part else outcome.row
            print(f"{outcome.status:8}  {name}: {' '.join(outcome.detail.split())}", flush=True)
    counts: Counter[str] = Counter(outcome.status for outcome in outcomes)
    summary = _summary(counts)
    if options.json:
        results = [outcome.to_dict() for outcome in outcomes]
        print_json({"results": results, "counts": _counts(counts), "summary": summary})
    else:
        print(summary)
    if counts["differs"]:
        return DIFFERS
    return BAD_INPUT if counts["refused"] else FINE


def _folders(given: list[str]) -> dict[str, Path]:
    """Read NAME=FOLDER, and see that the folder is there."""
    folders = {}
    for each in given:
        name, equals, folder = each.partition("=")
        if not (name and equals and folder):
            raise InputError(f"--model must be NAME=FOLDER; got {each!r}")
        if not Path(folder).exists():
            raise InputError(f"--model {name}: there is no {folder}")
        if name not in _models():
            known = ", ".join(_models())
            raise InputError(f"--model: no published row uses {name!r}; they use {known}")
        folders[name] = Path(folder)
    return folders


def _models() -> list[str]:
    """Give the names of all checkpoints that rows are about."""
    from refimpl.published.table import MODELS

    return list(MODELS)


def _counts(counts: Counter[str]) -> dict[str, int]:
    return {
        "run": counts["equal"] + counts["differs"],
        "differing": counts["differs"],
        "not run": counts["not run"],
        "refused": counts["refused"],
    }


def _summary(counts: Counter[str]) -> str:
    """Say what was run, what differs, and what nothing is known of."""
    number = _counts(counts)
    text = f"{number['run']} run, {number['differing']} differing, {number['not run']} not run"
    if number["refused"]:
        text += f", {number['refused']} refused"
    if not number["run"]:
        return f"{text}. Nothing was run, so nothing is verified."
    return f"{text}. Nothing is claimed of what was not run."
