"""ViT as a class, with the arguments and outputs that upstream documents.

`PictureModel` is what its kin (deit.py, beit.py, dinov2.py) share. The models are in graph/.

>>> import numpy as np
>>> from refimpl.configs import ViTConfig
>>> model = ViTModel(ViTConfig(
...     hidden_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=8, patch_size=4))
>>> model(pixel_values=np.zeros((3, 3, 8, 8))).last_hidden_state.shape
(3, 5, 8)
"""

from collections.abc import Callable
from typing import Any, ClassVar

from refimpl import ops as numpy_ops
from refimpl.configs import ViTConfig
from refimpl.graph import vit
from refimpl.graph.interface import Ops
from refimpl.inputs import check_head_mask, check_masked_patches, check_pixels, check_switch
from refimpl.models.base import ModelBase, Watch
from refimpl.outputs import BaseModelOutputWithPooling
from refimpl.params import join
from refimpl.pretrained import ConfigT, TreeT
from refimpl.shapes import Array, Float

Run = Callable[
    [Ops, Float[Array, "B C Y X"], Float[Array, "B P"] | None, Float[Array, "N H"] | None],
    vit.Pooled,
]
"""A tower, given an interpreter, pixels, masked patches and head weights."""


class PictureModel(ModelBase[ConfigT, TreeT]):
    """How ViT and its kin check their inputs and are watched."""

    def _see(
        self,
        run: Run,
        pixel_values: Any,
        bool_masked_pos: Any,
        head_mask: Any,
        any_size: bool,
        states: bool | None,
        attentions: bool | None,
    ) -> BaseModelOutputWithPooling:
        """Check the inputs, run the tower, and name the results."""
        cfg: Any = self.config
        tree: Any = self.params
        layers = cfg.num_hidden_layers
        pixels = check_pixels(cfg, pixel_values, self.place, any_size)
        has_mask_token = tree.embeddings.mask_token is not None
        masked = check_masked_patches(cfg, bool_masked_pos, pixels, has_mask_token, self.place)
        heads = check_head_mask(head_mask, layers, cfg.num_attention_heads, self.place)
        weights = self.place.put(heads)
        at = join(tree.path, "encoder")
        watch = Watch(
            hidden_states=[f"{at}.input", *(f"{at}.layer.{n}.output" for n in range(layers))],
            attentions=[f"{at}.layer.{n}.attention.probs" for n in range(layers)],
        )
        pooled, seen = self._watched(
            lambda ops, pixels, masked: run(ops, pixels, masked, weights),
            (pixels, masked),
            watch,
            states,
            attentions,
        )
        return BaseModelOutputWithPooling(*pooled, seen.hidden_states, seen.attentions)


class ViTModel(PictureModel[ViTConfig, Any]):
    """ViT: pictures to tokens, and a pooled class token.

    Args:
        config: the model's config.
        add_pooling_layer: whether there is a pooler; without it `pooler_output` is None.
        use_mask_token: whether there is a token that takes the place of masked patches.
        seed: seed of the freshly drawn weights.
        dtype: "float32" (default) or "float64".
        params: a tree of weights to use instead of fresh ones; it says itself what it has.
        ops: the interpreter; numpy's by default.
        device: as every model's (see pretrained.PreTrainedModel).
    """

    config_class = ViTConfig
    family: ClassVar[Any] = vit
    """The file of graph/ whose `vision_tower` is run; deit.py has another."""
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
        params: Any = None,
        ops: Ops = numpy_ops,
        device: Any = None,
    ) -> None:
        spec = None
        if params is None and isinstance(config, self.config_class):
            spec = self.spec(config, add_pooling_layer, use_mask_token)
        common = {"seed": seed, "dtype": dtype, "params": params, "ops": ops, "device": device}
        super().__init__(config, **common, fresh_spec=spec)

    @classmethod
    def spec(
        cls, config: ViTConfig, add_pooling_layer: bool = True, use_mask_token: bool = False
    ) -> Any:
        """Tree of the weights that a config promises."""
        return cls.family.vision_tower_spec(config, "", add_pooling_layer, use_mask_token)

    def __call__(
        self,
        pixel_values: Any = None,
        bool_masked_pos: Any = None,
        head_mask: Any = None,
        interpolate_pos_encoding: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> BaseModelOutputWithPooling | tuple[Any, ...]:
        """See pictures.

        Args:
            pixel_values: (B, channels, image_size, image_size), normalised by the processor.
            bool_masked_pos: (B, patches), true where the mask token replaces a patch.
            head_mask: (heads,) or (layers, heads), multiplies the attention probabilities.
            interpolate_pos_encoding: take pictures of any size of at least one patch.
            output_attentions: return every layer's attention probabilities.
            output_hidden_states: return every layer's hidden state; the last one is not yet
                normalised.
            return_dict: False returns a plain tuple.

        Raises:
            InputError: an input has the wrong shape, kind or size.
        """
        cfg, p = self.config, self.params
        interpolate = check_switch("interpolate_pos_encoding", interpolate_pos_encoding)

        def run(ops: Ops, pixels: Any, masked: Any, weights: Any) -> vit.Pooled:
            given = (pixels, masked, interpolate, weights)
            pooled: vit.Pooled = self.family.vision_tower(ops, cfg, p, *given)
            return pooled

        want = (output_hidden_states, output_attentions)
        seen = self._see(run, pixel_values, bool_masked_pos, head_mask, interpolate, *want)
        return self._returned(seen, return_dict)
