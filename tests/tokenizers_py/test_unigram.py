"""The best way to cut a text: equal to upstream to the last rounding, and linear."""

import random
import time

import pytest
import spm_models
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizers_py.errors import TokenizerError
from tokenizers_py.sentencepiece.model_file import PieceType
from tokenizers_py.sentencepiece.unigram_words import UnigramWords, best_with_lead
from tokenizers_py.sentencepiece.words import WordCutter
from tokenizers_py.unigram import Unigram, to_float32, unknown_score, viterbi

LETTERS = "ab▁é日"


def ids_of(model, text):
    return viterbi(text, model).ids


def segmenter(ours):
    return ours._loaded.encoder.segmenter


@st.composite
def small_models(draw):
    """Pieces over few letters, with scores on a grid, so that sums are often equal."""
    words = st.text(LETTERS, min_size=1, max_size=4)
    pieces = draw(st.lists(words, min_size=1, max_size=14, unique=True))
    grid = draw(st.sampled_from([0.5, 0.1, 1 / 3, 40.0, 1000.1]))
    scores = st.integers(-20, 0).map(lambda n: to_float32(n * grid))
    kinds = st.sampled_from([PieceType.NORMAL] * 6 + [PieceType.UNUSED, PieceType.USER_DEFINED])
    return [(piece, draw(scores), draw(kinds)) for piece in pieces]


@settings(max_examples=100, deadline=None)
@given(small_models(), st.lists(st.text(LETTERS + " x", max_size=60), max_size=5))
def test_small_models_full_of_ties(pieces, texts):
    theirs, ours = spm_models.both_of(spm_models.handmade(pieces))
    texts += [" ".join(texts) * 5, "ab" * 40, "aaab" * 30]
    assert ours.encode(texts) == theirs.encode(texts, num_threads=1)
    assert ours.encode(texts, out_type=str) == theirs.encode(texts, out_type=str, num_threads=1)


@settings(max_examples=50, deadline=None)
@given(small_models(), st.text(LETTERS + "x", max_size=80))
def test_word_by_word_is_the_same_as_in_one_pass(pieces, text):
    rows = [(piece, number, score) for number, (piece, score, _) in enumerate(pieces)]
    model = Unigram(rows, -1, unknown_score(min(score for _, _, score in rows)))
    words = UnigramWords(model, lambda _, found: found.ids)
    assert words.ids(text * 20) == ids_of(model, text * 20)
    assert words.ids(text * 20) == ids_of(model, text * 20)  # now from memory


def test_two_equal_ways_and_a_much_worse_one_through_an_unknown_character():
    rows = [("a", 0, 0.0), ("bb", 1, 0.0), ("abb", 2, 0.0)]
    assert best_with_lead("abb", Unigram(rows, -1, -2000.0))[1] == 0.0


def test_equal_sums_are_decided_by_rounding_after_long_texts():
    # 0.1 and 0.3 have no exact float32: "aaa" is cut in one way here and in another there.
    pieces = [("a", -0.1), ("aa", -0.2), ("aaa", -0.3), ("▁", -0.7), ("b", -3.3)]
    theirs, ours = spm_models.both_of(spm_models.handmade(pieces))
    text = " ".join("b" * (n % 7) + "a" * (n % 5) for n in range(3000))
    got = ours.encode(text)
    assert got == theirs.encode(text)
    alone = [number for word in text.split() for number in ours.encode(word)]
    assert got != alone


@pytest.mark.parametrize("score", [-999.9, -30000.0, -99999.0, -250000.0, 3.0e4, 1e30, -1e30])
def test_sums_beyond_the_limit_are_counted_anew(score):
    pieces = [("a", score), ("b", score / 3), ("ab", score * 1.3), ("▁a", score), ("ba", score)]
    theirs, ours = spm_models.both_of(spm_models.handmade(pieces))
    generator = random.Random(1)
    for size in (5, 50, 2000):
        text = "".join(generator.choice("abab x") for _ in range(size))
        assert ours.encode(text) == theirs.encode(text)


