"""The micro-benchmarks of bench/gpu: a dry run of each, and the machinery that measures and judges.

The dry run compares tiny cases in the interpreter. Times, ceilings and verdicts are tested with
invented numbers: nothing here measures anything.
"""

import functools
import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from rewritten import rewritten

from bench.gpu import __main__ as command
from bench.gpu import (
    attention,
    attention_packed,
    layer_norm,
    linear_activation,
    losses,
    measure,
    results,
    ways,
)
from bench.gpu import run as running
from bench.gpu.all import BENCHMARKS
from bench.gpu.cases import Backend, Benchmark, Case, Part, Place, ends
from bench.gpu.ceilings import Ceilings
from bench.gpu.goals import Goal, judge, overall
from bench.gpu.measure import CpuTimer, Times
from kernels import attention_short as short
from kernels import layer_norm as layer_norm_kernel
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


# Comparing


def noisy_work(sizes, place, kernel=None, rival=None):
    """A layer norm of many rows, whose kernel is torch's own unless another is given."""
    x, weight, bias = place.random(1000, 8), place.random(8), place.random(8)

    def right():
        return F.layer_norm(x, (8,), weight, bias, 1e-5)

    real = layer_norm.work({"rows": 1, "width": 8}, place)
    wanted = [Part(0, at, right()[at].double().numpy()) for at in ends(1000, 10)]
    backends = (
        Backend("kernel", (lambda: kernel(right())) if kernel else right),
        Backend("rival", (lambda: rival(right())) if rival else right),
    )
    return SimpleNamespace(**{**vars(real), "backends": backends, "wanted": lambda: wanted})


def rows_of(kernel=None, rival=None, goals=()):
    work = functools.partial(noisy_work, kernel=kernel, rival=rival)
    benchmark = Benchmark("noisy", (), (Case("1000 x 8", {}, goals),), work)
    place, timer = Place(CPU, torch.float32), CpuTimer()
    ceilings = Ceilings(CPU, timer, tiny=True)
    return running.run_case(benchmark, benchmark.tiny[0], place, timer, ceilings, "CPU")


def changed(row, value):
    def change(y):
        y = y.clone()
        y[row, 3] = value
        return y

    return change


def raising(y):
    raise RuntimeError("no such shape\nand much more")


@pytest.mark.parametrize("row", [0, 123, 999], ids=["compared", "between", "last"])
@pytest.mark.parametrize("value", [50.0, float("nan"), float("inf")])
def test_one_wrong_number_anywhere_is_noticed(row, value):
    kernel, rival = rows_of(changed(row, value))
    assert (kernel["verdict"], rival["verdict"]) == ("wrong", "right")
    assert kernel["p50_us"] is None and kernel["repetitions"] is None
    assert "rival" in kernel["note"] if row == 123 else "twin" in kernel["note"]
    json.dumps(kernel, allow_nan=False)


def test_another_shape_and_another_number_of_results_are_noticed():
    assert rows_of(lambda y: y[:, :-1])[0]["verdict"] == "wrong"
    assert rows_of(lambda y: y[:999])[0]["verdict"] == "wrong"
    assert rows_of(lambda y: (y, y))[0]["verdict"] == "failed"


def test_a_rival_may_fail_and_a_kernel_may_not():
    kernel, rival = rows_of(rival=raising)
    assert kernel["verdict"] == "right" and rival["verdict"] == "does not run"
    assert rival["note"] == "RuntimeError: no such shape"
    kernel, _ = rows_of(raising)
    assert kernel["verdict"] == "failed"
    assert not running.bad_rows([rival], quiet) and running.bad_rows([kernel], quiet)


def test_a_case_that_cannot_be_made_is_a_failure():
    benchmark = Benchmark("noisy", (), (Case("no", {}),), lambda sizes, place: raising(None))
    place, timer = Place(CPU, torch.float32), CpuTimer()
    (row,) = running.run_case(benchmark, benchmark.tiny[0], place, timer, None, "CPU")
    assert row["verdict"] == "failed" and "no such shape" in row["note"]


def test_what_a_kernel_says_it_does_not_serve_is_no_failure(tmp_path):
    case = Case("wide in float32", attention.SHAPES["BERT, padding"] | {"batch": 1, "heads": 1})
    benchmark = Benchmark("attention_short", (), (case,), attention.short_work)
    assert running.run([benchmark], CPU, [torch.float32], tmp_path, say=quiet) == 0
    (row,) = results.read(next(tmp_path.glob("*.json")))[1]
    assert row["verdict"] == "not served" and "float32" in row["note"]


