"""Every family's processor against Transformers' own, through files that either library wrote.

What they share (splitting options, errors, order of arguments) is tested on CLIP's in
test_processing.py.
"""

import functools
import inspect
import json
from pathlib import Path

import numpy as np
import pytest
import tiny_checkpoints
import transformers
import transformers4
from PIL import Image

import refimpl
from refimpl import AutoProcessor, InputError
from refimpl.processing import Processor

PICTURE = Path(__file__).parents[1] / "data" / "images" / "pillow" / "hopper.jpg"
TEXTS = ["a photo of 2 cats", "A REMOTE control, isn't it?!", "", "杰尼龟 Pikachu"]
CLASSES = {
    "clip": "CLIPProcessor",
    "siglip": "SiglipProcessor",
    "chinese_clip": "ChineseCLIPProcessor",
    "vit_bert": "VisionTextDualEncoderProcessor",
    "dinov2_roberta": "VisionTextDualEncoderProcessor",
}
KEYS = {
    "clip": ["input_ids", "attention_mask", "pixel_values"],
    "siglip": ["input_ids", "pixel_values"],
    "chinese_clip": ["input_ids", "token_type_ids", "attention_mask", "pixel_values"],
    "vit_bert": ["input_ids", "token_type_ids", "attention_mask", "pixel_values"],
    "dinov2_roberta": ["input_ids", "attention_mask", "pixel_values"],
}
KINDS = list(CLASSES)


# The tokenizers' own defaults follow the original code of each family.
UPSTREAMS = {kind: {"profile": "transformers"} for kind in ("clip", "siglip", "chinese_clip")}


@functools.cache
def ours(kind):
    """Our processor, with texts as Transformers prepares them."""
    folder = tiny_checkpoints.folder(kind)
    return getattr(refimpl, CLASSES[kind]).from_pretrained(folder, **UPSTREAMS.get(kind, {}))


@functools.cache
def theirs(kind):
    folder = tiny_checkpoints.folder(kind)
    name = type(ours(kind).image_processor).__name__
    image_part = getattr(transformers, f"{name}Pil").from_pretrained(folder)
    text_part = transformers.AutoTokenizer.from_pretrained(folder)
    return getattr(transformers, CLASSES[kind])(image_part, text_part)


def same(batch, want):
    assert list(batch) == list(want)
    for name, value in want.items():
        assert np.asarray(batch[name]).dtype == np.asarray(value).dtype
        assert np.array_equal(np.asarray(batch[name]), np.asarray(value)), name


def test_each_family_is_a_thin_class():
    for name in set(CLASSES.values()):
        kind = getattr(refimpl, name)
        assert kind.__bases__ == (Processor,)
        assert {key for key in vars(kind) if not key.startswith("__")} == {
            "image_processor_class",
            "tokenizer_class",
        }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "options",
    [
        {"padding": True},
        {"padding": "max_length", "max_length": 12, "truncation": True},
        {"text_kwargs": {"padding": True}, "images_kwargs": {"size": {"height": 9, "width": 8}}},
    ],
)
def test_equals_upstream(kind, options):
    if "images_kwargs" in options and kind != "siglip":
        options = {**options, "images_kwargs": {"do_normalize": False}}
    with Image.open(PICTURE) as picture:
        pictures = [picture, picture.rotate(90)]
        want = theirs(kind)(text=TEXTS, images=pictures, return_tensors="np", **options)
        batch = ours(kind)(text=TEXTS, images=pictures, return_tensors="np", **options)
    same(batch, want)
    assert list(batch) == KEYS[kind] == ours(kind).model_input_names
    with Image.open(PICTURE) as picture:
        same(
            ours(kind)(images=picture, return_tensors="np"),
            theirs(kind)(images=picture, return_tensors="np"),
        )
    same(ours(kind)(text=TEXTS[0]), theirs(kind)(text=TEXTS[0]))
    assert sorted(theirs(kind).model_input_names) == sorted(KEYS[kind])


@pytest.mark.parametrize(
    ("kind", "profile"), [("clip", "openai"), ("siglip", "big_vision"), ("chinese_clip", "cn_clip")]
)
def test_without_a_word_texts_are_prepared_as_in_training(kind, profile):
    processor = AutoProcessor.from_pretrained(tiny_checkpoints.folder(kind))
    assert processor.tokenizer.profile == profile


@pytest.mark.parametrize("kind", KINDS)
def test_decoding(kind):
    ids = ours(kind)(text=TEXTS, padding=True, return_tensors="np").input_ids
    options = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
    assert ours(kind).batch_decode(ids, **options) == theirs(kind).batch_decode(ids, **options)
    assert ours(kind).decode(ids[0], **options) == theirs(kind).decode(ids[0], **options)


