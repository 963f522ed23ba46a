"""The messages of a SentencePiece `.model` file: read, checked, and written.

A file is one `SentencePieceModel`: the pieces (their place is their id), how the model was trained,
and how a text is normalised. Each class below is one message; the number beside a field is its
number on the wire, and what stands after its kind is its value where the file leaves it out.
Files are read by `read_model` and written by `write_model`: what sentencepiece wrote comes back
byte for byte. Built on protobuf.py; next: charsmap.py for `precompiled_charsmap`.

Source: google/sentencepiece 0.2.3, src/sentencepiece_model.proto (fields) and
src/model_interface.cc, InitializePieces (what makes a file unusable).
"""

import dataclasses
import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import FilePath, read_bytes
from tokenizers_py.sentencepiece.messages import (
    Choice,
    Proto,
    Repeated,
    read_message,
    write_message,
)
from tokenizers_py.sentencepiece.protobuf import bits_of, float_of

MAX_PIECE_BYTES = 7999  # upstream's limit: longer ones once overflowed its stack

ModelType = Literal["unigram", "bpe", "word", "char"]
_MODEL_TYPES = Choice({1: "unigram", 2: "bpe", 3: "word", 4: "char"})


class PieceType(enum.IntEnum):
    """What a piece is for."""

    NORMAL = 1  # found in text
    UNKNOWN = 2  # stands for what no piece covers
    CONTROL = 3  # start, end, padding: never found in text
    USER_DEFINED = 4  # found in text before everything else, and kept as it is
    UNUSED = 5  # switched off; its id stays taken
    BYTE = 6  # one byte, "<0x41>", for what no piece covers where byte_fallback is set


_PIECE_TYPES = Choice({kind.value: kind for kind in PieceType})


_COVERAGE = float_of(bits_of(0.9995))  # the float nearest to it
_USUAL = frozenset(("piece", "score"))
_ALL = frozenset(("piece", "score", "type"))
_PARTS = frozenset(("trainer", "normalizer"))


@dataclass(frozen=True, slots=True)
class SentencePiece:
    """One entry of the vocabulary. Unigram: its log probability. BPE: minus its rank."""

    piece: Annotated[str, Proto(1, "exact text")] = ""
    score: Annotated[float, Proto(2, "float")] = 0.0
    type: Annotated[PieceType, Proto(3, _PIECE_TYPES)] = PieceType.NORMAL
    unknown: bytes = field(default=b"", repr=False)
    given: frozenset[str] = field(default=_USUAL, repr=False, compare=False)


def _usual_piece(data: bytes) -> SentencePiece | None:
    """Read a piece quickly when it is laid out as sentencepiece writes it; else return None.

    That is: tag 0x0A, a length of one byte, the text, tag 0x15 and four bytes of score, and for
    other than normal pieces tag 0x18 and one byte of type.
    """
    end = len(data)
    if end < 7 or data[0] != 0x0A or (stop := 2 + data[1]) > 129 or stop + 5 > end:
        return None
    if data[stop] != 0x15 or end not in (stop + 5, stop + 7):
        return None
    try:
        text = data[2:stop].decode()
    except UnicodeDecodeError:
        return None
    score = float_of(int.from_bytes(data[stop + 1 : stop + 5], "little"))
    if end == stop + 5:
        return SentencePiece(text, score)
    if data[stop + 5] != 0x18 or not 1 <= data[stop + 6] <= 6:
        return None
    return SentencePiece(text, score, PieceType(data[stop + 6]), given=_ALL)


@dataclass(frozen=True)
class NormalizerSpec:
    """How a text is normalised: the rules (charsmap.py), and what becomes of spaces."""

    name: Annotated[str, Proto(1, "text")] = ""
    precompiled_charsmap: Annotated[bytes, Proto(2, "bytes")] = b""
    add_dummy_prefix: Annotated[bool, Proto(3, "bool")] = True
    remove_extra_whitespaces: Annotated[bool, Proto(4, "bool")] = True
    escape_whitespaces: Annotated[bool, Proto(5, "bool")] = True
    normalization_rule_tsv: Annotated[str, Proto(6, "text")] = ""
    unknown: bytes = field(default=b"", repr=False)
    given: frozenset[str] = field(default=frozenset(), repr=False, compare=False)


