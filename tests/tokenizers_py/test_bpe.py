import itertools
import random
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizers_py.bpe import byte_alphabet, merge_symbols, text_of_tokens, word_symbols


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


def test_a_long_unbroken_word_costs_no_square(tokenizer):
    letters = random.Random(0)
    ranks = tokenizer._vocabulary.ranks
    seconds = {}
    for length in (5_000, 100_000):
        word = "".join(letters.choices("abcdefghijklmnopqrstuvwxyz", k=length))
        start = time.process_time()
        merge_symbols(word_symbols(word), ranks)
        seconds[length] = time.process_time() - start
    assert seconds[100_000] < 100 * max(seconds[5_000], 0.001)  # a square would be 400 times
