"""Configuration of a dual encoder made of any two towers.

The towers' kinds are in the two tables below; models/dual_encoder_towers.py has the tables of
their models.

Source: Transformers 4.57.6, configuration_vision_text_dual_encoder.py.
Read next: graph/vision_text_dual_encoder.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from refimpl.base_config import Config
from refimpl.configs.beit import BeitConfig
from refimpl.configs.bert import BertConfig, RobertaConfig
from refimpl.configs.chinese_clip import ChineseCLIPConfig, ChineseCLIPVisionConfig
from refimpl.configs.clip import CLIPConfig, CLIPTextConfig, CLIPVisionConfig
from refimpl.configs.deit import DeiTConfig
from refimpl.configs.dinov2 import Dinov2Config
from refimpl.configs.siglip import SiglipConfig, SiglipVisionConfig
from refimpl.configs.towers import TwoTowerConfig
from refimpl.configs.vit import ViTConfig
from refimpl.errors import InputError

Self = TypeVar("Self", bound="VisionTextDualEncoderConfig")

VISION_KINDS: tuple[type[Config], ...] = (
    ViTConfig,
    DeiTConfig,
    BeitConfig,
    Dinov2Config,
    CLIPVisionConfig,
    SiglipVisionConfig,
    ChineseCLIPVisionConfig,
)
TEXT_KINDS: tuple[type[Config], ...] = (BertConfig, RobertaConfig, CLIPTextConfig)

WHOLES: tuple[type[TwoTowerConfig], ...] = (CLIPConfig, SiglipConfig, ChineseCLIPConfig)
"""Models with two towers, of which the image tower is taken."""


@dataclass(frozen=True, init=False, repr=False, eq=False)
class VisionTextDualEncoderConfig(Config):
    """Both towers' configs, each of its own kind, and what joins them.

    Args:
        vision_config: the image tower's config: an object of fields with its `model_type`, or a
            config. A whole CLIP's, SigLIP's or Chinese-CLIP's stands for its image tower.
        text_config: the text tower's, likewise.
        projection_dim: the joint width E.
        logit_scale_init_value: first value of the logarithm of the temperature.
        **values: the common fields, and unknown ones.

    Raises:
        InputError: a tower is missing, or of a kind that cannot be joined.

    >>> config = VisionTextDualEncoderConfig({"model_type": "vit"}, {"model_type": "bert"})
    >>> type(config.vision_config).__name__, config.text_config.vocab_size
    ('ViTConfig', 30522)
    """

    model_type: ClassVar[str] = "vision-text-dual-encoder"

    vision_config: Any = None
    text_config: Any = None
    projection_dim: int = 512
    logit_scale_init_value: float = 2.6592

    def __init__(self, vision_config: Any = None, text_config: Any = None, **values: Any) -> None:
        super().__init__(
            vision_config=tower_config("vision_config", vision_config, VISION_KINDS),
            text_config=tower_config("text_config", text_config, TEXT_KINDS),
            **values,
        )

    @classmethod
    def from_vision_text_configs(
        cls: type[Self], vision_config: Config, text_config: Config, **values: Any
    ) -> Self:
        """Build a config from the configs of both towers."""
        return cls(vision_config=vision_config, text_config=text_config, **values)

    def _problems(self) -> list[str]:
        problems, vision = super()._problems(), self.vision_config
        pooled = getattr(vision, "pooler_output_size", None)
        if pooled not in (None, vision.hidden_size):
            problems.append(
                f"vision_config.pooler_output_size {pooled} must be its hidden_size "
                f"{vision.hidden_size}, which the projection takes"
            )
        if getattr(vision, "vision_use_head", True) is False:
            problems.append("vision_config.vision_use_head must be true: nothing is pooled without")
        return problems


def tower_config(name: str, given: Any, kinds: tuple[type[Config], ...]) -> Config:
    """Make a tower's config of its own kind.

    Raises:
        InputError: there is none, it names no `model_type`, or one that cannot be joined.
    """
    if isinstance(given, kinds):
        return given
    values = given.to_dict() if isinstance(given, Config) else given
    if values is None:
        raise InputError(f"VisionTextDualEncoderConfig: {name} is missing")
    if not isinstance(values, Mapping):
        raise InputError(f"VisionTextDualEncoderConfig: {name} must be an object, not {given!r}")
    kind = values.get("model_type")
    kind = kind if isinstance(kind, str) else None
    wholes = {each.model_type: each for each in WHOLES}
    if kind in wholes and name == "vision_config":
        tower: Config = wholes[kind].from_dict(values).vision_config
        return tower
    table = {each.model_type: each for each in kinds}
    if kind not in table:
        raise InputError(
            f"VisionTextDualEncoderConfig: {name} has model_type {kind!r}; what can be joined is "
            + ", ".join(table)
        )
    return table[kind].from_dict({**values, "model_type": kind})
