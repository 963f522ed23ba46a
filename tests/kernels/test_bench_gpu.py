"""The micro-benchmarks of bench/gpu: a dry run of each.

It compares tiny cases in the interpreter, and counts bytes and FLOPs. Nothing here measures
anything; what measures and judges is tested by test_bench_gpu_measuring.py and _results.py.
"""

import functools
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.gpu import __main__ as command
from bench.gpu import (
    attention,
    layer_norm,
    losses,
    results,
)
from bench.gpu import run as running
from bench.gpu.all import BENCHMARKS
from bench.gpu.cases import Benchmark, Case, Place
from kernels import attention_short as short
from kernels import plain
from refimpl.graph import chunked_losses
from refimpl.graph.interface import Mask

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
ONLY_ON_CUDA = ("SDPA, cuDNN", "SDPA, efficient")


def quiet(message):
    """Say nothing."""


@functools.cache
def made(op, number, dtype=torch.bfloat16):
    """The work of a tiny case, and what its kernel gives."""
    benchmark = BENCHMARKS[op]
    work = benchmark.work(benchmark.tiny[number].sizes, Place(CPU, dtype))
    backend = work.backends[0]
    found = backend.call()
    found = backend.shown(found) if backend.shown else found
    return work, found if isinstance(found, tuple) else (found,)


TINY = [(op, number) for op, each in BENCHMARKS.items() for number in range(len(each.tiny))]


@pytest.mark.filterwarnings("ignore:All-NaN slice")
@pytest.mark.parametrize(("op", "number"), TINY)
def test_bytes_and_flops_by_formula_are_those_of_the_tensors(op, number):
    work, found = made(op, number)
    tensors = (*work.reads, *found)
    assert work.moved == sum(x.numel() * x.element_size() for x in tensors)
    if work.product:
        assert work.flops == 2 * math.prod(work.product)
    assert work.flops > 0


