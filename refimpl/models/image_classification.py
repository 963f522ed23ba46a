"""Image towers with a classification head, and the three losses that both families share.

Beside clip.py and siglip.py, over `classify` of graph/clip.py and of graph/siglip.py, and
graph/losses.py.
"""

import math
from typing import Any

import numpy as np

from refimpl.base_config import Config
from refimpl.configs import CLIPConfig, SiglipConfig
from refimpl.devices import beside
from refimpl.errors import InputError
from refimpl.graph import clip, losses, siglip
from refimpl.graph.interface import Ops
from refimpl.inputs import check_labels
from refimpl.models.clip_towers import ClipModelBase, SiglipModelBase
from refimpl.outputs import BaseModelOutputWithPooling, ImageClassifierOutput
from refimpl.shapes import Array, Float


class CLIPForImageClassification(ClipModelBase[CLIPConfig, clip.ImageClassifier]):
    """The image tower with a linear classification head over the mean of its patch tokens.

    The head's width is the config's `num_labels`; without labels it is the identity.
    """

    config_class = CLIPConfig
    fresh_if_missing = ("classifier.weight", "classifier.bias")

    @classmethod
    def spec(cls, config: CLIPConfig) -> clip.ImageClassifier:
        """Tree of the weights that a config promises."""
        tower = config.vision_config
        head = clip.projection_spec(
            "classifier", tower, config.num_labels, config.initializer_factor, bias=True
        )
        return clip.ImageClassifier(
            "", clip.vision_tower_spec(tower), head if config.num_labels else None
        )

    def __call__(
        self,
        pixel_values: Any = None,
        labels: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        interpolate_pos_encoding: bool = False,
    ) -> ImageClassifierOutput | tuple[Any, ...]:
        """Score the classes of pictures.

        Args:
            pixel_values: (B, channels, image_size, image_size), normalised by the processor.
            labels: what is right; adds the loss that `classification_loss` says.
            output_attentions: return every layer's attention probabilities.
            output_hidden_states: return every layer's hidden state.
            return_dict: False returns a plain tuple.
            interpolate_pos_encoding: take pictures of any size of at least one patch; version 4
                has no such argument here.

        Raises:
            InputError: pixels or labels have the wrong shape, kind or range.
        """
        tower = self._see(
            self.config.vision_config,
            self.params.vision_model,
            pixel_values,
            interpolate_pos_encoding,
            output_hidden_states,
            output_attentions,
        )
        logits = clip.classify(self.ops, self.params, tower.last_hidden_state)
        output = classified(self.ops, self.config, tower, logits, labels)
        return self._returned(output, return_dict)


class SiglipForImageClassification(SiglipModelBase[SiglipConfig, siglip.ImageClassifier]):
    """The image tower with a linear classification head over the mean of all its tokens.

    The head's width is the config's `num_labels`; without labels it is the identity. The pooling
    head is part of the checkpoint and plays no part in the scores.
    """

    config_class = SiglipConfig
    fresh_if_missing = ("classifier.weight", "classifier.bias")

    @classmethod
    def spec(cls, config: SiglipConfig) -> siglip.ImageClassifier:
        """Tree of the weights that a config promises."""
        return siglip.classifier_spec(config)

    def __call__(
        self,
        pixel_values: Any = None,
        labels: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        interpolate_pos_encoding: bool = False,
    ) -> ImageClassifierOutput | tuple[Any, ...]:
        """Score the classes of pictures.

        Args:
            pixel_values: (B, channels, image_size, image_size), normalised by the processor.
            labels: what is right; adds the loss that `classification_loss` says.
            output_attentions: return every layer's attention probabilities.
            output_hidden_states: return every layer's hidden state.
            return_dict: False returns a plain tuple.
            interpolate_pos_encoding: take pictures of any size of at least one patch.

        Raises:
            InputError: pixels or labels have the wrong shape, kind or range.
        """
        tower = self._see(
            self.config.vision_config,
            self.params.vision_model,
            pixel_values,
            interpolate_pos_encoding,
            output_hidden_states,
            output_attentions,
        )
        logits = siglip.classify(self.ops, self.params, tower.last_hidden_state)
        output = classified(self.ops, self.config, tower, logits, labels)
        return self._returned(output, return_dict)


def classified(
    ops: Ops,
    config: Config,
    tower: BaseModelOutputWithPooling,
    logits: Float[Array, "B N"],
    labels: Any,
) -> ImageClassifierOutput:
    """Name what a classifier found, with its loss where there are labels."""
    loss = None if labels is None else classification_loss(ops, config, logits, labels)
    return ImageClassifierOutput(loss, logits, tower.hidden_states, tower.attentions)


def classification_loss(
    ops: Ops, config: Config, logits: Float[Array, "B N"], labels: Any
) -> Float[Array, ""]:
    """Loss of the kind that the config's `problem_type` or, without one, the labels ask for.

    "regression" is the mean squared error; "single_label_classification" the cross entropy, of
    (B,) class indices, −100 ignored; "multi_label_classification" the binary cross entropy, of
    (B, labels) from 0 to 1. If none is set: one label is a regression, whole-number labels are
    single, others several. Upstream then writes its choice into the config, we do not.

    Source: Transformers 5.23, loss/loss_utils.py, ForSequenceClassificationLoss.

    Raises:
        InputError: the labels have the wrong shape, kind or range.
    """
    array, count = check_labels(labels, logits), logits.shape[1]
    kind = config.problem_type
    if kind is None:
        single = count > 1 and array.dtype.kind in "iu"
        several = "single_label_classification" if single else "multi_label_classification"
        kind = "regression" if count == 1 else several
    if kind == "single_label_classification":
        rows = array.reshape(-1)
        ignored = rows == losses.IGNORED_LABEL
        known = ignored | ((rows >= 0) & (rows < count))
        fits = array.dtype.kind in "iu" and rows.shape == logits.shape[:1]
        if not fits or not known.all() or ignored.all():
            raise InputError(
                f"labels must be one class index from 0 to {count - 1} (or −100 to ignore) "
                f"for each picture, not all ignored; got {array.tolist()}"
            )
        return losses.cross_entropy(ops, logits, beside(rows.astype(np.int64), logits))
    if array.size != math.prod(logits.shape):
        shape = tuple(logits.shape)
        raise InputError(f"labels must have the logits' shape {shape}; got {array.shape}")
    values = beside(array.astype(np.float64), logits).reshape(logits.shape)
    loss = losses.mean_squared_error if kind == "regression" else losses.binary_cross_entropy
    return loss(ops, logits, values)
