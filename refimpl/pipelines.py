"""Zero-shot image classification: pictures and label words in, sorted scores out.

`pipeline("zero-shot-image-classification")` gives a `ZeroShotImageClassificationPipeline`; with
no model named, one over the embedded model (demo/), which knows emoji and clean clip-art. Any of
the four families will do: auto.py finds the classes. prompts.py makes sentences of the labels.

Source: Transformers 4.57.6 and 5.23.0, pipelines/zero_shot_image_classification.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from refimpl.auto import (
    AutoImageProcessor,
    AutoModelForZeroShotImageClassification,
    AutoProcessor,
)
from refimpl.demo import model_folder
from refimpl.devices import on_host
from refimpl.errors import InputError
from refimpl.images.any_source import load_image
from refimpl.images.batch import stack
from refimpl.ops import softmax
from refimpl.pretrained import PreTrainedModel
from refimpl.processing import Processor
from refimpl.prompts import check_labels, fill_template
from refimpl.shapes import Array, Float
from tokenizers_py import AutoTokenizer
from tokenizers_py.errors import TokenizerError

DEFAULT_TEMPLATE = "This is a photo of {}."
TASKS = ("zero-shot-image-classification",)


def pipeline(task: str | None = None, model: Any = None, **options: Any) -> Any:
    """Build a pipeline by the name of its task.

    Args:
        task: "zero-shot-image-classification"; None is that one too.
        model: a folder, a hub id, or a loaded model; None takes the embedded one.
        **options: what the pipeline's class takes, such as `processor` or `batch_size`.

    Raises:
        InputError: the task is unknown, or the model cannot be loaded.
    """
    if task is not None and task not in TASKS:
        raise InputError(f"the task {task!r} is unknown; known is {', '.join(map(repr, TASKS))}")
    return ZeroShotImageClassificationPipeline(model, **options)


class ZeroShotImageClassificationPipeline:
    """Says which of some labels fits a picture best.

    Args:
        model: a folder, a hub id, or a loaded model; None takes the embedded one.
        tokenizer: a tokenizer, or where to read it; by default the model's folder.
        image_processor: an image processor, or where to read it; by default the model's folder.
        processor: both of them in one, instead, or where to read it.
        feature_extractor: the old name of `image_processor`.
        batch_size: how many pictures the image tower sees at once.
        **options: how a model is loaded, such as `revision` or `dtype` (see its
            `from_pretrained`); not for a loaded one. `model_kwargs` are more of the same. `token`,
            `cache_dir` and `local_files_only` also hold for parts that are named; `revision` is
            the model's own. `device` is where torch computes: "cuda", "cpu", the number of a GPU;
            None and upstream's -1 are numpy. `torch_dtype` is `dtype`. `use_fast`, `framework`
            and `num_workers` change nothing.

    Raises:
        InputError: something cannot be loaded, or a loaded model comes without its parts.
    """

    def __init__(
        self,
        model: Any = None,
        tokenizer: Any = None,
        image_processor: Any = None,
        processor: Any = None,
        feature_extractor: Any = None,
        batch_size: int = 8,
        **options: Any,
    ) -> None:
        self.batch_size = _check_batch_size(batch_size)
        options = _load_options(options)
        where: Any = None
        self.model: Any = model
        if isinstance(model, PreTrainedModel):
            if options:
                raise InputError(f"a loaded model takes no {', '.join(options)}")
        elif model is not None and not isinstance(model, (str, Path)):
            raise InputError(f"model must be a folder, a hub id or a loaded model; got {model!r}")
        else:
            where = model_folder() if model is None else model
            self.model = AutoModelForZeroShotImageClassification.from_pretrained(where, **options)
        if not hasattr(self.model, "get_text_features"):
            raise InputError(f"{type(self.model).__name__} does not compare texts with pictures")
        if image_processor is None:
            image_processor = feature_extractor
        hub = {name: options[name] for name in _HUB if name in options}
        self.processor = _processor(processor, image_processor, tokenizer, where, hub)
        self.tokenizer = self.processor.tokenizer
        self.image_processor = self.processor.image_processor

    def __call__(
        self,
        image: Any = None,
        candidate_labels: Any = None,
        hypothesis_template: Any = DEFAULT_TEMPLATE,
        timeout: Any = None,
        tokenizer_kwargs: Any = None,
        *,
        images: Any = None,
        batch_size: Any = None,
    ) -> list[Any]:
        """Score labels for one picture or for a list of them.

        Args:
            image: a path, an http(s) address, a base64 data address, a PIL image or an array; a
                list of them, or a 4-D array, gives a list of results. All but arrays are turned
                upright by their EXIF tag and made RGB first (images/any_source.py).
            candidate_labels: the labels, at least one.
            hypothesis_template: the sentence around a label, which replaces `{}` as `str.format`
                does; "{}" alone where the labels are sentences.
            timeout: seconds to wait for a picture from the web; None is 60.
            tokenizer_kwargs: options of the tokenizer that win over those of `encode_texts`.
            images: another name of `image`.
            batch_size: as of the constructor, for this call.

        Returns:
            For each picture a list of {"score", "label"}, the best first, equal ones in the order
            given. The scores are a softmax over the labels and add up to 1; SigLIP's are a
            sigmoid of each, and do not.

        Raises:
            InputError: no picture, no labels, one string instead of a list of labels, a template
                without `{}`, a text too long for the model, or a picture that cannot be read.
        """
        image = images if image is None else image
        if image is None:
            raise InputError("no picture given: pass a path, a PIL image, an array, or a list")
        batch = self.batch_size if batch_size is None else _check_batch_size(batch_size)
        labels = check_labels(candidate_labels)
        texts = self.encode_texts(labels, hypothesis_template, tokenizer_kwargs)
        several = isinstance(image, (list, tuple)) or getattr(image, "ndim", 3) == 4
        images = list(image) if several else [image]
        results = list(self.results(images, labels, texts, timeout, batch))
        return results if several else results[0]

    def encode_texts(
        self,
        labels: Sequence[str],
        template: Any,
        tokenizer_kwargs: Any = None,
    ) -> Float[Array, "T E"]:
        """Embed each label in its sentence: unit vectors.

        Texts are padded to the longest of them. SigLIP's are padded and cut to the model's own
        number of positions, as it was trained.

        Trap: upstream has 64 for SigLIP, whatever the model. Nearly all models have 64 positions;
              those with 16 fail there, and work here. SigLIP's default tokenizer keeps punctuation,
              the template's full stop too, as in its training; upstream drops it. For upstream's
              scores give `tokenizer=AutoTokenizer.from_pretrained(..., profile="transformers")`.
        """
        sentences = fill_template(template, labels)
        options: dict[str, Any] = {"padding": True}
        if self._is_siglip:
            length = self.model.config.text_config.max_position_embeddings
            options = {"padding": "max_length", "max_length": length, "truncation": True}
        if not isinstance(tokenizer_kwargs, (Mapping, type(None))):
            raise InputError(f"tokenizer_kwargs must be a dict; got {tokenizer_kwargs!r}")
        options |= tokenizer_kwargs or {}
        tokens = self.processor(text=sentences, return_tensors="np", text_kwargs=options)
        return self._unit(self.model.get_text_features(**tokens))

    def results(
        self,
        images: Sequence[Any],
        labels: Sequence[str],
        texts: Float[Array, "T E"],
        timeout: Any = None,
        batch_size: int | None = None,
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the sorted scores of each picture, a batch of pictures at a time.

        Pictures are opened one by one. Only their pixel values wait for the rest of the batch.
        """
        scale, texts = np.exp(_floats(self.model.params.logit_scale)), _floats(texts)
        size = batch_size or self.batch_size
        for start in range(0, len(images), size):
            pixels = self._pixels(images[start : start + size], start, timeout)
            vectors = _floats(self._unit(self.model.get_image_features(pixel_values=pixels)))
            logits = vectors @ texts.T * scale
            if self._is_siglip:
                bias = _floats(self.model.params.logit_bias)
                found = np.exp(-np.logaddexp(0, -(logits + bias)))  # the sigmoid
            else:
                found = softmax(logits)
            for scores in found:
                order = np.argsort(-scores, kind="stable")
                yield [{"score": float(scores[i]), "label": labels[i]} for i in order]

    def _pixels(
        self, images: Sequence[Any], first: int, timeout: Any
    ) -> Float[Array, "B C height width"]:
        """Open and prepare pictures one by one; `first` is the number of the first in messages."""
        found = []
        for index, image in enumerate(images, first):
            try:
                pixels = self.processor(images=load_image(image, timeout), return_tensors="np")
                if len(pixels["pixel_values"]) != 1:
                    raise InputError("more than one picture; make it part of the list")
            except InputError as error:
                why = str(error).removeprefix("images: ")
                raise InputError(f"images[{index}]: {why}") from error
            found.append(pixels["pixel_values"][0])
        return np.asarray(stack(found, "np"))

    @property
    def _is_siglip(self) -> bool:
        return "siglip" in self.model.config.model_type

    def _unit(self, features: Float[Array, "B E"]) -> Float[Array, "B E"]:
        with self.model.place.computing():
            unit: Array = self.model.ops.l2_normalize(features)
        return unit


