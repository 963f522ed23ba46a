import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny
from PIL import Image

from refimpl import CLIPModel, CLIPProcessor, InputError, pipeline
from refimpl.demo import model_folder

TASK = "zero-shot-image-classification"
PICTURE = model_folder().parent / "picture.png"
LABELS = ["a penguin", "a pizza", "an airplane"]


@pytest.fixture(scope="module")
def classify():
    return pipeline(TASK)


def test_scores_are_sorted_and_add_up_to_one(classify):
    found = classify(PICTURE, candidate_labels=LABELS)
    scores = [each["score"] for each in found]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1, abs=1e-6)
    assert {each["label"] for each in found} == set(LABELS)


def test_scores_are_the_models_own(classify):
    """One call of model and processor, by hand, gives the same probabilities."""
    text = [f"This is a photo of {label}." for label in LABELS]
    picture = Image.open(PICTURE).convert("RGB")
    batch = classify.processor(text=text, images=picture, padding=True, return_tensors="np")
    logits = classify.model(**batch).logits_per_image[0].astype(np.float64)
    wanted = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    found = {each["label"]: each["score"] for each in classify(PICTURE, LABELS)}
    np.testing.assert_allclose([found[label] for label in LABELS], wanted, rtol=1e-4)


def test_equals_upstreams_pipeline(classify):
    import transformers

    theirs = transformers.pipeline(
        TASK,
        model=str(model_folder()),
        image_processor=transformers.CLIPImageProcessorPil.from_pretrained(model_folder()),
        tokenizer=transformers.CLIPTokenizer.from_pretrained(model_folder()),
        dtype="float32",
    )
    for template in ("This is a photo of {}.", "{}"):
        wanted = theirs(str(PICTURE), candidate_labels=LABELS, hypothesis_template=template)
        found = classify(PICTURE, LABELS, template)
        assert [each["label"] for each in found] == [each["label"] for each in wanted]
        np.testing.assert_allclose(
            [each["score"] for each in found], [each["score"] for each in wanted], rtol=2e-4
        )


def test_a_list_of_pictures_gives_a_list_of_results_whatever_the_batch():
    model = CLIPModel.from_pretrained(model_folder())
    processor = CLIPProcessor.from_pretrained(model_folder())
    pictures = [PICTURE, Image.new("RGB", (50, 90), "red"), np.zeros((30, 40, 3), np.uint8)]
    two = pipeline(TASK, model, processor=processor, batch_size=2)(pictures, LABELS)
    one = pipeline(TASK, model, processor=processor, batch_size=1)(
        images=pictures, candidate_labels=LABELS
    )
    assert len(two) == 3
    for a, b in zip(two, one, strict=True):
        np.testing.assert_allclose([x["score"] for x in a], [x["score"] for x in b], rtol=1e-4)


def test_exif_turns_the_picture_upright(classify, tmp_path):
    upright = Image.open(PICTURE).convert("RGB")
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn me by 90 degrees clockwise"
    turned.save(tmp_path / "turned.png", exif=exif)
    wanted, found = classify(upright, LABELS), classify(tmp_path / "turned.png", LABELS)
    assert wanted == found


def test_one_label_is_certain(classify):
    assert classify(PICTURE, ["a penguin"]) == [{"score": 1.0, "label": "a penguin"}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image": None}, "no picture given"),
        ({"candidate_labels": []}, "candidate_labels is empty"),
        ({"candidate_labels": None}, "candidate_labels is empty"),
        ({"candidate_labels": "a fox"}, "must be a list of strings; got the string 'a fox'"),
        ({"candidate_labels": ["a fox", 3]}, "must be strings that say something; got 3"),
        ({"candidate_labels": ["a fox", " "]}, "must be strings that say something"),
        ({"hypothesis_template": "a photo"}, "the template must hold"),
        ({"image": __file__}, "test_pipelines.py"),
        ({"image": "nowhere.png"}, "nowhere.png"),
        ({"image": Image.new("La", (9, 9))}, "mode 'La' cannot become RGB"),
    ],
)
def test_bad_calls(classify, arguments, message):
    with pytest.raises(InputError, match=message):
        classify(**{"image": PICTURE, "candidate_labels": LABELS, **arguments})


def test_bad_construction():
    with pytest.raises(InputError, match="'translation' is unknown; known is 'zero-shot"):
        pipeline("translation")
    with pytest.raises(InputError, match="needs its processor"):
        pipeline(TASK, tiny.model())
    with pytest.raises(InputError, match="batch_size"):
        pipeline(TASK, batch_size=0)


def test_a_folder_copied_elsewhere_loads_the_same(classify, tmp_path):
    shutil.copytree(model_folder(), tmp_path / "copy")
    found = pipeline(TASK, str(tmp_path / "copy"))(Path(PICTURE), LABELS)
    assert found == classify(PICTURE, LABELS)
