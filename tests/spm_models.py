"""SentencePiece models to test with, each as bytes: released ones, trained ones, odd ones.

Upstream's own trainer makes the trained ones, in about a second, from a few lines of the corpora.
"""

import dataclasses
import functools
import gzip
import io
from pathlib import Path

import sentencepiece

from tokenizers_py.sentencepiece.model_file import (
    PieceType,
    SentencePiece,
    SentencePieceModel,
    TrainerSpec,
    read_model,
    write_model,
)
from tokenizers_py.sentencepiece.processor import SentencePieceProcessor

DATA = Path(__file__).parent / "data"
RELEASED = ("test_model", "test_ja_model", "t5_base.spiece")
USER_DEFINED = ["<tag>", "<tag><tag>", "née", "▁of▁the", "中文", "==="]


@functools.cache
def corpus(name):
    return gzip.decompress((DATA / "text" / f"{name}.txt.gz").read_bytes()).decode("utf-8")


def released(name):
    return (DATA / "tokenizers" / "sentencepiece" / f"{name}.model").read_bytes()


def lines(english=400, japanese=60):
    return [
        *corpus("botchan").splitlines()[:english],
        *corpus("wagahaiwa_nekodearu").splitlines()[:japanese],
    ]


def train(**options):
    file = io.BytesIO()
    sentencepiece.set_min_log_level(2)
    settings = {"vocab_size": 1000, "character_coverage": 0.98, "num_threads": 1}
    settings |= {"hard_vocab_limit": False, "minloglevel": 2, **options}
    texts = settings.pop("texts", None) or lines()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=file, **settings
    )
    return file.getvalue()


def _with_unused(data):
    """Switch off every 7th ordinary piece."""
    model = read_model(data)
    pieces = [
        dataclasses.replace(p, type=PieceType.UNUSED, given=p.given | {"type"})
        if number % 7 == 0 and p.type is PieceType.NORMAL
        else p
        for number, p in enumerate(model.pieces)
    ]
    return write_model(dataclasses.replace(model, pieces=tuple(pieces)))


_RECIPES = {
    "unigram": lambda: train(model_type="unigram"),
    "unigram_bytes": lambda: train(model_type="unigram", byte_fallback=True, vocab_size=1200),
    "unigram_symbols": lambda: train(model_type="unigram", user_defined_symbols=USER_DEFINED),
    "unigram_suffix": lambda: train(model_type="unigram", treat_whitespace_as_suffix=True),
    "unigram_spaces": lambda: train(
        model_type="unigram",
        split_by_whitespace=False,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
    ),
    "unigram_no_prefix": lambda: train(model_type="unigram", add_dummy_prefix=False),
    "unigram_unused": lambda: _with_unused(trained("unigram")),
    "bpe": lambda: train(model_type="bpe"),
    "bpe_bytes": lambda: train(model_type="bpe", byte_fallback=True, vocab_size=1400),
    "bpe_symbols": lambda: train(model_type="bpe", user_defined_symbols=USER_DEFINED),
    "bpe_suffix": lambda: train(model_type="bpe", treat_whitespace_as_suffix=True),
    "bpe_unused": lambda: _with_unused(trained("bpe")),
    "bpe_bytes_unused": lambda: _with_unused(trained("bpe_bytes")),
    "word": lambda: train(model_type="word", vocab_size=600),
    "word_unused": lambda: _with_unused(trained("word")),
    "char": lambda: train(model_type="char"),
    "char_symbols": lambda: train(model_type="char", user_defined_symbols=USER_DEFINED),
    "char_bytes": lambda: train(model_type="char", byte_fallback=True, vocab_size=1200),
}
TRAINED = tuple(_RECIPES)
UNIGRAM = tuple(name for name in TRAINED if name.startswith("unigram")) + RELEASED
BPE = tuple(name for name in TRAINED if name.startswith("bpe"))


@functools.cache
def trained(name):
    return _RECIPES[name]()


@functools.cache
def both(name):
    """Load a model by its name: with upstream's processor, and with ours."""
    return both_of(released(name) if name in RELEASED else trained(name))


def both_of(data):
    theirs = sentencepiece.SentencePieceProcessor(model_proto=data)
    return theirs, SentencePieceProcessor(model_proto=data)


def handmade(pieces, **trainer):
    """Write a model of these (piece, score) or (piece, score, type), with an unknown piece."""
    rows = [SentencePiece("<unk>", 0.0, PieceType.UNKNOWN, given=frozenset({"type"}))]
    for piece, score, *kind in pieces:
        kind = kind[0] if kind else PieceType.NORMAL
        rows.append(SentencePiece(piece, score, kind, given=frozenset({"piece", "score", "type"})))
    spec = TrainerSpec(**trainer, given=frozenset(trainer))
    return write_model(SentencePieceModel(tuple(rows), spec))


ODD_TEXTS = [
    "",
    " ",
    "   ",
    "a",
    "▁",
    "▁▁a▁",
    "  leading and   inner  ",
    "trailing \n\t",
    "new\nline\ttab\r\n",
    "\0NUL\0inside",
    "<unk><s></s><pad>",
    "<0x41><0xE3>",
    "<tag><tag><tag>x<tag> <tag>",
    "née nées ===== == of the of the",
    "中文中文字",
    "株式会社㍿ ㌔ ﬁne ①②",
    "e\u0301te\u0301 n\u0303",
    "🙂👩‍👩‍👧‍👦🇩🇪x",
    "ＡＢＣ　ｆｕｌｌ",
    "吾輩は猫である。名前はまだ無い。",
    "\ufffd\ufffe\uffff\U0010ffff",
    "\u200b\u200e\u00ad\ufeff",
    "...!!!???---======",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "hahahahahahahahahahahahahahahahahahahahaha",
    "ééééé ñ øøø ЖЖЖ жук 한국어",
    "x" * 500,
    "\u3042" * 300,
    "\u0416" * 300,
    "The quick brown fox, photo of a cat's tail (2023) #1 @home https://x.y/z?a=b&c=d",
]
