"""The upstreams that the profiles of refimpl/images are judged by, each in a process of its own.

`answers(upstream, jobs)` runs all jobs in one process and gives an array for each, or the words of
the upstream's refusal. A job is a dictionary in JSON:

    picture  a name of image_pictures.py; that process makes its own copy of the picture
    kind     the family, for Transformers: "CLIP", "ChineseCLIP", "Siglip", "ViT"
    made     the options that the class or transform is made with
    called   the options of the call, for Transformers
    until    "levels": what the upstream has just before its numbers become floats; "unit": what it
             has just before it normalizes. Transformers has switches for that instead (do_...).

torchvision and TensorFlow lie in folders of their own (Makefile), on the path of these processes
alone: were torchvision importable beside the tests, Transformers 5 would choose other classes.
torchvision's compiled part does not load beside the CPU build of torch. Nothing that is asked here
needs it, but two of its operators must be declared before its Python part can be imported.
"""

import atexit
import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
import types
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import image_pictures
import numpy as np

FOLDERS = {
    "transformers-4-slow": "transformers-4",
    "transformers-5-pil": None,
    "transformers-5-torchvision": "torchvision",
    "openai": "torchvision",
    "open_clip": "torchvision",
    "cn_clip": "torchvision",
    "big_vision": "tensorflow",
}
MODULES = {"CLIP": "clip", "ChineseCLIP": "chinese_clip", "Siglip": "siglip", "ViT": "vit"}
_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

Job = dict[str, Any]
Answer = np.ndarray | str


def answers(upstream: str, jobs: Sequence[Job]) -> list[Answer]:
    """Give what the upstream makes of each job: an array (C, height, width), or its refusal.

    Its process stays until another upstream is asked: to start one takes longer than most answers.
    """
    return list(_answers(upstream, json.dumps(list(jobs))))


@lru_cache(maxsize=8)
def _answers(upstream: str, jobs: str) -> tuple[Answer, ...]:
    with tempfile.TemporaryDirectory() as out:
        _judge(upstream).ask({"out": out, "jobs": json.loads(jobs)})
        refusals = json.loads((Path(out) / "refusals.json").read_text())
        with np.load(Path(out) / "arrays.npz", allow_pickle=False) as arrays:
            found = {int(name): arrays[name] for name in arrays.files}
    for array in found.values():
        array.flags.writeable = False  # the cache hands the same one to every test
    return tuple(found[index] if words is None else words for index, words in enumerate(refusals))


class _Process:
    """A process with one upstream on its path: a line of JSON in, its work, a line out."""

    def __init__(self, upstream: str) -> None:
        folder = FOLDERS[upstream]
        where = "" if folder is None else str(Path(sys.prefix) / folder)
        if where and not Path(where).is_dir():
            raise RuntimeError(f"{where} is not there; make test installs it")
        self.upstream = upstream
        self.errors = tempfile.TemporaryFile("w+")
        self.running = subprocess.Popen(
            [sys.executable, __file__, upstream, where],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"},
        )

    def ask(self, order: dict[str, Any]) -> None:
        try:
            self.running.stdin.write(json.dumps(order) + "\n")
            self.running.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, and its last words say why
        if self.running.stdout.readline() != "done\n":
            self.running.wait()
            self.errors.seek(0)
            raise RuntimeError(f"{self.upstream} failed:\n{self.errors.read()[-3000:]}")

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.running.stdin.close()
        self.running.wait()
        self.running.stdout.close()
        self.errors.close()


_running: list[_Process] = []


def _judge(upstream: str) -> _Process:
    if not _running or _running[0].upstream != upstream:
        _close()
        _running.append(_Process(upstream))
    return _running[0]


@atexit.register
def _close() -> None:
    while _running:
        _running.pop().close()


def _serve(upstream: str, where: str) -> None:
    """Do the work, in the process that has the upstream on its path."""
    sys.path[:0] = [where] if where else []
    replies, sys.stdout = sys.stdout, sys.stderr  # an upstream may print what it likes
    if FOLDERS[upstream] == "torchvision":
        import torch

        operators = torch.library.Library("torchvision", "DEF")
        for schema in _OPERATORS:
            operators.define(schema)
    run = _RUNNERS[upstream]()
    for line in sys.stdin:
        order = json.loads(line)
        _run(run, Path(order["out"]), order["jobs"])
        print("done", file=replies, flush=True)


def _run(run: "Runner", out: Path, jobs: list[Job]) -> None:
    arrays, refusals = {}, []
    for index, job in enumerate(jobs):
        try:
            arrays[str(index)] = np.ascontiguousarray(run(job))
            refusals.append(None)
        except Exception as error:  # whatever the upstream raises is its answer
            refusals.append(f"{type(error).__name__}: {error}"[:300])
    np.savez(out / "arrays.npz", **arrays)
    (out / "refusals.json").write_text(json.dumps(refusals))


