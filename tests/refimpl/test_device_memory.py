"""A batch that does not fit into a device's memory goes in halves, and the results are the same.

The device is the processor, with an operation that raises what a GPU's memory raises.
"""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import tapped
import tiny
import torch
from comparing import relative_l2

from kernels import memory, weights
from kernels import ops as torch_ops
from kernels.errors import KernelError
from kernels.memory import cut, joined
from refimpl import configs, models
from refimpl.errors import InputError
from refimpl.models import CLIPModel, VisionTextDualEncoderModel

RNG = np.random.default_rng(4)


@pytest.fixture(autouse=True)
def plain_torch(monkeypatch):
    """Without the kernels' interpreter, even where the kernels' own tests run in this process."""
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)


def small_memory(largest, seen):
    """The operations of a device where an attention over more than `largest` items does not fit."""

    def attention(p, q, *others, **options):
        seen.append(q.shape[0])
        if q.shape[0] > largest:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0")
        return torch_ops.attention(p, q, *others, **options)

    names = {name: getattr(torch_ops, name) for name in torch_ops.__all__}
    return SimpleNamespace(**{**names, "tap": torch_ops.tap, "attention": attention})


BATCH = 11
IDS = RNG.integers(1, 58, (BATCH, 5))
MASK = np.concatenate([np.ones((BATCH, 3), int), RNG.integers(0, 2, (BATCH, 2))], axis=1)
PIXELS = RNG.standard_normal((BATCH, 3, 16, 16)).astype("f4")
EVERYTHING = {"output_hidden_states": True, "output_attentions": True}
STATES = RNG.standard_normal((BATCH, 3, 16))
DECODER = {"is_decoder": True, "add_cross_attention": True}

CALLS = {
    "clip": (
        CLIPModel,
        tiny.config(),
        {"input_ids": IDS, "attention_mask": MASK, "pixel_values": PIXELS, **EVERYTHING},
    ),
    "siglip": (
        models.SiglipVisionModel,
        configs.SiglipVisionConfig(**tiny.VISION),
        {"pixel_values": PIXELS},
    ),
    "bert": (
        models.BertModel,
        configs.BertConfig(**tapped.BERT, **DECODER),
        {
            "input_ids": IDS,
            "attention_mask": MASK,
            "token_type_ids": [[0, 0, 1, 1, 1]],
            "head_mask": [[0.5, 1], [2, 1]],
            "encoder_hidden_states": STATES,
            "encoder_attention_mask": MASK[:, 2:],
            **EVERYTHING,
        },
    ),
    "roberta": (
        models.RobertaModel,
        configs.RobertaConfig(**tapped.BERT),
        {"input_ids": IDS, "attention_mask": RNG.integers(0, 2, (BATCH, 5, 5)), **EVERYTHING},
    ),
    "vit": (
        models.ViTModel,
        configs.ViTConfig(**tapped.PICTURE),
        {"pixel_values": PIXELS, "head_mask": np.ones((2, 3)), **EVERYTHING},
    ),
    "beit": (
        models.BeitModel,
        configs.BeitConfig(**tapped.PICTURE, use_mask_token=True, use_relative_position_bias=True),
        {"pixel_values": PIXELS, "bool_masked_pos": RNG.random((BATCH, 4)) < 0.5},
    ),
    "dual": (
        VisionTextDualEncoderModel,
        configs.VisionTextDualEncoderConfig(
            {**tapped.PICTURE, "model_type": "deit"}, {**tapped.BERT, "model_type": "bert"}
        ),
        {"input_ids": IDS, "pixel_values": PIXELS, **EVERYTHING},
    ),
}


def close(found, wanted):
    """Batches of other sizes may be summed in another order."""
    if isinstance(wanted, (tuple, list)):
        return all(close(*pair) for pair in zip(found, wanted, strict=True))
    same = wanted is None or (found.shape == wanted.shape and relative_l2(found, wanted) < 1e-6)
    return bool(same)


@pytest.mark.parametrize("name", CALLS)
def test_a_batch_that_does_not_fit_is_halved(name):
    kind, config, call = CALLS[name]
    wanted = kind(config, device="cpu")(**call).to_tuple()
    seen = []
    twin = kind(config, device="cpu", ops=small_memory(3, seen))
    with pytest.warns(UserWarning) as told:
        found = twin(**call).to_tuple()
    assert close(found, wanted)
    said = {str(each.message) for each in told}
    assert said == {
        f"out of memory with a batch of {size} on cpu; going on with {half}"
        for size, half in ((11, 5), (5, 2))
    }
    seen.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the size that fits is known: nothing is tried, nor said
        assert close(twin(**call).to_tuple(), wanted)
    assert max(seen) == 2


def test_halves_are_taken_up_where_the_memory_ended():
    """The parts that fitted are not run again; the next call's smaller batch is one part."""
    seen = []
    model = CLIPModel(tiny.config(), device="cpu", ops=small_memory(4, seen))
    with pytest.warns(UserWarning, match="out of memory with a batch of") as told:
        model.get_image_features(PIXELS)
    assert len(told) == 2
    assert seen == [11, 5, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1]
    seen.clear()
    model.get_image_features(PIXELS[:2])
    assert seen == [2, 2]
    seen.clear()
    model.get_image_features(PIXELS[:4])  # 2 is what is known to fit
    assert seen == [2, 2, 2, 2]


def test_a_decoders_memory_is_cut_with_the_batch():
    config = configs.BertConfig(**tapped.BERT, **DECODER)
    model = models.BertModel(config, device="cpu")
    call = {"encoder_hidden_states": STATES}
    past = model(IDS, **call).past_key_values
    wanted = model(IDS[:, :1], past_key_values=past, **call)
    twin = models.BertModel(config, device="cpu", ops=small_memory(6, []))
    with pytest.warns(UserWarning, match="11 on cpu; going on with 5"):
        found = twin(IDS[:, :1], past_key_values=past, **call)
    assert close(found.to_tuple(), wanted.to_tuple())


