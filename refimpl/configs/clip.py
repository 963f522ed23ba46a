"""Configurations of CLIP: every field of a checkpoint's config.json that means something.

Fields and defaults only; towers.py says what they share. Side by side with siglip.py and
chinese_clip.py it shows how the families differ.

Source: Transformers 5.23.0 and 4.57.6, configuration_clip.py.
Read next: graph/clip.py for what each number does.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from refimpl.configs.towers import TowerConfig, TwoTowerConfig, VisionTowerConfig


@dataclass(frozen=True, init=False, repr=False, eq=False)
class CLIPTextConfig(TowerConfig):
    """CLIP's text tower; the defaults are openai/clip-vit-base-patch32's.

    `eos_token_id` decides the pooling: the legacy value 2 (in old hub files, though the end
    token's id is 49407) pools at the largest id of a row, any other value at its first occurrence.

    >>> CLIPTextConfig(hidden_size=64, num_attention_heads=4).max_position_embeddings
    77
    """

    model_type: ClassVar[str] = "clip_text_model"
    part_of_whole: ClassVar[str] = "text_config"
    wholes: ClassVar[tuple[str, ...]] = ("clip",)

    vocab_size: int = 49408
    hidden_size: int = 512
    intermediate_size: int = 2048
    projection_dim: int = 512
    num_attention_heads: int = 8
    max_position_embeddings: int = 77
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-5
    attention_dropout: float = 0.0
    initializer_range: float = 0.02
    initializer_factor: float = 1.0
    pad_token_id: int | None = 1
    bos_token_id: int | None = 49406
    eos_token_id: int | None = 49407


@dataclass(frozen=True, init=False, repr=False, eq=False)
class CLIPVisionConfig(VisionTowerConfig):
    """CLIP's image tower; the defaults are openai/clip-vit-base-patch32's.

    `image_size` and `patch_size` are in pixels; the tower sees (image_size // patch_size)²
    patches and one class token in front of them.
    """

    model_type: ClassVar[str] = "clip_vision_model"
    wholes: ClassVar[tuple[str, ...]] = ("clip",)

    projection_dim: int = 512
    patch_size: int = 32
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-5
    attention_dropout: float = 0.0
    initializer_range: float = 0.02
    initializer_factor: float = 1.0


@dataclass(frozen=True, init=False, repr=False, eq=False)
class CLIPConfig(TwoTowerConfig):
    """Both towers of a CLIP and what joins them: `TwoTowerConfig` says what can be given.

    `projection_dim` is the joint width E, which the whole model's projections use; the towers'
    own field serves the classes with one tower and a projection.

    Trap: because the legacy dict's defaults win too, a file with `eos_token_id` 2 in
        `text_config` and a non-null `text_config_dict` ends with 49407, another pooling rule.
    """

    model_type: ClassVar[str] = "clip"
    text_kind: ClassVar[type[TowerConfig]] = CLIPTextConfig
    vision_kind: ClassVar[type[TowerConfig]] = CLIPVisionConfig

    text_config: CLIPTextConfig = field(default_factory=CLIPTextConfig)
    vision_config: CLIPVisionConfig = field(default_factory=CLIPVisionConfig)
    projection_dim: int = 512
    logit_scale_init_value: float = 2.6592
    initializer_factor: float = 1.0
