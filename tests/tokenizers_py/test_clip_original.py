"""Equal ids to OpenAI's own tokenizer, on stored texts, on drawn ones and over all characters."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
from clip_texts import (
    FRAGMENTS,
    all_code_points,
    alone_and_in_a_word,
    any_text,
    corpora_texts,
    look_alikes,
    some_code_points,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizers_py import CLIPTokenizer
from tokenizers_py.clip import OPENAI_FILE

DATA = Path(__file__).parents[1] / "data" / "tokenizers" / "clip"
STORED = json.loads((DATA / "openai_simple_tokenizer.json").read_text("utf-8"))["cases"]
CHECKPOINTS = json.loads((DATA / "transformersjs_clip.json").read_text("utf-8"))

# transformers.js follows the fast tokenizers: no ftfy, and the pad token is looked for in text.
FAST_ONLY = {
    ("Xenova/clip-vit-base-patch16", "CONTROL_TOKENS"),
    ("Xenova/clip-vit-base-patch16", "TILDE_NORMALIZATION"),
    ("Xenova/owlvit-base-patch32", "PUNCTUATION"),
}


def ids_of(tokenizer, text):
    return tokenizer(text, add_special_tokens=False, max_length=10**6).input_ids


@pytest.mark.parametrize("case", STORED, ids=range(len(STORED)))
def test_stored_ids(tokenizer, case):
    assert ids_of(tokenizer, case["text"]) == case["ids"]


def test_ids_that_another_project_expects(tokenizer):
    differing = {
        (model, name)
        for model, cases in CHECKPOINTS.items()
        for name, case in cases.items()
        if tokenizer(case["text"], max_length=1000).input_ids != case["ids"]
    }
    assert differing == FAST_ONLY


def test_the_vocabulary_is_the_originals(tokenizer, original):
    assert tokenizer.get_vocab() == original.encoder
    assert tokenizer._vocabulary.ranks == original.bpe_ranks


@pytest.mark.parametrize("text", look_alikes())
def test_special_tokens_in_text(tokenizer, original, text):
    assert ids_of(tokenizer, text) == original.encode(text)


@settings(max_examples=50, deadline=None)
@given(st.lists(any_text, min_size=4, max_size=4))
def test_drawn_texts(tokenizer, original, texts):
    for text in texts:
        assert ids_of(tokenizer, text) == original.encode(text)


@settings(max_examples=50, deadline=None)
@given(ids=st.lists(st.integers(0, 49407), max_size=20))
def test_decoding_drawn_ids(tokenizer, original, ids):
    assert tokenizer.decode(ids) == original.decode(ids).strip()


@pytest.mark.parametrize("text", FRAGMENTS)
def test_fragments_alone_and_in_a_word(tokenizer, original, text):
    for framed in (text, f"a{text}b", f"a {text} B"):
        assert ids_of(tokenizer, framed) == original.encode(framed)


def check(tokenizer, original, texts):
    ours = tokenizer(texts, add_special_tokens=False, verbose=False).input_ids
    for text, ids in zip(texts, ours, strict=True):
        assert ids == original.encode(text), ascii(text)[:100]


def test_code_points_of_every_kind(tokenizer, original):
    check(tokenizer, original, alone_and_in_a_word(some_code_points()))


@pytest.mark.slow
def test_every_code_point(tokenizer, original):
    check(tokenizer, original, alone_and_in_a_word(all_code_points()))


def test_two_books(tokenizer, original):
    check(tokenizer, original, corpora_texts())


def test_openais_own_file(original, tmp_path):
    package = importlib.util.find_spec("clip").submodule_search_locations[0]
    shutil.copy(Path(package) / OPENAI_FILE, tmp_path)
    for ours in (
        CLIPTokenizer(merges_file=tmp_path / OPENAI_FILE),
        CLIPTokenizer.from_pretrained(tmp_path),
    ):
        assert ours.get_vocab() == original.encoder
    assert ours.model_max_length == 77
