"""Real trained weights: all-MiniLM-L6-v2 through our BertModel and through Transformers'.

Opt-in: it needs a package of 90 MB (see tests/real_weights.py), and runs with `-m slow`.
"""

import numpy as np
import pytest
import real_weights
import transformers
import upstream
from bert_model_cases import TOLERANCE, WATCH, assert_equal

from refimpl.models import BertModel
from tokenizers_py import AutoTokenizer

SENTENCES = [
    "A penguin stands on the ice and looks at the sea.",
    "On a sheet of ice a small black and white bird is watching the water.",
    "The committee has put off its vote on the new budget until Thursday.",
    "Tokens: naïve façade, 2 × 3 = 6, e-mail@example.org; 日本語?",
    "ice",
    " ".join(["Long texts are cut off where the table of positions ends."] * 60),
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return real_weights.minilm(tmp_path_factory.mktemp("minilm"))


@pytest.fixture(scope="module")
def tokens(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    given = {"padding": True, "truncation": True, "max_length": 512, "return_tensors": "np"}
    return dict(tokenizer(SENTENCES, **given))


def test_the_tokens_are_upstreams(folder, tokens):
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    given = {"padding": True, "truncation": True, "max_length": 512, "return_tensors": "np"}
    for name, wanted in theirs(SENTENCES, **given).items():
        assert np.array_equal(tokens[name], wanted), name
    assert tokens["input_ids"].shape == (6, 512)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_state_equals_upstream(folder, tokens, dtype):
    attention = "eager" if dtype == "float32" else upstream.ATTENTION
    theirs = transformers.BertModel.from_pretrained(
        folder, dtype=dtype, attn_implementation=attention
    ).eval()
    ours = BertModel.from_pretrained(folder, dtype=dtype)
    wanted, found = upstream.run(theirs, **tokens, **WATCH), ours(**tokens, **WATCH)
    assert_equal(found, wanted, TOLERANCE[dtype], dtype)
    assert len(found.hidden_states) == 7


def test_sentences_of_one_meaning_are_near_each_other(folder, tokens):
    """The model was trained to compare means over the real tokens."""
    last = BertModel.from_pretrained(folder)(**tokens).last_hidden_state
    real = tokens["attention_mask"][..., None]
    means = (last * real).sum(axis=1) / real.sum(axis=1)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    likeness = means @ means.T
    assert likeness[0, 1] > 0.5 > 0.2 > max(likeness[0, 2], likeness[1, 2])
