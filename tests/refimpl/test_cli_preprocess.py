"""refimpl preprocess: steps printed, written whole or not at all, and two profiles compared."""

import json
import os

import numpy as np
import pytest
from image_pictures import FOLDER, in_mode, noise
from PIL import Image

from refimpl import CLIPImageProcessor
from refimpl.cli import main
from refimpl.demo import model_folder
from refimpl.images import SiglipImageProcessor


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "in" / "photo.png"
    path.parent.mkdir()
    Image.fromarray(noise(427, 640, 3)).save(path)
    return path


def run(capsys, *arguments):
    code = main(["preprocess", *(str(each) for each in arguments)])
    return (code, *capsys.readouterr())


def refused(capsys, *arguments):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "") and err.startswith("refimpl: error: ") and err.count("\n") == 1
    return err


def test_steps_are_printed(capsys, photo):
    code, out, err = run(capsys, photo, "--family", "clip", "--profile", "openai")
    assert (code, err) == (0, "")
    names = [line.split()[0] for line in out.splitlines()[2:8]]
    assert names == ["decoded", "resized", "cropped", "rgb", "rescaled", "normalized"]
    assert "bicubic, scale 1.906, support 3.812, 8 taps" in out and "left 56" in out
    assert "openai/CLIP d05afc4" in out and "mean [0.481455, 0.457827, 0.408211]" in out


def test_the_embedded_model_by_default(capsys, photo):
    out = json.loads(run(capsys, photo, "--json")[1])
    wanted = CLIPImageProcessor.from_pretrained(model_folder())
    assert out["options"] == wanted.to_dict()
    named = json.loads(run(capsys, photo, "--json", "--model", model_folder())[1])
    assert named == out


def test_json_is_one_document(capsys, photo):
    code, out, err = run(capsys, photo, "--family", "siglip", "--profile", "big_vision", "--json")
    assert (code, err) == (0, "")
    about = json.loads(out)
    values = SiglipImageProcessor(profile="big_vision")(photo)["pixel_values"][0]
    last = about["steps"][-1]
    assert (last["min"], last["max"]) == (values.min().item(), values.max().item())
    assert last["shape"] == list(values.shape) and last["dtype"] == "float32"
    assert about["profile"] == "big_vision" and about["image"] == str(photo)


def test_steps_are_written(capsys, photo, tmp_path):
    target = tmp_path / "new" / "out"
    code, out, err = run(capsys, photo, "--family", "clip", "--explain", target)
    assert (code, err) == (0, "") and "15 files in" in out
    assert os.listdir(target.parent) == ["out"]  # nothing temporary stays
    wanted = CLIPImageProcessor()(photo)["pixel_values"][0]
    assert np.array_equal(np.load(target / "07-normalized.npy"), wanted)
    names = [step["name"] for step in json.loads((target / "steps.json").read_text())["steps"]]
    assert names[:4] == ["decoded", "upright", "rgb", "resized"]


def test_two_profiles_are_compared(capsys, photo, tmp_path):
    options = ("--family", "clip", "--profile", "openai", "--compare-with", "transformers-4-slow")
    code, out, err = run(capsys, photo, *options, "--explain", tmp_path / "out")
    assert (code, err) == (0, "")
    assert "left 56" in out and "left 55" in out
    assert "the first step that differs: cropped\n" in out and "final, channel " in out
    names = {"openai", "transformers-4-slow", "difference.png", "differences", "differences.npy"}
    assert set(os.listdir(tmp_path / "out")) == {*names, "differences.json"}
    first, second = (
        np.load(tmp_path / "out" / name)
        for name in ("openai/06-normalized.npy", "transformers-4-slow/07-normalized.npy")
    )
    found = np.load(tmp_path / "out" / "differences.npy")
    assert np.array_equal(found, first.astype(np.float64) - second) and found.any()
    about = json.loads(run(capsys, photo, *options, "--json")[1])
    assert about["first_difference"] == "cropped"
    assert [one["profile"] for one in about["profiles"]] == ["openai", "transformers-4-slow"]


