"""Where each of SigLIP's tokens stands in the text. No upstream says so; these are our own rules.

On text that needs no cleaning the official sentencepiece library is the judge.
"""

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from siglip_cases import MODELS, ODD_TEXTS, TEXTS, corpus_lines, random_texts

from tokenizers_py import SiglipTokenizer
from tokenizers_py.siglip import PROFILES
from tokenizers_py.text.alignment import AlignedText

pytestmark = pytest.mark.filterwarnings("ignore:This sequence already has")


@pytest.fixture(scope="module", params=[(m, p) for m in MODELS for p in PROFILES], ids="-".join)
def tokenizer(request):
    model, profile = request.param
    return SiglipTokenizer(MODELS[model], profile=profile)


@pytest.fixture(scope="module")
def library(tokenizer):
    return sentencepiece.SentencePieceProcessor(model_proto=tokenizer._model.data)


def check(tokenizer, library, text):
    """Offsets lie in the text and ascend, and the stretches hold the tokens' letters."""
    got = tokenizer(
        text, return_offsets_mapping=True, return_special_tokens_mask=True, verbose=False
    )
    ids, offsets = got.input_ids, got.offset_mapping
    assert ids == tokenizer(text, verbose=False).input_ids
    assert len(ids) == len(offsets)
    place = 0
    for number, (start, end), special in zip(ids, offsets, got.special_tokens_mask, strict=True):
        if special and (start, end) == (0, 0):
            continue  # one that was added
        assert place <= start <= end <= len(text)
        place = start
        token = tokenizer.convert_ids_to_tokens(number)
        letters = token.replace("\u2581", "")
        if letters.isascii() and letters.isalnum() and token not in ("<unk>", "</s>"):
            stretch = library.normalize(tokenizer.normalizer(text[start:end])).lower()
            assert letters.lower() in stretch, (token, text[start:end])


def test_texts(tokenizer, library):
    for text in [*ODD_TEXTS, *random_texts(300), *corpus_lines("botchan")[:200]]:
        check(tokenizer, library, text)


@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
def test_any_text(tokenizer, library, text):
    check(tokenizer, library, text)


@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
def test_fast_and_aligned_normalisation_agree(tokenizer, text):
    assert tokenizer.normalizer.align(AlignedText.of(text)).text == tokenizer.normalizer(text)


@settings(max_examples=50, deadline=None)
@given(words=st.lists(st.text("abcdefghijklmnopqrstuvwxyz", min_size=1), max_size=10))
def test_plain_text_has_the_offsets_of_the_library(tokenizer, library, words):
    text = " ".join(words)
    want = library.encode(text, return_type="offset_mapping")["offsets"]
    got = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False, verbose=False)
    assert got.offset_mapping == want


def test_a_token_stands_for_what_was_cleaned_away_before_it():
    ours = SiglipTokenizer(MODELS["t5"], profile="transformers")
    text = "The  HOUSE, is; ｂｉｇ</s>and"
    tokens = ours.tokenize(text)
    got = ours(text, return_offsets_mapping=True, add_special_tokens=False).offset_mapping
    shown = [(token, text[start:end]) for token, (start, end) in zip(tokens, got, strict=True)]
    assert shown == [
        ("▁the", "The"),
        ("▁house", "  HOUSE"),
        ("▁is", " is"),
        ("▁big", " ｂｉｇ"),
        ("</s>", "</s>"),
        ("and", "and"),
    ]


def test_bytes_of_one_character_share_its_place():
    ours = SiglipTokenizer(MODELS["tiny"], profile="transformers")
    got = ours("a 犬!猫", return_offsets_mapping=True, add_special_tokens=False)
    assert ours.convert_ids_to_tokens(got.input_ids)[:2] == ["▁a", "▁"]
    assert [tuple(pair) for pair in got.offset_mapping] == [
        (0, 1),
        (1, 2),
        *[(2, 3)] * 3,
        *[(4, 5)] * 3,
    ]
