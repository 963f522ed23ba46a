"""What every config has: frozen fields, unknown fields kept, JSON in and out, values checked.

Base of the families' configs in configs/; the graph reads configs and holds no number of its
own. Fields that we do not know (a hub file has dozens of generation settings) are kept in `extra`,
can be read as attributes, and are written back on save.

Source: Transformers 5.23.0 and 4.57.6, configuration_utils.py.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from refimpl.activations import ACTIVATIONS
from refimpl.checkpoints.folder import write_config
from refimpl.checkpoints.originals import read_checkpoint_config
from refimpl.errors import InputError

Self = TypeVar("Self", bound="Config")

_LARGEST_SIZE = 2**24  # no released tower has a width, vocabulary or length near it
_SIZES = frozenset(
    "vocab_size hidden_size intermediate_size projection_dim num_hidden_layers "
    "num_attention_heads max_position_embeddings num_channels image_size patch_size projection_size "
    "encoder_stride".split()
)
_NUMBERS = frozenset(
    "layer_norm_eps attention_dropout initializer_range initializer_factor "
    "hidden_dropout_prob attention_probs_dropout_prob "
    "logit_scale_init_value layer_scale_init_value layerscale_value mlp_ratio drop_path_rate".split()
)
_FLAGS = frozenset(
    "qkv_bias use_mask_token use_absolute_position_embeddings use_relative_position_bias "
    "use_shared_relative_position_bias use_mean_pooling use_swiglu_ffn vision_use_head".split()
)
_SWITCHES = ("output_hidden_states", "output_attentions", "return_dict")
_PROBLEM_TYPES = (
    None,
    "regression",
    "single_label_classification",
    "multi_label_classification",
)


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Config:
    """What every config has: the common fields, unknown fields, and JSON in and out.

    Args:
        **values: any field of the class by name; `num_labels=3` is short for an `id2label` of
            three labels; anything else is kept in `extra`.

    Attributes:
        output_hidden_states: whether calls return every layer's hidden state by default.
        output_attentions: whether calls return every layer's attention probabilities by default.
        return_dict: whether calls return a named output (default) or a plain tuple.
        id2label: names of the classes of a classification head, by index.
        problem_type: which loss a classification head uses, or None to go by the labels.
        architectures: the classes that the checkpoint was saved from.
        extra: all fields that this class does not know, as they came.

    Raises:
        InputError: a value is of the wrong kind or out of range; all are told at once.
    """

    model_type: ClassVar[str] = ""

    output_hidden_states: bool = False
    output_attentions: bool = False
    return_dict: bool = True
    id2label: Mapping[int, str] = field(
        default_factory=lambda: MappingProxyType({0: "LABEL_0", 1: "LABEL_1"})
    )
    problem_type: str | None = None
    architectures: tuple[str, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __init__(self, **values: Any) -> None:
        values = _with_labels(values)
        kind = values.pop("model_type", None)
        if kind not in (None, self.model_type):
            raise InputError(
                f"{type(self).__name__}: model_type is {self.model_type!r}, not {kind!r:.80}"
            )
        extra = values.pop("extra", None) or {}
        if not isinstance(extra, Mapping):
            raise InputError(f"{type(self).__name__}: extra must be an object; got {extra!r}")
        for each in fields(self):
            if each.name == "extra":
                continue
            value = values.pop(each.name) if each.name in values else _default(each)
            if each.name == "architectures" and isinstance(value, list):
                value = tuple(value)
            object.__setattr__(self, each.name, value)
        object.__setattr__(self, "extra", MappingProxyType({**dict(extra), **values}))
        problems = self._problems()
        if problems:
            raise InputError(f"{type(self).__name__}: " + "; ".join(problems))

    def __getattr__(self, name: str) -> Any:
        """Give an unknown field of the file by name, as upstream's configs do."""
        extra = self.__dict__.get("extra", {})
        if name in extra:
            return extra[name]
        raise AttributeError(f"{type(self).__name__} has no field {name!r}")

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.to_json_string()}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(self.to_json_string())

    @property
    def num_labels(self) -> int:
        """How many classes a classification head has."""
        return len(self.id2label)

    @property
    def label2id(self) -> dict[str, int]:
        """Index of each class by its name."""
        return {label: index for index, label in self.id2label.items()}

    def replace(self: Self, **changes: Any) -> Self:
        """Return a copy with some fields changed; a config itself never changes."""
        if "num_labels" in changes:
            changes = _with_labels({"id2label": self.id2label, **changes})
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        extra = {**self.extra, **{k: v for k, v in changes.items() if k not in values}}
        known = {k: v for k, v in changes.items() if k in values}
        return type(self)(**{**values, **known, "extra": extra})

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON holds them, unknown ones included."""
        result: dict[str, Any] = {"model_type": self.model_type, **self.extra}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name == "extra" or (each.name in _COMMON and value == _default(each)):
                continue
            if isinstance(value, Config):
                value = value.to_dict()
            elif each.name == "id2label":
                result["label2id"] = self.label2id
                value = {str(index): label for index, label in value.items()}
            result[each.name] = list(value) if isinstance(value, tuple) else value
        return result

    def to_json_string(self) -> str:
        """Return `to_dict` as indented JSON text with sorted keys."""
        try:
            text = json.dumps(self.to_dict(), indent=2, sort_keys=True, ensure_ascii=False)
        except (TypeError, ValueError) as error:
            raise InputError(f"{type(self).__name__} holds what JSON cannot: {error}") from error
        return text + "\n"

    @classmethod
    def from_dict(cls: type[Self], values: Mapping[str, Any], **changes: Any) -> Self:
        """Build a config from a JSON object; keyword arguments win over it.

        Raises:
            InputError: the object describes another kind of model, or a value is not usable.
        """
        found = values.get("model_type", cls.model_type)
        if found != cls.model_type:
            raise InputError(
                f"{cls.__name__}: the config is of model_type {found!r}, not {cls.model_type!r}"
            )
        return cls(**{**values, **changes})

    @classmethod
    def from_pretrained(cls: type[Self], folder: str | Path, **changes: Any) -> Self:
        """Read `config.json` of a checkpoint folder (or the file itself), or an original's sizes.

        Raises:
            InputError: there is no such file, it is not JSON, or a value is not usable; the
                message names the file.
        """
        values = read_checkpoint_config(folder)
        try:
            return cls.from_dict(values, **changes)
        except InputError as error:
            raise InputError(f"{folder}: {error}") from error

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `config.json` into the folder, which is made if need be."""
        write_config(folder, self.to_dict())

    def _problems(self) -> list[str]:
        """Every reason why these values cannot describe a model."""
        problems = []
        for each in fields(self):
            problem = _problem_of(each.name, getattr(self, each.name))
            if problem:
                problems.append(problem)
        return problems


