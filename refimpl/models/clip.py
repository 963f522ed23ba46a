"""The class-shaped face: CLIPModel and its kin, with the arguments and outputs upstream documents.

Thin: each class checks its inputs, runs functions of graph/clip.py, and names the results
(outputs.py). Loading and saving come from pretrained.py.

The contract is Transformers' documented version-4 surface: `get_*_features` return bare arrays,
and `pooler_output` inside a composite output is not projected (version 5 changed both).

>>> import numpy as np
>>> from refimpl.configs import CLIPConfig
>>> tower = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
>>> model = CLIPModel(CLIPConfig(
...     text_config=tower, vision_config={**tower, "image_size": 8, "patch_size": 4}))
>>> model(input_ids=[[1, 2]], pixel_values=np.zeros((3, 3, 8, 8))).logits_per_image.shape
(3, 1)
"""

from typing import Any

from refimpl.configs import CLIPConfig, CLIPTextConfig, CLIPVisionConfig
from refimpl.graph import clip, losses
from refimpl.inputs import check_pairs, check_switch
from refimpl.models.clip_towers import ClipModelBase
from refimpl.outputs import (
    BaseModelOutputWithPooling,
    CLIPOutput,
    CLIPTextModelOutput,
    CLIPVisionModelOutput,
    ModelOutput,
)
from refimpl.shapes import Array, Float


class CLIPTextModel(ClipModelBase[CLIPTextConfig, clip.TextModel]):
    """The text tower alone."""

    config_class = CLIPTextConfig

    @classmethod
    def spec(cls, config: CLIPTextConfig) -> clip.TextModel:
        """Tree of the weights that a config promises."""
        return clip.TextModel("", clip.text_tower_spec(config), None)

    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        position_ids: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> ModelOutput | tuple[Any, ...]:
        """Read texts.

        Args:
            input_ids: (B, L) token ids.
            attention_mask: (B, L), 0 where a token is padding; None sees all.
            position_ids: (B, L) or (1, L) positions; None counts from 0.
            output_attentions: return every layer's attention probabilities.
            output_hidden_states: return every layer's hidden state.
            return_dict: False returns a plain tuple.

        Returns:
            A `BaseModelOutputWithPooling`, or its values as a tuple.

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
        return self._returned(self._output(tower), return_dict)

    def _output(self, tower: BaseModelOutputWithPooling) -> ModelOutput:
        return tower


class CLIPVisionModel(ClipModelBase[CLIPVisionConfig, clip.VisionModel]):
    """The image tower alone."""

    config_class = CLIPVisionConfig

    @classmethod
    def spec(cls, config: CLIPVisionConfig) -> clip.VisionModel:
        """Tree of the weights that a config promises."""
        return clip.VisionModel("", clip.vision_tower_spec(config), None)

    def __call__(
        self,
        pixel_values: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        interpolate_pos_encoding: bool = False,
        return_dict: bool | None = None,
    ) -> ModelOutput | tuple[Any, ...]:
        """See pictures.

        Args:
            pixel_values: (B, channels, image_size, image_size), normalised by the processor.
            output_attentions: return every layer's attention probabilities.
            output_hidden_states: return every layer's hidden state.
            interpolate_pos_encoding: take pictures of any size of at least one patch.
            return_dict: False returns a plain tuple.

        Returns:
            A `BaseModelOutputWithPooling`, or its values as a tuple.

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
        return self._returned(self._output(tower), return_dict)

    def _output(self, tower: BaseModelOutputWithPooling) -> ModelOutput:
        return tower


class CLIPTextModelWithProjection(CLIPTextModel):
    """The text tower and its projection into the joint space.

    Called as `CLIPTextModel`; returns a `CLIPTextModelOutput`, whose `text_embeds` is not
    normalised.
    """

    @classmethod
    def spec(cls, config: CLIPTextConfig) -> clip.TextModel:
        """Tree of the weights; the projection's width is the tower's own `projection_dim`."""
        projection = clip.projection_spec(
            "text_projection", config, config.projection_dim, config.initializer_factor
        )
        return clip.TextModel("", clip.text_tower_spec(config), projection)

    def _output(self, tower: BaseModelOutputWithPooling) -> ModelOutput:
        assert self.params.text_projection is not None
        embeds = clip.project(self.ops, self.params.text_projection, tower.pooler_output)
        return CLIPTextModelOutput(
            embeds, tower.last_hidden_state, tower.hidden_states, tower.attentions
        )


