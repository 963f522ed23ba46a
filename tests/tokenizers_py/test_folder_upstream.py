"""Folders between us and Transformers 4.57.6 and 5.23: each reads what the other has written.

Every family goes through the same tests (FAMILIES), plain and with settings and added tokens that
are not the default. Texts are such that upstream's versions agree on their ids.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import bert_cases
import pytest
import siglip_cases
import transformers
from transformers4 import ask

from tokenizers_py import (
    AddedToken,
    AutoTokenizer,
    CLIPTokenizer,
    RobertaTokenizer,
    SiglipTokenizer,
)
from tokenizers_py.bpe import byte_alphabet
from tokenizers_py.vocabulary import Vocabulary

SETTINGS = ("padding_side", "truncation_side", "model_max_length")
CHANGED = {"padding_side": "left", "truncation_side": "left", "model_max_length": 200}
EXTRA, PLAIN = "<extra>", "newtok"


@dataclass
class Family:
    name: str  # of the class
    make: Any  # keywords to a tokenizer of ours
    texts: list[str]
    profiles: dict[str, str] = field(default_factory=dict)  # version to profile, if not all one
    versions: tuple[str, ...] = ("slow", "fast", "5")  # 4.57.6 slow and fast, 5.23


def roberta(**options):
    """GPT-2's alphabet of bytes, a few merges and RoBERTa's special tokens."""
    merges = [("Ġ", "a"), ("Ġ", "c"), ("a", "t"), ("Ġc", "at"), ("h", "o"), ("Ġ", "p")]
    alphabet = [*byte_alphabet().values(), *(a + b for a, b in merges)]
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *alphabet, "<mask>"]
    ids = {token: number for number, token in enumerate(tokens)}
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    return RobertaTokenizer(vocabulary=Vocabulary(ids, ranks), **options)


TEXTS = [
    "a photo of a cat",
    "Two DOGS, they're running; café 123!",
    "",
    f"one {PLAIN} and{EXTRA}more",
    "hello   world " * 9,
]
FAMILIES = {
    "clip": Family(
        "CLIPTokenizer",
        lambda **options: CLIPTokenizer(profile="transformers", **options),
        [*TEXTS, "end<|endoftext|>of text", "<|startoftext|> go"],
    ),
    "bert": Family(
        "BertTokenizer",
        lambda **options: bert_cases.ours(bert_cases.UNCASED, **options),
        [*TEXTS, "a [MASK] in the text[SEP]"],
    ),
    "bert cased": Family(
        "BertTokenizer",
        lambda **options: bert_cases.ours(bert_cases.CASED, do_lower_case=False, **options),
        [*TEXTS, "a [MASK] in the text[SEP]"],
    ),
    "chinese": Family(
        "BertTokenizer",
        lambda **options: bert_cases.ours(bert_cases.CHINESE, **options),
        [*TEXTS, "杰尼龟 和 皮卡丘[MASK]"],
    ),
    "roberta": Family("RobertaTokenizer", roberta, [*TEXTS, "a cat  <mask> hat</s>"]),
    "siglip": Family(
        "SiglipTokenizer",
        lambda **options: SiglipTokenizer(siglip_cases.TINY, profile="transformers", **options),
        [*TEXTS, "two</s>halves"],
        {"slow": "transformers-4"},
        ("slow", "5"),
    ),
}


def changed(family):
    """A tokenizer with settings and tokens that are not the default ones."""
    tokenizer = family.make(**CHANGED)
    tokenizer.add_tokens([AddedToken(PLAIN, lstrip=True, normalized=False)])
    tokenizer.add_special_tokens({"additional_special_tokens": [EXTRA]})
    return tokenizer


def seen(tokenizer, texts):
    """What must be equal: ids, pairs, cut rows, settings, special and added tokens."""
    extra = getattr(tokenizer, "extra_special_tokens", None)
    if not isinstance(extra, list) or not extra:
        extra = getattr(tokenizer, "additional_special_tokens", [])
    return {
        "ids": [list(tokenizer(text)["input_ids"]) for text in texts],
        "pair": list(tokenizer(texts[0], texts[1])["input_ids"]),
        "cut": list(tokenizer(texts[1], truncation=True, max_length=6)["input_ids"]),
        "padded": list(tokenizer(texts[0], padding="max_length", max_length=40)["input_ids"]),
        "settings": {name: getattr(tokenizer, name) for name in SETTINGS},
        "special": {k: v for k, v in tokenizer.special_tokens_map.items() if isinstance(v, str)},
        "extra": [str(token) for token in extra],
        "size": len(tokenizer),
    }


SEEN_SOURCE = (
    f"SETTINGS = {SETTINGS!r}"
    + """
