"""What holds for every test: shapes in signatures are checked while the tests run."""

import os

os.environ["REFIMPL_CHECK_SHAPES"] = "1"  # before refimpl is imported: see refimpl/shapes.py

from jaxtyping import install_import_hook

install_import_hook("refimpl", "shape_checker.check")
