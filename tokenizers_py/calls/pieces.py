"""What a tokenizer says about one token, beyond its id.

Made by each model's tokenizer (`_segment_pieces`), put together by tokenizer.py, shown by `explain`.
"""

from typing import Any, NamedTuple


class Piece(NamedTuple):
    """One token, and the stretch of text [start, end) that it stands for.

    `word` counts the words of the text from 0: tokens of one word were made together, and no
    merge or lattice reaches over a word's end. Special tokens have no word (None).
    """

    token: str
    id: int
    start: int
    end: int
    word: int | None


class ExplainedWord(NamedTuple):
    """One word on its way to tokens, for `explain`.

    `text` is the word as the algorithm gets it, from [start, end) of the given text. `decisions`
    are what the algorithm did, in order: bpe.Merge, wordpiece.Choice or lattice.Candidate.
    """

    text: str
    start: int
    end: int
    decisions: tuple[Any, ...]
    pieces: tuple[Piece, ...]