WRONG = {
    "eps outside the root": ("tl.sqrt(squares / WIDTH + eps)", "(tl.sqrt(squares / WIDTH) + 0.1)"),
    "variance divided by D - 1": ("squares / WIDTH + eps", "squares / (WIDTH - 1) + eps"),
    "the last rows forgotten": ("live = row < rows", "live = row < rows - 1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_kernel_gets_no_time_and_fails_the_run(name, tmp_path, monkeypatch):
    wrong = rewritten(layer_norm_kernel, *WRONG[name])
    monkeypatch.setattr(layer_norm, "kernel", wrong)
    said = []
    code = running.run([layer_norm.BENCHMARK], CPU, [torch.float32], tmp_path, say=said.append)
    assert code == 1 and any(line.startswith("WRONG: layer_norm") for line in said)
    _, rows = results.read(next(tmp_path.glob("*.json")))
    kernels = [row for row in rows if row["kernel"]]
    assert "wrong" in {row["verdict"] for row in kernels}
    assert all(row["verdict"] == "right" for row in rows if not row["kernel"])


def test_what_a_kernel_returns_in_float32_is_held_to_float32(monkeypatch, tmp_path):
    def nearly(*tensors):
        return losses._eager_contrastive(*(x.float() for x in tensors)) * 1.001

    kernel = SimpleNamespace(contrastive_loss=nearly)
    monkeypatch.setattr(losses, "softmax_kernel", kernel)
    assert running.run([losses.CONTRASTIVE], CPU, [torch.bfloat16], tmp_path, say=quiet) == 1


def test_parts_and_whole_results():
    one, other = torch.randn(50, 4), torch.zeros(3, dtype=torch.int64)
    assert measure.difference((one, other), (one, other + 1), chunk=7) == 0  # numbers of texts
    assert measure.difference(one, one * 1.01, chunk=7) == pytest.approx(0.01 / 1.01, rel=1e-4)
    assert math.isnan(measure.difference(changed(0, float("nan"))(one), one, chunk=7))
    assert measure.difference(one, one[:, :2]) == math.inf
    part = Part(0, slice(2, 5), one[2:5].double().numpy())
    assert measure.error_of(one, [part]) == 0
    assert math.isnan(measure.error_of(changed(3, float("nan"))(one), [part, part]))
    assert ends(1000, 10) == [slice(0, 10), slice(495, 505), slice(990, 1000)]


# Timing and ceilings


def test_percentiles_and_repetitions():
    samples = np.random.default_rng(0).random(101)
    ordered = sorted(samples.tolist())
    assert measure.percentiles(samples) == pytest.approx((ordered[20], ordered[50], ordered[80]))
    assert measure.percentiles([3.0]) == (3.0, 3.0, 3.0)
    assert [measure.repetitions(s) for s in (0.0, 1e-6, 1e-2, 10.0)] == [200, 200, 30, 20]


class FakeTimer:
    """Every call takes as long as it is told."""

    def __init__(self, seconds):
        self.seconds, self.calls = seconds, 0

    def __call__(self, call):
        self.calls += 1
        call()
        return Times(self.seconds / 2, self.seconds, 2 * self.seconds, 7)


def test_the_gpu_timer_flushes_before_every_call_and_times_the_call_alone(monkeypatch):
    now, log = [0.0], []

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self):
            self.at = now[0]

        def elapsed_time(self, other):
            return (other.at - self.at) * 1e3

    def takes(name, seconds):
        def call():
            log.append(name)
            now[0] += seconds

        return call

    monkeypatch.setattr(measure, "FLUSHED", 100)
    monkeypatch.setattr(measure.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: log.append("synchronize"))
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda device: SimpleNamespace(L2_cache_size=500)
    )
    timer = measure.GpuTimer(CPU)
    assert timer._flush.numel() == 1000
    timer._flush = SimpleNamespace(zero_=takes("flush", 2e-3))
    timer._flush_seconds = 2e-3
    log.clear()
    times = timer(takes("call", 5e-3))
    assert (times.p20, times.p50, times.p80) == pytest.approx((5e-3,) * 3)
    assert times.repetitions == 60 and times.launch_bound  # this clock runs as the CPU launches
    assert log[: measure.WARM_UP] == ["call"] * measure.WARM_UP
    pairs = [each for each in log[measure.WARM_UP :] if each != "synchronize"]
    timed = 2 * (measure.WARM_UP + 60)
    assert pairs[:timed] == ["flush", "call"] * (timed // 2)
    timer._flush_seconds = 6e-3
    assert not timer(takes("call", 5e-3)).launch_bound


def test_ceilings_are_rates_of_what_was_done_and_measured_once():
    timer = FakeTimer(1e-3)
    ceilings = Ceilings(CPU, timer, tiny=True)
    assert ceilings.copy(2**30) == pytest.approx(2**16 / 1e-3)
    assert ceilings.copy(2**31) == ceilings.copy(2**30) and timer.calls == 1
    assert ceilings.product(3, 5, 7, torch.float16) == pytest.approx(2 * 3 * 5 * 7 / 1e-3)
    assert ceilings.square_product(torch.bfloat16) == pytest.approx(2 * 64**3 / 1e-3)
    assert ceilings.square_product(torch.float32) and timer.calls == 4


@pytest.mark.parametrize("ceiling", ["copy", "product", "own product"])
def test_figures_follow_from_the_times(ceiling):
    work = SimpleNamespace(moved=2_000_000, flops=3_000_000, ceiling=ceiling, product=(4, 5, 6))
    place = Place(CPU, torch.bfloat16)
    times = Times(1e-3, 2e-3, 4e-3, 9, launch_bound=True)
    rates = SimpleNamespace(
        copy=lambda moved: 4e9, product=lambda *shape: 6e9, square_product=lambda dtype: 3e9
    )
    found = running.figures(times, work, place, rates)
    assert (found["p20_us"], found["p50_us"], found["p80_us"]) == (1000, 2000, 4000)
    assert found["gb_s"] == pytest.approx(1.0) and found["tflop_s"] == pytest.approx(1.5e-3)
    wanted = {"copy": 0.25, "product": 0.5, "own product": 0.25}[ceiling]
    assert found["share"] == pytest.approx(wanted) and found["note"] == "launch-bound"


def test_a_flop_is_counted_for_each_pair_that_is_seen():
    sizes = {"tokens": 9, "mask": "causal"}
    assert attention.seen_pairs(sizes) == np.tri(9).sum()
    assert attention.seen_pairs({**sizes, "mask": "none"}) == 81
    lengths = attention_packed.drawn_lengths(4096, 16, 77)
    assert 15 < lengths.mean() < 17 and lengths.min() >= 3 and lengths.max() <= 77


# Goals


def row(p50=100.0, **figures):
    return {"p50_us": p50, "share": 0.8, "tflop_s": 300.0, "extra_bytes": 1000, **figures}


@pytest.mark.parametrize(
    ("goal", "verdict", "found"),
    [
        (Goal("share", 0.8), "met", 0.8),
        (Goal("share", 0.81), "missed", 0.8),
        (Goal("speedup", 1.5, "slow"), "met", 2.0),
        (Goal("speedup", 2.5, "slow"), "missed", 2.0),
        (Goal("speedup", 1.5, "absent"), "not judged", None),
        (Goal("speedup", 1.5, "does not run"), "not judged", None),
        (Goal("tflop_s", 400, card="H200"), "missed", 300.0),
        (Goal("tflop_s", 400, card="B200"), "not judged", None),
        (Goal("milliseconds", 0.1), "met", 0.1),
        (Goal("milliseconds", 0.09), "missed", 0.1),
        (Goal("extra_mb", 0.001), "met", 0.001),
        (Goal("extra_mb", 0.0009), "missed", 0.001),
    ],
    ids=str,
)
def test_goals_are_judged(goal, verdict, found):
    rivals = {"slow": row(200.0), "does not run": row(None)}
    judged = judge(goal, row(), rivals, "NVIDIA H200")
    assert (judged["verdict"], judged["found"]) == (verdict, found)
    assert judged["goal"] == str(goal)
    assert judge(goal, row(None), rivals, "NVIDIA H200")["verdict"] == "not judged"


def test_one_missed_goal_is_a_missed_row():
    words = ["met", "missed", "not judged"]
    assert overall([{"verdict": word} for word in words]) == "missed"
    assert overall([{"verdict": "not judged"}]) == "not judged"


# Results


def invented_rows():
    """What a GPU's rows look like; the numbers are invented."""
    timed = {
        "op": "layer_norm", "case": "a | b", "shape": {"rows": 2}, "dtype": "bfloat16",
        "backend": "kernel", "kernel": True, "error": 1e-3, "p20_us": 1.0, "p50_us": 2.0,
        "p80_us": 3.0, "repetitions": 20, "gb_s": 1234.0, "tflop_s": 5.0, "ceiling": "copy",
        "ceiling_rate": 2e12, "share": 0.617, "extra_bytes": 10,
        "goals": [judge(Goal("share", 0.9), {"p50_us": 2.0, "share": 0.617}, {}, "card")],
        "verdict": "missed", "note": "",
    }  # fmt: skip
    blank = dict.fromkeys(results.FIGURES)
    return [timed, {**timed, **blank, "backend": "rival", "goals": [], "verdict": "does not run"}]


HEAD = {
    "dry_run": False,
    "device": "Invented Card",
    "commit": "abc",
    "date": "2026-01-02T03:04:05+00:00",
    "torch": "0",
}


def test_a_results_file_round_trips(tmp_path):
    path = results.write(tmp_path / "new", HEAD, invented_rows())
    assert path.name == "gpu-2026-01-02T03-04-05-invented-card-abc.json"
    assert results.read(path) == (HEAD, invented_rows())
    text = path.with_suffix(".md").read_text()
    assert text.startswith("# Kernels on Invented Card\n")
    assert "| 2.0 (1.0 to 3.0) | 1234 | 5.0 | 0.62 copy |" in text
    assert "≥ 0.9 of the ceiling: 0.617, missed" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name, f"{path.stem}.md"]


