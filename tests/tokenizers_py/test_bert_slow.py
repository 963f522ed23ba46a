"""Transformers 4.57.6: profile "transformers-slow" is its Python tokenizer, "transformers" its fast one."""

import random

import pytest
from bert_cases import (
    CASED,
    CHINESE,
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
slow = transformers.BertTokenizer(given["vocab"], **given["options"])
texts = given["texts"]
if texts == "every character":
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
    texts = [
        " ".join(f"{c} a{c}b" for c in characters[start : start + 2048])
        for start in range(0, len(characters), 2048)
    ]
answer = {"slow": [slow(text)["input_ids"] for text in texts]}
if given.get("fast"):
    fast = transformers.BertTokenizerFast(given["vocab"], **given["options"])
    answer["fast"] = [fast(text)["input_ids"] for text in texts]
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


def asked(name, texts, fast=False, **options):
    options.setdefault("do_lower_case", VOCABULARIES[name])
    given = {"vocab": str(vocab_file(name)), "options": options, "texts": texts, "fast": fast}
    return ask(ENCODE, given)


def check(name, texts, profile="transformers-slow", want=None, **options):
    tokenizer = ours(name, profile, **options)
    want = asked(name, texts, **options)["slow"] if want is None else want
    for text, ids in zip(texts, want, strict=True):
        assert tokenizer(text, verbose=False)["input_ids"] == ids, ascii(text)[:200]


@pytest.mark.parametrize("name", VOCABULARIES)
def test_texts(name):
    golden_texts = [case["text"] for case in golden("chinese_clip_bert_tokenizer")["cases"]]
    texts = [*STRANGE, *golden_texts, *blocks(some_characters()[::5]), corpus("botchan")[:50_000]]
    answer = asked(name, texts, fast=True)
    check(name, texts, want=answer["slow"])
    check(name, texts, "transformers", want=answer["fast"])
    assert answer["slow"] != answer["fast"]


@pytest.mark.parametrize(
    "options",
    [
        {"do_lower_case": True, "strip_accents": False},
        {"do_lower_case": False, "strip_accents": True},
        {"tokenize_chinese_chars": False},
    ],
    ids=str,
)
def test_options(options):
    check(CHINESE, [*STRANGE, *blocks(some_characters()[::7])], **options)


def test_special_tokens_in_lower_case(tmp_path):
    """A special token is not changed where it appears only once the text is clean."""
    tokens = ["[PAD]", "<u>", "<c>", "<s>", "[MASK]", "s", "<", ">", "a", "##b", "[", "]"]
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(tokens) + "\n", encoding="utf-8")
    options = {"unk_token": "<u>", "cls_token": "<c>", "sep_token": "<s>"}
    texts = ["<\u00ads> a", "<S>ab <\u00adS>", "x<s>", "[MASK] [MA\u00adSK]", "<\u00ads>."]
    for lower in (True, False):
        options["do_lower_case"] = lower
        want = ask(ENCODE, {"vocab": str(path), "options": options, "texts": texts})["slow"]
        one = BertTokenizer(path, profile="transformers-slow", **options)
        assert [one(text)["input_ids"] for text in texts] == want


def test_any_texts():
    """Hypothesis makes the texts, one process judges them all."""
    from bert_cases import TEXTS

    texts = []

    @settings(
        max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(text=TEXTS)
    def collect(text):
        texts.append(text)

    collect()
    for name in (UNCASED, CASED, CHINESE):
        answer = asked(name, texts, fast=True)
        check(name, texts, want=answer["slow"])
        check(name, texts, "transformers", want=answer["fast"])


@pytest.mark.slow
@pytest.mark.parametrize("name", VOCABULARIES)
def test_every_character(name):
    texts = list(blocks(every_character()))
    check(name, texts, want=asked(name, "every character")["slow"])


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
