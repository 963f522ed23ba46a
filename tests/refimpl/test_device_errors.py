"""What asks for a device that cannot be had ends in one line that says what to do."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import tiny
import torch

from kernels import ops as torch_ops
from kernels.errors import KernelError
from refimpl import configs, models
from refimpl.devices import TorchPlace
from refimpl.errors import InputError
from refimpl.models import CLIPModel


@pytest.fixture(autouse=True)
def plain_torch(monkeypatch):
    """Without the kernels' interpreter, even where the kernels' own tests run in this process."""
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)


def refused(message, device, dtype="float32"):
    """Neither the constructor nor the loader goes on; nothing is read before."""
    for make in (
        lambda **how: CLIPModel(tiny.config(), **how),
        lambda **how: CLIPModel.from_pretrained("./there-is-no-such-folder", **how),
    ):
        with pytest.raises(InputError) as error:
            make(device=device, dtype=dtype)
        said = str(error.value)
        assert message in said and "\n" not in said, said


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (9, 0))


@pytest.mark.parametrize(
    "device",
    [
        "mps",
        "meta",
        "xpu:0",
        "nonsense",
        "",
        "cuda:x",
        "cuda:256",
        256,
        -1,
        2**70,
        True,
        2.5,
        ["cpu"],
        torch.device("meta"),
    ],
)
def test_devices_that_are_none(device):
    refused("device must be 'cpu', 'cuda', 'cuda:1' or a torch.device of these, or None", device)


@pytest.mark.parametrize(
    "dtype",
    [
        "int8",
        "float8_e4m3fn",
        "half",
        "torch.float16",
        "",
        None,
        3,
        torch.int64,
        np.int32,
        np.float64(1),
    ],
)
def test_dtypes_that_are_none(dtype):
    message = "dtype must be one of 'float32', 'float64', 'float16', 'bfloat16', or torch's type"
    with pytest.raises(InputError, match=message):
        CLIPModel(tiny.config(), device="cpu", dtype=dtype)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", torch.bfloat16, np.float16])
def test_half_precision_needs_a_device(dtype):
    name = str(dtype).split(".")[-1].strip("'>")
    refused(f"for '{name}' pass a device too, such as device='cuda' or device='cpu'", None, dtype)


def test_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for device in ("cuda", "cuda:1", 0):
        refused("sees no GPU here (torch.cuda.is_available() is False); use device='cpu'", device)


@pytest.mark.parametrize("device", ["cuda:2", 7, torch.device("cuda", 5)])
def test_a_gpu_that_is_not_there(two_gpus, device):
    refused("is not there; this machine has cuda:0 to cuda:1", device)


def test_a_gpu_that_triton_is_not_made_for(two_gpus, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (7, 5))
    message = "device 'cuda:1' has compute capability 7.5, and the kernels need 8.0 (Ampere) or"
    refused(message, "cuda:1")
    monkeypatch.setattr(torch.version, "hip", "6.3")  # AMD counts otherwise
    monkeypatch.setitem(sys.modules, "triton", None)
    refused("device 'cuda:1' needs triton", "cuda:1")


def test_no_triton(two_gpus, monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    refused("device 'cuda' needs triton for its kernels: pip install 'clip-refimpl[gpu]'", "cuda")
    CLIPModel(tiny.config(), device="cpu")  # where no kernel runs, none is missing


@pytest.mark.parametrize("device", ["cpu", "cuda", "nonsense"])
def test_no_torch(monkeypatch, device):
    monkeypatch.setitem(sys.modules, "torch", None)
    refused(f"device='{device}' needs torch: pip install 'clip-refimpl[gpu]'; without", device)
    CLIPModel(tiny.config())


def test_a_torch_that_does_not_import(monkeypatch, tmp_path):
    (tmp_path / "torch.py").write_text("raise OSError('libcudnn.so.9: no such file\\nmore')")
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.syspath_prepend(tmp_path)
    refused("needs torch, which does not import here (libcudnn.so.9: no such file); ins", "cpu")


def test_another_package_called_kernels(monkeypatch):
    foreign = ModuleType("kernels")
    foreign.__file__ = "/somewhere/kernels/__init__.py"
    monkeypatch.setitem(sys.modules, "kernels", foreign)
    refused("the package `kernels` at /somewhere/kernels/__init__.py is another project's", "cpu")
    del foreign.__file__
    refused("the package `kernels` at", "cpu")
    monkeypatch.setitem(sys.modules, "kernels", None)
    refused("device= needs this project's package `kernels`; what stands there does not", "cpu")
    CLIPModel(tiny.config())


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("kernels/__init__.py", "__version__ = '0.19'", "pip uninstall kernels"),
        ("kernels.py", "", "pip uninstall kernels"),
        ("kernels/__init__.py", "raise RuntimeError('bo\\nom')", "does not import (bo)"),
    ],
)
def test_another_package_called_kernels_in_front_on_the_path(
    file, text, said, tmp_path, monkeypatch
):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    for name in [each for each in sys.modules if each.split(".")[0] == "kernels"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    refused(said, "cpu")
    CLIPModel(tiny.config())
    monkeypatch.delitem(sys.modules, "kernels", raising=False)


def test_what_a_kernel_refuses_is_an_input_error():
    def attention(*given, **options):
        raise KernelError("attention: a rule, what came, and what would be right")

    names = {name: getattr(torch_ops, name) for name in torch_ops.__all__}
    ops = SimpleNamespace(**{**names, "tap": torch_ops.tap, "attention": attention})
    with pytest.raises(InputError, match="attention: a rule"):
        CLIPModel(tiny.config(), device="cpu", ops=ops).get_text_features(tiny.IDS)


CLIP = {"text_config": tiny.TEXT, "vision_config": tiny.VISION}
CLASSES = {
    "CLIPTextModel": configs.CLIPTextConfig(**tiny.TEXT),
    "CLIPTextModelWithProjection": configs.CLIPTextConfig(**tiny.TEXT),
    "CLIPVisionModel": configs.CLIPVisionConfig(**tiny.VISION),
    "CLIPVisionModelWithProjection": configs.CLIPVisionConfig(**tiny.VISION),
    "CLIPForImageClassification": configs.CLIPConfig(**CLIP),
    "SiglipModel": configs.SiglipConfig(**CLIP),
    "SiglipTextModel": configs.SiglipTextConfig(**tiny.TEXT),
    "SiglipVisionModel": configs.SiglipVisionConfig(**tiny.VISION),
    "SiglipForImageClassification": configs.SiglipConfig(**CLIP),
    "ChineseCLIPModel": configs.ChineseCLIPConfig(**CLIP),
    "ChineseCLIPTextModel": configs.ChineseCLIPTextConfig(**tiny.TEXT),
    "ChineseCLIPVisionModel": configs.ChineseCLIPVisionConfig(**tiny.VISION),
    "BertModel": configs.BertConfig(**tiny.TEXT),
    "RobertaModel": configs.RobertaConfig(**tiny.TEXT),
    "ViTModel": configs.ViTConfig(**tiny.VISION),
    "DeiTModel": configs.DeiTConfig(**tiny.VISION),
    "BeitModel": configs.BeitConfig(**tiny.VISION),
    "Dinov2Model": configs.Dinov2Config(**tiny.VISION),
    "VisionTextDualEncoderModel": configs.VisionTextDualEncoderConfig(
        {**tiny.VISION, "model_type": "vit"}, {**tiny.TEXT, "model_type": "bert"}
    ),
}


@pytest.mark.parametrize("name", [name for name in models.__all__ if name != "CLIPModel"])
def test_every_class_takes_a_device_and_refuses_a_bad_one(name, tmp_path):
    kind, config = getattr(models, name), CLASSES[name]
    with pytest.raises(InputError, match="device must be"):
        kind(config, device="meta")
    model = kind(config, device="cpu", dtype="bfloat16")
    model.save_pretrained(tmp_path)
    again = kind.from_pretrained(tmp_path, device="cpu", dtype="bfloat16")
    assert again.dtype == torch.bfloat16
    for name, x in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], x)


class Entered(Exception):
    """Raised in the place of what a model's call runs in."""


