"""DINOv2 as a class. Beside vit.py; the model is in graph/dinov2.py."""

from typing import Any

from refimpl.configs import Dinov2Config
from refimpl.graph import dinov2
from refimpl.graph.interface import Ops
from refimpl.graph.vit import Pooled
from refimpl.models.vit import PictureModel
from refimpl.outputs import BaseModelOutputWithPooling


class Dinov2Model(PictureModel[Dinov2Config, dinov2.VisionTower]):
    """DINOv2: pictures of any size to tokens; the class token is the pooled state."""

    config_class = Dinov2Config

    @classmethod
    def spec(cls, config: Dinov2Config) -> dinov2.VisionTower:
        """Tree of the weights that a config promises."""
        return dinov2.vision_tower_spec(config)

    def __call__(
        self,
        pixel_values: Any = None,
        bool_masked_pos: Any = None,
        head_mask: Any = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> BaseModelOutputWithPooling | tuple[Any, ...]:
        """See pictures.

        Args:
            pixel_values: (B, channels, height, width) of any size of at least one patch.
            bool_masked_pos: (B, patches), true where the mask token replaces a patch.
            head_mask: (heads,) or (layers, heads), multiplies the attention probabilities.
            output_hidden_states: return every layer's hidden state; the last one is not yet
                normalised.
            output_attentions: return every layer's attention probabilities.
            return_dict: False returns a plain tuple.

        Raises:
            InputError: an input has the wrong shape, kind or size, or patches are masked and the
                model has no mask token (4.57 ignores the mask then).
        """
        cfg, p = self.config, self.params

        def run(ops: Ops, pixels: Any, masked: Any, weights: Any) -> Pooled:
            return dinov2.vision_tower(ops, cfg, p, pixels, masked, weights)

        want = (output_hidden_states, output_attentions)
        seen = self._see(run, pixel_values, bool_masked_pos, head_mask, True, *want)
        return self._returned(seen, return_dict)
