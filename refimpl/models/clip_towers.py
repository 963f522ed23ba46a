"""Running CLIP's towers for the model classes: inputs checked, hidden states taken from the taps.

Base of the classes in clip.py and clip_classification.py, over graph/clip.py.
"""

from typing import Any

from refimpl.configs import CLIPTextConfig, CLIPVisionConfig
from refimpl.graph import clip
from refimpl.graph.interface import Ops
from refimpl.inputs import (
    check_attention_mask,
    check_ids,
    check_pixels,
    check_position_ids,
)
from refimpl.models.base import ModelBase, encoder_watch
from refimpl.outputs import BaseModelOutputWithPooling
from refimpl.pretrained import ConfigT, TreeT


class ClipModelBase(ModelBase[ConfigT, TreeT]):
    """How CLIP's classes run a tower."""

    def _see(
        self,
        cfg: CLIPVisionConfig,
        p: clip.VisionTower,
        pixel_values: Any,
        interpolate_pos_encoding: bool,
        states: bool | None = False,
        attentions: bool | None = False,
    ) -> BaseModelOutputWithPooling:
        """Run the image tower."""
        pixels = check_pixels(cfg, pixel_values, self.dtype, interpolate_pos_encoding)

        def run(ops: Ops) -> clip.Pooled:
            return clip.vision_tower(ops, cfg, p, pixels, interpolate_pos_encoding)

        watch = encoder_watch(p.path, cfg.num_hidden_layers)
        pooled, seen = self._watched(run, watch, states, attentions)
        return BaseModelOutputWithPooling(*pooled, seen.hidden_states, seen.attentions)

    def _read(
        self,
        cfg: CLIPTextConfig,
        p: clip.TextTower,
        input_ids: Any,
        attention_mask: Any,
        position_ids: Any,
        states: bool | None = False,
        attentions: bool | None = False,
    ) -> BaseModelOutputWithPooling:
        """Run the text tower."""
        ids = check_ids(cfg, input_ids)
        mask = check_attention_mask(attention_mask, ids.shape)
        positions = check_position_ids(cfg, position_ids, ids.shape)

        def run(ops: Ops) -> clip.Pooled:
            return clip.text_tower(ops, cfg, p, ids, mask, positions)

        watch = encoder_watch(p.path, cfg.num_hidden_layers)
        pooled, seen = self._watched(run, watch, states, attentions)
        return BaseModelOutputWithPooling(*pooled, seen.hidden_states, seen.attentions)
