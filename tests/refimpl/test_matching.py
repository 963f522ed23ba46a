"""The ranking of texts for pictures, judged by torch, and where the two could disagree."""

import numpy as np
import pytest
import torch
from comparing import relative_l2

from refimpl.errors import InputError
from refimpl.matching import top_matches

SCALE, BIAS = np.float64(2.0), np.float64([-3.0])


def embeddings(pictures, texts, width, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((pictures, width)), rng.standard_normal((texts, width))


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("k", [1, 5, 17])
def test_it_equals_torch(activation, k):
    image, text = embeddings(7, 17, 12)
    found, places = top_matches(image, text, SCALE, BIAS, k=k, activation=activation)
    units = [torch.nn.functional.normalize(torch.tensor(each), dim=1) for each in (image, text)]
    logits = units[0] @ units[1].T * np.exp(SCALE) - 3
    scores = logits.softmax(1) if activation == "softmax" else logits.sigmoid()
    wanted, order = scores.topk(k, dim=1)
    assert relative_l2(found, wanted.numpy()) < 1e-14
    assert places.tolist() == order.tolist()
    assert found.dtype == np.float64 and places.dtype == np.int64


def test_the_lower_number_wins_a_tie():
    text = np.float64([[0, 1], [2, 0], [1, 0], [0, 3], [5, 0]])
    found, places = top_matches(
        np.float64([[1, 0], [0, 9]]), text, SCALE, k=4, activation="softmax"
    )
    assert places.tolist() == [[1, 2, 4, 0], [0, 3, 1, 2]]
    assert (found[:, :2] == found[:, :1]).all()


def test_what_rounds_to_nothing_still_has_an_order():
    angle = np.float64([0.1, 3.0, 2.9, 2.8])
    text = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    scale = np.float64(np.log(1e4))
    found, places = top_matches(np.float64([[1, 0]]), text, scale, k=4, activation="softmax")
    assert places.tolist() == [[0, 3, 2, 1]] and (found[0, 1:] == 0).all()


def test_a_small_sigmoid_keeps_its_digits_in_float32():
    image, text = (each.astype(np.float32) for each in embeddings(3, 8, 6))
    found, _ = top_matches(image, text, np.float32(0), np.float32([-30]), k=8, activation="sigmoid")
    wide, _ = top_matches(
        image.astype(np.float64), text.astype(np.float64), np.float64(0), np.float64([-30]),
        k=8, activation="sigmoid",
    )  # fmt: skip
    assert found.dtype == np.float32 and relative_l2(found, wide) < 3e-6


def test_a_text_of_zeros_is_the_last():
    image, text = embeddings(2, 4, 3)
    text[1] = 0
    found, places = top_matches(image, text, SCALE, k=4, activation="sigmoid")
    assert places[:, 3].tolist() == [1, 1]
    assert np.isnan(found).tolist() == [[False, False, False, True]] * 2


@pytest.mark.parametrize("k", [-1, 0, 18])
def test_k_within_the_texts(k):
    image, text = embeddings(2, 17, 3)
    with pytest.raises(InputError, match=f"1 to the number of texts, 17; got {k}"):
        top_matches(image, text, SCALE, k=k, activation="softmax")


def test_an_unknown_activation():
    image, text = embeddings(2, 3, 3)
    with pytest.raises(InputError, match="softmax .CLIP. or sigmoid .SigLIP.; got 'relu'"):
        top_matches(image, text, SCALE, k=1, activation="relu")
