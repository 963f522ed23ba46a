"""Running benchmarks: compare, then time, then judge; one case at a time.

A wrong result gets no time. What a rival cannot do (a shape, too little memory) is a row that says
so; a kernel that cannot is a failure.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from . import results
from .cases import Backend, Benchmark, Case, NotServedError, Part, Place, Work
from .ceilings import Ceilings
from .goals import judge, overall
from .measure import (
    TOLERANCES,
    CpuTimer,
    GpuTimer,
    Timer,
    Times,
    difference,
    error_of,
    extra_bytes,
)

Row = dict[str, Any]


def run(
    benchmarks: Iterable[Benchmark],
    device: torch.device,
    dtypes: Sequence[torch.dtype],
    folder: Path,
    *,
    tune: bool = False,
    say: Callable[[str], None] = print,
) -> int:
    """Run benchmarks and write their results.

    Args:
        benchmarks: which.
        device: a GPU; the CPU makes it a dry run of the tiny cases.
        dtypes: of the floating-point inputs.
        folder: where the two files go.
        tune: also time torch.compile with its search for the best product.
        say: told of each case and of the files.

    Returns:
        The exit code: 0, or 1 where a result was wrong or a kernel failed.
    """
    dry_run = device.type == "cpu"
    timer: Timer = CpuTimer() if dry_run else GpuTimer(device)
    ceilings = Ceilings(device, timer, tiny=dry_run)
    head = results.header(device, dry_run=dry_run)
    if not dry_run:
        head["copy_gb_s"] = ceilings.copy() / 1e9
        head["product_tflop_s"] = {
            name_of(dtype): ceilings.square_product(dtype) / 1e12 for dtype in dtypes
        }
    rows: list[Row] = []
    for benchmark in benchmarks:
        for case in benchmark.tiny if dry_run else benchmark.cases:
            for dtype in dtypes:
                say(f"{benchmark.op}: {case.name}, {name_of(dtype)}")
                place = Place(device, dtype, tune)
                rows += run_case(benchmark, case, place, timer, ceilings, head["device"])
                forget(device)
        if not dry_run:
            head["clocks_afterwards"] = results.clocks()
        results.write(folder, head, rows)  # as far as it got, should the rest be cut off
    path = results.write(folder, head, rows)
    say(f"{path}\n{path.with_suffix('.md')}")
    return 1 if bad_rows(rows, say) else 0


def bad_rows(rows: Sequence[Row], say: Callable[[str], None]) -> list[Row]:
    """Name the rows whose result was wrong, and the kernels that failed."""
    bad = [row for row in rows if row["verdict"] in ("wrong", "failed")]
    for row in bad:
        place = f"{row['op']}, {row['case']}, {row['backend']}"
        say(f"{row['verdict'].upper()}: {place}: {row['note']}")
    return bad


def run_case(
    benchmark: Benchmark,
    case: Case,
    place: Place,
    timer: Timer,
    ceilings: Ceilings,
    device_name: str,
    only: Sequence[str] = (),
) -> list[Row]:
    """Run the backends of one case, or only some of them; the kernel's row comes first."""
    blank = {
        **dict.fromkeys(results.COLUMNS),
        "op": benchmark.op,
        "case": case.name,
        "shape": dict(case.sizes),
        "dtype": name_of(place.dtype),
        "goals": [],
        "note": "",
    }
    alone = {**blank, "backend": "kernel", "kernel": True}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says at length which attention it cannot run
        try:
            work = benchmark.work(case.sizes, place)
            wanted = work.wanted()
        except NotServedError as reason:
            return [{**alone, "verdict": "not served", "note": str(reason)}]
        except Exception as error:
            note = f"the case itself: {_first_line(error)}"
            return [{**alone, "verdict": "failed", "note": note}]
        rows = [
            run_backend(blank, backend, work, wanted, place, timer, ceilings)
            for backend in work.backends
            if not only or backend.name in only
        ]
    kernel, *rivals = rows
    kernel["kernel"] = True
    by_name = {row["backend"]: row for row in rivals}
    if kernel["verdict"] == "right":
        kernel["goals"] = [judge(goal, kernel, by_name, device_name) for goal in case.goals]
        kernel["verdict"] = overall(kernel["goals"]) if place.device.type == "cuda" else "right"
    elif kernel["verdict"] == "does not run":
        kernel["verdict"] = "failed"
    return rows


