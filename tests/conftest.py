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


def pytest_ignore_collect(collection_path, config):
    """Leave out the kernels' two folders, unless Triton runs the way they need; see `make test`.

    tests/kernels needs its interpreter (TRITON_INTERPRET=1 before triton is imported) or a GPU
    (-m gpu). tests/compiled needs its compiler and minutes; a folder that is asked for by path is
    collected whatever this says.
    """
    if collection_path.parent.name == "tests" and collection_path.name == "compiled":
        return True
    if collection_path.parent.name == "tests" and collection_path.name == "kernels":
        asked = config.getoption("markexpr") == "gpu"
        if not asked and os.environ.get("TRITON_INTERPRET") != "1":
            return True
    return None


def pytest_collection_finish():
    """Let the garbage collector pass over what thousands of collected tests are made of."""
    gc.collect()
    gc.freeze()
