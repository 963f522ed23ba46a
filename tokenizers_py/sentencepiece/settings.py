"""How a SentencePieceProcessor encodes: the options of its calls, with upstream's names.

Every option has a default, which the processor's constructor can change and each call again.
Used by processor.py.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from tokenizers_py.errors import TokenizerError

MAX_N_BEST = 512

Seed: TypeAlias = int | np.random.Generator | None

# "immutable_proto" is an older one, which counts places in characters; "proto" does in bytes.
OUT_TYPES = (int, str, "numpy", "offset_mapping", "proto", "immutable_proto")
_IGNORED = ("num_threads", "thread_pool")  # everything is done in the caller's thread


class Settings(NamedTuple):
    """The options of `encode`, `nbest_encode` and `sample_encode`."""

    out_type: object = int
    add_bos: bool = False
    add_eos: bool = False
    reverse: bool = False
    emit_unk_piece: bool = False
    enable_sampling: bool = False
    nbest_size: int = -1
    alpha: float = 0.1
    seed: Seed = None

    @property
    def plain(self) -> bool:
        """Whether ids and pieces are given out as they were found."""
        return not (self.add_bos or self.add_eos or self.reverse or self.emit_unk_piece)

    def changed(self, options: Mapping[str, Any]) -> "Settings":
        """Replace the options that are given and not None.

        >>> Settings().changed({"add_bos": True, "alpha": None}).add_bos
        True
        """
        given = {name: value for name, value in options.items() if value is not None}
        if "return_type" in given:
            if "out_type" in given:
                raise TokenizerError("return_type: out_type is its other name; give one of them")
            given["out_type"] = given.pop("return_type")
        for name in _IGNORED:
            given.pop(name, None)
        if unknown := given.keys() - set(self._fields):
            raise TokenizerError(f"{min(unknown)}: no such option; there are {self._fields}")
        return self._replace(**given).checked()

    def checked(self) -> "Settings":
        """Return these settings if they make sense.

        Raises:
            TokenizerError: The out_type is none of ours, or a size or alpha is no usable number.
        """
        if self.out_type not in OUT_TYPES:
            raise TokenizerError(
                f"out_type: must be int, str, 'numpy', 'offset_mapping' or 'proto'; "
                f"got {self.out_type!r:.60}"
            )
        if self.out_type in OUT_TYPES[3:] and not self.plain:
            raise TokenizerError(
                f"out_type {self.out_type!r}: add_bos, add_eos, reverse and emit_unk_piece are "
                "for ids and pieces"
            )
        if type(self.nbest_size) is not int or self.nbest_size > MAX_N_BEST:
            raise TokenizerError(
                f"nbest_size: must be an int up to {MAX_N_BEST}; got {self.nbest_size!r:.60}"
            )
        number = isinstance(self.alpha, int | float | np.floating)
        if not number or not math.isfinite(self.alpha) or self.alpha < 0:
            raise TokenizerError(f"alpha: must be a number from 0 on; got {self.alpha!r:.60}")
        if self.enable_sampling and self.nbest_size in (0, 1):
            raise TokenizerError(
                "nbest_size: to sample, give -1 (from all ways to cut the text) or 2 and more "
                f"(from the best ones); got {self.nbest_size}"
            )
        return self
