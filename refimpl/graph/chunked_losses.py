"""The losses of CLIP and SigLIP without their matrix of logits, for batches of any size.

A batch of B pairs has B × B logits: 4 GiB of float32 at 32,768. Here they come into being one tile
of chunk × chunk at a time, and each tile leaves behind one number for each of its rows and columns.
Memory is a few tiles and a few vectors of B, whatever B is; the work is the same. The results equal
those of losses.py, over the same operations, in any interpreter.

Both take what `compare` of graph/clip.py or graph/siglip.py takes in and gives back: unit vectors,
one text and one image of each pair in the same row, and the model's scalars.

>>> import numpy as np
>>> from refimpl import ops
>>> from refimpl.graph import chunked_losses, losses
>>> rng = np.random.default_rng(0)
>>> text, image = (ops.l2_normalize(rng.standard_normal((10, 4))) for _ in range(2))
>>> scale, bias = np.array([1.5]), np.array([-2.0])
>>> logits = ops.linear(text, image) * ops.exp(scale)
>>> whole = losses.contrastive(ops, logits), losses.sigmoid(ops, logits + bias)
>>> chunked = (chunked_losses.contrastive(ops, text, image, scale, chunk=3),
...            chunked_losses.sigmoid(ops, text, image, scale, bias, chunk=3))
>>> np.allclose(whole, chunked, rtol=1e-12)
True

Measured by tests/refimpl/test_losses.py: at B = 32,768 and E = 64, in chunks of 1,024, both stay
below 32 MiB beside the vectors themselves.

Source: the tiling is Rabe and Staats 2021 (arXiv:2112.05682), section 2, on both sides at once;
for SigLIP Zhai et al. 2023 (arXiv:2303.15343), section 3.3.
"""

from collections.abc import Sequence
from numbers import Integral

from refimpl.errors import InputError
from refimpl.graph.interface import Ops
from refimpl.shapes import Array, Float


def contrastive(
    ops: Ops,
    text_embeds: Float[Array, "T E"],
    image_embeds: Float[Array, "I E"],
    logit_scale: Float[Array, "*one"],
    chunk: int,
) -> Float[Array, ""]:
    """CLIP's loss: the mean of log Σ exp(x − own) over all rows, and over all columns.

    `own` is the logit of the row's (or column's) own pair. Each text and each image keeps a
    running log-sum-exp of the tiles it has met.

    Args:
        ops: the interpreter.
        text_embeds: unit vectors of the texts.
        image_embeds: unit vectors of the images, row by row their partners.
        logit_scale: the model's, before its exponential.
        chunk: how many texts meet how many images at a time, at least 1.

    Trap: a running log-sum-exp of the logits themselves would lose small losses to rounding; it
        runs over their differences to the pair's own logit.

    Raises:
        InputError: the texts and images are not as many, or the chunk is not a positive number.
    """
    texts, images = _chunks(text_embeds, image_embeds, chunk)
    temperature = ops.exp(logit_scale)
    own = [  # the product copies the diagonal, which alone would keep its whole tile alive
        ops.linear(text, image).diagonal() * temperature
        for text, image in zip(texts, images, strict=True)
    ]
    by_image: dict[int, Array] = {}
    by_text: dict[int, Array] = {}
    for row, text in enumerate(texts):
        for column, image in enumerate(images):
            tile = ops.linear(text, image) * temperature  # (chunk, chunk)
            _meet(ops, by_text, row, tile - own[row][:, None])
            _meet(ops, by_image, column, tile.swapaxes(0, 1) - own[column][:, None])
    each_text = ops.concatenate(list(by_text.values()), axis=0)
    each_image = ops.concatenate(list(by_image.values()), axis=0)
    return (ops.mean(each_text, axis=0) + ops.mean(each_image, axis=0)) / 2


def sigmoid(
    ops: Ops,
    text_embeds: Float[Array, "T E"],
    image_embeds: Float[Array, "I E"],
    logit_scale: Float[Array, "*one"],
    logit_bias: Float[Array, "*one"],
    chunk: int,
) -> Float[Array, ""]:
    """SigLIP's loss: the mean over texts of the sum of their binary cross entropies.

    Args:
        ops: the interpreter.
        text_embeds: unit vectors of the texts.
        image_embeds: unit vectors of the images, row by row their partners.
        logit_scale: the model's, before its exponential.
        logit_bias: the model's.
        chunk: how many texts meet how many images at a time, at least 1.

    Raises:
        InputError: the texts and images are not as many, or the chunk is not a positive number.
    """
    texts, images = _chunks(text_embeds, image_embeds, chunk)
    temperature = ops.exp(logit_scale)
    each_text = [
        sum(
            _cross_entropies(ops, ops.linear(text, image) * temperature + logit_bias, row == column)
            for column, image in enumerate(images)
        )
        for row, text in enumerate(texts)
    ]
    return ops.mean(ops.concatenate(each_text, axis=0), axis=0)


def _cross_entropies(ops: Ops, tile: Float[Array, "r c"], has_pairs: bool) -> Float[Array, " r"]:
    """Sum up each row's binary cross entropies; the pairs are on the diagonal, if any are here."""
    log_likelihood = ops.log_sigmoid(-tile)
    if has_pairs:
        labels = ops.identity_like(tile)
        log_likelihood = labels * ops.log_sigmoid(tile) + (1 - labels) * log_likelihood
    return -ops.mean(log_likelihood, axis=1) * tile.shape[1]


def _meet(ops: Ops, running: dict[int, Array], index: int, tile: Float[Array, "r c"]) -> None:
    """Let the rows of a tile join the running log-sum-exp of their chunk."""
    met = ops.log_sum_exp(tile)
    if index in running:
        both = ops.concatenate([running[index][:, None], met[:, None]], axis=1)
        met = ops.log_sum_exp(both)
    running[index] = met


def _chunks(
    text_embeds: Float[Array, "T E"], image_embeds: Float[Array, "I E"], chunk: int
) -> tuple[Sequence[Array], Sequence[Array]]:
    """Cut both sides into the same chunks; the last one may be shorter."""
    pairs = text_embeds.shape[0]
    if not pairs or text_embeds.shape != image_embeds.shape:
        raise InputError(
            "text_embeds and image_embeds must be pairs, (B, E) each with B at least 1; got "
            f"{tuple(text_embeds.shape)} and {tuple(image_embeds.shape)}"
        )
    if not isinstance(chunk, Integral) or chunk < 1:
        raise InputError(f"chunk must be a number of rows, at least 1; got {chunk!r:.60}")
    starts = range(0, pairs, chunk)
    texts, images = (
        [x[start : start + chunk] for start in starts] for x in (text_embeds, image_embeds)
    )
    return texts, images
