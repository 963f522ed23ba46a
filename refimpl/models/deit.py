"""DeiT as a class. Beside vit.py, whose twin it is; the model is in graph/deit.py."""

from typing import Any, ClassVar

from refimpl.configs import DeiTConfig
from refimpl.graph import deit
from refimpl.models.vit import ViTModel
from refimpl.outputs import BaseModelOutputWithPooling


class DeiTModel(ViTModel):
    """DeiT: a ViT with a distillation token; built and called as `ViTModel`."""

    config_class = DeiTConfig
    family: ClassVar[Any] = deit

    def __call__(
        self,
        pixel_values: Any = None,
        bool_masked_pos: Any = None,
        head_mask: Any = None,
        interpolate_pos_encoding: bool | None = False,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> BaseModelOutputWithPooling | tuple[Any, ...]:
        """See pictures, with the arguments and errors of `ViTModel`.

        Trap: 4.57 takes pictures of another size without `interpolate_pos_encoding`; it fails when
            it adds the positions, or adds wrong ones where the number of patches happens to fit.
            Here, as in version 5, the error says what is wrong.
        """
        return super().__call__(
            pixel_values,
            bool_masked_pos,
            head_mask,
            interpolate_pos_encoding,
            output_attentions,
            output_hidden_states,
            return_dict,
        )
