"""Every family's image processor against transformers 5's own Pillow class, bit for bit.

What all of them share (steps, inputs, errors) is tested on CLIP's in test_clip_processor.py.
"""

import importlib
import inspect
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import transformers4
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import refimpl
from refimpl.errors import InputError
from refimpl.images import ImageProcessor
from refimpl.images.auto import CLASSES, OF_MODEL, AutoImageProcessor

PICTURES = Path(__file__).parents[2] / "data" / "images"
FILES = [
    PICTURES / name
    for name in (
        "skimage/rocket.jpg",
        "pillow/hopper.webp",
        "pillow/hopper_gray.jpg",
        "pillow/7x13.png",
        "pillow/transparent.png",
        "pillow/pil_sample_cmyk.jpg",
        "pillow/apng_mode_16bit.png",
        "skimage/palette_color.png",
    )
]
MODULES = {
    "Beit": "beit",
    "Bit": "bit",
    "CLIP": "clip",
    "ChineseCLIP": "chinese_clip",
    "DeiT": "deit",
    "Siglip": "siglip",
    "ViT": "vit",
}
NAMES = sorted(MODULES)


def ours(name):
    return getattr(refimpl, f"{name}ImageProcessor")


def theirs(name):
    module = f"transformers.models.{MODULES[name]}.image_processing_pil_{MODULES[name]}"
    return getattr(importlib.import_module(module), f"{name}ImageProcessorPil")


def same(name, picture, given=None, **options):
    """Run both on one picture, constructed with `given`; give ours after it was found equal."""
    want = theirs(name)(**(given or {}))(picture, return_tensors="np", **options)["pixel_values"]
    processor = ours(name)(**(given or {}), profile="transformers-5-pil")
    found = processor(picture, return_tensors="np", **options).pixel_values
    assert found.shape == want.shape and found.dtype == want.dtype
    assert np.array_equal(found, want), f"largest difference {np.abs(found - want).max()}"
    return found


def noise(width, height, seed=0):
    data = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(data)


def test_every_family_is_here():
    assert {kind.__name__ for kind in CLASSES} == {f"{name}ImageProcessor" for name in NAMES}
    assert all(issubclass(kind, ImageProcessor) for kind in CLASSES)


@pytest.mark.filterwarnings(  # upstream leaves animated files open
    "ignore:unclosed file:ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_equal_upstream(name, path):
    with Image.open(path) as image:
        assert same(name, image, do_convert_rgb=True).shape == (1, 3, 224, 224)
    same(name, str(path), do_convert_rgb=True)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    width=st.integers(2, 120),
    height=st.integers(2, 120),
    size=st.one_of(
        st.none(),
        st.integers(2, 40),
        st.builds(lambda edge: {"shortest_edge": edge}, st.integers(2, 40)),
        st.builds(lambda h, w: {"height": h, "width": w}, st.integers(1, 60), st.integers(1, 60)),
        st.builds(
            lambda h, w: {"max_height": h, "max_width": w},
            st.integers(60, 90),
            st.integers(60, 90),
        ),
    ),
    crop=st.one_of(
        st.none(), st.integers(1, 60), st.tuples(st.integers(1, 60), st.integers(1, 60))
    ),
    resample=st.sampled_from([None, 0, 1, 2, 3, 4, 5]),
    switches=st.fixed_dictionaries(
        {}, optional={f"do_{step}": st.booleans() for step in ("resize", "rescale", "normalize")}
    ),
    mean=st.sampled_from([None, 0.4, [0.1, 0.2, 0.3]]),
    std=st.sampled_from([None, 0.3, [0.2, 0.3, 0.4]]),
    per_call=st.booleans(),
)
def test_any_options_equal_upstream(
    name, width, height, size, crop, resample, switches, mean, std, per_call
):
    crop_size = {"height": crop[0], "width": crop[1]} if isinstance(crop, tuple) else crop
    options = {
        "size": size,
        "crop_size": crop_size,
        "resample": resample,
        "image_mean": mean,
        "image_std": std,
        **switches,
    }
    options = {key: value for key, value in options.items() if value is not None}
    if crop is not None:
        options["do_center_crop"] = True
    picture = noise(width, height)
    same(name, picture, **options) if per_call else same(name, picture, options)


