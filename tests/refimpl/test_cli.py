"""The command line: tables, JSON, standard input, and one-line errors with their exit codes."""

import io
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from refimpl.cli import main
from refimpl.demo import model_folder

PICTURE = str(model_folder().parent / "picture.png")


def run(capsys, *arguments):
    code = main([str(each) for each in arguments])
    return (code, *capsys.readouterr())


def test_classify_prints_a_table(capsys):
    code, out, err = run(capsys, "classify", PICTURE, "--labels", "a fox", "a pizza", "a ship")
    lines = out.splitlines()
    assert (code, err, lines[0]) == (0, "", PICTURE)
    shares = [float(line.split("%")[0]) for line in lines[1:]]
    assert len(shares) == 3 and shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.05)


def test_classify_json_holds_every_picture_and_nothing_else(capsys, tmp_path):
    other = tmp_path / "other picture.png"
    shutil.copy(PICTURE, other)
    code, out, err = run(
        capsys, "classify", PICTURE, other, "--json", "--top", 2, "--labels", "fox", "pizza", "ship"
    )
    first, second = json.loads(out)
    assert (code, err) == (0, "")
    assert [first["image"], second["image"]] == [PICTURE, str(other)]
    assert len(first["scores"]) == 2
    assert first["scores"] == second["scores"]


def test_the_template_changes_the_scores(capsys):
    plain = run(capsys, "classify", PICTURE, "--json", "--labels", "fox", "pizza")[1]
    with_template = run(
        capsys,
        "classify",
        PICTURE,
        "--json",
        "--labels",
        "fox",
        "pizza",
        "--template",
        "no {} here",
    )[1]
    assert json.loads(plain) != json.loads(with_template)


def test_a_dash_reads_standard_input(capsys, monkeypatch):
    plain = run(capsys, "classify", PICTURE, "--json", "--labels", "fox", "pizza")[1]
    monkeypatch.setattr(sys, "stdin", io.StringIO("fox\n\npizza\n"))
    assert run(capsys, "classify", PICTURE, "--json", "--labels", "-")[1] == plain
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PICTURE}\n"))
    assert run(capsys, "classify", "-", "--json", "--labels", "fox", "pizza")[1] == plain


def test_tokenize(capsys):
    code, out, _ = run(capsys, "tokenize", "a photo of a cat", "Hello World!", "--json")
    first, second = json.loads(out)
    assert code == 0
    assert first["ids"] == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert second["ids"] == [49406, 3306, 1002, 256, 49407]  # from openai/CLIP's notebook
    assert second["tokens"][1:-1] == ["hello</w>", "world</w>", "!</w>"]
    out = run(capsys, "tokenize", "a cat")[1]
    assert out.splitlines()[2].split() == ["320", "a</w>"]
    ids = json.loads(run(capsys, "tokenize", "a cat", "--json", "--model", model_folder())[1])
    assert ids[0]["ids"][-1] < 49407


def test_tokenize_explains_every_step(capsys):
    code, out, _ = run(capsys, "tokenize", "ﬁne &amp; Cats", "--explain")
    assert code == 0
    assert "unescape: " in out and "merge 24, at symbol" not in out and "-> 'cats</w>'" in out
    text = "ﬁne"
    ids = {}
    for profile in ("openai", "transformers"):
        options = ["--profile", profile, "--json"]
        (plain,) = json.loads(run(capsys, "tokenize", text, *options)[1])
        (found,) = json.loads(run(capsys, "tokenize", text, "--explain", *options)[1])
        assert [token["id"] for token in found["tokens"]] == plain["ids"]
        assert found["profile"] == profile
        ids[profile] = plain["ids"]
    assert ids["openai"] != ids["transformers"]


def test_info(capsys):
    code, out, _ = run(capsys, "info", "--json", "--full")
    found = json.loads(out)
    tensors = load_file(model_folder() / "model.safetensors")
    assert code == 0
    assert found["parameters"]["total"] == sum(x.size for x in tensors.values())
    assert found["tensors"] == {name: list(tensors[name].shape) for name in found["tensors"]}
    assert set(found["tensors"]) == set(tensors)
    code, out, _ = run(capsys, "info", model_folder())
    assert code == 0 and "every tensor is there" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["classify", "nowhere.png", "--labels", "a"], "nowhere.png"),
        (["classify", __file__, "--labels", "a"], "test_cli.py"),
        (["classify", PICTURE, "--labels", "a", "--model", "./nowhere"], "nowhere"),
        (["classify", PICTURE, "--labels", "a", "--template", "x"], "the template must hold {}"),
        (["classify", PICTURE, "--labels", " "], "must be strings that say something"),
        (["classify", PICTURE, "--labels", "a", "--top", "0"], "--top must be at least 1"),
        (["classify", "-", "--labels", "-"], "standard input (-) can be read once"),
        (["tokenize", "\ud800"], "surrogate"),
        (["tokenize", "a", "--profile", "x"], "profile: must be one of"),
        (["tokenize", "a", "--model", "./nowhere"], "nowhere"),
        (["info", "./nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(capsys, arguments, message):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("refimpl: error: ") and err.count("\n") == 1
    assert message in err


def test_a_bad_picture_among_good_ones_loses_none_of_them(capsys):
    arguments = ["classify", PICTURE, __file__, PICTURE, "--labels", "a penguin", "a cat"]
    code, out, err = run(capsys, *arguments)
    assert code == 2 and out.count(PICTURE) == 2
    assert err.count("\n") == 1 and "test_cli.py" in err
    code, out, _ = run(capsys, *arguments, "--json")
    first, bad, last = json.loads(out)
    assert code == 2 and first == last and "scores" in first
    assert bad.keys() == {"image", "error"} and "test_cli.py" in bad["error"]


def test_empty_standard_input(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    code, _, err = run(capsys, "classify", PICTURE, "--labels", "-")
    assert (code, err) == (2, "refimpl: error: standard input held no labels\n")


def test_weights_that_are_no_numbers(capsys, tmp_path):
    shutil.copytree(model_folder(), tmp_path, dirs_exist_ok=True)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["visual_projection.weight"] = np.full_like(tensors["visual_projection.weight"], np.nan)
    save_file(tensors, tmp_path / "model.safetensors")
    code, out, err = run(capsys, "classify", PICTURE, "--labels", "a", "--model", tmp_path)
    assert (code, out) == (2, "") and "visual_projection.weight" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["dance"], ["classify"], ["classify", PICTURE]])
def test_bad_use_is_exit_code_2(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: refimpl" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["classify", "--help"], ["--version"]])
def test_help_and_version(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    assert "refimpl" in capsys.readouterr().out


def test_a_reader_that_leaves_early_is_no_error():
    command = [sys.executable, "-m", "refimpl.cli", "tokenize", *["a cat"] * 20000]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0
