"""Configuration of BEiT: every field of a checkpoint's config.json that means something.

Source: Transformers 5.23.0 and 4.57.6, configuration_beit.py.
Read next: graph/beit.py for what each switch does; vit.py for the twin without switches.
"""

from dataclasses import dataclass
from typing import ClassVar

from refimpl.configs.towers import VisionTowerConfig


@dataclass(frozen=True, init=False, repr=False, eq=False)
class BeitConfig(VisionTowerConfig):
    """BEiT; the defaults are Transformers', of microsoft/beit-base-patch16-224-pt22k.

    Attributes:
        vocab_size: visual tokens of the pre-training head, which is not part of the tower.
        use_mask_token: whether there is a token that takes the place of masked patches.
        use_absolute_position_embeddings: whether positions are added to the tokens.
        use_relative_position_bias: whether each layer adds its own bias by distance to its scores.
        use_shared_relative_position_bias: whether all layers add one such bias.
        layer_scale_init_value: first value of the scales of each sub-layer's output; 0 is none.
        drop_path_rate: layers left out in training; no part of inference.
        use_mean_pooling: pool the mean of the patches, normalised, and leave the last states as
            they are; false pools the class token of the normalised states.

    The fields of the segmentation heads are kept as they come (see `Config`).

    >>> BeitConfig().use_mean_pooling
    True
    """

    model_type: ClassVar[str] = "beit"

    vocab_size: int = 8192
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    initializer_range: float = 0.02
    use_mask_token: bool = False
    use_absolute_position_embeddings: bool = False
    use_relative_position_bias: bool = False
    use_shared_relative_position_bias: bool = False
    layer_scale_init_value: float = 0.1
    drop_path_rate: float = 0.1
    use_mean_pooling: bool = True
