"""Patches gathered inside the product against the numpy twins, and wrong twins."""

from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
import torch
from guarded import DTYPES, TOLERANCES, as_float64, guarded, watched_outputs
from hypothesis import given, settings
from hypothesis import strategies as st
from rewritten import rewritten

from kernels import ops
from kernels import patch_embedding as kernel
from kernels.errors import KernelError
from refimpl import ops as numpy_ops

SMALL = (16, 16, 32, 1, 1)
"""A tile of which even small products need many, in more than one group."""


def twin(pixels, weight, bias, class_token=None, positions=None):
    node = SimpleNamespace(path="patches", weight=weight, bias=bias)
    positions = np.zeros(1) if positions is None else positions
    x = numpy_ops.patch_embedding(pixels, weight, bias)
    if class_token is not None:
        x = numpy_ops.concatenate([numpy_ops.repeat_batch(class_token, len(pixels)), x], axis=1)
    if positions.shape == x.shape[1:]:
        whole = numpy_ops.embed_patches(node, pixels, node, class_token, positions)
        assert np.array_equal(whole, x + positions)
    return x + positions


def close(found, wanted, dtype):
    error = np.linalg.norm(as_float64(found) - wanted)
    assert error <= TOLERANCES[dtype] * np.linalg.norm(wanted), error  # a NaN fails


def inputs(batch, channels, rows, columns, patch, width, dtype, given, gap=0, device="cpu"):
    """Pictures with a margin that is no whole patch, weights, bias, class token and positions."""
    rng = np.random.default_rng(batch + rows * columns * patch + width)
    height, broad = rows * patch + rows % 3 % patch, columns * patch + gap % patch
    pixels = guarded(rng.standard_normal((batch, channels, height, broad)), device, given, gap)
    weight = rng.standard_normal((width, channels, patch, patch)) / (channels**0.5 * patch)
    vectors = rng.standard_normal(width), rng.standard_normal(width)
    positions = rng.standard_normal((rows * columns + 1, width))
    return [pixels, *(guarded(x, device, dtype) for x in (weight, *vectors, positions))]


def check(module, dtype, given, tile, parts, biased=True, in_front=True, placed=True):
    """Run it with some of its vectors left out, and compare."""
    pixels, weight, bias, class_token, positions = parts
    positions = positions if in_front else positions[1:]
    chosen = (
        bias if biased else None,
        class_token if in_front else None,
        positions if placed else None,
    )
    with watched_outputs(), mock.patch.object(module, "TILES", {DTYPES[dtype]: (tile, tile)}):
        found = module.patch_embedding(pixels, weight, *chosen)
    assert found.dtype == DTYPES[dtype] and found.is_contiguous()
    numbers = [None if x is None else as_float64(x) for x in (weight, *chosen)]
    wanted = twin(as_float64(pixels.to(weight.dtype)), *numbers)
    assert found.shape == wanted.shape
    close(found, wanted, dtype)