def _floats(x: Any) -> Float[Array, "..."]:
    """Bring numbers to numpy; half precision becomes float32, which has small scores too."""
    array: Array = on_host(x)
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _check_batch_size(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"batch_size must be a whole number above 0; got {value!r:.200}")
    return value


_HUB = ("revision", "cache_dir", "local_files_only", "token")


def _load_options(options: dict[str, Any]) -> dict[str, Any]:
    """Give what loads a model, of all that upstream's `pipeline` takes."""
    more = options.get("model_kwargs")
    if not isinstance(more, (Mapping, type(None))):
        raise InputError(f"model_kwargs must be a dict; got {more!r:.200}")
    found = {**options, **(more or {})}
    for name in ("model_kwargs", "use_fast", "framework", "num_workers"):
        found.pop(name, None)
    if type(found.get("device")) is int and found["device"] == -1:  # upstream's processor
        found["device"] = None
    if found.get("device", "") is None:
        del found["device"]
    dtype = found.pop("torch_dtype", None) or found.pop("dtype", None)
    return found if dtype in (None, "auto") else {**found, "dtype": dtype}


def _processor(
    whole: Any, image_part: Any, text_part: Any, where: Any, hub: dict[str, Any]
) -> Processor:
    """Put the processor together from what was given, and the rest from the model's folder."""
    elsewhere = {name: value for name, value in hub.items() if name != "revision"}
    if where is not None and Path(where).is_file():
        where = Path(where).parent  # a file of weights: its folder holds the rest
    if isinstance(whole, (str, Path)):
        whole = AutoProcessor.from_pretrained(whole, **elsewhere)
    if whole is not None:
        if not isinstance(whole, Processor):
            raise InputError(f"processor must be a processor or where to read it; got {whole!r}")
        if image_part is None and text_part is None:
            return whole
        image_part = whole.image_processor if image_part is None else image_part
        text_part = whole.tokenizer if text_part is None else text_part
    if where is None and (image_part is None or text_part is None):
        raise InputError(
            "a loaded model needs its processor: pass processor=..., or image_processor=... and "
            "tokenizer=..."
        )
    if image_part is None or isinstance(image_part, (str, Path)):
        source, own = (where, hub) if image_part is None else (image_part, elsewhere)
        image_part = AutoImageProcessor.from_pretrained(source, **own)
    if text_part is None or isinstance(text_part, (str, Path)):
        source, own = (where, hub) if text_part is None else (text_part, elsewhere)
        try:
            text_part = AutoTokenizer.from_pretrained(source, **own)
        except TokenizerError as error:
            raise InputError(str(error)) from error
    return Processor(image_part, text_part)
