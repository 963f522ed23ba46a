"""Checking what callers hand to a model: one clear error instead of a wrong or cryptic result.

Called by models/ before the graph runs; the graph itself trusts its inputs.
"""

from typing import Any, Protocol, runtime_checkable

import numpy as np

from refimpl.devices import Place, on_host
from refimpl.errors import InputError
from refimpl.shapes import Array, Bool, Float, Int, Num


@runtime_checkable
class TextSizes(Protocol):
    """What the checks read of a text tower's config."""

    @property
    def vocab_size(self) -> int:
        """How many token ids there are, V."""

    @property
    def max_position_embeddings(self) -> int:
        """How many positions there are."""


@runtime_checkable
class PictureSizes(Protocol):
    """What the checks read of an image tower's config."""

    @property
    def num_channels(self) -> int:
        """Channels of a picture, C."""

    @property
    def image_size(self) -> int:
        """Height and width of a picture in pixels."""

    @property
    def patch_size(self) -> int:
        """Height and width of a patch in pixels."""


def check_ids(cfg: TextSizes, input_ids: Any) -> Int[Array, "B L"]:
    """Return token ids as (B, L) of int64; one text may come without the batch axis.

    Raises:
        InputError: no ids, not whole numbers, not in the vocabulary, or too long a text.
    """
    if input_ids is None:
        raise InputError("input_ids are missing: the text tower needs token ids of shape (B, L)")
    ids = as_array("input_ids", input_ids)
    if ids.dtype.kind not in "iu":
        raise InputError(f"input_ids must be whole numbers; got dtype {ids.dtype}")
    if ids.ndim not in (1, 2) or ids.shape[-1] == 0:
        raise InputError(f"input_ids must be (B, L) with L at least 1; got shape {ids.shape}")
    ids = ids.reshape(-1, ids.shape[-1]).astype(np.int64)
    longest = cfg.max_position_embeddings
    if ids.shape[1] > longest:
        raise InputError(
            f"input_ids have {ids.shape[1]} tokens, the model has positions for {longest} "
            "(max_position_embeddings); tokenize with truncation=True"
        )
    check_range("input_ids", ids, cfg.vocab_size, "vocab_size")
    return ids


def check_position_ids(
    cfg: TextSizes, position_ids: Any, shape: tuple[int, ...]
) -> Int[Array, "#B L"] | None:
    """Return position ids as (1, L) or (B, L) of int64, or None if there are none."""
    if position_ids is None:
        return None
    ids = as_array("position_ids", position_ids)
    if ids.ndim == 1:
        ids = ids[None]
    if ids.dtype.kind not in "iu" or ids.ndim != 2 or ids.shape not in (shape, (1, shape[1])):
        raise InputError(
            f"position_ids must be whole numbers of shape {(1, shape[1])} or {shape}; "
            f"got {ids.dtype} of shape {ids.shape}"
        )
    check_range("position_ids", ids, cfg.max_position_embeddings, "max_position_embeddings")
    return ids.astype(np.int64)


def check_attention_mask(mask: Any, shape: tuple[int, ...]) -> Bool[Array, "B L"] | None:
    """Return a mask as (B, L) of bool, true where it is 1; None if there is none."""
    if mask is None:
        return None
    array = as_array("attention_mask", mask)
    if array.ndim == 1:
        array = array[None]
    if array.shape != shape:
        raise InputError(
            f"attention_mask must have the shape of input_ids, {shape}; got {array.shape}"
        )
    return as_flags("attention_mask", array)


def check_pixels(
    cfg: PictureSizes, pixel_values: Any, place: Place, interpolate: Any
) -> Float[Array, "B C Y X"]:
    """Return pixels as (B, channels, height, width) in the model's dtype.

    Floats that are on the model's device are checked there; they do not pass through the host.

    Raises:
        InputError: no pixels, not four axes, wrong channels, wrong size without interpolation,
            numbers that are not finite in that dtype, or `interpolate` is no switch.
    """
    interpolate = check_switch("interpolate_pos_encoding", interpolate)
    if pixel_values is None:
        raise InputError(
            "pixel_values are missing: the image tower needs pixels of shape (B, C, H, W)"
        )
    pixels = as_numbers("pixel_values", pixel_values, place)
    shape = tuple(pixels.shape)
    if kind(pixels) not in "fiu" or pixels.ndim != 4:
        raise InputError(
            f"pixel_values must be numbers of shape (B, {cfg.num_channels}, height, width); "
            f"got {pixels.dtype} of shape {shape}"
        )
    if shape[1] != cfg.num_channels:
        last = " Channels seem to come last." if shape[3] == cfg.num_channels else ""
        raise InputError(
            f"pixel_values must have {cfg.num_channels} channels on axis 1; got shape {shape}.{last}"
        )
    _check_picture_size(cfg, shape[2], shape[3], interpolate)
    return place.finite("pixel_values", pixels)


