"""BEiT as a class. Beside vit.py; the model is in graph/beit.py."""

from typing import Any

from refimpl import ops as numpy_ops
from refimpl.configs import BeitConfig
from refimpl.graph import beit
from refimpl.graph.interface import Ops
from refimpl.graph.vit import Pooled
from refimpl.models.vit import PictureModel
from refimpl.outputs import BeitModelOutputWithPooling


class BeitModel(PictureModel[BeitConfig, beit.VisionTower]):
    """BEiT: pictures of any size to tokens, and their pooled mean.

    Args:
        config: the model's config; `use_mask_token` and the pooling are fields of it.
        add_pooling_layer: whether there is a pooler; without it `pooler_output` is None.
        seed: seed of the freshly drawn weights.
        dtype: "float32" (default) or "float64".
        params: a tree of weights to use instead of fresh ones.
        ops: the interpreter; numpy's by default.
        device: as every model's (see pretrained.PreTrainedModel).
    """

    config_class = BeitConfig
    fresh_if_missing = ("pooler.layernorm.weight", "pooler.layernorm.bias")
    spec_options = ("add_pooling_layer",)

    def __init__(
        self,
        config: Any,
        add_pooling_layer: bool = True,
        *,
        seed: int = 0,
        dtype: Any = "float32",
        params: beit.VisionTower | None = None,
        ops: Ops = numpy_ops,
        device: Any = None,
    ) -> None:
        spec = None
        if params is None and isinstance(config, self.config_class):
            spec = self.spec(config, add_pooling_layer)
        common = {"seed": seed, "dtype": dtype, "params": params, "ops": ops, "device": device}
        super().__init__(config, **common, fresh_spec=spec)

    @classmethod
    def spec(cls, config: BeitConfig, add_pooling_layer: bool = True) -> beit.VisionTower:
        """Tree of the weights that a config promises."""
        return beit.vision_tower_spec(config, "", add_pooling_layer)

    def __call__(
        self,
        pixel_values: Any = None,
        bool_masked_pos: Any = None,
        head_mask: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        interpolate_pos_encoding: bool = False,
        return_dict: bool | None = None,
    ) -> BeitModelOutputWithPooling | tuple[Any, ...]:
        """See pictures.

        Args:
            pixel_values: (B, channels, height, width) of any size of at least one patch.
            bool_masked_pos: (B, patches), true where the mask token replaces a patch.
            head_mask: (heads,) or (layers, heads), multiplies the attention probabilities.
            output_attentions: return every layer's attention probabilities.
            output_hidden_states: return every layer's hidden state.
            interpolate_pos_encoding: changes nothing, here as upstream: positions and biases
                always fit the pictures' size.
            return_dict: False returns a plain tuple.

        Raises:
            InputError: an input has the wrong shape, kind or size.
        """
        cfg, p = self.config, self.params

        def run(ops: Ops, pixels: Any, masked: Any, weights: Any) -> Pooled:
            return beit.vision_tower(ops, cfg, p, pixels, masked, weights)

        want = (output_hidden_states, output_attentions)
        seen = self._see(run, pixel_values, bool_masked_pos, head_mask, True, *want)
        named = BeitModelOutputWithPooling(**dict(seen.items()))
        return self._returned(named, return_dict)
