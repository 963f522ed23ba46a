"""Which of two: product + bias + activation in one kernel, or a product and then one pass.

`python -m bench.gpu --ways` times both over rows and widths, and prints the table `WAY` that
kernels/ops.py should hold for the card it ran on: paste it there, with the card's name and the
results file. Each shape is compared before it is timed, as everywhere.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from . import linear_activation, results
from .cases import Benchmark, Case, Place
from .ceilings import Ceilings
from .measure import CpuTimer, GpuTimer, Timer
from .run import Row, bad_rows, forget, name_of, run_case

FUSED, TWO = "kernel", "product, then our pass"
ROWS = (1, 16, 50, 77, 128, 197, 257, 512, 768, 1024, 2048, 4096, 8192, 16_384, 65_536)


def grid(*, tiny: bool) -> tuple[Case, ...]:
    """Every tower's MLP at every number of rows; the wider ones behind the narrower."""
    shapes = sorted(set(linear_activation.TOWERS.values()), key=lambda shape: shape[1])
    if tiny:
        return tuple(
            Case("tiny", {"rows": rows, "in": 24, "out": 32, "name": "gelu"}) for rows in (1, 5)
        )
    return tuple(
        Case(f"{rows} rows", {"rows": rows, "in": width, "out": inner, "name": name})
        for width, inner, name in shapes
        for rows in ROWS
    )


def measure_ways(
    device: torch.device,
    dtypes: Sequence[torch.dtype],
    folder: Path,
    say: Callable[[str], None] = print,
) -> int:
    """Time both ways over the grid, write the results and print the table.

    Returns:
        The exit code: 0, or 1 where a result was wrong or a kernel failed.
    """
    dry_run = device.type == "cpu"
    timer: Timer = CpuTimer() if dry_run else GpuTimer(device)
    ceilings = Ceilings(device, timer, tiny=dry_run)
    head = results.header(device, dry_run=dry_run)
    benchmark = Benchmark("ways", grid(tiny=False), grid(tiny=True), linear_activation.work)
    rows: list[Row] = []
    for dtype in dtypes:
        for case in benchmark.tiny if dry_run else benchmark.cases:
            found = run_case(
                benchmark, case, Place(device, dtype), timer, ceilings, head["device"], (FUSED, TWO)
            )
            rows += found
            forget(device)
        if not dry_run:
            say(as_table([row for row in rows if row["dtype"] == name_of(dtype)]))
    if dry_run:
        say("dry run: both ways were compared, nothing was measured, so there is no table")
    else:
        say(f"# measured on {head['device']}, {head['commit']}, {head['date']}\n{as_source(rows)}")
    say(str(results.write(folder, head, rows)))
    return 1 if bad_rows(rows, say) else 0


def pairs_of(rows: Sequence[Mapping[str, Any]]) -> dict[int, dict[int, tuple[float, float]]]:
    """Microseconds of both ways by MLP width and rows; shapes where one has no time are absent."""
    times: dict[tuple[int, int], dict[str, float]] = {}
    for row in rows:
        if row["p50_us"] is not None:
            shape = (row["shape"]["out"], row["shape"]["rows"])
            times.setdefault(shape, {})[row["backend"]] = row["p50_us"]
    found: dict[int, dict[int, tuple[float, float]]] = {}
    for (width, count), both in times.items():
        if len(both) == 2:
            found.setdefault(width, {})[count] = (both[FUSED], both[TWO])
    return found


def crossover(both: Mapping[int, tuple[float, float]]) -> int:
    """Up to how many rows the fused kernel is not the slower one, without a gap; 0 where it is.

    >>> crossover({1: (5, 9), 50: (6, 9), 512: (20, 15), 1024: (30, 31)})
    50
    """
    most = 0
    for rows, (fused, two) in sorted(both.items()):
        if fused > two:
            break
        most = rows
    return most


def table(pairs: Mapping[int, Mapping[int, tuple[float, float]]]) -> list[tuple[float, int]]:
    """(M, rows) as WAY holds them: up to which width, up to how many rows the fused kernel runs.

    A wider entry there holds for narrower widths too, so rows never rise from one to the next.

    >>> table({2048: {8: (1, 2)}, 3072: {8: (1, 2), 16: (1, 2)}, 4096: {8: (2, 1)}})
    [(3072, 8), (inf, 0)]
    """
    found: list[tuple[float, int]] = []
    for width in sorted(pairs):
        most = min([crossover(pairs[width]), *(rows for _, rows in found)])
        if found and found[-1][1] == most:
            found.pop()
        found.append((width, most))
    return [*found[:-1], (math.inf, found[-1][1])] if found else []


def as_source(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table as Python, to be pasted."""
    lines = ["WAY = {"]
    for dtype in dict.fromkeys(row["dtype"] for row in rows):
        entries = table(pairs_of([row for row in rows if row["dtype"] == dtype]))
        words = [f"({'math.inf' if m == math.inf else int(m)}, {most})" for m, most in entries]
        lines.append(f"    torch.{dtype}: ({', '.join(words)}{',' * (len(words) == 1)}),")
    return "\n".join([*lines, "}"])


def as_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many times as long the two passes take, by rows and MLP width, in Markdown."""
    pairs = pairs_of(rows)
    lines = [f"| rows | {' | '.join(f'M {width}' for width in pairs)} |"]
    lines.append("| --- |" + " --- |" * len(pairs))
    for count in sorted({count for both in pairs.values() for count in both}):
        cells = [
            f"{both[count][1] / both[count][0]:.2f}" if count in both else ""
            for both in pairs.values()
        ]
        lines.append(f"| {count} | {' | '.join(cells)} |")
    return "\n".join(lines)
