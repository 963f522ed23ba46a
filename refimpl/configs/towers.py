"""What the configs of towers have in common, and of models with two of them.

Between base_config.py, which reads, writes and checks fields, and the families' files, each of which
only lists fields and defaults. Read next: clip.py.

Source: Transformers 5.23.0 and 4.57.6, configuration_utils.py, configuration_clip.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

from refimpl.base_config import Config
from refimpl.errors import InputError

TowerT = TypeVar("TowerT", bound="TowerConfig")
WholeT = TypeVar("WholeT", bound="TwoTowerConfig")


@dataclass(frozen=True, init=False, repr=False, eq=False)
class TowerConfig(Config):
    """Sizes that every transformer tower has: width D, MLP width M, layers, heads H."""

    part_of_whole: ClassVar[str] = ""
    """Field under which the tower's config stands in a whole model's JSON."""
    wholes: ClassVar[tuple[str, ...]] = ()
    """`model_type` of the whole models whose part it is where the part itself names no type."""
    has_legacy_dict: ClassVar[bool] = True
    """Whether `text_config_dict` (`vision_config_dict`) of a whole model's JSON means anything."""

    hidden_size: int = 768
    intermediate_size: int = 3072
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-12

    @classmethod
    def from_dict(cls: type[TowerT], values: Mapping[str, Any], **changes: Any) -> TowerT:
        """Build a tower's config from its own JSON, or from its part of a whole model's JSON.

        Raises:
            InputError: as `Config.from_dict`.
        """
        found = values.get("model_type")
        if found != cls.model_type and cls.part_of_whole in values:
            part = values[cls.part_of_whole]
            inner = part.get("model_type") if isinstance(part, Mapping) else None
            if inner is None and found not in cls.wholes:
                raise InputError(
                    f"{cls.__name__}: the config is of model_type {found!r}; wanted is "
                    f"{cls.model_type!r}, or a model of {', '.join(map(repr, cls.wholes))}"
                )
            legacy = values.get(f"{cls.part_of_whole}_dict")
            values = merged(cls, part, legacy).to_dict()
            values["model_type"] = inner or cls.model_type
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
class VisionTowerConfig(TowerConfig):
    """What every image tower has beside: pictures of so many pixels, in square patches."""

    part_of_whole: ClassVar[str] = "vision_config"

    num_channels: int = 3
    image_size: int = 224
    patch_size: int = 16

    def _problems(self) -> list[str]:
        problems = super()._problems()
        if not problems and self.patch_size > self.image_size:
            problems.append(
                f"patch_size {self.patch_size} is larger than image_size {self.image_size}"
            )
        return problems


@dataclass(frozen=True, init=False, repr=False, eq=False)
class TwoTowerConfig(Config):
    """Both towers of a model, and what joins them.

    A subclass declares the fields `text_config` and `vision_config` with their classes.

    Args:
        text_config: a config of the text tower, a dict of its fields, or None for the defaults.
        vision_config: a config of the image tower, a dict of its fields, or None for the defaults.
        text_config_dict: legacy, found in old hub files: a *complete* text config is built from
            it, defaults included, and wins over `text_config` field by field.
        vision_config_dict: the same for the image tower.
        **values: the fields of the class, and the common ones.
    """

    text_kind: ClassVar[type[TowerConfig]]
    vision_kind: ClassVar[type[TowerConfig]]

    def __init__(
        self,
        text_config: Any = None,
        vision_config: Any = None,
        text_config_dict: Any = None,
        vision_config_dict: Any = None,
        **values: Any,
    ) -> None:
        if not self.text_kind.has_legacy_dict and text_config_dict is not None:
            values["text_config_dict"] = text_config_dict  # like any unknown field
        if not self.vision_kind.has_legacy_dict and vision_config_dict is not None:
            values["vision_config_dict"] = vision_config_dict
        super().__init__(
            text_config=merged(self.text_kind, text_config, text_config_dict),
            vision_config=merged(self.vision_kind, vision_config, vision_config_dict),
            **values,
        )

    @classmethod
    def from_text_vision_configs(
        cls: type[WholeT], text_config: TowerConfig, vision_config: TowerConfig, **values: Any
    ) -> WholeT:
        """Build a model's config from the configs of its towers."""
        return cls(text_config=text_config, vision_config=vision_config, **values)


def merged(kind: type[TowerT], given: Any, legacy: Any) -> TowerT:
    """Join a tower's config with its legacy dict; see `TwoTowerConfig`.

    Raises:
        InputError: one of them is neither such a config nor an object of fields.
    """
    legacy = legacy if kind.has_legacy_dict else None
    for name, value in (("config", given), ("config_dict", legacy)):
        if value is not None and not isinstance(value, (kind, Mapping)):
            raise InputError(f"{kind.__name__}: the {name} must be an object, not {value!r}")
    if legacy is None:
        return given if isinstance(given, kind) else kind(**(given or {}))
    values = given.to_dict() if isinstance(given, kind) else dict(given or {})
    complete = kind(**legacy)
    every_field = {each.name: getattr(complete, each.name) for each in fields(complete)}
    return kind(**{**values, **complete.extra, **{**every_field, "extra": {}}})
