"""Texts, vocabularies and upstreams for the tests of BERT's tokenizer."""

import functools
import gzip
import importlib.util
import json
import sys
import tempfile
import types
import unicodedata
from pathlib import Path

import pytest
from hypothesis import strategies as st

DATA = Path(__file__).parent / "data"
BERT = DATA / "tokenizers" / "bert"
UNCASED, CASED, CHINESE = "bert-base-uncased", "bert-base-cased", "chinese-clip"
# Vocabulary and whether its text is lower-cased.
VOCABULARIES = {UNCASED: True, CASED: False, CHINESE: True}
SMALL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##b", "un", "##aff", "##able"]


@functools.cache
def vocabulary_folder(name):
    """Unpack a vocabulary as vocab.txt in a folder of its own, for the life of this process."""
    keeper = tempfile.TemporaryDirectory()
    folder = Path(keeper.name)
    (folder / "vocab.txt").write_bytes(
        gzip.decompress((BERT / f"{name}.vocab.txt.gz").read_bytes())
    )
    vocabulary_folder.kept.append(keeper)
    return folder


vocabulary_folder.kept = []


def vocab_file(name):
    return vocabulary_folder(name) / "vocab.txt"


@functools.cache
def ours(name, profile="transformers", **options):
    from tokenizers_py.bert import BertTokenizer

    options.setdefault("do_lower_case", VOCABULARIES[name])
    return BertTokenizer(vocab_file(name), profile=profile, **options)


@functools.cache
def theirs(name, **options):
    """Transformers 5's tokenizer."""
    import transformers

    options.setdefault("do_lower_case", VOCABULARIES[name])
    return transformers.BertTokenizer(vocab=str(vocab_file(name)), **options)


@functools.cache
def cn_clip():
    """cn_clip's bert_tokenizer.py, from the file: its package would import torchvision."""
    package = importlib.util.find_spec("cn_clip")
    if package is None or not package.submodule_search_locations:
        pytest.fail("needs: pip install --no-deps cn-clip==1.6.0")
    path = Path(package.submodule_search_locations[0]) / "clip" / "bert_tokenizer.py"
    spec = importlib.util.spec_from_file_location("cn_clip_bert_tokenizer", path)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        if importlib.util.find_spec("six") is None:  # all it wants of six is the Python version
            patch.setitem(sys.modules, "six", types.SimpleNamespace(PY2=False, PY3=True))
        spec.loader.exec_module(module)
    return module


def golden(name):
    return json.loads((BERT / f"{name}.json").read_text("utf-8"))


def corpus(name):
    return gzip.decompress((DATA / "text" / f"{name}.txt.gz").read_bytes()).decode("utf-8")


def every_character():
    """Give all code points but the surrogates."""
    return [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]


def some_characters():
    """Give every character but those that repeat their neighbours a thousand times over.

    Of ideographs, Hangul, private and unassigned characters only the first and last of each run
    of one kind, and every 97th.
    """
    found = []
    before = None
    for character in every_character():
        kind = unicodedata.category(character), len(unicodedata.normalize("NFD", character))
        many = kind[0] in ("Lo", "Co", "Cn")
        if (
            kind != before
            or not many
            or ord(character) % 97 == 0
            or ord(character) % 256 in (0, 255)
        ):
            found.append(character)
        before = kind
    return found


def blocks(characters, size=2048):
    """Put characters into texts: each alone and inside a word, with spaces around."""
    for start in range(0, len(characters), size):
        yield " ".join(f"{c} a{c}b" for c in characters[start : start + size])


_CHARACTERS = st.one_of(
    st.characters(exclude_categories=("Cs",)),
    st.sampled_from("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789 "),
    st.sampled_from(
        " \t\n\r\x0b\x0c\x1c\x85\u00a0\u1680\u2003\u2028\u2029\u202f\u3000\u200b\ufeff"
    ),
    st.characters(categories=("Cc", "Cf", "Zs", "Zl", "Zp")),
    st.characters(categories=("Mn", "Mc", "Me")),
    st.characters(categories=("Lu", "Lt", "Ll"), max_codepoint=0x24FF),
    st.characters(categories=("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk")),
    st.characters(min_codepoint=0x3040, max_codepoint=0x30FF),
    st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF),
    st.characters(min_codepoint=0x20000, max_codepoint=0x323AF),  # extensions B to H
    st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3),
    st.characters(min_codepoint=0x1100, max_codepoint=0x11FF),
    st.characters(min_codepoint=0xFF01, max_codepoint=0xFFEF),
    st.sampled_from("\u0300\u0301\u0308\u0323\u0327\u0345\u302e\u302f\u1b44\u094d\u0f71\u0f72"),
    st.sampled_from("İıßẞΣσςÅÅÄÉñﬁŉǰΐǅ½Ⅷ²$+<=>^`|~'’“”—…"),
)
_PIECES = st.sampled_from(
    [
        *("[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "[mask]", "[ MASK ]", "[MA\u00adSK]"),
        *(
            "##ing",
            "##",
            "#",
            "don't",
            "unaffable",
            "👩‍👩‍👧‍👦",
            "🏳️‍🌈",
            "🇩🇪",
            "ΟΔΟΣ",
            "ΣΑΣ Σ",
            "café",
        ),
        *(
            "中文字符",
            "日本語テキスト",
            "한국어",
            "ｆｕｌｌ　ｗｉｄｔｈ",
            "x" * 100,
            "y" * 101,
            "z" * 201,
        ),
    ]
)
TEXTS = st.lists(st.one_of(_PIECES, st.text(_CHARACTERS, max_size=12)), max_size=8).map("".join)
