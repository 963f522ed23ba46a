"""The parts of unigram training, each against its definition."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizers_py.training import seed_pieces
from tokenizers_py.training.lattice import best_cut, digamma, expected_counts, lattice_of

WORDS = st.text("ab", min_size=1, max_size=7)
SCORES = st.dictionaries(
    st.text("ab", min_size=2, max_size=4), st.floats(-9, -0.1), min_size=1, max_size=8
)


def all_ways(word, pieces):
    if not word:
        yield ()
    for end in range(1, len(word) + 1):
        if word[:end] in pieces:
            yield from ((word[:end], *rest) for rest in all_ways(word[end:], pieces))


@settings(max_examples=100, deadline=None)
@given(WORDS, SCORES)
def test_expected_counts_are_the_sum_over_all_ways(word, scores):
    scores = {"a": -2.5, "b": -3.0, **scores}
    ways = {way: math.exp(sum(scores[piece] for piece in way)) for way in all_ways(word, scores)}
    expected = dict.fromkeys(scores, 0.0)
    likelihood = expected_counts(lattice_of(word, scores, 4), scores, 3, expected)
    assert likelihood == pytest.approx(math.log(sum(ways.values())), abs=1e-9)
    for piece in scores:
        mean = 3 * sum(p * way.count(piece) for way, p in ways.items()) / sum(ways.values())
        assert expected[piece] == pytest.approx(mean, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(WORDS, SCORES)
def test_best_cut_is_the_best_of_all_ways(word, scores):
    scores = {"a": -2.5, "b": -3.0, **scores}
    best = max(sum(scores[piece] for piece in way) for way in all_ways(word, scores))
    score, pieces = best_cut(lattice_of(word, scores, 4), scores)
    assert score == pytest.approx(best) and "".join(pieces) == word
    assert sum(scores[piece] for piece in pieces) == pytest.approx(best)


def test_best_cut_without_a_way():
    assert best_cut(lattice_of("a", {"a": -1.0}, 1), {"a": -1.0}, without="a") == (-math.inf, [])


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(WORDS, st.integers(1, 4), min_size=1, max_size=5), st.integers(2, 6))
def test_frequent_substrings_counted_naively(parts, longest):
    counts = {}
    for part, count in parts.items():
        for start, end in itertools.combinations(range(len(part) + 1), 2):
            counts[part[start:end]] = counts.get(part[start:end], 0) + count
    expected = {
        text: count
        for text, count in counts.items()
        if 2 <= len(text) <= longest
        and count >= 2
        and (len(text) == longest or all(counts.get(text + c) != count for c in "ab"))
    }
    assert seed_pieces.frequent_substrings(parts, longest) == expected


def test_digamma_is_the_derivative_of_log_gamma():
    for x in [0.5, 0.51, 1.0, 1.4616321449683622, 2.5, 7.99, 8.0, 100.0, 1e6, 1e12]:
        expected = torch.digamma(torch.tensor(x, dtype=torch.float64)).item()
        assert digamma(x) == pytest.approx(expected, rel=1e-12, abs=1e-12)
