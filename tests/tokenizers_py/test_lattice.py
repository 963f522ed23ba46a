"""The n best ways to cut a text, and random ones: equal to upstream, and to exact probabilities."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import spm_models
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizers_py.lattice import Lattice, draw
from tokenizers_py.priority import pop_first, push
from tokenizers_py.sentencepiece.protobuf import float_of, read_fields
from tokenizers_py.unigram import Unigram, viterbi

TEXTS = [
    "",
    "hello",
    "a photo of a cat",
    "...!!!",
    "aaaaaaaa",
    "吾輩は猫である",
    "Жжab",
    "==== ===",
]


def scores_of(theirs, text, size):
    """Read field 3 of each message 1 in upstream's NBestSentencePieceText."""
    data = theirs.nbest_encode(text, nbest_size=size, return_type="serialized_proto")
    ways = [bytes(field.value) for field in read_fields(data, 0, len(data))]
    fields = [field for way in ways for field in read_fields(way, 0, len(way))]
    return [float_of(field.value) for field in fields if field.number == 3]


@pytest.mark.parametrize("name", ["unigram", "unigram_symbols", "test_ja_model", "t5_base.spiece"])
def test_scores_are_upstreams_to_the_bit(name):
    theirs, ours = spm_models.both(name)
    for text in TEXTS:
        got = ours.nbest_encode(text, nbest_size=30, out_type="immutable_proto")
        assert [one.score for one in got] == scores_of(theirs, text, 30)


@pytest.mark.parametrize("name", spm_models.UNIGRAM)
@pytest.mark.parametrize("size", [1, 2, 10, 512])
def test_n_best_in_upstreams_order(name, size):
    theirs, ours = spm_models.both(name)
    for text in [*TEXTS, *(line[:50] for line in spm_models.lines(4, 2))]:
        got = ours.nbest_encode(text, nbest_size=size, out_type=str)
        assert got == theirs.nbest_encode(text, nbest_size=size, out_type=str)
        got = ours.nbest_encode(text, nbest_size=size)
        assert got == theirs.nbest_encode(text, nbest_size=size)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text("ab▁", min_size=1, max_size=3), min_size=1, max_size=9, unique=True),
    st.text("ab x", max_size=14),
    st.integers(2, 60),
)
def test_n_best_of_equals(pieces, text, size):
    rows = [(piece, -0.5 * len(piece)) for piece in pieces]  # all ways have the same score
    theirs, ours = spm_models.both_of(spm_models.handmade(rows))
    got = ours.nbest_encode(text, nbest_size=size, out_type=str)
    assert got == theirs.nbest_encode(text, nbest_size=size, out_type=str)


@pytest.mark.parametrize("size", [100, 1000])
def test_n_best_of_long_texts_thin_out_as_upstream_does(size, capfd):
    theirs, ours = spm_models.both("unigram")
    text = spm_models.corpus("botchan")[2000 : 2000 + size]
    for count in (5, 200):
        got = ours.nbest_encode(text, nbest_size=count)
        assert got == theirs.nbest_encode(text, nbest_size=count)
    capfd.readouterr()  # upstream warns on stderr


def test_n_best_gives_up_on_repetitions_as_upstream_does(capfd):
    theirs, ours = spm_models.both_of(spm_models.handmade([("a", -1.0), ("aa", -2.0)]))
    text = "a" * 300
    got = ours.nbest_encode(text, nbest_size=300)
    assert got == theirs.nbest_encode(text, nbest_size=300)
    capfd.readouterr()


TINY = [("a", -1.0), ("b", -1.5), ("ab", -2.0), ("ba", -3.0), ("▁a", -1.2), ("▁", -2.2)]


def probabilities(ours, text, alpha):
    """Compute exp(alpha * score) / Z for every way to cut a text, without the lattice."""
    model = {ours.id_to_piece(i): ours.get_score(i) for i in range(1, len(ours))}
    text = ours.normalize(text)
    weights = {}
    for cuts in itertools.product([False, True], repeat=len(text) - 1):
        ends = [i + 1 for i, cut in enumerate(cuts) if cut] + [len(text)]
        pieces = tuple(text[a:b] for a, b in zip([0, *ends], ends, strict=False))
        if all(piece in model for piece in pieces):
            weights[pieces] = math.exp(alpha * sum(model[piece] for piece in pieces))
    whole = sum(weights.values())
    return {pieces: weight / whole for pieces, weight in weights.items()}


