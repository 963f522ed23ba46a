"""The texts that fit each picture best: from two towers' embeddings to ranked probabilities.

What a zero-shot classifier does behind the towers, as one function; the twin of
kernels/top_matches.py, which does it in one pass. Read first: graph/clip.py, which has the logits.
"""

import numpy as np

from refimpl.errors import InputError
from refimpl.ops import l2_normalize, softmax
from refimpl.shapes import Array, Float, Int


def top_matches(
    image: Float[Array, "I E"],
    text: Float[Array, "T E"],
    logit_scale: Float[Array, "*scale"],
    logit_bias: Float[Array, "*bias"] | None = None,
    *,
    k: int,
    activation: str,
) -> tuple[Float[Array, "I k"], Int[Array, "I k"]]:
    """Find the k texts that fit each picture best, and how well they fit, best first.

    x = image_unit · text_unitᵀ · exp(logit_scale) + logit_bias; then softmax(x) over the texts, or
    σ(x) of each alone. On ties the text that comes first wins; a NaN ranks with −∞.

    Args:
        image: embeddings of the pictures, of any length but 0.
        text: embeddings of the texts, likewise.
        logit_scale: the model's one number, before its exponential.
        logit_bias: the model's one number, or None.
        k: how many texts, at least 1.
        activation: "softmax" (CLIP) or "sigmoid" (SigLIP).

    Returns:
        Probabilities and the texts' numbers.

    Dtype:  the embeddings'; the numbers are int64.
    Source: Radford et al. 2021 (arXiv:2103.00020), section 3.1.2; Zhai et al. 2023
            (arXiv:2303.15343), section 3.2.
    Trap:   ranked by logits, not by probabilities: those that round to 0 or 1 still have an order.

    Raises:
        InputError: k is not within 1 and the number of texts, or the activation is unknown.

    >>> picture, words = np.float64([[3, 4]]), np.float64([[1, 0], [0, 2], [0, 5]])
    >>> found, places = top_matches(picture, words, np.zeros(()), k=2, activation="softmax")
    >>> found.round(4).tolist(), places.tolist()
    ([[0.3548, 0.3548]], [[1, 2]])
    """
    if not 1 <= k <= text.shape[0]:
        raise InputError(
            f"top_matches: k must be 1 to the number of texts, {text.shape[0]}; got {k}"
        )
    if activation not in ("softmax", "sigmoid"):
        raise InputError(
            "top_matches: activation must be softmax (CLIP) or sigmoid (SigLIP); "
            f"got {activation!r:.60}"
        )
    logits = l2_normalize(image) @ l2_normalize(text).T * np.exp(logit_scale)  # (I, T)
    if logit_bias is not None:
        logits = logits + logit_bias
    ranked = np.where(np.isnan(logits), -np.inf, logits)
    best = np.argsort(-ranked, axis=1, kind="stable")[:, :k]
    probabilities = softmax(logits) if activation == "softmax" else _sigmoid(logits)
    return np.take_along_axis(probabilities, best, axis=1), best


def _sigmoid(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """σ(x) by its logarithm, which keeps the digits of small probabilities; NaN stays NaN."""
    with np.errstate(invalid="ignore"):
        return np.exp(-np.logaddexp(0, -x))
