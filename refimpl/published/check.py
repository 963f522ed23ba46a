"""Every published row: computed and compared where that is possible; where not, the reason.

Called by cli/verify.py. Read on in table.py.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from refimpl.errors import InputError
from refimpl.published.materials import HERE, Materials, NotHere
from refimpl.published.recipes import Pair, Row, siglip_demo_row
from refimpl.published.table import RECIPES, Recipe
from refimpl.published.tolerance import Tolerance, allowed, tolerance_of
from refimpl.strict_json import read_json

ROWS_FILE = HERE / "published_numbers.json"
Status = Literal["equal", "differs", "not run", "refused"]


@dataclass(frozen=True)
class Outcome:
    """What became of one row, or of a part of it.

    Attributes:
        row: the row's id.
        part: which part of it; empty where it is computed in one go.
        status: "equal", "differs", "not run" (something is not here), or "refused" (it is here,
            but our code cannot read or run it).
        detail: how near the numbers are and what was allowed, or why nothing was compared.
        source: who published the numbers.
    """

    row: str
    part: str
    status: Status
    detail: str
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return asdict(self)


def read_rows(path: Path | None = None) -> list[Row]:
    """Read the published rows, this package's by default.

    Raises:
        InputError: the file is broken, or holds a row that no recipe knows.
    """
    path = path or ROWS_FILE
    rows = read_json(path, 1 << 20)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path}: must be a list of objects, one for each row")
    for row in rows:
        if row.get("id") not in RECIPES:
            raise InputError(f"{path}: there is no recipe for the row {row.get('id')!r}")
    return [siglip_demo_row(row) if row["id"] == "siglip-demo" else row for row in rows]


def verify(
    rows: Sequence[Row], materials: Materials, only: Sequence[str] = ()
) -> Iterator[Outcome]:
    """Yield what becomes of each row, part by part.

    Args:
        rows: published rows (see `read_rows`).
        materials: where weights and pictures are.
        only: ids of the rows to run; all by default.

    Raises:
        InputError: `only` names a row that is not there.
    """
    unknown = sorted(set(only) - {row["id"] for row in rows})
    if unknown:
        known = ", ".join(row["id"] for row in rows)
        raise InputError(f"no published row is called {', '.join(unknown)}; there are {known}")
    return (
        _outcome(row, recipe, materials)
        for row in rows
        if not only or row["id"] in only
        for recipe in RECIPES[row["id"]]
    )


def _outcome(row: Row, recipe: Recipe, materials: Materials) -> Outcome:
    outcome = Outcome(row["id"], recipe.part, "not run", "", row["source"])
    try:
        pairs = list(recipe.compute(materials, row))
    except NotHere as error:
        return replace(outcome, detail=str(error))
    except InputError as error:
        return replace(outcome, status="refused", detail=str(error))
    tolerance = _tolerance(row, recipe)
    verdicts = [_compare(pair, tolerance) for pair in pairs]
    worst = next((v for v in verdicts if not v[0]), max(verdicts, key=lambda v: v[1]))
    status: Status = "equal" if all(v[0] for v in verdicts) else "differs"
    return replace(outcome, status=status, detail=f"{worst[2]} ({tolerance.why})")


def _tolerance(row: Row, recipe: Recipe) -> Tolerance:
    if recipe.atol is not None:
        return Tolerance(recipe.atol, 0.0, recipe.why)
    return tolerance_of(row, recipe.slack)


def _compare(pair: Pair, tolerance: Tolerance) -> tuple[bool, float, str]:
    """Say whether a pair agrees, the largest share of the tolerance it uses, and the worst place."""
    prefix = f"{pair.name}: " if pair.name else ""
    if pair.ours.shape != pair.theirs.shape:
        return False, np.inf, f"{prefix}shape {pair.ours.shape}, published {pair.theirs.shape}"
    error = np.abs(pair.ours - pair.theirs)
    limit = allowed(tolerance, pair.theirs)
    fine = bool(np.all(error <= limit))  # NaN is never fine
    share = np.where(error == 0, 0, error / np.maximum(limit, np.finfo(float).tiny))
    at = np.unravel_index(int(np.argmax(np.nan_to_num(share, nan=np.inf))), share.shape)
    place = f"at {tuple(int(i) for i in at)} " if at else ""
    text = (
        f"{prefix}{place}ours {pair.ours[at]:.7g}, published {pair.theirs[at]:.7g}, "
        f"apart {error[at]:.2g}, allowed {limit[at]:.2g}"
    )
    return fine, float(share[at]), text
