"""What attention chooses for real towers is what `configurations()` holds, and nothing else.

Nothing runs here: the calls go through kernels.ops.attention with tensors of device "meta", which
have shapes and no memory, and a recorder takes the place of `launch`. tests/compiled compile what
`configurations()` holds; so what a GPU would be asked to run for these towers has been compiled.
"""

from itertools import product
from typing import Any, NamedTuple

import pytest
import torch
from attending import NODE
from guarded import DTYPES

from kernels import (
    attention,
    attention_one_query,
    attention_packed,
    attention_shapes,
    attention_short,
    ops,
    runtime,
)
from refimpl.graph.interface import Mask

FILES = attention, attention_one_query, attention_packed, attention_short
BATCHES = 1, 2, 256


class Tower(NamedTuple):
    """Heads of one width, a mask, and how many tokens there are; for a probe, only the keys."""

    width: int
    kind: str
    lengths: tuple[int, ...]
    probe: bool = False


TOWERS = (
    # pictures, by head width; wide heads belong to towers with many tokens
    Tower(32, "", (197, 257)),
    Tower(48, "", (197, 257)),
    Tower(64, "", (49, 50, 64, 196, 197, 256, 257, 576, 577, 729, 1024)),
    Tower(72, "", (196, 256, 729, 1024)),  # SigLIP so400m
    Tower(80, "", (257, 577, 730)),  # H/14
    Tower(88, "", (257, 577)),  # g/14
    Tower(96, "", (256, 576)),  # SigLIP 2 giant
    Tower(104, "", (257,)),  # bigG/14
    Tower(128, "", (257, 577)),
    Tower(64, "bias", (65, 197, 577)),  # BEiT
    Tower(64, "padding", (256, 1024)),  # SigLIP 2 naflex
    Tower(72, "padding", (256, 1024)),
    # texts
    Tower(64, "causal", (16, 77, 248)),
    Tower(64, "causal padding", (16, 77, 248)),
    Tower(64, "", (64,)),
    Tower(72, "", (64,)),
    Tower(64, "padding", (50, 64, 77, 128, 512)),
    Tower(32, "padding", (16, 50, 64)),  # small BERTs
    Tower(64, "segments", (16, 77)),
    Tower(64, "causal segments", (16, 77)),
    # pooling heads
    *(Tower(width, "", (64, 196, 256, 729, 1024), probe=True) for width in (64, 72, 96)),
    *(Tower(width, "padding", (256, 1024), probe=True) for width in (64, 72)),
)


def calls(tower, dtype, heads):
    """q, k, v and the mask of each call that a tower makes, batch by batch and length by length."""
    for batch, length in product(BATCHES, tower.lengths):
        columns, words = heads * tower.width, tower.kind.split()
        padding = bias = segments = None
        items = 1 if "segments" in words else batch
        tokens = batch * length if "segments" in words else length
        device = "cpu" if "segments" in words else "meta"  # borders are read
        memory = torch.empty(3 * columns, dtype=dtype, device=device)
        whole = memory.as_strided((items, tokens, 3 * columns), (0, 0, 1))
        if device == "meta":
            whole = torch.empty(items, tokens, 3 * columns, dtype=dtype, device=device)
        q, k, v = whole.split(columns, dim=-1)
        if tower.probe:
            q = torch.empty(1, 1, columns, dtype=dtype, device=device).expand(items, 1, columns)
        if "segments" in words:
            segments = torch.arange(0, tokens + 1, length)
        if "padding" in words:
            padding = torch.empty(items, tokens, dtype=torch.bool, device=device)
        if "bias" in words:
            bias = torch.empty(1, heads, tokens, tokens, dtype=dtype, device=device)
        mask = Mask("causal" in words, padding, None, bias, segments)
        yield (q, k, v), mask


class Launch(NamedTuple):
    """One launch: the kernel, what it was given by name, its constants, and of which dtype."""

    kernel: Any
    given: dict[str, Any]
    constants: dict[str, Any]
    dtype: str

    def fits(self, configuration, dtype):
        """Whether a configuration is this one; run-time numbers that are 1 become constants."""
        constants = dict(configuration.constants)
        wanted = {**{name: self.given.get(name) for name in constants}, **self.constants}
        choices = {"num_warps": configuration.warps, "num_stages": configuration.stages}
        return (
            configuration.kernel is self.kernel
            and dtype in configuration.name.split()
            and {**constants, **choices} == wanted
        )