def run_backend(
    blank: Row,
    backend: Backend,
    work: Work,
    wanted: Sequence[Part],
    place: Place,
    timer: Timer,
    ceilings: Ceilings,
) -> Row:
    """Compare one backend, and time it where it is right."""
    row = {**blank, "backend": backend.name, "kernel": False}
    tolerance = TOLERANCES[name_of(place.dtype)]
    try:
        error, note = _compare(backend, work, wanted, tolerance)
        row["error"] = error if math.isfinite(error) else None
        if note:
            return {**row, "verdict": "wrong", "note": note}
        timed = backend.timed or backend.call
        row["extra_bytes"] = extra_bytes(timed, place.device)
        times = timer(timed)
        if place.device.type == "cuda":
            row.update(figures(times, work, place, ceilings))
    except Exception as error:
        return {**row, "verdict": "does not run", "note": _first_line(error)}
    return {**row, "verdict": "right"}


def _compare(
    backend: Backend, work: Work, wanted: Sequence[Part], tolerance: float
) -> tuple[float, str]:
    """Compare parts with the twin's, for the kernel also the whole result with a rival's.

    Returns:
        The error, and what is wrong: nothing where it is right.
    """
    found = backend.call()
    found = backend.shown(found) if backend.shown else found
    ours, allowed = backend is work.backends[0], tolerance * backend.looseness
    if ours:  # sums of a kernel are float32: what it returns in float32 is that exact
        first = found if isinstance(found, torch.Tensor) else found[0]
        allowed = TOLERANCES[name_of(first.dtype)] * backend.looseness
    error = error_of(found, wanted)
    if not error <= allowed:
        return error, f"{error:.1e} from the twin, above {allowed:.1e}"
    if not ours or len(work.backends) == 1:
        return error, ""
    rival = work.backends[1]
    try:
        other = rival.call()
    except (RuntimeError, ValueError):  # it cannot; its own row will say so
        return error, ""
    apart = difference(found, rival.shown(other) if rival.shown else other)
    allowed += tolerance * rival.looseness
    if apart <= allowed:
        return error, ""
    return apart, f"{apart:.1e} from the whole of {rival.name}, above {allowed:.1e}"


def figures(times: Times, work: Work, place: Place, ceilings: Ceilings) -> Row:
    """Everything that follows from the times: rates, ceiling and share."""
    copied = work.ceiling == "copy"
    if copied:
        rate = ceilings.copy(work.moved)
    elif work.product and work.ceiling == "own product":
        rate = ceilings.product(*work.product, place.dtype)
    else:
        rate = ceilings.square_product(place.dtype)
    return {
        "p20_us": times.p20 * 1e6,
        "p50_us": times.p50 * 1e6,
        "p80_us": times.p80 * 1e6,
        "repetitions": times.repetitions,
        "gb_s": work.moved / times.p50 / 1e9,
        "tflop_s": work.flops / times.p50 / 1e12,
        "ceiling": work.ceiling,
        "ceiling_rate": rate,
        "share": (work.moved if copied else work.flops) / times.p50 / rate,
        "note": "launch-bound" if times.launch_bound else "",
    }


def _first_line(error: Exception) -> str:
    """An error's kind and the beginning of what it says."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]:.100}"


def forget(device: torch.device) -> None:
    """Give a case's memory and compiled code back before the next one."""
    if device.type == "cuda":
        torch.compiler.reset()
        torch.cuda.empty_cache()


def name_of(dtype: torch.dtype) -> str:
    """A dtype without its module: "bfloat16"."""
    return str(dtype).removeprefix("torch.")
