"""CLIPProcessor against transformers' own, on ASCII texts and a picture."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPProcessor as TheirProcessor
from transformers import CLIPTokenizer as TheirTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from refimpl.errors import InputError
from refimpl.images import CLIPImageProcessor
from refimpl.processing import CLIPProcessor
from tokenizers_py import CLIPTokenizer

PICTURES = Path(__file__).parents[1] / "data" / "images"
PICTURE = PICTURES / "pillow/hopper.jpg"
TEXTS = ["a photo of 2 cats", "A REMOTE control, isn't it?!", "", "plane  landing\tat 10:45."]


@pytest.fixture(scope="module")
def ours():
    return CLIPProcessor(CLIPImageProcessor(), CLIPTokenizer())


@pytest.fixture(scope="module")
def theirs(ours, tmp_path_factory):
    """Upstream's processor on the vocabulary that our tokenizer ships, through saved files."""
    folder = tmp_path_factory.mktemp("clip")
    ours.save_pretrained(folder)
    return TheirProcessor(CLIPImageProcessorPil(), TheirTokenizer.from_pretrained(folder))


def same(batch, want):
    assert list(batch) == list(want)
    for name, value in want.items():
        assert batch[name].dtype == value.dtype
        assert np.array_equal(np.asarray(batch[name]), np.asarray(value)), name


@pytest.mark.parametrize(
    "options",
    [
        {"padding": True},
        {"padding": "max_length"},
        {"padding": "max_length", "max_length": 8, "truncation": True},
        {"padding": True, "size": 64, "crop_size": 50, "do_rescale": False},
        {"text_kwargs": {"padding": True}, "images_kwargs": {"crop_size": 10}},
        {"padding": True, "common_kwargs": {}},
    ],
)
@pytest.mark.parametrize("kind", ["np", "pt"])
def test_equals_upstream(ours, theirs, options, kind):
    with Image.open(PICTURE) as picture:
        pictures = [picture, picture.rotate(90)]
        want = theirs(text=TEXTS, images=pictures, return_tensors=kind, **options)
        batch = ours(text=TEXTS, images=pictures, return_tensors=kind, **options)
    same(batch, want)
    assert isinstance(batch.pixel_values, torch.Tensor if kind == "pt" else np.ndarray)
    assert list(batch) == ours.model_input_names


def test_one_part_alone(ours, theirs):
    same(ours(text="a cat", return_tensors="np"), theirs(text="a cat", return_tensors="np"))
    with Image.open(PICTURE) as picture:
        want = theirs(images=picture, return_tensors="np")
        same(ours(images=PICTURE, return_tensors="np"), want)
        same(ours(picture, return_tensors="np"), want)  # images come first by position
    lists = ours(text=TEXTS)
    assert lists["input_ids"] == theirs(text=TEXTS)["input_ids"]


def test_common_options(ours, theirs):
    common = {"text": TEXTS, "padding": True, "common_kwargs": {"return_tensors": "np"}}
    same(ours(**common), theirs(**common))
    assert isinstance(ours(**common, return_tensors="pt").input_ids, torch.Tensor)


def test_decoding_and_names(ours, theirs):
    ids = ours(text=TEXTS, padding=True, return_tensors="np").input_ids
    assert ours.batch_decode(ids, skip_special_tokens=True) == theirs.batch_decode(
        ids, skip_special_tokens=True
    )
    assert ours.decode(ids[0]) == theirs.decode(ids[0])
    assert ours.model_input_names == ["input_ids", "attention_mask", "pixel_values"]


def test_save_and_load(ours, tmp_path):
    processor = CLIPProcessor(CLIPImageProcessor(size=40, crop_size=30), CLIPTokenizer())
    written = processor.save_pretrained(tmp_path / "ours")
    assert sorted(Path(path).name for path in written) == sorted(
        path.name for path in (tmp_path / "ours").iterdir()
    )
    again = CLIPProcessor.from_pretrained(tmp_path / "ours")
    options = {"text": TEXTS, "images": PICTURE, "padding": True, "return_tensors": "np"}
    same(again(**options), processor(**options))
    assert again(**options).pixel_values.shape == (1, 3, 30, 30)


def test_the_layout_of_version_5_is_read(theirs, tmp_path):
    theirs.save_pretrained(tmp_path)
    assert not (tmp_path / "preprocessor_config.json").exists()
    ours = CLIPProcessor.from_pretrained(tmp_path)
    with Image.open(PICTURE) as picture:
        options = {"text": TEXTS, "images": picture, "padding": True, "return_tensors": "np"}
        same(ours(**options), theirs(**options))


def test_nothing_given(ours):
    with pytest.raises(InputError, match=r"give text=..., images=... or both"):
        ours()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"foo": 1}, r"unknown option \['foo'\].*padding.*crop_size"),
        ({"text_kwargs": {"size": 3}}, r"unknown \['size'\] in text_kwargs"),
        ({"images_kwargs": {"padding": 3}}, r"unknown \['padding'\] in images_kwargs"),
        ({"images_kwargs": {"size": 3}, "size": 4}, r"\['size'\] given alone and in images_kwargs"),
        ({"size": "3"}, "size must be"),
        ({"text_kwargs": 3}, "text_kwargs must be a dict; got 3"),
        ({"images_kwargs": [("size", 3)]}, "images_kwargs must be a dict"),
        ({"text_kwargs": {3: 4, "foo": 5}}, r"unknown \['3', 'foo'\] in text_kwargs"),
        ({"common_kwargs": 3}, "common_kwargs is a dict that may hold return_tensors; got 3"),
        ({"common_kwargs": {"padding": True}}, "common_kwargs is a dict that may hold return_t"),
        ({"padding": "all"}, "padding"),
        ({"return_tensors": "tf"}, "return_tensors"),
    ],
)
def test_wrong_options(ours, options, message):
    with pytest.raises(InputError, match=message):
        ours(text=["a", "b c"], images=PICTURE, **options)


def test_the_old_positional_order_is_explained(ours):
    with Image.open(PICTURE) as picture, pytest.raises(InputError, match="name the arguments"):
        ours(["a cat"], [picture])


def test_bad_parts_name_themselves(ours, tmp_path):
    with pytest.raises(InputError, match=r"truncated_jpeg\.jpg"):
        ours(text="a cat", images=[PICTURE, PICTURES / "pillow/truncated_jpeg.jpg"])
    with pytest.raises(InputError, match="text"):
        ours(text=[3])
    with pytest.raises(InputError, match="tokenizer is missing"):
        CLIPProcessor(CLIPImageProcessor())
    with pytest.raises(InputError, match="image_processor is missing"):
        CLIPProcessor(tokenizer=CLIPTokenizer())
    with pytest.raises(InputError, match="missing"):
        CLIPProcessor.from_pretrained(tmp_path / "missing")
    CLIPImageProcessor().save_pretrained(tmp_path)
    with pytest.raises(InputError, match=str(tmp_path)):  # no tokenizer there
        CLIPProcessor.from_pretrained(tmp_path)
