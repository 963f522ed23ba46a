"""All that a run asks for is compiled at its start: a second of one core for each pair."""

import os

import pytest

from kernels.compiled_table import missing, reports
from kernels.runtime import interpreting

if interpreting():
    raise pytest.UsageError("tests/compiled needs Triton's compiler; unset TRITON_INTERPRET")


@pytest.fixture(scope="session")
def cache_folder(pytestconfig):
    """Where Triton keeps what it compiled, so that a second run takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_CACHE_DIR", str(pytestconfig.cache.mkdir("triton")))
        yield


@pytest.fixture(scope="session")
def compiled(cache_folder, request):
    """By name and target, the report of what this run's tests ask for, or the error in words."""
    cases = [each.callspec.params for each in request.session.items if hasattr(each, "callspec")]
    pairs = [(each["name"], each["target"]) for each in cases if {"name", "target"} <= each.keys()]
    possible = [pair for pair in pairs if missing(pair[1]) is None]
    return reports(possible, max(2, (os.cpu_count() or 2) // 2))
