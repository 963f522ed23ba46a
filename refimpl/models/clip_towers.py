"""Running two towers for the model classes: inputs checked, hidden states taken from the taps.

Base of the classes in clip.py, siglip.py and image_classification.py, whose towers are made of
graph/encoder.py's blocks and take the same inputs.
"""

from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

from refimpl.configs import CLIPTextConfig, CLIPVisionConfig, SiglipTextConfig, SiglipVisionConfig
from refimpl.graph import clip, siglip
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

Tower: TypeAlias = Callable[..., tuple[Any, Any]]
"""Gives the last hidden state, and the pooled one or None."""


class ClipModelBase(ModelBase[ConfigT, TreeT]):
    """How CLIP's classes run a tower."""

    family: ClassVar[Any] = clip
    """The file of graph/ whose `vision_tower` and `text_tower` are run."""

    def _see(
        self,
        cfg: CLIPVisionConfig | SiglipVisionConfig,
        p: clip.VisionTower | siglip.VisionTower,
        pixel_values: Any,
        interpolate_pos_encoding: bool,
        states: bool | None = False,
        attentions: bool | None = False,
    ) -> BaseModelOutputWithPooling:
        """Run the image tower."""
        pixels = check_pixels(cfg, pixel_values, self.place, interpolate_pos_encoding)

        def run(ops: Ops, pixels: Any) -> tuple[Any, Any]:
            tower: Tower = self.family.vision_tower
            return tower(ops, cfg, p, pixels, interpolate_pos_encoding)

        watch = encoder_watch(p.path, cfg.num_hidden_layers)
        pooled, seen = self._watched(run, (pixels,), watch, states, attentions)
        return BaseModelOutputWithPooling(*pooled, seen.hidden_states, seen.attentions)

    def _read(
        self,
        cfg: CLIPTextConfig | SiglipTextConfig,
        p: clip.TextTower | siglip.TextTower,
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

        def run(ops: Ops, ids: Any, mask: Any, positions: Any) -> tuple[Any, Any]:
            tower: Tower = self.family.text_tower
            return tower(ops, cfg, p, ids, mask, positions)

        watch = encoder_watch(p.path, cfg.num_hidden_layers)
        pooled, seen = self._watched(run, (ids, mask, positions), watch, states, attentions)
        return BaseModelOutputWithPooling(*pooled, seen.hidden_states, seen.attentions)


class SiglipModelBase(ClipModelBase[ConfigT, TreeT]):
    """How SigLIP's classes run a tower."""

    family: ClassVar[Any] = siglip