_COMMON = frozenset(each.name for each in fields(Config))


def _default(each: "Field[Any]") -> Any:
    """Return a dataclass field's default value."""
    return each.default_factory() if each.default_factory is not MISSING else each.default


def _with_labels(values: dict[str, Any]) -> dict[str, Any]:
    """Turn JSON's `id2label` (string keys) and `num_labels` into one `id2label` by index.

    JSON's `label2id` is left aside: it follows from `id2label`.
    """
    values = dict(values)
    values.pop("label2id", None)
    count = values.pop("num_labels", None)
    labels = values.get("id2label")
    if labels is not None:
        try:
            labels = {int(index): label for index, label in labels.items()}
            named = all(isinstance(label, str) for label in labels.values())
        except (ValueError, TypeError, AttributeError):
            named = False
        if not named:
            raise InputError(f"id2label must map indices to names; got {labels!r:.80}")
    if count is not None and (labels is None or len(labels) != count):
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count < _LARGEST_SIZE:
            raise InputError(f"num_labels must be a count of classes; got {count!r}")
        labels = {index: f"LABEL_{index}" for index in range(count)}
    if labels is not None:
        values["id2label"] = MappingProxyType(labels)
    else:
        values.pop("id2label", None)
    return values


def _problem_of(name: str, value: Any) -> str | None:
    """Say what is wrong with one field's value, or None."""
    is_int = isinstance(value, int) and not isinstance(value, bool)
    if name in _SIZES and not (is_int and 0 < value <= _LARGEST_SIZE):
        return f"{name} must be a whole number from 1 to {_LARGEST_SIZE}; got {value!r:.80}"
    if name in _NUMBERS or (name == "classifier_dropout" and value is not None):
        is_number = is_int or isinstance(value, float)
        if not is_number or not abs(value) <= sys.float_info.max:  # whole numbers may be larger
            return f"{name} must be a finite number; got {value!r:.80}"
        if name == "layer_norm_eps" and value <= 0:
            return f"layer_norm_eps must be above 0; got {value!r:.80}"
    if name in ("hidden_act", "pooler_act") and (
        not isinstance(value, str) or value not in ACTIVATIONS
    ):
        return f"{name} {value!r:.80} is unknown; known are {', '.join(ACTIVATIONS)}"
    if name in _FLAGS and not isinstance(value, bool):
        return f"{name} must be true or false; got {value!r:.80}"
    if name in _SWITCHES and not (value is None or isinstance(value, bool)):
        return f"{name} must be true, false or null; got {value!r:.80}"
    if name.endswith("_token_id") and not (value is None or is_int):
        return f"{name} must be a whole number or null; got {value!r:.80}"
    if name == "architectures" and not (
        value is None or (isinstance(value, tuple) and all(isinstance(x, str) for x in value))
    ):
        return f"architectures must be a list of names; got {value!r:.80}"
    if name == "problem_type" and value not in _PROBLEM_TYPES:
        return (
            f"problem_type must be one of {', '.join(map(repr, _PROBLEM_TYPES))}; got {value!r:.80}"
        )
    return None
