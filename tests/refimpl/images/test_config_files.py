"""A processor's JSON: both layouts, old files, unknown fields, broken files, atomic writing."""

import json
import os

import numpy as np
import pytest
from PIL import Image
from transformers import CLIPProcessor as TheirProcessor
from transformers import CLIPTokenizer as TheirTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from refimpl.errors import InputError
from refimpl.images import CLIPImageProcessor

LEGACY = {
    "crop_size": 64,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.25, 0.3],
    "resample": 2,
    "size": 72,
}


def write(folder, value, name="preprocessor_config.json"):
    text = value if isinstance(value, str) else json.dumps(value)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def values(processor):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8))
    return np.asarray(processor(picture, return_tensors="np")["pixel_values"])


def test_old_files_with_integer_sizes_read_as_upstream(tmp_path):
    write(tmp_path, LEGACY)
    ours = CLIPImageProcessor.from_pretrained(tmp_path)
    assert ours.size == {"shortest_edge": 72}
    assert ours.crop_size == {"height": 64, "width": 64}
    assert np.array_equal(values(ours), values(CLIPImageProcessorPil.from_pretrained(tmp_path)))
    assert "feature_extractor_type" not in ours.to_dict()


def test_what_upstream_saves_we_read_and_the_other_way_round(tmp_path):
    theirs = CLIPImageProcessorPil(size=50, crop_size=40, image_mean=[0.1, 0.2, 0.3], resample=2)
    theirs.save_pretrained(tmp_path / "theirs")
    ours = CLIPImageProcessor.from_pretrained(tmp_path / "theirs")
    assert np.array_equal(values(ours), values(theirs))
    ours.save_pretrained(tmp_path / "ours")
    names = [f"{side}/preprocessor_config.json" for side in ("theirs", "ours")]
    texts = [(tmp_path / name).read_text(encoding="utf-8") for name in names]
    assert texts[0] == texts[1]
    again = CLIPImageProcessorPil.from_pretrained(tmp_path / "ours")
    assert np.array_equal(values(again), values(theirs))


def test_the_nested_layout_of_version_5_is_read_and_wins(tmp_path):
    theirs = TheirProcessor(CLIPImageProcessorPil(size=50, crop_size=40), TheirTokenizer())
    theirs.save_pretrained(tmp_path)
    assert not (tmp_path / "preprocessor_config.json").exists()
    ours = CLIPImageProcessor.from_pretrained(tmp_path)
    assert np.array_equal(values(ours), values(theirs.image_processor))
    write(tmp_path, LEGACY)
    assert CLIPImageProcessor.from_pretrained(tmp_path).size == {"shortest_edge": 50}
    file = tmp_path / "processor_config.json"
    assert CLIPImageProcessor.from_pretrained(file).size == {"shortest_edge": 50}
    write(tmp_path, {"processor_class": "CLIPProcessor"}, "processor_config.json")
    assert CLIPImageProcessor.from_pretrained(tmp_path).size == {"shortest_edge": 72}


def test_saving_over_the_nested_layout_replaces_it_too(tmp_path):
    nested = {"image_processor": LEGACY, "processor_class": "CLIPProcessor"}
    write(tmp_path, nested, "processor_config.json")
    written = CLIPImageProcessor(size=30).save_pretrained(tmp_path)
    assert [os.path.basename(path) for path in written] == [
        "preprocessor_config.json",
        "processor_config.json",
    ]
    assert CLIPImageProcessor.from_pretrained(tmp_path).size == {"shortest_edge": 30}
    whole = json.loads((tmp_path / "processor_config.json").read_text(encoding="utf-8"))
    assert whole["processor_class"] == "CLIPProcessor"


def test_unknown_fields_are_kept_and_written_back(tmp_path):
    extra = {"_note": "hand-made", "processor_class": "CLIPProcessor", "patch": {"a": [1, None]}}
    write(tmp_path, {**LEGACY, **extra})
    ours = CLIPImageProcessor.from_pretrained(tmp_path)
    assert ours.extra == extra
    ours.save_pretrained(tmp_path / "new")
    text = (tmp_path / "new" / "preprocessor_config.json").read_text(encoding="utf-8")
    saved = json.loads(text)
    assert {name: saved[name] for name in extra} == extra
    assert CLIPImageProcessor.from_pretrained(tmp_path / "new").to_dict() == ours.to_dict()


