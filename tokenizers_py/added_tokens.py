"""Tokens that are found in a text before any algorithm sees it: special ones and added ones.

Used by calls.py, which cuts each text at them; read and written by pretrained.py.

Source: tokenizers 0.23.3 (AddedToken, AddedVocabulary); transformers 4.57.6,
tokenization_utils.py (Trie).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class AddedToken:
    """A token that is matched as it stands, with what is swallowed around it.

    Args:
        content: The token's text.
        single_word: Match it only where it is no part of a longer word.
        lstrip: Take the whitespace before it along.
        rstrip: Take the whitespace after it along.
        normalized: Match it in the normalised text (and normalise the token itself).
        special: A mark of the format (start, end, ...): `skip_special_tokens` leaves it out.
    """

    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = True
    special: bool = False

    def __str__(self) -> str:
        return self.content
