"""From lists of ids of any length to a rectangle: cut, pad, stack.

`plan_lengths` turns the options of a call into two numbers, `truncate` and `pad_columns` obey
them, `stack` makes arrays. Called by clip.py; knows ids, not text.

Source: transformers 4.57.6, tokenization_utils_base.py (options); openai/CLIP d05afc4,
clip/clip.py, tokenize (the end token stays last).
"""

import operator
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tokenizers_py.errors import TokenizerError

PADDINGS = (False, True, "longest", "max_length", "do_not_pad")
TRUNCATIONS = (None, False, True, "longest_first", "only_first", "do_not_truncate")
UNLIMITED = int(1e20)  # a model_max_length above this means that there is none


class BatchEncoding(dict[str, Any]):
    """What a tokenizer returns: a dict whose entries are attributes too.

    >>> BatchEncoding(input_ids=[1, 2]).input_ids
    [1, 2]
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no {name!r} here; there is {', '.join(self)}") from None


def plan_lengths(
    padding: bool | str,
    truncation: bool | str | None,
    max_length: int | None,
    model_max_length: int,
) -> tuple[int | str | None, int | None]:
    """Read the options of a call as (length to pad to, length to cut to); None for neither.

    The length to pad to is a number or "longest". `max_length` alone, with nothing else said,
    cuts. Without it the model's length counts, and where there is none nothing is done.

    >>> plan_lengths("max_length", True, None, 77), plan_lengths(True, None, None, 77)
    ((77, 77), ('longest', None))
    >>> plan_lengths(False, None, 5, 77)
    (None, 5)
    """
    _check_option("padding", padding, PADDINGS)
    _check_option("truncation", truncation, TRUNCATIONS)
    if max_length is not None:
        max_length = check_length(max_length)
    pads = padding not in (False, "do_not_pad")
    cuts = truncation not in (None, False, "do_not_truncate")
    if max_length is not None and truncation is None and padding is False:
        cuts = True
    if max_length is not None and pads and padding != "max_length" and not cuts:
        _warn(
            "max_length changes nothing here: padding='max_length' or truncation=True would use it"
        )
    limit = max_length
    if limit is None and model_max_length <= UNLIMITED:
        limit = model_max_length
    if limit is None and (cuts or padding == "max_length"):
        _warn("nothing is cut or padded to a length: no max_length, and the tokenizer has none")
    pad_to = (limit if padding == "max_length" else "longest") if pads else None
    return pad_to, limit if cuts else None


def truncate(ids: list[int], length: int | None, end_id: int | None = None) -> list[int]:
    """Cut ids to a length; the last one kept becomes `end_id`, where there is one.

    >>> truncate([7, 1, 2, 3, 9], 4, end_id=9)
    [7, 1, 2, 9]
    """
    if length is None or len(ids) <= length:
        return ids
    return ids[:length] if end_id is None else [*ids[: length - 1], end_id]


def pad_columns(
    columns: Mapping[str, list[list[int]]],
    fill: Mapping[str, int],
    pad_to: int | str | None,
    side: str,
) -> dict[str, list[list[int]]]:
    """Fill the rows of each column up to one length, at one side; longer rows stay as they are.

    >>> pad_columns({"mask": [[1], [1, 1]]}, {"mask": 0}, "longest", "right")
    {'mask': [[1, 0], [1, 1]]}
    """
    if pad_to is None:
        return dict(columns)
    check_side(side)
    padded: dict[str, list[list[int]]] = {}
    for name, rows in columns.items():
        longest = max((len(row) for row in rows), default=0)
        length = longest if isinstance(pad_to, str) else pad_to
        padded[name] = []
        for row in rows:
            filling = [fill[name]] * (length - len(row))
            padded[name].append([*row, *filling] if side == "right" else [*filling, *row])
    return padded


def stack(values: Sequence[Any], return_tensors: str | None, name: str = "input_ids") -> Any:
    """Make an int64 array ("np") or tensor ("pt") of rows, or leave them as lists (None).

    Raises:
        TokenizerError: The rows differ in length, "pt" is asked for without torch installed, or
            `return_tensors` is something else.
    """
    _check_option("return_tensors", return_tensors, (None, "np", "pt"))
    if return_tensors is None:
        return values
    lengths = {len(row) for row in values if isinstance(row, Sequence)}
    if len(lengths) > 1:
        raise TokenizerError(
            f"{name}: rows of {min(lengths)} to {max(lengths)} tokens make no array; pass "
            "padding=True, and truncation=True where a row is longer than max_length"
        )
    try:
        array = np.array(values, dtype=np.int64)
    except (ValueError, TypeError, OverflowError) as error:
        raise TokenizerError(f"{name}: makes no array of whole numbers: {error}") from error
    if return_tensors == "np":
        return array
    try:
        import torch
    except ImportError as error:
        raise TokenizerError('return_tensors="pt" needs torch; install it or use "np"') from error
    return torch.from_numpy(array)


def check_length(value: object, name: str = "max_length") -> int:
    """Return `value` as an int of 1 or more."""
    try:
        length = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        length = 0
    if length < 1 or isinstance(value, bool):
        raise TokenizerError(f"{name}: must be a whole number of 1 or more; got {value!r:.60}")
    return length


def check_side(value: object) -> str:
    """Return `value` when it is a side to pad at."""
    _check_option("padding_side", value, ("right", "left"))
    return str(value)


def _check_option(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if not any(isinstance(value, type(one)) and value == one for one in allowed):
        choices = ", ".join(repr(one) for one in allowed)
        raise TokenizerError(f"{name}: must be one of {choices}; got {value!r:.60}")


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=4)
