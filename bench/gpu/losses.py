"""The two losses: CLIP's and SigLIP's, forward, never holding the matrix of logits.

Beside eager torch, which holds it several times over and runs out of memory first, and the chunked
form of refimpl/graph/chunked_losses.py over plain torch.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kernels import contrastive_loss as softmax_kernel
from kernels import ops, plain
from kernels import sigmoid_loss as sigmoid_kernel
from refimpl import ops as numpy_ops
from refimpl.graph import chunked_losses

from .cases import Backend, Benchmark, Case, Part, Place, Sizes, Work, as_float64
from .goals import Goal

SCALE, BIAS = 2.6592, -10.0  # log 14 and −10: where training begins
CHUNK = 4096
ROUGH = 5.0  # tolerances: in half precision torch rounds the logits, and what it takes from them
EAGER = Goal("speedup", 2.5, "eager")


def _cases(milliseconds: float) -> tuple[Case, ...]:
    """32,768 pairs of B, and 65,536 of L, with the goal of an H200 for the latter."""
    found = []
    for pairs, width in ((32_768, 512), (65_536, 768)):
        goals = [Goal("extra_mb", 2 * 2 * pairs * width / 1e6)]  # memory grows with B · E only
        if pairs == 32_768:
            goals.append(EAGER)
        else:
            goals.append(Goal("milliseconds", milliseconds, card="H200"))
        found.append(Case(f"{pairs} x {width}", {"pairs": pairs, "width": width}, tuple(goals)))
    return tuple(found)


TINY = (Case("37 x 24", {"pairs": 37, "width": 24}),)


def _eager_contrastive(text: Tensor, image: Tensor, scale: Tensor) -> Tensor:
    logits = (text @ image.T) * scale.exp()
    labels = torch.arange(len(text), device=text.device)
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2


def _eager_sigmoid(text: Tensor, image: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    logits = (text @ image.T) * scale.exp() + bias
    signs = 2 * torch.eye(len(text), device=text.device, dtype=text.dtype) - 1
    return -F.logsigmoid(signs * logits).sum() / len(text)


def exact(chunked: Callable[..., Any], tensors: Sequence[Tensor], on_numpy: bool) -> np.ndarray:
    """A loss in float64, by numpy; or by torch, as numpy would take minutes for 65,536 pairs."""
    if on_numpy:
        value = chunked(numpy_ops, *map(as_float64, tensors), chunk=CHUNK)
    else:
        value = chunked(plain, *(x.double() for x in tensors), chunk=CHUNK).cpu().numpy()
    return np.asarray(value).reshape(())


def _work(
    sizes: Sizes, place: Place, kernel: Callable[..., Tensor], eager: Any, chunked: Any, count: int
) -> Work:
    """2 · pairs² · width FLOPs; the embeddings are read once by the formula, more by tiles."""
    pairs, width = sizes["pairs"], sizes["width"]
    text = plain.l2_normalize(place.random(pairs, width))
    image = plain.l2_normalize(text + place.random(pairs, width, scale=0.5 * width**-0.5))
    scalars = [
        torch.full((1,), value, device=place.device, dtype=place.dtype) for value in (SCALE, BIAS)
    ][:count]
    tensors = (text, image, *scalars)

    def wanted() -> list[Part]:
        return [Part(0, (), exact(chunked, tensors, place.device.type == "cpu"))]

    def in_chunks() -> Tensor:
        return chunked(ops, *tensors, chunk=CHUNK)

    def shown(loss: Tensor) -> Tensor:
        return loss.reshape(())

    return Work(
        backends=(
            Backend("kernel", lambda: kernel(*tensors), shown=shown, looseness=10),
            Backend("eager", lambda: eager(*tensors), shown=shown, looseness=ROUGH),
            Backend(f"chunks of {CHUNK}", in_chunks, shown=shown, looseness=ROUGH),
            *place.compiled(eager, *tensors, looseness=ROUGH),
        ),
        wanted=wanted,
        reads=tensors,
        moved=(2 * pairs * width + count) * place.size + 4,
        flops=2 * pairs * pairs * width,
        ceiling="product",
    )


def contrastive_work(sizes: Sizes, place: Place) -> Work:
    """CLIP's loss: a cross entropy over rows, and one over columns."""
    kernel = softmax_kernel.contrastive_loss
    return _work(sizes, place, kernel, _eager_contrastive, chunked_losses.contrastive, 1)


def sigmoid_work(sizes: Sizes, place: Place) -> Work:
    """SigLIP's loss: each pair on its own."""
    kernel = sigmoid_kernel.sigmoid_loss
    return _work(sizes, place, kernel, _eager_sigmoid, chunked_losses.sigmoid, 2)


CONTRASTIVE = Benchmark("contrastive_loss", _cases(12.0), TINY, contrastive_work)
SIGMOID = Benchmark("sigmoid_loss", _cases(11.0), TINY, sigmoid_work)
