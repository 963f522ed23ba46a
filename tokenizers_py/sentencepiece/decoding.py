"""From pieces back to text: the way back of processor.py.

Pieces are joined and "▁" becomes a space. The space that the normaliser added in front is taken
away again, control pieces vanish, an unknown piece shows as " ⁇ ", and byte pieces are joined to
bytes, which are read as UTF-8.

Source: google/sentencepiece 0.2.3, src/sentencepiece_processor.cc, DecodeOptimized.
"""

import re
from collections.abc import Iterable

from tokenizers_py.sentencepiece.model_file import PieceType, SentencePieceModel
from tokenizers_py.sentencepiece.normalizer import SentencePieceNormalizer
from tokenizers_py.sentencepiece.piece_table import PieceTable
from tokenizers_py.sentencepiece.words import SPACE

_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # how "surrogateescape" shows a byte


def text_of_bytes(raw: bytes) -> str:
    r"""Read bytes as UTF-8; each byte that belongs to no character becomes U+FFFD.

    Trap: Python's `errors="replace"` puts one U+FFFD for all bytes of a broken character.

    >>> text_of_bytes(b"a\xe3\x81b")
    'a\ufffd\ufffdb'
    """
    return _NOT_UTF8.sub("\ufffd", raw.decode("utf-8", "surrogateescape"))


class Decoder:
    """Joins the pieces of one model.

    Trap: the first space is taken away where the normaliser adds one or removes extra ones; only
    where it removes extra ones, all spaces before the first letter are.
    """

    def __init__(self, model: SentencePieceModel, table: PieceTable) -> None:
        self._table = table
        self._unk_surface = model.trainer.unk_surface
        self._strip = model.normalizer.add_dummy_prefix or model.normalizer.remove_extra_whitespaces
        self._strip_all = model.normalizer.remove_extra_whitespaces
        spec = model.denormalizer
        self._denormalize = (
            SentencePieceNormalizer(spec) if spec and spec.precompiled_charsmap else None
        )

    def text_of_ids(self, ids: Iterable[int]) -> str:
        """Join the pieces of some ids."""
        pieces = self._table.pieces
        return self._text((pieces[number], number) for number in ids)

    def text_of_pieces(self, pieces: Iterable[str]) -> str:
        """Join pieces; a string that is no piece stands for itself."""
        return self._text((piece, self._table.id(piece)) for piece in pieces)

    def _text(self, pairs: Iterable[tuple[str, int]]) -> str:
        types = self._table.types
        text: list[str] = []
        raw = bytearray()
        at_start = True
        for piece, number in pairs:
            kind = types[number] if number >= 0 else PieceType.UNKNOWN
            if kind is PieceType.BYTE:
                raw.append(int(piece[3:5], 16))
                continue
            if raw:
                text.append(text_of_bytes(bytes(raw)))
                raw.clear()
                at_start = False
            if kind is PieceType.CONTROL:
                continue
            shown = piece
            if at_start and self._strip and piece.startswith(SPACE):
                shown = piece[1:]
                at_start = self._strip_all
            if kind is PieceType.UNKNOWN:
                is_named = number >= 0 and self._table.pieces[number] == piece
                text.append(self._unk_surface if is_named else piece)
            else:
                text.append(shown.replace(SPACE, " "))
            at_start = at_start and not text[-1]
        if raw:
            text.append(text_of_bytes(bytes(raw)))
        joined = "".join(text)
        return self._denormalize(joined) if self._denormalize else joined
