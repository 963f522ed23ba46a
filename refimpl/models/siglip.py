"""The class-shaped face: SiglipModel and its kin, with the arguments and outputs upstream documents.

Thin, and in the order of clip.py: each class checks its inputs, runs functions of graph/siglip.py,
and names the results (outputs.py). Loading and saving come from pretrained.py.

The contract is Transformers' documented version-4 surface: `get_*_features` return bare arrays.
As documented for 4.49, `return_dict` comes before `interpolate_pos_encoding`; CLIP has them the
other way round. Unlike 4.57, the whole model gives its hidden states back.

>>> import numpy as np
>>> from refimpl.configs import SiglipConfig
>>> tower = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
>>> model = SiglipModel(SiglipConfig(
...     text_config=tower, vision_config={**tower, "image_size": 8, "patch_size": 4}))
>>> model(input_ids=[[1, 2]], pixel_values=np.zeros((3, 3, 8, 8))).logits_per_image.shape
(3, 1)
"""

from typing import Any

from refimpl.configs import SiglipConfig, SiglipTextConfig, SiglipVisionConfig
from refimpl.errors import InputError
from refimpl.graph import losses, siglip
from refimpl.inputs import check_pairs, check_switch
from refimpl.models.clip_towers import SiglipModelBase
from refimpl.outputs import BaseModelOutputWithPooling, SiglipOutput
from refimpl.shapes import Array, Float


class SiglipTextModel(SiglipModelBase[SiglipTextConfig, siglip.TextModel]):
    """The text tower alone."""

    config_class = SiglipTextConfig

    @classmethod
    def spec(cls, config: SiglipTextConfig) -> siglip.TextModel:
        """Tree of the weights that a config promises."""
        return siglip.TextModel("", siglip.text_tower_spec(config))

    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        position_ids: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> BaseModelOutputWithPooling | tuple[Any, ...]:
        """Read texts.

        Args:
            input_ids: (B, L) token ids, padded to the length that the model was trained with
                ("max_length"): the last position is pooled, padding or not.
            attention_mask: (B, L), 0 where a token may not be seen; None sees all, as in training.
            position_ids: (B, L) or (1, L) positions; None counts from 0.
            output_attentions: return every layer's attention probabilities.
            output_hidden_states: return every layer's hidden state.
            return_dict: False returns a plain tuple.

        Raises:
            InputError: an input has the wrong shape, kind or range, or the text is too long.
        """
        tower = self._read(
            self.config,
            self.params.text_model,
            input_ids,
            attention_mask,
            position_ids,
            output_hidden_states,
            output_attentions,
        )
        return self._returned(tower, return_dict)


class SiglipVisionModel(SiglipModelBase[SiglipVisionConfig, siglip.VisionModel]):
    """The image tower alone."""

    config_class = SiglipVisionConfig

    @classmethod
    def spec(cls, config: SiglipVisionConfig) -> siglip.VisionModel:
        """Tree of the weights that a config promises."""
        return siglip.VisionModel("", siglip.vision_tower_spec(config))

    def __call__(
        self,
        pixel_values: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        interpolate_pos_encoding: bool = False,
    ) -> BaseModelOutputWithPooling | tuple[Any, ...]:
        """See pictures; without `vision_use_head` there is no `pooler_output`.

        Args:
            pixel_values: (B, channels, image_size, image_size), normalised by the processor.
            output_attentions: return every layer's attention probabilities; the pooling head's
                are not among them (its tap is `vision_model.head.attention.probs`).
            output_hidden_states: return every layer's hidden state.
            return_dict: False returns a plain tuple.
            interpolate_pos_encoding: take pictures of any size of at least one patch.

        Raises:
            InputError: the pixels have the wrong shape or size, or hold NaN.
        """
        tower = self._see(
            self.config,
            self.params.vision_model,
            pixel_values,
            interpolate_pos_encoding,
            output_hidden_states,
            output_attentions,
        )
        return self._returned(tower, return_dict)


