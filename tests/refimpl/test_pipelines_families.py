"""The pipeline over every family, against Transformers' own on the same checkpoints in a folder."""

import base64
import functools
import io
from pathlib import Path

import numpy as np
import pytest
import tiny_checkpoints
import torch
import transformers
from PIL import Image

import refimpl
from refimpl import InputError, load_image, pipeline

TASK = "zero-shot-image-classification"
PICTURES = Path(__file__).parents[1] / "data" / "images"
PATHS = [
    str(PICTURES / name)
    for name in (
        "skimage/rocket.jpg",
        "pillow/hopper_orientation_6.jpg",  # to be turned
        "pillow/transparent.png",  # alpha is dropped
        "pillow/hopper_gray.jpg",
        "pillow/pil_sample_cmyk.jpg",
    )
]
LABELS = ["a cat", "a rocket in the sky", "two dogs", "一只狐狸", "Hello, World!"]
UPSTREAM_RUNS = ["clip", "siglip", "chinese_clip", "vit_bert", "dinov2_roberta"]


@functools.cache
def ours(kind):
    """Our pipeline; SigLIP's with upstream's cleaning of text (see the test of the default)."""
    folder = str(tiny_checkpoints.folder(kind))
    if "siglip" not in kind:
        return pipeline(TASK, model=folder)
    tokenizer = refimpl.AutoTokenizer.from_pretrained(folder, profile="transformers")
    return pipeline(TASK, model=folder, tokenizer=tokenizer)


@functools.cache
def theirs(kind):
    folder = tiny_checkpoints.folder(kind)
    name = type(ours(kind).image_processor).__name__
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()  # it calls a dual encoder "not supported", and runs
    try:
        return transformers.pipeline(
            TASK,
            model=transformers.AutoModel.from_pretrained(folder, dtype="float32"),
            tokenizer=transformers.AutoTokenizer.from_pretrained(folder),
            image_processor=getattr(transformers, f"{name}Pil").from_pretrained(folder),
        )
    finally:
        transformers.logging.set_verbosity(verbosity)


def same(found, wanted):
    """Equal labels in equal order, and scores within 1e-5."""
    assert [each["label"] for each in found] == [each["label"] for each in wanted]
    scores = [[each["score"] for each in side] for side in (found, wanted)]
    np.testing.assert_allclose(*scores, rtol=1e-5, atol=1e-7)
    assert all(type(score) is float for score in scores[0])


@pytest.mark.parametrize("kind", UPSTREAM_RUNS)
@pytest.mark.parametrize("template", [None, "{}", "a bad {0} photo, {0}!", "{{{}}}"])
def test_equals_upstream(kind, template):
    options = {} if template is None else {"hypothesis_template": template}
    wanted = theirs(kind)(PATHS, candidate_labels=LABELS, **options)
    found = ours(kind)(PATHS, candidate_labels=LABELS, **options)
    assert len(found) == len(wanted) == len(PATHS)
    for one, other in zip(found, wanted, strict=True):
        same(one, other)
    same(ours(kind)(PATHS[0], candidate_labels=LABELS, **options), wanted[0])


@pytest.mark.parametrize("kind", UPSTREAM_RUNS)
def test_scores_are_the_whole_models(kind):
    """Texts encoded once and pictures in batches give what one call of the model gives."""
    classify = ours(kind)
    batch = classify.processor(
        text=[f"This is a photo of {label}." for label in LABELS],
        images=[load_image(path) for path in PATHS],
        return_tensors="np",
        **({"padding": "max_length"} if kind == "siglip" else {"padding": True}),
    )
    assert ("token_type_ids" in batch) is (kind in ("chinese_clip", "vit_bert"))
    logits = classify.model(**batch).logits_per_image.astype(np.float64)
    if kind == "siglip":
        wanted = 1 / (1 + np.exp(-logits))
        assert not np.allclose(wanted.sum(1), 1)
    else:
        wanted = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    for row, result in zip(wanted, classify(PATHS, LABELS), strict=True):
        found = {each["label"]: each["score"] for each in result}
        np.testing.assert_allclose([found[label] for label in LABELS], row, rtol=2e-5)


