"""refimpl preprocess: what happens to a picture before the model, step by step.

    refimpl preprocess photo.jpg --profile openai --explain out
    refimpl preprocess photo.jpg --profile openai --compare-with transformers-4-slow --explain out

Without `--explain` the steps are only printed. With it every step is written as a picture and as
raw values (images/explain_files.py), into a folder beside the target that then takes its place:
there is never half an explanation.
"""

import argparse
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from refimpl.cli.common import FINE, add_command, add_model_option, print_json, print_table
from refimpl.errors import InputError
from refimpl.files import make_folder

_FAMILIES = {
    "clip": "CLIPImageProcessor",
    "siglip": "SiglipImageProcessor",
    "chinese_clip": "ChineseCLIPImageProcessor",
    "vit": "ViTImageProcessor",
}
_STEP = r"(\d\d-)?(decoded|upright|rgb|resized|cropped|rescaled|normalized|final)\.(png|npy)"
_OURS = re.compile(_STEP + r"|difference\.png|differences\.npy|(steps|differences)\.json")


def add_preprocess(commands: Any) -> None:
    """Add the command and its options."""
    text = "show each step from a picture to the model's input"
    command = add_command(commands, "preprocess", _preprocess, text)
    command.add_argument("image", metavar="IMAGE", help="a picture file")
    add_model_option(command, "the embedded one, if --family is not given either")
    command.add_argument("--family", choices=tuple(_FAMILIES), help="a family with its defaults")
    command.add_argument("--profile", help="whose numbers, such as openai; by default the model's")
    command.add_argument("--compare-with", metavar="PROFILE", help="a second profile to set beside")
    command.add_argument(
        "--opened",
        action="store_true",
        help="as Image.open(IMAGE) instead of its path: profiles of Transformers then do not turn "
        "it by EXIF, and meet its alpha",
    )
    command.add_argument(
        "--explain", metavar="OUT", type=Path, help="the folder to write pictures and values to"
    )
    command.add_argument(
        "--force", action="store_true", help="replace the explanation that is in OUT"
    )


def _preprocess(options: argparse.Namespace) -> int:
    from refimpl.images.explain import explain_image
    from refimpl.images.load import open_image

    if options.force and options.explain is None:
        raise InputError("--force replaces what is in OUT: it goes with --explain OUT")
    processors = [_processor(options, name) for name in _profiles(options)]
    if len(processors) == 2 and processors[0].profile == processors[1].profile:
        raise InputError(f"--compare-with {options.compare_with}: that is the first profile itself")
    target = None if options.explain is None else _checked_target(options.explain, options.force)
    image = open_image(options.image) if options.opened else options.image
    watched = [explain_image(processor, image) for processor in processors]
    return _told(options, processors, watched, target)


def _profiles(options: argparse.Namespace) -> list[str | None]:
    """Give the profiles that are asked for, by name; None is the processor's own."""
    from refimpl.images.profiles import profile_named

    second = [] if options.compare_with is None else [options.compare_with]
    for name in [*second, *([] if options.profile is None else [options.profile])]:
        profile_named(name)
    return [options.profile, *second]


def _processor(options: argparse.Namespace, profile: str | None) -> Any:
    """Make the processor of a model, of a family, or of the embedded model."""
    from refimpl import images
    from refimpl.demo import model_folder

    if options.model is not None and options.family is not None:
        raise InputError("--model says which family it is; --family goes without it")
    if options.family is not None:
        return getattr(images, _FAMILIES[options.family])(profile=profile)
    where = model_folder() if options.model is None else options.model
    return images.AutoImageProcessor.from_pretrained(where, profile=profile)


def _told(
    options: argparse.Namespace,
    processors: Sequence[Any],
    watched: Sequence[Sequence[Any]],
    target: Path | None,
) -> int:
    """Write, if there is a folder for it, and print."""
    from refimpl.images.explain_compare import compare_steps
    from refimpl.images.explain_files import describe

    facts = [{"image": options.image, "opened": options.opened, **describe(p)} for p in processors]
    differences = compare_steps(watched[0], watched[1]) if len(watched) == 2 else []
    files: list[str] = []
    if target is not None:
        with _written_at_once(target) as folder:
            files = _write(folder, facts, watched, differences)
    if options.json:
        print_json(_document(facts, watched, differences, options.explain, files))
        return FINE
    for about, steps in zip(facts, watched, strict=True):
        print(f"{about['profile']}: {about['processor']}, as {about['upstream']}")
        print_table([_HEAD, *(_row(step.summary()) for step in steps)])
        print()
    if differences:
        _print_differences(facts, differences)
    if target is not None:
        print(f"{len(files)} files in {options.explain}")
    return FINE


def _write(
    folder: Path, facts: Sequence[Mapping[str, Any]], watched: Sequence[Any], differences: Any
) -> list[str]:
    from refimpl.images.explain_files import write_differences, write_steps

    if len(watched) == 1:
        return write_steps(folder, watched[0], facts[0])
    files = []
    for about, steps in zip(facts, watched, strict=True):
        profile = about["profile"]
        files += [f"{profile}/{name}" for name in write_steps(folder / profile, steps, about)]
    both = {"first": facts[0]["profile"], "second": facts[1]["profile"]}
    return files + write_differences(folder, differences, both)


