"""Normalise, logits, softmax or sigmoid, top k in one kernel; beside the chain of torch calls."""

import torch

from kernels import top_matches as kernel
from refimpl.matching import top_matches as twin

from .cases import Backend, Benchmark, Case, Part, Place, Sizes, Work, as_float64, ends

PICTURES_COMPARED = 16
SCALE, BIAS = 4.6052, -10.0  # log 100, and about SigLIP's
ROUGH = (
    20.0  # tolerances: torch rounds the unit vectors and the cosines, and e to the 100 times them
)


def _sizes(images: int, texts: int, width: int, activation: str) -> dict[str, object]:
    return {"images": images, "texts": texts, "width": width, "k": 5, "activation": activation}


CASES = (
    Case("ImageNet's classes, B", _sizes(8192, 1000, 512, "softmax")),
    Case("ImageNet's classes, L", _sizes(8192, 1000, 768, "softmax")),
    Case("100,000 captions, B", _sizes(1024, 100_000, 512, "softmax")),
    Case("1 picture", _sizes(1, 1000, 512, "softmax")),
    Case("so400m, 10,000 texts", _sizes(4096, 10_000, 1152, "sigmoid")),
)
TINY = (
    Case("softmax", _sizes(3, 70, 40, "softmax")),
    Case("sigmoid", _sizes(2, 9, 24, "sigmoid")),
)


def work(sizes: Sizes, place: Place) -> Work:
    """2 · images · texts · width FLOPs; embeddings read once, k probabilities and numbers written."""
    k, activation = sizes["k"], sizes["activation"]
    softmax = activation == "softmax"
    image = place.random(sizes["images"], sizes["width"])
    text = place.random(sizes["texts"], sizes["width"])
    scale = torch.full((), SCALE, device=place.device, dtype=place.dtype)
    bias = None if softmax else torch.full((), BIAS, device=place.device, dtype=place.dtype)

    def expression(image, text):
        one, other = (x / x.norm(dim=-1, keepdim=True) for x in (image, text))
        logits = (one @ other.T).float() * scale.float().exp()
        values = logits.softmax(-1) if bias is None else (logits + bias.float()).sigmoid()
        return tuple(values.topk(k))

    def wanted() -> list[Part]:
        scalars = (as_float64(scale), None if bias is None else as_float64(bias))
        texts, parts = as_float64(text), []
        for at in ends(sizes["images"], PICTURES_COMPARED):
            found = twin(as_float64(image[at]), texts, *scalars, k=k, activation=activation)
            parts.append(Part(0, at, found[0]))
        return parts

    rows = sizes["images"] + sizes["texts"]
    return Work(
        backends=(
            Backend(
                "kernel",
                lambda: kernel.top_matches(image, text, scale, bias, k=k, activation=activation),
                looseness=30,  # e to the 100 times a float32 cosine
            ),
            Backend("normalise, product, topk", lambda: expression(image, text), looseness=ROUGH),
            *place.compiled(expression, image, text, looseness=ROUGH),
        ),
        wanted=wanted,
        reads=(image, text, scale) if bias is None else (image, text, scale, bias),
        moved=(rows * sizes["width"] + (1 if softmax else 2)) * place.size
        + sizes["images"] * k * (4 + 8),
        flops=2 * sizes["images"] * sizes["texts"] * sizes["width"],
        ceiling="product",
    )


BENCHMARK = Benchmark("top_matches", CASES, TINY, work)