def test_siglip_of_16_tokens_works_here_and_fails_upstream():
    """Upstream pads to 64 whatever the model; ours to the model's own length."""
    with pytest.raises(ValueError, match="Sequence length must be less than max_position"):
        theirs("siglip_16")(PATHS[0], candidate_labels=LABELS)
    length = {"max_length": 16}
    text = theirs("siglip_16").tokenizer(
        [f"This is a photo of {label}." for label in LABELS],
        return_tensors="pt",
        padding="max_length",
        truncation=True,
        **length,
    )
    pixels = theirs("siglip_16").image_processor(load_image(PATHS[0]), return_tensors="pt")
    with torch.no_grad():
        logits = theirs("siglip_16").model(**text, **pixels).logits_per_image[0]
    found = {each["label"]: each["score"] for each in ours("siglip_16")(PATHS[0], LABELS)}
    np.testing.assert_allclose(
        [found[label] for label in LABELS], torch.sigmoid(logits).numpy(), rtol=1e-5
    )


def test_siglips_default_text_is_the_trainings_and_upstreams_is_not():
    """SigLIP was trained with punctuation; Transformers takes it away, the template's stop too."""
    default = pipeline(TASK, model=tiny_checkpoints.folder("siglip"))
    assert default.tokenizer.profile == "big_vision"
    plain = {"candidate_labels": ["a photo of a cat", "two dogs"], "hypothesis_template": "{}"}
    same(default(PATHS[0], **plain), theirs("siglip")(PATHS[0], **plain))
    found, wanted = default(PATHS[0], LABELS), theirs("siglip")(PATHS[0], candidate_labels=LABELS)
    assert abs(found[0]["score"] - wanted[0]["score"]) > 1e-4


