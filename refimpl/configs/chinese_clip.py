"""Configurations of Chinese-CLIP: every field of a checkpoint's config.json that means something.

Fields and defaults only; towers.py says what towers share. Side by side with clip.py and siglip.py
it shows how the families differ: the text tower is a BERT, the image tower is CLIP's.

Source: Transformers 4.37.2 and 5.23.0, configuration_chinese_clip.py.
Read next: graph/chinese_clip.py for what each number does.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from refimpl.configs.bert import BertTowerConfig
from refimpl.configs.clip import CLIPVisionConfig
from refimpl.configs.towers import TowerConfig, TwoTowerConfig


@dataclass(frozen=True, init=False, repr=False, eq=False)
class ChineseCLIPTextConfig(BertTowerConfig):
    """Chinese-CLIP's text tower; upstream's defaults, which are an English BERT's.

    Trap: the released checkpoints have vocab_size 21128; it is not the default.

    >>> ChineseCLIPTextConfig(vocab_size=21128).layer_norm_eps
    1e-12
    """

    model_type: ClassVar[str] = "chinese_clip_text_model"
    wholes: ClassVar[tuple[str, ...]] = ("chinese_clip",)

    initializer_factor: float = 1.0


@dataclass(frozen=True, init=False, repr=False, eq=False)
class ChineseCLIPVisionConfig(CLIPVisionConfig):
    """Chinese-CLIP's image tower: CLIP's in every field; released ones have patches of 16 or 14."""

    model_type: ClassVar[str] = "chinese_clip_vision_model"
    wholes: ClassVar[tuple[str, ...]] = ("chinese_clip",)


@dataclass(frozen=True, init=False, repr=False, eq=False)
class ChineseCLIPConfig(TwoTowerConfig):
    """Both towers of a Chinese-CLIP and what joins them: `TwoTowerConfig` says what can be given.

    `projection_dim` is the joint width E, which the whole model's projections use.
    """

    model_type: ClassVar[str] = "chinese_clip"
    text_kind: ClassVar[type[TowerConfig]] = ChineseCLIPTextConfig
    vision_kind: ClassVar[type[TowerConfig]] = ChineseCLIPVisionConfig

    text_config: ChineseCLIPTextConfig = field(default_factory=ChineseCLIPTextConfig)
    vision_config: ChineseCLIPVisionConfig = field(default_factory=ChineseCLIPVisionConfig)
    projection_dim: int = 512
    logit_scale_init_value: float = 2.6592
    initializer_factor: float = 1.0
    initializer_range: float = 0.02
