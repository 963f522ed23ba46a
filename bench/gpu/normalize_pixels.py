"""uint8 pictures, channels last, to normalised pixels, channels first; beside eager torch."""

import torch

from kernels import normalize_pixels as kernel

from .cases import Backend, Benchmark, Case, Part, Place, Sizes, Work, as_float64, ends

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
PICTURES_COMPARED = 2

CASES = (
    Case("256 pictures of 224", {"batch": 256, "side": 224}),
    Case("128 pictures of 384", {"batch": 128, "side": 384}),
)
TINY = (Case("3 pictures of 20", {"batch": 3, "side": 20}),)


def work(sizes: Sizes, place: Place) -> Work:
    """A byte read and a number written for each."""
    batch, side = sizes["batch"], sizes["side"]
    shape = (batch, side, side, 3)
    pixels = torch.randint(
        256, shape, dtype=torch.uint8, device=place.device, generator=place.generator
    )
    mean, std = (torch.tensor(x, device=place.device)[:, None, None] for x in (MEAN, STD))

    def expression(pixels):
        wide = pixels.permute(0, 3, 1, 2).float() * (1 / 255)
        return ((wide - mean) / std).to(place.dtype).contiguous()

    def wanted() -> list[Part]:
        parts = []
        for at in ends(batch, PICTURES_COMPARED):
            normal = (as_float64(pixels[at]) / 255 - MEAN) / STD
            parts.append(Part(0, at, normal.transpose(0, 3, 1, 2)))
        return parts

    return Work(
        backends=(
            Backend(
                "kernel", lambda: kernel.normalize_pixels(pixels, MEAN, STD, dtype=place.dtype)
            ),
            Backend("eager", lambda: expression(pixels)),
            *place.compiled(expression, pixels),
        ),
        wanted=wanted,
        reads=(pixels,),
        moved=batch * side * side * 3 * (1 + place.size),
        flops=2 * batch * side * side * 3,
    )


BENCHMARK = Benchmark("normalize_pixels", CASES, TINY, work)
