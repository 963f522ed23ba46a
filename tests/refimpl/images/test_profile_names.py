"""How a profile is named: when a processor is made, read from a folder, saved, and asked for fast.

What each profile computes is tested in profiles/.
"""

import json

import numpy as np
import pytest
from PIL import Image

import refimpl
from refimpl.errors import InputError
from refimpl.images.profiles import PROFILES

WIDE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 64, 3), np.uint8))
SMALL = {"size": 32, "crop_size": 32}


def pixels(processor):
    return processor(WIDE, return_tensors="np").pixel_values


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_goes_into_a_folder_and_comes_back(name, tmp_path):
    made = refimpl.CLIPImageProcessor(profile=name, **SMALL)
    made.save_pretrained(tmp_path)
    said = json.loads((tmp_path / "preprocessor_config.json").read_text()).get("profile")
    assert said == (None if name == refimpl.CLIPImageProcessor.default_profile else name)
    for kind in (refimpl.CLIPImageProcessor, refimpl.AutoImageProcessor):
        again = kind.from_pretrained(tmp_path)
        assert again.profile == name and f"profile={name!r}" in repr(again)
        assert np.array_equal(pixels(again), pixels(made))


def test_a_profile_wins_over_the_files_and_keeps_its_numbers(tmp_path):
    refimpl.CLIPImageProcessor(**SMALL).save_pretrained(tmp_path)
    for name in PROFILES:
        read = refimpl.CLIPImageProcessor.from_pretrained(tmp_path, profile=name)
        assert read.size == {"shortest_edge": 32}
        assert pixels(read).shape == (1, 3, 32, 32)
    differ = {
        pixels(refimpl.CLIPImageProcessor.from_pretrained(tmp_path, profile=name)).tobytes()
        for name in ("transformers-4-slow", "transformers-5-torchvision", "openai", "big_vision")
    }
    assert len(differ) == 4  # an odd margin, another resize, last bits


@pytest.mark.parametrize("family", ["CLIP", "ChineseCLIP", "Siglip", "ViT"])
def test_the_fast_names_are_torchvisions(family, tmp_path):
    kind = getattr(refimpl, f"{family}ImageProcessor")
    fast = getattr(refimpl, f"{family}ImageProcessorFast")
    assert (kind().profile, fast().profile) == (
        "transformers-4-slow",
        "transformers-5-torchvision",
    )
    fast(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    auto = refimpl.AutoImageProcessor
    assert type(auto.from_pretrained(tmp_path)) is fast
    assert type(auto.from_pretrained(tmp_path, use_fast=False)) is kind
    kind(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    assert type(auto.from_pretrained(tmp_path)) is kind
    assert type(auto.from_pretrained(tmp_path, use_fast=True)) is fast
    same = kind(size=(32, 32), profile="transformers-5-torchvision")
    assert np.array_equal(pixels(fast(size=(32, 32))), pixels(same))


def test_a_whole_processor_takes_both_profiles():
    from refimpl.demo import model_folder

    read = refimpl.CLIPProcessor.from_pretrained(
        model_folder(), profile="transformers", image_profile="openai"
    )
    assert (read.tokenizer.profile, read.image_processor.profile) == ("transformers", "openai")


def test_names_that_are_none(tmp_path):
    with pytest.raises(InputError, match="profile must be one of transformers-4-slow.*'slow'"):
        refimpl.CLIPImageProcessor(profile="slow")
    refimpl.CLIPImageProcessor().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="profile must be one of"):
        refimpl.CLIPImageProcessor.from_pretrained(tmp_path, profile=3)
    with pytest.raises(InputError, match="unknown image option.*profile"):
        refimpl.CLIPImageProcessor()(WIDE, profile="openai")
    with pytest.raises(InputError, match="resize_mode='longest' is an option of profile"):
        refimpl.CLIPImageProcessor(profile="openai", resize_mode="longest")


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("factor", [0.0, 1e-40])
def test_a_factor_of_nothing_is_a_result_or_one_clear_error(name, factor):
    processor = refimpl.CLIPImageProcessor(profile=name, rescale_factor=factor, **SMALL)
    if name in ("transformers-5-torchvision", "big_vision"):  # they divide by it
        with pytest.raises(InputError, match="rescale_factor=.* must not be 0"):
            pixels(processor)
    else:
        assert np.isfinite(pixels(processor)).all()