Runner = Callable[[Job], np.ndarray]


def _transformers(version: str, classes: Callable[[str], Any]) -> Runner:
    import transformers

    assert transformers.__version__ == version, transformers.__version__
    transformers.logging.set_verbosity_error()

    def run(job: Job) -> np.ndarray:
        processor = classes(job["kind"])(**job.get("made", {}))
        picture = image_pictures.make(job["picture"])
        values = processor(picture, **job.get("called", {}))["pixel_values"]  # a list
        arrays = [np.asarray(value) for value in values]
        return np.stack(arrays) if len(arrays) > 1 else arrays[0]

    return run


def _transformers_4_slow() -> Runner:
    def slow(kind: str) -> Any:
        import transformers

        found = getattr(transformers, f"{kind}ImageProcessor")
        assert not issubclass(found, transformers.BaseImageProcessorFast), found
        return found

    return _transformers("4.57.6", slow)


def _transformers_5_pil() -> Runner:
    def pillow(kind: str) -> Any:
        name = f"transformers.models.{MODULES[kind]}.image_processing_pil_{MODULES[kind]}"
        return getattr(importlib.import_module(name), f"{kind}ImageProcessorPil")

    return _transformers("5.23.0", pillow)


def _transformers_5_torchvision() -> Runner:
    def torchvision(kind: str) -> Any:
        import transformers

        found = getattr(transformers, f"{kind}ImageProcessor")
        assert found().backend == "torchvision", found
        return found

    return _transformers("5.23.0", torchvision)


def _steps(transform: Any, job: Job) -> np.ndarray:
    """Apply a torchvision `Compose`; its last two steps are always ToTensor and Normalize."""
    steps, until = transform.transforms, job.get("until")
    assert [type(step).__name__.replace("Maybe", "") for step in steps[-2:]] == [
        "ToTensor",
        "Normalize",
    ]
    picture = image_pictures.make(job["picture"])
    for step in steps[: {"levels": -2, "unit": -1}.get(until, len(steps))]:
        picture = step(picture)
    if until != "levels":
        return picture.numpy()
    return np.moveaxis(np.array(picture), -1, 0)


def _openai() -> Runner:
    import packaging.version

    # All it wants of pkg_resources, which newer setuptools lack, is `packaging`.
    sys.modules.setdefault("pkg_resources", types.SimpleNamespace(packaging=packaging))
    from clip.clip import _transform

    return lambda job: _steps(_transform(**job["made"]), job)


def _open_clip() -> Runner:
    from open_clip.transform import image_transform

    def run(job: Job) -> np.ndarray:
        return _steps(image_transform(is_train=False, **job["made"]), job)

    return run


def _cn_clip() -> Runner:
    # All its tokenizer wants of six is the version of Python.
    sys.modules.setdefault("six", types.SimpleNamespace(PY2=False, PY3=True))
    from cn_clip.clip.utils import image_transform

    return lambda job: _steps(image_transform(**job["made"]), job)


def _big_vision() -> Runner:
    """Say `decode|resize(size)|value_range(-1, 1)` in TensorFlow.

    big_vision is no package; its three steps are one call of TensorFlow each (pp/ops_image.py and
    pp/ops_general.py). `"decode": true` lets TensorFlow decode the file, too; otherwise Pillow
    does, and what TensorFlow gets is the picture's RGB.
    """
    import tensorflow as tf

    def run(job: Job) -> np.ndarray:
        picture, made = image_pictures.make(job["picture"]), job["made"]
        if made.get("decode"):
            data = tf.io.read_file(picture)
            levels = tf.io.decode_image(data, channels=3, expand_animations=False)
        elif isinstance(picture, np.ndarray):
            levels = tf.constant(picture)
        else:
            levels = tf.constant(np.array(picture.convert("RGB")))
        if made["size"]:
            resized = tf.image.resize(levels, made["size"], method="bilinear", antialias=False)
            kept = tf.clip_by_value(resized, levels.dtype.min, levels.dtype.max)
            levels = tf.cast(kept, levels.dtype)
        if job.get("until") == "levels":
            return np.moveaxis(levels.numpy(), -1, 0)
        unit = (tf.cast(levels, tf.float32) - tf.constant(0.0)) / tf.constant(255.0)
        values = unit if job.get("until") == "unit" else -1 + unit * (1 - -1)
        return np.moveaxis(values.numpy(), -1, 0)

    return run


_RUNNERS: dict[str, Callable[[], Runner]] = {
    "transformers-4-slow": _transformers_4_slow,
    "transformers-5-pil": _transformers_5_pil,
    "transformers-5-torchvision": _transformers_5_torchvision,
    "openai": _openai,
    "open_clip": _open_clip,
    "cn_clip": _cn_clip,
    "big_vision": _big_vision,
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")  # upstream's own; it is its numbers that are asked for
    _serve(*sys.argv[1:])