class CLIPVisionModelWithProjection(CLIPVisionModel):
    """The image tower and its projection into the joint space.

    Called as `CLIPVisionModel`; returns a `CLIPVisionModelOutput`, whose `image_embeds` is not
    normalised.
    """

    @classmethod
    def spec(cls, config: CLIPVisionConfig) -> clip.VisionModel:
        """Tree of the weights; the projection's width is the tower's own `projection_dim`."""
        projection = clip.projection_spec(
            "visual_projection", config, config.projection_dim, config.initializer_factor
        )
        return clip.VisionModel("", clip.vision_tower_spec(config), projection)

    def _output(self, tower: BaseModelOutputWithPooling) -> ModelOutput:
        assert self.params.visual_projection is not None
        embeds = clip.project(self.ops, self.params.visual_projection, tower.pooler_output)
        return CLIPVisionModelOutput(
            embeds, tower.last_hidden_state, tower.hidden_states, tower.attentions
        )


class CLIPModel(ClipModelBase[CLIPConfig, clip.Clip]):
    """Both towers and what joins them."""

    config_class = CLIPConfig

    @classmethod
    def spec(cls, config: CLIPConfig) -> clip.Clip:
        """Tree of the weights that a config promises."""
        return clip.clip_spec(config)

    def get_text_features(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        position_ids: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> Float[Array, "B E"]:
        """Project texts into the joint space, (B, E); not normalised.

        The last three arguments are documented in 4.37 and change nothing, here as there.
        Source: Transformers 4.57; version 5 returns an object instead of the array.
        """
        cfg, p = self.config.text_config, self.params
        tower = self._read(cfg, p.text_model, input_ids, attention_mask, position_ids)
        return clip.project(self.ops, p.text_projection, tower.pooler_output)

    def get_image_features(
        self,
        pixel_values: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        interpolate_pos_encoding: bool = False,
        return_dict: bool | None = None,
    ) -> Float[Array, "B E"]:
        """Project pictures into the joint space, (B, E); not normalised.

        Of the arguments only the pixels and `interpolate_pos_encoding` change the result.
        """
        cfg, p = self.config.vision_config, self.params
        tower = self._see(cfg, p.vision_model, pixel_values, interpolate_pos_encoding)
        return clip.project(self.ops, p.visual_projection, tower.pooler_output)

    def __call__(
        self,
        input_ids: Any = None,
        pixel_values: Any = None,
        attention_mask: Any = None,
        position_ids: Any = None,
        return_loss: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        interpolate_pos_encoding: bool = False,
        return_dict: bool | None = None,
    ) -> CLIPOutput | tuple[Any, ...]:
        """Compare texts with pictures.

        Args:
            input_ids: (T, L) token ids.
            pixel_values: (I, channels, image_size, image_size), normalised by the processor.
            attention_mask: (T, L), 0 where a token is padding; None sees all.
            position_ids: (T, L) or (1, L) positions; None counts from 0.
            return_loss: also return the contrastive loss; needs as many texts as pictures.
            output_attentions: return every layer's attention probabilities.
            output_hidden_states: return every layer's hidden state.
            interpolate_pos_encoding: take pictures of any size of at least one patch.
            return_dict: False returns a plain tuple.

        Raises:
            InputError: an input has the wrong shape, kind or range; the text is too long; or
                the loss was asked for and texts and pictures differ in number.
        """
        cfg, p, ops = self.config, self.params, self.ops
        want = (output_hidden_states, output_attentions)
        vision = self._see(
            cfg.vision_config, p.vision_model, pixel_values, interpolate_pos_encoding, *want
        )
        text = self._read(
            cfg.text_config, p.text_model, input_ids, attention_mask, position_ids, *want
        )
        text_features = clip.project(ops, p.text_projection, text.pooler_output)
        image_features = clip.project(ops, p.visual_projection, vision.pooler_output)
        found = clip.compare(ops, p, text_features, image_features)
        loss = None
        if check_switch("return_loss", return_loss):
            loss = losses.contrastive(ops, check_pairs(found.logits_per_text))
        return self._returned(CLIPOutput(loss, *found, text, vision), return_dict)
