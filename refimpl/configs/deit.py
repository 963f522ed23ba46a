"""Configuration of DeiT, whose fields and defaults are ViT's.

Source: Transformers 5.23.0 and 4.57.6, configuration_deit.py.
Read next: graph/deit.py.
"""

from dataclasses import dataclass
from typing import ClassVar

from refimpl.configs.vit import ViTConfig


@dataclass(frozen=True, init=False, repr=False, eq=False)
class DeiTConfig(ViTConfig):
    """A ViT with a second token in front; defaults of facebook/deit-base-distilled-patch16-224.

    >>> DeiTConfig().layer_norm_eps
    1e-12
    """

    model_type: ClassVar[str] = "deit"