def chi_square(counts, expected):
    number = sum(counts.values())
    assert set(counts) <= set(expected)
    return sum((counts[k] - number * p) ** 2 / (number * p) for k, p in expected.items())


def limit(expected):
    """Chi-square's 99.99th percentile, by Wilson and Hilferty."""
    free = len(expected) - 1
    return free * (1 - 2 / (9 * free) + 3.72 * math.sqrt(2 / (9 * free))) ** 3


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0, 2.5])
def test_sampling_has_the_exact_probabilities_and_so_has_upstream(alpha):
    theirs, ours = spm_models.both_of(spm_models.handmade(TINY))
    expected = probabilities(ours, "abab", alpha)
    options = {"enable_sampling": True, "nbest_size": -1, "alpha": alpha, "out_type": str}
    texts = ["abab"] * 4000
    got = Counter(map(tuple, ours.encode(texts, seed=5, **options)))
    assert chi_square(got, expected) < limit(expected)
    got = Counter(map(tuple, theirs.encode(texts, num_threads=1, **options)))
    assert chi_square(got, expected) < limit(expected)


def test_sampling_from_the_n_best_has_their_probabilities():
    _, ours = spm_models.both_of(spm_models.handmade(TINY))
    best = [tuple(way) for way in ours.nbest_encode("abab", nbest_size=3, out_type=str)]
    every = probabilities(ours, "abab", 0.5)
    whole = sum(every[way] for way in best)
    expected = {way: every[way] / whole for way in best}
    sampled = ours.sample_encode_as_pieces(["abab"] * 4000, nbest_size=3, alpha=0.5, seed=1)
    assert chi_square(Counter(map(tuple, sampled)), expected) < limit(expected)


def test_a_wrong_alpha_would_be_seen():
    _, ours = spm_models.both_of(spm_models.handmade(TINY))
    sampled = ours.sample_encode_as_pieces(["abab"] * 4000, alpha=0.5, seed=1)
    expected = probabilities(ours, "abab", 1.0)
    assert chi_square(Counter(map(tuple, sampled)), expected) > limit(expected)


def test_samples_are_reproducible():
    _, ours = spm_models.both("unigram")
    text = "We all like to look out of the window."
    first = ours.sample_encode([text] * 5, seed=3)
    assert first == ours.sample_encode([text] * 5, seed=3)
    assert first != ours.sample_encode([text] * 5, seed=4)
    assert len(set(map(tuple, first))) > 1
    generator = np.random.default_rng(3)
    assert first == ours.sample_encode([text] * 5, seed=generator)
    assert all(ours.decode(ids) == ours.decode(ours.encode(text)) for ids in first)


def test_forward_sums_up_all_ways():
    _, ours = spm_models.both_of(spm_models.handmade(TINY))
    model = {ours.id_to_piece(i): ours.get_score(i) for i in range(1, len(ours))}
    ways = probabilities(ours, "abab", 1.0)
    whole = math.log(sum(math.exp(sum(model[p] for p in way)) for way in ways))
    assert ours.lattice("abab").forward()[-1] == pytest.approx(whole)


@settings(max_examples=60, deadline=None)
@given(st.text("ab▁x", max_size=30))
def test_the_best_path_is_viterbis(text):
    model = Unigram([(piece, n, score) for n, (piece, score) in enumerate(TINY)], -1, -13.0)
    path = Lattice(text, model).best_path()
    found = viterbi(text, model)
    assert path.score == found.score
    assert sum(n.score for n in path.nodes) == pytest.approx(found.score)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=40))
def test_the_queue_gives_out_the_highest_first(numbers):
    heap = []
    for entry in range(len(numbers)):
        push(heap, entry, numbers)
    out = [numbers[pop_first(heap, numbers)] for _ in numbers]
    assert out == sorted(numbers, reverse=True)


def test_drawing_where_all_weights_vanish():
    assert draw([0.0, 0.0], np.random.default_rng(0)) == 0
