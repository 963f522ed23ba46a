"""Whatever the launchers choose for real checkpoints is in `configurations()`, so it is compiled.

The launchers run on torch's meta device, where tensors have shapes and no memory, and a recorder
stands in for `launch`. float16 counts as bfloat16: both have the same constants and instructions of
the same kinds, so each file lists bfloat16 in full. float32 products are the exact ones; those that
somebody allows to be tf32 are not listed. Attention is not among these files.
"""

from types import SimpleNamespace

import pytest
import torch
import triton.language as tl

from kernels import (
    activation,
    add_layer_norm,
    contrastive_loss,
    layer_norm,
    linear_activation,
    normalize_pixels,
    ops,
    patch_embedding,
    sigmoid_loss,
    top_matches,
)

FILES = {
    "activation": activation,
    "add_layer_norm": add_layer_norm,
    "contrastive_loss": contrastive_loss,
    "layer_norm": layer_norm,
    "linear_activation": linear_activation,
    "normalize_pixels": normalize_pixels,
    "patch_embedding": patch_embedding,
    "sigmoid_loss": sigmoid_loss,
    "top_matches": top_matches,
}
HALVES = [torch.bfloat16, torch.float16]
DTYPES = [torch.float32, *HALVES]
TYPES = {
    torch.float32: "*fp32",
    torch.float16: "*bf16",  # counts as bfloat16
    torch.bfloat16: "*bf16",
    torch.uint8: "*u8",
    torch.int32: "*i32",
    torch.int64: "*i64",
}
WIDTHS = [384, 512, 640, 768, 896, 1024, 1152, 1280, 1408, 1664]
BERT_WIDTHS = [384, 512, 768, 1024]
ROWS = [1, 50, 77, 577, 12_800, 65_792, 600_000]
BATCHES = [1, 2, 256]
ACTIVATIONS = "quick_gelu gelu gelu_pytorch_tanh gelu_new relu silu tanh".split()


def meta(*shape, dtype=torch.float32):
    return torch.empty(shape, dtype=dtype, device="meta")


@pytest.fixture
def launched(monkeypatch):
    """What the launchers launch, as (kernel, grid, arguments, constants)."""
    found = []

    def record(kernel, grid, device, *arguments, **constants):
        assert device.type == "meta"
        found.append((kernel, grid, arguments, constants))

    for file in FILES.values():
        monkeypatch.setattr(file, "launch", record)
    return found


def compile_time(kernel):
    return {name for name, kind in kernel.fn.__annotations__.items() if kind is tl.constexpr}


def key_of_launch(kernel, arguments, constants):
    """Kernel, types of pointers, constants, warps and stages of a launch."""
    fixed = {"num_warps": 4, "num_stages": 1} | constants  # as runtime.launch
    warps, stages = fixed.pop("num_warps"), fixed.pop("num_stages")
    given = dict(zip(kernel.arg_names, arguments, strict=False))
    assert given.keys() | fixed.keys() == set(kernel.arg_names)
    assert fixed.keys() == compile_time(kernel)
    pointers = {name: x for name, x in given.items() if name.endswith("_ptr")}
    types = {name: TYPES[x.dtype] for name, x in pointers.items() if x is not None}
    fixed |= {name: None for name, x in pointers.items() if x is None}
    return key(kernel, types, fixed, warps, stages)


def key_of_configuration(each):
    """The same of a configuration; an integer that happens to be 1 is no constant of the kernel."""
    types = {name: kind for name, kind in each.signature.items() if kind.startswith("*")}
    types = {name: kind.replace("fp16", "bf16") for name, kind in types.items()}
    names = compile_time(each.kernel) | {n for n in each.constants if n.endswith("_ptr")}
    fixed = {name: value for name, value in each.constants.items() if name in names}
    return key(each.kernel, types, fixed, each.warps, each.stages)


def key(kernel, types, fixed, warps, stages):
    return (
        kernel.__name__, tuple(sorted(types.items())), tuple(sorted(fixed.items())), warps, stages
    )  # fmt: skip


LISTED = {key_of_configuration(each) for file in FILES.values() for each in file.configurations()}


def check(launched):
    """Every launch is listed, and its grid has one axis, of as many programs as a GPU takes."""
    assert launched
    for kernel, grid, arguments, constants in launched:
        assert key_of_launch(kernel, arguments, constants) in LISTED, (kernel, constants)
        assert len(grid) == 1 and 0 < grid[0] < 2**31
    launched.clear()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", WIDTHS)