@pytest.mark.parametrize("kind", KINDS)
def test_saved_by_us_and_read_by_both(kind, tmp_path):
    written = ours(kind).save_pretrained(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert {Path(path).name for path in written} == names
    assert {"preprocessor_config.json", "tokenizer_config.json"} <= names
    fields = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert fields["processor_class"] == CLASSES[kind]
    assert "processor_class" not in ours(kind).image_processor.extra  # the object is unchanged
    options = {"text": TEXTS, "padding": True, "return_tensors": "np"}
    with Image.open(PICTURE) as picture:
        options["images"] = picture
        for again in (
            type(ours(kind)).from_pretrained(tmp_path),
            AutoProcessor.from_pretrained(tmp_path),
        ):
            assert type(again) is type(ours(kind))
            same(again(**options), ours(kind)(**options))
        image_part = type(theirs(kind).image_processor).from_pretrained(tmp_path)
        text_part = transformers.AutoTokenizer.from_pretrained(tmp_path)
        again = type(theirs(kind))(image_part, text_part)
        same(ours(kind)(**options), again(**options))


@pytest.mark.parametrize("kind", KINDS)
def test_the_layout_of_version_5_is_read(kind, tmp_path):
    theirs(kind).save_pretrained(tmp_path)
    assert not (tmp_path / "preprocessor_config.json").exists()
    again = AutoProcessor.from_pretrained(tmp_path, **UPSTREAMS.get(kind, {}))
    assert type(again) is type(ours(kind))
    with Image.open(PICTURE) as picture:
        options = {"text": TEXTS, "images": picture, "padding": True, "return_tensors": "np"}
        same(again(**options), theirs(kind)(**options))


def test_version_4_saves_and_reads_the_same(tmp_path):
    """Each library's save, read by the other, prepares the same numbers."""
    source = """
import numpy as np
from PIL import Image
answer = {}
for kind, (folder, name, new) in given["kinds"].items():
    processor = getattr(transformers, name).from_pretrained(folder, use_fast=False)
    processor.save_pretrained(new)
    with Image.open(given["picture"]) as picture:
        batch = processor(
            text=given["texts"], images=picture.convert("RGB"), padding=True, return_tensors="np"
        )
    answer[kind] = {name: np.asarray(value).tolist() for name, value in batch.items()}
"""
    kinds = {}
    for kind in ("clip", "chinese_clip", "vit_bert"):
        ours(kind).save_pretrained(tmp_path / kind)
        kinds[kind] = [str(tmp_path / kind), CLASSES[kind], str(tmp_path / f"{kind}-4")]
    texts = TEXTS[:2]
    answer = transformers4.ask(source, {"kinds": kinds, "picture": str(PICTURE), "texts": texts})
    for kind, columns in answer.items():
        for place in (kinds[kind][0], kinds[kind][2]):
            processor = AutoProcessor.from_pretrained(place, **UPSTREAMS.get(kind, {}))
            assert type(processor).__name__ == CLASSES[kind]
            batch = processor(text=texts, images=PICTURE, padding=True, return_tensors="np")
            assert set(batch) == set(columns)
            for name, column in columns.items():
                np.testing.assert_allclose(batch[name], np.array(column), atol=1e-6, err_msg=name)


def test_a_dual_encoder_takes_any_two_parts():
    image_part = refimpl.SiglipImageProcessor(size={"height": 8, "width": 8})
    text_part = refimpl.CLIPTokenizer()
    processor = refimpl.VisionTextDualEncoderProcessor(image_part, text_part)
    batch = processor(text="a cat", images=PICTURE, return_tensors="np")
    assert batch.input_ids.tolist() == [[49406, 320, 2368, 49407]]
    assert batch.pixel_values.shape == (1, 3, 8, 8)
    by_name = refimpl.VisionTextDualEncoderProcessor(
        tokenizer=text_part, image_processor=image_part
    )
    same(by_name(text="a cat", images=PICTURE), processor(text="a cat", images=PICTURE))
    assert inspect.signature(processor.decode) is not None
    assert "SiglipImageProcessor(" in repr(processor)


@pytest.mark.parametrize("name", sorted(set(CLASSES.values())))
def test_missing_parts_and_inputs(name):
    kind = getattr(refimpl, name)
    with pytest.raises(InputError, match=f"{name}: image_processor is missing"):
        kind(tokenizer=refimpl.CLIPTokenizer())
    with pytest.raises(InputError, match=f"{name}: tokenizer is missing"):
        kind(refimpl.ViTImageProcessor())
    processor = kind(refimpl.ViTImageProcessor(), refimpl.CLIPTokenizer())
    with pytest.raises(InputError, match=f"{name}: give text=..., images=... or both"):
        processor()
    with pytest.raises(InputError, match=rf"{name}: unknown option \['sise'\]"):
        processor(text="a", sise=3)


def test_the_old_name_of_the_image_processor():
    image_part, text_part = refimpl.ViTImageProcessor(), refimpl.CLIPTokenizer()
    with pytest.warns(FutureWarning, match="feature_extractor is the old name"):
        processor = refimpl.CLIPProcessor(feature_extractor=image_part, tokenizer=text_part)
    assert processor.image_processor is image_part
    with pytest.warns(FutureWarning, match="feature_extractor is the old name"):
        assert processor.feature_extractor is image_part


@pytest.mark.parametrize("name", sorted(set(CLASSES.values())))
def test_folders_without_a_part(name, tmp_path):
    kind = getattr(refimpl, name)
    with pytest.raises(InputError, match="preprocessor_config.json"):
        kind.from_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text("{}")
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(InputError, match=str(tmp_path)):
        kind.from_pretrained(tmp_path)
