r"""All ways to cut a word into pieces, and two questions about them.

How often is each piece used, if every way counts by its probability (`expected_counts`)? And which
way is the most probable (`best_cut`)? Both go through the word from left to right, and a way ends
at a place by one of the pieces that end there. Called by unigram.py, which trains with it; for
the segmentation of text with a finished model see tokenizers_py/unigram.py.

Source: Kudo 2018 (arXiv:1804.10959), section 3.1; Rabiner 1989, "A tutorial on hidden Markov models"
(forward, backward, Viterbi); sentencepiece 0.2.1, unigram_model.cc (PopulateMarginal).
"""

import math
from collections.abc import Mapping

# For each place in a word but its start: the pieces that end there, each with where it begins.
Lattice = list[list[tuple[int, str]]]


def digamma(x: float) -> float:
    """Give the derivative of log Γ, near log(x) for large x and far below it for small x.

    Upwards by digamma(x) = digamma(x + 1) - 1/x, then the asymptotic series
    log(x) - 1/2x - Σ B_2k / (2k x^2k), good to 1e-12 from 8 on (Abramowitz & Stegun 6.3.5, 6.3.18).

    >>> round(digamma(1), 10), round(digamma(0.5), 10), round(digamma(1000) - math.log(1000), 6)
    (-0.5772156649, -1.963510026, -0.0005)
    """
    shift = 0.0
    while x < 8:
        shift -= 1 / x
        x += 1
    y = 1 / (x * x)
    series = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (1 / 132)))))
    return shift + math.log(x) - 0.5 / x - series


def lattice_of(word: str, pieces: Mapping[str, float], longest: int) -> Lattice:
    """List, for each place, the pieces of the vocabulary that end there.

    >>> lattice_of("abc", {"a": 0, "b": 0, "c": 0, "bc": 0}, 16)
    [[(0, 'a')], [(1, 'b')], [(1, 'bc'), (2, 'c')]]
    """
    return [
        [
            (start, word[start:end])
            for start in range(max(0, end - longest), end)
            if word[start:end] in pieces
        ]
        for end in range(1, len(word) + 1)
    ]


def expected_counts(
    lattice: Lattice, log_probs: Mapping[str, float], count: int, expected: dict[str, float]
) -> float:
    """Add to `expected` how often each piece is used in a word, over all ways to cut it.

    Forward, `total[end]` = log Σ exp(total[start] + log p(piece)) over the pieces that end there:
    the log probability of the word up to there. Then the word's `count` flows from its end to its
    start: of what arrives at a place, each piece that ends there gets the share that it
    has in the sum, and hands it on to where it begins.

    Returns:
        The log likelihood of the word.

    Two ways to cut "ab": one piece with probability 1/2, or two with 1/4 · 1/4, so 8 to 1.

    >>> log_probs = {"a": math.log(1 / 4), "b": math.log(1 / 4), "ab": math.log(1 / 2)}
    >>> expected = dict.fromkeys(log_probs, 0.0)
    >>> likelihood = expected_counts(lattice_of("ab", log_probs, 2), log_probs, 9, expected)
    >>> round(math.exp(likelihood), 4), {piece: round(n, 4) for piece, n in expected.items()}
    (0.5625, {'a': 1.0, 'b': 1.0, 'ab': 8.0})
    """
    total = [0.0]
    for ways in lattice:
        terms = [total[start] + log_probs[piece] for start, piece in ways]
        top = max(terms)
        total.append(top + math.log(sum(math.exp(term - top) for term in terms)))
    flow = [0.0] * len(lattice) + [float(count)]
    for end in range(len(lattice), 0, -1):
        for start, piece in lattice[end - 1]:
            share = flow[end] * math.exp(total[start] + log_probs[piece] - total[end])
            expected[piece] += share
            flow[start] += share
    return total[-1]


def best_cut(
    lattice: Lattice, log_probs: Mapping[str, float], without: str = ""
) -> tuple[float, list[str]]:
    """Find the most probable way to cut a word (Viterbi), not using one of the pieces.

    >>> log_probs = {"a": -2.0, "b": -2.0, "ab": -3.0}
    >>> best_cut(lattice_of("ab", log_probs, 2), log_probs)
    (-3.0, ['ab'])
    >>> best_cut(lattice_of("ab", log_probs, 2), log_probs, without="ab")
    (-4.0, ['a', 'b'])
    """
    best: list[tuple[float, int, str]] = [(0.0, 0, "")]
    for ways in lattice:
        choices = [(best[s][0] + log_probs[p], s, p) for s, p in ways if p != without]
        best.append(max(choices, default=(-math.inf, 0, "")))
    pieces: list[str] = []
    end = len(lattice)
    while end > 0 and best[end][2]:
        _, start, piece = best[end]
        pieces.append(piece)
        end = start
    return best[-1][0], pieces[::-1]
