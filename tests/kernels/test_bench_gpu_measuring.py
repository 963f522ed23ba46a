"""What measures in bench/gpu: comparison first, then times; a wrong kernel gets none.

Works and timers are invented: nothing here measures anything.
"""

import functools
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from rewritten import rewritten

from bench.gpu import (
    attention,
    layer_norm,
    losses,
    measure,
    results,
)
from bench.gpu import run as running
from bench.gpu.cases import Backend, Benchmark, Case, Part, Place, ends
from bench.gpu.ceilings import Ceilings
from bench.gpu.measure import CpuTimer, Times
from kernels import layer_norm as layer_norm_kernel

CPU = torch.device("cpu")


def quiet(message):
    """Say nothing."""


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
    case = Case("wide in float32", attention.SHAPES["text B"] | {"batch": 1, "heads": 1})
    benchmark = Benchmark("attention_short", (), (case,), attention.short_work)
    assert running.run([benchmark], CPU, [torch.float32], tmp_path, say=quiet) == 0
    (row,) = results.read(next(tmp_path.glob("*.json")))[1]
    assert row["verdict"] == "not served" and "registers" in row["note"]


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
