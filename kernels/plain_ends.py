"""The two ends of a model in plain torch: pictures in, matches and losses out; and their checks.

Twins: refimpl/images/transforms.py, refimpl/matching.py, refimpl/graph/losses.py. Called by ops.py
where no kernel fits. The kernels (normalize_pixels.py, top_matches.py, contrastive_loss.py,
sigmoid_loss.py) make the same checks, which need no triton. Half precision is computed in float32,
and results are float32, as theirs are; float64 stays. The matrix of logits is held whole.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.errors import KernelError
from kernels.plain import l2_normalize
from kernels.runtime import check_together

ACTIVATIONS = ("softmax", "sigmoid")
MOST_CHANNELS = 4


def normalize_pixels(
    pixels: Tensor,
    mean: float | Sequence[float],
    std: float | Sequence[float],
    rescale: float = 1 / 255,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Normalise bytes (B, Y, X, C): (x · rescale − mean) / std, as (B, C, Y, X)."""
    middles, deviations = check_pixels(pixels, mean, std)
    numbers = torch.tensor([middles, deviations], dtype=torch.float32, device=pixels.device)
    middle, deviation = numbers[:, :, None, None]
    x = (pixels.permute(0, 3, 1, 2).double() * rescale).float()
    return ((x - middle) / deviation).to(dtype).contiguous()


def top_matches(
    image: Tensor,
    text: Tensor,
    logit_scale: Tensor,
    logit_bias: Tensor | None = None,
    *,
    k: int,
    activation: str,
) -> tuple[Tensor, Tensor]:
    """Probabilities and numbers (I, k) of the k texts that fit each picture best."""
    check_matches(image, text, logit_scale, logit_bias, k, activation)
    image, text = l2_normalize(_wide(image)), l2_normalize(_wide(text))
    logits = image @ text.T * _wide(logit_scale).exp()
    if logit_bias is not None:
        logits = logits + _wide(logit_bias)
    ranked = logits.masked_fill(logits.isnan(), -torch.inf)
    best = ranked.sort(dim=1, descending=True, stable=True).indices[:, :k].contiguous()
    probabilities = logits.softmax(1) if activation == "softmax" else logits.sigmoid()
    return probabilities.gather(1, best), best


def contrastive_loss(text_embeds: Tensor, image_embeds: Tensor, logit_scale: Tensor) -> Tensor:
    """CLIP's loss of B pairs of unit vectors, of shape ()."""
    check_pairs("contrastive_loss", text_embeds, image_embeds, logit_scale=logit_scale)
    logits = _wide(text_embeds) @ _wide(image_embeds).T * _wide(logit_scale).exp()
    own = logits.diagonal()
    by_text = torch.logsumexp(logits - own[:, None], 1)
    by_image = torch.logsumexp(logits - own, 0)
    return (by_text.mean() + by_image.mean()) / 2


def sigmoid_loss(
    text_embeds: Tensor, image_embeds: Tensor, logit_scale: Tensor, logit_bias: Tensor
) -> Tensor:
    """SigLIP's loss of B pairs of unit vectors, of shape ()."""
    scalars = {"logit_scale": logit_scale, "logit_bias": logit_bias}
    check_pairs("sigmoid_loss", text_embeds, image_embeds, **scalars)
    logits = _wide(text_embeds) @ _wide(image_embeds).T * _wide(logit_scale).exp()
    logits = logits + _wide(logit_bias)
    pairs = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    return -F.logsigmoid(torch.where(pairs, logits, -logits)).sum(1).mean()


def _wide(x: Tensor) -> Tensor:
    """Give half precision as float32."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def check_pixels(
    pixels: Tensor, mean: float | Sequence[float], std: float | Sequence[float]
) -> tuple[list[float], list[float]]:
    """Check pictures, and give mean and std as one number per channel.

    Raises:
        KernelError: the pictures are not (B, Y, X, C) of uint8, or mean and std do not fit them.
    """
    channels = pixels.shape[-1] if pixels.ndim == 4 else 0
    if pixels.dtype != torch.uint8 or not 1 <= channels <= MOST_CHANNELS:
        raise KernelError(
            "normalize_pixels: pixels must be uint8 (B, Y, X, C) with 1 to 4 channels; got "
            f"{str(pixels.dtype).removeprefix('torch.')} {tuple(pixels.shape)}. "
            "Channels first? .permute(0, 2, 3, 1) views them"
        )
    found = []
    for name, value in (("mean", mean), ("std", std)):
        values = [
            float(each) for each in (value if isinstance(value, Sequence) else [value] * channels)
        ]
        if len(values) != channels:
            raise KernelError(
                f"normalize_pixels: {name} has {len(values)} numbers for pictures of {channels} "
                "channels"
            )
        found.append(values)
    if 0 in found[1]:
        raise KernelError("normalize_pixels: a std is 0, by which nothing can be divided")
    return found[0], found[1]


def check_matches(
    image: Tensor,
    text: Tensor,
    logit_scale: Tensor,
    logit_bias: Tensor | None,
    k: int,
    activation: str,
) -> None:
    """Check what `top_matches` is given.

    Raises:
        KernelError: shapes, dtypes, devices, k or activation do not fit.
    """
    if image.ndim != 2 or text.ndim != 2 or not image.shape[1] == text.shape[1] > 0:
        raise KernelError(
            "top_matches: image must be (I, E) and text (T, E) of one width, at least 1; got "
            f"{tuple(image.shape)} and {tuple(text.shape)}"
        )
    if not 1 <= k <= len(text):
        raise KernelError(f"top_matches: k must be 1 to the number of texts, {len(text)}; got {k}")
    if activation not in ACTIVATIONS:
        raise KernelError(
            "top_matches: activation must be softmax (CLIP) or sigmoid (SigLIP); "
            f"got {activation!r:.60}"
        )
    check_together("top_matches", image=image, text=text)
    _check_numbers("top_matches", image, logit_scale=logit_scale, logit_bias=logit_bias)


def check_pairs(op: str, text_embeds: Tensor, image_embeds: Tensor, **scalars: Tensor) -> None:
    """Check what the losses are given.

    Raises:
        KernelError: texts and images are no pairs of one dtype on one device, there is none, or
            a scalar is not one number.
    """
    if text_embeds.ndim != 2 or text_embeds.shape != image_embeds.shape or not text_embeds.numel():
        raise KernelError(
            f"{op}: text_embeds and image_embeds must be pairs, (B, E) each with B and E at least 1; "
            f"got {tuple(text_embeds.shape)} and {tuple(image_embeds.shape)}"
        )
    check_together(op, text_embeds=text_embeds, image_embeds=image_embeds)
    _check_numbers(op, text_embeds, **scalars)


def _check_numbers(op: str, beside: Tensor, **scalars: Tensor | None) -> None:
    """Check that a model's scalars are one number each, on the device of its embeddings."""
    for name, each in scalars.items():
        if each is None:
            continue
        if each.shape not in ((), (1,)):
            raise KernelError(f"{op}: {name} must be one number; got shape {tuple(each.shape)}")
        if each.device != beside.device:
            raise KernelError(
                f"{op}: {name} is on {each.device} and the embeddings on {beside.device}; "
                f"move it there with .to({str(beside.device)!r})"
            )
