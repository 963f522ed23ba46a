"""The class-shaped face of Chinese-CLIP, with the arguments and outputs upstream documents.

Thin: each class checks its inputs, runs functions of graph/chinese_clip.py, graph/bert.py and
graph/clip.py, and names the results (outputs.py). Loading and saving come from pretrained.py.

The contract is Transformers' documented version-4 surface: `get_*_features` return bare arrays.
(4.57's `get_text_features` is broken: it looks for a pooler that is not there.)

>>> import numpy as np
>>> from refimpl.configs import ChineseCLIPConfig
>>> tower = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
>>> model = ChineseCLIPModel(ChineseCLIPConfig(
...     text_config=tower, vision_config={**tower, "image_size": 8, "patch_size": 4}))
>>> model(input_ids=[[1, 2]], pixel_values=np.zeros((3, 3, 8, 8))).logits_per_image.shape
(3, 1)
"""

from typing import Any

from refimpl.configs import ChineseCLIPConfig, ChineseCLIPTextConfig, ChineseCLIPVisionConfig
from refimpl.graph import chinese_clip, losses
from refimpl.inputs import check_pairs, check_switch
from refimpl.models.bert_towers import BertCall, BertTowerBase, LoneBert
from refimpl.models.clip import CLIPVisionModel
from refimpl.models.clip_towers import ClipModelBase
from refimpl.outputs import ChineseCLIPOutput
from refimpl.shapes import Array, Float


class ChineseCLIPTextModel(LoneBert[ChineseCLIPTextConfig]):
    """The text tower alone, with a pooler that the whole model does not have.

    Loaded from a whole model's checkpoint the pooler is drawn afresh, with a warning;
    `add_pooling_layer=False` leaves it out.

    Trap: version 5 of Transformers sets the [PAD] row of the word embeddings to zero when it
        loads; here the file's row stays. It shows only where padding is attended.
    """

    config_class = ChineseCLIPTextConfig


class ChineseCLIPVisionModel(CLIPVisionModel):
    """The image tower alone: CLIP's, called as `CLIPVisionModel`."""

    config_class = ChineseCLIPVisionConfig


class ChineseCLIPModel(
    ClipModelBase[ChineseCLIPConfig, chinese_clip.ChineseClip],
    BertTowerBase[ChineseCLIPConfig, chinese_clip.ChineseClip],
):
    """Both towers and what joins them."""

    config_class = ChineseCLIPConfig

    @classmethod
    def spec(cls, config: ChineseCLIPConfig) -> chinese_clip.ChineseClip:
        """Tree of the weights that a config promises."""
        return chinese_clip.chinese_clip_spec(config)

    def get_text_features(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        position_ids: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> Float[Array, "B E"]:
        """Project texts into the joint space, (B, E); not normalised.

        The last three arguments are documented in 4.37 and change nothing, here as there.
        Source: Transformers 4.37; version 5 returns an object instead of the array.
        """
        cfg, p = self.config.text_config, self.params
        call = BertCall(input_ids, attention_mask, token_type_ids, position_ids)
        text = self._read_bert(cfg, p.text_model, call)
        return chinese_clip.project_text(self.ops, p, text.last_hidden_state)

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
        image = self._see(cfg, p.vision_model, pixel_values, interpolate_pos_encoding)
        return chinese_clip.project(self.ops, p.visual_projection, image.pooler_output)

    def __call__(
        self,
        input_ids: Any = None,
        pixel_values: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        position_ids: Any = None,
        return_loss: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        interpolate_pos_encoding: bool = False,
        return_dict: bool | None = None,
    ) -> ChineseCLIPOutput | tuple[Any, ...]:
        """Compare texts with pictures.

        Args:
            input_ids: (T, L) token ids.
            pixel_values: (I, channels, image_size, image_size), normalised by the processor.
            attention_mask: (T, L), 0 where a token is padding; None sees all, padding too.
            token_type_ids: (T, L) which sentence a token is of; None is 0 for all.
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
        call = BertCall(input_ids, attention_mask, token_type_ids, position_ids)
        text = self._read_bert(cfg.text_config, p.text_model, call, *want)
        text_features = chinese_clip.project_text(ops, p, text.last_hidden_state)
        image_features = chinese_clip.project(ops, p.visual_projection, vision.pooler_output)
        found = chinese_clip.compare(ops, p, text_features, image_features)
        loss = None
        if check_switch("return_loss", return_loss):
            loss = losses.contrastive(ops, check_pairs(found.logits_per_text))
        return self._returned(ChineseCLIPOutput(loss, *found, text, vision), return_dict)
