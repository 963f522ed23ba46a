"""SentencePiece's BPE models, and word and character models: equal to upstream."""

import random
import time
from collections import Counter

import pytest
import spm_models
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizers_py.errors import TokenizerError
from tokenizers_py.sentencepiece.model_file import PieceType

LETTERS = "ab▁é日"
OTHERS = [name for name in spm_models.TRAINED if not name.startswith("unigram")]


@pytest.mark.parametrize("name", OTHERS)
def test_trained_models(name):
    theirs, ours = spm_models.both(name)
    texts = spm_models.ODD_TEXTS + spm_models.lines(800, 150)
    assert ours.encode(texts) == theirs.encode(texts, num_threads=1)
    assert ours.encode(texts, out_type=str) == theirs.encode(texts, out_type=str, num_threads=1)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("corpus", ["botchan", "wagahaiwa_nekodearu"])
def test_a_long_text(name, corpus):
    theirs, ours = spm_models.both(name)
    text = spm_models.corpus(corpus)[:50_000]
    assert ours.encode(text) == theirs.encode(text)


@st.composite
def small_models(draw):
    words = st.text(LETTERS, min_size=1, max_size=4)
    pieces = draw(st.lists(words, min_size=1, max_size=16, unique=True))
    scores = st.sampled_from([-3.0, -2.0, -1.0, -0.0, 0.0, 1.0, 2.0])
    kinds = st.sampled_from(
        [PieceType.NORMAL] * 4 + [PieceType.UNUSED, PieceType.USER_DEFINED, PieceType.CONTROL]
    )
    return [(piece, draw(scores), draw(kinds)) for piece in pieces]


@settings(max_examples=100, deadline=None)
@given(
    small_models(),
    st.lists(st.text(LETTERS + " x", max_size=60), max_size=5),
    st.sampled_from(["bpe", "word", "char"]),
)
def test_small_models_full_of_ties(pieces, texts, kind):
    theirs, ours = spm_models.both_of(spm_models.handmade(pieces, model_type=kind))
    texts += [" ".join(texts) * 5, "ab" * 40, "aaab" * 30]
    assert ours.encode(texts) == theirs.encode(texts, num_threads=1)
    assert ours.encode(texts, out_type=str) == theirs.encode(texts, out_type=str, num_threads=1)


def test_an_unused_piece_made_in_two_ways_is_taken_apart_in_the_last_one():
    pieces = [("a", -9.0), ("b", -9.0), ("c", -9.0), ("ab", -1.0), ("bc", -2.0), ("▁", -9.0)]
    pieces += [("abc", -3.0, PieceType.UNUSED), ("▁b", -0.5)]
    theirs, ours = spm_models.both_of(spm_models.handmade(pieces, model_type="bpe"))
    for text in ("xabc", "xabcxa bc", "abc abcabc"):
        assert ours.encode(text, out_type=str) == theirs.encode(text, out_type=str)


def test_an_unused_piece_of_unused_pieces_stops_at_upstreams_depth():
    pieces = [("a" * n, -float(n), PieceType.UNUSED) for n in range(2, 140)] + [("a", -999.0)]
    theirs, ours = spm_models.both_of(spm_models.handmade(pieces, model_type="bpe"))
    for size in (3, 99, 101, 139, 400):
        got = ours.encode("a" * size, out_type=str)
        assert got == theirs.encode("a" * size, out_type=str)


@pytest.mark.parametrize("name", ["bpe", "bpe_bytes", "bpe_symbols", "bpe_unused"])
def test_dropout_of_everything_and_of_nothing(name):
    theirs, ours = spm_models.both(name)
    options = {"enable_sampling": True, "out_type": str}
    for text in spm_models.ODD_TEXTS + spm_models.lines(50, 10):
        for alpha in (0.0, 1.0):
            got = ours.encode(text, alpha=alpha, **options)
            assert got == theirs.encode(text, alpha=alpha, **options)


def test_dropout_is_as_frequent_as_upstreams():
    theirs, ours = spm_models.both("bpe")
    options = {"enable_sampling": True, "alpha": 0.3, "out_type": str}
    texts = ["window"] * 4000
    mine = Counter(map(tuple, ours.encode(texts, seed=2, **options)))
    other = Counter(map(tuple, theirs.encode(texts, num_threads=1, **options)))
    for way in mine | other:  # five standard deviations of the difference of two counts
        both = mine[way] + other[way]
        assert abs(mine[way] - other[way]) < 5 * both**0.5 + 1


def test_only_unigram_models_have_n_best_and_only_some_can_sample():
    for name in ("bpe", "word", "char"):
        theirs, ours = spm_models.both(name)
        with pytest.raises(RuntimeError):
            theirs.nbest_encode("a", nbest_size=2)
        with pytest.raises(TokenizerError, match="only unigram"):
            ours.nbest_encode("a", nbest_size=2)
    for name in ("word", "char"):
        theirs, ours = spm_models.both(name)
        with pytest.raises(RuntimeError):
            theirs.encode("a", enable_sampling=True)
        with pytest.raises(TokenizerError, match="sampling"):
            ours.encode("a", enable_sampling=True)


@pytest.mark.parametrize("name", ["bpe", "bpe_bytes", "bpe_unused"])
def test_time_is_nearly_linear_in_one_word(name):
    _, ours = spm_models.both(name)
    generator = random.Random(0)
    times = []
    for size in (1000, 10_000, 100_000):
        word = "".join(generator.choices("etaoinshrdlu", k=size))
        start = time.process_time()
        ours.encode(word)
        times.append(time.process_time() - start)
    assert times[1] < 15 * times[0] + 0.05
    assert times[2] < 15 * times[1] + 0.05
