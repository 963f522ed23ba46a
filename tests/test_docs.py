"""The docs are run: every example in them, and the lists of intermediates against real models."""

import doctest
import re
from pathlib import Path

import pytest
import tapped

from refimpl import ops
from refimpl.trace import Record

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
LISTS = sorted((ROOT / "docs" / "intermediates").glob("*.md"))
ROW = re.compile(r"^\| `([^`]+)` \|(.*)", flags=re.MULTILINE)
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")


def page_id(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_examples_run(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    result = doctest.testfile(
        str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert result.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def rows(page):
    return ROW.findall(page.read_text(encoding="utf-8"))


def names_on(page):
    """Every name that a page lists; `path.*` stands for the names of the page it links to."""
    names = []
    for name, rest in rows(page):
        if name.endswith(".*"):
            part = page.parent / LINK.search(rest)[1]
            names += [name.removesuffix("*") + each for each in names_on(part)]
        else:
            names.append(name)
    return names


@pytest.mark.parametrize("family", tapped.RUNS)
def test_the_list_of_intermediates_is_what_a_model_taps(family):
    values = {}
    tapped.results(family, Record(ops, values))
    found = {re.sub(r"\.\d+\.", ".N.", name) for name in values}
    listed = names_on(ROOT / "docs" / "intermediates" / f"{family}.md")
    assert set(listed) == found
    assert len(listed) == len(found), "a name is listed twice"


def test_every_list_belongs_to_a_family_or_to_a_list():
    parts = {LINK.search(rest)[1] for page in LISTS for name, rest in rows(page) if "*" in name}
    assert {page.name for page in LISTS} == parts | {f"{family}.md" for family in tapped.RUNS}
    index = (ROOT / "docs" / "intermediates.md").read_text(encoding="utf-8")
    for page in LISTS:
        assert f"(intermediates/{page.name})" in index