@pytest.mark.parametrize("kind", ["clip", "siglip"])
@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_the_batch_does_not_matter(kind, batch_size):
    folder = tiny_checkpoints.folder(kind)
    some = pipeline(TASK, model=folder, tokenizer=ours(kind).tokenizer, batch_size=batch_size)
    calls = []
    see = some.model.get_image_features
    some.model.get_image_features = lambda **pixels: calls.append(1) or see(**pixels)
    for one, other in zip(some(PATHS, LABELS), ours(kind)(PATHS, LABELS), strict=True):
        same(one, other)
    assert len(calls) == -(-len(PATHS) // batch_size)


def test_texts_are_encoded_once_for_all_pictures(monkeypatch):
    classify = pipeline(TASK, model=tiny_checkpoints.folder("clip"), batch_size=1)
    calls = []
    read = classify.model.get_text_features
    classify.model.get_text_features = lambda **tokens: calls.append(1) or read(**tokens)
    classify(PATHS, LABELS)
    assert calls == [1]


def test_every_form_of_one_picture_is_the_same():
    path = PATHS[0]
    data = Path(path).read_bytes()
    with Image.open(path) as picture:
        picture.load()
    wanted = ours("clip")(path, LABELS)
    forms = [
        Path(path),
        picture,
        np.asarray(picture.convert("RGB")),
        torch.from_numpy(np.array(picture.convert("RGB"))),
        "data:image/jpeg;base64," + base64.b64encode(data).decode(),
        "data:image/jpeg;base64," + base64.encodebytes(data).decode(),  # in lines
    ]
    for form in forms:
        assert ours("clip")(form, LABELS) == wanted
        assert ours("clip")(images=[form], candidate_labels=LABELS) == [wanted]
    four = np.asarray(picture.convert("RGB"))[None]
    assert ours("clip")(four, LABELS) == [wanted]
    same(theirs("clip")(forms[4], candidate_labels=LABELS), wanted)


def test_equal_scores_keep_the_order_given():
    classify = ours("clip")
    found = classify(PATHS[0], ["b", "a", "b", "c", "b"])
    wanted = theirs("clip")(PATHS[0], candidate_labels=["b", "a", "b", "c", "b"])
    same(found, wanted)
    again = classify(PATHS[0], ["x"] * 4)
    assert [each["score"] for each in again] == [0.25] * 4


def test_the_parts_can_be_given():
    folder = tiny_checkpoints.folder("vit_bert")
    wanted = ours("vit_bert")(PATHS[0], LABELS)
    model = refimpl.AutoModel.from_pretrained(folder)
    tokenizer = refimpl.BertTokenizer.from_pretrained(folder)
    image_processor = refimpl.ViTImageProcessor.from_pretrained(folder)
    processor = refimpl.VisionTextDualEncoderProcessor(image_processor, tokenizer)
    for options in (
        {"tokenizer": tokenizer, "image_processor": image_processor},
        {"tokenizer": str(folder), "feature_extractor": folder},
        {"processor": processor},
        {"processor": folder},
        {"processor": processor, "tokenizer": tokenizer},
    ):
        assert pipeline(TASK, model, **options)(PATHS[0], LABELS) == wanted
        assert pipeline(model=str(folder), **options)(PATHS[0], LABELS) == wanted
    other = refimpl.ViTImageProcessor.from_pretrained(folder, image_mean=0.1)
    found = pipeline(TASK, folder, image_processor=other)(PATHS[0], LABELS)
    assert found != wanted and {each["label"] for each in found} == set(LABELS)


def test_float64_is_handed_on():
    folder = tiny_checkpoints.folder("siglip")
    classify = pipeline(TASK, folder, tokenizer=ours("siglip").tokenizer, dtype="float64")
    assert classify.model.dtype == np.float64
    for one, other in zip(classify(PATHS, LABELS), ours("siglip")(PATHS, LABELS), strict=True):
        assert [each["label"] for each in one] == [each["label"] for each in other]
        np.testing.assert_allclose(
            [each["score"] for each in one], [each["score"] for each in other], rtol=1e-4
        )


def test_upstreams_other_words():
    options = {
        "device": -1,
        "use_fast": True,
        "torch_dtype": "auto",
        "model_kwargs": {"seed": 1},
    }
    classify = pipeline(TASK, model=tiny_checkpoints.folder("clip"), **options)
    assert classify(PATHS[0], LABELS) == ours("clip")(PATHS[0], LABELS)
    assert (
        pipeline(model=tiny_checkpoints.folder("clip"), torch_dtype="float64").model.dtype == "f8"
    )


def test_long_labels():
    """Upstream cuts none but SigLIP's; here too, with a message that says what would help."""
    long = "very " * 100 + "long"
    with pytest.raises(ValueError, match="Sequence length must be less than max_position"):
        theirs("clip")(PATHS[0], candidate_labels=[long])
    with (
        pytest.warns(UserWarning, match="109 tokens is longer than the model's 77"),
        pytest.raises(InputError, match="truncation=True"),
    ):
        ours("clip")(PATHS[0], [long])
    for wrong, message in ((3, "must be a dict; got 3"), ({"paddin": 1}, "paddin")):
        with pytest.raises(InputError, match=message):
            ours("clip")(PATHS[0], ["a"], tokenizer_kwargs=wrong)
    cut = {"truncation": True, "max_length": 20}
    assert ours("clip")(PATHS[0], [long, "a"], tokenizer_kwargs=cut)
    same(
        ours("siglip")(PATHS[0], [long, "a"]),
        theirs("siglip")(PATHS[0], candidate_labels=[long, "a"]),
    )


def test_huge_logits_do_not_overflow():
    classify = pipeline(TASK, model=tiny_checkpoints.folder("siglip"))
    classify.model.params.logit_bias[:] = -1000
    assert all(each["score"] == 0 for each in classify(PATHS[0], LABELS))
    classify.model.params.logit_bias[:] = 1000
    assert all(each["score"] == 1 for each in classify(PATHS[0], LABELS))


def test_load_image_is_upstreams():
    from transformers.image_utils import load_image as their_load_image

    for path in PATHS:
        found, wanted = load_image(path), their_load_image(path)
        assert found.mode == "RGB" and found.tobytes() == wanted.tobytes()
    buffer = io.BytesIO()
    load_image(PATHS[0]).save(buffer, "PNG")
    data = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    assert load_image(data).tobytes() == their_load_image(data).tobytes()
