"""Rows of ids or pieces to what a batch holds: columns of numbers, and the `Encoding`s behind.

The last step of a call (tokenizer.py): special tokens go around each row, all is padded to one length
and made arrays where they are asked for.

Source: transformers 5.23.0, tokenization_utils_tokenizers.py (_convert_encoding, the order of
the columns); tokenizers 0.23.3, tokenizer/encoding.rs (pad).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tokenizers_py.calls.batching import filled, pad_array, pad_rows, stack, tensor
from tokenizers_py.calls.encoding import Encoding
from tokenizers_py.calls.pieces import Piece
from tokenizers_py.calls.plan import CallPlan, Row
from tokenizers_py.calls.template import Frame

NO_PLACE = (0, 0)  # the offsets of what stands for no text


def lay_out(
    rows: Sequence[Row],
    ids: Sequence[list[int]],
    plan: CallPlan,
    fill: Mapping[str, int],
    wanted: Mapping[str, bool],
    tensors: str | None,
) -> dict[str, Any]:
    """Make the columns that are wanted, in upstream's order; `ids` has special tokens already."""
    sizes = [*map(len, ids)]
    length = plan.length(sizes)
    quick = bool(tensors and length) and max(sizes, default=0) <= length

    def column(name: str, values: Sequence[list[int]]) -> Any:
        if quick:
            return _array(pad_array(values, fill[name], length, plan.pad_side), tensors)
        return stack(pad_rows(values, fill[name], length, plan.pad_side), tensors, name)

    columns = {"input_ids": column("input_ids", ids)}
    if wanted["token_type_ids"]:
        types = [plan.fitting(plan.frame, row).types(row.first, row.second) for row in rows]
        columns["token_type_ids"] = column("token_type_ids", types)
    if wanted["attention_mask"]:
        columns["attention_mask"] = (
            _array(filled(sizes, length, plan.pad_side).astype(np.int64), tensors)
            if quick
            else column("attention_mask", [[1] * size for size in sizes])
        )
    if wanted["special_tokens_mask"]:
        special = [[int(one is None) for one in owners] for owners in _owners(rows, plan)]
        columns["special_tokens_mask"] = column("special_tokens_mask", special)
    if wanted["offset_mapping"]:
        frame = _piece_frame(plan.frame, {})
        places = [[(p.start, p.end) for p in row] for row in plan.framed(frame, rows)]
        places = pad_rows(places, NO_PLACE, length, plan.pad_side)
        columns["offset_mapping"] = stack(places, tensors, "offset_mapping")
    if wanted["length"]:
        columns["length"] = stack([max(size, length) for size in sizes], tensors, "length")
    if wanted["overflow_to_sample_mapping"]:
        name = "overflow_to_sample_mapping"
        columns[name] = stack([row.sample for row in rows], tensors, name)
    return columns


def encodings(
    rows: Sequence[Row], plan: CallPlan, names: Mapping[int, str], padding: tuple[str, int]
) -> list[Encoding]:
    """Make what stands behind a batch, from rows of pieces.

    `names` has the special tokens by id; `padding` is the pad token and its id.
    """
    full = plan.framed(_piece_frame(plan.frame, names), rows)
    length = plan.length([*map(len, full)])
    pad = Piece(*padding, *NO_PLACE, None)
    full = pad_rows(full, pad, length, plan.pad_side)
    owners = pad_rows(_owners(rows, plan), None, length, plan.pad_side)
    return [
        Encoding(
            [piece.id for piece in pieces],
            [piece.token for piece in pieces],
            [(piece.start, piece.end) for piece in pieces],
            [piece.word for piece in pieces],
            owner,
            1 if row.second is None else 2,
        )
        for row, pieces, owner in zip(rows, full, owners, strict=True)
    ]


def only_ids(row: Row) -> Row:
    """Keep the ids of a row of pieces."""
    second = None if row.second is None else [piece.id for piece in row.second]
    return Row(row.sample, [piece.id for piece in row.first], second)


def _array(array: npt.NDArray[np.int64], tensors: str | None) -> Any:
    return tensor(array) if tensors == "pt" else array


def _owners(rows: Sequence[Row], plan: CallPlan) -> list[list[int | None]]:
    return [plan.fitting(plan.frame, row).sequence_ids(row.first, row.second) for row in rows]


def _piece_frame(frame: Frame, names: Mapping[int, str]) -> Frame:
    """Make the pieces that stand for a frame's ids."""
    parts = (frame.before, frame.between, frame.after)
    before, between, after = (
        [Piece(names.get(n, ""), n, *NO_PLACE, None) for n in part] for part in parts
    )
    return replace(frame, before=before, between=between, after=after)
