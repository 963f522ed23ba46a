"""Equal calls and results to Transformers 5.23, on texts where ftfy and case rules do not matter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizers_py import CLIPTokenizer

TEXTS = [
    "a photo of a cat",
    "Hello, World!",
    "it's 25 $!?",
    "",
    "antidisestablishmentarianism " * 3,
]


@settings(max_examples=50, deadline=None)
@given(text=st.text(st.sampled_from("abcXYZ012 '.,!?-_()$%*+/:=@[]^{}~"), max_size=60))
def test_ascii_texts(tokenizer, theirs, text):
    assert {**tokenizer(text)} == {**theirs(text)}
    assert tokenizer.tokenize(text) == theirs.tokenize(text)


@pytest.mark.parametrize(
    "options",
    [
        {"padding": True},
        {"padding": "longest", "truncation": True, "max_length": 6},
        {"padding": "max_length"},
        {"padding": "max_length", "max_length": 20, "truncation": True},
        {"padding": "max_length", "max_length": 4, "truncation": True},
        {"padding": "max_length", "max_length": 4},
        {"max_length": 4},
        {"max_length": 4, "truncation": False},
        {"truncation": True, "max_length": 2},
        {"truncation": "longest_first", "max_length": 5, "add_special_tokens": False},
        {"return_attention_mask": False},
    ],
)
@pytest.mark.parametrize("text", [TEXTS, TEXTS[1], TEXTS[3:4]], ids=["many", "one", "empty"])
@pytest.mark.parametrize("side", ["right", "left"])
def test_lengths(tokenizer, theirs, options, text, side, monkeypatch):
    monkeypatch.setattr(tokenizer, "padding_side", side)
    monkeypatch.setattr(theirs, "padding_side", side)
    assert {**tokenizer(text, **options)} == {**theirs(text, **options)}


@pytest.mark.parametrize("kind", ["np", "pt"])
def test_arrays(tokenizer, theirs, kind):
    for text in (TEXTS, TEXTS[0]):
        ours = tokenizer(text, padding=True, return_tensors=kind)
        want = theirs(text, padding=True, return_tensors=kind)
        assert list(ours) == list(want)
        for name in want:
            assert ours[name].dtype == want[name].dtype
            np.testing.assert_array_equal(ours[name], want[name])


@pytest.mark.parametrize("skip", [False, True])
def test_decoding(tokenizer, theirs, skip):
    ids = tokenizer(TEXTS, padding=True, return_tensors="np").input_ids
    assert tokenizer.batch_decode(ids, skip) == theirs.batch_decode(ids, skip_special_tokens=skip)
    for row in (*ids, ids[0].tolist(), 3306, [], np.int64(320)):
        assert tokenizer.decode(row, skip) == theirs.decode(row, skip_special_tokens=skip)


def test_conversions_and_properties(tokenizer, theirs):
    words = ["cat</w>", "no such token", "<|endoftext|>"]
    for one in (tokenizer, theirs):
        assert one.convert_tokens_to_ids(words) == [2368, 49407, 49407]
        assert one.convert_tokens_to_ids("cat</w>") == 2368
        assert one.convert_ids_to_tokens(2368) == "cat</w>"
        assert one.convert_ids_to_tokens([49406, 2368]) == ["<|startoftext|>", "cat</w>"]
        assert one.convert_ids_to_tokens([49406, 2368], skip_special_tokens=True) == ["cat</w>"]
        assert (len(one), one.vocab_size, one.model_max_length) == (49408, 49408, 77)
        assert one.encode("a cat") == [49406, 320, 2368, 49407]
    for name in ("bos", "eos", "unk", "pad"):
        for part in ("_token", "_token_id"):
            assert getattr(tokenizer, name + part) == getattr(theirs, name + part)
    assert tokenizer.all_special_tokens == theirs.all_special_tokens
    assert tokenizer.all_special_ids == theirs.all_special_ids
    assert tokenizer.get_vocab() == theirs.get_vocab()


def test_their_folder_is_read(theirs, tokenizer, tmp_path):
    theirs.save_pretrained(tmp_path)
    assert not (tmp_path / "vocab.json").exists()  # the layout of version 5
    read = CLIPTokenizer.from_pretrained(tmp_path)
    assert read.get_vocab() == tokenizer.get_vocab()
    assert read._vocabulary.ranks == tokenizer._vocabulary.ranks
    assert read.model_max_length == 77
    assert read(TEXTS, padding=True) == tokenizer(TEXTS, padding=True)


def test_the_toy_vocabulary(toy_files):
    import transformers

    ours = CLIPTokenizer(*toy_files, unk_token="<unk>")
    assert ours.tokenize("lower newer") == ["lo", "w", "er</w>", "n", "e", "w", "er</w>"]
    assert ours.convert_tokens_to_ids([*ours.tokenize("lower newer"), "<unk>"]) == [
        *(10, 2, 16, 9, 3, 2, 16, 20)
    ]
    theirs = transformers.CLIPTokenizer.from_pretrained(toy_files[0].parent, unk_token="<unk>")
    for text in ("lower newer", "low lowest", "xyz low"):
        assert ours(text).input_ids == theirs(text).input_ids


def test_a_prefix_of_the_merges(tmp_path):
    import transformers

    from tokenizers_py import vocabulary

    lines = vocabulary._SHIPPED_MERGES.read_text("utf-8").splitlines()[:2001]
    merges = tmp_path / "merges.txt"
    merges.write_text("\n".join(lines) + "\n", encoding="utf-8")
    ours = CLIPTokenizer(merges_file=merges, model_max_length=64)
    assert (len(ours), ours.bos_token_id, ours.eos_token_id) == (2514, 2512, 2513)
    ours.save_pretrained(tmp_path / "out")
    theirs = transformers.CLIPTokenizer.from_pretrained(tmp_path / "out")
    for text in TEXTS:
        assert ours(text).input_ids == theirs(text).input_ids
    assert theirs.model_max_length == 64