def test_profiles_that_agree(capsys, photo):
    out = run(capsys, photo, "--family", "clip", "--profile=openai", "--compare-with=open_clip")[1]
    assert out.endswith("no step differs\n")


def test_alpha_is_met_when_the_picture_is_opened_first(capsys, tmp_path):
    in_mode("RGBA").save(tmp_path / "alpha.png")
    options = (
        *("--family", "clip", "--profile", "transformers-5-pil"),
        *("--compare-with", "transformers-4-slow"),
    )
    assert "no step differs" in run(capsys, tmp_path / "alpha.png", *options)[1]
    out = run(capsys, tmp_path / "alpha.png", *options, "--opened")[1]
    assert "the first step that differs: rgb\n" in out


def test_force_replaces_an_explanation_and_nothing_else(capsys, photo, tmp_path):
    target = tmp_path / "out"
    target.mkdir()  # an empty folder is fine
    options = (photo, "--family", "clip", "--explain", target)
    assert run(capsys, *options, "--compare-with", "openai")[0] == 0
    assert "is not empty" in refused(capsys, *options)
    assert run(capsys, *options, "--profile", "big_vision", "--force")[0] == 0
    assert sorted(os.listdir(target))[-2:] == ["04-normalized.png", "steps.json"]
    for name in ("picture.png", "steps.txt", ".hidden"):
        (target / name).write_text("mine")
        before = sorted(os.listdir(target))
        assert "was not written by --explain" in refused(capsys, *options, "--force")
        assert sorted(os.listdir(target)) == before and (target / name).read_text() == "mine"
        (target / name).unlink()
    (target / "openai").mkdir()
    (target / "openai" / "thesis.tex").write_text("mine")
    assert "holds openai" in refused(capsys, *options, "--force")


def test_a_link_to_a_folder_is_followed(capsys, photo, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    assert run(capsys, photo, "--explain", tmp_path / "link")[0] == 0
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "steps.json").is_file()


def test_targets_that_cannot_be(capsys, photo, tmp_path):
    assert "is a file" in refused(capsys, photo, "--explain", photo)
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    assert "is a file" in refused(capsys, photo, "--explain", tmp_path / "nowhere")
    assert "cannot be made" in refused(capsys, photo, "--explain", photo / "below")
    refused(capsys, photo, "--explain", "a\0b")
    refused(capsys, photo, "--explain", tmp_path / ("x" * 300))
    assert "goes with --explain" in refused(capsys, photo, "--force")
    assert sorted(os.listdir(tmp_path)) == ["in", "nowhere"]


def test_nothing_stays_behind_when_writing_fails(capsys, photo, tmp_path, monkeypatch):
    target = tmp_path / "out"
    assert run(capsys, photo, "--explain", target)[0] == 0
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    save = np.save

    def full(file, values, **options):
        if values.dtype == np.float32:
            raise OSError(28, "No space left on device")
        save(file, values, **options)

    monkeypatch.setattr(np, "save", full)
    again = (photo, "--profile", "openai", "--explain", target, "--force")
    assert "No space left" in refused(capsys, *again)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    assert "No space left" in refused(capsys, photo, "--explain", tmp_path / "other")
    assert sorted(os.listdir(tmp_path)) == ["in", "out"]


@pytest.mark.parametrize("name", ["truncated_jpeg.jpg", "missing.png", "broken.png"])
def test_bad_pictures_leave_nothing(capsys, tmp_path, name):
    path = FOLDER / "pillow" / name
    assert name in refused(capsys, path, "--explain", tmp_path / "out")
    assert os.listdir(tmp_path) == []


def test_options_that_cannot_be(capsys, photo):
    assert "profile must be one of" in refused(capsys, photo, "--profile", "mine")
    assert "profile must be one of" in refused(capsys, photo, "--compare-with", "mine")
    same = ("--profile", "openai", "--compare-with", "openai")
    assert "the first profile itself" in refused(capsys, photo, *same)
    both = ("--family", "clip", "--model", model_folder())
    assert "--family goes without it" in refused(capsys, photo, *both)
    with pytest.raises(SystemExit):
        main(["preprocess", str(photo), "--family", "other"])
