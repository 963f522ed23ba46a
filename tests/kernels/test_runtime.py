"""How kernels are launched: the options they get, and whose word counts for tf32."""

import warnings

import pytest
import torch

from kernels.runtime import float32_precision, launch

MATMUL = torch.backends.cuda.matmul
NEW = hasattr(MATMUL, "fp32_precision")


@pytest.fixture
def switches():
    """Torch's switches as they were, afterwards; a warning is an error meanwhile."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert float32_precision() == "ieee"
        yield
        torch.set_float32_matmul_precision("highest")
        if NEW:
            MATMUL.fp32_precision = torch.backends.fp32_precision = "none"
        assert float32_precision() == "ieee"


def test_float32_is_exact_unless_torch_was_told_otherwise(switches):
    MATMUL.allow_tf32 = True
    assert float32_precision() == "tf32"
    MATMUL.allow_tf32 = False
    assert float32_precision() == "ieee"
    for word, wanted in (("high", "tf32"), ("highest", "ieee"), ("medium", "tf32")):
        torch.set_float32_matmul_precision(word)
        assert float32_precision() == wanted


@pytest.mark.skipif(not NEW, reason="torch has the older switch only")
@pytest.mark.parametrize("place", [MATMUL, torch.backends], ids=["matmul", "everything"])
def test_the_newer_switch_counts_alone(switches, place):
    """There `allow_tf32` would fail: torch refuses to mix the two."""
    place.fp32_precision = "tf32"
    assert float32_precision() == "tf32"
    place.fp32_precision = "ieee"
    assert float32_precision() == "ieee"


def test_what_runs_has_the_options_that_were_compiled():
    """Triton's own defaults differ by version and target: stages, and fused multiply-adds."""
    found = []

    class Kernel:
        def __getitem__(self, grid):
            return lambda *given, **constants: found.append((grid, given, constants))

    launch(Kernel(), (3,), torch.device("cpu"), 1, 2, BLOCK=16)
    launch(Kernel(), (3, 0), torch.device("cpu"), 1, 2, BLOCK=16)
    launch(Kernel(), (3,), torch.device("cpu"), num_warps=8, num_stages=2)
    options = {"num_warps": 4, "num_stages": 1, "enable_fp_fusion": True}
    assert found == [
        ((3,), (1, 2), options | {"BLOCK": 16}),
        ((3,), (), options | {"num_warps": 8, "num_stages": 2}),
    ]
