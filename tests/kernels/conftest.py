"""Where the kernels' tests run: in Triton's interpreter, and with `-m gpu` on a GPU."""

import pytest
import torch
from hypothesis import HealthCheck, settings

from kernels.runtime import interpreting

settings.register_profile(
    "kernels",
    deadline=None,  # the interpreter's first call of a kernel is slow
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
settings.load_profile("kernels")


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    """The CPU, where the interpreter takes the place of the compiler; or a GPU."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.fail("-m gpu needs a GPU that torch sees; TRITON_INTERPRET=1 runs on the CPU")
    return request.param


def pytest_collection_modifyitems(config):
    """Refuse a run on a GPU in which Triton would only interpret.

    Raises:
        UsageError: -m gpu with TRITON_INTERPRET=1.
    """
    if config.getoption("markexpr") == "gpu" and interpreting():
        raise pytest.UsageError("-m gpu needs Triton's compiler; unset TRITON_INTERPRET")


def pytest_itemcollected(item):
    """Let Triton 3.2's interpreter turn arrays into loop bounds, of which numpy warns."""
    message = "ignore:Conversion of an array with ndim > 0:DeprecationWarning"
    item.add_marker(pytest.mark.filterwarnings(message))
