"""The vocabulary of a SentencePiece model, for looking up: pieces, ids, scores, kinds.

Made from a read model (model_file.py); used by segmenters.py, calls/decoding.py and processor.py.
Source: google/sentencepiece 0.2.3, src/model_interface.cc and sentencepiece_processor.cc, Load.
"""

import operator

from tokenizers_py.errors import TokenizerError
from tokenizers_py.sentencepiece.model_file import PieceType, SentencePieceModel

TEXT_TYPES = (PieceType.NORMAL, PieceType.USER_DEFINED, PieceType.UNUSED)


class PieceTable:
    """A model's pieces. An id is a piece's place in the file.

    `unknown` is the id that text outside the vocabulary gets, -1 where no piece is of that kind.
    `unk`, `bos`, `eos`, `pad` are the ids that users ask for: they are looked up by the names in
    the trainer's part, and -1 if there is no piece of that name and of the right kind.
    """

    def __init__(self, model: SentencePieceModel) -> None:
        trainer = model.trainer
        self.pieces = [piece.piece for piece in model.pieces]
        self.scores = [piece.score for piece in model.pieces]
        self.types = [piece.type for piece in model.pieces]
        self.in_text = self.ids_of(*TEXT_TYPES)
        special = self.ids_of(PieceType.UNKNOWN, PieceType.CONTROL, PieceType.BYTE)
        self._ids = self.in_text | special  # of two pieces alike, the special one has the name
        self.unknown = next(iter(self.ids_of(PieceType.UNKNOWN).values()), -1)
        self.unk = self._named(trainer.unk_piece or "<unk>", PieceType.UNKNOWN)
        self.bos = self._named(trainer.bos_piece or "<s>", PieceType.CONTROL)
        self.eos = self._named(trainer.eos_piece or "</s>", PieceType.CONTROL)
        self.pad = self._named(trainer.pad_piece or "<pad>", PieceType.CONTROL)
        self.byte_ids: list[int] | None = None
        if trainer.byte_fallback:
            self.byte_ids = [self._ids[f"<0x{byte:02X}>"] for byte in range(256)]

    def __len__(self) -> int:
        return len(self.pieces)

    def ids_of(self, *types: PieceType) -> dict[str, int]:
        """Map the pieces of some kinds to their ids."""
        pieces = enumerate(zip(self.pieces, self.types, strict=True))
        return {text: number for number, (text, kind) in pieces if kind in types and text != "\0"}

    def id(self, piece: str) -> int:
        """Look up a piece of any kind; what is none gets the unknown id."""
        return self._ids.get(piece, self.unknown)

    def check(self, number: object) -> int:
        """Return an id that is in the vocabulary."""
        try:
            place = operator.index(None if isinstance(number, bool) else number)  # type: ignore[arg-type]
        except TypeError as error:
            kind = type(number).__name__
            raise TokenizerError(f"id: must be an int; got {kind} {number!r:.60}") from error
        if not 0 <= place < len(self.pieces):
            raise TokenizerError(f"id: must be from 0 to {len(self.pieces) - 1}; got {place}")
        return place

    def _named(self, piece: str, kind: PieceType) -> int:
        number = self.id(piece)
        return number if number >= 0 and self.types[number] is kind else -1
