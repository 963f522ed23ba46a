"""The judge of the examples can fail: each thing that it compares turns it red when it differs."""

import numpy as np
import pytest
import torch
from documented import BOTH, OURS, Example, agree, compare, rewritten


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (np.float32([1, 2]), torch.tensor([1.0, 2.1])),
        (np.float32([1, np.nan]), torch.tensor([1.0, 2.0])),
        (np.float32([[1, 2]]), torch.tensor([1.0, 2.0])),
        (np.float64([1, 2]), torch.tensor([1.0, 2.0])),
        ([1.0, 2.0], torch.tensor([1.0, 2.0])),
        ({"a": np.float32([1])}, {"b": torch.tensor([1.0])}),
        ({"a": np.float32([1])}, {"a": torch.tensor([2.0])}),
        ([0.5], [0.6]),
        ([0.5], [0.5, 0.6]),
        (["cat"], ["dog"]),
        ([{"score": 0.5, "label": "cat"}], [{"score": 0.5, "label": "dog"}]),
    ],
)
def test_what_differs_is_found(found, wanted):
    with pytest.raises(AssertionError):
        agree(found, wanted, "x")


def test_what_is_equal_is_counted():
    found = {"logits": np.float32([1, 2]), "scores": [{"score": 0.5, "label": "cat"}]}
    wanted = {"logits": torch.tensor([1.0, 2.0]), "scores": [{"score": 0.5, "label": "cat"}]}
    assert agree(found, wanted, "x") == 2


def test_a_variable_that_our_run_does_not_leave_is_found():
    with pytest.raises(AssertionError, match="left no logits"):
        compare({}, {"logits": torch.tensor([1.0])})


def test_other_print_or_nothing_to_compare_is_found(tmp_path):
    prints = "from transformers import CLIPConfig\nprint(CLIPConfig.__module__)\n"
    with pytest.raises(AssertionError):
        Example(prints).run(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(AssertionError, match="nothing was compared"):
        Example("from transformers import CLIPConfig\nprint('x')\n").run(empty)


def test_the_rules_change_what_they_name_and_nothing_else():
    example = (
        "import torch\nfrom transformers import CLIPModel\n"
        "from transformers.image_utils import load_image\n"
        'inputs = processor(text=texts, return_tensors="pt", padding=True)\n'
        "with torch.no_grad():\n    outputs = model(**inputs)\n"
    )
    assert rewritten(example, [*BOTH, *OURS]) == (
        "from refimpl import CLIPModel\nfrom refimpl import load_image\n"
        'inputs = processor(text=texts, return_tensors="np", padding=True)\n'
        "if True:\n    outputs = model(**inputs)\n"
    )
