"""`.model` files for the tests: trained by upstream, made by hand, and what both readers see."""

import functools
import io
import tempfile
from pathlib import Path

import sentencepiece

from tokenizers_py.errors import TokenizerError
from tokenizers_py.sentencepiece.model_file import (
    PieceType,
    SentencePiece,
    SentencePieceModel,
    TrainerSpec,
    write_model,
)
from tokenizers_py.sentencepiece.processor import SentencePieceProcessor
from tokenizers_py.sentencepiece.protobuf import write_varint

RULES = "41\t61\nFB01\t66 69\n65 301\tE9\n9\t20\n7F\n"
LINES = ["hello world", "ab ba abc", "héllo", " a b a b", "cab", "bac low lower", "ﬁn A"]
TEXTS = ["hello world", "  A ﬁn  cafe\u0301 ab\t ba ", "lower abc \x7f", "x<u>y<x>"]


@functools.cache
def trained(model_type, **options):
    """A small model of one type, made by upstream."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "rules.tsv"
        table.write_text(RULES)
        file = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(LINES * 50),
            model_writer=file,
            model_type=model_type,
            normalization_rule_tsv=str(table),
            user_defined_symbols="<u>",
            minloglevel=2,
            **{"vocab_size": 24, "hard_vocab_limit": False, **options},
        )
    return file.getvalue()


def seen(sp):
    """Everything about a loaded model that upstream and we can both tell."""
    everything = range(sp.get_piece_size())
    return {
        "pieces": [sp.id_to_piece(number) for number in everything],
        "scores": repr([sp.get_score(number) for number in everything]),
        "kinds": [
            (sp.is_unknown(n), sp.is_control(n), sp.is_unused(n), sp.is_byte(n)) for n in everything
        ],
        "special": (sp.unk_id(), sp.bos_id(), sp.eos_id(), sp.pad_id()),
        "ids": (ids := [sp.encode(text) for text in TEXTS]),
        "decoded": [sp.decode(row) for row in ids],
        "file": sp.serialized_model_proto(),
    }


def theirs(data):
    """Say what upstream sees, or None: it may refuse a file at once or choke on it later."""
    try:
        return seen(sentencepiece.SentencePieceProcessor(model_proto=data))
    except (RuntimeError, UnicodeDecodeError):
        return None


def ours(data):
    try:
        return seen(SentencePieceProcessor(model_proto=data))
    except TokenizerError as error:
        return str(error)


def agree(data):
    """Upstream and we see the same, or both refuse; return our reason where only we do."""
    want, got = theirs(data), ours(data)
    if want is None:
        assert isinstance(got, str), "upstream refuses this, and we do not"
        return None
    if isinstance(got, str):
        return got
    assert got == want
    return None


PIECES = (
    SentencePiece("<unk>", 0.0, PieceType.UNKNOWN),
    SentencePiece("▁", -2.0),
    SentencePiece("a", -1.0),
    SentencePiece("<c>", 0.0, PieceType.CONTROL),
)
BYTES = tuple(SentencePiece(f"<0x{byte:02X}>", 0.0, PieceType.BYTE) for byte in range(256))


def small(*more, **trainer):
    return write_model(SentencePieceModel((*PIECES, *more), TrainerSpec(**trainer)))


def field(number, wire, payload=b""):
    return write_varint(number << 3 | wire) + payload


def part(number, content):
    return field(number, 2, write_varint(len(content)) + content)


def piece(text=b"b", rest=b"\x15\0\0\x80\xbf"):
    return part(1, part(1, text) + rest)
