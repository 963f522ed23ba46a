"""The losses against torch in float64 and open_clip, and the chunked ones against the plain ones."""

import tracemalloc
import types

import numpy as np
import pytest
import torch
from comparing import assert_close, relative_l2
from mutants import mutant
from original_models import original
from torch.nn import functional

from refimpl import ops
from refimpl.errors import InputError
from refimpl.graph import chunked_losses, losses

TOLERANCE = {"float32": 1e-6, "float64": 1e-12}
SCALES = {"cold": (0.0, 0.0), "warm": (2.6592, -10.0), "hot": (4.6052, -16.5)}  # log 1, 14, 100


def make_pairs(batch, dtype, width=12, alike=0.0, seed=0):
    """Unit vectors; `alike` pulls each image towards its text."""
    rng = np.random.default_rng(seed)
    text, noise = (rng.standard_normal((batch, width)).astype(dtype) for _ in range(2))
    image = text * dtype(alike) + noise * dtype(1 - alike)
    return ops.l2_normalize(text), ops.l2_normalize(image)


def scalars(scale, dtype):
    return tuple(np.asarray([value], dtype) for value in SCALES[scale])


def plain(text, image, scale, bias):
    logits = ops.linear(text, image) * ops.exp(scale)
    return losses.contrastive(ops, logits), losses.sigmoid(ops, logits + bias)


def chunked(text, image, scale, bias, chunk):
    return (
        chunked_losses.contrastive(ops, text, image, scale, chunk=chunk),
        chunked_losses.sigmoid(ops, text, image, scale, bias, chunk=chunk),
    )


def torch_losses(text, image, scale, bias):
    """Both losses in float64, a few rows at a time, each in another form than ours."""
    text, image, scale, bias = (torch.tensor(x).double() for x in (text, image, scale, bias))
    contrastive = sigmoid = 0.0
    targets = torch.arange(len(text))
    for rows in targets.split(512):
        by_text = text[rows] @ image.T * scale.exp()
        by_image = image[rows] @ text.T * scale.exp()
        for logits in (by_text, by_image):
            contrastive += functional.cross_entropy(logits, targets[rows], reduction="sum") / 2
        labels = (rows[:, None] == targets[None]).double()
        sigmoid += functional.binary_cross_entropy_with_logits(
            by_text + bias, labels, reduction="sum"
        )
    return float(contrastive) / len(text), float(sigmoid) / len(text)


