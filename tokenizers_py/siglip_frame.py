"""SigLIP's special tokens: one end token after each text, but not after one that has it already.

Made by siglip.py; what a frame is stands in calls/template.py.

Source: transformers 5.23.0, models/siglip/tokenization_siglip.py, _add_eos_if_not_present.
"""

from typing import Any

from tokenizers_py.calls.batching import warn
from tokenizers_py.calls.pieces import Piece
from tokenizers_py.calls.template import Frame


class EndOnce(Frame):
    """Puts an end token after each text that does not end with one already."""

    def around(self, first: list[Any], second: list[Any] | None) -> list[Any]:
        """Put the end tokens where they are missing."""
        texts = [first] if second is None else [first, second]
        if self.after and not all(map(self._end, texts)):
            warn("This sequence already has its end token, and gets no second one")
        return [token for text in texts for token in (*text, *self._end(text))]

    def types(self, first: list[Any], second: list[Any] | None) -> list[int]:
        """Give each token its type: SigLIP has one."""
        return [0] * len(self.sequence_ids(first, second))

    def sequence_ids(self, first: list[Any], second: list[Any] | None) -> list[int | None]:
        """Say which of the two texts each token is from; None for what was put in."""
        owners: list[int | None] = [0] * len(first) + [None] * len(self._end(first))
        if second is not None:
            owners += [1] * len(second) + [None] * len(self._end(second))
        return owners

    def _end(self, text: list[Any]) -> list[Any]:
        """Give what goes after a text: the end token, or nothing."""
        ended = text and self.after and _number(text[-1]) == _number(self.after[0])
        return [] if ended else self.after


def _number(token: Any) -> Any:
    return token.id if isinstance(token, Piece) else token
