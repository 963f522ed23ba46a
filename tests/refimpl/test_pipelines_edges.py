"""The pipeline's edges: how pictures are batched, what errors tell, where its parts come from."""

import weakref
from pathlib import Path

import numpy as np
import pytest
import tiny_checkpoints
from hub_server import NAME, fill_cache
from PIL import Image

import refimpl
from refimpl import InputError, load_image, pipeline, pipelines

TASK = "zero-shot-image-classification"
PICTURES = Path(__file__).parents[1] / "data" / "images"
PATHS = [
    PICTURES / "skimage/rocket.jpg",
    PICTURES / "pillow/hopper_orientation_6.jpg",
    PICTURES / "pillow/transparent.png",
    PICTURES / "pillow/hopper_gray.jpg",
    PICTURES / "pillow/pil_sample_cmyk.jpg",
]
LABELS = ["a cat", "a rocket in the sky", "two dogs"]


@pytest.fixture(scope="module")
def classify():
    return pipeline(TASK, model=tiny_checkpoints.folder("clip"))


def test_pictures_are_opened_one_by_one(classify, tmp_path, monkeypatch):
    """Of 200 paths one picture is open at a time, the last and the next at most."""
    Image.new("RGB", (50, 40)).save(tmp_path / "black.png")
    seen, most = [], []

    def watched(image, timeout):
        picture = load_image(image, timeout)
        seen.append(weakref.ref(picture))
        most.append(sum(each() is not None for each in seen))
        return picture

    monkeypatch.setattr(pipelines, "load_image", watched)
    assert len(classify([tmp_path / "black.png"] * 200, ["a"], batch_size=50)) == 200
    assert len(most) == 200 and max(most) <= 2


def test_the_batch_size_of_one_call(classify, monkeypatch):
    wanted = classify(PATHS, LABELS)
    calls = []
    see = classify.model.get_image_features

    def watched(pixel_values):
        calls.append(len(pixel_values))
        return see(pixel_values)

    monkeypatch.setattr(classify.model, "get_image_features", watched)
    for found, other in zip(classify(PATHS, LABELS, batch_size=2), wanted, strict=True):
        assert [each["label"] for each in found] == [each["label"] for each in other]
        scores = [[each["score"] for each in side] for side in (found, other)]
        np.testing.assert_allclose(*scores, rtol=1e-5)
    assert calls == [2, 2, 1]
    for size in (0, True, "2", 1.5):
        with pytest.raises(InputError, match="batch_size must be a whole number above 0"):
            classify(PATHS, LABELS, batch_size=size)


def test_a_bad_picture_is_told_by_its_place_in_the_whole_list():
    classify = pipeline(TASK, model=tiny_checkpoints.folder("clip"), batch_size=2)
    with pytest.raises(InputError, match=r"images\[3\]: a picture is a path.*got NoneType"):
        classify([*PATHS[:3], None], LABELS)
    with pytest.raises(InputError, match=r"images\[2\]: more than one picture"):
        classify([*PATHS[:2], np.zeros((2, 8, 8, 3), np.uint8)], LABELS)


def test_a_weights_file_brings_the_folder_beside_it(classify):
    again = pipeline(TASK, model=tiny_checkpoints.folder("clip") / "model.safetensors")
    assert again(PATHS[0], LABELS) == classify(PATHS[0], LABELS)


def test_named_parts_come_from_where_the_model_may_come_from(classify, tmp_path):
    """The cache, the token and "no network" hold for every part; a revision is one repository's."""
    folder = tiny_checkpoints.folder("clip")
    hub = {"cache_dir": tmp_path, "local_files_only": True}
    fill_cache(tmp_path, {path.name: path.read_bytes() for path in folder.iterdir()})
    wanted = classify(PATHS[0], LABELS)
    for parts in ({"processor": NAME}, {"tokenizer": NAME, "image_processor": NAME}):
        again = pipeline(TASK, folder, revision="of-the-model", **parts, **hub)
        assert again(PATHS[0], LABELS) == wanted


def test_what_changes_nothing(classify):
    same_as = {"framework": "pt", "num_workers": 3, "use_fast": True, "device_map": "auto"}
    same_as["device"] = -1
    again = pipeline(TASK, tiny_checkpoints.folder("clip"), **same_as)
    assert again(PATHS[0], LABELS) == classify(PATHS[0], LABELS)


