"""Every configuration of every kernel compiles for every target, within the rules of compiled.py."""

import pkgutil
from itertools import product
from pathlib import Path

import pytest
import triton

import kernels
from kernels.compiled import SHARED_LIMITS, TENSOR_INSTRUCTIONS, faults
from kernels.compiled_table import (
    BEGIN,
    all_configurations,
    all_pairs,
    missing,
    rare,
    with_table,
)

PAGE = Path(__file__).parents[2] / "docs" / "kernels.md"
CONFIGURATIONS = all_configurations()
PINNED = "3.9.0"  # of pyproject.toml: what CI installs


@pytest.fixture(autouse=True)
def kept(cache_folder):
    """Whatever a test compiles goes to the cache of this run."""


PAIRS = [
    pytest.param(name, target, marks=[pytest.mark.slow] if rare((name, target)) else [])
    for name in CONFIGURATIONS
    for target in SHARED_LIMITS
]


@pytest.mark.parametrize(("name", "target"), PAIRS)
def test_a_configuration_keeps_the_rules(compiled, name, target):
    if (reason := missing(target)) is not None:
        pytest.skip(reason)
    found = compiled[name, target]
    assert not isinstance(found, str), found
    assert faults(CONFIGURATIONS[name], found) == []


@pytest.mark.skipif(triton.__version__ != PINNED, reason="another version may have fewer targets")
@pytest.mark.parametrize("target", SHARED_LIMITS)
def test_the_version_in_ci_compiles_for_every_target(target):
    assert missing(target) is None
    assert set(SHARED_LIMITS) == set(TENSOR_INSTRUCTIONS)


def test_every_file_with_a_kernel_is_there():
    """A file that launches a kernel and forgot its configurations would go unchecked."""
    names = {file.name for file in pkgutil.iter_modules(kernels.__path__)}
    launching = {
        name
        for name in names - {"runtime"}
        if "launch(" in (Path(kernels.__path__[0]) / f"{name}.py").read_text(encoding="utf-8")
    }
    found = {each.kernel.fn.__module__.split(".")[1] for each in CONFIGURATIONS.values()}
    assert launching and launching <= found


def test_every_kernel_has_all_three_dtypes():
    found = {
        (each.kernel.fn.__module__, dtype)
        for name, each in CONFIGURATIONS.items()
        for dtype in {"float32", "float16", "bfloat16"} & set(name.split())
    }
    wanted = product({file for file, _ in found}, ("float32", "float16", "bfloat16"))
    assert set(wanted) <= found


def test_the_table_in_the_docs_is_fresh(compiled):
    page = PAGE.read_text(encoding="utf-8")
    if f"{BEGIN}{triton.__version__} -->" not in page:
        pytest.skip(f"the table is of another version than {triton.__version__}")
    if not compiled.keys() >= set(all_pairs()):
        pytest.skip("this run compiles only a part")
    fresh = with_table(page, {pair: compiled[pair] for pair in all_pairs()})
    assert page == fresh, "a kernel has changed: run `make table`"
