"""DeiT as a class. Beside vit.py, whose twin it is; the model is in graph/deit.py."""

from typing import Any

from refimpl import ops as numpy_ops
from refimpl.configs import DeiTConfig
from refimpl.graph import deit
from refimpl.graph.interface import Ops
from refimpl.graph.vit import Pooled
from refimpl.models.vit import PictureModel
from refimpl.outputs import BaseModelOutputWithPooling
from refimpl.params import initialise
from refimpl.pretrained import float_dtype


class DeiTModel(PictureModel[DeiTConfig, deit.VisionTower]):
    """DeiT: a ViT with a distillation token; built and called as `ViTModel`."""

    config_class = DeiTConfig
    fresh_if_missing = ("pooler.dense.weight", "pooler.dense.bias")
    spec_options = ("add_pooling_layer", "use_mask_token")

    def __init__(
        self,
        config: Any,
        add_pooling_layer: bool = True,
        use_mask_token: bool = False,
        *,
        seed: int = 0,
        dtype: Any = "float32",
        params: deit.VisionTower | None = None,
        ops: Ops = numpy_ops,
    ) -> None:
        if params is None and isinstance(config, self.config_class):
            spec = self.spec(config, add_pooling_layer, use_mask_token)
            params = initialise(spec, seed, float_dtype(dtype))
        super().__init__(config, dtype=dtype, params=params, ops=ops)

    @classmethod
    def spec(
        cls, config: DeiTConfig, add_pooling_layer: bool = True, use_mask_token: bool = False
    ) -> deit.VisionTower:
        """Tree of the weights that a config promises."""
        return deit.vision_tower_spec(config, "", add_pooling_layer, use_mask_token)

    def __call__(
        self,
        pixel_values: Any = None,
        bool_masked_pos: Any = None,
        head_mask: Any = None,
        interpolate_pos_encoding: bool = False,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> BaseModelOutputWithPooling | tuple[Any, ...]:
        """See pictures, with the arguments and errors of `ViTModel`.

        Trap: 4.57 takes pictures of another size without `interpolate_pos_encoding`; it fails when
            it adds the positions, or adds wrong ones where the number of patches happens to fit.
            Here, as in version 5, the error says what is wrong.
        """
        cfg, p = self.config, self.params
        interpolate = interpolate_pos_encoding

        def run(ops: Ops, pixels: Any, masked: Any, weights: Any) -> Pooled:
            return deit.vision_tower(ops, cfg, p, pixels, masked, interpolate, weights)

        want = (output_hidden_states, output_attentions)
        seen = self._see(run, pixel_values, bool_masked_pos, head_mask, interpolate, *want)
        return self._returned(seen, return_dict)