@pytest.fixture
def launches(monkeypatch):
    """What is launched while nothing runs."""
    found = []

    def record(kernel, grid, device, *arguments, **constants):
        assert all(0 < size < 2**31 for size in grid) and len(grid) == 1  # the other axes: 65,535
        given = dict(zip(kernel.arg_names, arguments, strict=False))
        assert not given.keys() & constants.keys()
        assert {*given, *constants} - {"num_warps", "num_stages"} == {*kernel.arg_names}
        dtype = str(given["q_ptr"].dtype).removeprefix("torch.")
        found.append(Launch(kernel, given, constants, dtype))

    monkeypatch.setattr(runtime, "interpreting", lambda: True)  # so no GPU is asked for
    for file in FILES:
        monkeypatch.setattr(file, "launch", record)
    return found


def all_launches(launches, dtype):
    for tower, heads in product(TOWERS, (8, 16)):
        for qkv, mask in calls(tower, DTYPES[dtype], heads):
            count = len(launches)
            ops.attention(NODE, *qkv, heads=heads, mask=mask, scale=tower.width**-0.5)
            assert len(launches) == count + 1, ops.last_choice("attention")
    return launches


def held():
    return [each for file in FILES for each in file.configurations()]


def same_bits(dtype):
    """bfloat16 stands for float16 too: both are 16 bits, with the same constants."""
    return "bfloat16" if dtype == "float16" else dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_real_towers_choose_is_compiled(dtype, launches):
    known = held()
    for each in all_launches(launches, dtype):
        fitting = [known_one for known_one in known if each.fits(known_one, same_bits(dtype))]
        assert len(fitting) == 1, (each.kernel.__name__, each.constants)
        for name, kind in fitting[0].signature.items():
            if kind == "i32":  # compiled as divisible by 16
                assert each.given[name] % 16 == 0, (fitting[0].name, name, each.given[name])


def test_nothing_is_compiled_that_no_tower_chooses(launches):
    chosen = [each for dtype in DTYPES for each in all_launches(launches, dtype)]
    for configuration in held():
        assert any(each.fits(configuration, each.dtype) for each in chosen), configuration.name


def test_constants_do_not_follow_length_or_batch(launches):
    """A call of another batch or length compiles nothing new but at the few rows of the tables."""
    for batch, length in product(BATCHES, (*range(1, 81), *range(81, 1100, 7))):
        q = torch.empty(batch, length, 192, dtype=torch.bfloat16, device="meta")
        ops.attention(NODE, q, q, q, heads=3, mask=Mask(), scale=0.1)
    different = {(each.kernel, tuple(each.constants.items())) for each in launches}
    assert len(different) == 5  # one query; short to 64 and to 80; long to 512 and beyond


def test_rows_far_apart_are_brought_together(launches):
    """A tile's offsets are counted in 32 bits, so rows that lie gigabytes apart are copied."""
    far = torch.empty(300, 50_000, 192, device="meta", dtype=torch.bfloat16).transpose(0, 1)
    far = far[:2]  # items are neighbours, rows 9.6 million numbers apart
    assert far.stride() == (192, 9_600_000, 1)
    ops.attention(NODE, far, far, far, heads=3, mask=Mask(), scale=0.1)
    assert launches[-1].given["q_row"] == launches[-1].given["v_row"] == 192
    near = far.new_empty(300, 5_000, 192).transpose(0, 1)
    assert attention_shapes.readable(near) is near


def test_a_bias_far_apart_is_brought_together(launches):
    x = torch.empty(1, 300, 64, device="meta")
    bias = torch.empty(300, 10_000_000, device="meta").as_strided(
        (1, 1, 300, 300), (0, 0, 1, 10**7)
    )
    ops.attention(NODE, x, x, x, heads=1, mask=Mask(bias=bias), scale=0.1)
    assert launches[-1].given["bias_key"] == 1


@pytest.mark.parametrize("kernel", ["attention_kernel", "attention_short_kernel"])
def test_one_launch_of_everything_at_its_limit_counts_in_64_bits(kernel, launches):
    """4,096 pictures of 257 tokens, 3 · 1,664 wide: more than 2³¹ numbers in one tensor."""
    length = 257 if kernel == "attention_kernel" else 50
    batch = 4096 if length == 257 else 16_384
    whole = torch.empty(batch, length, 3 * 1664, dtype=torch.bfloat16, device="meta")
    q, k, v = whole.split(1664, -1)
    ops.attention(NODE, q, k, v, heads=16, mask=Mask(), scale=0.1)
    each = launches[-1]
    assert each.kernel.__name__ == kernel and each.given["q_ptr"].numel() * 3 > 2**31
    assert max(each.given[name] for name in ("q_batch", "q_row")) < 2**31  # no 64-bit variant