@settings(max_examples=30)
@given(
    batch=st.sampled_from([0, 1, 2, 3]),
    channels=st.sampled_from([1, 3]),
    grid=st.sampled_from([(1, 1), (1, 3), (3, 5), (4, 4), (7, 7), (7, 11)]),
    patch=st.sampled_from([1, 3, 4, 8, 14, 16]),
    width=st.sampled_from([1, 3, 16, 33, 64, 127, 160]),
    dtype=st.sampled_from(list(DTYPES)),
    same=st.booleans(),
    size=st.integers(0, 1),
    gap=st.sampled_from([0, 1, 7]),
    parts=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_it_equals_its_twin(
    device, batch, channels, grid, patch, width, dtype, same, size, gap, parts
):
    given = dtype if same else "float32"
    made = inputs(batch, channels, *grid, patch, width, dtype, given, gap, device)
    check(kernel, dtype, given, kernel.TILES[DTYPES[dtype]][size], made, *parts)


@pytest.mark.parametrize("patch", [14, 16, 32])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_patches_of_real_checkpoints(device, patch, dtype):
    made = inputs(2, 3, 2, 3, patch, 20, dtype, "float32", 0, device)
    check(kernel, dtype, "float32", kernel.TILES[DTYPES[dtype]][1], made)


def test_many_tiles_in_groups(device):
    made = inputs(2, 3, 7, 11, 4, 40, "float32", "float32", 3, device)
    check(kernel, "float32", "float32", SMALL, made)


def test_half_precision_pixels_meet_float32_weights(device):
    made = inputs(2, 3, 3, 3, 4, 20, "float32", "float16", 0, device)
    check(kernel, "float32", "float16", SMALL, made)


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.contiguous(memory_format=torch.channels_last),
        lambda x: x.transpose(2, 3),
        lambda x: x.flip(0)[:, :, 1:, 2:],
        lambda x: x[:1].expand(3, -1, -1, -1),
        lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
        lambda x: x[:, :, ::2, ::3],
    ],
    ids=["channels last", "transposed", "cut", "expanded", "channels first", "with steps"],
)
def test_any_strides(device, view):
    pixels = view(torch.randn(2, 3, 21, 26, device=device))
    weight = torch.randn(10, 3, 4, 4, device=device).contiguous(memory_format=torch.channels_last)
    bias, class_token = torch.randn(10, 2, device=device).T
    tokens = 1 + (pixels.shape[2] // 4) * (pixels.shape[3] // 4)
    positions = torch.randn(10, tokens, device=device).T
    found = kernel.patch_embedding(pixels, weight, bias, class_token, positions)
    close(found, twin(*map(as_float64, (pixels, weight, bias, class_token, positions))), "float32")
    rows = torch.randn(tokens, 13, device=device)[:, :10]
    found = kernel.patch_embedding(pixels, weight, None, class_token, rows)
    wanted = twin(*map(as_float64, (pixels, weight, bias * 0, class_token, rows)))
    close(found, wanted, "float32")


def test_a_picture_smaller_than_a_patch_has_no_patches(device):
    pixels, weight = torch.randn(2, 3, 7, 30, device=device), torch.randn(5, 3, 8, 8, device=device)
    assert kernel.patch_embedding(pixels, weight, None).shape == (2, 0, 5)
    front, position = torch.randn(5, device=device), torch.randn(1, 5, device=device)
    found = kernel.patch_embedding(pixels, weight, front, front, position)
    assert torch.equal(found, (front + position).expand(2, 1, 5))
    assert kernel.patch_embedding(pixels, weight[:0], None).shape == (2, 0, 0)


def test_large_numbers(device):
    made = inputs(1, 3, 3, 3, 4, 20, "float32", "float32", 0, device)
    made[0] = made[0] * 1e30
    check(kernel, "float32", "float32", SMALL, made)


def test_a_nan_stays_in_its_patch(device):
    pixels, weight, bias, class_token, positions = inputs(
        2, 3, 3, 3, 4, 20, "float32", "float32", 0, device
    )
    pixels = pixels.clone()
    pixels[0, 2, 1, 1], pixels[1, 1, 7, 6] = np.nan, np.inf
    found = kernel.patch_embedding(pixels, weight, bias, class_token, positions).cpu()
    assert found.isnan().any(2).nonzero().tolist() == [[0, 1]]
    assert found.isinf().any(2).nonzero().tolist() == [[1, 5]]  # row 1, column 1, after the class


MUTANTS = {
    "rows and columns of a patch swapped": (
        "y * y_stride + x * x_stride\n\n",
        "x * y_stride + y * x_stride\n\n",
    ),
    "channels last in the weight": ("k // (PATCH * PATCH)", "k % 3"),
    "no token in front": ("tl.maximum(token - 1, 0)", "token"),
    "the class token at the end": ("(token == 0)[:, None]", "(token == tokens - 1)[:, None]"),
    "the class token on top of a patch": (
        "tl.where((token == 0)[:, None], spread(class_ptr, column, inside), sums)",
        "sums + tl.where((token == 0)[:, None], spread(class_ptr, column, inside), 0.0)",
    ),
    "positions go on into the next picture": ("token = within % tokens", "token = within"),
    "all pictures are the first": ("(within // tokens).to(tl.int64)", "(within * 0).to(tl.int64)"),
    "dropped columns counted as patches": ("max(broad // patch, 1)", "-(-broad // patch)"),
    "the end of a row not masked": ("k[None, :] < NUMBERS", "k[None, :] < NUMBERS + 1"),
    "the last step forgotten": ("range(0, numbers, STEP)", "range(0, numbers - STEP, STEP)"),
    "one row too many": ("(row < rows)[:, None]", "(row <= rows)[:, None]"),
    "one column too many": (
        "(column < columns)[None, :]\n    if",
        "(column <= columns)[None]\n    if",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_twin_is_noticed(name, device):
    wrong = rewritten(kernel, *MUTANTS[name])
    made = inputs(2, 3, 2, 4, 5, 20, "float32", "float32", 3, device)
    with pytest.raises(AssertionError):
        check(wrong, "float32", "float32", SMALL, made)


def test_refusals():
    pixels, weight, vector = torch.randn(1, 3, 8, 8), torch.randn(5, 3, 4, 4), torch.randn(5)

    def refuses(match, *given):
        node = SimpleNamespace(path="", weight=given[1], bias=given[2])
        positions = given[4] if len(given) > 4 else torch.zeros(4, 5, dtype=given[1].dtype)
        for run in (
            lambda: kernel.patch_embedding(*given),
            lambda: ops.embed_patches(node, given[0], node, (*given, None)[3], positions),
        ):
            with pytest.raises(KernelError, match=match) as error:
                run()
            assert "\n" not in str(error.value)

    refuses("pixels are uint8, so not normalised yet", pixels.byte(), weight, None)
    refuses(
        r"pixels must be \(B, 3, Y, X\).*got \(1, 4, 8, 8\)", pixels[:, [0, 1, 2, 0]], weight, None
    )
    refuses(r"weight must be \(D, C, p, p\); got \(5, 3, 4, 3\)", pixels, weight[..., :3], None)
    refuses(r"bias must be \(5,\).*got \(6,\)", pixels, weight, torch.randn(6))
    refuses(r"class_token must be \(5,\)", pixels, weight, vector, torch.randn(1, 5))
    refuses(
        r"positions must be \(5, 5\).*got \(4, 5\)", pixels, weight, None, vector, torch.zeros(4, 5)
    )
    refuses("weight is float32 and bias float16", pixels, weight, vector.half())
    with pytest.raises(KernelError, match="float64 has no kernel"):
        kernel.patch_embedding(pixels, weight.double(), None)
    with pytest.raises(KernelError, match="float64 has no kernel"):
        kernel.patch_embedding(pixels.double(), weight, None)
    with pytest.raises(KernelError, match="pixels are on cpu and weight on meta"):
        kernel.patch_embedding(pixels, weight.to("meta"), None)


# What ops.py makes of it


def embedded(parts, **tap):
    pixels, weight, bias, class_token, positions = parts
    layer = SimpleNamespace(path="patches", weight=weight, bias=bias)
    node = SimpleNamespace(path="embeddings")
    return ops.embed_patches(node, pixels, layer, class_token, positions, **tap)


def test_ops_choose_the_kernel(device):
    parts = inputs(2, 3, 2, 3, 4, 20, "float32", "float32", 0, device)
    numbers = [as_float64(each) for each in parts]
    close(ops.patch_embedding(*parts[:3]), twin(*numbers[:3]), "float32")
    assert ops.last_choice("patch_embedding").runs == "patch_embedding"
    close(embedded(parts), twin(*numbers), "float32")
    assert ops.last_choice("embed_patches") == ("embed_patches", "patch_embedding", "patches of 4")


def test_plain_torch_serves_float64(device):
    parts = inputs(2, 3, 2, 3, 4, 20, "float32", "float32", 0, device)
    for changed in (
        parts[:1] + [each.double() for each in parts[1:]],
        [parts[0].double(), *parts[1:]],
    ):
        numbers = [as_float64(each) for each in parts]
        close(ops.patch_embedding(*changed[:3]), twin(*numbers[:3]), "float32")
        assert ops.last_choice("patch_embedding").why == "float64 has no kernel"
        close(embedded(changed), twin(*numbers), "float32")
        assert ops.last_choice("embed_patches").runs == "torch"


def test_watching_does_not_change_the_numbers(device):
    parts = inputs(2, 3, 2, 3, 4, 20, "float32", "float32", 0, device)
    seen = []

    def watch(p, point, value):
        seen.append((p.path, point, value))
        return value

    assert torch.equal(embedded(parts, tap=watch), embedded(parts))
    ((path, point, patches),) = seen
    assert (path, point) == ("embeddings", "patches")
    close(patches, twin(*map(as_float64, parts[:3])), "float32")


def test_a_tap_can_hand_back_other_patches(device):
    parts = inputs(2, 3, 2, 3, 4, 20, "float32", "float32", 0, device)
    other = torch.randn(2, 6, 20, device=device)
    found = embedded(parts, tap=lambda p, point, x: other)
    front = parts[3].expand(2, 1, 20)
    assert torch.equal(found, torch.cat([front, other], 1) + parts[4])
    assert ops.last_choice("embed_patches").runs == "torch"
