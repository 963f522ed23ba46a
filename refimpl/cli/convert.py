"""refimpl convert: a checkpoint of any known origin, to the hub's layout.

    refimpl convert ViT-B-32.pt clip-vit-base-patch32

Writes config.json, model.safetensors (float32) and, where the origin tells how pictures were
prepared, preprocessor_config.json. Tokenizer files of a source folder are copied as they are.
Everything is written into a folder beside the target first, and a new target appears whole. In one
that is there each file is replaced whole, config.json last.
"""

import argparse
import fnmatch
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from refimpl.cli.common import FINE, add_command, model_class, print_json, print_table
from refimpl.errors import InputError
from refimpl.files import make_folder, open_for_reading, open_for_replacing

_NO_TOKENIZER = "no tokenizer files in the source: put the model's own into the folder"


def add_convert(commands: Any) -> None:
    """Add the command and its options."""
    text = "write any known checkpoint in the hub's layout"
    command = add_command(commands, "convert", _convert, text)
    command.add_argument(
        "source",
        metavar="SOURCE",
        help="a .pt, .npz, .bin, .safetensors or .msgpack file, a folder, or a hub id",
    )
    command.add_argument("target", metavar="TARGET", type=Path, help="the folder to write")
    command.add_argument(
        "--force", action="store_true", help="replace the checkpoint that is in TARGET"
    )


def _convert(options: argparse.Namespace) -> int:
    from refimpl.checkpoints.hub import resolve
    from refimpl.checkpoints.originals import read_checkpoint
    from refimpl.images.config_files import PREPROCESSOR_FILE
    from refimpl.strict_json import write_json

    _check_target(options.target, options.force)
    where = resolve(options.source)
    checkpoint = read_checkpoint(where)
    model = model_class(checkpoint.config, str(where)).from_pretrained(checkpoint)
    pictures = checkpoint.pictures or _pictures_beside(where)
    with _written_at_once(options.target) as folder:
        model.save_pretrained(folder)
        if pictures is not None:
            write_json(folder / PREPROCESSOR_FILE, pictures)
        copied = _copy_tokenizer(where, folder) if where.is_dir() else []
        files = sorted(each.name for each in folder.iterdir())
    facts = {
        "source": str(where),
        "origin": checkpoint.origin,
        "target": str(options.target),
        "class": type(model).__name__,
        "parameters": model.num_parameters(),
        "files": files,
        "tokenizer": ", ".join(copied) or _NO_TOKENIZER,
    }
    if options.json:
        print_json(facts)
    else:
        text = {**facts, "parameters": f"{model.num_parameters():,}", "files": ", ".join(files)}
        print_table([(name, str(value)) for name, value in text.items()])
    return FINE


def _pictures_beside(where: Path) -> dict[str, Any] | None:
    """Read how pictures are prepared from the source itself, if it says so."""
    from refimpl.images.config_files import PREPROCESSOR_FILE, PROCESSOR_FILE, find_settings

    folder = where if where.is_dir() else where.parent
    if any((folder / name).is_file() for name in (PREPROCESSOR_FILE, PROCESSOR_FILE)):
        return find_settings(folder)[0]
    return None


def _copy_tokenizer(source: Path, folder: Path) -> list[str]:
    """Copy the files that a tokenizer is read from; give their names."""
    from refimpl.checkpoints.folder import CONFIG_NAME
    from tokenizers_py.folders.hub import TOKENIZER_PATTERNS

    wanted = [name for name in TOKENIZER_PATTERNS if name != CONFIG_NAME]
    names = sorted(each.name for each in source.iterdir() if each.is_file())
    copied = [name for name in names if any(fnmatch.fnmatch(name, each) for each in wanted)]
    for name in copied:
        with open_for_reading(source / name) as old, open_for_replacing(folder / name) as new:
            shutil.copyfileobj(old, new)
    return copied


def _check_target(target: Path, force: bool) -> None:
    """Refuse a target that is a file, or that holds a checkpoint which may not be replaced."""
    from refimpl.checkpoints.folder import CONFIG_NAME, INDEX_NAME, WEIGHTS_NAME
    from refimpl.images.config_files import PREPROCESSOR_FILE

    if os.path.lexists(target) and not target.is_dir():
        raise InputError(f"{target}: is a file; TARGET must be a folder")
    for name in (CONFIG_NAME, WEIGHTS_NAME, PREPROCESSOR_FILE):
        if (target / name).is_dir():
            raise InputError(f"{target / name}: is a folder; a file of this name is to be written")
    present = [n for n in (CONFIG_NAME, WEIGHTS_NAME, INDEX_NAME) if (target / n).exists()]
    if present and not force:
        raise InputError(f"{target}: holds {', '.join(present)} already; --force replaces them")


@contextmanager
def _written_at_once(target: Path) -> Iterator[Path]:
    """Give a folder beside the target to write into; its files go to the target at the end."""
    make_folder(target.parent)
    temporary = target.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        make_folder(temporary)
        yield temporary
        if target.is_dir():
            for file in sorted(temporary.iterdir(), reverse=True):  # config.json comes last
                os.replace(file, target / file.name)
        else:
            os.rename(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
