"""The dual encoder as a class: any image tower and any text tower of dual_encoder_towers.py.

The towers are the classes that stand beside this file; each checks its own inputs.

>>> import numpy as np
>>> from refimpl.configs import VisionTextDualEncoderConfig
>>> sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
>>> model = VisionTextDualEncoderModel(VisionTextDualEncoderConfig(
...     {**sizes, "model_type": "dinov2", "image_size": 28}, {**sizes, "model_type": "bert"}))
>>> model(input_ids=[[1, 2]], pixel_values=np.zeros((3, 3, 28, 28))).logits_per_image.shape
(3, 1)
"""

import warnings
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from refimpl import ops as numpy_ops
from refimpl.base_config import Config
from refimpl.checkpoints.names import compare_trees
from refimpl.configs import CLIPTextConfig, VisionTextDualEncoderConfig
from refimpl.devices import Place, fresh_leaf, on_host, place_for
from refimpl.errors import InputError
from refimpl.graph import clip, losses
from refimpl.graph.interface import Ops
from refimpl.graph.vision_text_dual_encoder import DualEncoder, dual_encoder_spec, join_towers
from refimpl.inputs import check_pairs, check_switch
from refimpl.models.base import ModelBase
from refimpl.models.dual_encoder_towers import TEXT_TOWERS, VISION_TOWERS, Tower, load_tower
from refimpl.outputs import CLIPOutput
from refimpl.params import hang, named_leaves
from refimpl.pretrained import PreTrainedModel
from refimpl.shapes import Array, Float

Self = TypeVar("Self", bound="VisionTextDualEncoderModel")


