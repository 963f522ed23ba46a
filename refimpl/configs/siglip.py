"""Configurations of SigLIP: every field of a checkpoint's config.json that means something.

Fields and defaults only; towers.py says what they share. Side by side with clip.py and
chinese_clip.py it shows how the families differ: there is no `projection_dim` and no
`logit_scale_init_value`, since no projections join the towers.

Source: Transformers 5.23.0 and 4.57.6, configuration_siglip.py.
Read next: graph/siglip.py for what each number does.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from refimpl.configs.towers import TowerConfig, TwoTowerConfig, VisionTowerConfig


@dataclass(frozen=True, init=False, repr=False, eq=False)
class SiglipTextConfig(TowerConfig):
    """SigLIP's text tower; the defaults are google/siglip-base-patch16-224's.

    `projection_size` is the width E of the head; not given, or null, it is `hidden_size`.

    Trap: the token ids are CLIP's, which this vocabulary of 32000 does not reach; the files hold
        them, and the model never reads them.

    >>> SiglipTextConfig(hidden_size=64, num_attention_heads=4).projection_size
    64
    """

    model_type: ClassVar[str] = "siglip_text_model"
    part_of_whole: ClassVar[str] = "text_config"
    wholes: ClassVar[tuple[str, ...]] = ("siglip",)
    has_legacy_dict: ClassVar[bool] = False

    vocab_size: int = 32000
    max_position_embeddings: int = 64
    hidden_act: str = "gelu_pytorch_tanh"
    layer_norm_eps: float = 1e-6
    attention_dropout: float = 0.0
    pad_token_id: int | None = 1
    bos_token_id: int | None = 49406
    eos_token_id: int | None = 49407
    projection_size: int = 768

    def __init__(self, **values: Any) -> None:
        if values.get("projection_size") is None:
            values["projection_size"] = values.get("hidden_size", self.hidden_size)
        super().__init__(**values)


@dataclass(frozen=True, init=False, repr=False, eq=False)
class SiglipVisionConfig(VisionTowerConfig):
    """SigLIP's image tower; the defaults are google/siglip-base-patch16-224's.

    `image_size` and `patch_size` are in pixels; the tower sees (image_size // patch_size)²
    patches and no class token. Without `vision_use_head` nothing stands for the whole picture.
    """

    model_type: ClassVar[str] = "siglip_vision_model"
    wholes: ClassVar[tuple[str, ...]] = ("siglip",)
    has_legacy_dict: ClassVar[bool] = False

    hidden_act: str = "gelu_pytorch_tanh"
    layer_norm_eps: float = 1e-6
    attention_dropout: float = 0.0
    vision_use_head: bool = True


@dataclass(frozen=True, init=False, repr=False, eq=False)
class SiglipConfig(TwoTowerConfig):
    """Both towers of a SigLIP and what joins them: `TwoTowerConfig` says what can be given.

    There is no legacy `text_config_dict`: a file that has one keeps it as an unknown field, as
    upstream does. The joint width E is the image tower's `hidden_size`; `SiglipModel` needs the text tower's
    `projection_size` to be the same.
    """

    model_type: ClassVar[str] = "siglip"
    text_kind: ClassVar[type[TowerConfig]] = SiglipTextConfig
    vision_kind: ClassVar[type[TowerConfig]] = SiglipVisionConfig

    text_config: SiglipTextConfig = field(default_factory=SiglipTextConfig)
    vision_config: SiglipVisionConfig = field(default_factory=SiglipVisionConfig)
    initializer_factor: float = 1.0
