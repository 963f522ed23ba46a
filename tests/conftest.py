"""What holds for every test: shapes in signatures are checked, and CI draws equal examples."""

import gc
import os

os.environ["REFIMPL_CHECK_SHAPES"] = "1"  # before refimpl is imported: see refimpl/shapes.py

from hypothesis import settings
from jaxtyping import install_import_hook

settings.register_profile("ci", derandomize=True)  # the same examples in every run
if os.environ.get("CI"):
    settings.load_profile("ci")

install_import_hook("refimpl", "shape_checker.check")

collect_ignore = ["fixture_makers"]  # they need packages that cannot be installed beside the tests'


def pytest_collection_finish():
    """Let the garbage collector pass over what thousands of collected tests are made of."""
    gc.collect()
    gc.freeze()
