"""From lists of ids of any length to a rectangle: read the options, pad, stack.

`plan_lengths` turns the options of a call into two numbers; truncation.py obeys the one, the
padding here the other. `stack` makes arrays. Called by tokenizer.py; knows ids, not text.

Source: transformers 4.57.6 and 5.23.0, tokenization_utils_base.py (options, pad, tensors);
tokenizers 0.23.3, utils/padding.rs.
"""

import itertools
import operator
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tokenizers_py.calls.encoding import BatchEncoding as BatchEncoding  # where it was before
from tokenizers_py.calls.token_table import plain
from tokenizers_py.errors import TokenizerError

PADDINGS = (False, True, "longest", "max_length", "do_not_pad")
TRUNCATIONS = (
    *(None, False, True),
    *("longest_first", "only_first", "only_second", "do_not_truncate"),
)
SIDES = ("right", "left")
UNLIMITED = int(1e20)  # a model_max_length above this means that there is none
MAX_PADDED = 2**24  # no model has room for as many tokens; more would only fill the memory


def plan_lengths(
    padding: bool | str,
    truncation: bool | str | None,
    max_length: int | None,
    model_max_length: int,
    verbose: bool = True,
) -> tuple[int | str | None, int | None]:
    """Read the options of a call as (length to pad to, length to cut to); None for neither.

    The length to pad to is a number or "longest". `max_length` alone, with nothing else said,
    cuts. Without it the model's length counts, and where there is none nothing is done.

    >>> plan_lengths("max_length", True, None, 77), plan_lengths(True, None, None, 77)
    ((77, 77), ('longest', None))
    >>> plan_lengths(False, None, 5, 77)
    (None, 5)
    """
    check_option("padding", padding, PADDINGS)
    check_option("truncation", truncation, TRUNCATIONS)
    if max_length is not None:
        max_length = check_length(max_length)
    pads = padding not in (False, "do_not_pad")
    cuts = truncation not in (None, False, "do_not_truncate")
    if max_length is not None and truncation is None and padding is False:
        cuts = True
    if verbose and max_length is not None and pads and padding != "max_length" and not cuts:
        warn(
            "max_length changes nothing here: padding='max_length' or truncation=True would use it"
        )
    limit = max_length
    if limit is None and model_max_length <= UNLIMITED:
        limit = model_max_length
    if verbose and limit is None and (cuts or padding == "max_length"):
        warn("nothing is cut or padded to a length: no max_length, and the tokenizer has none")
    pad_to = (limit if padding == "max_length" else "longest") if pads else None
    return pad_to, limit if cuts else None


def padded_length(lengths: Sequence[int], pad_to: int | str | None, multiple: int | None) -> int:
    """Give the length that rows are padded to; 0 for no padding.

    Trap: `pad_to_multiple_of` rounds up even what max_length says, and does nothing alone.

    Raises:
        TokenizerError: rows would be padded to more than MAX_PADDED tokens.

    >>> padded_length([3, 5], "longest", 8), padded_length([3, 5], 7, None)
    (8, 7)
    """
    if pad_to is None:
        return 0
    longest = max(lengths, default=0)
    length = longest if isinstance(pad_to, str) else pad_to
    length += -length % multiple if multiple else 0
    if length > max(longest, MAX_PADDED):
        raise TokenizerError(
            f"padding: rows of {length} tokens, of which at most {longest} are text; max_length and "
            f"pad_to_multiple_of may pad to {MAX_PADDED} at most"
        )
    return length


def pad_rows(rows: Sequence[list[Any]], fill: Any, length: int, side: str) -> list[list[Any]]:
    """Fill rows up to a length, at one side; longer rows stay as they are.

    >>> pad_rows([[1], [1, 2, 3]], 0, 2, "left")
    [[0, 1], [1, 2, 3]]
    """
    if not length:
        return list(rows)
    if side == "left":
        return [[*[fill] * (length - len(row)), *row] for row in rows]
    return [[*row, *[fill] * (length - len(row))] for row in rows]


def pad_array(
    rows: Sequence[list[int]], fill: int, length: int, side: str
) -> npt.NDArray[np.int64]:
    """Make what `pad_rows` and `stack` make together, (B, L), but faster.

    No row may be longer than `length`.

    >>> pad_array([[1], [2, 3]], 9, 3, "right").tolist()
    [[1, 9, 9], [2, 3, 9]]
    """
    sizes = [*map(len, rows)]
    array = np.full((len(rows), length), fill, np.int64)
    flat = itertools.chain.from_iterable(rows)
    array[filled(sizes, length, side)] = np.fromiter(flat, np.int64, sum(sizes))
    return array


def filled(sizes: Sequence[int], length: int, side: str) -> npt.NDArray[np.bool_]:
    """Mark where rows of these sizes have tokens, (B, L), when they are padded to a length."""
    ends = np.array(sizes, dtype=np.int64)[:, None]
    places = np.arange(length)
    marks: npt.NDArray[np.bool_] = places >= length - ends if side == "left" else places < ends
    return marks


