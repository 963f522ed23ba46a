"""Losses, as pure functions over the operations.

Called by models/ when `return_loss` or `labels` is given, or by whoever has logits:

>>> import numpy as np
>>> from refimpl import ops
>>> from refimpl.graph import losses
>>> logits = np.float64([[4, 1], [2, 6]])  # row: text, column: image; pairs on the diagonal
>>> losses.contrastive(ops, logits).round(4).item()
0.0501
>>> losses.sigmoid(ops, logits).round(4).item()
1.7304

Source: Radford et al. 2021 (arXiv:2103.00020), figure 3; Zhai et al. 2023 (arXiv:2303.15343),
section 3.2; Transformers 5.23, loss/loss_utils.py and modeling_siglip.py.
Read next: chunked_losses.py, the first two for batches whose logits do not fit in memory.
"""

from refimpl.graph.interface import Ops
from refimpl.shapes import Array, Float, Int

IGNORED_LABEL = -100
"""A label that takes no part in the cross entropy (torch's `ignore_index`)."""


def cross_entropy(
    ops: Ops, logits: Float[Array, "B N"], labels: Int[Array, " B"]
) -> Float[Array, ""]:
    """Mean of −log softmax(logits)[label] over the rows whose label is not −100."""
    kept = labels != IGNORED_LABEL
    chosen = ops.pick_rows(ops.log_softmax(logits[kept]), labels[kept])
    return -ops.mean(chosen, axis=0)


def contrastive(ops: Ops, logits_per_text: Float[Array, "B B"]) -> Float[Array, ""]:
    """CLIP's loss: each text must find its image, and each image its text.

    The mean of two cross entropies, over the rows and over the columns of the logits, whose
    right answers lie on the diagonal.
    """
    by_text = ops.log_softmax(logits_per_text).diagonal()
    by_image = ops.log_softmax(logits_per_text.swapaxes(0, 1)).diagonal()
    return -(ops.mean(by_text, axis=0) + ops.mean(by_image, axis=0)) / 2


def sigmoid(ops: Ops, logits_per_text: Float[Array, "B B"]) -> Float[Array, ""]:
    """SigLIP's loss: each pair is judged alone, right on the diagonal and wrong elsewhere.

    The binary cross entropy of the logits with the identity matrix, −log σ(x) on the diagonal and
    −log σ(−x) off it: summed over each row, averaged over the rows.

    Trap: it is divided by B, not by B²; the sum over a row grows with the batch.
    """
    labels = ops.identity_like(logits_per_text)
    return binary_cross_entropy(ops, logits_per_text, labels) * logits_per_text.shape[1]


def mean_squared_error(
    ops: Ops, logits: Float[Array, "*b"], labels: Float[Array, "*b"]
) -> Float[Array, ""]:
    """Mean of the squared differences: the regression loss."""
    return ops.mean(((logits - labels) ** 2).reshape(-1), axis=0)


def binary_cross_entropy(
    ops: Ops, logits: Float[Array, "B N"], labels: Float[Array, "B N"]
) -> Float[Array, ""]:
    """Mean of −y log σ(x) − (1 − y) log σ(−x): several labels may be right at once."""
    per_label = labels * ops.log_sigmoid(logits) + (1 - labels) * ops.log_sigmoid(-logits)
    return -ops.mean(per_label.reshape(-1), axis=0)
