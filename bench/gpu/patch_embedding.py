"""Patches gathered inside the product, class token and positions added; beside a convolution."""

from types import SimpleNamespace

import torch
import torch.nn.functional as F

from kernels import patch_embedding as kernel
from kernels import plain
from refimpl import ops as numpy_ops

from .cases import Backend, Benchmark, Case, Part, Place, Sizes, Work, as_float64, ends

PICTURES_COMPARED = 1


def _sizes(batch: int, side: int, patch: int, width: int, token: bool) -> dict[str, object]:
    return {"batch": batch, "side": side, "patch": patch, "width": width, "class token": token}


CASES = (
    Case("B/32", _sizes(1024, 224, 32, 768, True)),
    Case("B/16", _sizes(512, 224, 16, 768, True)),
    Case("L/14", _sizes(512, 224, 14, 1024, True)),
    Case("so400m-384", _sizes(128, 384, 14, 1152, False)),
)
TINY = (
    Case("class token", _sizes(2, 24, 8, 40, True)),
    Case("a rest of a patch", _sizes(1, 20, 8, 24, False)),
)


def work(sizes: Sizes, place: Place) -> Work:
    """2 · patches · numbers · width FLOPs; pixels that fill no patch are not read."""
    batch, patch, width = sizes["batch"], sizes["patch"], sizes["width"]
    across = sizes["side"] // patch
    patches, token = across * across, int(sizes["class token"])
    numbers = 3 * patch * patch
    pixels = place.random(batch, 3, sizes["side"], sizes["side"])
    weight = place.random(width, 3, patch, patch, scale=numbers**-0.5)
    bias, positions = place.random(width), place.random(patches + token, width)
    first = place.random(width) if token else None
    layer = SimpleNamespace(path="patch", weight=weight, bias=bias)

    def expression(pixels, weight, bias, positions):
        x = F.conv2d(pixels, weight, bias, stride=patch).flatten(2).transpose(1, 2)
        if first is not None:
            x = torch.cat([first.expand(batch, 1, width), x], dim=1)
        return x + positions

    def wanted() -> list[Part]:
        arrays = SimpleNamespace(weight=as_float64(weight), bias=as_float64(bias))
        start = None if first is None else as_float64(first)
        places = as_float64(positions)
        return [
            Part(
                0,
                at,
                numpy_ops.embed_patches(layer, as_float64(pixels[at]), arrays, start, places),
            )
            for at in ends(batch, PICTURES_COMPARED)
        ]

    used = pixels[:, :, : across * patch, : across * patch]
    rest = (weight, bias, positions) if first is None else (weight, bias, positions, first)
    values = batch * patches * numbers + width * (numbers + 1 + token + patches + token)
    tensors = (pixels, weight, bias, positions)
    return Work(
        backends=(
            Backend(
                "kernel", lambda: kernel.patch_embedding(pixels, weight, bias, first, positions)
            ),
            Backend("F.conv2d, cat, add", lambda: expression(*tensors)),
            Backend(
                "unfold, F.linear, cat, add",
                lambda: plain.embed_patches(layer, pixels, layer, first, positions),
            ),
            *place.compiled(expression, *tensors),
        ),
        wanted=wanted,
        reads=(used, *rest),
        moved=(values + batch * (patches + token) * width) * place.size,
        flops=2 * batch * patches * numbers * width,
        ceiling="own product",
        product=(batch * patches, width, numbers),
    )


BENCHMARK = Benchmark("patch_embedding", CASES, TINY, work)
