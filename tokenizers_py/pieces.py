"""What a tokenizer says about one token, beyond its id.

Made by each model's tokenizer (`_segment_pieces`), put together by calls.py, shown by `explain`.
"""

from typing import NamedTuple


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
