"""Models on torch tensors: what goes in and comes out, weights, files.

All on the processor, in plain torch; test_devices_families.py has the numbers of every family,
test_device_memory.py what does not fit, test_device_faces.py pipelines and commands.
"""

import json

import numpy as np
import pytest
import tapped
import tiny
import torch
from comparing import relative_l2

from kernels import ops as torch_ops
from refimpl import configs, models
from refimpl.devices import beside, on_host
from refimpl.errors import InputError
from refimpl.find_device import DTYPES
from refimpl.models import CLIPForImageClassification, CLIPModel
from refimpl.params import map_leaves

RNG = np.random.default_rng(4)
CALL = {"input_ids": tiny.IDS, "pixel_values": tiny.PIXELS}


@pytest.fixture(autouse=True)
def plain_torch(monkeypatch):
    """Without the kernels' interpreter, even where the kernels' own tests run in this process."""
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)


@pytest.fixture
def model():
    return CLIPModel(tiny.config(), device="cpu")


def equal(one, other):
    """Whether two results are the same to the bit."""
    if isinstance(one, (tuple, list)):
        return all(equal(*pair) for pair in zip(one, other, strict=True))
    return one is other is None or torch.equal(one, other)


# What a model is


def test_without_a_device_it_is_numpy():
    model = CLIPModel(tiny.config())
    assert model.device is None and model.dtype == np.float32
    assert isinstance(model(**CALL).logits_per_image, np.ndarray)
    assert repr(model) == "CLIPModel(9,813 parameters, float32)"


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu"), "cpu:0"])
def test_devices(device):
    model = CLIPModel(tiny.config(), device=device)
    assert model.device == torch.device("cpu") and model.dtype == torch.float32
    assert repr(model) == "CLIPModel(9,813 parameters, float32 on cpu)"
    assert model.ops is torch_ops


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_spelling_of_a_dtype(dtype):
    spellings = [dtype, getattr(torch, dtype)]
    if dtype != "bfloat16":
        spellings += [np.dtype(dtype), np.dtype(dtype).type]
    for each in spellings:
        model = CLIPModel(tiny.config(), device="cpu", dtype=each)
        assert model.dtype == getattr(torch, dtype)
        assert {x.dtype for x in model.state_dict().values()} == {model.dtype}
        assert model(**CALL).logits_per_image.dtype == model.dtype


def test_equal_seeds_give_equal_weights_everywhere():
    wanted = CLIPModel(tiny.config(), seed=3).state_dict()
    for dtype in DTYPES:
        found = CLIPModel(tiny.config(), seed=3, device="cpu", dtype=dtype).state_dict()
        assert list(found) == list(wanted)
        for name, x in wanted.items():
            if dtype == "float64":
                assert torch.equal(found[name].float(), torch.from_numpy(x)), name
            else:
                assert torch.equal(found[name], torch.from_numpy(x).to(found[name].dtype)), name


# Weights and files


def named(dtype, folder, **options):
    return CLIPModel.from_pretrained(folder, device="cpu", dtype=dtype, **options)


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_saved_is_what_was_there(dtype, tmp_path):
    model = CLIPModel(tiny.config(), device="cpu", dtype=dtype)
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == dtype
    again = named(dtype, tmp_path)
    assert equal(list(again.state_dict().values()), list(model.state_dict().values()))
    assert equal(again(**CALL).logits_per_text, model(**CALL).logits_per_text)
    host = CLIPModel.from_pretrained(tmp_path, dtype="float64").state_dict()
    for name, x in model.state_dict().items():
        assert np.array_equal(host[name], x.double().numpy()), name
    assert again.num_parameters() == model.num_parameters() == 9813


def test_files_of_every_precision_load_in_every_precision(tmp_path):
    config = configs.ViTConfig(**tapped.PICTURE)
    for stored in DTYPES:
        written = models.ViTModel(config, device="cpu", dtype=stored)
        written.save_pretrained(tmp_path)
        for dtype in {"float32", "bfloat16"} - {stored}:
            read = models.ViTModel.from_pretrained(tmp_path, device="cpu", dtype=dtype)
            for x, y in zip(read.state_dict().values(), written.state_dict().values(), strict=True):
                assert torch.equal(x, y.to(x.dtype))


def test_weights_too_large_for_the_dtype(tmp_path):
    model = CLIPModel(tiny.config())
    model.state_dict()["vision_model.pre_layrnorm.weight"][0] = 70_000
    model.save_pretrained(tmp_path)
    assert named("bfloat16", tmp_path).dtype == torch.bfloat16
    with pytest.raises(InputError, match=r"pre_layrnorm\.weight hold .* too large for float16"):
        named("float16", tmp_path)


def test_a_fresh_head_is_the_seeds(tmp_path):
    CLIPModel(tiny.config()).save_pretrained(tmp_path)
    heads = []
    for how in ({}, {"device": "cpu"}):
        with pytest.warns(UserWarning, match="drawn afresh from seed 5"):
            heads.append(
                CLIPForImageClassification.from_pretrained(tmp_path, num_labels=3, seed=5, **how)
            )
    assert np.array_equal(heads[0].params.classifier.weight, heads[1].params.classifier.weight)