def stack(values: Sequence[Any], return_tensors: str | None, name: str = "input_ids") -> Any:
    """Make an int64 array ("np") or tensor ("pt") of rows, or leave them as lists (None).

    Rows of several lengths become an array of arrays, as upstream; there is no such tensor.

    Raises:
        TokenizerError: The rows of a tensor differ in length, something is no number, "pt" is
            asked for without torch installed, or `return_tensors` is something else.
    """
    check_option("return_tensors", return_tensors, (None, "np", "pt"))
    if return_tensors is None:
        return values
    lengths = {len(row) for row in values if isinstance(row, Sequence)}
    try:
        if len(lengths) > 1 and return_tensors == "np":
            ragged = np.empty(len(values), dtype=object)
            ragged[:] = [np.array(row, dtype=np.int64) for row in values]
            return ragged
        if len(lengths) > 1:
            raise TokenizerError(
                f"{name}: rows of {min(lengths)} to {max(lengths)} tokens make no tensor; pass "
                "padding=True, and truncation=True where a row is longer than max_length"
            )
        array = np.array(values, dtype=np.int64)
    except (ValueError, TypeError, OverflowError) as error:
        if isinstance(error, TokenizerError):
            raise
        raise TokenizerError(f"{name}: makes no array of whole numbers: {error}") from error
    return array if return_tensors == "np" else tensor(array)


def pad_batch(
    encoded: object,
    fill: Mapping[str, int],
    pad_to: int | str | None,
    multiple: int | None,
    side: str,
    masked: bool,
    return_tensors: str | None,
) -> dict[str, Any]:
    """Pad a dict of columns, or a list of dicts of one row each; see `TokenizerCalls.pad`."""
    columns, kind = _columns(encoded)
    tensors = kind if return_tensors is None else return_tensors
    rows = columns["input_ids"]
    flat = not (rows and isinstance(rows[0], list))
    if flat:
        columns = {name: [column] for name, column in columns.items()}
    if masked and "attention_mask" not in columns:
        columns["attention_mask"] = [[1] * len(row) for row in columns["input_ids"]]
    known = [name for name in columns if name in fill]
    sizes = [*map(len, columns["input_ids"])]
    for name in known:
        if any(not isinstance(row, list) for row in columns[name]) or sizes != [
            *map(len, columns[name])
        ]:
            raise TokenizerError(f"pad: input_ids and {name} differ in their lengths")
    length = padded_length(sizes, pad_to, multiple) if rows else 0
    for name in known:
        columns[name] = pad_rows(columns[name], fill[name], length, side)
    return {
        name: stack(column[0] if flat else column, tensors, name)
        for name, column in columns.items()
    }


def _columns(encoded: object) -> tuple[dict[str, Any], str | None]:
    """Read what `pad` is given as columns of lists; and say "np" or "pt" if the ids were such."""
    rows = [encoded] if isinstance(encoded, Mapping) else encoded
    if (
        not isinstance(rows, list | tuple)
        or not rows
        or not all(isinstance(row, Mapping) and "input_ids" in row for row in rows)
    ):
        raise TokenizerError("pad: needs a dict, or a list of dicts, that has input_ids")
    ids = rows[0]["input_ids"]
    if isinstance(ids, list | tuple) and ids and hasattr(ids[0], "tolist"):
        ids = ids[0]
    kind = "np" if isinstance(ids, np.ndarray) else "pt" if hasattr(ids, "tolist") else None
    if any(not isinstance(plain(row["input_ids"]), list) for row in rows):
        raise TokenizerError("pad: input_ids must be a list of ids, or of rows of ids")
    if isinstance(encoded, Mapping):
        return {name: plain(column) for name, column in encoded.items()}, kind
    if any(row.keys() != rows[0].keys() for row in rows):
        raise TokenizerError("pad: the dicts differ in their keys")
    return {name: [plain(row[name]) for row in rows] for name in rows[0]}, kind


def tensor(array: npt.NDArray[np.int64]) -> Any:
    """Make a torch tensor that shares an array's memory."""
    try:
        import torch
    except ImportError as error:
        raise TokenizerError('return_tensors="pt" needs torch; install it or use "np"') from error
    return torch.from_numpy(array)


def check_length(value: object, name: str = "max_length", least: int = 1) -> int:
    """Return `value` as an int of `least` or more."""
    try:
        length = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        length = least - 1
    if length < least or isinstance(value, bool):
        raise TokenizerError(
            f"{name}: must be a whole number of {least} or more; got {value!r:.60}"
        )
    return length


def check_side(value: object, name: str = "padding_side") -> str:
    """Return `value` when it is a side to pad or to cut at."""
    check_option(name, value, SIDES)
    return str(value)


def check_option(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """Raise a TokenizerError that lists the choices, unless `value` is one of them."""
    if not any(isinstance(value, type(one)) and value == one for one in allowed):
        choices = ", ".join(repr(one) for one in allowed)
        raise TokenizerError(f"{name}: must be one of {choices}; got {value!r:.60}")


def warn(message: str) -> None:
    """Warn about the line that called into this package, however deep we are in it."""
    depth, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("tokenizers_py"):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=depth)
