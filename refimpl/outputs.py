"""What the models return: named outputs, with the fields that upstream documents.

An output can be read by attribute, by name in brackets, by position, and unpacked. Fields that
are None are absent from the tuple and from the names, as in Transformers.
Returned by models/.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from refimpl.shapes import Array, Float


@dataclass(frozen=True)
class ModelOutput:
    """A named tuple of the fields that are not None.

    >>> out = BaseModelOutputWithPooling(hidden_states=())
    >>> out.hidden_states, out["hidden_states"], out[0], out.keys()
    ((), (), (), ['hidden_states'])
    """

    def items(self) -> list[tuple[str, Any]]:
        """Names and values of the fields that are there."""
        pairs = ((field.name, getattr(self, field.name)) for field in fields(self))
        return [(name, value) for name, value in pairs if value is not None]

    def keys(self) -> list[str]:
        """Names of the fields that are there."""
        return [name for name, _ in self.items()]

    def values(self) -> list[Any]:
        """Values of the fields that are there."""
        return [value for _, value in self.items()]

    def to_tuple(self) -> tuple[Any, ...]:
        """The values as a plain tuple; outputs inside become tuples too."""
        return tuple(v.to_tuple() if isinstance(v, ModelOutput) else v for v in self.values())

    def plain(self) -> tuple[Any, ...]:
        """What a call with `return_dict=False` gives; the same as `to_tuple` but for BERT."""
        return tuple(v.plain() if isinstance(v, ModelOutput) else v for v in self.values())

    def __getitem__(self, key: str | int | slice) -> Any:
        return dict(self.items())[key] if isinstance(key, str) else self.to_tuple()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def __len__(self) -> int:
        return len(self.keys())


@dataclass(frozen=True)
class BaseModelOutputWithPooling(ModelOutput):
    """What a tower returns.

    Attributes:
        last_hidden_state: (B, L, D) every token's last state; normalised in the text tower, raw
            in the image tower.
        pooler_output: (B, D) the state that stands for the whole input; projected, (B, E), in
            SigLIP's text tower only.
        hidden_states: what goes into the first layer, then each layer's output, (B, L, D) each.
        attentions: each layer's attention probabilities, (B, H, L, L) each.
    """

    last_hidden_state: Float[Array, "B L D"] | None = None
    pooler_output: Float[Array, "B E"] | None = None
    hidden_states: tuple[Array, ...] | None = None
    attentions: tuple[Array, ...] | None = None


@dataclass(frozen=True)
class BaseModelOutputWithPoolingAndCrossAttentions(ModelOutput):
    """What a BERT tower returns, as encoder or as decoder.

    Attributes:
        last_hidden_state: (B, L, D) every token's last state.
        pooler_output: (B, D) the first token's, through the pooler; None without one.
        hidden_states: what goes into the first layer, then each layer's output, (B, L, D) each.
        past_key_values: for each layer of a decoder its keys and values, (B, H, past + L, K) each,
            then those of the cross attention, (B, H, S, K) each, if there was one.
        attentions: each layer's attention probabilities, (B, H, L, past + L) each.
        cross_attentions: the same of each layer's cross attention, (B, H, L, S) each.

    Trap: with `return_dict=False` the keys and values come before the hidden states.
    """

    last_hidden_state: Float[Array, "B L D"] | None = None
    pooler_output: Float[Array, "B D"] | None = None
    hidden_states: tuple[Array, ...] | None = None
    past_key_values: tuple[tuple[Array, ...], ...] | None = None
    attentions: tuple[Array, ...] | None = None
    cross_attentions: tuple[Array, ...] | None = None

    def plain(self) -> tuple[Any, ...]:
        """What a call with `return_dict=False` gives."""
        first = ("last_hidden_state", "pooler_output", "past_key_values")
        return tuple(value for _, value in sorted(self.items(), key=lambda x: x[0] not in first))


@dataclass(frozen=True)
class BeitModelOutputWithPooling(BaseModelOutputWithPooling):
    """What BEiT returns; `last_hidden_state` is not normalised where the mean is pooled."""


@dataclass(frozen=True)
class CLIPTextModelOutput(ModelOutput):
    """What the text tower with its projection returns; `text_embeds` is not normalised."""

    text_embeds: Float[Array, "B E"] | None = None
    last_hidden_state: Float[Array, "B L D"] | None = None
    hidden_states: tuple[Array, ...] | None = None
    attentions: tuple[Array, ...] | None = None


@dataclass(frozen=True)
class CLIPVisionModelOutput(ModelOutput):
    """What the image tower with its projection returns; `image_embeds` is not normalised."""

    image_embeds: Float[Array, "B E"] | None = None
    last_hidden_state: Float[Array, "B L D"] | None = None
    hidden_states: tuple[Array, ...] | None = None
    attentions: tuple[Array, ...] | None = None


@dataclass(frozen=True)
class CLIPOutput(ModelOutput):
    """What the whole model returns.

    Attributes:
        loss: () the contrastive loss, if it was asked for.
        logits_per_image: (images, texts) scaled cosines.
        logits_per_text: (texts, images) their transpose.
        text_embeds: (texts, E) unit vectors.
        image_embeds: (images, E) unit vectors.
        text_model_output: what the text tower gave; its `pooler_output` is not projected.
        vision_model_output: what the image tower gave, likewise.
    """

    loss: Float[Array, ""] | None = None
    logits_per_image: Float[Array, "I T"] | None = None
    logits_per_text: Float[Array, "T I"] | None = None
    text_embeds: Float[Array, "T E"] | None = None
    image_embeds: Float[Array, "I E"] | None = None
    text_model_output: (
        BaseModelOutputWithPooling | BaseModelOutputWithPoolingAndCrossAttentions | None
    ) = None
    vision_model_output: BaseModelOutputWithPooling | None = None


@dataclass(frozen=True)
class SiglipOutput(CLIPOutput):
    """What the whole SigLIP returns: CLIP's fields; the logits go through a sigmoid, one by one.

    The loss is the sigmoid loss, and each tower's `pooler_output` is its features, before they are
    made unit vectors.
    """


@dataclass(frozen=True)
class ImageClassifierOutput(ModelOutput):
    """What the image classifier returns: `logits` is (B, labels)."""

    loss: Float[Array, ""] | None = None
    logits: Float[Array, "B N"] | None = None
    hidden_states: tuple[Array, ...] | None = None
    attentions: tuple[Array, ...] | None = None


@dataclass(frozen=True)
class ChineseCLIPOutput(ModelOutput):
    """What a Chinese-CLIP returns: `CLIPOutput`'s fields.

    The text tower has no pooler, so `text_model_output` has no `pooler_output`; its first token's
    last state is what is projected.
    """

    loss: Float[Array, ""] | None = None
    logits_per_image: Float[Array, "I T"] | None = None
    logits_per_text: Float[Array, "T I"] | None = None
    text_embeds: Float[Array, "T E"] | None = None
    image_embeds: Float[Array, "I E"] | None = None
    text_model_output: BaseModelOutputWithPoolingAndCrossAttentions | None = None
    vision_model_output: BaseModelOutputWithPooling | None = None
