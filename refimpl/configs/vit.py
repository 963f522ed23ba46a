"""Configuration of ViT: every field of a checkpoint's config.json that means something.

deit.py, beit.py and dinov2.py beside it show how its kin differ.

Source: Transformers 5.23.0 and 4.57.6, configuration_vit.py.
Read next: graph/vit.py for what each number does.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from refimpl.configs.towers import VisionTowerConfig


@dataclass(frozen=True, init=False, repr=False, eq=False)
class ViTConfig(VisionTowerConfig):
    """A vision transformer; the defaults are google/vit-base-patch16-224's.

    `qkv_bias` gives queries, keys and values a bias. The pooler is `pooler_output_size` wide
    (None is `hidden_size`) and ends with `pooler_act`. The dropout rates and `encoder_stride`
    play no part here: they are for training and for a decoder of masked pictures.

    >>> ViTConfig(hidden_size=192, num_attention_heads=3).pooler_output_size
    192
    """

    model_type: ClassVar[str] = "vit"

    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    initializer_range: float = 0.02
    qkv_bias: bool = True
    encoder_stride: int = 16
    pooler_output_size: int | None = None
    pooler_act: str = "tanh"

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        if not self.pooler_output_size:
            object.__setattr__(self, "pooler_output_size", self.hidden_size)

    @property
    def pooled_size(self) -> int:
        """Width of the pooled state."""
        return self.pooler_output_size or self.hidden_size

    def _problems(self) -> list[str]:
        problems, size = super()._problems(), self.pooler_output_size
        is_size = isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= 2**24
        if size is not None and not is_size:
            problems.append(f"pooler_output_size must be a whole number or null; got {size!r}")
        return problems
