"""Every option of a call with every other: all columns equal to Transformers 5.23's."""

import itertools
import json

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizers_py import CLIPTokenizer, TokenizerError
from tokenizers_py.bert import BertTokenizer

WORDS = "a cat sat on the mat , un ##believ ##able [UNK] [CLS] [SEP] [PAD] [MASK] ! photo of dog".split()
SHORT, LONG = "a cat", "a photo of a cat sat on the mat , unbelievable !"
INPUTS = {
    "one": (SHORT, None),
    "long": (LONG, None),
    "empty": ("", None),
    "many": ([SHORT, LONG, ""], None),
    "pair": (LONG, SHORT),
    "pair of equals": ("a cat sat on", "the mat of cat"),
    "pair, second empty": (LONG, ""),
    "pairs": ([SHORT, LONG, LONG], [LONG, SHORT, ""]),
    "pairs in a list": ([(SHORT, LONG), (LONG, LONG)], None),
    "mixed list": ([(SHORT, LONG), LONG], None),
}
SPLIT_INPUTS = {
    "words": (LONG.split(), None),
    "no words": ([], None),
    "lists of words": ([LONG.split(), ["unbelievable cat", "", "a"], []], None),
    "pair of words": (LONG.split(), ["a cat", "mat"]),
    "pairs of words": ([(LONG.split(), ["mat"]), (["a"], LONG.split())], None),
}
ALL = {
    "return_token_type_ids": True,
    "return_attention_mask": True,
    "return_special_tokens_mask": True,
    "return_offsets_mapping": True,
    "return_length": True,
    "verbose": False,
}


@pytest.fixture(scope="module")
def both(clip_folder, tmp_path_factory):
    """Ours and theirs, for CLIP and for BERT."""
    vocab = tmp_path_factory.mktemp("bert") / "vocab.txt"
    vocab.write_text("\n".join(WORDS) + "\n")
    ids = {token: number for number, token in enumerate(WORDS)}
    made = {
        "clip": (
            CLIPTokenizer(profile="transformers"),
            transformers.CLIPTokenizer.from_pretrained(clip_folder),
        ),
        "bert": (BertTokenizer(vocab), transformers.BertTokenizer(vocab=ids)),
    }
    for pair in made.values():
        for one in pair:
            one.model_max_length = 16
    return made


def result(tokenizer, *arguments, **options):
    """A call's columns as plain data, or that it failed."""
    try:
        batch = tokenizer(*arguments, **options)
    except TokenizerError:
        return "error"
    except BaseException as error:  # a panic of the Rust library is no Exception
        if isinstance(error, KeyboardInterrupt) or isinstance(tokenizer, CLIPTokenizer):
            raise
        return "error"
    return json.loads(json.dumps({**batch}))  # offsets as lists, not tuples


def assert_equal(both, sides, arguments, options):
    ours, theirs = both
    for one in both:
        one.padding_side, one.truncation_side = sides
    got, want = result(ours, *arguments, **options), result(theirs, *arguments, **options)
    assert got == want, (arguments, options, sides)
    if got != "error":
        assert list(got) == list(want)
    return got


@pytest.mark.parametrize("model", ["clip", "bert"])
@pytest.mark.parametrize("name", INPUTS)
def test_every_combination(both, model, name):
    fine = 0
    for side, padding, truncation, (length, stride, overflow) in itertools.product(
        ["right", "left"],
        [False, True, "max_length"],
        [None, False, True, "only_first", "only_second"],
        [(None, 0, False), (5, 0, False), (6, 0, True), (9, 1, True), (9, 2, False), (12, 3, True)],
    ):
        options = {"padding": padding, "truncation": truncation, "max_length": length}
        options |= {"stride": stride, "return_overflowing_tokens": overflow, **ALL}
        sides = (side, "left" if length == 9 else side)
        fine += assert_equal(both[model], sides, INPUTS[name], options) != "error"
    assert fine >= 100


@pytest.mark.parametrize("model", ["clip", "bert"])
@pytest.mark.parametrize("name", SPLIT_INPUTS)
def test_texts_that_are_split_into_words(both, model, name):
    for padding, truncation, (length, stride, overflow) in itertools.product(
        [False, True], [False, True], [(6, 0, True), (9, 2, True), (None, 0, False)]
    ):
        options = {"padding": padding, "truncation": truncation, "max_length": length}
        options |= {"stride": stride, "return_overflowing_tokens": overflow, **ALL}
        options["is_split_into_words"] = True
        assert_equal(both[model], ("right", "right"), SPLIT_INPUTS[name], options)