@pytest.mark.filterwarnings("ignore:All-NaN slice")
@pytest.mark.parametrize("op", BENCHMARKS)
def test_a_dry_run_compares_everything_and_shows_no_time(op, tmp_path, capsys):
    assert command.main(["--dry-run", "--only", op, "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*.json")
    head, rows = results.read(path)
    assert head["dry_run"] is True and head["device"] == "CPU" and head["torch"]
    assert path.name.startswith("dry-run-")
    assert {row["op"] for row in rows} == {op}
    assert len({row["case"] for row in rows}) == len(BENCHMARKS[op].tiny)
    for row in rows:
        allowed = row["verdict"] == "right" or (
            row["verdict"] == "does not run" and row["backend"].startswith(ONLY_ON_CUDA)
        )
        assert allowed, row
        assert row["error"] is not None or row["verdict"] == "does not run"
        assert all(row[figure] is None for figure in results.FIGURES)
    text = path.with_suffix(".md").read_text()
    assert text.startswith("# DRY RUN") and "nothing was measured" in text.splitlines()[0]
    assert "µs" not in text and "GB/s" not in text
    assert str(path) in capsys.readouterr().out


def test_every_kernel_has_a_benchmark():
    with_kernels = {
        path.stem
        for path in (ROOT / "kernels").glob("*.py")
        if "\ndef configurations(" in path.read_text()
    }
    assert with_kernels == set(BENCHMARKS)


def test_the_goals_are_stated():
    cases = {case.sizes["tokens"]: case for case in attention.ANY_LENGTH.cases if case.goals}
    cases |= {case.sizes["tokens"]: case for case in attention.SHORT.cases if case.goals}
    assert set(cases) >= {50, 64, 77, 197, 257, 577, 729}
    for tokens in (50, 77, 197, 257):
        goals = {(goal.figure, goal.against): goal.bound for goal in cases[tokens].goals}
        assert goals["share", ""] >= 0.7 and goals["speedup", attention.DEFAULT] >= 1.4
    heads = {case.sizes["head width"] for case in attention.ANY_LENGTH.cases}
    assert heads == {64, 72, 80, 88, 104}
    for case in BENCHMARKS["add_layer_norm"].cases:
        assert {goal.figure: goal.bound for goal in case.goals}["speedup"] == 1.8
        assert case.goals[0].bound == (0.8 if case.sizes["width"] == 512 else 0.9)
    for case in BENCHMARKS["linear_activation"].cases:
        many = case.sizes["rows"] >= 12_000
        assert [(goal.figure, goal.bound) for goal in case.goals] == [("share", 0.95)] * many


@pytest.mark.filterwarnings("ignore:All-NaN slice")
@pytest.mark.parametrize("op", BENCHMARKS)
def test_a_speedup_is_over_a_rival_that_is_there(op):
    work, _ = made(op, 0)
    names = {backend.name for backend in work.backends}
    assert len(names) == len(work.backends)
    for case in BENCHMARKS[op].cases:
        assert {goal.against for goal in case.goals} - {""} <= names
        assert BENCHMARKS[op].tiny[0].sizes.keys() <= case.sizes.keys()


class OnlyShapes(Place):
    """Tensors without memory."""

    def __post_init__(self):
        object.__setattr__(self, "generator", None)

    def random(self, *shape, scale=1.0):
        return torch.empty(shape, dtype=self.dtype, device=self.device)


# not the losses: their unit vectors make torch load seconds' worth of Python on this device
@pytest.mark.parametrize("op", [op for op in BENCHMARKS if not op.endswith("_loss")])
def test_the_real_cases_can_be_made_and_move_what_they_read_at_least(op):
    for case in BENCHMARKS[op].cases:
        work = BENCHMARKS[op].work(case.sizes, OnlyShapes(torch.device("meta"), torch.bfloat16))
        assert sum(x.numel() * x.element_size() for x in work.reads) < work.moved


@pytest.mark.parametrize("name", attention.SHAPES)
def test_the_goals_are_those_of_the_kernel_that_is_chosen(name):
    sizes = attention.SHAPES[name]
    shape = (1, sizes["tokens"], sizes["heads"] * sizes["head width"])
    q = torch.empty(shape, device="meta", dtype=torch.bfloat16)
    mask = Mask(causal=sizes["mask"] == "causal")
    chosen = short.why_not_here(q, q, mask, sizes["heads"]) is None
    with_goals = [
        any(case.goals for case in each.cases if case.name == name)
        for each in (attention.SHORT, attention.ANY_LENGTH)
    ]
    goals = sizes["mask"] in attention.PLAIN
    assert with_goals == [chosen and goals, not chosen and goals]


@pytest.mark.parametrize("chunked", [chunked_losses.contrastive, chunked_losses.sigmoid])
def test_the_losses_in_float64_by_torch_are_those_by_numpy(chunked):
    text, image = (plain.l2_normalize(x) for x in torch.randn(2, 30, 8))
    scalars = torch.tensor([[1.5], [-3.0]])[: 1 + (chunked is chunked_losses.sigmoid)]
    tensors = (text, image, *scalars)
    one, other = (losses.exact(chunked, tensors, on_numpy) for on_numpy in (True, False))
    assert one.dtype == other.dtype == np.float64 and one == pytest.approx(other, rel=1e-12)


@pytest.mark.gpu
def test_the_gpu_path_measures_and_judges(tmp_path):
    real = layer_norm.BENCHMARK
    case = Case("small", {"rows": 2000, "width": 768}, real.cases[0].goals)
    benchmark = Benchmark(real.op, (case,), (), real.work)
    device = torch.device("cuda:0")
    assert running.run([benchmark], device, [torch.bfloat16], tmp_path, say=quiet) == 0
    head, rows = results.read(next(tmp_path.glob("gpu-*.json")))
    assert head["dry_run"] is False and head["copy_gb_s"] > 0
    assert all(each["p50_us"] > 0 for each in rows)
    assert rows[0]["goals"][0]["verdict"] in ("met", "missed")
