"""refimpl info: what a checkpoint is, and whether every tensor is there, of its shape, and finite."""

import argparse
from typing import Any

from refimpl.cli.common import FINE, Entries, add_command, model_class, print_json, print_table


def add_info(commands: Any) -> None:
    """Add the command and its options."""
    command = add_command(commands, "info", _info, "say what a checkpoint is, and check it")
    command.add_argument("model", nargs="?", help="folder or hub id; the embedded one by default")
    command.add_argument("--full", action="store_true", help="also print every tensor")


def _info(options: argparse.Namespace) -> int:
    from refimpl.checkpoints.hub import resolve
    from refimpl.checkpoints.originals import read_checkpoint_config, read_original
    from refimpl.demo import model_folder

    where = model_folder() if options.model is None else resolve(options.model)
    original = read_original(where)
    config = read_checkpoint_config(where) if original is None else original.config
    model = model_class(config, str(where)).from_pretrained(original or where)
    tensors = model.state_dict()
    parts = {
        part: sum(x.size for name, x in tensors.items() if name.startswith(part))
        for part in ("text_model", "vision_model")
    }
    if options.json:
        shapes = {"tensors": {name: list(x.shape) for name, x in tensors.items()}}
        print_json(
            {
                "model": str(where),
                "config": model.config.to_dict(),
                "parameters": {"total": model.num_parameters(), **parts},
                **(shapes if options.full else {}),
            }
        )
        return FINE
    print_table(_summary(str(where), model, parts))
    if options.full:
        print_table([(name, str(x.shape)) for name, x in tensors.items()])
    return FINE


def _summary(where: str, model: Any, parts: dict[str, int]) -> Entries:
    """Lines of `refimpl info`: what the towers are, and how large."""
    config = model.config
    joint = getattr(config, "projection_dim", None)
    towers = [
        ("image tower", "vision_model", getattr(config, "vision_config", None)),
        ("text tower", "text_model", getattr(config, "text_config", None)),
    ]
    lines = [
        ("model", where),
        ("kind", config.model_type + (f", joint width {joint}" if joint else "")),
    ]
    for title, part, cfg in towers:
        if cfg is not None:
            lines += [(title, f"{_tower(cfg)}; {parts[part]:,} parameters"), ("", _inputs(cfg))]
    if all(cfg is None for *_, cfg in towers):
        lines += [("tower", _tower(config)), ("", _inputs(config))]
    return [
        *lines,
        ("parameters", f"{model.num_parameters():,}"),
        ("in memory", f"{model.num_parameters() * 4 / 1e6:.1f} MB as float32"),
        ("checkpoint", "every tensor is there, of the right shape, and finite"),
    ]


def _tower(cfg: Any) -> str:
    return (
        f"{cfg.num_hidden_layers} layers of width {cfg.hidden_size}, "
        f"{cfg.num_attention_heads} heads, {cfg.hidden_act}"
    )


def _inputs(cfg: Any) -> str:
    """Say what a tower reads: pictures of a size, or texts of a length."""
    if hasattr(cfg, "image_size"):
        patches = (cfg.image_size // cfg.patch_size) ** 2
        return (
            f"{cfg.image_size}×{cfg.image_size} pixels, {patches} patches of "
            f"{cfg.patch_size}×{cfg.patch_size}"
        )
    longest = cfg.max_position_embeddings
    if cfg.model_type == "roberta":  # the first rows of its positions belong to padding
        longest -= cfg.pad_token_id + 1
    return f"{cfg.vocab_size} tokens, texts up to {longest}"
