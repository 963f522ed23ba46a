"""What the model classes share: running a tower while watching it, and giving results back.

Over pretrained.py (weights in and out) and trace.py; the families' classes stand beside this file.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from refimpl.inputs import check_switch
from refimpl.outputs import ModelOutput
from refimpl.pretrained import ConfigT, PreTrainedModel, TreeT
from refimpl.shapes import Array
from refimpl.trace import Record

OutputT = TypeVar("OutputT", bound=ModelOutput)
ResultT = TypeVar("ResultT")


class Watch(NamedTuple):
    """Names of the tapped values that upstream returns beside a tower's result.

    Attributes:
        hidden_states: what goes into the first layer, then each layer's output.
        attentions: each layer's attention probabilities.
        cross_attentions: the same of each layer's cross attention, where it has one.
    """

    hidden_states: Sequence[str]
    attentions: Sequence[str]
    cross_attentions: Sequence[str] = ()


class Watched(NamedTuple):
    """The watched values of one run; None for what was not asked for."""

    hidden_states: tuple[Array, ...] | None
    attentions: tuple[Array, ...] | None
    cross_attentions: tuple[Array, ...] | None


class ModelBase(PreTrainedModel[ConfigT, TreeT]):
    """How the classes run a tower and give back its results."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Let what users call run in the place's `computing`, so that no class can forget it."""
        super().__init_subclass__(**options)
        for name in ("__call__", "get_text_features", "get_image_features"):
            if name in vars(cls):
                setattr(cls, name, _in_place(vars(cls)[name]))

    def _watched(
        self,
        run: Callable[..., ResultT],
        inputs: tuple[Any, ...],
        watch: Watch,
        states: bool | None,
        attentions: bool | None,
    ) -> tuple[ResultT, Watched]:
        """Run a tower, and take the hidden states and attentions from its taps.

        Args:
            run: the tower, given an interpreter and the inputs.
            inputs: what goes by the item, the batch on the first axis; the first of them has the
                batch's `shape`. On a device, a batch that does not fit into memory goes in parts.
            watch: the names of the values.
            states: whether hidden states are wanted; None asks the config.
            attentions: whether attention probabilities are wanted; None asks the config.
        """
        cfg = self.config
        want_states = _switch("output_hidden_states", states, cfg.output_hidden_states)
        want_probs = _switch("output_attentions", attentions, cfg.output_attentions)
        wanted = {
            *(watch.hidden_states if want_states else ()),
            *((*watch.attentions, *watch.cross_attentions) if want_probs else ()),
        }

        def watched(part: tuple[Any, ...]) -> tuple[ResultT, dict[str, Array]]:
            values: dict[str, Array] = {}
            ops = Record(self.ops, values, wanted.__contains__) if wanted else self.ops
            return run(ops, *part), values

        batch, *item = inputs[0].shape
        key = (*watch.hidden_states[:1], *item)
        result, values = self.place.run(watched, inputs, batch, key)

        def found(names: Sequence[str]) -> tuple[Array, ...]:
            return tuple(values[name] for name in names)

        crossed = [name for name in watch.cross_attentions if name in values]
        return result, Watched(
            found(watch.hidden_states) if want_states else None,
            found(watch.attentions) if want_probs else None,
            found(crossed) if want_probs and watch.cross_attentions else None,
        )

    def _returned(self, output: OutputT, return_dict: bool | None) -> OutputT | tuple[Any, ...]:
        """Give back the named output, or the tuple if that is asked for."""
        named = _switch("return_dict", return_dict, self.config.return_dict)
        return output if named else output.plain()


def _in_place(method: Callable[..., ResultT]) -> Callable[..., ResultT]:
    """Run a model's method where the model computes; see `TorchPlace.computing`."""

    @functools.wraps(method)
    def run(self: Any, *given: Any, **named: Any) -> ResultT:
        with self.place.computing():
            return method(self, *given, **named)

    return run


def _switch(name: str, given: Any, otherwise: Any) -> bool:
    """Return a switch of a call, or the config's where the call leaves it open."""
    return check_switch(name, otherwise if given is None else given)


def encoder_watch(path: str, layers: int) -> Watch:
    """Names of the watched values of a tower that is made of graph/encoder.py's blocks."""
    at = [f"{path}.encoder.layers.{index}" for index in range(layers)]
    return Watch(
        hidden_states=[f"{path}.encoder.input", *(f"{each}.output" for each in at)],
        attentions=[f"{each}.self_attn.probs" for each in at],
    )
