"""The families' processors: a tokenizer and an image processor in one call.

The tokenizers are tokenizers_py's, the image processors images/'s; this file only splits the
arguments and joins the results. The models (models/) take what comes out as `model(**batch)`.
A family differs in the kinds of its two parts and in nothing else: read `Processor`, then the four
classes below it.

Source: transformers 4.57.6 and 5.23.0, processing_utils.py and models/*/processing_*.py.
"""

import copy
import inspect
import os
import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from refimpl.checkpoints.hub import resolve
from refimpl.errors import InputError
from refimpl.images import BatchFeature, ImageProcessor
from refimpl.images.auto import named_class
from refimpl.images.config_files import find_settings
from refimpl.images.settings import OPTIONS
from tokenizers_py.errors import TokenizerError

_IMAGE_OPTIONS = frozenset({*OPTIONS, "data_format", "input_data_format", "max_pixels"})

ProcessorT = TypeVar("ProcessorT", bound="Processor")


class Processor:
    """Texts and pictures to everything that a model takes.

    Args:
        image_processor: an image processor of images/, or what can be called like one.
        tokenizer: a tokenizer of tokenizers_py, or what can be called like one.
        feature_extractor: the old name of `image_processor`; warns.

    Raises:
        InputError: one of the two is missing.
    """

    image_processor_class: ClassVar[str]
    """Name in refimpl.images of what `from_pretrained` reads the image part with."""
    tokenizer_class: ClassVar[str]
    """Name in tokenizers_py of what it reads the text part with."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, *, feature_extractor: Any = None
    ) -> None:
        if feature_extractor is not None:
            warnings.warn(_OLD_NAME, FutureWarning, stacklevel=2)
            image_processor = feature_extractor if image_processor is None else image_processor
        for name, part in (("image_processor", image_processor), ("tokenizer", tokenizer)):
            if not callable(part):
                raise InputError(
                    f"{type(self).__name__}: {name} is missing or cannot be called; got {part!r}"
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
            images: what the image processor takes.
            text: a string or a list of strings (see the tokenizer).
            return_tensors: None for lists, "np" for numpy, "pt" for torch.
            **options: each goes to the part that knows it: `padding`, `truncation`, `max_length`,
                ... to the tokenizer, `size`, `do_resize`, ... to the image processor. Also
                `text_kwargs={...}` and `images_kwargs={...}`, for one part alone, and
                `common_kwargs={...}`, for `return_tensors`.

        Returns:
            The tokenizer's keys ("input_ids", "attention_mask", BERT's "token_type_ids") where
            there is text, then "pixel_values" where there are pictures.

        Raises:
            InputError: neither text nor images, an unknown option, or bad input to a part.
        """
        me = type(self).__name__
        if text is None and images is None:
            raise InputError(f"{me}: give text=..., images=... or both")
        _check_order(text)
        return_tensors = _common(me, options.pop("common_kwargs", None), return_tensors)
        for_text, for_images = _split(me, options, _text_options(self.tokenizer))
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
    def from_pretrained(
        cls: type[ProcessorT],
        folder: str | os.PathLike[str],
        *,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
        use_fast: bool | None = None,
        **overrides: Any,
    ) -> ProcessorT:
        """Read both parts of a checkpoint (a folder or a hub id), as transformers 4 or 5 wrote it.

        Args:
            folder: the folder, or a hub id.
            revision: branch, tag or commit on the hub.
            cache_dir: the hub's cache, if not the usual one.
            local_files_only: do not touch the network.
            token: what to log in with on the hub, if not the usual login; False: nothing.
            use_fast: changes nothing: profiles say whose results are wanted.
            **overrides: what wins over the files: options of the image processor, such as `size`,
                and `image_profile`, which is its `profile`; all else goes to the tokenizer, its
                own `profile` too.

        Raises:
            InputError: a part is missing or broken; the message names the file.
        """
        where = resolve(
            folder,
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            token=token,
            weights=False,
        )
        for_images = {name: overrides.pop(name) for name in OPTIONS if name in overrides}
        for_images["profile"] = overrides.pop("image_profile", None)
        image_part = _image_part(where, cls.image_processor_class)
        text_part = getattr(import_module("tokenizers_py"), cls.tokenizer_class)
        image_processor = image_part.from_pretrained(where, **for_images)
        try:
            return cls(image_processor, text_part.from_pretrained(where, **overrides))
        except TokenizerError as error:
            raise InputError(str(error)) from error

    def save_pretrained(self, folder: str | os.PathLike[str]) -> list[str]:
        """Write preprocessor_config.json and the tokenizer's files; give the paths written.

        preprocessor_config.json names this class too, so that `AutoProcessor` finds it.

        Raises:
            InputError: the folder cannot be written.
        """
        image_processor = self.image_processor
        if isinstance(image_processor, ImageProcessor):
            image_processor = copy.copy(image_processor)
            image_processor.extra = {
                **image_processor.extra,
                "processor_class": type(self).__name__,
            }
        try:
            written = self.tokenizer.save_pretrained(folder)
        except TokenizerError as error:
            raise InputError(str(error)) from error
        return [
            *image_processor.save_pretrained(folder),
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

    @property
    def feature_extractor(self) -> Any:
        """The old name of `image_processor`; warns."""
        warnings.warn(_OLD_NAME, FutureWarning, stacklevel=2)
        return self.image_processor

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.image_processor!r}, {self.tokenizer!r})"