def _document(
    facts: Sequence[Mapping[str, Any]],
    watched: Sequence[Any],
    differences: Sequence[Any],
    target: Path | None,
    files: Sequence[str],
) -> dict[str, Any]:
    """Give what --json prints: one profile's steps, or two and their differences."""
    from refimpl.images.explain_compare import first_difference

    each = [
        {**about, "steps": [step.summary() for step in steps]}
        for about, steps in zip(facts, watched, strict=True)
    ]
    written = {} if target is None else {"folder": str(target), "files": list(files)}
    if len(each) == 1:
        return {**each[0], **written}
    first = first_difference(differences)
    return {
        "profiles": each,
        "first_difference": first.name if first else None,
        "differences": [one.summary() for one in differences],
        **written,
    }


_HEAD = ("step", "shape", "type", "min", "max", "mean", "numbers")


def _row(step: Mapping[str, Any]) -> tuple[str, ...]:
    kind = f"{step['mode']} {step['dtype']}" if step["mode"] else step["dtype"]
    shape = "×".join(map(str, step["shape"]))
    values = (f"{step[name]:.6g}" for name in ("min", "max", "mean"))
    return (f"  {step['name']}", shape, kind, *values, _in_words(step["numbers"]))


def _in_words(numbers: Mapping[str, Any]) -> str:
    """Write the numbers of a step in one line."""
    said = []
    for name, value in numbers.items():
        if value is None or name == "to_levels":
            continue
        if name in ("rows", "columns"):
            what = f"{value['kernel']}, scale {value['scale']:.4g}"
            value = f"{what}, support {value['support']:.4g}, {value['taps']} taps"
        elif isinstance(value, (list, tuple)):
            value = "[" + ", ".join(f"{one:.6g}" for one in value) + "]"
        elif isinstance(value, bool):
            value = "yes" if value else "no"
        elif isinstance(value, float):
            value = f"{value:.6g}"
        said.append(f"{name.replace('_', ' ')} {value}")
    return "; ".join(said)


def _print_differences(facts: Sequence[Mapping[str, Any]], differences: Sequence[Any]) -> None:
    from refimpl.images.explain_compare import first_difference

    names = [about["profile"] for about in facts]
    print(f"differences: {names[0]} minus {names[1]}")
    rows = [("  step", "values that differ", "relative L2", "largest")]
    for each in differences:
        if each.note:
            rows.append((f"  {each.name}", each.note, "", ""))
            continue
        largest = f"{each.largest[0]['difference']:.6g}" if each.largest else "0"
        error = "-" if each.relative_l2 is None else f"{each.relative_l2:.3g}"
        rows.append((f"  {each.name}", f"{each.share:.2%}", error, largest))
    print_table(rows)
    first = first_difference(differences)
    if first is None:
        print("no step differs")
        return
    print(f"the first step that differs: {first.name}")
    for each in (differences[-1], *([first] if first is not differences[-1] else [])):
        for place in each.largest:
            where = f"channel {place['channel']}, row {place['row']}, column {place['column']}"
            pair = f"{place['first']:.6g} and {place['second']:.6g}"
            print(f"  {each.name}, {where}: {pair}, difference {place['difference']:.6g}")


def _checked_target(target: Path, force: bool) -> Path:
    """Follow links, and refuse a target that is a file or that may not be replaced.

    Raises:
        InputError: it is a file, is not empty, or holds what no explanation wrote.
    """
    try:
        real = Path(os.path.realpath(target))
        if os.path.lexists(target) and not real.is_dir():
            raise InputError(f"{target}: is a file; OUT must be a folder")
        present = sorted(real.iterdir()) if real.is_dir() else []
    except OSError as error:
        raise InputError(f"{target}: cannot be read: {error}") from error
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{str(target)!r} cannot be a folder: {error}") from error
    if present and not force:
        raise InputError(f"{target}: is not empty ({present[0].name}); --force replaces it")
    foreign = [path for path in present if not _is_ours(path)]
    if foreign:
        raise InputError(f"{target}: holds {foreign[0].name}, which was not written by --explain")
    return real


def _is_ours(path: Path) -> bool:
    """Say whether an explanation may have written this; nothing else is ever replaced."""
    from refimpl.images.profiles import PROFILES

    if path.is_symlink():
        return False
    if path.is_dir():
        known = path.name in PROFILES or path.name == "differences"
        return known and all(x.is_file() and _is_ours(x) for x in path.iterdir())
    return _OURS.fullmatch(path.name) is not None


@contextmanager
def _written_at_once(target: Path) -> Iterator[Path]:
    """Give a folder beside the target to write into; at the end it takes the target's place."""
    make_folder(target.parent)
    mark = secrets.token_hex(8)
    temporary, aside = target.parent / f".{mark}.tmp", target.parent / f".{mark}.old"
    try:
        make_folder(temporary)
        yield temporary
        if target.is_dir():
            os.rename(target, aside)
        os.rename(temporary, target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error}") from error
    finally:
        if aside.is_dir() and not target.exists():
            os.rename(aside, target)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)
