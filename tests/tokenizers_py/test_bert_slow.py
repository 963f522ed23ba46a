"""Transformers 4.57.6: profile "transformers-slow" is its Python tokenizer, "transformers" its fast one."""

import random

import pytest
from bert_cases import (
    CASED,
    CHINESE,
    TEXTS,
    UNCASED,
    VOCABULARIES,
    blocks,
    corpus,
    every_character,
    golden,
    ours,
    some_characters,
    vocab_file,
)
from hypothesis import HealthCheck, given, settings
from transformers4 import ask

from tokenizers_py.bert import BertTokenizer

ENCODE = """
def encoded(given):
    slow = transformers.BertTokenizer(given["vocab"], **given["options"])
    texts = given["texts"]
    if texts == "every character":
        codes = [code for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
        texts = [
            " ".join(f"{chr(code)} a{chr(code)}b" for code in codes[start : start + 2048])
            for start in range(0, len(codes), 2048)
        ]
    answer = {"slow": [slow(text)["input_ids"] for text in texts]}
    if given["fast"]:
        fast = transformers.BertTokenizerFast(given["vocab"], **given["options"])
        answer["fast"] = [fast(text)["input_ids"] for text in texts]
    return answer

answer = [encoded(one) for one in given]
"""
DECODE = """
slow = transformers.BertTokenizer(given["vocab"])
answer = [
    [slow.decode(row), slow.decode(row, skip_special_tokens=True),
     slow.decode(row, clean_up_tokenization_spaces=False)]
    for row in given["rows"]
]
"""
STRANGE = [
    *("[MA\u00adSK] [MASK]", "[MASK].[SEP]x", "e\u0301 cafe\u0301 Ａ\u0301", "ΟΔΟΣ", "İstanbul"),
    *(
        "\u0378a\u0378 \ue000b",
        "a\u1acdb",
        "x\u302e\u1b44",
        "a\u2028b\u2029c\x1c\x85d",
        "\u212b\u2126",
    ),
    *("a" * 100, "a" * 101, "中" * 101, "\U0002b820", "ﾊﾟ が", "각 각", "<s> [mask]", ""),
]


OPTIONS = [
    {"do_lower_case": True, "strip_accents": False},
    {"do_lower_case": False, "strip_accents": True},
    {"tokenize_chinese_chars": False},
]
LOWER = ["<\u00ads> a", "<S>ab <\u00adS>", "x<s>", "[MASK] [MA\u00adSK]", "<\u00ads>."]
LOWER_OPTIONS = {"unk_token": "<u>", "cls_token": "<c>", "sep_token": "<s>"}


def question(name, texts, fast=False, **options):
    options.setdefault("do_lower_case", VOCABULARIES[name])
    return {"vocab": str(vocab_file(name)), "options": options, "texts": texts, "fast": fast}


def drawn_texts():
    """Hypothesis makes the texts, one process judges them all."""
    texts = []

    @settings(
        max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(text=TEXTS)
    def collect(text):
        texts.append(text)

    collect()
    return texts


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Ask all that this file wants to know in one go: starting version 4 takes seconds."""
    golden_texts = [case["text"] for case in golden("chinese_clip_bert_tokenizer")["cases"]]
    texts = [*STRANGE, *golden_texts, *blocks(some_characters()[::5]), corpus("botchan")[:50_000]]
    some = [*STRANGE, *blocks(some_characters()[::7])]
    questions = {}
    for name in VOCABULARIES:
        questions["texts", name] = question(name, texts, fast=True)
        questions["drawn", name] = question(name, drawn_texts(), fast=True)
    for options in OPTIONS:
        questions["options", str(options)] = question(CHINESE, some, **options)
    tokens = ["[PAD]", "<u>", "<c>", "<s>", "[MASK]", "s", "<", ">", "a", "##b", "[", "]"]
    path = tmp_path_factory.mktemp("lower") / "vocab.txt"
    path.write_text("\n".join(tokens) + "\n", encoding="utf-8")
    for lower in (True, False):
        options = {**LOWER_OPTIONS, "do_lower_case": lower}
        asked = {"vocab": str(path), "options": options, "texts": LOWER, "fast": False}
        questions["lower", lower] = asked
    told = ask(ENCODE, list(questions.values()))
    return {
        key: (asked, answer) for (key, asked), answer in zip(questions.items(), told, strict=True)
    }


def check(tokenizer, texts, want):
    for text, ids in zip(texts, want, strict=True):
        assert tokenizer(text, verbose=False)["input_ids"] == ids, ascii(text)[:200]


@pytest.mark.parametrize("kind", ["texts", "drawn"])
@pytest.mark.parametrize("name", VOCABULARIES)
def test_texts(answers, kind, name):
    asked, answer = answers[kind, name]
    check(ours(name, "transformers-slow"), asked["texts"], answer["slow"])
    check(ours(name), asked["texts"], answer["fast"])
    assert kind == "drawn" or answer["slow"] != answer["fast"]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options(answers, options):
    asked, answer = answers["options", str(options)]
    check(ours(CHINESE, "transformers-slow", **options), asked["texts"], answer["slow"])


@pytest.mark.parametrize("lower", [True, False])
def test_special_tokens_in_lower_case(answers, lower):
    """A special token is not changed where it appears only once the text is clean."""
    asked, answer = answers["lower", lower]
    one = BertTokenizer(asked["vocab"], profile="transformers-slow", **asked["options"])
    check(one, LOWER, answer["slow"])


@pytest.mark.slow
@pytest.mark.parametrize("name", VOCABULARIES)
def test_every_character(name):
    texts = list(blocks(every_character()))
    want = ask(ENCODE, [question(name, "every character")])[0]["slow"]
    check(ours(name, "transformers-slow"), texts, want)


def test_decoding():
    numbers = random.Random(7)
    tokenizer = ours(UNCASED, "transformers-slow")
    marks = tokenizer.convert_tokens_to_ids(
        "' . , ? ! s t m n ##' ##s ve re [CLS] [SEP] n't".split()
    )
    rows = [numbers.choices(range(30522), k=numbers.randint(0, 30)) for _ in range(100)]
    rows += [numbers.choices(marks, k=20) for _ in range(100)]
    want = ask(DECODE, {"vocab": str(vocab_file(UNCASED)), "rows": rows})
    for row, texts in zip(rows, want, strict=True):
        assert tokenizer.decode(row) == texts[0]
        assert tokenizer.decode(row, skip_special_tokens=True) == texts[1]
        assert tokenizer.decode(row, clean_up_tokenization_spaces=False) == texts[2]


def test_the_profiles_differ():
    """Why there are two: each of these texts has other ids, for a reason that bert.py names."""
    slow, fast = ours(UNCASED, "transformers-slow"), ours(UNCASED)
    for text in ("a\u0378b", "a\u1acdb", "\U0002b820a", "a\ufff9\u0378"):
        assert slow(text)["input_ids"] != fast(text)["input_ids"], ascii(text)
    slow, fast = ours(CASED, "transformers-slow"), ours(CASED)
    assert slow("cafe\u0301")["input_ids"] != fast("cafe\u0301")["input_ids"]
