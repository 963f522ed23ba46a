"""Configurations of the families: every field of a checkpoint's config.json that means something.

Frozen dataclasses over base_config.py, which reads, writes and checks them.

Source: Transformers 5.23.0 and 4.57.6, configuration_clip.py.
Read next: params.py for the weights, graph/clip.py for what each number does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeVar

from refimpl.base_config import Config
from refimpl.errors import InputError

TowerT = TypeVar("TowerT", bound="_TowerConfig")


@dataclass(frozen=True, init=False, repr=False, eq=False)
class _TowerConfig(Config):
    """What both towers of CLIP have."""

    part_of_whole: ClassVar[str]
    """Field under which the tower's config stands in a whole model's JSON."""

    hidden_size: int = 768
    intermediate_size: int = 3072
    projection_dim: int = 512
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-5
    attention_dropout: float = 0.0
    initializer_range: float = 0.02
    initializer_factor: float = 1.0

    @classmethod
    def from_dict(cls: type[TowerT], values: Mapping[str, Any], **changes: Any) -> TowerT:
        """Build a tower's config from its own JSON, or from its part of a whole model's JSON.

        Raises:
            InputError: as `Config.from_dict`.
        """
        if values.get("model_type") != cls.model_type and cls.part_of_whole in values:
            values = CLIPConfig.from_dict(values).to_dict()[cls.part_of_whole]
        return super().from_dict(values, **changes)

    def _problems(self) -> list[str]:
        problems = super()._problems()
        if not problems and self.hidden_size % self.num_attention_heads:
            problems.append(
                f"hidden_size {self.hidden_size} is not a multiple of "
                f"num_attention_heads {self.num_attention_heads}"
            )
        return problems


@dataclass(frozen=True, init=False, repr=False, eq=False)
class CLIPTextConfig(_TowerConfig):
    """CLIP's text tower; the defaults are openai/clip-vit-base-patch32's.

    `eos_token_id` decides the pooling: the legacy value 2 (in old hub files, though the end
    token's id is 49407) pools at the largest id of a row, any other value at its first occurrence.

    >>> CLIPTextConfig(hidden_size=64, num_attention_heads=4).max_position_embeddings
    77
    """

    model_type: ClassVar[str] = "clip_text_model"
    part_of_whole: ClassVar[str] = "text_config"

    vocab_size: int = 49408
    hidden_size: int = 512
    intermediate_size: int = 2048
    num_attention_heads: int = 8
    max_position_embeddings: int = 77
    pad_token_id: int | None = 1
    bos_token_id: int | None = 49406
    eos_token_id: int | None = 49407


@dataclass(frozen=True, init=False, repr=False, eq=False)
class CLIPVisionConfig(_TowerConfig):
    """CLIP's image tower; the defaults are openai/clip-vit-base-patch32's.

    `image_size` and `patch_size` are in pixels; the tower sees (image_size // patch_size)²
    patches and one class token in front of them.
    """

    model_type: ClassVar[str] = "clip_vision_model"
    part_of_whole: ClassVar[str] = "vision_config"

    num_channels: int = 3
    image_size: int = 224
    patch_size: int = 32

    def _problems(self) -> list[str]:
        problems = super()._problems()
        if not problems and self.patch_size > self.image_size:
            problems.append(
                f"patch_size {self.patch_size} is larger than image_size {self.image_size}"
            )
        return problems


@dataclass(frozen=True, init=False, repr=False, eq=False)
class CLIPConfig(Config):
    """Both towers of a CLIP and what joins them.

    Args:
        text_config: a `CLIPTextConfig`, a dict of its fields, or None for the defaults.
        vision_config: a `CLIPVisionConfig`, a dict of its fields, or None for the defaults.
        text_config_dict: legacy, found in old hub files: a *complete* text config is built from
            it, defaults included, and wins over `text_config` field by field.
        vision_config_dict: the same for the image tower.
        **values: `projection_dim` (the joint width E, which the whole model's projections use;
            the towers' own field serves the classes with one tower and a projection),
            `logit_scale_init_value`, `initializer_factor`, and the common fields.

    Trap: because the legacy dict's defaults win too, a file with `eos_token_id` 2 in
        `text_config` and a non-null `text_config_dict` ends with 49407, another pooling rule.
    """

    model_type: ClassVar[str] = "clip"

    text_config: CLIPTextConfig = field(default_factory=CLIPTextConfig)
    vision_config: CLIPVisionConfig = field(default_factory=CLIPVisionConfig)
    projection_dim: int = 512
    logit_scale_init_value: float = 2.6592
    initializer_factor: float = 1.0

    def __init__(
        self,
        text_config: Any = None,
        vision_config: Any = None,
        text_config_dict: Any = None,
        vision_config_dict: Any = None,
        **values: Any,
    ) -> None:
        super().__init__(
            text_config=_merge(CLIPTextConfig, text_config, text_config_dict),
            vision_config=_merge(CLIPVisionConfig, vision_config, vision_config_dict),
            **values,
        )

    @classmethod
    def from_text_vision_configs(
        cls, text_config: CLIPTextConfig, vision_config: CLIPVisionConfig, **values: Any
    ) -> "CLIPConfig":
        """Build a model's config from the configs of its towers."""
        return cls(text_config=text_config, vision_config=vision_config, **values)


Tower = TypeVar("Tower", CLIPTextConfig, CLIPVisionConfig)


def _merge(kind: type[Tower], given: Any, legacy: Any) -> Tower:
    """Join a tower's config with its legacy dict; see `CLIPConfig`."""
    for name, value in (("config", given), ("config_dict", legacy)):
        if value is not None and not isinstance(value, (kind, Mapping)):
            raise InputError(f"{kind.__name__}: the {name} must be an object, not {value!r}")
    if legacy is None:
        return given if isinstance(given, kind) else kind(**(given or {}))
    values = given.to_dict() if isinstance(given, kind) else dict(given or {})
    complete = kind(**legacy)
    every_field = {each.name: getattr(complete, each.name) for each in fields(complete)}
    return kind(**{**values, **complete.extra, **{**every_field, "extra": {}}})