class SiglipModel(SiglipModelBase[SiglipConfig, siglip.Siglip]):
    """Both towers and what joins them."""

    config_class = SiglipConfig

    @classmethod
    def spec(cls, config: SiglipConfig) -> siglip.Siglip:
        """Tree of the weights that a config promises."""
        return siglip.siglip_spec(config)

    def get_text_features(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        position_ids: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> Float[Array, "B E"]:
        """Read texts into the joint space, (B, E): the text head's output, not normalised.

        The last three arguments are documented in 4.49 and change nothing, here as there.
        Source: Transformers 4.57; version 5 returns an object instead of the array.
        """
        cfg, p = self.config.text_config, self.params
        tower = self._read(cfg, p.text_model, input_ids, attention_mask, position_ids)
        return tower.pooler_output

    def get_image_features(
        self,
        pixel_values: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        interpolate_pos_encoding: bool = False,
    ) -> Float[Array, "B E"]:
        """See pictures into the joint space, (B, E): the pooling head's output, not normalised.

        Of the arguments only the pixels and `interpolate_pos_encoding` change the result.

        Raises:
            InputError: the pixels are wrong, or the config has no `vision_use_head`.
        """
        self._check_head()
        cfg, p = self.config.vision_config, self.params
        tower = self._see(cfg, p.vision_model, pixel_values, interpolate_pos_encoding)
        return tower.pooler_output

    def __call__(
        self,
        input_ids: Any = None,
        pixel_values: Any = None,
        attention_mask: Any = None,
        position_ids: Any = None,
        return_loss: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        interpolate_pos_encoding: bool = False,
    ) -> SiglipOutput | tuple[Any, ...]:
        """Compare texts with pictures; the sigmoid of a logit is the pair's probability.

        Args:
            input_ids: (T, L) token ids, padded as in `SiglipTextModel`.
            pixel_values: (I, channels, image_size, image_size), normalised by the processor.
            attention_mask: (T, L), 0 where a token may not be seen; None sees all, as in training.
            position_ids: (T, L) or (1, L) positions; None counts from 0.
            return_loss: also return the sigmoid loss; needs as many texts as pictures.
            output_attentions: return every layer's attention probabilities.
            output_hidden_states: return every layer's hidden state.
            return_dict: False returns a plain tuple.
            interpolate_pos_encoding: take pictures of any size of at least one patch.

        Raises:
            InputError: an input has the wrong shape, kind or range; the text is too long; the loss
                was asked for and texts and pictures differ in number; or the config's towers do
                not meet: no `vision_use_head`, or another `projection_size` than the image
                tower's `hidden_size`.
        """
        self._check_head()
        cfg, p, ops = self.config, self.params, self.ops
        want = (output_hidden_states, output_attentions)
        vision = self._see(
            cfg.vision_config, p.vision_model, pixel_values, interpolate_pos_encoding, *want
        )
        text = self._read(
            cfg.text_config, p.text_model, input_ids, attention_mask, position_ids, *want
        )
        self._check_widths()
        found = siglip.compare(ops, p, text.pooler_output, vision.pooler_output)
        loss = None
        if check_switch("return_loss", return_loss):
            loss = losses.sigmoid(ops, check_pairs(found.logits_per_text))
        return self._returned(SiglipOutput(loss, *found, text, vision), return_dict)

    def _check_head(self) -> None:
        if not self.config.vision_config.vision_use_head:
            raise InputError(
                "SiglipModel: the config's vision_use_head is false, so nothing stands for a whole "
                "picture and no text can be compared with it; SiglipVisionModel gives the tokens"
            )

    def _check_widths(self) -> None:
        text, image = self.config.text_config.projection_size, self.config.vision_config.hidden_size
        if text != image:
            raise InputError(
                f"SiglipModel: texts come out {text} wide (text_config.projection_size) and "
                f"pictures {image} wide (vision_config.hidden_size); they must be equal to compare"
            )
