"""Every family on torch tensors against numpy, tap by tap, on the processor and in plain torch.

Tolerances are relative L2. float32: both sum in another order; errors of 1e-6 are a few units in the
last place. Half precision: every one of about 60 steps rounds by at most half a unit in the last
place, `EPS` / 2, and such errors add up like a random walk: √60 · EPS / 2 is about 4 · EPS; twice
that is the bound.
"""

import functools
from dataclasses import replace

import numpy as np
import pytest
import tapped
import tiny
import torch
from comparing import relative_l2

from kernels import ops as torch_ops
from kernels import plain, weights
from refimpl import configs, devices, models, ops
from refimpl.devices import TorchPlace, on_host
from refimpl.graph.bert import BertSelfAttention
from refimpl.graph.encoder import Attention
from refimpl.graph.interface import Mask
from refimpl.params import nodes
from refimpl.trace import Record

EXACT = {"float32": 2e-6, "float64": 1e-12}
EPS = {"float16": 2**-10, "bfloat16": 2**-7}  # from 1 to the next number
RNG = np.random.default_rng(8)


@pytest.fixture(autouse=True)
def plain_torch(monkeypatch):
    """Without the kernels' interpreter, even where the kernels' own tests run in this process."""
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)


def same(found, wanted, tolerance, name="result"):
    """Fail unless two results, or what they hold, agree; None only with None."""
    if isinstance(wanted, tuple):
        assert len(found) == len(wanted), name
        for index, pair in enumerate(zip(found, wanted, strict=True)):
            same(*pair, tolerance, f"{name}[{index}]")
    elif wanted is None:
        assert found is None, name
    else:
        assert isinstance(found, torch.Tensor) and not found.requires_grad, name
        assert tuple(found.shape) == wanted.shape, name
        assert relative_l2(on_host(found), wanted) <= tolerance, name


def taps(family, dtype):
    """Compare every tap of a family's run; the names come in the same order."""
    wanted, found = {}, {}
    tapped.results(family, Record(ops, wanted), dtype=dtype)
    tapped.results(family, Record(torch_ops, found), dtype=dtype, device="cpu")
    assert list(found) == list(wanted)
    for name, x in wanted.items():
        assert str(found[name].dtype) == f"torch.{dtype}", name
        same(found[name], x, EXACT[dtype], name)


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("family", tapped.RUNS)
def test_tap_by_tap(family, dtype):
    taps(family, dtype)


@functools.cache
def exact_results(family):
    return tapped.RUNS[family](ops, dtype="float64")


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("family", tapped.RUNS)
def test_half_precision(family, dtype):
    wanted = exact_results(family)
    found = tapped.RUNS[family](torch_ops, dtype=dtype, device="cpu")
    for got, want in zip(found, wanted, strict=True):
        assert str(got.dtype) == f"torch.{dtype}"
        assert relative_l2(on_host(got), want) <= 8 * EPS[dtype]


# Wrong twins: each must be noticed


def test_weights_in_each_others_place_are_noticed(monkeypatch):
    right = weights.laid_side_by_side

    def rotated(parts, device, dtype):
        q, k, v = right(parts, device, dtype)
        return [k, v, q]

    monkeypatch.setattr(weights, "laid_side_by_side", rotated)
    for family in ("bert", "vit"):
        with pytest.raises(AssertionError):
            taps(family, "float32")


def test_a_mask_that_stays_behind_is_noticed(monkeypatch):
    padded = np.array([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]])
    call = {"input_ids": tiny.IDS, "attention_mask": padded}
    model = models.BertModel(configs.BertConfig(**tapped.BERT))
    twin = models.BertModel(model.config, params=model.params, device="cpu")
    wanted = model(**call).last_hidden_state
    same(twin(**call).last_hidden_state, wanted, 2e-6)
    put = TorchPlace.put

    def forgetful(self, value):
        if isinstance(value, tuple):
            value = tuple(Mask() if isinstance(each, Mask) else each for each in value)
        return put(self, value)

    monkeypatch.setattr(TorchPlace, "put", forgetful)
    with pytest.raises(AssertionError):
        same(twin(**call).last_hidden_state, wanted, 2e-6)


def all_side_by_side(model):
    """Whether queries, keys and values of every attention lie in that order, one after the other."""
    orders = {
        Attention: ("q_proj", "k_proj", "v_proj"),
        BertSelfAttention: ("query", "key", "value"),
    }
    found = [node for node in nodes(model.params) if type(node) in orders]
    assert found
    for node in found:
        layers = [getattr(node, name) for name in orders[type(node)]]
        if plain.side_by_side([each.weight for each in layers]) is None:
            return False
        biases = [each.bias for each in layers]
        if None not in biases and plain.side_by_side(biases) is None:
            return False
    return True