def test_weights_that_are_there_stay_where_they_are(model):
    again = CLIPModel(model.config, params=model.params, device="cpu")
    assert again.params is model.params
    half = CLIPModel(model.config, params=model.params, device="cpu", dtype="float16")
    assert half.params.logit_scale.dtype == torch.float16
    assert model.params.logit_scale.dtype == torch.float32


def test_weights_of_any_layout_are_taken():
    """Read-only, with gaps, of the other byte order, needing a gradient: all end up the same."""
    source = CLIPModel(tiny.config())
    wanted = source(**CALL).logits_per_text

    def awkward(name, x):
        if x.ndim == 2:
            return np.repeat(x, 2, axis=1)[:, ::2]
        if x.ndim == 1 and "weight" in name:
            return x.astype(">f4")
        if x.ndim == 1:
            return torch.from_numpy(x).requires_grad_()
        return np.broadcast_to(x, x.shape)

    params = map_leaves(awkward, source.params)
    twin = CLIPModel(source.config, params=params, device="cpu")
    assert relative_l2(twin(**CALL).logits_per_text, wanted) < 2e-6
    assert not any(x.requires_grad for x in twin.state_dict().values())


# What goes in and comes out


def test_inputs_of_any_kind_give_the_same(model):
    wanted = model(**CALL, return_loss=True).to_tuple()
    pixels = torch.from_numpy(tiny.PIXELS)
    for ids, pictures in (
        (tiny.IDS.tolist(), tiny.PIXELS.tolist()),
        (torch.tensor(tiny.IDS), pixels),
        (torch.tensor(tiny.IDS, dtype=torch.int32), pixels.clone().requires_grad_()),
        (tiny.IDS.astype(np.uint16), tiny.PIXELS.astype(">f4")),
        (list(torch.tensor(tiny.IDS)), list(pixels)),
        (tiny.IDS, np.asfortranarray(tiny.PIXELS)),
        (tiny.IDS, np.repeat(tiny.PIXELS, 2, axis=0)[::2]),
        (tiny.IDS, pixels.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)),
    ):
        out = model(input_ids=ids, pixel_values=pictures, return_loss=True)
        assert equal(out.to_tuple(), wanted)
        assert not out.loss.requires_grad


def test_numpy_models_read_tensors_too():
    model = CLIPModel(tiny.config())
    rounded = torch.from_numpy(tiny.PIXELS).bfloat16()
    wanted = model(tiny.IDS, rounded.float().numpy()).logits_per_text
    found = model(torch.tensor(tiny.IDS), rounded.clone().requires_grad_()).logits_per_text
    assert np.array_equal(found, wanted)


def test_pixels_on_the_device_do_not_pass_through_the_host(model, monkeypatch):
    pixels = torch.from_numpy(tiny.PIXELS)
    wanted = model.get_image_features(pixels)
    monkeypatch.setattr(torch.Tensor, "cpu", lambda x: pytest.fail("copied to the host"))
    monkeypatch.setattr(torch.Tensor, "numpy", lambda x: pytest.fail("copied to the host"))
    assert torch.equal(model.get_image_features(pixels), wanted)
    assert torch.equal(model.get_image_features(pixels.double()), wanted)
    for bad, message in (
        (pixels[0], r"of shape \(B, 3, height, width\); got torch.float32 of shape \(3, 16, 16\)"),
        (pixels[:, :2], "must have 3 channels on axis 1; got shape"),
        (pixels[..., :8], "are 16×8, the model takes 16×16"),
        (pixels * torch.inf, "pixel_values hold NaN or infinity"),
    ):
        with pytest.raises(InputError, match=message):
            model.get_image_features(bad)


@pytest.mark.parametrize("where", ["numpy", "torch"])
def test_numbers_too_large_for_the_dtype(where):
    model = CLIPModel(tiny.config(), device="cpu", dtype="float16")
    pixels = np.full_like(tiny.PIXELS, 70_000)
    with pytest.raises(InputError, match="too large for float16"):
        model.get_image_features(torch.from_numpy(pixels) if where == "torch" else pixels)


def test_integer_pixels_and_no_pictures_at_all(model):
    pixels = RNG.integers(0, 255, (2, 3, 16, 16))
    wanted = CLIPModel(tiny.config()).get_image_features(pixels)
    for each in (pixels, torch.tensor(pixels), torch.tensor(pixels, dtype=torch.uint8)):
        assert relative_l2(model.get_image_features(each), wanted) < 2e-6
    none = model.get_image_features(torch.zeros(0, 3, 16, 16))
    assert none.shape == (0, 10) and model.get_text_features(np.zeros((0, 4), int)).shape == (0, 10)


def test_nothing_needs_a_gradient(model):
    for leaf in model.state_dict().values():
        leaf.requires_grad_()
    out = model(**CALL, output_hidden_states=True).vision_model_output
    assert not any(x.requires_grad for x in (out.pooler_output, *out.hidden_states))
    assert not out.pooler_output.is_inference()  # an ordinary tensor, which may go on elsewhere


def test_beside():
    array = np.float64([1, 2])
    assert beside(array, np.float32(3)).dtype == np.float32
    assert beside(array, torch.zeros(1).bfloat16()).dtype == torch.bfloat16
    assert beside(np.arange(2), torch.zeros(1).bfloat16()).dtype == torch.int64
    assert on_host("as it is") == "as it is"
