"""What judges in bench/gpu: goals, results files, the table of ways, and the command.

Times and ceilings are invented numbers.
"""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench.gpu import __main__ as command
from bench.gpu import (
    attention,
    attention_packed,
    linear_activation,
    results,
    ways,
)
from bench.gpu import run as running
from bench.gpu.cases import Place
from bench.gpu.goals import Goal, judge, overall
from bench.gpu.measure import Times

CPU = torch.device("cpu")


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
