"""The results file: one JSON and a Markdown table beside it, written whole or not at all.

A dry run's file says so in its first lines and holds no time at all: the interpreter's seconds are
of no use to anybody.
"""

import datetime
import json
import os
import platform
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parents[2]
FIGURES = ("p20_us", "p50_us", "p80_us", "gb_s", "tflop_s", "share")
COLUMNS = {
    "op": "the kernel's file",
    "case": "what the shape is of",
    "shape": "sizes by name",
    "dtype": "of the floating-point inputs",
    "backend": "what ran: the kernel, or a rival",
    "kernel": "whether it is ours, the one that the goals are for",
    "error": "relative L2 from the numpy twin in float64",
    "p20_us": "microseconds: a fifth of the calls were faster",
    "p50_us": "microseconds: the median",
    "p80_us": "microseconds: a fifth of the calls were slower",
    "repetitions": "how many calls were timed",
    "gb_s": "the formula's bytes over the median, in 10⁹ a second",
    "tflop_s": "the formula's FLOPs over the median, in 10¹² a second",
    "ceiling": "what the share is of",
    "ceiling_rate": "the ceiling measured in this run: bytes or FLOPs a second",
    "share": "of that ceiling",
    "extra_bytes": "memory at the peak beside the inputs, the result among it",
    "goals": "each goal, what was found, and whether it is met",
    "verdict": "met, missed, no goal, not judged, not served, wrong, failed; of rivals right, wrong, "
    "does not run",
    "note": "what else to know: launch-bound, why it does not run",
}
"""Every field of a row, in order."""


def header(device: torch.device, *, dry_run: bool) -> dict[str, Any]:
    """Say what ran where: device, driver, versions, commit, date, command."""
    return {
        "dry_run": dry_run,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU",
        "driver": _nvidia("driver_version"),
        "clocks": clocks(),
        "torch": torch.__version__,
        "triton": _version_of_triton(),
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "commit": _commit(),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": "python -m bench.gpu " + shlex.join(sys.argv[1:]),
    }


def clocks() -> str | None:
    """Clocks, power limit and temperature now, where nvidia-smi tells them."""
    return _nvidia("clocks.sm,clocks.mem,power.limit,temperature.gpu")


def _nvidia(query: str) -> str | None:
    """Ask nvidia-smi about the first GPU; None where there is none."""
    ask = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.splitlines()[0].strip() if done.stdout.strip() else None


def _version_of_triton() -> str | None:
    try:
        import triton
    except ImportError:
        return None
    return str(triton.__version__)


def _commit() -> str | None:
    """The commit of this checkout, "-dirty" behind it where files were changed."""
    ask = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True, check=True, cwd=ROOT, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def file_name(head: Mapping[str, Any]) -> str:
    """Name a run's files after its date, card and commit.

    >>> file_name({"dry_run": False, "device": "NVIDIA H200", "commit": "0f83044",
    ...            "date": "2026-11-21T16:00:00+00:00"})
    'gpu-2026-11-21T16-00-00-nvidia-h200-0f83044'
    """
    day = head["date"][:19].replace(":", "-")
    card = re.sub(r"[^a-z0-9]+", "-", head["device"].lower()).strip("-")
    kind = "dry-run" if head["dry_run"] else "gpu"
    return f"{kind}-{day}-{card}-{head['commit'] or 'unknown'}"


def write(folder: Path, head: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write both files; returns the path of the JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{file_name(head)}.json"
    document = {**head, "columns": COLUMNS, "rows": list(rows)}
    _write_whole(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    _write_whole(path.with_suffix(".md"), markdown(head, rows))
    return path


def read(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read a results file: its header and its rows.

    Raises:
        ValueError: a row has other fields than this version writes.
    """
    head = json.loads(path.read_text(encoding="utf-8"))
    rows = head.pop("rows")
    head.pop("columns")
    for number, row in enumerate(rows):
        if list(row) != list(COLUMNS):
            raise ValueError(f"{path.name}: row {number} has other fields: {sorted(row)}")
    return head, rows


def _write_whole(path: Path, text: str) -> None:
    """Write a temporary file and rename it, so that no reader ever sees half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".half-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def markdown(head: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as one table for each kernel, the header above them."""
    dry = head["dry_run"]
    title = (
        "DRY RUN on the CPU: results were compared, nothing was measured"
        if dry
        else (f"Kernels on {head['device']}")
    )
    facts = ("driver", "clocks", "torch", "triton", "cuda", "python", "commit", "date", "command")
    lines = [f"# {title}", ""]
    lines += [f"- {name}: {head[name]}" for name in facts if head.get(name) is not None]
    for op in dict.fromkeys(row["op"] for row in rows):
        lines += ["", f"## {op}", ""]
        lines += _table([row for row in rows if row["op"] == op], dry)
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Mapping[str, Any]], dry: bool) -> list[str]:
    """One kernel's rows; a dry run's have no figures but the error."""
    figures = () if dry else ("µs (p20 to p80)", "GB/s", "TFLOP/s", "share of")
    names = ("case", "dtype", "backend", "error", *figures, "goals", "verdict", "note")
    lines = [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
    for row in rows:
        error = "" if row["error"] is None else f"{row['error']:.1e}"
        shape = ", ".join(f"{name} {size}" for name, size in row["shape"].items())
        cells = [f"{row['case']} ({shape})", row["dtype"], row["backend"], error]
        cells += [] if dry else _figures(row)
        goals = "; ".join(_goal(each) for each in row["goals"])
        cells += [goals, row["verdict"], row["note"]]
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return lines


def _figures(row: Mapping[str, Any]) -> list[str]:
    """Times and rates of a row; nothing where it has no time."""
    if row["p50_us"] is None:
        return [""] * 4
    return [
        f"{row['p50_us']:.1f} ({row['p20_us']:.1f} to {row['p80_us']:.1f})",
        f"{row['gb_s']:.0f}",
        f"{row['tflop_s']:.1f}",
        f"{row['share']:.2f} {row['ceiling']}",
    ]


def _goal(judged: Mapping[str, Any]) -> str:
    """A goal with what was found: "≥ 0.9 of the ceiling: 0.93, met"."""
    found = "" if judged["found"] is None else f": {judged['found']:.4g}, {judged['verdict']}"
    return f"{judged['goal']}{found}"