@pytest.mark.parametrize("model", ["clip", "bert"])
@pytest.mark.parametrize("special", [True, False])
@pytest.mark.parametrize("multiple", [None, 1, 4])
def test_bare_texts_and_multiples(both, model, special, multiple):
    for name, (padding, truncation, length) in itertools.product(
        INPUTS,
        [(True, None, None), (False, None, None), ("max_length", None, 10), (True, True, 7)],
    ):
        options = {"padding": padding, "truncation": truncation, "max_length": length, **ALL}
        options |= {"add_special_tokens": special, "pad_to_multiple_of": multiple}
        assert_equal(both[model], ("left", "right"), INPUTS[name], options)


@pytest.mark.parametrize("model", ["clip", "bert"])
def test_the_columns_by_default(both, model):
    for name in INPUTS:
        assert_equal(both[model], ("right", "right"), INPUTS[name], {"verbose": False})
    ours, theirs = both[model]
    assert list(ours.model_input_names) == theirs.model_input_names
    for name in list(ALL)[:-1]:
        for wanted in (True, False):
            options = {name: wanted, "verbose": False}
            assert_equal(both[model], ("right", "right"), (SHORT, LONG), options)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), model=st.sampled_from(["clip", "bert"]))
def test_random_calls(both, data, model):
    text = st.text(st.sampled_from("acto m,!"), max_size=25)
    one = st.one_of(text, st.tuples(text, text))
    texts = data.draw(st.one_of(text, st.lists(one, min_size=1, max_size=4)))
    side = st.sampled_from(["right", "left"])
    options = {
        "padding": data.draw(st.sampled_from([False, True, "max_length"])),
        "truncation": data.draw(st.sampled_from([None, False, True, "only_first", "only_second"])),
        "max_length": data.draw(st.one_of(st.none(), st.integers(4, 20))),
        "stride": data.draw(st.integers(0, 4)),
        "add_special_tokens": data.draw(st.booleans()),
        "padding_side": data.draw(st.one_of(st.none(), side)),
        "return_overflowing_tokens": data.draw(st.booleans()),
        **ALL,
    }
    if options["stride"] > options.get("max_length", 0) - 2 if options["max_length"] else False:
        options["stride"] = 0
    assert_equal(both[model], (data.draw(side), data.draw(side)), (texts,), options)


def test_what_stands_behind_a_batch(both):
    for ours, theirs in both.values():
        texts = [("a cat, unbelievable", "the mat"), (LONG, SHORT)]
        options = {"padding": True, "truncation": True, "max_length": 12}
        got, want = ours(texts, **options), theirs(texts, **options)
        assert got.n_sequences == want.n_sequences == 2
        for row in range(2):
            assert got.tokens(row) == want.tokens(row)
            assert got.word_ids(row) == want.word_ids(row)
            assert got.sequence_ids(row) == want.sequence_ids(row)
            for token in range(12):
                for name in ("token_to_sequence", "token_to_word", "token_to_chars"):
                    assert getattr(got, name)(row, token) == getattr(want, name)(row, token)
            for text, place in itertools.product(range(2), range(12)):
                for name in ("char_to_token", "char_to_word", "word_to_tokens"):
                    assert getattr(got, name)(row, place, sequence_index=text) == getattr(
                        want, name
                    )(row, place, sequence_index=text)
        assert got.token_to_chars(1) == got.token_to_chars(0, 1) == want.token_to_chars(1)
        assert got.word_to_chars(0, 1) == want.word_to_chars(0, 1)
        assert got[0].offsets == want[0].offsets and got.word_to_chars(0, 99) is None


def test_tokenize_and_the_small_calls(both):
    for ours, theirs in both.values():
        assert ours.tokenize(LONG) == theirs.tokenize(LONG)
        assert ours.tokenize(SHORT, LONG) == theirs.tokenize(SHORT, LONG)
        assert ours.tokenize(SHORT, add_special_tokens=True) == theirs.tokenize(
            SHORT, add_special_tokens=True
        )
        assert ours.encode(LONG, SHORT, truncation=True, max_length=8) == theirs.encode(
            LONG, SHORT, truncation=True, max_length=8
        )
        for pair in (False, True):
            assert ours.num_special_tokens_to_add(pair) == theirs.num_special_tokens_to_add(pair)
        ids = theirs(SHORT).input_ids
        assert ours.get_special_tokens_mask(
            ids, already_has_special_tokens=True
        ) == theirs.get_special_tokens_mask(ids, already_has_special_tokens=True)
        assert ours.encode_plus(SHORT, SHORT) == ours(SHORT, SHORT)
        assert ours.batch_encode_plus([SHORT]) == ours([SHORT])
        assert ours.max_len_single_sentence == theirs.max_len_single_sentence
        assert ours.max_len_sentences_pair == theirs.max_len_sentences_pair
