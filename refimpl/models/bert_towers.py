"""Running a BERT tower for the model classes: inputs checked, hidden states taken from the taps.

Base of the classes in bert.py and chinese_clip.py, over graph/bert.py and graph/bert_decoder.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from refimpl.configs.bert import BertTowerConfig, RobertaConfig
from refimpl.errors import InputError
from refimpl.graph import roberta
from refimpl.graph.bert import Bert, States, Text, bert_spec, bert_tower
from refimpl.graph.bert_decoder import Cached, Memory, decoder_tower
from refimpl.graph.interface import Mask, Ops
from refimpl.inputs import check_head_mask, check_switch
from refimpl.models.base import ModelBase, Watch
from refimpl.models.bert_inputs import (
    check_mask,
    check_memory,
    check_past,
    check_text,
    past_key_values,
)
from refimpl.outputs import BaseModelOutputWithPoolingAndCrossAttentions
from refimpl.params import join
from refimpl.pretrained import ConfigT, TreeT
from refimpl.shapes import Array, Float


@dataclass(frozen=True, slots=True)
class BertCall:
    """What a caller hands to a BERT tower, as it came; `BertModel.__call__` documents each."""

    input_ids: Any = None
    attention_mask: Any = None
    token_type_ids: Any = None
    position_ids: Any = None
    head_mask: Any = None
    inputs_embeds: Any = None
    encoder_hidden_states: Any = None
    encoder_attention_mask: Any = None
    past_key_values: Any = None
    use_cache: bool | None = None


@dataclass(frozen=True, slots=True)
class _Checked:
    """The same, checked, as the graph reads it."""

    text: Text
    mask: Mask
    memory: Memory
    head_mask: Float[Array, "N H"] | None
    use_cache: bool


class BertTowerBase(ModelBase[ConfigT, TreeT]):
    """How the classes run a BERT tower."""

    def _read_bert(
        self,
        cfg: BertTowerConfig,
        p: Bert,
        call: BertCall,
        states: bool | None = False,
        attentions: bool | None = False,
    ) -> BaseModelOutputWithPoolingAndCrossAttentions:
        """Run the tower, as encoder or as decoder."""
        given = self._checked(cfg, call)

        heads = self.place.put(given.head_mask)

        def run(
            ops: Ops, text: Text, mask: Mask, memory: Memory
        ) -> tuple[States, tuple[Cached, ...] | None]:
            if isinstance(cfg, RobertaConfig):
                text = roberta.with_positions(ops, cfg, text)
            if memory.empty and not given.use_cache:
                return bert_tower(ops, cfg, p, text, mask, heads), None
            return decoder_tower(ops, cfg, p, text, mask, memory, heads)

        across = given.memory.states is not None
        watch = bert_watch(p.path, cfg.num_hidden_layers, across)
        inputs = (given.text, given.mask, given.memory)
        (found, kept), seen = self._watched(run, inputs, watch, states, attentions)
        return BaseModelOutputWithPoolingAndCrossAttentions(
            last_hidden_state=found.last_hidden_state,
            pooler_output=found.pooler_output,
            hidden_states=seen.hidden_states,
            past_key_values=past_key_values(cfg, kept) if kept and given.use_cache else None,
            attentions=seen.attentions,
            cross_attentions=seen.cross_attentions,
        )

    def _checked(self, cfg: BertTowerConfig, call: BertCall) -> _Checked:
        """Check what came, part by part."""
        use_cache = check_switch("use_cache", call.use_cache)
        if use_cache and not cfg.is_decoder:
            raise InputError(
                "use_cache=True needs a decoder; the config has is_decoder=False, so nothing is "
                "kept for a next call"
            )
        past = check_past(cfg, call.past_key_values, self.place)
        earlier = 0 if past is None else past[0][0].shape[2]
        text = check_text(
            cfg,
            self.place,
            call.input_ids,
            call.inputs_embeds,
            call.token_type_ids,
            call.position_ids,
            earlier,
            pad_rows=_pad_rows(cfg),
        )
        batch, length = text.shape
        name, keys = "attention_mask", earlier + length
        mask = check_mask(name, call.attention_mask, batch, length, keys, cfg.is_decoder)
        others = (call.encoder_hidden_states, call.encoder_attention_mask)
        return _Checked(
            text,
            mask,
            check_memory(cfg, self.place, batch, length, *others, past),
            check_head_mask(
                call.head_mask, cfg.num_hidden_layers, cfg.num_attention_heads, self.place
            ),
            cfg.is_decoder and (cfg.use_cache if call.use_cache is None else use_cache),
        )


def _pad_rows(cfg: BertTowerConfig) -> int:
    """Count the position table's rows before the first token's: RoBERTa's padding comes first."""
    if isinstance(cfg, RobertaConfig) and cfg.pad_token_id is not None:
        return cfg.pad_token_id + 1
    return 0


