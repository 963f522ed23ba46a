"""The spellings of tensor names, and whether a file fits the model.

    tensors = reconcile(read_weights(folder), wanted)   # the file's names -> the model's
    compare_trees(wanted, tensors, folder)              # one error with all that does not fit
    check_finite(tensors, folder)

What Transformers 5.23 writes (tests/refimpl/checkpoints/test_upstream_names.py holds it to this):

class                                       names in the file
CLIPModel, SiglipModel, ChineseCLIPModel    text_model.…, vision_model.…, the projections, scales
CLIPTextModel, CLIPVisionModel, and         no prefix: embeddings.…, encoder.…; but the prefix
  SigLIP's and Chinese-CLIP's towers          is back when the model was loaded from a file with it
CLIPTextModelWithProjection,                with prefix: text_model.… and text_projection.weight,
  CLIPVisionModelWithProjection               vision_model.… and visual_projection.weight
CLIPForImageClassification                  with prefix: vision_model.… and classifier.…
ChineseCLIPTextModel                        no prefix in any version, and pooler.dense.…
BertModel, RobertaModel, ViTModel and kin   no prefix in any version; a model with a task's head has
                                              it: bert.…, vit.…, beside classifier.…, cls.…
VisionTextDualEncoderModel                  vision_model.… once; version 4 writes
                                              vision_model.vision_model.… for a CLIP tower

Version 4 writes every CLIP and SigLIP tower with its prefix. Files from before 4.31 also hold the
integer buffers …embeddings.position_ids; DataParallel puts `module.` before every name; BERT files
that came from TensorFlow call a norm's weight and bias gamma and beta. ViT's two spellings are in
vit_names.py.

Every function here is pure: the caller's dict and arrays are never changed. Called by
refimpl/pretrained.py; the reader is folder.py.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from refimpl.checkpoints.vit_names import gated_in_one, version_4
from refimpl.errors import InputError
from refimpl.shapes import Array, Shaped

__all__ = ["check_finite", "compare_trees", "reconcile", "shortened"]

_Tensors = Mapping[str, Shaped[Array, "..."]]
_Spell = Callable[[str], str]

_TOWERS = ("text_model.", "vision_model.")
# What stands beside the towers in a composite or a classifier, and not inside one.
_BESIDE_TOWERS = (
    "logit_scale",
    "logit_bias",
    "text_projection.",
    "visual_projection.",
    "classifier.",
)
_PARTS = _TOWERS + _BESIDE_TOWERS
# What a tower is called in a model that puts a task's head beside it.
_IN_TASKS = ("bert.", "roberta.", "vit.", "deit.", "beit.", "dinov2.")
# Parts of a tower that a model may be made without, and which are then left in the file.
_OPTIONAL = tuple(
    before + part
    for before in ("", *_TOWERS, *_IN_TASKS)
    for part in ("pooler.", "embeddings.mask_token")
)
# Whole numbers that old files hold as buffers, and that follow from the config.
_BUFFERS = ("position_ids", "relative_position_index")
_LISTED = 20


def reconcile(tensors: _Tensors, wanted: Collection[str]) -> dict[str, Shaped[Array, "..."]]:
    """Rename tensors so that as many as possible have a name in `wanted`.

    A name in `wanted` is never touched, and no tensor ever takes the name of another. What still
    has no place keeps its own name, so that `compare_trees` can list it. Left out are only the
    buffers of whole numbers and, when `wanted` is one tower, the rest of a composite model, the
    heads of a task's model, and the pooler and mask token of a tower that is made without.

    >>> names = ["text_model.final_layer_norm.bias", "vision_model.pre_layrnorm.bias"]
    >>> list(reconcile({name: np.zeros(4) for name in names}, {"final_layer_norm.bias"}))
    ['final_layer_norm.bias']
    """
    names = frozenset(wanted)
    result = _without_buffers(tensors, names)
    if result and all(name.startswith("module.") for name in result):
        result = _rename(result, names, lambda name: name.removeprefix("module."))
    result = gated_in_one(_rename(result, names, _modern_norm))
    if all(any(name.startswith(tower) for name in names) for tower in _TOWERS):
        return _without(_composite(result, names), names, _OPTIONAL)
    tower = _only_tower(result, names)
    changes = [(old, new) for old in ("", *_TOWERS, *_IN_TASKS) for new in ("", *_TOWERS)]
    result, (prefix, _) = _respelled(result, names, changes)
    if prefix in _IN_TASKS:
        tower = prefix
        result = {name: x for name, x in result.items() if name in names or name.startswith(prefix)}
    others = tuple(part for part in _PARTS if part != tower) if tower else ()
    return _without(result, names, others + _OPTIONAL)


def _without(
    tensors: _Tensors, wanted: frozenset[str], left: tuple[str, ...]
) -> dict[str, Shaped[Array, "..."]]:
    """Leave out what begins so, and is not wanted."""
    return {n: x for n, x in tensors.items() if n in wanted or not n.startswith(left)}


def _composite(tensors: _Tensors, wanted: frozenset[str]) -> dict[str, Shaped[Array, "..."]]:
    """Spell both towers' names, each for itself: its prefix may be there once or twice."""
    result = dict(tensors)
    for tower in _TOWERS:
        changes = [(tower, tower), (tower + tower, tower), (tower, tower + tower)]
        result, _ = _respelled(result, wanted, changes)
    return result


