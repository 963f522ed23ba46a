"""SiglipTokenizer under "transformers": every id, mask and text is that of Transformers 5.23."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from siglip_cases import (
    LOOK_ALIKES,
    MODELS,
    ODD_TEXTS,
    T5,
    TEXTS,
    TINY,
    code_point_texts,
    corpus_lines,
    golden_texts,
    random_texts,
)

from tokenizers_py import SiglipTokenizer

END_IN_TEXT = "ignore:This sequence already has"
pytestmark = [pytest.mark.filterwarnings(END_IN_TEXT)]


def both(file, **options):
    import transformers

    theirs = transformers.SiglipTokenizer(str(file), **options)
    return SiglipTokenizer(file, profile="transformers", **options), theirs


@pytest.fixture(scope="module", params=list(MODELS))
def pair(request):
    """Our tokenizer and theirs, on a model file with byte fallback and on one without."""
    return both(MODELS[request.param])


def assert_same(ours, theirs, texts):
    """Compare the ids of whole texts, start and end included, and name the texts that differ."""
    texts = list(texts)
    got, want = (one(texts, verbose=False)["input_ids"] for one in (ours, theirs))
    wrong = [(text, g, w) for text, g, w in zip(texts, got, want, strict=True) if g != w]
    assert not wrong, f"{len(wrong)} of {len(texts)}, first: {wrong[0]!r}"


def test_texts(pair):
    assert_same(*pair, [*ODD_TEXTS, *golden_texts(), *random_texts(1000)])


@pytest.mark.parametrize("corpus", ["botchan", "wagahaiwa_nekodearu"])
def test_corpora(pair, corpus):
    assert_same(*pair, corpus_lines(corpus)[::4])


@pytest.mark.slow
@pytest.mark.parametrize("corpus", ["botchan", "wagahaiwa_nekodearu"])
def test_whole_corpora(pair, corpus):
    assert_same(*pair, corpus_lines(corpus))


def test_code_points(pair):
    assert_same(*pair, code_point_texts(step=41))


@pytest.mark.slow
def test_every_code_point(pair):
    assert_same(*pair, code_point_texts())


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=20))
def test_any_text(pair, texts):
    ours, theirs = pair
    assert_same(ours, theirs, texts)
    for text in texts:
        assert ours.tokenize(text) == theirs.tokenize(text)
        assert ours.canonicalize_text(text) == theirs.canonicalize_text(text)


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=10))
def test_any_text_with_its_case(cased, texts):
    assert_same(*cased, texts)


@pytest.fixture(scope="module")
def cased():
    return both(TINY, do_lower_case=False)


@settings(max_examples=50, deadline=None)
@given(text=TEXTS, kept=st.sampled_from([None, "", "{}", ",", "</s>", "a"]))
def test_canonicalize_text(pair, text, kept):
    options = {"keep_punctuation_exact_string": kept}
    assert pair[0].canonicalize_text(text, **options) == pair[1].canonicalize_text(text, **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": True},
        {"padding": "max_length"},
        {"padding": "max_length", "truncation": True},
        {"padding": "max_length", "max_length": 8, "truncation": True},
        {"truncation": True, "max_length": 3},
        {"add_special_tokens": False, "padding": True},
        {"return_attention_mask": False},
        {"return_token_type_ids": True},
        {"return_special_tokens_mask": True},
        {"padding": True, "pad_to_multiple_of": 8},
        {"padding": True, "return_tensors": "np"},
    ],
)
@pytest.mark.parametrize("side", ["right", "left"])
def test_calls(pair, options, side, monkeypatch):
    ours, theirs = pair
    monkeypatch.setattr(ours, "padding_side", side)
    monkeypatch.setattr(theirs, "padding_side", side)
    texts = ["a photo of two cats", "", "A Cat.", "the </s> end", "long " * 40]
    for one, two in [(texts, None), (texts, texts[::-1]), (texts[0], None), (texts[0], texts[2])]:
        got, want = ours(one, two, **options), theirs(one, two, **options)
        assert got.keys() == want.keys()
        for name in want:
            np.testing.assert_array_equal(flat(got[name]), flat(want[name]))
            assert type(got[name]) is type(want[name])


def flat(values):
    """Join rows of several lengths, with their lengths."""
    if isinstance(values, list) and values and isinstance(values[0], list):
        return [number for row in values for number in (len(row), *row)]
    return values


def test_released_checkpoints_are_padded_to_64_with_the_end_token(pair):
    ours, theirs = pair
    options = {"padding": "max_length", "truncation": True, "return_tensors": "np"}
    got, want = ours(["a cat", "b " * 99], **options), theirs(["a cat", "b " * 99], **options)
    assert got.input_ids.shape == (2, 64)
    assert (got.input_ids[0, -50:] == ours.eos_token_id).all()
    np.testing.assert_array_equal(got.input_ids, want.input_ids)


def test_an_end_token_in_the_text_is_not_doubled(pair):
    ours, theirs = pair
    with pytest.warns(UserWarning, match="already has"):
        got = ours("hi</s>").input_ids
    assert got == theirs("hi</s>").input_ids == ours("hi").input_ids


def test_masks_of_a_text_that_ends_itself_fit_their_ids():
    """A known difference: upstream counts an end token that it did not add."""
    ours, theirs = both(TINY)
    options = {"return_token_type_ids": True, "return_special_tokens_mask": True}
    got, want = ours("hi</s>", **options), theirs("hi</s>", **options)
    assert got.input_ids == want.input_ids
    assert len(got.special_tokens_mask) == len(got.token_type_ids) == len(got.input_ids)
    assert len(want.special_tokens_mask) == len(want.token_type_ids) == len(want.input_ids) + 1


@settings(max_examples=100, deadline=None)
@given(data=st.data(), skip=st.booleans())
def test_decode(pair, data, skip):
    ours, theirs = pair
    numbers = st.one_of(st.integers(0, 270), st.integers(0, len(theirs) - 1))
    ids = data.draw(st.lists(numbers, max_size=20))
    assert ours.decode(ids, skip_special_tokens=skip) == theirs.decode(
        ids, skip_special_tokens=skip
    )
    assert ours.convert_ids_to_tokens(ids) == theirs.convert_ids_to_tokens(ids)


@settings(max_examples=50, deadline=None)
@given(text=TEXTS)
def test_decode_of_texts(pair, text):
    ours, theirs = pair
    ids = theirs(text, verbose=False).input_ids
    assert ours.decode(ids) == theirs.decode(ids)
    tokens = theirs.tokenize(text)
    assert ours.convert_tokens_to_string(tokens) == theirs.convert_tokens_to_string(tokens)
    assert ours.convert_tokens_to_ids(tokens) == theirs.convert_tokens_to_ids(tokens)


def test_vocabulary(pair):
    ours, theirs = pair
    assert ours.get_vocab() == theirs.get_vocab()
    assert len(ours) == len(theirs)
    assert ours.vocab_size == theirs.vocab_size
    assert ours.all_special_tokens == theirs.all_special_tokens
    assert list(ours.model_input_names) == list(theirs.model_input_names)
    assert ours.model_max_length == theirs.model_max_length == 64


def test_an_unknown_first_character_is_lost_where_upstream_loses_it():
    """The trick with "<unk>" in front: without "▁" the first unknown melts into an unknown ">"."""
    ours, theirs = both(T5)
    texts = [f"a</s>{first}b" for first in ("中", ">", "é", "x", "~中", "∂∂")]
    assert_same(ours, theirs, texts)


@pytest.mark.parametrize("kwargs", [{"unk_token": "<pad>"}, {"pad_token": "<pad>"}])
def test_other_special_tokens(kwargs):
    texts = [*ODD_TEXTS, *LOOK_ALIKES, "a<pad>b", "x <pad> </s>"]
    assert_same(*both(TINY, **kwargs), texts)
    assert_same(*both(T5, **kwargs), texts)


@pytest.mark.parametrize("special", [False, True])
def test_added_tokens(special):
    """An ordinary one is put into lower case when it is added, and then found as it stands."""
    ours, theirs = both(TINY)
    tokens = ["NEWTOK", "<Cat>", "house"]
    assert ours.add_tokens(tokens, special_tokens=special) >= 2
    theirs.add_tokens(tokens, special_tokens=special)
    texts = ["a NEWTOK b", "newtokb", " <Cat></s>  house.", "<cat>houses", "NEWTOK", *ODD_TEXTS]
    assert_same(ours, theirs, texts)
    ids = [row for row in theirs(texts, verbose=False)["input_ids"]]
    for skip in (False, True):
        assert ours.batch_decode(ids, skip) == theirs.batch_decode(ids, skip)