def bert_watch(path: str, layers: int, across: bool) -> Watch:
    """Names of the watched values of a BERT tower."""
    stack = join(path, "encoder")
    at = [f"{stack}.layer.{index}" for index in range(layers)]
    return Watch(
        hidden_states=[f"{stack}.input", *(f"{each}.output" for each in at)],
        attentions=[f"{each}.attention.self.probs" for each in at],
        cross_attentions=[f"{each}.crossattention.self.probs" for each in at] if across else (),
    )


class LoneBert(BertTowerBase[ConfigT, Bert]):
    """A BERT tower alone: `BertModel`, `RobertaModel` and `ChineseCLIPTextModel`.

    Args:
        config: the tower's config.
        add_pooling_layer: whether there is a pooler; without one `pooler_output` is None, and a
            checkpoint's pooler is left aside.
        **common: as every model's (see pretrained.PreTrainedModel).
    """

    fresh_if_missing: ClassVar[Sequence[str]] = ("pooler.dense.weight", "pooler.dense.bias")
    spec_options: ClassVar[Sequence[str]] = ("add_pooling_layer",)

    def __init__(self, config: ConfigT, add_pooling_layer: bool = True, **common: Any) -> None:
        super().__init__(config, **common)
        if not add_pooling_layer:
            self.params = replace(self.params, pooler=None)

    @classmethod
    def spec(cls, config: ConfigT, add_pooling_layer: bool = True) -> Bert:
        """Tree of the weights that a config promises."""
        assert isinstance(config, BertTowerConfig)
        return bert_spec(config, pooler=add_pooling_layer)

    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        position_ids: Any = None,
        head_mask: Any = None,
        inputs_embeds: Any = None,
        encoder_hidden_states: Any = None,
        encoder_attention_mask: Any = None,
        past_key_values: Any = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> BaseModelOutputWithPoolingAndCrossAttentions | tuple[Any, ...]:
        """Read texts; B texts of L tokens, `past` tokens before them in a decoder's later calls.

        Args:
            input_ids: (B, L) token ids.
            attention_mask: (B, past + L), 0 where a token is padding; or (B, L, past + L) for each
                token on its own, which takes the place of a decoder's causal mask. None sees all.
            token_type_ids: (B, L) or (1, L) which sentence a token is of; None is 0 for all.
            position_ids: (B, L) or (1, L); None counts on from `past`. They change nothing where
                the config's positions are relative: those go by the order of the tokens.
            head_mask: (H,) or (layers, H), what each head's probabilities are multiplied by.
            inputs_embeds: (B, L, D) vectors instead of `input_ids`.
            encoder_hidden_states: (B, S, D) another model's states, for the cross attention. A
                decoder that has one leaves it out without them.
            encoder_attention_mask: (B, S) or (B, L, S), 0 where a state may not be seen.
            past_key_values: what an earlier call returned under this name.
            use_cache: whether a decoder returns them; None asks the config.
            output_attentions: return every layer's attention probabilities; those of the cross
                attention too, if it had something to look at.
            output_hidden_states: return every layer's hidden state.
            return_dict: False returns a plain tuple; its second value is None without a pooler.

        Returns:
            A `BaseModelOutputWithPoolingAndCrossAttentions`, or its values as a tuple: last state,
            pooled, keys and values, hidden states, attentions, cross attentions.

        Raises:
            InputError: an input has the wrong shape, kind or range, the text is too long, or
                inputs do not go together. What upstream ignores silently is refused: an encoder's
                `encoder_hidden_states` and `use_cache=True`.

        Source: Transformers 4.37.2, the last version in which all of these arguments work.
        """
        assert isinstance(self.config, BertTowerConfig)
        call = BertCall(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            head_mask,
            inputs_embeds,
            encoder_hidden_states,
            encoder_attention_mask,
            past_key_values,
            use_cache,
        )
        want = (output_hidden_states, output_attentions)
        out = self._read_bert(self.config, self.params, call, *want)
        returned = self._returned(out, return_dict)
        if isinstance(returned, tuple) and out.pooler_output is None:
            return (returned[0], None, *returned[1:])  # here upstream keeps its place
        return returned
