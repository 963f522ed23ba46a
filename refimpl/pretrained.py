"""What all model classes share: weights from a config, from a folder, and back into one.

Base of the classes in models/. The graph knows nothing of it: this is the object that keeps a
config, a parameter tree and an interpreter together for a user.
"""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from refimpl import ops as numpy_ops
from refimpl.base_config import Config
from refimpl.checkpoints.folder import write_folder
from refimpl.checkpoints.hub import resolve
from refimpl.checkpoints.names import check_finite, compare_trees, reconcile
from refimpl.checkpoints.originals import Checkpoint, read_checkpoint, read_original
from refimpl.devices import Place, fresh, fresh_leaf, on_host, place_for
from refimpl.errors import InputError
from refimpl.graph.interface import Ops
from refimpl.params import named_leaves
from refimpl.shapes import Array

ConfigT = TypeVar("ConfigT", bound=Config)
ModelT = TypeVar("ModelT", bound="PreTrainedModel[Any, Any]")
TreeT = TypeVar("TreeT")


class PreTrainedModel(ABC, Generic[ConfigT, TreeT]):
    """A config, its weights, and the interpreter that runs them.

    Args:
        config: the model's config.
        seed: seed of the freshly drawn weights; equal seeds give equal weights, on every device.
        dtype: "float32" (default) or "float64"; the whole computation runs in it. With a device
            also "float16" and "bfloat16", or torch's own types.
        params: a tree of weights to use instead of fresh ones.
        ops: the interpreter (see graph/interface.py); by default numpy's, or with a device the
            kernels'.
        device: None computes with numpy. "cpu", "cuda", "cuda:1" or a torch.device computes with
            torch there: inputs may be arrays, lists or tensors anywhere, outputs are tensors
            there, without gradients. A batch that does not fit into memory goes in parts
            (devices.py).

    Raises:
        InputError: the config is another model's, or there is no such device or dtype.
    """

    config_class: ClassVar[type[Config]]
    fresh_if_missing: ClassVar[Sequence[str]] = ()
    """Names that a checkpoint may lack: heads that are trained after loading."""
    spec_options: ClassVar[Sequence[str]] = ()
    """Arguments of `spec` beside the config, which `from_pretrained` hands on to it."""

    def __init__(
        self,
        config: ConfigT,
        *,
        seed: int = 0,
        dtype: Any = "float32",
        params: TreeT | None = None,
        ops: Ops = numpy_ops,
        device: Any = None,
        fresh_spec: TreeT | None = None,
    ) -> None:
        if not isinstance(config, self.config_class):
            raise InputError(
                f"{type(self).__name__} needs a {self.config_class.__name__}; "
                f"got {type(config).__name__}. To load a folder: {type(self).__name__}"
                ".from_pretrained(folder)"
            )
        self.config: ConfigT = config
        self.place: Place = place_for(device, dtype)
        self.dtype: Any = self.place.dtype
        self.device: Any = self.place.device
        self.ops: Ops = self.place.ops if ops is numpy_ops else ops
        if params is None:
            spec = self.spec(config) if fresh_spec is None else fresh_spec
            self.params: TreeT = fresh(self.place, spec, seed)
        else:
            self.params = self.place.taken(params)

    @classmethod
    @abstractmethod
    def spec(cls, config: ConfigT) -> TreeT:
        """Tree of the weights that a config promises (see params.TensorSpec)."""

    @classmethod
    def from_pretrained(
        cls: type[ModelT],
        name_or_folder: str | Path | Checkpoint,
        *,
        config: Any = None,
        dtype: Any = "float32",
        seed: int = 0,
        ops: Ops = numpy_ops,
        device: Any = None,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
        **changes: Any,
    ) -> ModelT:
        """Load a checkpoint: a folder in the hub's layout, a hub id, or an original's file.

        Args:
            name_or_folder: the folder, the `.safetensors` file beside its `config.json`, a hub id
                such as "openai/clip-vit-base-patch32" (needs the extra "hub"), or a checkpoint as
                its authors published it, such as "ViT-B-32.pt" (checkpoints/originals.py); or
                what `read_checkpoint` there gave, which saves reading it again.
            config: a config to use instead of the folder's.
            dtype: "float32" or "float64", whatever the file holds; with a device also "float16"
                and "bfloat16".
            seed: seed of what the checkpoint lacks (a classification head only).
            ops: the interpreter.
            device: None for numpy, or where torch computes, such as "cuda" (see the class).
            revision: branch, tag or commit on the hub.
            cache_dir: the hub's cache, if not the usual one.
            local_files_only: do not touch the network.
            token: what to log in with on the hub, if not the usual login; False: nothing.
            **changes: config fields to change, such as `num_labels=10`; and the class's own
                arguments, such as `add_pooling_layer=False`, where it has some. Upstream's
                `attn_implementation` and `device_map` say how to compute, not what: values that
                mean this machine's processor are taken, and change nothing.

        Raises:
            InputError: an argument is unknown, nothing is there, a file is broken, tensors are
                missing, unexpected or mis-shaped (all told at once), weights are NaN or
                infinite, or there is no such device or dtype.
        """
        place = place_for(device, dtype)  # refused before anything is read
        options = {name: changes.pop(name) for name in cls.spec_options if name in changes}
        changes = _without_machinery(cls.__name__, changes)
        cls._check_changes(changes)
        if isinstance(name_or_folder, Checkpoint):
            found: Checkpoint | None = name_or_folder
            where = Path(name_or_folder.where)
        else:
            where = resolve(
                name_or_folder,
                revision=revision,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
                token=token,
            )
            found = read_original(where) if config is None else None
        if config is None:
            config = cls._config_of(where, found, changes)
        elif changes:
            config = config.replace(**changes)
        spec = cls.spec(config, **options)
        tensors = (found or read_checkpoint(where, needs_config=False)).tensors
        params = cls._load(spec, tensors, str(where), seed, place)
        return cls(config, dtype=dtype, params=params, ops=ops, device=device)

    @classmethod
    def _config_of(cls, where: Path, found: Checkpoint | None, changes: dict[str, Any]) -> Any:
        """Make the config of what was read, or read it: it is small, and the weights are not."""
        if found is None:
            return cls.config_class.from_pretrained(where, **changes)
        try:
            return cls.config_class.from_dict(found.config, **changes)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error

    @classmethod
    def _check_changes(cls, changes: dict[str, Any]) -> None:
        """Refuse keyword arguments that are no config field, so that none is ignored silently."""
        known = {each.name for each in fields(cls.config_class)} - {"extra"} | {"num_labels"}
        unknown = [name for name in changes if name not in known]
        if unknown:
            raise InputError(
                f"{cls.__name__}.from_pretrained: {', '.join(unknown)} is neither an argument nor "
                f"a field of {cls.config_class.__name__} ({', '.join(sorted(known))})"
            )

    @classmethod
    def _load(
        cls, spec: Any, tensors: dict[str, Array], where: str, seed: int, place: Place
    ) -> Any:
        """Compare the tensors with the tree that is wanted, then build the tree of them."""
        wanted = {name: leaf.shape for name, leaf in named_leaves(spec)}
        tensors = reconcile(tensors, wanted)
        absent = [n for n in cls.fresh_if_missing if n in wanted and n not in tensors]
        if absent:
            warnings.warn(
                f"{where}: {', '.join(absent)} not in the checkpoint; drawn afresh from seed "
                f"{seed}, so train them before use",
                stacklevel=4,
            )
            specs = dict(named_leaves(spec))
            drawn = {name: fresh_leaf(place, name, specs[name], seed) for name in absent}
            tensors = {**tensors, **drawn}
        compare_trees(wanted, tensors, where)
        check_finite(tensors, where)
        return place.tree(spec, lambda name, _: tensors[name])

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `config.json` and `model.safetensors` into the folder, in the hub's layout.

        Weights are written in the model's dtype, but for bfloat16, which numpy lacks: they are
        written as float32, which holds each of them exactly. The config names the model's dtype.
        """
        config = self.config.replace(architectures=(type(self).__name__,)).to_dict()
        config.pop("torch_dtype", None)
        tensors = {name: on_host(each) for name, each in self.state_dict().items()}
        write_folder(folder, {**config, "dtype": self.place.dtype_name}, tensors)

    def state_dict(self) -> dict[str, Array]:
        """All weights by their names in the checkpoint.

        They are the model's own arrays or tensors, not copies: to write into one changes the model.
        """
        return dict(named_leaves(self.params))

    def num_parameters(self) -> int:
        """How many numbers the weights are."""
        return sum(math.prod(array.shape) for array in self.state_dict().values())

    if not TYPE_CHECKING:  # to a type checker these names are simply not there

        def __getattr__(self, name: str) -> Any:
            """Say what to do instead of what a torch module's user calls out of habit."""
            if name in _NOT_HERE:
                raise AttributeError(f"{type(self).__name__} has no {name!r}: {_NOT_HERE[name]}")
            return object.__getattribute__(self, name)  # fails as if this method were not here

    def __repr__(self) -> str:
        where = "" if self.device is None else f" on {self.device}"
        numbers = f"{self.num_parameters():,} parameters"
        return f"{type(self).__name__}({numbers}, {self.place.dtype_name}{where})"


_ELSEWHERE = (
    "a model computes where it was made, in the dtype that it was made in: "
    "from_pretrained(..., device='cuda', dtype='bfloat16')"
)
_ALREADY = "a model only ever evaluates, without gradients; leave the call out"
_NOT_HERE = {
    **dict.fromkeys(("to", "cuda", "cpu", "half", "bfloat16", "float", "double"), _ELSEWHERE),
    **dict.fromkeys(("eval", "train", "requires_grad_"), _ALREADY),
}
_MACHINERY = {
    "attn_implementation": (None, "eager", "sdpa", "flash_attention_2"),
    "device_map": (None, "auto", "cpu"),
}


def _without_machinery(class_name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Drop arguments that say how upstream computes; refuse values that ask for another machine."""
    for name, known in _MACHINERY.items():
        value = given.get(name)
        if not any(value is each or (isinstance(value, str) and value == each) for each in known):
            raise InputError(
                f"{class_name}.from_pretrained: {name} must be one of "
                f"{', '.join(map(repr, known))}; got {value!r:.60}. On a GPU: device='cuda'"
            )
    return {name: value for name, value in given.items() if name not in _MACHINERY}