class CLIPProcessor(Processor):
    """A `CLIPImageProcessor` and a `CLIPTokenizer` in one call."""

    image_processor_class = "CLIPImageProcessor"
    tokenizer_class = "AutoTokenizer"  # as upstream: the files say which, mostly CLIP's


class SiglipProcessor(Processor):
    """A `SiglipImageProcessor` and a `SiglipTokenizer` in one call.

    Trap: SigLIP was trained on texts padded to the full length: pass `padding="max_length"`.
    """

    image_processor_class = "SiglipImageProcessor"
    tokenizer_class = "AutoTokenizer"  # as upstream: the files say which, mostly SigLIP's


class ChineseCLIPProcessor(Processor):
    """A `ChineseCLIPImageProcessor` and a `BertTokenizer` in one call.

    Trap: pass the attention mask on to the model, or it reads the padding too.
    """

    image_processor_class = "ChineseCLIPImageProcessor"
    tokenizer_class = "BertTokenizer"


class VisionTextDualEncoderProcessor(Processor):
    """Any image processor and any tokenizer in one call: the parts that its two towers need."""

    image_processor_class = "AutoImageProcessor"
    tokenizer_class = "AutoTokenizer"


_OLD_NAME = "feature_extractor is the old name, which transformers 5 dropped: say image_processor"


def _image_part(where: Path, own: str) -> Any:
    """Give the class that the files name for pictures, as upstream does; else the family's own."""
    named = named_class(find_settings(where)[0])
    return getattr(import_module("refimpl.images"), own) if named is None else named


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


def _common(me: str, common: Any, return_tensors: Any) -> Any:
    """Give `return_tensors`, which is all that `common_kwargs` may hold."""
    if common is None:
        return return_tensors
    if not isinstance(common, Mapping) or not {"return_tensors"}.issuperset(common):
        raise InputError(
            f"{me}: common_kwargs is a dict that may hold return_tensors; got {common!r:.200}"
        )
    return common.get("return_tensors") if return_tensors is None else return_tensors


def _split(
    me: str, options: dict[str, Any], text_options: frozenset[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the options of the tokenizer and those of the image processor."""
    rest = dict(options)
    parts = []
    for group, known in (("text_kwargs", text_options), ("images_kwargs", _IMAGE_OPTIONS)):
        given = rest.pop(group, None)
        if not isinstance(given, (Mapping, type(None))):
            raise InputError(f"{me}: {group} must be a dict; got {given!r:.200}")
        own = dict(given or {})
        shared = {name: rest.pop(name) for name in known & set(rest)}
        twice = sorted(set(own) & set(shared))
        if twice:
            raise InputError(f"{me}: {twice} given alone and in {group}")
        unknown = sorted(map(str, set(own) - known - {"return_tensors"}))
        if unknown:
            raise InputError(f"{me}: unknown {unknown} in {group}; known: {sorted(known)}")
        parts.append({**shared, **own})
    if rest:
        raise InputError(
            f"{me}: unknown option {sorted(rest)}; for text: {sorted(text_options)}; "
            f"for images: {sorted(_IMAGE_OPTIONS)}"
        )
    return parts[0], parts[1]