@pytest.mark.parametrize("name", NAMES)
def test_an_int_as_size_is_a_square_or_the_short_edge(name):
    found = ours(name)(size=30).size
    square = found == {"height": 30, "width": 30}
    assert square or found == {"shortest_edge": 30}
    assert square is theirs(name)().default_to_square
    same(name, noise(50, 40), size=30, do_center_crop=False)


@pytest.mark.parametrize("name", ["ViT", "Siglip"])
def test_a_crop_needs_a_size_where_the_family_has_none(name):
    with pytest.raises(InputError, match="do_center_crop=True needs crop_size, which is None"):
        ours(name)()(noise(9, 9), do_center_crop=True)
    same(name, noise(50, 40), do_center_crop=True, crop_size=7)


@pytest.mark.parametrize("name", ["ViT", "DeiT", "Beit"])
def test_grey_pictures_need_the_switch_where_it_is_off(name):
    grey = noise(50, 40).convert("L")
    with pytest.raises(InputError, match="image_mean has 3 numbers for a picture of 1 channel"):
        ours(name)()(grey)
    with pytest.raises(ValueError, match="mean must have 1 elements"):
        theirs(name)()(grey)
    same(name, grey, {"do_convert_rgb": True})


@pytest.mark.parametrize("name", NAMES)
def test_fields_and_files_are_upstreams(name, tmp_path):
    assert ours(name)().to_dict() == json.loads(theirs(name)().to_json_string())
    given = {"size": {"height": 31, "width": 29}, "image_mean": [0.1, 0.2, 0.3], "resample": 1}
    theirs(name)(**given).save_pretrained(tmp_path / "theirs")
    ours(name)(**given).save_pretrained(tmp_path / "ours")
    files = [tmp_path / side / "preprocessor_config.json" for side in ("theirs", "ours")]
    assert files[0].read_text(encoding="utf-8") == files[1].read_text(encoding="utf-8")
    nested = {"image_processor": json.loads(files[0].read_text()), "processor_class": "X"}
    (tmp_path / "nested").mkdir()
    (tmp_path / "nested" / "processor_config.json").write_text(json.dumps(nested))
    picture = noise(50, 40)
    want = theirs(name)(**given)(picture, return_tensors="np")["pixel_values"]
    for side in ("theirs", "ours", "nested"):
        for kind in (ours(name), AutoImageProcessor):
            again = kind.from_pretrained(tmp_path / side)
            assert type(again) is ours(name)
            assert np.array_equal(again(picture, return_tensors="np").pixel_values, want)


@pytest.mark.parametrize("name", NAMES)
def test_old_names_are_the_same_class(name, tmp_path):
    kind = ours(name)
    for other in kind.other_names:
        if other.endswith("Fast"):
            kind = getattr(refimpl, other)
            assert issubclass(kind, ours(name))
            assert kind().profile == "transformers-5-torchvision"
            assert ours(name)().profile == "transformers-4-slow"
        assert getattr(refimpl, other) is kind
        (tmp_path / "preprocessor_config.json").write_text(
            json.dumps({"feature_extractor_type": other, "size": 30})
        )
        assert type(AutoImageProcessor.from_pretrained(tmp_path)) is kind


def test_signatures_are_version_4s():
    """Names, order and defaults, where the defaults did not change in version 5."""
    source = (
        "import inspect\n"
        "answer = {}\n"
        "for name in given:\n"
        "    kind = getattr(transformers, name + 'ImageProcessor')\n"
        "    parameters = inspect.signature(kind.__init__).parameters.values()\n"
        "    names = [p.name for p in parameters if p.kind == p.POSITIONAL_OR_KEYWORD]\n"
        "    fields = {k: v for k, v in kind().to_dict().items() if k in names}\n"
        "    answer[name] = [names[1:], fields, hasattr(transformers, name + 'FeatureExtractor')]\n"
    )
    answer = transformers4.ask(source, NAMES)
    changed = {
        "Beit": {"size": {"height": 256, "width": 256}, "do_center_crop": True},
        "Siglip": {"do_convert_rgb": None},
    }
    for name, (names, fields, has_old_name) in answer.items():
        signature = inspect.signature(ours(name))
        assert list(signature.parameters) == [*names, "extra"], name
        defaults = {key: signature.parameters[key].default for key in names}
        assert {**defaults, **changed.get(name, {})} == fields, name
        assert hasattr(refimpl, f"{name}FeatureExtractor") is has_old_name