@pytest.mark.parametrize("alike", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [1, 2, 37])
def test_plain_losses_equal_torch(batch, dtype, scale, alike):
    given = (*make_pairs(batch, dtype, alike=alike), *scalars(scale, dtype))
    found, wanted = plain(*given), torch_losses(*given)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.shape == () and ours.dtype == dtype
        # a loss near 0 is no better than the rounding of logits up to 100
        np.testing.assert_allclose(ours, theirs, rtol=5e-6, atol=1e-6 if dtype == np.float32 else 0)
        if dtype == np.float64:
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("scale", SCALES)
def test_losses_equal_open_clip(scale):
    theirs = original("open_clip.loss")
    text, image = make_pairs(23, np.float64, alike=0.4)
    log_scale, bias = scalars(scale, np.float64)
    features = (torch.tensor(image), torch.tensor(text))
    temperature = torch.tensor(np.exp(log_scale))
    wanted = (
        theirs.ClipLoss()(*features, temperature),
        theirs.SigLipLoss()(*features, temperature, torch.tensor(bias)),
    )
    for found in (plain(text, image, log_scale, bias), chunked(text, image, log_scale, bias, 5)):
        for ours, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(ours, other.numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("alike", [0.0, 0.6, 0.9])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("chunk", [1, 4, 12, 13, 14, 1000])
def test_chunked_losses_equal_the_plain_ones(chunk, dtype, scale, alike):
    kind = np.dtype(dtype).type
    given = (*make_pairs(13, kind, alike=alike), *scalars(scale, kind))
    names = ("contrastive", "sigmoid")
    for ours, wanted, name in zip(chunked(*given, chunk), plain(*given), names, strict=True):
        assert ours.dtype == kind and ours.shape == ()
        assert abs(float(ours) - float(wanted)) <= TOLERANCE[dtype] * max(1, abs(wanted)), name


def test_a_scale_without_axes_is_taken_too():
    text, image = make_pairs(9, np.float64)
    scale, bias = np.array(1.2), np.array(-3.0)
    for ours, wanted in zip(
        chunked(text, image, scale, bias, 4), plain(text, image, scale, bias), strict=True
    ):
        assert_close(ours, wanted, 1e-12, "loss")


TORCH_OPS = types.SimpleNamespace(
    **{
        **{name: value for name, value in vars(ops).items() if not name.startswith("__")},
        "linear": functional.linear,
        "exp": torch.exp,
        "log_sigmoid": functional.logsigmoid,
        "mean": lambda x, axis: x.mean(axis),
        "concatenate": lambda parts, axis: torch.cat(parts, axis),
        "log_sum_exp": lambda x: torch.logsumexp(x, -1),
        "identity_like": lambda x: torch.eye(len(x), dtype=x.dtype),
    }
)


def test_chunked_losses_run_in_another_interpreter():
    given = (*make_pairs(13, np.float64, alike=0.3), *scalars("warm", np.float64))
    as_torch = [torch.tensor(x, requires_grad=True) for x in given]
    found = (
        chunked_losses.contrastive(TORCH_OPS, *as_torch[:3], chunk=4),
        chunked_losses.sigmoid(TORCH_OPS, *as_torch, chunk=4),
    )
    for ours, wanted in zip(found, plain(*given), strict=True):
        assert_close(ours.detach().numpy(), wanted, 1e-12, "loss")
        ours.backward(retain_graph=True)
    assert all(x.grad.isfinite().all() and x.grad.any() for x in as_torch)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_batch_of_2048_in_the_memory_of_a_few_tiles(dtype):
    """The plain losses hold 16 MiB of float32 logits several times over."""
    check_at_size(2048, 128, 1, dtype)


@pytest.mark.slow
def test_a_batch_of_32768_in_the_memory_of_a_few_tiles():
    """The matrix of logits alone would be 4 GiB."""
    check_at_size(32768, 1024, 32, "float32")


def check_at_size(batch, chunk, mebibytes, dtype):
    kind = np.dtype(dtype).type
    given = (*make_pairs(batch, kind, width=64, alike=0.2), *scalars("warm", kind))
    tracemalloc.start()
    found = chunked(*given, chunk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < mebibytes * 2**20 * (np.dtype(dtype).itemsize // 4)
    for ours, wanted in zip(found, torch_losses(*given), strict=True):
        assert relative_l2(ours, wanted) < (1e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize(
    ("texts", "images", "chunk", "message"),
    [
        (3, 4, 2, r"must be pairs.*\(3, 12\) and \(4, 12\)"),
        (0, 0, 2, "B at least 1"),
        (3, 3, 0, "chunk must be a number of rows, at least 1; got 0"),
        (3, 3, -1, "got -1"),
    ],
)
def test_what_is_no_batch_of_pairs(texts, images, chunk, message):
    text, image = np.ones((texts, 12)), np.ones((images, 12))
    one = np.ones(1)
    with pytest.raises(InputError, match=message):
        chunked_losses.contrastive(ops, text, image, one, chunk)
    with pytest.raises(InputError, match=message):
        chunked_losses.sigmoid(ops, text, image, one, one, chunk)


def test_identity_like_and_log_sum_exp():
    x = np.random.default_rng(0).standard_normal((4, 5, 6)) * 300
    wanted = torch.logsumexp(torch.tensor(x), dim=-1).numpy()
    assert_close(ops.log_sum_exp(x), wanted, 1e-14, "log_sum_exp")
    assert_close(ops.log_sum_exp(x.astype("f4")), wanted.astype("f4"), 1e-6, "log_sum_exp")
    identity = ops.identity_like(np.full((3, 3), np.nan, np.float32))
    assert_close(identity, np.eye(3, dtype=np.float32), 0, "identity_like")


WRONG = {
    "all pairs right": ("identity_like", np.ones_like),
    "all pairs wrong": ("identity_like", np.zeros_like),
    "the other diagonal": ("identity_like", lambda x: ops.identity_like(x)[::-1]),
    "sigmoid without its logarithm": ("log_sigmoid", lambda x: 1 / (1 + np.exp(-x))),
    "sigmoid upside down": ("log_sigmoid", lambda x: ops.log_sigmoid(-x)),
    "the largest alone": ("log_softmax", lambda x: x - x.max(axis=-1, keepdims=True)),
    "running maximum": ("log_sum_exp", lambda x: x.max(axis=-1)),
    "running sum": ("log_sum_exp", lambda x: x.sum(axis=-1)),
    "temperature not exponentiated": ("exp", lambda x: x),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_mutant_is_noticed(name):
    given = (*make_pairs(11, np.float64), *scalars("warm", np.float64))
    wrong = mutant(*WRONG[name])
    logits = ops.linear(*given[:2]) * wrong.exp(given[2])
    found = (
        losses.contrastive(wrong, logits),
        losses.sigmoid(wrong, logits + given[3]),
        chunked_losses.contrastive(wrong, *given[:3], chunk=4),
        chunked_losses.sigmoid(wrong, *given, chunk=4),
    )
    wanted = torch_losses(*given) * 2
    assert any(abs(a - b) > 1e-3 for a, b in zip(found, wanted, strict=True))