@dataclass(frozen=True)
class TrainerSpec:
    """How the model was trained; the few fields that matter later are the first ones here.

    Of the ids and pieces of the special tokens, sentencepiece believes the pieces: an id is looked
    up by its piece, and only the trainer reads `unk_id`, `bos_id`, `eos_id`, `pad_id`.
    """

    model_type: Annotated[ModelType, Proto(3, _MODEL_TYPES)] = "unigram"
    byte_fallback: Annotated[bool, Proto(35, "bool")] = False
    treat_whitespace_as_suffix: Annotated[bool, Proto(24, "bool")] = False
    unk_surface: Annotated[str, Proto(44, "text")] = " \u2047 "
    unk_piece: Annotated[str, Proto(45, "text")] = "<unk>"
    bos_piece: Annotated[str, Proto(46, "text")] = "<s>"
    eos_piece: Annotated[str, Proto(47, "text")] = "</s>"
    pad_piece: Annotated[str, Proto(48, "text")] = "<pad>"
    unk_id: Annotated[int, Proto(40, "int32")] = 0
    bos_id: Annotated[int, Proto(41, "int32")] = 1
    eos_id: Annotated[int, Proto(42, "int32")] = 2
    pad_id: Annotated[int, Proto(43, "int32")] = -1
    vocab_size: Annotated[int, Proto(4, "int32")] = 8000
    control_symbols: Annotated[tuple[str, ...], Proto(30, "texts")] = ()
    user_defined_symbols: Annotated[tuple[str, ...], Proto(31, "texts")] = ()

    input: Annotated[tuple[str, ...], Proto(1, "texts")] = ()
    input_format: Annotated[str, Proto(7, "text")] = ""
    model_prefix: Annotated[str, Proto(2, "text")] = ""
    accept_language: Annotated[tuple[str, ...], Proto(5, "texts")] = ()
    self_test_sample_size: Annotated[int, Proto(6, "int32")] = 0
    character_coverage: Annotated[float, Proto(10, "float")] = _COVERAGE
    input_sentence_size: Annotated[int, Proto(11, "uint64")] = 0
    mining_sentence_size: Annotated[int, Proto(12, "int32")] = 0
    training_sentence_size: Annotated[int, Proto(13, "int32")] = 0
    seed_sentencepiece_size: Annotated[int, Proto(14, "int32")] = 1_000_000
    shrinking_factor: Annotated[float, Proto(15, "float")] = 0.75
    num_threads: Annotated[int, Proto(16, "int32")] = 16
    num_sub_iterations: Annotated[int, Proto(17, "int32")] = 2
    max_sentence_length: Annotated[int, Proto(18, "int32")] = 4192
    shuffle_input_sentence: Annotated[bool, Proto(19, "bool")] = True
    max_sentencepiece_length: Annotated[int, Proto(20, "int32")] = 16
    split_by_unicode_script: Annotated[bool, Proto(21, "bool")] = True
    split_by_whitespace: Annotated[bool, Proto(22, "bool")] = True
    split_by_number: Annotated[bool, Proto(23, "bool")] = True
    split_digits: Annotated[bool, Proto(25, "bool")] = False
    allow_whitespace_only_pieces: Annotated[bool, Proto(26, "bool")] = False
    vocabulary_output_piece_score: Annotated[bool, Proto(32, "bool")] = True
    hard_vocab_limit: Annotated[bool, Proto(33, "bool")] = True
    use_all_vocab: Annotated[bool, Proto(34, "bool")] = False
    required_chars: Annotated[str, Proto(36, "text")] = ""
    train_extremely_large_corpus: Annotated[bool, Proto(49, "bool")] = False
    enable_differential_privacy: Annotated[bool, Proto(50, "bool")] = False
    differential_privacy_noise_level: Annotated[float, Proto(51, "float")] = 0.0
    differential_privacy_clipping_threshold: Annotated[int, Proto(52, "uint64")] = 0
    pretokenization_delimiter: Annotated[str, Proto(53, "text")] = ""
    seed_sentencepieces_file: Annotated[str, Proto(54, "text")] = ""
    auto_character_coverage: Annotated[bool, Proto(55, "bool")] = False
    unknown: bytes = field(default=b"", repr=False)
    given: frozenset[str] = field(default=frozenset(), repr=False, compare=False)


_TRAINER, _NORMALIZER = TrainerSpec(), NormalizerSpec()
_PIECES = Repeated(SentencePiece, _usual_piece)


@dataclass(frozen=True)
class SentencePieceModel:
    """A whole file. A piece's id is its place in `pieces`."""

    pieces: Annotated[tuple[SentencePiece, ...], Proto(1, _PIECES)] = ()
    trainer: Annotated[TrainerSpec, Proto(2, TrainerSpec)] = _TRAINER
    normalizer: Annotated[NormalizerSpec, Proto(3, NormalizerSpec)] = _NORMALIZER
    self_test_data: Annotated[bytes, Proto(4, "bytes")] = b""
    denormalizer: Annotated[NormalizerSpec | None, Proto(5, NormalizerSpec)] = None
    unknown: bytes = field(default=b"", repr=False)
    given: frozenset[str] = field(default=_PARTS, repr=False, compare=False)


