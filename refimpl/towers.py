"""Running CLIP's towers for the model classes: inputs checked, hidden states taken from the taps.

Base of the classes in models.py, over graph/clip.py.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from refimpl.configs import CLIPTextConfig, CLIPVisionConfig
from refimpl.graph import clip
from refimpl.graph.interface import Ops
from refimpl.inputs import (
    check_attention_mask,
    check_ids,
    check_pixels,
    check_position_ids,
)
from refimpl.outputs import BaseModelOutputWithPooling, ModelOutput
from refimpl.pretrained import ConfigT, PreTrainedModel, TreeT
from refimpl.shapes import Array
from refimpl.trace import Record

OutputT = TypeVar("OutputT", bound=ModelOutput)


class ClipModelBase(PreTrainedModel[ConfigT, TreeT]):
    """How CLIP's classes run a tower and give back its results."""

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

        return self._watched(run, p.path, cfg.num_hidden_layers, states, attentions)

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

        return self._watched(run, p.path, cfg.num_hidden_layers, states, attentions)

    def _watched(
        self,
        run: Callable[[Ops], clip.Pooled],
        path: str,
        layers: int,
        states: bool | None,
        attentions: bool | None,
    ) -> BaseModelOutputWithPooling:
        """Run a tower and take the hidden states and attentions from its taps."""
        want_states = self.config.output_hidden_states if states is None else states
        want_probs = self.config.output_attentions if attentions is None else attentions
        at = [f"{path}.encoder.layers.{index}" for index in range(layers)]
        state_names = [f"{path}.encoder.input", *(f"{each}.output" for each in at)]
        prob_names = [f"{each}.self_attn.probs" for each in at]
        wanted = {*(state_names if want_states else ()), *(prob_names if want_probs else ())}
        values: dict[str, Array] = {}
        ops = Record(self.ops, values, wanted.__contains__) if wanted else self.ops
        last_hidden_state, pooled = run(ops)
        return BaseModelOutputWithPooling(
            last_hidden_state,
            pooled,
            tuple(values[name] for name in state_names) if want_states else None,
            tuple(values[name] for name in prob_names) if want_probs else None,
        )

    def _returned(self, output: OutputT, return_dict: bool | None) -> OutputT | tuple[Any, ...]:
        """Give back the named output, or the tuple if that is asked for."""
        named = self.config.return_dict if return_dict is None else return_dict
        return output if named else output.to_tuple()
