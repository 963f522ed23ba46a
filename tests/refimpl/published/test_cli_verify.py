"""refimpl verify: what it prints, what it claims, and its exit codes."""

import json

import pytest

import refimpl.published.check
from refimpl.cli import main
from refimpl.published.materials import HERE


def test_the_command_says_what_was_not_run_and_claims_nothing(nothing_here, capsys):
    assert main(["verify", "--published", "--offline"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("4 run, 0 differing, 21 not run")
    assert sum(line.startswith("not run ") for line in lines) == 21
    assert main(["verify", "--published", "--offline", "--only", "hf-bert"]) == 0
    assert "Nothing was run, so nothing is verified." in capsys.readouterr().out


def test_the_command_gives_json(nothing_here, capsys):
    arguments = [
        "verify",
        "--published",
        "--local-files-only",
        "--json",
        "--only",
        "openai-tokenize",
    ]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["counts"] == {"run": 1, "differing": 0, "not run": 0, "refused": 0}
    assert found["results"][0]["status"] == "equal"


def test_a_difference_is_exit_code_1(nothing_here, capsys, monkeypatch, tmp_path):
    rows = json.loads((HERE / "published_numbers.json").read_text(encoding="utf-8"))
    next(row for row in rows if row["id"] == "openai-tokenize")["values"][0][1] += 1
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    monkeypatch.setattr(refimpl.published.check, "ROWS_FILE", tmp_path / "rows.json")
    assert main(["verify", "--published", "--offline"]) == 1
    assert "4 run, 1 differing, 21 not run" in capsys.readouterr().out


def test_a_named_folder_is_used_and_must_fit(hub, offline, capsys, tmp_path):
    hub.need("google-bert/bert-base-uncased")
    folder = next(hub.folder.glob("models--google-bert*/snapshots/*"))
    only = ["verify", "--published", "--offline", "--only", "hf-bert"]
    assert main([*only, "--model", f"google-bert/bert-base-uncased={folder}"]) == 1
    assert "1 run, 1 differing" in capsys.readouterr().out
    assert main([*only, "--model", f"google-bert/bert-base-uncased={tmp_path}"]) == 2
    assert "1 refused" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "nothing"], "no published row is called nothing"),
        (["--model", "bert"], "must be NAME=FOLDER; got 'bert'"),
        (["--model", "bert=/nowhere"], "there is no /nowhere"),
        (["--model", "bert=."], "no published row uses 'bert'"),
        (["--pictures", "/nowhere"], "/nowhere is not a folder"),
    ],
)
def test_bad_use_is_exit_code_2(arguments, message, capsys):
    assert main(["verify", "--published", "--offline", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_without_published_there_is_nothing_to_verify(capsys):
    with pytest.raises(SystemExit) as error:
        main(["verify"])
    assert error.value.code == 2
    assert "--published" in capsys.readouterr().err
