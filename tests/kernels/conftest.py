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
