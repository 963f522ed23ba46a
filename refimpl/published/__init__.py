"""Numbers that others published for released weights, and how ours are compared with them.

`refimpl verify --published` computes every row of `published_numbers.json` that it has the weights
and pictures for, and says of every other row that it was not run, and why.

materials.py     where weights and pictures come from; what is not here
tolerance.py     how near is near enough, and why
recipes.py       from a row to our numbers: one small function for each kind of row
table.py         which row is computed by which recipe, and how near it must come
pixels.py        how two original programs prepared their pictures
check.py         all rows, one after the other; begin here

The data in this folder: README.md has sources and licences. Called by cli/verify.py.
"""

from refimpl.published.check import Outcome, read_rows, verify

__all__ = ["Outcome", "read_rows", "verify"]
