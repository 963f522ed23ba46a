"""A checkpoint of any origin -> a config dict and tensors under the hub's names.

    checkpoint = read_checkpoint("ViT-B-32.pt")
    checkpoint.config, checkpoint.tensors, checkpoint.origin

A folder in the hub's layout is read as it is. Anything else is recognised by `ORIGINS` below: a
list of tests, first match wins, each with what it looks for. Nothing is guessed: OpenAI's names
without OpenAI's archive and without a config could be quick GELU or not, so they are refused.

Called by refimpl/pretrained.py and refimpl/base_config.py. The layouts: layouts/.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from refimpl.checkpoints.folder import CONFIG_NAME, read_config, read_weights
from refimpl.checkpoints.layouts import big_vision, cn_clip, flax, open_clip, openai
from refimpl.checkpoints.layouts.pictures import picture_settings
from refimpl.checkpoints.layouts.renaming import Tensors, without_prefix
from refimpl.errors import InputError
from refimpl.shapes import Array, Shaped
from refimpl.strict_json import read_json

__all__ = ["ORIGINS", "Checkpoint", "read_checkpoint", "read_checkpoint_config", "read_original"]

SIDE_CONFIG_NAME = "open_clip_config.json"
_OPEN_CLIP_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_HUB_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "flax_model.msgpack",
)
_ENDINGS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".npz", ".msgpack")
_MAX_SIDE_BYTES = 2**20


class Checkpoint(NamedTuple):
    """What a checkpoint holds.

    Attributes:
        config: the content of config.json; empty where it was not asked for and is not there.
        tensors: every tensor, under the names that Transformers 4 gives it.
        origin: whose layout the file had.
        where: names it in error messages.
        pictures: what preprocessor_config.json should say, where the origin tells.
    """

    config: dict[str, Any]
    tensors: dict[str, Shaped[Array, "..."]]
    origin: str
    where: str
    pictures: dict[str, Any] | None = None


class Found(NamedTuple):
    """What lies there: the tensors as the file names them, and open_clip's config if it has one."""

    tensors: Tensors
    side: Mapping[str, Any] | None
    where: str


class Origin(NamedTuple):
    """One known layout.

    Attributes:
        name: whose it is.
        sign: what it is recognised by, in words.
        test: the same as a function.
        read: makes the config and the tensors.
        profile: the images/ profile of its pictures.
    """

    name: str
    sign: str
    test: Callable[[Found], bool]
    read: Callable[[Found], tuple[dict[str, Any], dict[str, Shaped[Array, "..."]]]]
    profile: str


def _has(found: Found, *names: str) -> bool:
    plain = without_prefix(found.tensors, "module.")
    return all(name in plain for name in names)


ORIGINS = (
    Origin(
        "open_clip",
        f"{SIDE_CONFIG_NAME} beside the weights",
        lambda found: found.side is not None,
        lambda found: (
            open_clip.hub_config(found.tensors, found.side or {}, found.where),
            open_clip.hub_tensors(found.tensors, found.side or {}, found.where),
        ),
        "open_clip",
    ),
    Origin(
        "Chinese-CLIP's authors",
        "visual.* beside bert.embeddings.*",
        lambda found: _has(found, "logit_scale", "bert.embeddings.word_embeddings.weight"),
        lambda found: (
            cn_clip.hub_config(found.tensors, found.where),
            cn_clip.hub_tensors(found.tensors, found.where),
        ),
        "cn_clip",
    ),
    Origin(
        "OpenAI",
        "input_resolution and context_length among the tensors, as only OpenAI's archives have",
        lambda found: _has(found, "input_resolution", "context_length", "token_embedding.weight"),
        lambda found: (
            openai.hub_config(found.tensors, found.where),
            openai.hub_tensors(found.tensors, found.where),
        ),
        "openai",
    ),
    Origin(
        "big_vision",
        "img/embedding/kernel and txt/Embed_0/embedding, with params/ before them or without",
        lambda found: any(
            _has(found, f"{top}img/embedding/kernel", f"{top}txt/Embed_0/embedding")
            for top in ("", "params/")
        ),
        lambda found: (
            big_vision.hub_config(found.tensors, found.where),
            big_vision.hub_tensors(found.tensors, found.where),
        ),
        "big_vision",
    ),
)


def read_checkpoint(path: str | os.PathLike[str], *, needs_config: bool = True) -> Checkpoint:
    """Read a checkpoint: a folder, or one file of weights.

    Args:
        path: a folder in the hub's layout or open_clip's, or with one file of weights in it; or
            such a file. A config beside a file belongs to it.
        needs_config: whether a checkpoint in the hub's layout must have its config.json.

    Raises:
        InputError: nothing is there, a file breaks a rule of its format, no known layout fits, or
            the layout asks for what the hub's classes cannot express.
    """
    place = Path(path)
    if not _is_hub_layout(place):
        return _read_original(place, needs_config)
    config = read_config(place) if needs_config else {}
    tensors = read_weights(_hub_weights(place) or place)
    if any(name.endswith("/kernel") for name in tensors):
        tensors, origin = flax.hub_tensors(tensors, str(place)), "Transformers' Flax"
        return Checkpoint(config, tensors, origin, str(place))
    return Checkpoint(config, tensors, "the hub", str(place))


