r"""From a corpus to a SentencePiece `.model` file, unigram or BPE.

Around the two algorithms (unigram.py, and merging.py once more) stands what SentencePiece adds to
them: the text is normalised, its spaces become "▁", the rarest letters are left out, and the ids
begin with pieces that stand for no text, as `Options` lays them out. Reads seed_pieces.py; the
file itself is described in tokenizers_py/sentencepiece/model_file.py.

Source: sentencepiece 0.2.1, trainer_interface.cc (VerifySpec, LoadSentences, InitMetaPieces,
Serialize) and sentencepiece_model.proto (names and defaults of the options).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import FilePath
from tokenizers_py.folders.writing import write_folder
from tokenizers_py.sentencepiece.model_file import (
    ModelType,
    NormalizerSpec,
    PieceType,
    SentencePiece,
    SentencePieceModel,
    TrainerSpec,
    check_model,
    write_model,
)
from tokenizers_py.sentencepiece.normalizer import SentencePieceNormalizer
from tokenizers_py.text.normalization import check_text
from tokenizers_py.training.merging import check_positive, check_tokens
from tokenizers_py.training.seed_pieces import alphabet, fragments, split_sentence
from tokenizers_py.training.words import Texts, count_words
from tokenizers_py.unigram import to_float32

IDENTITY = NormalizerSpec(name="identity")  # only spaces are normalised
_RESERVED = "\0\t \u2585"  # sentencepiece uses these itself: no piece may hold one
_SWITCHES = (
    "split_by_unicode_script",
    "split_by_number",
    "split_digits",
    "byte_fallback",
    "hard_vocab_limit",
)
_RANGES = {  # those of sentencepiece
    "character_coverage": (0.98, 1.0),
    "max_sentencepiece_length": (1, 512),
    "shrinking_factor": (0.5, 0.95),
    "num_sub_iterations": (1, 10),
}


@dataclass(frozen=True)
class Options:
    """What can be asked of a training; names and defaults are `SentencePieceTrainer.train`'s.

    An id of -1 leaves that piece out. The layout of SigLIP's vocabularies is
    `pad_id=0, eos_id=1, unk_id=2, bos_id=-1, byte_fallback=True`: ordinary pieces start at 259.
    """

    vocab_size: int
    character_coverage: float = 0.9995  # letters are kept until they make up so much of the text
    max_sentencepiece_length: int = 16  # letters of a piece
    seed_sentencepiece_size: int = 1_000_000  # unigram: the most pieces to begin with
    shrinking_factor: float = 0.75  # unigram: what share of the pieces stays at a pruning
    num_sub_iterations: int = 2  # unigram: rounds of EM between two prunings
    min_frequency: int = 1  # BPE: a pair that occurs less often is not joined (ours alone)
    split_by_unicode_script: bool = True
    split_by_number: bool = True
    split_digits: bool = False  # each digit is a piece of its own
    required_chars: str = ""
    unk_id: int = 0
    bos_id: int = 1
    eos_id: int = 2
    pad_id: int = -1
    control_symbols: tuple[str, ...] = ()
    user_defined_symbols: tuple[str, ...] = ()
    byte_fallback: bool = False  # 256 more pieces, so that nothing is unknown
    hard_vocab_limit: bool = True  # an error where the corpus has too few pieces
    normalizer: NormalizerSpec = IDENTITY  # or that of a model: `read_model(path).normalizer`

    def __post_init__(self) -> None:
        for name in ("vocab_size", "seed_sentencepiece_size", "min_frequency"):
            check_positive(name, getattr(self, name))
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            kind = float | int if isinstance(most, float) else int
            if not isinstance(value, kind) or not least <= value <= most:
                raise TokenizerError(f"{name}: must be from {least} to {most}; got {value!r:.60}")
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise TokenizerError(
                    f"{name}: must be True or False; got {getattr(self, name)!r:.60}"
                )
        for name in ("control_symbols", "user_defined_symbols"):
            given = getattr(self, name)
            object.__setattr__(self, name, check_tokens(given, name=name) if given else ())
        if (
            not isinstance(self.normalizer, NormalizerSpec)
            or not self.normalizer.escape_whitespaces
        ):
            raise TokenizerError("normalizer: must be a NormalizerSpec with escape_whitespaces")
        check_text(self.required_chars, "required_chars")
        self.meta_pieces()

    def meta_pieces(self) -> dict[int, SentencePiece]:
        """Lay out the pieces that are not learnt: named ids first, the others in what is free.

        >>> siglip = Options(300, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, byte_fallback=True)
        >>> [(n, piece.piece) for n, piece in siglip.meta_pieces().items()][:5]
        [(2, '<unk>'), (1, '</s>'), (0, '<pad>'), (3, '<0x00>'), (4, '<0x01>')]
        """
        found: dict[int, SentencePiece] = {}
        for name in ("unk", "bos", "eos", "pad"):
            number = getattr(self, f"{name}_id")
            kind = PieceType.UNKNOWN if name == "unk" else PieceType.CONTROL
            text = getattr(_DEFAULTS, f"{name}_piece")
            if type(number) is not int or number >= self.vocab_size or number in found:
                raise TokenizerError(f"{name}_id: {number!r:.60} is no id, or taken, or too high")
            if number >= 0:
                found[number] = SentencePiece(text, 0.0, kind)
        if self.unk_id < 0:
            raise TokenizerError("unk_id: there must be a piece for what is unknown")
        more = [(text, PieceType.CONTROL) for text in self.control_symbols]
        more += [(text, PieceType.USER_DEFINED) for text in self.user_defined_symbols]
        more += [(f"<0x{n:02X}>", PieceType.BYTE) for n in range(256 * self.byte_fallback)]
        free = (number for number in range(len(found) + len(more)) if number not in found)
        for number, (text, kind) in zip(list(free), more, strict=False):
            found[number] = SentencePiece(text, 0.0, kind)
        if len({piece.piece for piece in found.values()}) < len(found):
            raise TokenizerError(
                "control_symbols, user_defined_symbols: a piece stands there twice"
            )
        return found


_DEFAULTS = TrainerSpec()


@dataclass(frozen=True)
class Prepared:
    """A corpus, ready for either algorithm."""

    parts: dict[str, int]  # parts of words that no piece may cross, with their counts
    letters: dict[str, int]  # the alphabet
    room: int  # how many pieces can be learnt


def prepare(texts: Texts, options: Options) -> Prepared:
    """Normalise a corpus, cut it into parts, and choose the alphabet.

    Raises:
        TokenizerError: The corpus is unusable, or `vocab_size` has no room for the alphabet.
    """
    meta = options.meta_pieces()
    normalize = SentencePieceNormalizer(
        options.normalizer, user_defined=options.user_defined_symbols
    )
    symbols = sorted((piece.piece for piece in meta.values()), key=len, reverse=True)
    apart = re.compile("|".join(map(re.escape, symbols)))

    def split(text: str) -> Iterator[str]:
        for stretch in apart.split(normalize(text)):
            yield from split_sentence(stretch)

    words = _count_sentences(texts, split)
    letters = alphabet(words, options.character_coverage, options.required_chars)
    letters = {letter: count for letter, count in letters.items() if letter not in _RESERVED}
    if len(letters) + len(meta) > options.vocab_size:
        raise TokenizerError(
            f"vocab_size: {options.vocab_size} is too small; {len(meta)} special pieces and "
            f"{len(letters)} letters need {len(meta) + len(letters)}. A lower character_coverage "
            "leaves more letters out"
        )
    parts = fragments(
        words,
        letters,
        by_script=options.split_by_unicode_script,
        by_number=options.split_by_number,
        digits=options.split_digits,
    )
    if not parts:
        raise TokenizerError("texts: there is no letter in them that a piece could hold")
    return Prepared(parts, letters, options.vocab_size - len(meta))


def _count_sentences(texts: Texts, split: Callable[[str], Iterable[str]]) -> dict[str, int]:
    """Count words; where `texts` are counts already, it is sentences that were counted."""
    if not isinstance(texts, Mapping):
        return count_words(texts, split)
    counts: dict[str, int] = {}
    for sentence, count in count_words(texts, split).items():
        for word in split(sentence):
            counts[word] = counts.get(word, 0) + count
    return counts


def save_model(model: SentencePieceModel, folder: FilePath) -> tuple[str, ...]:
    """Write a model as spiece.model, the name under which Transformers looks for it."""
    return write_folder(folder, {"spiece.model": write_model(model)})


def build_model(
    learnt: Mapping[str, float], options: Options, model_type: ModelType
) -> SentencePieceModel:
    """Put learnt pieces, in the order of their ids, where no special piece stands.

    Raises:
        TokenizerError: There are too few of them, and `hard_vocab_limit` is set.
    """
    meta = options.meta_pieces()
    if len(learnt) + len(meta) < options.vocab_size and options.hard_vocab_limit:
        raise TokenizerError(
            f"vocab_size: {options.vocab_size} is too high; from this corpus at most "
            f"{len(learnt) + len(meta)} pieces can be learnt. hard_vocab_limit=False takes fewer"
        )
    rest = iter(learnt.items())
    pieces: list[SentencePiece] = []
    for number in range(options.vocab_size):
        if number in meta:
            if len(pieces) < number:
                raise TokenizerError(f"{meta[number].piece}: its id {number} is too high here")
            pieces.append(meta[number])
        elif (entry := next(rest, None)) is not None:
            pieces.append(SentencePiece(entry[0], to_float32(entry[1])))
    names = TrainerSpec.__dataclass_fields__.keys() & Options.__dataclass_fields__.keys()
    settings: dict[str, Any] = {name: getattr(options, name) for name in names}
    settings = {n: to_float32(v) if isinstance(v, float) else v for n, v in settings.items()}
    settings["vocab_size"] = len(pieces)
    model = SentencePieceModel(
        tuple(pieces), TrainerSpec(model_type=model_type, **settings), options.normalizer
    )
    check_model(model)
    return model
