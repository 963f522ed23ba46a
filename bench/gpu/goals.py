"""Goals of a kernel, and the verdict on a row: met or missed, by how much.

They stand in the benchmarks' files, and bench/README.md says where they come from. A goal in
milliseconds or TFLOP/s was worked out for one card and is judged on that card only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Goal:
    """One bound on one figure of the kernel's row.

    Attributes:
        figure: "share" (of the ceiling), "speedup" (over `against`), "tflop_s", "milliseconds" or
            "extra_mb" (10⁶ bytes beside the inputs, at the peak).
        bound: the number to reach; for the last two, not to exceed.
        against: the rival of a speedup.
        card: part of the device's name that the goal is for; "" means any.
    """

    figure: str
    bound: float
    against: str = ""
    card: str = ""

    def __str__(self) -> str:
        """Say the goal in a few words."""
        words = {
            "share": f"≥ {self.bound:g} of the ceiling",
            "speedup": f"≥ {self.bound:g} × {self.against}",
            "tflop_s": f"≥ {self.bound:g} TFLOP/s",
            "milliseconds": f"≤ {self.bound:g} ms",
            "extra_mb": f"≤ {self.bound:.4g} MB beside the inputs",
        }[self.figure]
        return f"{words} ({self.card})" if self.card else words


def judge(
    goal: Goal, row: Mapping[str, Any], rivals: Mapping[str, Mapping[str, Any]], device: str
) -> dict[str, Any]:
    """Judge one goal.

    Args:
        goal: the bound.
        row: the kernel's row.
        rivals: the other rows of the case, by backend.
        device: the device's name.

    Returns:
        {"goal": text, "found": number or None, "verdict": "met", "missed" or "not judged"}.
    """
    found = None if goal.card not in device else _figure(goal, row, rivals)
    if found is None:
        verdict = "not judged"
    elif goal.figure in ("milliseconds", "extra_mb"):
        verdict = "met" if found <= goal.bound else "missed"
    else:
        verdict = "met" if found >= goal.bound else "missed"
    return {"goal": str(goal), "found": found, "verdict": verdict}


def _figure(
    goal: Goal, row: Mapping[str, Any], rivals: Mapping[str, Mapping[str, Any]]
) -> float | None:
    """The number that a goal bounds; None where it was not measured."""
    if row["p50_us"] is None:
        return None
    if goal.figure == "milliseconds":
        return float(row["p50_us"]) / 1e3
    if goal.figure == "speedup":
        theirs = rivals.get(goal.against, {}).get("p50_us")
        return None if theirs is None else float(theirs) / float(row["p50_us"])
    if goal.figure == "extra_mb":
        return None if row["extra_bytes"] is None else float(row["extra_bytes"]) / 1e6
    found = row[goal.figure]
    return None if found is None else float(found)


def overall(judged: list[dict[str, Any]]) -> str:
    """One word for a row: missed if any goal was, met if any was and none missed.

    >>> overall([{"verdict": "met"}, {"verdict": "not judged"}]), overall([])
    ('met', 'no goal')
    """
    verdicts = {each["verdict"] for each in judged}
    for word in ("missed", "met", "not judged"):
        if word in verdicts:
            return word
    return "no goal"