def read_original(path: str | os.PathLike[str]) -> Checkpoint | None:
    """Read a checkpoint whose config is not a file of its own; None for one in the hub's layout.

    For who needs the config first, and then the tensors: one of the hub's is better read in two
    steps, an original in one.

    Raises:
        InputError: as `read_checkpoint`.
    """
    return None if _has_config_file(Path(path)) else read_checkpoint(path)


def read_checkpoint_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the config of a checkpoint of any origin, or a config.json itself.

    Only an original has to be read whole for it: its sizes are the shapes of its tensors.

    Raises:
        InputError: as `read_checkpoint`.
    """
    found = read_original(path)
    return read_config(path) if found is None else found.config


def _has_config_file(place: Path) -> bool:
    """Tell whether the config must be in a file: where it is one, or is missing."""
    is_json = place.suffix == ".json" and not os.path.isdir(place)
    return is_json or _is_hub_layout(place) or _holds_no_weights(place)


def _is_hub_layout(place: Path) -> bool:
    """Tell the hub's layout: its config.json, with weights that are not open_clip's."""
    if not os.path.isdir(place):
        return os.path.exists(place.parent / CONFIG_NAME) and place.name not in _OPEN_CLIP_WEIGHTS
    has_config, of_open_clip = os.path.exists(place / CONFIG_NAME), bool(_open_clip_weights(place))
    if _hub_weights(place):
        return has_config or not of_open_clip
    return has_config and not of_open_clip


def _hub_weights(place: Path) -> Path | None:
    """Give the hub's weights in a folder: open_clip's may lie beside them, and are others."""
    files = (place / name for name in _HUB_WEIGHTS) if os.path.isdir(place) else ()
    return next((file for file in files if os.path.exists(file)), None)


def _open_clip_weights(folder: Path) -> list[Path]:
    names = _OPEN_CLIP_WEIGHTS if os.path.exists(folder / SIDE_CONFIG_NAME) else ()
    return [folder / name for name in names if os.path.exists(folder / name)][:1]


def _holds_no_weights(place: Path) -> bool:
    return os.path.isdir(place) and not _weights_in(place)


def _weights_in(folder: Path) -> list[Path]:
    """List the files of weights in a folder; open_clip's, if they are there, is the one."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error}") from error
    every = [folder / name for name in names if name.endswith(_ENDINGS)]
    return _open_clip_weights(folder) or every


def _read_original(place: Path, needs_config: bool) -> Checkpoint:
    """Read a file that comes without config.json, and let the layouts look at it."""
    file = place
    if os.path.isdir(place):
        files = _weights_in(place)
        if len(files) != 1:
            names = ", ".join(file.name for file in files) or "none"
            raise InputError(
                f"{place}: there is no {CONFIG_NAME} here, and an original checkpoint is one file "
                f"of weights ({', '.join(_ENDINGS)}); here: {names}"
            )
        file = files[0]
    found = Found(read_weights(file), _read_side_config(file.parent), str(file))
    for origin in ORIGINS:
        if origin.test(found):
            config, tensors = origin.read(found)
            preprocess = (found.side or {}).get("preprocess_cfg")
            preprocess = preprocess if isinstance(preprocess, dict) else None
            pictures = picture_settings(config, origin.profile, preprocess)
            return Checkpoint(config, tensors, origin.name, str(place), pictures)
    if needs_config:
        raise InputError(_nothing_known(found))
    return Checkpoint({}, dict(found.tensors), "the hub", str(place))


def _read_side_config(folder: Path) -> Mapping[str, Any] | None:
    file = folder / SIDE_CONFIG_NAME
    if not os.path.exists(file):
        return None
    side = read_json(file, _MAX_SIDE_BYTES)
    if not isinstance(side, dict):
        raise InputError(f"{file}: must be a JSON object, got {type(side).__name__}")
    return side


def _nothing_known(found: Found) -> str:
    known = "\n".join(f"  {origin.name}: {origin.sign}" for origin in ORIGINS)
    hint = ""
    if _has(found, "token_embedding.weight", "positional_embedding"):
        hint = (
            "\n  The tensors have OpenAI's names, but nothing says which activation they were "
            f"trained with: put open_clip's {SIDE_CONFIG_NAME} beside the file, with quick_gelu "
            "true or false"
        )
    first = ", ".join(sorted(found.tensors)[:3]) or "no tensor at all"
    return (
        f"{found.where}: there is no {CONFIG_NAME} beside it, and it is none of the known "
        f"originals (its tensors begin with {first})\n{known}{hint}"
    )