def test_overrides_win_over_the_file(tmp_path):
    write(tmp_path, LEGACY)
    ours = CLIPImageProcessor.from_pretrained(tmp_path, size=30)
    assert ours.size == {"shortest_edge": 30}
    assert ours.crop_size == {"height": 64, "width": 64}
    with pytest.raises(InputError, match="revison"):
        CLIPImageProcessor.from_pretrained(tmp_path, revison="main")


def test_null_is_off_for_a_switch_as_upstream(tmp_path):
    for name in ("do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"):
        write(tmp_path, {name: None})
        ours = CLIPImageProcessor.from_pretrained(tmp_path)
        assert getattr(ours, name) is False
        theirs = CLIPImageProcessorPil.from_pretrained(tmp_path)
        assert np.array_equal(values(ours), values(theirs))


def test_null_is_the_default_for_the_rest(tmp_path):
    names = ("size", "resample", "crop_size", "rescale_factor", "image_mean", "image_std")
    write(tmp_path, dict.fromkeys(names))
    assert CLIPImageProcessor.from_pretrained(tmp_path).to_dict() == CLIPImageProcessor().to_dict()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[]", "must hold a JSON object; got list"),
        ("null", "got NoneType"),
        ('{"size": 1, "size": 2}', "the key 'size' stands there twice"),
        ('{"rescale_factor": NaN}', "NaN"),
        ('{"rescale_factor": 1e999}', "1e999 is out of range"),
        ("[" * 100_000, "nested deeper than 32 levels"),
        ('{"a": "' + "x" * 1_000_001 + '"}', "larger than"),
        ('{"size": {"height": 3}}', "size must be"),
        ('{"do_resize": "true"}', "do_resize must be"),
        ('{"image_std": [1, 1, 0]}', "image_std must not be 0"),
        ('{"image_processor_type": "SiglipImageProcessor"}', "'SiglipImageProcessor'"),
        ('{"image_processor_type": 7}', "for 7"),
    ],
)
def test_broken_files_are_one_error_that_names_the_file(tmp_path, text, message):
    write(tmp_path, text)
    with pytest.raises(InputError, match=message) as caught:
        CLIPImageProcessor.from_pretrained(tmp_path)
    assert str(tmp_path / "preprocessor_config.json") in str(caught.value)


def test_other_broken_places(tmp_path):
    (tmp_path / "preprocessor_config.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(InputError, match=r"preprocessor_config.json: .*not valid Unicode"):
        CLIPImageProcessor.from_pretrained(tmp_path)
    write(tmp_path, {"image_processor": 3}, "processor_config.json")
    with pytest.raises(InputError, match=r"processor_config.json: .*must be an object"):
        CLIPImageProcessor.from_pretrained(tmp_path)
    with pytest.raises(InputError, match="no such folder or file"):
        CLIPImageProcessor.from_pretrained(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: holds neither preprocessor_config.json"):
        CLIPImageProcessor.from_pretrained(tmp_path / "empty")


def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    CLIPImageProcessor(size=30).save_pretrained(tmp_path)
    for broken in (CLIPImageProcessor(note={1, 2}), CLIPImageProcessor(note=float("nan"))):
        with pytest.raises(InputError, match="cannot be saved as JSON"):
            broken.save_pretrained(tmp_path)
    spoiled = CLIPImageProcessor()
    spoiled.size = {"height": 0, "width": 1}
    with pytest.raises(InputError, match="positive"):
        spoiled.save_pretrained(tmp_path)

    def fail(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError, match=r"cannot be written: .*No space left"):
        CLIPImageProcessor().save_pretrained(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["preprocessor_config.json"]
    assert CLIPImageProcessor.from_pretrained(tmp_path).size == {"shortest_edge": 30}


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="the folder cannot be made"):
        CLIPImageProcessor().save_pretrained(tmp_path / "file")
