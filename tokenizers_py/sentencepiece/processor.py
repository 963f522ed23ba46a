"""SentencePieceProcessor: a model file, and the calls that upstream's Python package has for it.

A text is normalised (normalizer.py), cut into pieces (segmenters.py) and given out as ids, pieces
or pieces with places; calls/decoding.py is the way back. Names, options and defaults are upstream's, and
so are the names with capitals (EncodeAsIds). Used by tokenizers_py/siglip.py and by itself.

Source: google/sentencepiece 0.2.3, python/src/sentencepiece/__init__.py.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import FilePath
from tokenizers_py.lattice import Lattice
from tokenizers_py.sentencepiece.decoding import Decoder
from tokenizers_py.sentencepiece.encoder import Encoder, checked
from tokenizers_py.sentencepiece.model_file import (
    PieceType,
    SentencePieceModel,
    read_model,
    write_model,
)
from tokenizers_py.sentencepiece.piece_table import PieceTable
from tokenizers_py.sentencepiece.settings import Settings
from tokenizers_py.sentencepiece.upstream_names import (
    ENCODE,
    NBEST_ENCODE,
    NEW,
    SAMPLE_ENCODE,
    add_upstream_names,
    by_name,
)


class _Loaded(NamedTuple):
    model: SentencePieceModel
    table: PieceTable
    encoder: Encoder
    decoder: Decoder


class SentencePieceProcessor:
    """Encodes texts with a SentencePiece model, and decodes ids and pieces.

    Args:
        model_file: A `.model` file.
        model_proto: Or the bytes of one.
        options: Defaults for the calls below: `out_type`, `add_bos`, `add_eos`, `reverse`,
            `emit_unk_piece`, `enable_sampling`, `nbest_size`, `alpha`, `seed` (settings.py).
            `seed` is ours: a number, or a numpy Generator. Without it every run differs.

    Trap: sampling has the probabilities of upstream's, but not its random numbers.

    >>> from tokenizers_py.sentencepiece.model_file import SentencePiece
    >>> pieces = [("<unk>", 0.0, 2), ("▁a", -1.0, 1), ("b", -2.0, 1), ("▁ab", -2.5, 1)]
    >>> rows = tuple(SentencePiece(text, score, PieceType(kind)) for text, score, kind in pieces)
    >>> sp = SentencePieceProcessor(model_proto=write_model(SentencePieceModel(rows)))
    >>> sp.encode("ab ac"), sp.encode("ab ac", out_type=str), sp.decode([3, 1, 0])
    ([3, 1, 0], ['▁ab', '▁a', 'c'], 'ab a ⁇ ')
    >>> sp.nbest_encode("ab", nbest_size=2, out_type=str)
    [['▁ab'], ['▁a', 'b']]
    """

    def __init__(
        self,
        model_file: FilePath | None = None,
        model_proto: bytes | None = None,
        *places: Any,
        **options: Any,
    ) -> None:
        self._settings = Settings().changed(by_name(NEW, places, options))
        self._generator = np.random.default_rng(self._settings.seed)
        self._state: _Loaded | None = None
        if model_file or model_proto:
            self.load(model_file, model_proto)

    @classmethod
    def from_file(cls, model_file: FilePath, **options: Any) -> "SentencePieceProcessor":
        """Make a processor of a model file."""
        return cls(model_file, **options)

    @classmethod
    def from_proto(cls, model_proto: bytes, **options: Any) -> "SentencePieceProcessor":
        """Make a processor of the bytes of a model file."""
        return cls(model_proto=model_proto, **options)

    def load(self, model_file: FilePath | None = None, model_proto: bytes | None = None) -> bool:
        """Read a model file, or the bytes of one."""
        if (model_file is None) == (model_proto is None):
            raise TokenizerError("model_file, model_proto: give one of them")
        model = read_model(model_proto if model_file is None else model_file)  # type: ignore[arg-type]
        table = PieceTable(model)
        try:
            self._state = _Loaded(model, table, Encoder(model, table), Decoder(model, table))
        except TokenizerError as error:  # the rules are broken
            raise TokenizerError(f"{model_file or 'model'}: {error}") from error
        return True

    def load_from_file(self, filename: FilePath) -> bool:
        """Read a model file."""
        return self.load(model_file=filename)

    def load_from_serialized_proto(self, serialized: bytes) -> bool:
        """Read the bytes of a model file."""
        return self.load(model_proto=serialized)

    def serialized_model_proto(self) -> bytes:
        """Write the model as the bytes of a model file."""
        return write_model(self._loaded.model)

    def encode(self, input: str | Sequence[str], *places: Any, **options: Any) -> Any:
        """Cut a text into pieces, or each text of a list.

        Args:
            input: A text, or a list of texts.
            places: Options without their names, in upstream's order (upstream_names.py).
            options: As for the constructor; only for this call. `out_type` chooses what comes:
                `int` ids, `str` pieces, "numpy" an int32 array of ids, "offset_mapping" a dict of
                ids, pieces and offsets, "immutable_proto" an `EncodedText`, and "proto" too.
                Trap: in "proto" places are counted in bytes of UTF-8, as in upstream's messages.
        """
        options = by_name(ENCODE, places, options) if places else options
        settings = self._settings.changed(options) if options else self._settings
        generator = self._generator
        if options.get("seed") is not None:
            generator = np.random.default_rng(settings.seed)
        encoder = self._loaded.encoder
        if isinstance(input, list | tuple):
            return encoder.encode_all(input, settings, generator)
        return encoder.encode(input, settings, generator)  # type: ignore[arg-type]

    def nbest_encode(self, input: str | Sequence[str], *places: Any, **options: Any) -> Any:
        """Give the `nbest_size` best ways to cut a text, the best first. Unigram models only."""
        settings = self._settings.changed(by_name(NBEST_ENCODE, places, options))
        return _for_each(input, lambda text: self._loaded.encoder.n_best(text, settings))

    def sample_encode(self, input: str | Sequence[str], *places: Any, **options: Any) -> Any:
        """Cut a text at random: `encode` with `enable_sampling`. Places: nbest_size, alpha."""
        options = by_name(SAMPLE_ENCODE, places, options)
        return self.encode(input, **options, enable_sampling=True)

    def lattice(self, text: str) -> Lattice:
        """Lay out all ways to cut a text, with their scores. Unigram models only."""
        encoder = self._loaded.encoder
        return encoder.segmenter.lattice(encoder.normalizer(checked(text)))

    def normalize(self, input: str | Sequence[str], with_offsets: bool | None = None) -> Any:
        """Normalise texts; with offsets, also say where each character and the end come from."""
        normalizer = self._loaded.encoder.normalizer
        how: Callable[[str], Any] = normalizer.with_offsets if with_offsets else normalizer
        return _for_each(input, lambda text: how(checked(text)))

    def decode(
        self,
        input: Any,
        return_type: object = None,
        out_type: object = None,
        num_threads: object = None,
        thread_pool: object = None,
    ) -> Any:
        """Join ids or pieces to a text; lists of lists to a list of texts."""
        if {out_type, return_type} - {None, str}:
            raise TokenizerError(f"decode: gives str; got out_type {out_type or return_type!r:.60}")
        if isinstance(input, np.ndarray):
            input = input.tolist()
        if input is None or isinstance(input, str | int | np.integer):
            input = [] if input is None or input == "" else [input]
        if not isinstance(input, list | tuple):
            raise TokenizerError(f"decode: must get ids or pieces; got {type(input).__name__}")
        if input and isinstance(input[0], list | tuple | np.ndarray):
            return [self.decode(one) for one in input]
        if input and isinstance(input[0], str):
            pieces = [checked(piece, "piece") for piece in input]
            return self._loaded.decoder.text_of_pieces(pieces)
        return self._loaded.decoder.text_of_ids(map(self._loaded.table.check, input))

    def piece_to_id(self, piece: str | Sequence[str]) -> Any:
        """Look up the id of a piece, or of each of a list."""
        return _for_each(piece, lambda one: self._loaded.table.id(checked(one, "piece")))

    def id_to_piece(self, id: int | Sequence[int]) -> Any:
        """Look up the piece of an id, or of each of a list."""
        return self._look_up(id, lambda table, number: table.pieces[number])

    def get_score(self, id: int | Sequence[int]) -> Any:
        """Look up the score of a piece by its id, or of each of a list."""
        return self._look_up(id, lambda table, number: table.scores[number])

    def is_unknown(self, id: int | Sequence[int]) -> Any:
        """Say whether an id is the unknown one."""
        return self._look_up(id, lambda table, i: table.types[i] is PieceType.UNKNOWN)

    def is_control(self, id: int | Sequence[int]) -> Any:
        """Say whether an id is a start, an end, padding or another piece that is never text."""
        return self._look_up(id, lambda table, i: table.types[i] is PieceType.CONTROL)

    def is_unused(self, id: int | Sequence[int]) -> Any:
        """Say whether an id is switched off."""
        return self._look_up(id, lambda table, i: table.types[i] is PieceType.UNUSED)

    def is_byte(self, id: int | Sequence[int]) -> Any:
        """Say whether an id is a byte's."""
        return self._look_up(id, lambda table, i: table.types[i] is PieceType.BYTE)

    def get_piece_size(self) -> int:
        """Count the pieces."""
        return len(self._loaded.table)

    def unk_id(self) -> int:
        """Give the id of what is unknown; -1 if there is none."""
        return self._loaded.table.unk

    def bos_id(self) -> int:
        """Give the id of a text's start; -1 if there is none."""
        return self._loaded.table.bos

    def eos_id(self) -> int:
        """Give the id of a text's end; -1 if there is none."""
        return self._loaded.table.eos

    def pad_id(self) -> int:
        """Give the id of padding; -1 if there is none."""
        return self._loaded.table.pad

    def __len__(self) -> int:
        return self.get_piece_size()

    def __getitem__(self, piece: str | Sequence[str]) -> Any:
        return self.piece_to_id(piece)

    def __getstate__(self) -> dict[str, Any]:
        proto = self.serialized_model_proto() if self._state else None
        return {"settings": self._settings, "generator": self._generator, "proto": proto}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(model_proto=state["proto"])  # type: ignore[misc]
        self._settings, self._generator = state["settings"], state["generator"]

    @property
    def _loaded(self) -> _Loaded:
        if self._state is None:
            raise TokenizerError("no model: give model_file or model_proto, or call load")
        return self._state

    def _look_up(self, given: Any, look: Callable[[PieceTable, int], Any]) -> Any:
        table = self._loaded.table
        return _for_each(given, lambda number: look(table, table.check(number)))


def _for_each(given: Any, function: Callable[[Any], Any]) -> Any:
    """Apply a function to one thing, or to each of a list."""
    if isinstance(given, list | tuple):
        return [function(one) for one in given]
    return function(given)


add_upstream_names(SentencePieceProcessor)