def test_one_item_that_does_not_fit_is_an_error():
    model = CLIPModel(tiny.config(), device="cpu", ops=small_memory(0, []))
    with (
        pytest.warns(UserWarning, match="going on with 1"),
        pytest.raises(InputError, match=r"a batch of 1 on cpu \(CUDA out of memory\); take a"),
    ):
        model.get_image_features(PIXELS[:2])


def raising(name, error, here=lambda *given: True):
    """The operations of a device, one of which fails where `here` says so."""

    def fails(*given, **options):
        if here(*given):
            raise error
        return getattr(torch_ops, name)(*given, **options)

    names = {each: getattr(torch_ops, each) for each in torch_ops.__all__}
    return SimpleNamespace(**{**names, "tap": torch_ops.tap, name: fails})


def outside_the_towers(x, *others):
    """Whether a linear layer is a projection, the logits or a classifier: its rows are no tokens."""
    return x.ndim == 2


ENDED = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0")
PROCESSORS = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:1] err == 0. DefaultCPUAllocator: can't allocate memory: you "
    "tried to allocate 4000 bytes. Error code 12 (Cannot allocate memory)\nand more"
)
CLASSIFIER = configs.CLIPConfig(text_config=tiny.TEXT, vision_config=tiny.VISION, num_labels=3)
DUAL = configs.VisionTextDualEncoderConfig(
    {**tiny.VISION, "model_type": "clip_vision_model"},
    {**tiny.TEXT, "model_type": "clip_text_model"},
)
BOTH = {"input_ids": IDS, "pixel_values": PIXELS}


@pytest.mark.parametrize("error", [ENDED, PROCESSORS, KernelError("linear: a rule")])
def test_what_fails_outside_the_towers_says_what_to_do(error):
    ops = raising("linear", error, outside_the_towers)
    clip = CLIPModel(tiny.config(), device="cpu", ops=ops)
    calls = [
        lambda: clip(**BOTH),
        lambda: clip.get_text_features(IDS),
        lambda: clip.get_image_features(PIXELS),
        lambda: VisionTextDualEncoderModel(DUAL, device="cpu", ops=ops)(**BOTH),
        lambda: models.CLIPForImageClassification(CLASSIFIER, device="cpu", ops=ops)(PIXELS),
        lambda: CLIPModel(
            tiny.config(), device="cpu", ops=raising("log_softmax", error)
        )(**BOTH, return_loss=True),
    ]  # fmt: skip
    for each in calls:
        with pytest.raises(InputError) as told:
            each()
        said = str(told.value)
        if isinstance(error, KernelError):
            assert said == "linear: a rule"
        else:
            reason = {ENDED: "CUDA out of memory"}.get(
                error, "can't allocate memory: you tried to allocate 4000 bytes"
            )
            rest = "; take a smaller batch, or free memory there"
            assert said == f"out of memory on cpu ({reason}){rest}"


def test_the_processors_memory_is_halved_too():
    ops = raising("attention", PROCESSORS, lambda p, q, *others: q.shape[0] > 6)
    model = CLIPModel(tiny.config(), device="cpu", ops=ops)
    with pytest.warns(
        UserWarning, match="out of memory with a batch of 11 on cpu; going on with 5"
    ):
        model.get_image_features(PIXELS)


def test_joining_the_parts_may_not_fit(monkeypatch):
    def joined(results):
        raise ENDED

    monkeypatch.setattr(memory, "joined", joined)
    model = CLIPModel(tiny.config(), device="cpu", ops=small_memory(6, []))
    with (
        pytest.warns(UserWarning, match="going on with 5"),
        pytest.raises(InputError, match=r"out of memory on cpu \(CUDA.*; take a smaller batch"),
    ):
        model.get_image_features(PIXELS)


def test_weights_that_do_not_fit(monkeypatch, tmp_path):
    def moved(*given):
        raise ENDED

    CLIPModel(tiny.config()).save_pretrained(tmp_path)
    monkeypatch.setattr(weights, "moved", moved)
    for make in (
        lambda: CLIPModel(tiny.config(), device="cpu"),
        lambda: CLIPModel.from_pretrained(tmp_path, device="cpu"),
    ):
        with pytest.raises(InputError, match="the weights do not fit; take a smaller dtype"):
            make()


def test_other_errors_are_not_taken_for_it():
    """A bug stays a bug: nothing is halved, and the traceback is whole."""
    seen = []
    ops = raising("attention", RuntimeError("shapes differ"), lambda p, q, *_: not seen.append(q))
    with pytest.raises(RuntimeError, match="shapes differ"):
        CLIPModel(tiny.config(), device="cpu", ops=ops).get_image_features(PIXELS)
    assert len(seen) == 1


def test_parts_in_another_order_are_noticed(monkeypatch):
    monkeypatch.setattr(memory, "joined", lambda results: joined(results[::-1]))
    with pytest.raises(AssertionError):
        test_a_batch_that_does_not_fit_is_halved("siglip")


def test_rows_for_all_items_stay_whole_and_the_order_stays():
    given = ({"x": np.arange(6).reshape(3, 2)}, np.arange(2)[None], 5)
    parts = [cut(given, 3, start, start + 2) for start in (0, 2)]
    assert parts[1][0]["x"].tolist() == [[4, 5]] and parts[1][1].tolist() == [[0, 1]]
    tensors = [({"x": torch.tensor(part[0]["x"])}, None) for part in parts]
    assert joined(tensors)[0]["x"].tolist() == [[0, 1], [2, 3], [4, 5]]