def seen(tokenizer, texts):
    return {
        "ids": [tokenizer(text)["input_ids"] for text in texts],
        "pair": tokenizer(texts[0], texts[1])["input_ids"],
        "cut": tokenizer(texts[1], truncation=True, max_length=6)["input_ids"],
        "padded": tokenizer(texts[0], padding="max_length", max_length=40)["input_ids"],
        "settings": {name: getattr(tokenizer, name) for name in SETTINGS},
        "special": {k: v for k, v in tokenizer.special_tokens_map.items() if isinstance(v, str)},
        "extra": tokenizer.additional_special_tokens,
        "size": len(tokenizer),
    }

answer = []
for name, version, folder, out, texts in given:
    kind = getattr(transformers, name + ("Fast" if version == "fast" else ""))
    tokenizer = kind.from_pretrained(folder)
    answer.append(seen(tokenizer, texts))
    tokenizer.save_pretrained(out)
"""
)

CASES = [
    (name, version, how)
    for name, family in FAMILIES.items()
    for version in family.versions
    for how in ("plain", "changed")
]


@pytest.fixture(scope="module")
def exchange(tmp_path_factory):
    """All folders: ours, read by each upstream and saved by it again, and what each has seen."""
    root = tmp_path_factory.mktemp("exchange")
    ours, theirs, asked = {}, {}, []
    for name, family in FAMILIES.items():
        for how, tokenizer in (("plain", family.make()), ("changed", changed(family))):
            tokenizer.save_pretrained(root / f"{name}-{how}")
            ours[name, how] = tokenizer, root / f"{name}-{how}"
    for name, version, how in CASES:
        folder, out = ours[name, how][1], root / f"{name}-{how}-{version}"
        kind = FAMILIES[name].name
        if version == "5":
            tokenizer = getattr(transformers, kind).from_pretrained(folder)
            theirs[name, version, how] = seen(tokenizer, FAMILIES[name].texts), out
            tokenizer.save_pretrained(out)
        else:
            asked.append((kind, version, str(folder), str(out), FAMILIES[name].texts))
            theirs[name, version, how] = None, out
    answers = iter(ask(SEEN_SOURCE, asked))
    for case, (answer, out) in theirs.items():
        theirs[case] = answer or next(answers), out
    return ours, theirs


def like(name, version, folder):
    """Our tokenizer for a folder, under the profile of that version."""
    family = FAMILIES[name]
    read = AutoTokenizer.from_pretrained(
        folder, profile=family.profiles.get(version, "transformers")
    )
    assert type(read).__name__ == family.name
    return read


@pytest.mark.parametrize("name, version, how", CASES)
def test_they_read_what_we_wrote(name, version, how, exchange):
    ours, theirs = exchange
    expected = like(name, version, ours[name, how][1])
    assert theirs[name, version, how][0] == seen(expected, FAMILIES[name].texts)


@pytest.mark.parametrize("name, version, how", CASES)
def test_we_read_what_they_wrote(name, version, how, exchange):
    told, folder = exchange[1][name, version, how]
    assert seen(like(name, version, folder), FAMILIES[name].texts) == told


@pytest.mark.parametrize("name, how", sorted({(name, how) for name, _, how in CASES}))
def test_we_read_what_we_wrote(name, how, exchange, tmp_path):
    before, folder = exchange[0][name, how]
    after = AutoTokenizer.from_pretrained(folder)
    assert type(after) is type(before)
    assert getattr(after, "profile", None) == getattr(before, "profile", None)
    assert seen(after, FAMILIES[name].texts) == seen(before, FAMILIES[name].texts)
    assert after.added_tokens_decoder == before.added_tokens_decoder
    after.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in folder.iterdir()}
    for path in folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_the_profile_is_a_setting_that_they_ignore(exchange):
    for name in ("clip", "bert", "siglip"):
        config = (exchange[0][name, "plain"][1] / "tokenizer_config.json").read_text()
        assert json.loads(config)["profile"] == "transformers"