def test_queries_keys_and_values_are_one_product(monkeypatch):
    def build():
        yield models.CLIPModel(tiny.config(), device="cpu", dtype="bfloat16")
        yield models.BertModel(configs.BertConfig(**tapped.BERT), device="cpu")
        yield models.BeitModel(configs.BeitConfig(**tapped.PICTURE), device="cpu")

    assert all(all_side_by_side(model) for model in build())
    monkeypatch.setattr(Attention, "SIDE_BY_SIDE", ("k_proj", "q_proj", "v_proj"))
    monkeypatch.setattr(BertSelfAttention, "SIDE_BY_SIDE", ("key", "query", "value"))
    assert not any(all_side_by_side(model) for model in build())


# What the runs above leave out


def both(model, **changes):
    """A numpy model and its twin on torch's processor, of the same weights."""
    return model, type(model)(model.config, params=model.params, device="cpu", **changes)


TOWER = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
PICTURE = {**TOWER, "image_size": 28, "initializer_range": 0.3}
TOWERS = [
    ({"model_type": "dinov2", **PICTURE}, {"model_type": "roberta", **tapped.BERT}),
    (
        {"model_type": "clip_vision_model", **tiny.VISION},
        {"model_type": "clip_text_model", **tiny.TEXT},
    ),
    ({"model_type": "siglip_vision_model", **tiny.VISION}, {"model_type": "bert", **tapped.BERT}),
    ({"model_type": "beit", **tapped.PICTURE}, {"model_type": "bert", **tapped.BERT}),
    ({"model_type": "deit", **tapped.PICTURE}, {"model_type": "roberta", **tapped.BERT}),
    (
        {"model_type": "chinese_clip_vision_model", **tiny.VISION},
        {"model_type": "bert", **tapped.BERT},
    ),
]


@pytest.mark.parametrize("towers", TOWERS, ids=lambda pair: f"{pair[0]['model_type']}")
def test_dual_encoders(towers):
    config = configs.VisionTextDualEncoderConfig(*towers, projection_dim=10)
    model = models.VisionTextDualEncoderModel(config)
    twin = models.VisionTextDualEncoderModel(config, device="cpu")  # drawn anew: equal seeds
    side = config.vision_config.image_size
    pixels = RNG.standard_normal((2, 3, side, side)).astype("f4")
    call = {"input_ids": tiny.IDS, "pixel_values": pixels, "return_loss": True}
    call |= {"output_hidden_states": True, "output_attentions": True}
    same(twin(**call).to_tuple(), model(**call).to_tuple(), 3e-6)
    assert twin.vision_model is twin.vision_model  # which remembers what fits into memory


def test_both_losses_and_the_comparison():
    text = {**tiny.TEXT, "projection_size": tiny.VISION["hidden_size"]}
    for model in (
        models.CLIPModel(tiny.config()),
        models.SiglipModel(configs.SiglipConfig(text_config=text, vision_config=tiny.VISION)),
        models.ChineseCLIPModel(
            configs.ChineseCLIPConfig(
                text_config=tapped.BERT, vision_config=tiny.VISION, projection_dim=10
            )
        ),
    ):
        ours, twin = both(model)
        call = {"input_ids": tiny.IDS, "pixel_values": tiny.PIXELS, "return_loss": True}
        same(twin(**call).to_tuple(), ours(**call).to_tuple(), 3e-6)
        assert twin(**call).loss.shape == ()
        features = twin.get_text_features(tiny.IDS), twin.get_image_features(tiny.PIXELS)
        wanted = ours.get_text_features(tiny.IDS), ours.get_image_features(tiny.PIXELS)
        same(features, wanted, 2e-6)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["CLIP", "Siglip"])
def test_classifiers_and_their_losses(kind, dtype):
    config_class = getattr(configs, f"{kind}Config")
    model_class = getattr(models, f"{kind}ForImageClassification")
    towers = {"text_config": tiny.TEXT, "vision_config": tiny.VISION}
    for count, labels in (
        (3, [2, -100]),
        (3, torch.tensor([[1.0, 0, 0], [0, 1, 1]], requires_grad=True)),
        (1, np.array([[3], [4]])),
    ):
        ours, twin = both(model_class(config_class(**towers, num_labels=count)), dtype=dtype)
        same(
            twin(tiny.PIXELS, labels).to_tuple(),
            ours(tiny.PIXELS, labels).to_tuple(),
            2e-6 if dtype == "float32" else 8 * EPS[dtype],
        )