def check_head_mask(
    head_mask: Any, layers: int, heads: int, place: Place
) -> Float[Array, "N H"] | None:
    """Return the weights of the heads as (layers, heads); (heads,) is for every layer alike."""
    if head_mask is None:
        return None
    array = as_array("head_mask", head_mask)
    if array.shape not in ((heads,), (layers, heads)):
        raise InputError(
            f"head_mask must have shape {(heads,)} or {(layers, heads)}; got {array.shape}"
        )
    return place.finite("head_mask", np.broadcast_to(array, (layers, heads)))


def check_masked_patches(
    cfg: PictureSizes,
    masked: Any,
    pixels: Float[Array, "B C Y X"],
    has_mask_token: bool,
    place: Place,
) -> Float[Array, "B P"] | None:
    """Return which patches the mask token replaces, 1 where it does, in the model's dtype.

    Raises:
        InputError: not one flag for each patch, or the model has no mask token.
    """
    if masked is None:
        return None
    array = as_array("bool_masked_pos", masked)
    patches = (pixels.shape[2] // cfg.patch_size) * (pixels.shape[3] // cfg.patch_size)
    if array.shape != (len(pixels), patches):
        raise InputError(
            f"bool_masked_pos must be true or false for each patch, {(len(pixels), patches)}; "
            f"got shape {array.shape}"
        )
    flags = as_flags("bool_masked_pos", array)
    if not has_mask_token:
        raise InputError("bool_masked_pos: this model has no mask token (use_mask_token=True)")
    return place.finite("bool_masked_pos", flags)


def check_labels(labels: Any, logits: Num[Array, "B N"]) -> Num[Array, "..."]:
    """Return labels as an array with one entry for each picture."""
    array = as_array("labels", labels)
    if not len(logits):
        raise InputError("labels came without pictures: there is no loss of none")
    if array.shape[:1] != logits.shape[:1]:
        raise InputError(
            f"labels must have one entry for each of {logits.shape[0]} pictures; "
            f"got shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise InputError("labels hold NaN or infinity")
    return array


def check_pairs(logits_per_text: Float[Array, "T I"]) -> Float[Array, "B B"]:
    """Return the logits if a loss over pairs can be taken of them."""
    texts, images = logits_per_text.shape
    if texts != images or not texts:
        raise InputError(
            f"return_loss needs pairs, as many texts as pictures; got {texts} texts and "
            f"{images} pictures"
        )
    return logits_per_text


def _check_picture_size(cfg: PictureSizes, height: int, width: int, interpolate: bool) -> None:
    size, patch = cfg.image_size, cfg.patch_size
    if not interpolate and (height, width) != (size, size):
        raise InputError(
            f"pixel_values are {height}×{width}, the model takes {size}×{size}; resize them, or "
            "pass interpolate_pos_encoding=True"
        )
    if height < patch or width < patch:
        raise InputError(
            f"pixel_values are {height}×{width}, less than one patch of {patch}×{patch}"
        )


def check_range(name: str, ids: Int[Array, "B L"], limit: int, why: str) -> None:
    """Check that ids lie from 0 to `limit` - 1; `why` says what sets the limit.

    Raises:
        InputError: one does not.
    """
    if ids.size and (ids.min() < 0 or ids.max() >= limit):
        bad = ids[(ids < 0) | (ids >= limit)][0]
        raise InputError(f"{name} must lie from 0 to {limit - 1} ({why} {limit}); got {bad}")


def check_switch(name: str, value: Any) -> bool:
    """Return a switch as a bool; None is off.

    Raises:
        InputError: it is not true or false; "no" or an array would count as true.
    """
    if value is not None and not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name} must be True, False or None; got {value!r:.60}")
    return bool(value)


def as_flags(name: str, array: Num[Array, "..."] | Bool[Array, "..."]) -> Bool[Array, "..."]:
    """Turn an array of 0 and 1, of whatever dtype, into one of bool.

    Trap: a mask that is added to the scores, 0 where a token is seen and −10⁹ or −∞ where not,
        would be read the wrong way round.

    Raises:
        InputError: it holds something else.
    """
    other = array[(array != 0) & (array != 1)]
    if other.size:
        raise InputError(f"{name} must be true or false, 1 or 0, everywhere; got {other[0]}")
    return array.astype(bool)


def as_numbers(name: str, value: Any, place: Place) -> Num[Array, "..."] | Bool[Array, "..."]:
    """Turn lists and arrays into a numpy array; but floats on the model's device stay there.

    Raises:
        InputError: it cannot be read as one, or holds something else.
    """
    return value if place.holds(value) else as_array(name, value)


def kind(array: Num[Array, "..."] | Bool[Array, "..."]) -> str:
    """Tell the kind of numbers as numpy does, "f" for floats; tensors are let in as floats only."""
    return getattr(array.dtype, "kind", "f")


def as_array(name: str, value: Any) -> Num[Array, "..."] | Bool[Array, "..."]:
    """Turn lists, and arrays and tensors of other libraries, into a numpy array of numbers.

    A tensor may be on any device and need a gradient; its bfloat16 becomes float32.

    Raises:
        InputError: it cannot be read as one, or holds something else.
    """
    try:
        array = np.asarray(on_host(value))
    except Exception as error:  # whatever another library's own __array__ may raise
        raise InputError(f"{name} cannot be read as an array: {error}") from error
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name} must be numbers; got dtype {array.dtype}")
    return array