def test_by_position_and_by_name():
    kind = ours("DeiT")
    assert kind(False, 10, 2, True, 7, 0.5, False).rescale_factor == 0.5
    with pytest.raises(InputError, match="'size'.*by position and by name"):
        kind(True, 10, size=11)
    with pytest.raises(InputError, match="at most 10 by position"):
        kind(*range(11))


def test_tables_are_not_shared_between_objects():
    first, second = ours("ViT")(), ours("ViT")()
    first.size["height"] = 3
    first.image_mean[0] = 9.0
    assert second.size == {"height": 224, "width": 224} and second.image_mean[0] == 0.5
    assert ours("ViT").defaults["size"] == {"height": 224, "width": 224}


def test_the_models_say_which_processor(tmp_path):
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    for model, kind in OF_MODEL.items():
        if model in IMAGE_PROCESSOR_MAPPING_NAMES:
            assert IMAGE_PROCESSOR_MAPPING_NAMES[model]["pil"] == f"{kind.__name__}Pil"
        (tmp_path / "preprocessor_config.json").write_text('{"resample": 2}')
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model}))
        assert type(AutoImageProcessor.from_pretrained(tmp_path)) is kind
    checked = set(OF_MODEL) & set(IMAGE_PROCESSOR_MAPPING_NAMES)
    assert checked >= {"clip", "siglip", "chinese_clip", "vit", "deit", "beit", "dinov2"}


@pytest.mark.parametrize(
    ("settings_", "model", "message"),
    [
        (
            {"image_processor_type": "DonutImageProcessor"},
            None,
            "'DonutImageProcessor' is not supp",
        ),
        ({"image_processor_type": ["x"]}, None, r"\['x'\] is not supported; there are Beit"),
        ({"feature_extractor_type": 3}, None, "feature_extractor_type 3 is not supported"),
        ({}, None, "names no image_processor_type, and the model_type beside it is None"),
        ({}, "bert", "beside it is 'bert'; known are beit"),
        ({}, ["clip"], r"beside it is \['clip'\]"),
        ({"image_processor_type": "ViTImageProcessor", "size": "x"}, None, "size must be"),
    ],
)
def test_nothing_tells_which_processor(tmp_path, settings_, model, message):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings_))
    if model is not None:
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model}))
    with pytest.raises(InputError, match=message) as caught:
        AutoImageProcessor.from_pretrained(tmp_path)
    assert "preprocessor_config.json" in str(caught.value)


def test_auto_map_is_never_followed(tmp_path):
    (tmp_path / "evil.py").write_text("raise SystemExit('was run')")
    fields = {"auto_map": {"AutoImageProcessor": "evil.Evil"}, "image_processor_type": "Evil"}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(fields))
    with pytest.raises(InputError, match="'Evil' is not supported"):
        AutoImageProcessor.from_pretrained(tmp_path, trust_remote_code=True)
    with pytest.raises(InputError, match="call AutoImageProcessor.from_pretrained"):
        AutoImageProcessor()


def test_another_familys_file_is_refused_and_says_so(tmp_path):
    ours("Bit")().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="for 'BitImageProcessor', not for CLIPImageProcessor"):
        ours("CLIP").from_pretrained(tmp_path)


def test_beits_label_switch_is_kept(tmp_path):
    kind = ours("Beit")
    kind(do_reduce_labels=True).save_pretrained(tmp_path)
    again = kind.from_pretrained(tmp_path)
    assert again.do_reduce_labels is True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(again(noise(9, 9)).pixel_values, kind()(noise(9, 9)).pixel_values)
