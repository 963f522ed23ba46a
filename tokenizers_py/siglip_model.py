"""SigLIP's SentencePiece model: cleaned text to pieces, plainly or behind "<unk>".

big_vision gives a text to the model file as it is. Transformers keeps the model's own treatment of
the first space away by encoding "<unk>" + text and dropping the first few tokens
(`marked_ids`). Made by siglip.py; the algorithms are in sentencepiece/.

Source: transformers 5.23.0, models/siglip/tokenization_siglip.py, _tokenize.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tokenizers_py.calls.pieces import Piece
from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import FilePath, read_bytes
from tokenizers_py.lattice import Candidate
from tokenizers_py.sentencepiece.decoding import Decoder
from tokenizers_py.sentencepiece.encoder import Encoder, checked
from tokenizers_py.sentencepiece.model_file import read_model
from tokenizers_py.sentencepiece.piece_table import PieceTable
from tokenizers_py.sentencepiece.segmenters import UnigramSegmenter
from tokenizers_py.text.alignment import AlignedText
from tokenizers_py.text.siglip_text import META_SPACE


class SiglipModel:
    """A model file, ready to encode and decode.

    Args:
        file: The SentencePiece model, "spiece.model".
        dummy_prefix: Whether the file decides about a "▁" before each text; else there is none.

    Raises:
        TokenizerError: The file is no SentencePiece model; names it, and says where.
    """

    def __init__(self, file: FilePath, dummy_prefix: bool) -> None:
        self.data = read_bytes(file)
        self._dummy_prefix = dummy_prefix
        try:
            self._make()
        except TokenizerError as error:
            raise TokenizerError(f"{file}: {error}") from error

    def _make(self) -> None:
        model = read_model(self.data)
        if not self._dummy_prefix:
            model = replace(model, normalizer=replace(model.normalizer, add_dummy_prefix=False))
        self.table = PieceTable(model)
        encoder = Encoder(model, self.table)
        self.decoder = Decoder(model, self.table)
        self._normalizer, self._segmenter = encoder.normalizer, encoder.segmenter
        self._marks: dict[str, int] = {}  # what was put in front: how many tokens that makes

    def __getstate__(self) -> tuple[bytes, bool]:
        return self.data, self._dummy_prefix

    def __setstate__(self, state: tuple[bytes, bool]) -> None:
        self.data, self._dummy_prefix = state
        self._make()

    def ids(self, text: str) -> list[int]:
        """Encode a text."""
        return self._segmenter.ids(self._normalizer(checked(text)))

    def pieces(self, text: AlignedText) -> list[Piece]:
        """Encode a text, and say where each token stands."""
        checked(text.text)
        text = self._normalizer.align(text)
        pieces: list[Piece] = []
        word = -1
        for part in self._segmenter.parts(text.text):
            word += part.piece.startswith(META_SPACE) or word < 0
            end = max(part.end, part.start + 1)  # a byte stands for its whole character
            pieces.append(Piece(part.piece, part.id, *text.span(part.start, end), word))
        return pieces

    def marked_ids(
        self, text: str, first: bool, mark: str, vocabulary: Mapping[str, int]
    ) -> list[int]:
        """Encode `mark` + text, and drop what `mark` makes; `first` puts a "▁" between them."""
        text = _marked(text, first, mark)
        ids = self._unmarked(self.ids(text), mark)
        if self.table.unknown not in ids:
            return ids
        # Upstream goes by way of the pieces' text, which for unknown characters is their own.
        parts = self._unmarked(self._segmenter.parts(self._normalizer(text)), mark)
        return [vocabulary.get(part.piece, self.table.unknown) for part in parts]

    def marked_pieces(
        self, text: AlignedText, first: bool, mark: str, vocabulary: Mapping[str, int]
    ) -> list[Piece]:
        """Encode like `marked_ids`, and say where each token stands; what is put in front: nowhere."""
        before = mark + META_SPACE if first else mark
        place = text.starts[0] if text.starts else 0
        end = len(text.text.rstrip())
        start = 0 if first else min(len(text.text) - len(text.text.lstrip()), end)
        text = text.part(start, end)
        places = [place] * len(before)
        text = AlignedText(before + text.text, places + text.starts, places + text.ends)
        pieces: list[Piece] = self._unmarked(self.pieces(text), mark)
        first_word = pieces[0].word or 0 if pieces else 0
        return [
            piece._replace(
                id=vocabulary.get(piece.token, piece.id)
                if piece.id == self.table.unknown
                else piece.id,
                word=(piece.word or 0) - first_word,
            )
            for piece in pieces
        ]

    def candidates(
        self, text: str, first: bool, mark: str | None
    ) -> tuple[str, tuple[Candidate, ...]]:
        """Give the text as the algorithm gets it, and every piece that may stand in it.

        `mark` is what stands in front, as in `marked_ids`; None for nothing. There are no
        candidates where the model is no unigram model.
        """
        text = self._normalizer(text if mark is None else _marked(text, first, mark))
        if not isinstance(self._segmenter, UnigramSegmenter) or not text:
            return text, ()
        return text, tuple(self._segmenter.lattice(text).candidates())

    def _unmarked(self, tokens: list[Any], mark: str) -> list[Any]:
        if mark not in self._marks:
            self._marks[mark] = len(self.ids(mark))
        length = self._marks[mark]
        return tokens[length:] if len(tokens) >= length else tokens


def _marked(text: str, first: bool, mark: str) -> str:
    """Put `mark` in front of a text, and "▁" between them where the text is the beginning."""
    return mark + (META_SPACE + text if first else text).strip()