def test_labels_without_an_end_can_be_told(classify):
    label = ["a"]
    for _ in range(100_000):
        label = [label]
    with pytest.raises(InputError, match=r"strings that say something; got .*\.\.\."):
        classify(PATHS[0], [label])


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a photo", "must hold {}"),
        ("{", "no format of text"),
        ("}{}", "no format of text"),
        ("{} {}", "once"),
        ("{0} {}", "once"),
        ("{1}", "nothing else"),
        ("{label}", "nothing else"),
        ("{:>9999999999}", "nothing else"),
        ("{!r}", "nothing else"),
        ("{.__class__}", "nothing else"),
        ("{0[0]}", "nothing else"),
        ("{:{}}", "nothing else"),
        (None, "no format of text"),
        (7, "no format of text"),
    ],
)
def test_templates_that_are_none(classify, template, message):
    with pytest.raises(InputError, match=message):
        classify(PATHS[0], LABELS, template)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": True}, "batch_size"),
        ({"tokenizer": "./nowhere"}, "nowhere"),
        ({"image_processor": "./nowhere"}, "nowhere"),
        ({"tokenizer": 3}, "tokenizer is missing or cannot be called"),
        ({"revison": "main"}, "revison"),
        ({"dtype": "float16"}, "float16"),
        ({"model": 3}, "model must be a folder, a hub id or a loaded model; got 3"),
        ({"processor": 3}, "processor must be a processor or where to read it; got 3"),
        ({"processor": "./nowhere"}, "nowhere"),
        ({"device": -2}, "device must be 'cpu', 'cuda'"),
        ({"device": "meta"}, "device must be 'cpu', 'cuda'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        pipeline(TASK, **{"model": tiny_checkpoints.folder("clip"), **options})


def test_models_that_do_not_compare(tmp_path):
    with pytest.raises(InputError, match="model_type 'bert'.*zero-shot class for chinese_clip"):
        refimpl.BertModel(
            refimpl.BertConfig(hidden_size=8, num_attention_heads=2, num_hidden_layers=1)
        ).save_pretrained(tmp_path)
        pipeline(TASK, tmp_path)
    model = refimpl.AutoModel.from_pretrained(tmp_path)
    with pytest.raises(InputError, match="BertModel does not compare"):
        pipeline(TASK, model)
    with pytest.raises(InputError, match="a loaded model takes no dtype"):
        pipeline(TASK, model, dtype="float64")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("data:image/png;base64,AAAA", "data:image/png;base64,AAAA.*not a picture"),
        ("data:image/png;base64,A*A", "not base64"),
        ("data:image/png,AAAA", "must go data:image/"),
        ("data:image/png;base64", "must go data:image/"),
        ("data:image/png;base64;,AAAA", "must go data:image/"),
        ("data:image/png;base64 ,AAAA", "must go data:image/"),
        ("data:image/png;BASE64,AAAA", "must go data:image/"),
        ("data:image/", "must go data:image/"),
        ("data:image/,", "must go data:image/"),
        ("data:image/png;base64,", "not a picture"),
        ("data:image/png;base64,AAA", "not base64"),
        ("data:image/png;base64,A", "not base64"),
        ("data:image/png;base64,====", "not base64|not a picture"),
        ("data:image/png;base64,AA=A", "not base64"),
        ("data:image/png;base64,AA==AA==", "not base64"),
        ("data:image/png;base64,AA,AA", "not base64"),
        ("data:image/png;base64,AA%3D%3D", "not base64"),
        ("data:image/png;base64,_-_-", "not base64"),
        ("data:image/png;base64,狐狸", "not base64"),
        ("data:image/png;base64,\udc80", "not base64"),
        ("data:image/png;base64,AA\0A", "not base64"),
        ("data:image/png;base64,iVBORw0KGgo=", "not a picture|cannot be read"),
        ("data:image/png;base64,data:image/png;base64,AAAA", "not base64"),
        ("data:image/svg+xml;base64,PHN2Zy8+", "not a picture in one of the formats"),
        ("data:text/plain;base64,AAAA", "nothing is downloaded or unpacked"),
        ("", "no such picture"),
        (3, "got int"),
        ([PATHS[0], None], "got NoneType"),
        ([[PATHS[0]]], "got list"),
    ],
)
def test_pictures_that_are_none(classify, image, message):
    with pytest.raises(InputError, match=message):
        classify(image, LABELS)
