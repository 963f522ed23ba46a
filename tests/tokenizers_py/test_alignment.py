"""Every step gives one text, aligned or not, and `tokenizers` aligns normal forms in the same way."""

import random
import time
import unicodedata

import pytest
import regex
import tokenizers
from clip_texts import (
    all_code_points,
    any_text,
    corpus,
    newer_code_points,
    some_code_points,
    stored_texts,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizers_py.text.alignment import AlignedText, Chain, NormalForm, Opaque, Substitution
from tokenizers_py.text.comparison import compare
from tokenizers_py.text.normalization import CLIP_OPENAI, CLIP_TRANSFORMERS, CLIP_TRANSFORMERS_SLOW
from tokenizers_py.text.unicode_tables import NOT_NORMALIZED

FORMS = ["NFC", "NFD", "NFKC", "NFKD"]
CHAINS = [CLIP_OPENAI, CLIP_TRANSFORMERS, CLIP_TRANSFORMERS_SLOW]
STEPS = [
    *(NormalForm(form) for form in FORMS),
    *(NormalForm(form, NOT_NORMALIZED) for form in FORMS),
    *(step for chain in CHAINS for step in (*chain.steps, chain)),
    Substitution("vowels", "[aeiou]+", "xyz"),
    Opaque("backwards", lambda text: text[::-1]),
    Opaque("twice", lambda text: "".join(c + c for c in text)),
    Opaque("nothing", lambda text: ""),
    Opaque("something", lambda text: "something"),
]
MARKS = "\u0301\u0323\u0345\u0334\u0344\u0f73\u0f74\u3099\u05b0\u07fd\u1e69\u0958ạ각각e\u212bﬁİΣ"
marked = st.text(st.sampled_from(MARKS + "aB \t"), max_size=12)
texts = (any_text | marked).map(lambda text: regex.sub(r"\p{Cs}", "", text))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
@settings(max_examples=40, deadline=None)
@given(texts.filter(bool))
def test_aligned_or_not_a_step_gives_one_text(step, text):
    aligned = step.align(AlignedText.of(text, 7))
    assert aligned.text == step(text)
    assert len(aligned.text) == len(aligned.starts) == len(aligned.ends)
    for places in (aligned.starts, aligned.ends):
        assert all(7 <= place <= 7 + len(text) for place in places)
        assert places == sorted(places)
    assert all(start <= end for start, end in zip(aligned.starts, aligned.ends, strict=True))


def their_alignment(form, text):
    """Ask the library, with a tokenizer whose every token is one character."""
    made = getattr(tokenizers.normalizers, form)()
    vocab = {character: n for n, character in enumerate(dict.fromkeys(made.normalize_str(text)))}
    model = tokenizers.models.WordLevel(vocab, unk_token=next(iter(vocab), "a"))
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.normalizer = made
    any_character = tokenizers.Regex(r"(?m:.)")
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split(any_character, "isolated")
    encoding = tokenizer.encode(text)
    return encoding.tokens, encoding.offsets


def check_form(form, text):
    ours = NormalForm(form, NOT_NORMALIZED).align(AlignedText.of(text))
    assert (list(ours.text), list(zip(ours.starts, ours.ends, strict=True))) == their_alignment(
        form, text
    )


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=100, deadline=None)
@given(text=st.text(st.sampled_from(MARKS + "aB "), min_size=1, max_size=12))
def test_normal_forms_align_as_in_the_library(form, text):
    check_form(form, text)


@pytest.mark.parametrize("form", FORMS)
def test_normal_forms_of_newer_characters_are_the_librarys(form):
    ours, theirs = NormalForm(form, NOT_NORMALIZED), getattr(tokenizers.normalizers, form)()
    assert any(unicodedata.normalize("NFC", f"a{chr(c)}\u0323") for c in newer_code_points())
    for code in {*newer_code_points(), *some_code_points()}:
        for text in (chr(code), f"a\u0301{chr(code)}\u0323\u0307", f"{chr(code)}\u0345\u0334"):
            assert ours(text) == theirs.normalize_str(text), ascii(text)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_normal_forms_of_every_code_point_are_the_librarys(form):
    ours, theirs = NormalForm(form, NOT_NORMALIZED), getattr(tokenizers.normalizers, form)()
    for code in all_code_points():
        for text in (chr(code), f"a\u0301{chr(code)}\u0323\u0307", f"{chr(code)}\u0345\u0334"):
            assert ours(text) == theirs.normalize_str(text), ascii(text)


@pytest.mark.parametrize("form", FORMS)
def test_many_marks_in_a_row(form):
    text = "a" + "".join(random.Random(0).choices("\u0301\u0323\u0334", k=300))
    assert NormalForm(form)(text) == unicodedata.normalize(form, text)
    start = time.process_time()
    NormalForm(form)("e" + "\u0301\u0323" * 50_000)
    assert time.process_time() - start < 5


@settings(max_examples=100, deadline=None)
@given(texts, texts, st.integers(0, 10))
def test_comparing_finds_equal_stretches(first, second, cut):
    for old, new in ((first, second), (first, first[:cut] + second + first[cut:])):
        place, new_place = 0, 0
        for stop, new_stop, equal in compare(old, new):
            assert stop >= place and new_stop >= new_place
            if equal:
                assert old[place:stop] == new[new_place:new_stop]
            place, new_place = stop, new_stop
        assert (place, new_place) == (len(old), len(new))


def test_comparing_finds_small_changes():
    text = corpus("botchan")[:5000]
    changed = text.replace("Mr.", "Mister").replace(", ", " ").replace("ou", "ö")
    spans = AlignedText.of(text)
    aligned = Opaque("changed", lambda _: changed).align(spans)
    rows = zip(aligned.text, aligned.starts, aligned.ends, strict=True)
    same = sum(text[start:end] == character for character, start, end in rows)
    assert same > 0.93 * len(changed)


HOSTILE = {
    "mojibake": "schÃ¶n â€œtÃ©lÃ©phoneâ€\x9d ﬁne ＡＢＣ &amp; ",
    "only mojibake": "Ã©",
    "line ends": "a\r\n",
    "entities": "&amp;",
    "letters with marks": "e\u0301a\u0323\u0302",
    "capitals": "ABC ",
    "controls": "\x01a\x02",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: chain.name)
def test_aligning_a_long_text_takes_seconds(chain, name):
    text = (HOSTILE[name] * 200_000)[:200_000]
    start = time.process_time()
    aligned = chain.align(AlignedText.of(text))
    assert time.process_time() - start < 10
    assert aligned.text == chain(text)


def test_short_words_on_lines_of_their_own():
    for chain in CHAINS:
        aligned = chain.align(AlignedText.of("\n A\nb\t\tc \nd "))
        places = dict(zip(aligned.text, aligned.starts, strict=True))
        assert [places[letter] for letter in "abcd"] == [2, 4, 7, 10]


def test_a_shortcut_is_only_taken_where_it_answers():
    shout = Opaque("shout", str.upper)
    chain = Chain("chain", [shout], lambda text: "short" if len(text) < 3 else None)
    assert chain("ab") == "short" and chain("abc") == "ABC"


def test_stored_texts():
    for chain in CHAINS:
        for text in stored_texts():
            assert chain.align(AlignedText.of(text)).text == chain(text)
