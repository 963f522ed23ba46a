"""The docs are run: every example in them, and the list of intermediates against a real model."""

import doctest
import re
from pathlib import Path

import pytest
import tiny

from refimpl import ops
from refimpl.models import CLIPForImageClassification, CLIPModel
from refimpl.trace import Record

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_examples_run(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    result = doctest.testfile(
        str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert result.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_list_of_intermediates_is_what_a_model_taps():
    values = {}
    watched = Record(ops, values)
    CLIPModel(tiny.config(), ops=watched)(input_ids=tiny.IDS, pixel_values=tiny.PIXELS)
    head = CLIPForImageClassification(tiny.config(), ops=watched)
    head(pixel_values=tiny.PIXELS)
    found = {re.sub(r"\.layers\.\d+\.", ".layers.N.", name) for name in values}
    text = (ROOT / "docs" / "intermediates.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([^`]+)`", text, flags=re.MULTILINE)) == found