def test_norms(launched, width, dtype):
    vector = meta(width, dtype=dtype)
    norm = SimpleNamespace(weight=vector, bias=vector)
    for rows in ROWS:
        x = meta(1, rows, width, dtype=dtype)
        ops.layer_norm(x, vector, vector, 1e-5)
        ops.add_layer_norm(norm, "residual", x, x, norm, 1e-5)
        if width in BERT_WIDTHS:
            ops.layer_norm_of_sum(norm, "residual", x, x, norm, 1e-12)
    kinds = 3 if width in BERT_WIDTHS else 2
    assert len(launched) == kinds * len(ROWS)
    check(launched)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_both_ways_of_an_mlp(launched, name, dtype):
    for width in WIDTHS:
        for inner in {4 * width, 4304, 6144, 8192}:
            weight, bias = meta(inner, width, dtype=dtype), meta(inner, dtype=dtype)
            for rows in ROWS:
                x = meta(rows, width, dtype=dtype)
                node = SimpleNamespace(fc1=SimpleNamespace(weight=weight, bias=bias))
                ops.linear_activation(node, x, name)
                linear_activation.linear_activation(x, weight, bias, name)  # if `WAY` changes
                activation.bias_activation(meta(rows, inner, dtype=dtype), bias, name)
    assert {kernel.__name__ for kernel, *_ in launched} == {
        "activation_kernel", "linear_activation_kernel"
    }  # fmt: skip
    check(launched)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gates(launched, dtype):
    for rows in ROWS:
        for inner in (2 * 2048, 2 * 4096, 2 * 2736):
            ops.swiglu(meta(rows, inner, dtype=dtype))
    check(launched)


@pytest.mark.parametrize("given", ["float32", "same"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", patch_embedding.FORMS)
def test_patches(launched, form, dtype, given):
    there = patch_embedding.FORMS[form]
    for width in WIDTHS:
        vector = meta(width, dtype=dtype)
        bias = vector if "bias_ptr" in there else None
        front = vector if "class_ptr" in there else None
        for patch in (14, 16, 32):
            node = SimpleNamespace(weight=meta(width, 3, patch, patch, dtype=dtype), bias=bias)
            for side in (224, 336, 378, 384):
                tokens = (side // patch) ** 2 + (front is not None)
                for batch in BATCHES:
                    pixels = meta(batch, 3, side, side, dtype=dtype if given == "same" else None)
                    positions = meta(tokens, width, dtype=dtype)
                    ops.embed_patches(node, pixels, node, front, positions)
    check(launched)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [1, 5, 8, 9, 10, 32])
def test_matches(launched, k, dtype):
    one = meta(dtype=dtype)
    for width in (512, 640, 768, 1024, 1152):
        for images in (1, 2, 256, 65_536):
            image, text = meta(images, width, dtype=dtype), meta(1000, width, dtype=dtype)
            ops.top_matches(image, text, one, k=k, activation="softmax")
            ops.top_matches(image, text, one, one, k=k, activation="sigmoid")
    check(launched)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pairs", [2, 256, 4096, 8192, 8193, 32_768, 65_536])
def test_losses(launched, pairs, dtype):
    one = meta(dtype=dtype)
    for width in (512, 640, 768, 1024, 1152):
        x = meta(pairs, width, dtype=dtype)
        ops.contrastive_loss(x, x, one)
        ops.sigmoid_loss(x, x, one, one)
    assert len(launched) == 5 * (3 + 2)
    check(launched)


@pytest.mark.parametrize("dtype", DTYPES)
def test_pixels(launched, dtype):
    for side in (224, 336, 378, 384):
        for batch in BATCHES:
            packed = meta(batch, side, side, 3, dtype=torch.uint8)
            larger = meta(batch, side + 16, side + 16, 3, dtype=torch.uint8)
            planes = meta(batch, 3, side, side, dtype=torch.uint8)
            cut = larger[:, 8:-8, 8:-8]
            for pixels in (packed, cut, packed[:, 1:, 1:], planes.permute(0, 2, 3, 1)):
                ops.normalize_pixels(pixels, 0.5, 0.5, dtype=dtype)
    assert {kernel.__name__ for kernel, *_ in launched} == {
        "packed_pixels_kernel", "plane_pixels_kernel"
    }  # fmt: skip
    check(launched)


def test_what_is_not_listed_is_noticed(launched):
    vector = meta(760)
    ops.layer_norm(meta(5, 760), vector, vector, 1e-5)
    with pytest.raises(AssertionError, match="760"):
        check(launched)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", FILES)
def test_of_each_dtype_something_is_compiled_every_time(name, dtype):
    found = [each for each in FILES[name].configurations() if dtype in each.name.split()]
    assert not all(each.seldom for each in found)