def test_scores_that_no_float_can_add_up_are_refused_or_equal():
    pieces = [("a", -3.4e38), ("aa", 3.4e38), ("ab", -3.4e38), ("b", 3.4e38)]
    theirs, ours = spm_models.both_of(spm_models.handmade(pieces))
    for text in ("aabab" * 5, "ba" * 9, "a", "aaab"):
        try:
            got = ours.encode(text)
        except TokenizerError as error:
            assert "too large" in str(error)
        else:
            assert got == theirs.encode(text)


@pytest.mark.parametrize("name", spm_models.UNIGRAM)
@pytest.mark.parametrize("corpus", ["botchan", "wagahaiwa_nekodearu"])
def test_a_whole_corpus_as_one_text_and_line_by_line(name, corpus):
    theirs, ours = spm_models.both(name)
    text = spm_models.corpus(corpus)
    if name not in spm_models.RELEASED:
        text = text[:60_000]
    assert ours.encode(text) == theirs.encode(text)
    lines = text.splitlines()
    assert ours.encode(lines) == theirs.encode(lines, num_threads=1)


@pytest.mark.parametrize("name", ["unigram", "test_ja_model", "unigram_spaces", "unigram_symbols"])
def test_the_fast_way_gives_what_the_readable_one_gives(name):
    _, ours = spm_models.both(name)
    one = segmenter(ours)
    for text in [*spm_models.ODD_TEXTS, *spm_models.lines(200, 60)]:
        normalized = ours.normalize(text)
        assert one.ids(normalized) == [part.id for part in one.parts(normalized)]


@settings(max_examples=100, deadline=None)
@given(small_models(), st.text(LETTERS, min_size=1, max_size=8))
def test_the_lead_is_the_distance_to_the_second_best_way(pieces, word):
    rows = [(piece, number, score) for number, (piece, score, _) in enumerate(pieces)]
    model = Unigram(rows, -1, -2000.0)

    def scores(place):
        if place == len(word):
            return [0.0]
        found = model.pieces_at(word, place)
        return [score + rest for end, _, score in found for rest in scores(end)]

    every = sorted(scores(0), reverse=True)
    found, lead = best_with_lead(word, model)
    assert found.score == pytest.approx(every[0])
    assert lead == (pytest.approx(every[0] - every[1]) if len(every) > 1 else float("inf"))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(LETTERS, min_size=1, max_size=4), max_size=9), st.text(LETTERS + "x"))
def test_no_piece_reaches_over_a_cut(pieces, text):
    text *= 10
    words = WordCutter(pieces)(text)
    assert "".join(words) == text
    place = 0
    for word in words[:-1]:
        place += len(word)
        for piece in pieces:
            for start in range(max(0, place - len(piece) + 1), place):
                assert not text.startswith(piece, start)


@pytest.mark.parametrize("text", ["a", "か", "Ж", "ab", "!-", "▁x"])
@pytest.mark.parametrize("name", ["unigram", "test_ja_model", "unigram_spaces", "unigram_bytes"])
def test_time_is_linear_without_spaces(name, text):
    _, ours = spm_models.both(name)
    times = []
    for size in (10_000, 100_000):
        long = (text * size)[:size]
        runs = []
        for _ in range(2):
            start = time.process_time()
            ours.encode(long)
            runs.append(time.process_time() - start)
        times.append(min(runs))
    assert times[1] < 15 * times[0] + 0.05


@pytest.mark.slow
def test_ten_megabytes():
    theirs, ours = spm_models.both("test_model")
    text = (spm_models.corpus("botchan") * 40)[: 10 * 2**20]
    assert ours.encode(text) == theirs.encode(text)


def test_a_user_defined_symbol_beats_every_piece():
    pieces = [("ab", 0.0), ("a", -1.0), ("bc", -2.0, PieceType.USER_DEFINED), ("▁", -1.0)]
    theirs, ours = spm_models.both_of(spm_models.handmade(pieces))
    assert ours.encode("abc", out_type=str) == ["▁", "a", "bc"]
    assert theirs.encode("abc", out_type=str) == ["▁", "a", "bc"]