@pytest.mark.parametrize("name", models.__all__)
def test_whatever_is_called_runs_where_errors_are_made_clear(name, monkeypatch):
    def computing(self):
        raise Entered

    config = CLASSES.get(name) or tiny.config()
    model = getattr(models, name)(config, device="cpu")
    monkeypatch.setattr(TorchPlace, "computing", computing)
    for method in ("__call__", "get_text_features", "get_image_features"):
        if hasattr(model, method):
            with pytest.raises(Entered):
                getattr(model, method)()


@pytest.mark.parametrize("device", [None, "cpu"])
def test_habits_from_torch_are_told_what_to_do(device):
    model = CLIPModel(tiny.config(), device=device)
    for name in ("to", "cuda", "half"):
        with pytest.raises(AttributeError, match=f"no '{name}': .* from_pretrained\\(.*device="):
            getattr(model, name)
    with pytest.raises(AttributeError, match="no 'eval': .* leave the call out"):
        model.eval()
    with pytest.raises(AttributeError, match="'CLIPModel' object has no attribute 'forwards'"):
        _ = model.forwards


def test_a_head_width_without_a_kernel_runs_in_plain_torch():
    config = configs.ViTConfig(**{**tiny.VISION, "hidden_size": 600, "num_hidden_layers": 1})
    wanted = models.ViTModel(config)(tiny.PIXELS).pooler_output
    found = models.ViTModel(config, device="cpu")(tiny.PIXELS).pooler_output
    assert np.abs(found.numpy() - wanted).max() < 1e-4
    assert torch_ops.last_choice("attention").runs == "torch"


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.to("meta"),
        lambda x: x.to_sparse(),
        lambda x: x.to(torch.complex64),
        lambda x: torch.nested.nested_tensor(list(x)),
    ],
)
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype")
def test_tensors_that_hold_no_plain_numbers(change):
    model = CLIPModel(tiny.config(), device="cpu")
    with pytest.raises(InputError, match=r"pixel_values (cannot be read|must be numbers)"):
        model.get_image_features(change(torch.from_numpy(tiny.PIXELS)))
