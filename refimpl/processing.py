"""CLIP's processor: a tokenizer and an image processor in one call.

The tokenizer is tokenizers_py's, the image processor images/clip.py's; this file only splits the
arguments and joins the results. The models (models/) take what comes out as `model(**batch)`.
"""

import inspect
import os
from typing import Any

from refimpl.checkpoints.hub import resolve
from refimpl.errors import InputError
from refimpl.images import BatchFeature, CLIPImageProcessor
from refimpl.images.settings import CLIP_DEFAULTS
from tokenizers_py.errors import TokenizerError

_IMAGE_OPTIONS = frozenset({*CLIP_DEFAULTS, "data_format", "input_data_format", "max_pixels"})


class CLIPProcessor:
    """Texts and pictures to everything that a CLIP model takes.

    Args:
        image_processor: a `CLIPImageProcessor`, or what can be called like one.
        tokenizer: a `tokenizers_py.CLIPTokenizer`, or what can be called like one.

    Raises:
        InputError: one of the two is missing.
    """

    def __init__(self, image_processor: Any = None, tokenizer: Any = None) -> None:
        for name, part in (("image_processor", image_processor), ("tokenizer", tokenizer)):
            if not callable(part):
                raise InputError(
                    f"CLIPProcessor: {name} is missing or cannot be called; got {part!r}"
                )
        self.image_processor = image_processor
        self.tokenizer = tokenizer

    def __call__(
        self,
        images: Any = None,
        text: Any = None,
        return_tensors: Any = None,
        **options: Any,
    ) -> BatchFeature:
        """Prepare texts, pictures or both.

        Always name the arguments: the positional order is (images, text) as in transformers 4.57
        and 5, but was (text, images) before.

        Args:
            images: what `CLIPImageProcessor` takes.
            text: a string or a list of strings (see the tokenizer).
            return_tensors: None for lists, "np" for numpy, "pt" for torch.
            **options: each goes to the part that knows it: `padding`, `truncation`, `max_length`,
                ... to the tokenizer, `size`, `do_resize`, ... to the image processor. Also
                `text_kwargs={...}` and `images_kwargs={...}`, for one part alone.

        Returns:
            The tokenizer's keys ("input_ids", "attention_mask") where there is text, then
            "pixel_values" where there are pictures.

        Raises:
            InputError: neither text nor images, an unknown option, or bad input to a part.
        """
        if text is None and images is None:
            raise InputError("CLIPProcessor: give text=..., images=... or both")
        _check_order(text)
        for_text, for_images = _split(options, _text_options(self.tokenizer))
        batch = BatchFeature()
        if text is not None:
            try:
                batch.update(self.tokenizer(text, **{"return_tensors": return_tensors, **for_text}))
            except TokenizerError as error:
                raise InputError(str(error)) from error
        if images is not None:
            arguments = {"return_tensors": return_tensors, **for_images}
            batch.update(self.image_processor(images, **arguments))
        return batch

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> "CLIPProcessor":
        """Read both parts of a checkpoint (a folder or a hub id), as transformers 4 or 5 wrote it.

        Raises:
            InputError: a part is missing or broken; the message names the file.
        """
        from tokenizers_py import CLIPTokenizer

        where = resolve(folder)
        image_processor = CLIPImageProcessor.from_pretrained(where)
        try:
            return cls(image_processor, CLIPTokenizer.from_pretrained(where))
        except TokenizerError as error:
            raise InputError(str(error)) from error

    def save_pretrained(self, folder: str | os.PathLike[str]) -> list[str]:
        """Write preprocessor_config.json and the tokenizer's files; give the paths written.

        Raises:
            InputError: the folder cannot be written.
        """
        try:
            written = self.tokenizer.save_pretrained(folder)
        except TokenizerError as error:
            raise InputError(str(error)) from error
        return [
            *self.image_processor.save_pretrained(folder),
            *(os.fspath(path) for path in written),
        ]

    def batch_decode(self, *args: Any, **kwargs: Any) -> Any:
        """Turn rows of token ids back into texts: the tokenizer's `batch_decode`."""
        return self.tokenizer.batch_decode(*args, **kwargs)

    def decode(self, *args: Any, **kwargs: Any) -> Any:
        """Turn token ids back into text: the tokenizer's `decode`."""
        return self.tokenizer.decode(*args, **kwargs)

    @property
    def model_input_names(self) -> list[str]:
        """The keys of a full batch, in order: the tokenizer's, then the image processor's."""
        names = [*self.tokenizer.model_input_names, *self.image_processor.model_input_names]
        return list(dict.fromkeys(names))


def _check_order(text: Any) -> None:
    """Refuse pictures in the place of text, which is what the older argument order leads to."""
    first = text[0] if isinstance(text, (list, tuple)) and text else text
    if hasattr(first, "shape") or hasattr(first, "convert"):
        raise InputError(
            f"text must be strings, got {type(first).__name__}: the positional order is "
            "(images, text); name the arguments"
        )


def _text_options(tokenizer: Any) -> frozenset[str]:
    """Give the names that the tokenizer can be called with, beside those that always go to it."""
    names = inspect.signature(tokenizer).parameters
    return frozenset(names) - {"text", "return_tensors", "args", "kwargs"}


def _split(
    options: dict[str, Any], text_options: frozenset[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the options of the tokenizer and those of the image processor."""
    rest = dict(options)
    parts = []
    for group, known in (("text_kwargs", text_options), ("images_kwargs", _IMAGE_OPTIONS)):
        own = dict(rest.pop(group, None) or {})
        shared = {name: rest.pop(name) for name in known & set(rest)}
        twice = sorted(set(own) & set(shared))
        if twice:
            raise InputError(f"CLIPProcessor: {twice} given alone and in {group}")
        unknown = sorted(set(own) - known - {"return_tensors"})
        if unknown:
            raise InputError(f"CLIPProcessor: unknown {unknown} in {group}; known: {sorted(known)}")
        parts.append({**shared, **own})
    if rest:
        raise InputError(
            f"CLIPProcessor: unknown option {sorted(rest)}; for text: {sorted(text_options)}; "
            f"for images: {sorted(_IMAGE_OPTIONS)}"
        )
    return parts[0], parts[1]
