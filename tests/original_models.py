"""The model code of the original repositories, importable without torchvision.

open_clip, timm, cn_clip and OpenAI's clip import torchvision for pictures and detection, neither of
which their CLIP towers use. While they are imported, and only then, empty modules stand in its
place: a class that is never made, a function that is never called. All numbers are the originals'
own.
"""

import enum
import functools
import importlib
import importlib.machinery
import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

# Transformers asks once whether torchvision is installed, and must not see what stands for it here.
_ = transformers.CLIPModel

_STANDING_IN = (
    "torchvision",
    "torchvision.transforms",
    "torchvision.transforms.functional",
    "torchvision.ops",
    "torchvision.ops.misc",
    "torchvision.datasets",
)


_INTERPOLATION = enum.Enum("InterpolationMode", "NEAREST BILINEAR BICUBIC BOX HAMMING LANCZOS")


class _Empty(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        kind = _INTERPOLATION if name == "InterpolationMode" else type(name, (torch.nn.Module,), {})
        setattr(self, name, kind)
        return kind


@functools.cache
def original(name):
    """Import a module of an original repository."""
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        pytest.fail(f"{name}: not installed; make test installs it")
    with pytest.MonkeyPatch.context() as patch:
        if importlib.util.find_spec("torchvision") is None:
            for each in _STANDING_IN:
                module = _Empty(each)
                module.__spec__ = importlib.machinery.ModuleSpec(each, None)
                module.__path__ = []
                parent, _, child = each.rpartition(".")
                if parent:
                    setattr(sys.modules[parent], child, module)
                patch.setitem(sys.modules, each, module)
        if importlib.util.find_spec("six") is None:  # all it wants of six is the Python version
            patch.setitem(sys.modules, "six", types.SimpleNamespace(PY2=False, PY3=True))
        return importlib.import_module(name)


@functools.cache
def openai_model():
    """OpenAI's clip/model.py, from the file: its package would load a tokenizer, too."""
    package = importlib.util.find_spec("clip")
    if package is None or not package.submodule_search_locations:
        pytest.fail("clip: not installed; make test installs it")
    path = Path(package.submodule_search_locations[0]) / "model.py"
    spec = importlib.util.spec_from_file_location("openai_clip_model", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def randomised(model, seed=0):
    """Random weights everywhere, also in norms and biases, and eval mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.numel() == 1:
                parameter.fill_(-1.7 if "bias" in name else 2.3)
                continue
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 4
            parameter.normal_(0, fan_in**-0.5, generator=generator)
            if parameter.ndim == 1 and name.endswith("weight"):
                parameter.add_(1)
    return model.eval()


def tensors_of(model):
    return {name: value.numpy() for name, value in model.state_dict().items()}


def pixels(batch, size, seed=1):
    return np.random.default_rng(seed).standard_normal((batch, 3, size, size)).astype(np.float32)


def ids(batch, length, vocabulary, seed=2, end=None):
    """Random ids; with `end`, it comes at another place in every row, and zeros behind it."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(1, vocabulary - 3, (batch, length))
    if end is not None:
        for row in rows:
            at = rng.integers(2, length)
            row[at], row[at + 1 :] = end, 0
    return rows
