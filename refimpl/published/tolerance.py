"""How near a number of ours must come to a published one.

A row that its publisher tests with a tolerance keeps that one. Otherwise the tolerance is what the
printed digits leave open, half a unit in the last of them, plus what honest computations may differ
by: see `Slack`. Used by check.py.
"""

import re
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

from refimpl.errors import InputError
from refimpl.shapes import Array

_NUMBER = r"[0-9.]+(?:e-?[0-9]+)?"


class Slack(float, Enum):
    """What two honest computations may differ by, beside the printed digits, relatively.

    FLOAT32: sums in another order move a cosine by about 1e-6, a logit (100 times that) by 1e-4,
        and so a probability by 1e-4 of itself.
    HALF: the publisher's program ran, or may have run, in half precision. It holds a logit around
        40 to 0.03, which moves a probability by up to 3 in 100, and rounds all layers besides.
    """

    EXACT = 0.0
    FLOAT32 = 1e-4
    HALF = 5e-2


class Tolerance(NamedTuple):
    """|ours - theirs| must be at most atol + rtol · |theirs|."""

    atol: float
    rtol: float
    why: str


def tolerance_of(row: dict[str, Any], slack: Slack = Slack.FLOAT32) -> Tolerance:
    """Tolerance of a row: its own, or from its printed digits and the slack.

    >>> tolerance_of({"id": "x", "values": [0.35, 0.2]}).atol
    0.005
    >>> tolerance_of({"id": "x", "values": [1.0], "tol": "1e-3"})[:2]
    (0.001, 0.001)

    Raises:
        InputError: the row's own tolerance is in no known form.
    """
    if "tol" in row:
        return _stated(row)
    digits = 0.5 * 10.0 ** _last_place(row["values"])
    if slack is Slack.EXACT:
        return Tolerance(0.0, 0.0, "whole numbers, compared exactly")
    why = f"half a unit in the last printed digit, and {slack.value:g} for {slack.name.lower()}"
    return Tolerance(digits, slack.value, why)


def allowed(tolerance: Tolerance, expected: Array) -> Array:
    """How far each number may be off."""
    return tolerance.atol + tolerance.rtol * np.abs(expected)


def _stated(row: dict[str, Any]) -> Tolerance:
    """Read "1e-3", which upstream's tests use for both, or "rtol 1e-3 atol 1e-3"."""
    text = str(row["tol"])
    both = re.fullmatch(_NUMBER, text)
    each = re.fullmatch(rf"rtol ({_NUMBER}) atol ({_NUMBER})", text)
    why = "the publisher's own tolerance"
    if both:
        return Tolerance(float(text), float(text), why)
    if each:
        return Tolerance(float(each[2]), float(each[1]), why)
    raise InputError(f"row {row.get('id')!r}: the tolerance {text!r} is in no known form")


def _last_place(values: Any) -> int:
    """Power of ten of the finest digit that is printed: -2 for [0.35, 0.2]."""
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, list):
        return min(_last_place(each) for each in values)
    return int(Decimal(repr(values)).as_tuple().exponent)
