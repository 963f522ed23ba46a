"""SentencePiece's normalising, text and offsets, judged by sentencepiece under every flag."""

import functools
import itertools
import json
import time
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from spm_models import corpus

from tokenizers_py.sentencepiece.charsmap import CharsMap, precompile
from tokenizers_py.sentencepiece.messages import read_message
from tokenizers_py.sentencepiece.model_file import (
    NormalizerSpec,
    PieceType,
    SentencePiece,
    SentencePieceModel,
    TrainerSpec,
    write_model,
)
from tokenizers_py.sentencepiece.normalizer import SentencePieceNormalizer
from tokenizers_py.sentencepiece.user_symbols import UserSymbols
from tokenizers_py.text.alignment import AlignedText

CASES = Path(__file__).parents[1] / "data/tokenizers/clip/openai_simple_tokenizer.json"
GOLDEN = [case["text"] for case in json.loads(CASES.read_text())["cases"]]
ODD = [
    "",
    " ",
    "   ",
    "\x01",
    " \x01 ",
    "\x01a",
    "a \x01 b",
    "\u2581",
    " \u2581 ",
    "a\u2581",
    "a ▁",
]
ODD += [
    "ab ",
    " ab",
    "a  b",
    "\u3000a\u3000\u3000b\t",
    "e\u0301",
    "ée\u0301\u0302e",
    "が か\u3099",
    "①㍿",
]
ODD += ["\0", "a\0b", "\ufdfa", "x\U0001d400\U0010ffff", "\u1100\u1161\u11a8", "\u00a0\u00a0"]
NAMES = ["identity", "nfkc", "nmt_nfkc", "nfkc_cf", "nmt_nfkc_cf"]
FLAGS = list(itertools.product([False, True], repeat=4))
SYMBOLS = ["<tag>", "<tag><tag>", "née", " x", "a  b", "▁of", "中文", "ﬁ", "\t", "aa", "aaa"]
EVERY = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]


@functools.cache
def charsmap(name):
    if name == "identity":
        return b""
    normalizer = sentencepiece.SentencePieceNormalizer(rule_name=name)
    return read_message(
        NormalizerSpec, normalizer.serialized_normalizer_spec()
    ).precompiled_charsmap


@functools.cache
def pair(name, prefix=True, extra=True, escape=True, suffix=False, symbols=()):
    """Upstream's normaliser, out of a model that we wrote, and ours."""
    blob = name if isinstance(name, bytes) else charsmap(name)
    spec = NormalizerSpec("any", blob, prefix, extra, escape)
    pieces = [SentencePiece("<unk>", 0.0, PieceType.UNKNOWN), SentencePiece("a", 0.0)]
    pieces += [SentencePiece(symbol, 0.0, PieceType.USER_DEFINED) for symbol in symbols]
    trainer = TrainerSpec(treat_whitespace_as_suffix=suffix)
    model = SentencePieceModel(tuple(pieces), trainer, spec)
    theirs = sentencepiece.SentencePieceProcessor(model_proto=write_model(model))
    ours = SentencePieceNormalizer(spec, user_defined=symbols, treat_whitespace_as_suffix=suffix)
    return theirs, ours


def check(theirs, ours, text):
    """Both ways of ours agree with each other and with upstream; offsets too."""
    want, places = theirs.normalize(text, with_offsets=True)
    assert ours(text) == want
    aligned = ours.align(AlignedText.of(text))
    assert aligned.text == want
    assert ours.with_offsets(text) == (want, places)
    assert aligned.starts == places[:-1]
    assert all(start <= end for start, end in zip(aligned.starts, aligned.ends, strict=True))


@pytest.mark.parametrize("symbols", [(), tuple(SYMBOLS)], ids=["plain", "symbols"])
@pytest.mark.parametrize("name", NAMES)
def test_odd_texts_under_all_flags(name, symbols):
    for flags in FLAGS:
        for text in ODD + GOLDEN[:: 4 if symbols else 2]:
            check(*pair(name, *flags, symbols), text)


