"""Where the kernels' tests run: in Triton's interpreter, and with `-m gpu` on a GPU."""

import pytest
from hypothesis import HealthCheck, settings

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
    return request.param


def pytest_itemcollected(item):
    """Let Triton 3.2's interpreter turn arrays into loop bounds, of which numpy warns."""
    message = "ignore:Conversion of an array with ndim > 0:DeprecationWarning"
    item.add_marker(pytest.mark.filterwarnings(message))
