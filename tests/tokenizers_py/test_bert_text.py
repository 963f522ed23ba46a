"""BERT's steps: the fast way through them equals the readable one, with and without places."""

import gc
import time
import unicodedata

import pytest
from bert_cases import TEXTS, blocks, every_character, some_characters
from hypothesis import given, settings

from tokenizers_py.text.alignment import AlignedText, NormalForm, Step
from tokenizers_py.text.bert_text import (
    PROFILES,
    ExceptWords,
    LowerWords,
    OnePass,
    WordSplitter,
    bert_normalizer,
    unicode_of,
)

OPTIONS = [
    {"lower_case": True},
    {"lower_case": False},
    {"lower_case": True, "strip_accents": False},
    {"lower_case": False, "strip_accents": True, "ideographs": False},
]
SPECIAL = ("[MASK]", "[SEP]", "<s>")
NORMALIZERS = {
    f"{profile} {options}": bert_normalizer(profile, never_changed=SPECIAL, **options)
    for profile in PROFILES
    for options in OPTIONS
}
SPLITTERS = {
    f"{profile} {special}": WordSplitter(unicode_of(profile), special)
    for profile in PROFILES
    for special in ((), SPECIAL)
}


def by_steps(step: Step, given: AlignedText) -> AlignedText:
    """Run a chain without its shortcuts."""
    for inner in getattr(step, "steps", ()):
        given = by_steps(inner, given)
    return given if hasattr(step, "steps") else step.align(given)


@pytest.mark.parametrize("normalizer", NORMALIZERS.values(), ids=NORMALIZERS)
def test_one_pass_equals_the_steps_on_every_character(normalizer):
    for text in blocks(some_characters()):
        assert normalizer(text) == by_steps(normalizer, AlignedText.of(text)).text


@pytest.mark.slow
@pytest.mark.parametrize("normalizer", list(NORMALIZERS.values())[::4], ids=PROFILES)
def test_everything_about_every_character(normalizer):
    for text in blocks(every_character()):
        aligned = normalizer.align(AlignedText.of(text))
        assert aligned == by_steps(normalizer, AlignedText.of(text))
        assert normalizer(text) == aligned.text


@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
def test_one_pass_equals_the_steps(text):
    for name, normalizer in NORMALIZERS.items():
        aligned = normalizer.align(AlignedText.of(text))
        assert aligned == by_steps(normalizer, AlignedText.of(text)), name
        assert normalizer(text) == aligned.text, name
        assert len(aligned.starts) == len(aligned.ends) == len(aligned.text)
        assert all(0 <= start < len(text) for start in aligned.starts)
        assert all(0 < end <= len(text) for end in aligned.ends)


@pytest.mark.parametrize("split", SPLITTERS.values(), ids=SPLITTERS)
def test_fast_words_equal_plain_words(split):
    for text in blocks(some_characters()):
        spans = list(split.plain_spans(text))
        assert split(text) == [text[start:end] for start, end in spans]
        assert list(split.spans(text)) == spans


@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
def test_fast_words_equal_plain_words_on_any_text(text):
    for name, split in SPLITTERS.items():
        for one in (text, f" {text} "):
            spans = list(split.plain_spans(one))
            assert split(one) == [one[start:end] for start, end in spans], name
            assert list(split.spans(one)) == spans, name


def test_a_word_between_spaces_can_be_spared():
    split = WordSplitter(unicode_of("transformers-slow"), SPECIAL)
    assert split("[MASK] [MASK]. [mask] <s>") == [
        *("[MASK]", "[", "MASK", "]", ".", "[", "mask", "]", "<s>")
    ]
    strips = ExceptWords(LowerWords(), SPECIAL)
    assert strips("A [MASK] [MASK]B") == "a [MASK] [mask]b"
    assert strips.align(AlignedText.of("AB [SEP]", 7)).starts == list(range(7, 15))


def test_a_character_that_acts_on_others_takes_the_long_way():
    for profile in PROFILES:
        normalizer = bert_normalizer(profile)
        # Of these two marks, which are no accents, the second belongs first.
        assert normalizer("x\u302e\u1b44") == "x\u1b44\u302e"
    assert bert_normalizer("cn_clip")("ΟΔΟΣ ΟΔΟΣ.") == "οδος οδος."
    assert bert_normalizer("transformers")("ΟΔΟΣ") == "οδοσ"
    assert isinstance(bert_normalizer("cn_clip"), OnePass)


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_long_runs_of_marks_take_their_order(form):
    marks = "\u0301\u0323\u0327\u302e\u1b44\u0345\u0344\u0f73\u3099"
    text = "か" + marks * 60 + "e" + marks[::-1] * 60
    assert NormalForm(form)(text) == unicodedata.normalize(form, text)


def test_lower_words_keeps_places():
    text = "İΣ aΣ"
    aligned = LowerWords().align(AlignedText.of(text))
    assert aligned.text == text.lower()
    assert aligned.starts == [0, 0, 1, 2, 3, 4]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    "unit",
    ["\u0301", "\u302e\u1b44", "\u0301\u0323", "Σ", "が", "[MASK] ", "<s> ", "a.", "\U0001f600"],
)
def test_time_grows_with_the_text(profile, unit):
    normalizer = bert_normalizer(profile, never_changed=SPECIAL)
    split = WordSplitter(unicode_of(profile), SPECIAL)
    times = []
    for count in (2_000, 20_000):
        text = "x" + unit * count
        tries = []
        for _ in range(2):
            gc.disable()  # its passes over all of the test run's objects are not the text's
            begun = time.process_time()
            split(normalizer(text))
            list(split.spans(normalizer.align(AlignedText.of(text)).text))
            tries.append(time.process_time() - begun)
            gc.enable()
        times.append(min(tries))
    assert times[1] < 15 * times[0] + 0.1