def read_model(file: FilePath | bytes) -> SentencePieceModel:
    """Read a `.model` file, or its bytes, and check that its pieces make a vocabulary.

    What sentencepiece 0.2.3 does with odd bytes is done here too: the last of a repeated field
    counts, a field of the wrong wire type or an unknown value of an enum is kept as unknown, ids
    and `vocab_size` in the trainer's part are believed by nobody, and with byte fallback a piece
    that is one NUL is switched off. Trap: these it loads, and we refuse, because no text of ours
    could be encoded or decoded as it does: a piece or an `unk_surface` that is not UTF-8.

    Raises:
        TokenizerError: The bytes are no such file (it says where), or upstream would refuse it.
    """
    data = file if isinstance(file, bytes) else read_bytes(file)
    source = "model" if isinstance(file, bytes) else str(file)
    try:
        model = _without_nul(read_message(SentencePieceModel, data))
        check_model(model)
    except TokenizerError as error:
        raise TokenizerError(f"{source}: {error}") from error
    return model


def write_model(model: SentencePieceModel) -> bytes:
    """Write a model as the bytes of a `.model` file: fields in the order of their numbers.

    >>> pieces = (SentencePiece("<unk>", 0.0, PieceType.UNKNOWN), SentencePiece("a", -1.0))
    >>> model = SentencePieceModel(pieces)
    >>> read_model(write_model(model)) == model
    True
    """
    return write_message(model)


def check_model(model: SentencePieceModel) -> None:
    """Refuse pieces that are no vocabulary, by the rules and limits of sentencepiece 0.2.3.

    Raises:
        TokenizerError: A piece is empty, too long, has a NUL or stands there twice; a byte piece
            is none or one is missing; there is not one unknown piece; a unigram score is no number.
    """
    fallback, unigram = model.trainer.byte_fallback, model.trainer.model_type == "unigram"
    owner: dict[tuple[bool, str], int] = {}  # special pieces have names of their own, save in BPE
    found: dict[PieceType, list[str]] = {kind: [] for kind in PieceType}
    for place, (text, score, kind) in enumerate((p.piece, p.score, p.type) for p in model.pieces):
        if unigram and not math.isfinite(score):
            raise TokenizerError(f"piece {place} ({text!r:.40}): its score is {score}")
        if fallback and text == "\0" and kind is PieceType.UNUSED:
            continue
        if not text or "\0" in text or len(text.encode()) > MAX_PIECE_BYTES:
            raise TokenizerError(
                f"piece {place} ({text!r:.40}): must have 1 to {MAX_PIECE_BYTES} bytes, none NUL; "
                f"it has {len(text.encode())}"
            )
        special = kind in _SPECIAL and model.trainer.model_type != "bpe"
        if owner.setdefault((special, text), place) != place:
            raise TokenizerError(f"pieces {owner[special, text]} and {place} are both {text!r:.40}")
        found[kind].append(text)
    _check_bytes(found[PieceType.BYTE], fallback)
    if len(found[PieceType.UNKNOWN]) > 1 or not (found[PieceType.UNKNOWN] or fallback):
        raise TokenizerError(f"there must be one unknown piece; got {found[PieceType.UNKNOWN]}")
    if unigram and not any(found[kind] for kind in PieceType if kind not in _SPECIAL):
        raise TokenizerError("there are no pieces to cut a text into")
    if not _is_text(model.trainer.unk_surface):
        raise TokenizerError(f"unk_surface is not UTF-8: {model.trainer.unk_surface!r:.40}")


_SPECIAL = (PieceType.UNKNOWN, PieceType.CONTROL, PieceType.BYTE)
_BYTE_PIECES = {f"<0x{byte:02X}>": byte for byte in range(256)}


def _check_bytes(pieces: Sequence[str], fallback: bool) -> None:
    if pieces and not fallback:
        raise TokenizerError(f"byte piece {pieces[0]!r:.40}, but byte_fallback is off")
    for piece in pieces:
        if piece not in _BYTE_PIECES:
            raise TokenizerError(f"byte piece {piece!r:.40}: must be <0x00> to <0xFF>")
    if fallback and len(pieces) < 256:
        missing = sorted(_BYTE_PIECES.keys() - set(pieces))
        raise TokenizerError(f"byte_fallback is on, but byte piece {missing[0]} is missing")


def _without_nul(model: SentencePieceModel) -> SentencePieceModel:
    if not model.trainer.byte_fallback or all(piece.piece != "\0" for piece in model.pieces):
        return model
    unused = dataclasses.replace
    return dataclasses.replace(
        model,
        pieces=tuple(
            unused(piece, type=PieceType.UNUSED) if piece.piece == "\0" else piece
            for piece in model.pieces
        ),
    )


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)