def _respelled(
    tensors: _Tensors, wanted: frozenset[str], changes: Sequence[tuple[str, str]]
) -> tuple[dict[str, Shaped[Array, "..."]], tuple[str, str]]:
    """Change one prefix, (old, new), the one that gives the most wanted names; the first of equals.

    Gives the tensors and the change.
    """

    def hits(change: tuple[str, str]) -> int:
        spell = _spelling(wanted, *change)
        return len({spell(name) for name in tensors} & wanted)

    best = max(changes, key=hits)
    return _rename(tensors, wanted, _spelling(wanted, *best)), best


def _without_buffers(tensors: _Tensors, wanted: frozenset[str]) -> dict[str, Shaped[Array, "..."]]:
    """Drop the whole numbers that old files hold beside the weights."""
    return {
        name: x
        for name, x in tensors.items()
        if name in wanted
        or name.rpartition(".")[2] not in _BUFFERS
        or np.asarray(x).dtype.kind not in "iu"
    }


def _modern_norm(name: str) -> str:
    """Spell the scale and shift of a TensorFlow norm the PyTorch way."""
    module, _, last = name.rpartition(".")
    if "norm" not in module.rpartition(".")[2].lower():
        return name
    modern = {"gamma": "weight", "beta": "bias"}
    return f"{module}.{modern.get(last, last)}"


def _spelling(wanted: frozenset[str], old: str, new: str) -> _Spell:
    """Make the function that changes a prefix wherever that leads to a wanted name.

    ViT's names are brought to version 4's spelling on the way, where that is the wanted one.
    """

    def spell(name: str) -> str:
        if name in wanted or not name.startswith(old):
            return name
        changed = new + name.removeprefix(old)
        changed = changed if changed in wanted else version_4(changed)
        return changed if changed in wanted else name

    return spell


def _rename(
    tensors: _Tensors, wanted: frozenset[str], spell: _Spell
) -> dict[str, Shaped[Array, "..."]]:
    """Apply one spelling; a tensor whose new name is taken keeps its old one."""
    result: dict[str, Array] = {}
    for name, x in tensors.items():
        new = name if name in wanted else spell(name)
        taken = new != name and (new in tensors or new in result)
        result[name if taken else new] = x
    return result


def _only_tower(tensors: _Tensors, wanted: frozenset[str]) -> str | None:
    """Find the one tower that `wanted` is, by its prefix in the file, or None."""
    towers = [tower for tower in _TOWERS if any(name.startswith(tower) for name in wanted)]
    if not towers:  # wanted without prefix: the tower in the file that has most of the names
        hits = {
            tower: sum(
                name.startswith(tower) and version_4(name.removeprefix(tower)) in wanted
                for name in tensors
            )
            for tower in _TOWERS
        }
        towers = [max(hits, key=lambda tower: hits[tower])] if any(hits.values()) else []
    return towers[0] if len(towers) == 1 else None


def compare_trees(wanted: Mapping[str, tuple[int, ...]], found: _Tensors, where: str) -> None:
    """Compare what a model needs with what a file holds, names and shapes, and fail once.

    `wanted` maps each name to its shape; `where` names the file in the message.

    Raises:
        InputError: tensors are missing (-), unexpected (+), of another shape, or hold something
            else than floating-point numbers. All are in the one message; a list longer than
            twenty is cut and counted.

    >>> compare_trees({"a": (2,), "b": (3,)}, {"b": np.zeros(4), "c": np.zeros(1)}, "file")
    Traceback (most recent call last):
    refimpl.errors.InputError: file: the weights do not fit the model
      missing (1):
      - a (2,)
      unexpected (1):
      + c (1,)
      wrong (1):
        b: wanted (3,), got (4,)
    """
    missing = [f"- {name} {wanted[name]}" for name in wanted if name not in found]
    unexpected = [f"+ {name} {found[name].shape}" for name in found if name not in wanted]
    wrong = []
    for name in wanted.keys() & found.keys():
        shape, x = tuple(wanted[name]), found[name]
        if x.shape != shape:
            wrong.append(f"  {name}: wanted {shape}, got {x.shape}")
        elif x.dtype.kind != "f":
            wrong.append(f"  {name}: wanted floating-point numbers, got {x.dtype}")
    lines = [f"{where}: the weights do not fit the model"]
    for title, entries in (("missing", missing), ("unexpected", unexpected), ("wrong", wrong)):
        if entries:
            lines += [f"{title} ({len(entries)}):", *shortened(sorted(entries))]
    if len(lines) > 1:
        raise InputError("\n  ".join(lines))


def check_finite(tensors: _Tensors, where: str) -> None:
    """Check that no tensor holds a NaN or an infinity.

    Raises:
        InputError: names the tensors that do, with how many numbers each.

    >>> check_finite({"a": np.float32([1, np.nan])}, "file")
    Traceback (most recent call last):
    refimpl.errors.InputError: file: weights that are not finite numbers
      a: 1 NaN and 0 infinite of 2
    """
    lines = []
    for name, x in sorted(tensors.items()):
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            nans, infinite = np.isnan(x).sum(), np.isinf(x).sum()
            lines.append(f"{name}: {nans} NaN and {infinite} infinite of {x.size}")
    if lines:
        lines = [f"{where}: weights that are not finite numbers", *shortened(lines)]
        raise InputError("\n  ".join(lines))


def shortened(lines: Sequence[str]) -> list[str]:
    """Cut a long list for a message, and say how many more there are.

    >>> shortened([str(number) for number in range(22)])[-2:]
    ['19', '... and 2 more']
    """
    shown = list(lines[:_LISTED])
    return shown if len(lines) <= _LISTED else [*shown, f"... and {len(lines) - _LISTED} more"]