def test_a_row_with_other_fields_is_not_read(tmp_path):
    path = results.write(tmp_path, HEAD, [{**invented_rows()[0], "more": 1}])
    with pytest.raises(ValueError, match="row 0 has other fields"):
        results.read(path)


def test_half_a_file_is_never_seen(tmp_path, monkeypatch):
    path = results.write(tmp_path, HEAD, invented_rows())
    before = path.read_text()

    def full(*paths):
        raise OSError("disk full")

    monkeypatch.setattr(results.os, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        results.write(tmp_path, HEAD, [])
    assert path.read_text() == before and len(list(tmp_path.iterdir())) == 2


# Which of two


def timed(width, rows, fused, two):
    shape = {"rows": rows, "in": 8, "out": width, "name": "gelu"}
    blank = {"shape": shape, "dtype": "bfloat16"}
    return [
        {**blank, "backend": ways.FUSED, "p50_us": fused},
        {**blank, "backend": ways.TWO, "p50_us": two},
    ]


def test_the_table_of_ways_is_source_that_the_kernel_reads():
    rows = [
        *timed(2048, 1, 5, 9), *timed(2048, 512, 9, 9), *timed(2048, 4096, 30, 20),
        *timed(3072, 1, 5, 9), *timed(3072, 512, 12, 9), *timed(3072, 4096, 20, 30),
        *timed(4096, 1, 5, 9), *timed(4096, 512, 9, 10), *timed(4096, 4096, 50, None),
    ]  # fmt: skip
    source = ways.as_source(rows)
    found = {}
    exec(source, {"math": math, "torch": torch}, found)
    assert found["WAY"] == {torch.bfloat16: ((2048, 512), (math.inf, 1))}
    assert "| 4096 | 0.67 | 1.50 |  |" in ways.as_table(rows)


def test_a_single_entry_is_still_a_tuple():
    found = {}
    exec(ways.as_source(timed(2048, 8, 9, 5)), {"math": math, "torch": torch}, found)
    assert found["WAY"] == {torch.bfloat16: ((math.inf, 0),)}


def test_a_dry_run_of_both_ways(tmp_path, capsys):
    assert command.main(["--ways", "--dry-run", "--out", str(tmp_path)]) == 0
    assert "nothing was measured" in capsys.readouterr().out
    head, rows = results.read(next(tmp_path.glob("*.json")))
    assert head["dry_run"] and {each["backend"] for each in rows} == {ways.FUSED, ways.TWO}
    widths = {case.sizes["out"] for case in ways.grid(tiny=False)}
    assert widths == {inner for _, inner, _ in linear_activation.TOWERS.values()}


# The command


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(monkeypatch, capsys):
    monkeypatch.delenv("TRITON_INTERPRET")
    assert command.main([]) == 2
    assert "torch sees no GPU; --dry-run" in capsys.readouterr().err


def test_refusals_and_the_list(monkeypatch, capsys):
    assert command.main(["--dry-run", "--only", "nothing"]) == 2
    assert "no benchmark nothing; there are attention_short" in capsys.readouterr().err
    assert command.main(["--dry-run", "--dtype", "float64"]) == 2
    assert "no kernel computes in float64" in capsys.readouterr().err
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert command.main([]) == 2
    assert "unset it, or add --dry-run" in capsys.readouterr().err
    assert command.main(["--list", "--only", "layer_norm"]) == 0
    assert "600k x 1664" in capsys.readouterr().out


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