class VisionTextDualEncoderModel(ModelBase[VisionTextDualEncoderConfig, DualEncoder]):
    """Two towers of different kinds and what joins them.

    Args:
        config: the model's config; None takes the towers' own.
        vision_model: an image tower of `VISION_TOWERS` with its weights; None draws a fresh one.
        text_model: a text tower of `TEXT_TOWERS`, likewise.
        seed: seed of the freshly drawn weights.
        dtype: as every model's (see pretrained.PreTrainedModel); the towers' weights are cast.
        params: a tree of weights to use instead of all of these.
        ops: the interpreter; numpy's by default.
        device: as every model's; None takes the given towers' own.

    Raises:
        InputError: neither a config nor both towers, or a tower that does not fit.
    """

    config_class = VisionTextDualEncoderConfig

    def __init__(
        self,
        config: Any = None,
        vision_model: Any = None,
        text_model: Any = None,
        *,
        seed: int = 0,
        dtype: Any = "float32",
        params: DualEncoder | None = None,
        ops: Ops = numpy_ops,
        device: Any = None,
    ) -> None:
        for name, tower in (("vision_model", vision_model), ("text_model", text_model)):
            if tower is None and config is None:
                raise InputError(f"{type(self).__name__}: without a config it needs a {name}")
            if tower is not None and not isinstance(tower, PreTrainedModel):
                raise InputError(f"{name} must be a model of refimpl; got {type(tower).__name__}")
        if config is None:
            config = self.config_class.from_vision_text_configs(
                vision_model.config, text_model.config
            )
        given = {"vision_model": vision_model, "text_model": text_model}
        towers = {name: tower for name, tower in given.items() if tower is not None}
        if device is None:
            device = next((tower.device for tower in towers.values() if tower.device), None)
        if params is None and towers and isinstance(config, self.config_class):
            params = self._with_towers(config, towers, seed, place_for(device, dtype))
        super().__init__(config, seed=seed, dtype=dtype, params=params, ops=ops, device=device)
        self._towers: dict[str, Tower] = {}

    @classmethod
    def spec(cls, config: VisionTextDualEncoderConfig) -> DualEncoder:
        """Tree of the weights that a config promises."""
        vision, text = config.vision_config, config.text_config
        return dual_encoder_spec(
            config,
            VISION_TOWERS[type(vision)].spec(vision),
            TEXT_TOWERS[type(text)].spec(text),
        )

    @classmethod
    def _with_towers(
        cls, config: VisionTextDualEncoderConfig, towers: dict[str, Tower], seed: int, place: Place
    ) -> DualEncoder:
        """Take the weights of the towers that are given, and draw the others."""
        spec = cls.spec(config)
        tensors: dict[str, Array] = {}
        for name, tower in towers.items():
            found = dict(named_leaves(hang(name, tower.params)))
            wanted = {path: leaf.shape for path, leaf in named_leaves(getattr(spec, name))}
            # only shapes are compared: the weights may be on a device, and of its dtype
            shapes = {path: np.broadcast_to(np.float32(0), x.shape) for path, x in found.items()}
            compare_trees(wanted, shapes, f"the given {name}, a {type(tower).__name__},")
            tensors |= found

        def leaf(name: str, spec: Any) -> Any:
            if name not in tensors:
                return fresh_leaf(place, name, spec, seed)
            return on_host(tensors[name]) if place.device is None else tensors[name]

        return place.tree(spec, leaf)

    @property
    def vision_model(self) -> Any:
        """The image tower as a model of its own class, over the same weights."""
        kind = VISION_TOWERS[type(self.config.vision_config)]
        return self._tower("vision", kind, self.config.vision_config, self.params.vision_model)

    @property
    def text_model(self) -> Any:
        """The text tower, likewise."""
        kind = TEXT_TOWERS[type(self.config.text_config)]
        return self._tower("text", kind, self.config.text_config, self.params.text_model)

    def _tower(self, side: str, kind: Any, config: Config, params: Any) -> Any:
        """Make a tower once: on a device it remembers which batches fit."""
        known = self._towers.get(side)
        if known is None or known.params is not params or known.ops is not self.ops:
            common = {"params": params, "ops": self.ops, "device": self.device}
            self._towers[side] = known = kind(config, dtype=self.dtype, **common)
        return known

    def _read(
        self,
        input_ids: Any,
        attention_mask: Any,
        position_ids: Any,
        token_type_ids: Any,
        **want: bool | None,
    ) -> Any:
        """Run the text tower."""
        kinds = (
            {}
            if isinstance(self.config.text_config, CLIPTextConfig)
            else {"token_type_ids": token_type_ids}
        )
        return self.text_model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            return_dict=True,
            **kinds,
            **want,
        )

    def get_text_features(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        position_ids: Any = None,
        token_type_ids: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> Float[Array, "B E"]:
        """Project texts into the joint space, (B, E); not normalised.

        The last three arguments are documented in 4.37 and change nothing, here as there.
        Source: Transformers 4.57; version 5 returns an object instead of the array.
        """
        text = self._read(input_ids, attention_mask, position_ids, token_type_ids)
        return clip.project(self.ops, self.params.text_projection, text.pooler_output)

    def get_image_features(
        self,
        pixel_values: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> Float[Array, "B E"]:
        """Project pictures into the joint space, (B, E); not normalised."""
        image = self.vision_model(pixel_values=pixel_values, return_dict=True)
        return clip.project(self.ops, self.params.visual_projection, image.pooler_output)

    def __call__(
        self,
        input_ids: Any = None,
        pixel_values: Any = None,
        attention_mask: Any = None,
        position_ids: Any = None,
        return_loss: bool | None = None,
        token_type_ids: Any = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> CLIPOutput | tuple[Any, ...]:
        """Compare texts with pictures.

        Args:
            input_ids: (T, L) token ids.
            pixel_values: (I, channels, height, width), of a size that the image tower takes.
            attention_mask: (T, L), 0 where a token is padding; None sees all.
            position_ids: (T, L) or (1, L) positions; None lets the text tower count.
            return_loss: also return the contrastive loss; needs as many texts as pictures.
            token_type_ids: (T, L) which sentence a token is of; CLIP's text tower has no use for
                them and leaves them aside.
            output_attentions: return every layer's attention probabilities; None asks each tower's
                config.
            output_hidden_states: return every layer's hidden state, likewise.
            return_dict: False returns a plain tuple.

        Raises:
            InputError: an input does not suit its tower, or the loss was asked for and texts and
                pictures differ in number.
        """
        want = {
            "output_attentions": output_attentions,
            "output_hidden_states": output_hidden_states,
        }
        vision = self.vision_model(pixel_values=pixel_values, return_dict=True, **want)
        text = self._read(input_ids, attention_mask, position_ids, token_type_ids, **want)
        found = join_towers(self.ops, self.params, text.pooler_output, vision.pooler_output)
        loss = None
        if check_switch("return_loss", return_loss):
            loss = losses.contrastive(self.ops, check_pairs(found.logits_per_text))
        return self._returned(CLIPOutput(loss, *found, text, vision), return_dict)

    @classmethod
    def from_vision_text_pretrained(
        cls: type[Self],
        vision_model_name_or_path: str | Path | None = None,
        text_model_name_or_path: str | Path | None = None,
        *,
        seed: int = 0,
        dtype: Any = "float32",
        ops: Ops = numpy_ops,
        device: Any = None,
        **values: Any,
    ) -> Self:
        """Join two checkpoints; the projections and the temperature are fresh, and say so.

        Args:
            vision_model_name_or_path: folder or hub id of the image tower; a whole CLIP's, SigLIP's
                or Chinese-CLIP's stands for its image tower, without its projection.
            text_model_name_or_path: folder or hub id of the text tower.
            seed: seed of what is drawn afresh.
            dtype: "float32" or "float64"; with a device also "float16" and "bfloat16".
            ops: the interpreter.
            device: as every model's; None takes that of given towers.
            **values: `vision_model=` and `text_model=` are towers to use instead of checkpoints;
                other arguments that begin with `vision_` or `text_` go to that tower's
                `from_pretrained`, `vision_config=` among them; the rest are fields of the config,
                such as `projection_dim`.

        Raises:
            InputError: a tower is missing, of a kind that cannot be joined, or does not load.
        """
        towers, common = {}, {"seed": seed, "dtype": dtype, "device": device}
        names = {"vision": vision_model_name_or_path, "text": text_model_name_or_path}
        for side, name in names.items():
            own = {n: values.pop(n) for n in list(values) if n.startswith(f"{side}_")}
            own = {n.removeprefix(f"{side}_"): value for n, value in own.items()}
            towers[side] = own.pop("model", None)
            if towers[side] is None:
                towers[side] = load_tower(side, name, {**common, **own})
        cls._check_changes(values)
        vision, text = towers["vision"], towers["text"]
        for side, tower in towers.items():
            if not isinstance(tower, PreTrainedModel):
                kind = type(tower).__name__
                raise InputError(f"{side}_model must be a model of refimpl; got {kind}")
        config = cls.config_class.from_vision_text_configs(vision.config, text.config, **values)
        model = cls(config, vision, text, ops=ops, **common)
        warnings.warn(
            "The projection layer and logit scale weights ['visual_projection.weight', "
            "'text_projection.weight', 'logit_scale'] are newly initialized: drawn from seed "
            f"{seed}, so train them before use",
            stacklevel=2,
        )
        return model