def test_pictures_of_another_size():
    pixels = RNG.standard_normal((2, 3, 24, 40)).astype("f4")
    for model in (
        models.CLIPVisionModelWithProjection(tiny.config().vision_config),
        models.SiglipVisionModel(configs.SiglipVisionConfig(**tiny.VISION)),
        models.ViTModel(configs.ViTConfig(**tapped.PICTURE), add_pooling_layer=False),
        models.DeiTModel(configs.DeiTConfig(**tapped.PICTURE)),
    ):
        ours, twin = both(model)
        wanted = ours(pixel_values=pixels, interpolate_pos_encoding=True)
        found = twin(pixel_values=torch.from_numpy(pixels), interpolate_pos_encoding=True)
        same(found.to_tuple(), wanted.to_tuple(), 3e-6)


@pytest.mark.parametrize("shape", ["heads", "layers and heads"])
def test_head_masks(shape):
    weights = {"heads": [0.5, 0.0], "layers and heads": [[0.5, 0.0], [1.0, 2.0]]}[shape]
    ours, twin = both(models.BertModel(configs.BertConfig(**tapped.BERT)))
    wanted = ours(tiny.IDS, head_mask=weights, output_attentions=True)
    same(
        twin(tiny.IDS, head_mask=torch.tensor(weights), output_attentions=True).to_tuple(),
        wanted.to_tuple(),
        2e-6,
    )
    sizes = {**tapped.PICTURE, "num_attention_heads": 2}
    ours, twin = both(models.ViTModel(configs.ViTConfig(**sizes)))
    wanted = ours(tiny.PIXELS, head_mask=weights)
    same(twin(tiny.PIXELS, head_mask=weights).to_tuple(), wanted.to_tuple(), 2e-6)


@pytest.mark.parametrize("kind", ["Bert", "Roberta"])
def test_a_decoder_goes_on_where_it_ended(kind):
    """With a cross attention: keys and values pass through the caller's hands, either library's."""
    config = getattr(configs, f"{kind}Config")(
        **tapped.BERT, is_decoder=True, add_cross_attention=True, pad_token_id=1
    )
    ours, twin = both(getattr(models, f"{kind}Model")(config))
    states = RNG.standard_normal((2, 3, 16)).astype("f4")
    seen = {"encoder_hidden_states": states, "encoder_attention_mask": [[1, 1, 0], [1, 0, 1]]}
    calls = [{"input_ids": tiny.IDS, **seen, "attention_mask": [[1] * 5, [1, 1, 1, 0, 0]]}]
    calls += [{"input_ids": tiny.IDS[:, :2], **seen}, {"inputs_embeds": states[:, :1], **seen}]
    past = kept = None
    for call in calls:
        wanted = ours(**call, past_key_values=past, output_attentions=True)
        found = twin(**call, past_key_values=kept, output_attentions=True)
        same(found.to_tuple(), wanted.to_tuple(), 3e-6)
        other = twin(**call, past_key_values=past)
        same(other.past_key_values, wanted.past_key_values, 3e-6)
        past, kept = wanted.past_key_values, found.past_key_values


def test_keys_and_values_come_back_as_they_went(monkeypatch):
    """The earlier tokens' are in the next call's to the bit, and never leave the device."""
    config = configs.BertConfig(**tapped.BERT, is_decoder=True)
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        model = models.BertModel(config, device="cpu", dtype=dtype)
        first = model(tiny.IDS).past_key_values
        given = tuple(tuple(each.clone() for each in layer) for layer in first)
        with monkeypatch.context() as m:
            m.setattr(torch.Tensor, "cpu", lambda x: pytest.fail("copied to the host"))
            then = model(tiny.IDS.tolist(), past_key_values=given).past_key_values
        for layer, before in zip(then, first, strict=True):
            for now, was in zip(layer, before, strict=True):
                assert now.shape[2] == 10 and torch.equal(now[:, :, :5], was)


def test_masks_of_three_axes_and_token_types():
    ours, twin = both(models.RobertaModel(configs.RobertaConfig(**tapped.BERT, pad_token_id=4)))
    mask = RNG.random((2, 5, 5)) < 0.6
    call = {"attention_mask": mask, "token_type_ids": [[0, 1, 1, 0, 1]]}
    same(twin(tiny.IDS, **call).to_tuple(), ours(tiny.IDS, **call).to_tuple(), 2e-6)
    moved = {name: torch.as_tensor(value) for name, value in call.items()}
    same(twin(torch.tensor(tiny.IDS), **moved).to_tuple(), ours(tiny.IDS, **call).to_tuple(), 2e-6)


def test_what_is_put_on_a_device_keeps_its_kind():
    place = devices.TorchPlace("cpu", "bfloat16")
    mask = Mask(causal=True, key_padding=np.array([[True, False]]))
    put = place.put((mask, None, 3, {"ids": np.arange(3)}, [np.float32([1])]))
    assert put[1:3] == (None, 3) and put[0].causal
    assert put[0].key_padding.dtype == torch.bool and put[3]["ids"].dtype == torch.int64
    assert put[4][0].dtype == torch.float32
    assert replace(put[0], causal=False, key_padding=None) == Mask()
