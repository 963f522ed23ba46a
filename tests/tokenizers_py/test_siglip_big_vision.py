"""SiglipTokenizer under "big_vision", the default: what the released checkpoints were trained with.

TensorFlow cannot be a test dependency. Its two parts here are small and are written out below:
`tf.strings.lower` without an encoding, and the padding of pp/ops_text.py. The rest is the official
sentencepiece library, which tensorflow_text's SentencepieceTokenizer wraps.
"""

import numpy as np
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from siglip_cases import (
    MODELS,
    ODD_TEXTS,
    TEXTS,
    code_point_texts,
    corpus_lines,
    golden_texts,
    random_texts,
)

from tokenizers_py import SiglipTokenizer

MAX_LEN, PAD, END = 64, 1, 1


def big_vision(processor, text, max_len=MAX_LEN):
    """`tokenize(max_len=64, eos="sticky", pad_value=1)` of big_vision 0127fb6, pp/ops_text.py."""
    lower = text.encode().lower().decode()  # `bytes.lower`, as tf.strings.lower, knows A to Z only
    tokens = [*processor.encode(lower), END]
    if len(tokens) >= max_len:
        return tokens[: max_len - 1] + tokens[-1:]
    return tokens + [PAD] * (max_len - len(tokens))


@pytest.fixture(scope="module", params=list(MODELS))
def pair(request):
    file = MODELS[request.param]
    return SiglipTokenizer(file), sentencepiece.SentencePieceProcessor(model_file=str(file))


def assert_same(ours, processor, texts):
    texts = list(texts)
    got = ours(texts, padding="max_length", truncation=True, return_tensors="np").input_ids
    want = np.array([big_vision(processor, text) for text in texts])
    assert got.shape == want.shape
    wrong = [texts[row] for row in np.flatnonzero((got != want).any(axis=1))]
    assert not wrong, f"{len(wrong)} of {len(texts)}, first: {wrong[0]!r}"


def assert_same_unpadded(ours, processor, texts):
    texts = list(texts)
    got = ours(texts, add_special_tokens=False, verbose=False)["input_ids"]
    want = processor.encode([text.encode().lower().decode() for text in texts])
    wrong = [text for text, g, w in zip(texts, got, want, strict=True) if g != w]
    assert not wrong, f"{len(wrong)} of {len(texts)}, first: {wrong[0]!r}"


def test_it_is_the_default(pair):
    assert pair[0].profile == "big_vision"
    assert SiglipTokenizer(MODELS["tiny"], profile="big_vision")("A b").input_ids == (
        SiglipTokenizer(MODELS["tiny"])("A b").input_ids
    )


def test_texts(pair):
    assert_same(*pair, [*ODD_TEXTS, *golden_texts(), *random_texts(1000)])


@pytest.mark.parametrize("corpus", ["botchan", "wagahaiwa_nekodearu"])
def test_corpora(pair, corpus):
    assert_same(*pair, corpus_lines(corpus))
    assert_same_unpadded(*pair, corpus_lines(corpus))


def test_code_points(pair):
    assert_same_unpadded(*pair, code_point_texts(step=41))


@pytest.mark.slow
def test_every_code_point(pair):
    assert_same_unpadded(*pair, code_point_texts())


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=20))
def test_any_text(pair, texts):
    assert_same(*pair, texts)
    assert_same_unpadded(*pair, texts)


@settings(max_examples=50, deadline=None)
@given(text=st.text("ab c", max_size=40), length=st.integers(1, 20))
def test_the_end_token_is_sticky(pair, text, length):
    ours, processor = pair
    got = ours(text, padding="max_length", truncation=True, max_length=length).input_ids
    assert got == big_vision(processor, text, length)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_decode(pair, data):
    """Ordinary ids decode as the library decodes them; special tokens are left out on request."""
    ours, processor = pair
    ids = data.draw(st.lists(st.integers(3, processor.get_piece_size() - 1), max_size=20))
    assert ours.decode(ids) == processor.decode(ids).strip()
    assert ours.decode([*ids, END, PAD], skip_special_tokens=True) == processor.decode(ids).strip()


def test_upper_case_beyond_ascii_stays_upper_case(pair):
    ours, _ = pair
    assert ours("CAFÉ").input_ids == ours("cafÉ").input_ids != ours("café").input_ids


def test_punctuation_counts_unless_the_caller_takes_it_away(pair):
    ours, _ = pair
    assert ours("a cat.").input_ids != ours("a cat").input_ids
    assert ours(ours.canonicalize_text("A Cat.")).input_ids == ours("a cat").input_ids


def test_special_tokens_in_a_text_are_letters(pair):
    ours, processor = pair
    for text in ("</s>", "a <unk> b", "x</s>"):
        assert ours(text).input_ids == [*processor.encode(text), END]


def canonical(text, kept=None):
    """big_vision 0127fb6, evaluators/proj/image_text/prompt_engineering.py."""
    import re
    import string

    def bare(part):
        return "".join(character for character in part if character not in string.punctuation)

    text = text.replace("_", " ")
    text = kept.join(bare(part) for part in text.split(kept)) if kept else bare(text)
    return re.sub(r"\s+", " ", text.lower()).strip()


@settings(max_examples=100, deadline=None)
@given(text=TEXTS, kept=st.sampled_from([None, "", "{}", ",", "_"]))
def test_canonicalize_text(pair, text, kept):
    got = pair[0].canonicalize_text(text, keep_punctuation_exact_string=kept)
    assert got == canonical(text, kept)


def test_canonicalize_text_knows_upstreams_own_examples(pair):
    """From big_vision's prompt_engineering_test.py."""
    for text in ("test_test", "test___test", "test\ntest", "test  test"):
        assert pair[0].canonicalize_text(text) == "test test"
    assert pair[0].canonicalize_text(" test. {}") == "test"
    assert pair[0].canonicalize_text("t{}t", keep_punctuation_exact_string="{}") == "t{}t"