@pytest.mark.parametrize("name", NAMES)
def test_every_golden_text(name):
    for text in GOLDEN:
        check(*pair(name), text)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n != "nmt_nfkc")) for n in NAMES]
)
def test_every_code_point_inside_a_word_and_alone(name):
    theirs, ours = pair(name)
    for between in ("a{}b", "a {} b"):
        text = "".join(map(between.format, EVERY))
        assert ours(text) == theirs.normalize(text)
    kept = CharsMap(charsmap(name)) if name != "identity" else None
    odd = kept.alone | kept.first | kept.later | {" ", "\u2581"} if kept else {" ", "\u2581", "a"}
    alone = sorted(odd) + EVERY[::97]
    assert [ours(c) for c in alone] == theirs.normalize(alone)


@pytest.mark.slow
@pytest.mark.parametrize("flags", FLAGS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_every_code_point_alone_and_inside_a_word_under_all_flags(name, flags):
    theirs, ours = pair(name, *flags)
    for form in ("{}", "a {} b", "a{}b"):
        texts = [form.format(character) for character in EVERY]
        assert [ours(text) for text in texts] == theirs.normalize(texts)


@pytest.mark.parametrize("flags", [FLAGS[15], FLAGS[4], FLAGS[0], FLAGS[14]], ids=str)
@pytest.mark.parametrize("name", ["nmt_nfkc", "identity"])
def test_both_corpora(name, flags):
    theirs, ours = pair(name, *flags)
    lines = [*corpus("botchan").splitlines(), *corpus("wagahaiwa_nekodearu").splitlines()]
    assert [ours(line) for line in lines] == theirs.normalize(lines)
    for text in lines[::200]:
        check(theirs, ours, text)


anything = st.text(
    st.sampled_from("aAeé n<tag> \u3000\t\u2581\u0301\u0302\u3099かﬁ①\x01\0中文x\ufeff\uff5e")
    | st.characters(exclude_categories=["Cs"])
)


@settings(max_examples=100, deadline=None)
@given(anything, st.sampled_from(NAMES), st.sampled_from(FLAGS), st.booleans())
def test_any_text_under_any_flags(text, name, flags, with_symbols):
    check(*pair(name, *flags, tuple(SYMBOLS) if with_symbols else ()), text)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.text("ab \t", min_size=1, max_size=3), st.text("xy \u2581", max_size=4), min_size=1
    ),
    st.lists(st.text("ab <", min_size=1, max_size=3), max_size=4, unique=True),
    st.sampled_from(FLAGS),
    st.text("ab \t<\u2581"),
)
def test_rules_and_symbols_that_hold_spaces(mapping, symbols, flags, text):
    """What comes out of one rule keeps its inner spaces; what meets at its edges does not."""
    mapping = {source: target for source, target in mapping.items() if source != target}
    symbols = [symbol for symbol in symbols if symbol != "a"]
    check(*pair.__wrapped__(precompile(mapping), *flags, symbols), text)


def test_offsets_are_carried_through_an_earlier_alignment():
    ours = SentencePieceNormalizer(NormalizerSpec())
    aligned = ours.align(AlignedText("ab c", [5, 6, 7, 9], [6, 7, 9, 10]))
    assert aligned == AlignedText("▁ab▁c", [5, 5, 6, 7, 9], [5, 6, 7, 9, 10])


@given(st.lists(st.text("ab", min_size=1, max_size=4)), st.text("abc"), st.integers(0, 5))
def test_the_longest_symbol_is_found(symbols, text, place):
    place = min(place, len(text))
    fitting = [len(symbol) for symbol in symbols if text.startswith(symbol, place)]
    assert UserSymbols(symbols).longest(text, place) == place + max(fitting, default=0)


def test_64_symbols_that_begin_one_another():
    symbols = tuple("b" * n for n in range(2, 80))
    theirs, ours = pair("nfkc_cf", symbols=symbols)
    for text in ("b" * 90, "Ab" + "b" * 200 + "B"):
        check(theirs, ours, text)


@pytest.mark.parametrize(
    "text", ["a", " ", "e\u0301", "ﬁ", "\x01", "が", "<tag>", "か\u3099 "], ids=ascii
)
def test_time_grows_with_the_text_and_no_faster(text):
    _, ours = pair("nmt_nfkc", symbols=tuple(SYMBOLS))
    times = []
    for length in (20_000, 200_000):
        begun = time.process_time()
        ours(text * length)
        times.append(time.process_time() - begun)
    assert times[1] < 40 * times[0] + 0.05
