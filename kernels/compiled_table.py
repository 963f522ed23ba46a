"""Every configuration of every kernel, compiled for every target: all at once, and as a table.

    python -m kernels.compiled_table docs/kernels.md          # writes the table into the page
    python -m kernels.compiled_table layer_norm sm_90         # prints what a name contains, checked

Called by tests/compiled, which hold each report to the rules of compiled.py. The kernels are found
by looking, so none can be forgotten: a file with `configurations()` is a kernel.
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import triton

import kernels
from kernels.compiled import SHARED_LIMITS, Configuration, faults, report
from kernels.disassembled import Report
from kernels.errors import KernelError

BEGIN, END = "<!-- compiled with triton ", "<!-- end of what was compiled -->"
"""What stands before and behind the table on its page; the version follows the first."""

Pair = tuple[str, str]
"""A configuration's name and a target."""


def all_configurations() -> dict[str, Configuration]:
    """Gather the configurations of every file of this package that has some, by name.

    Raises:
        KernelError: two have one name.
    """
    found: dict[str, Configuration] = {}
    for file in pkgutil.iter_modules(kernels.__path__):
        module = importlib.import_module(f"kernels.{file.name}")
        for each in getattr(module, "configurations", list)():
            if each.name in found:
                raise KernelError(f"kernels/{file.name}.py: two configurations are {each.name!r}")
            found[each.name] = each
    return found


def all_pairs() -> list[Pair]:
    """Every configuration with every target that the installed Triton can compile for, but `rare`."""
    targets = [target for target in SHARED_LIMITS if missing(target) is None]
    pairs = [(name, target) for name in all_configurations() for target in targets]
    return [pair for pair in pairs if not rare(pair)]


def rare(pair: Pair) -> bool:
    """Whether a pair is left to the slow tests: `seldom` ones, and most for sm_100 and gfx942.

    For these two, of each kernel, only its first configuration in bfloat16 is compiled every time.
    """
    name, target = pair
    if _configurations()[name].seldom:
        return True
    return target in ("sm_100", "gfx942") and name not in _first_of_each_kernel()


@cache
def _first_of_each_kernel() -> set[str]:
    first: dict[str, str] = {}
    for name, each in _configurations().items():
        if "bfloat16" in name.split() or not any("float" in word for word in name.split()):
            first.setdefault(each.kernel.__name__, name)
    return set(first.values())


@triton.jit
def _nothing(x_ptr):
    """Do nothing, so that it compiles wherever anything does."""
    pass


@cache
def missing(target: str) -> str | None:
    """Say why the installed Triton cannot compile for a target, or None where it can.

    It tries a kernel that does nothing, so a fault of a real kernel never looks like a lack.
    """
    try:
        report(Configuration("nothing", _nothing, {"x_ptr": "*fp32"}), target)
    except Exception as fault:
        return f"triton {triton.__version__} has no {target}: {str(fault)[:200]}"
    return None


def reports(pairs: Iterable[Pair], processes: int = 2) -> dict[Pair, Report | str]:
    """Compile many configurations, a few at a time, each process with a Triton of its own.

    Args:
        pairs: names and targets.
        processes: how many at once; a compilation takes about a second of one core.

    Returns:
        By pair, the report; or the error in words, where it does not compile.
    """
    pairs = list(pairs)
    # spawned, because a forked Triton could wait for a lock that a thread of the parent held
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        return dict(zip(pairs, pool.map(_report_of, pairs), strict=True))


def _report_of(pair: Pair) -> Report | str:
    """Compile one pair, in a process of `reports`."""
    name, target = pair
    try:
        return report(_configurations()[name], target)
    except Exception as fault:
        return f"{type(fault).__name__}: {fault}"


_configurations = cache(all_configurations)


def table(found: Mapping[Pair, Report | str]) -> str:
    """Write reports as Markdown: a table for every kernel's file, a row for every configuration."""
    targets = list(dict.fromkeys(target for _, target in found))
    head = f"| configuration | {' | '.join(targets)} |\n|---{'|---' * len(targets)}|"
    lines: list[str] = []
    last = ""
    for name in dict.fromkeys(name for name, _ in found):
        file = _configurations()[name].kernel.fn.__module__.removeprefix("kernels.")
        if file != last:
            lines += ["", f"### {file}", "", head]
            last = file
        cells = [_cell(name, target, found.get((name, target))) for target in targets]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _cell(name: str, target: str, each: Report | str | None) -> str:
    """Registers / bytes of shared memory / instructions, and those of the tensor cores."""
    if isinstance(each, str):
        raise KernelError(f"{name} does not compile for {target}: {each}")
    if each is None:
        return ""
    tensor = "".join(f", {count} {kind}" for kind, count in each.tensor.items())
    return f"{each.registers} / {each.shared:,} / {each.instructions:,}{tensor}"


def with_table(page: str, found: Mapping[Pair, Report | str]) -> str:
    """Put the table between the two comments of a page, in place of what is there."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{triton.__version__} -->\n{table(found)}\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Write the table into a page, or print the reports of some configurations."""
    if arguments and arguments[0].endswith(".md"):
        page = Path(arguments[0])
        text = with_table(page.read_text(encoding="utf-8"), reports(all_pairs()))
        page.write_text(text, encoding="utf-8")
        return 0
    wanted, targets = "".join(arguments[:1]), arguments[1:] or SHARED_LIMITS
    pairs = [pair for pair in all_pairs() if wanted in pair[0] and pair[1] in targets]
    broken = 0
    for (name, target), each in reports(pairs).items():
        wrong = [each] if isinstance(each, str) else faults(_configurations()[name], each)
        print(f"{name}, {target}: {each}", *wrong, sep="\n    WRONG: ")
        broken += bool(wrong)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
