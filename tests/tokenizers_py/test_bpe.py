import itertools
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizers_py import TokenizerError, bpe
from tokenizers_py.bpe import (
    byte_alphabet,
    merge_steps,
    merge_symbols,
    text_of_tokens,
    token_spans,
    word_symbols,
)


def merge_by_rounds(symbols, ranks):
    """The definition: each round searches all pairs and joins every occurrence of the best."""
    symbols = list(symbols)
    while True:
        known = [pair for pair in itertools.pairwise(symbols) if pair in ranks]
        if not known:
            return symbols
        first, second = min(known, key=ranks.get)
        joined, place = [], 0
        while place < len(symbols):
            if symbols[place : place + 2] == [first, second]:
                joined.append(first + second)
                place += 2
            else:
                joined.append(symbols[place])
                place += 1
        symbols = joined


pieces = st.sampled_from(["a", "b", "aa", "ab", "ba", "bb", "aba"])


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(pieces, pieces), unique=True, max_size=20),
    st.lists(st.text("ab", min_size=20, max_size=30), min_size=5, max_size=5),
)
def test_heap_equals_rounds_for_any_order_of_merges(merges, words):
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    for word in words:
        assert merge_symbols(list(word), ranks) == merge_by_rounds(list(word), ranks)


def test_a_better_pair_made_within_a_round_waits_for_its_end():
    ranks = {("ab", "a"): 0, ("a", "b"): 1, ("b", "a"): 2}
    assert merge_symbols(list("abab"), ranks) == merge_by_rounds("abab", ranks) == ["ab", "ab"]


def test_a_pair_that_overlaps_itself_is_joined_from_the_left():
    assert merge_symbols(list("aaaaa"), {("a", "a"): 0}) == ["aa", "aa", "a"]


def test_nothing_and_one_symbol():
    assert merge_symbols([], {("a", "b"): 0}) == []
    assert merge_symbols(["a"], {("a", "b"): 0}) == ["a"]
    assert word_symbols("") == []


def test_alphabet_is_the_originals(original):
    assert byte_alphabet() == original.byte_encoder
    assert list(byte_alphabet()) == list(original.byte_encoder)  # the order gives the ids


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_symbols_lead_back_to_the_text(text):
    word = text.replace("<", "")  # "</w>" in a text reads as a word's end, in the original too
    assert text_of_tokens(word_symbols(word)) == (word + " " if word else "")


def test_a_broken_character_becomes_the_replacement_character():
    assert text_of_tokens(["Ã</w>"]) == "\ufffd "


def seconds(word, ranks):
    start = time.process_time()
    merge_symbols(word_symbols(word), ranks)
    return time.process_time() - start


@pytest.mark.parametrize("letters", ["abcdefghijklmnopqrstuvwxyz", "a", "ab"])
def test_ten_times_the_letters_cost_at_most_fifteen_times(tokenizer, letters):
    draw, ranks = random.Random(0), tokenizer._vocabulary.ranks
    words = ["".join(draw.choices(letters, k=length)) for length in (1_000, 10_000, 100_000)]
    costs = [min(seconds(word, ranks) for _ in range(3)) for word in words]
    assert costs[1] < 15 * costs[0] + 0.005 and costs[2] < 15 * costs[1]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(pieces, pieces), unique=True, max_size=20),
    st.lists(st.text("ab", max_size=40), min_size=5, max_size=5),
)
def test_the_steps_lead_to_the_tokens(merges, words):
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    for word in words:
        parts = list(word)
        for step in merge_steps(list(word), ranks):
            assert step.rank == ranks[step.left, step.right] and parts[step.place] == step.left
            right = next(n for n in range(step.place + 1, len(parts)) if parts[n])
            assert parts[right] == step.right
            parts[step.place], parts[right] = step.left + step.right, ""
        tokens = [part for part in parts if part]
        assert tokens == merge_symbols(list(word), ranks) == merge_by_rounds(word, ranks)


def test_steps_are_lazy(tokenizer):
    steps = merge_steps(word_symbols("a" * 50_000), tokenizer._vocabulary.ranks)
    assert next(steps).left == "a"


def test_the_two_ways_agree_on_real_words(tokenizer):
    ranks = tokenizer._vocabulary.ranks
    for token in list(tokenizer.get_vocab())[600:49000:97]:
        symbols = word_symbols(token * 2)
        parts = list(symbols)
        list(bpe._join(parts, ranks))
        short = bpe._merge_short(list(symbols), ranks)
        assert [part for part in parts if part] == short == merge_by_rounds(symbols, ranks)


def test_a_token_covers_whole_characters():
    assert token_spans("aé😀", [1, 1, 1, 4]) == [(0, 1), (1, 2), (1, 2), (2, 3)]
    assert token_spans("aé😀", [2, 2, 3]) == [(0, 2), (1, 3), (2, 3)]
    assert token_spans("", []) == []


def test_the_kind_of_gpt2_marks_no_end():
    assert word_symbols(" a", "") == ["Ġ", "a"]
    assert text_of_tokens(["Ġa", "</w>"], "") == " a</w>"


def test_ways_to_decode_broken_bytes():
    assert text_of_tokens(["Ã"], "", "ignore") == ""
    with pytest.raises(TokenizerError, match="no UTF-8"):
        text_of_tokens(["Ã"], "", "strict")
    with pytest.raises(TokenizerError, match="errors: must be one of"):
        text_of_tokens(["Ã"], "", "guess")
