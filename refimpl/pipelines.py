"""Zero-shot image classification: pictures and label words in, sorted scores out.

`pipeline("zero-shot-image-classification")` gives a `ZeroShotImageClassificationPipeline`; with
no model named, one over the embedded model (demo/), which knows emoji and clean clip-art.

Source: Transformers 4.57.6, pipelines/zero_shot_image_classification.py.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from refimpl.demo import model_folder
from refimpl.errors import InputError
from refimpl.images.load import open_image
from refimpl.models import CLIPModel
from refimpl.ops import softmax
from refimpl.processing import CLIPProcessor
from refimpl.shapes import Array, Float

DEFAULT_TEMPLATE = "This is a photo of {}."
TASKS = ("zero-shot-image-classification",)


def pipeline(
    task: str, model: str | Path | CLIPModel | None = None, **options: Any
) -> "ZeroShotImageClassificationPipeline":
    """Build a pipeline by the name of its task.

    Args:
        task: "zero-shot-image-classification".
        model: a folder, a hub id, or a loaded model; None takes the embedded one.
        **options: what the pipeline's class takes, such as `processor` or `batch_size`.

    Raises:
        InputError: the task is unknown, or the model cannot be loaded.
    """
    if task not in TASKS:
        raise InputError(f"the task {task!r} is unknown; known is {', '.join(map(repr, TASKS))}")
    return ZeroShotImageClassificationPipeline(model, **options)


class ZeroShotImageClassificationPipeline:
    """Says which of some labels fits a picture best.

    Args:
        model: a folder, a hub id, or a loaded model; None takes the embedded one.
        processor: what prepares texts and pictures; read from the model's folder by default.
        batch_size: how many pictures the image tower sees at once.
    """

    def __init__(
        self,
        model: str | Path | CLIPModel | None = None,
        processor: CLIPProcessor | None = None,
        batch_size: int = 8,
    ) -> None:
        if isinstance(model, CLIPModel):
            if processor is None:
                raise InputError("a loaded model needs its processor: pass processor=...")
            self.model, self.processor = model, processor
        else:
            where = model_folder() if model is None else model
            self.model = CLIPModel.from_pretrained(where)
            self.processor = processor or CLIPProcessor.from_pretrained(where)
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise InputError(f"batch_size must be a whole number above 0; got {batch_size!r}")
        self.batch_size = batch_size

    def __call__(
        self,
        image: Any = None,
        candidate_labels: Any = None,
        hypothesis_template: str = DEFAULT_TEMPLATE,
        *,
        images: Any = None,
    ) -> list[Any]:
        """Score labels for one picture or for a list of them.

        Args:
            image: a path, a PIL image or an array; a list of them gives a list of results. Files
                and PIL images are turned upright by their EXIF tag and made RGB first.
            candidate_labels: the labels, at least one.
            hypothesis_template: the sentence around a label, which replaces `{}`.
            images: another name of `image`.

        Returns:
            For each picture a list of {"score", "label"}, the best first; the scores are a
            softmax over the labels and add up to 1.

        Raises:
            InputError: no picture, no labels, one string instead of a list of labels, a template
                without `{}`, or a picture that cannot be read.
        """
        image = images if image is None else image
        if image is None:
            raise InputError("no picture given: pass a path, a PIL image, an array, or a list")
        labels = check_labels(candidate_labels)
        texts = self.encode_texts(labels, hypothesis_template)
        several = isinstance(image, (list, tuple))
        results = list(self.results(image if several else [image], labels, texts))
        return results if several else results[0]

    def encode_texts(self, labels: Sequence[str], template: str) -> Float[Array, "T E"]:
        """Embed each label in its sentence: unit vectors."""
        if "{}" not in template:
            raise InputError(f"the template must hold {{}} where the label goes; got {template!r}")
        sentences = [template.replace("{}", label) for label in labels]
        tokens = self.processor(text=sentences, padding=True, truncation=True, return_tensors="np")
        return self._unit(self.model.get_text_features(**tokens))

    def results(
        self, images: Sequence[Any], labels: Sequence[str], texts: Float[Array, "T E"]
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the sorted scores of each picture, a batch of pictures at a time."""
        scale = np.exp(self.model.params.logit_scale)
        for start in range(0, len(images), self.batch_size):
            batch = [upright_rgb(image) for image in images[start : start + self.batch_size]]
            pixels = self.processor(images=batch, return_tensors="np")
            vectors = self._unit(self.model.get_image_features(**pixels))
            for scores in softmax(vectors @ texts.T * scale):
                order = np.argsort(-scores, kind="stable")
                yield [{"score": float(scores[i]), "label": labels[i]} for i in order]

    def _unit(self, features: Float[Array, "B E"]) -> Float[Array, "B E"]:
        unit: Array = self.model.ops.l2_normalize(features)
        return unit


def check_labels(labels: Any) -> list[str]:
    """Return the labels as a list of strings.

    Raises:
        InputError: there are none, or they are one string, which would be taken letter by letter.
    """
    if isinstance(labels, str):
        raise InputError(f"candidate_labels must be a list of strings; got the string {labels!r}")
    found = list(labels) if labels is not None else []
    if not found:
        raise InputError("candidate_labels is empty: give at least one label")
    for label in found:
        if not isinstance(label, str) or not label.strip():
            raise InputError(f"candidate_labels must be strings that say something; got {label!r}")
    return found


def upright_rgb(image: Any) -> Any:
    """Open a picture, turn it upright by its EXIF tag, and drop all but its colours.

    Arrays are passed through. Only the pipeline does this: the image processors leave EXIF alone.

    Raises:
        InputError: the picture cannot be opened, or has no way to RGB.
    """
    opened = open_image(image)
    if not isinstance(opened, Image.Image):
        return opened
    try:
        return ImageOps.exif_transpose(opened).convert("RGB")
    except (ValueError, OSError) as error:
        name = getattr(opened, "filename", "") or "the Pillow image"
        raise InputError(f"{name}: mode {opened.mode!r} cannot become RGB: {error}") from error
