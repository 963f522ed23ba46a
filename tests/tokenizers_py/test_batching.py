import builtins

import numpy as np
import pytest

from tokenizers_py import BatchEncoding, TokenizerError
from tokenizers_py.batching import plan_lengths, stack

TEXTS = ["a", "a b c d", ""]


def test_an_encoding_is_a_dict_with_attributes():
    out = BatchEncoding(input_ids=[1], attention_mask=[1])
    assert {**out} == {"input_ids": [1], "attention_mask": [1]}
    assert out.input_ids is out["input_ids"]
    with pytest.raises(AttributeError, match=r"'pixel_values'.*input_ids, attention_mask"):
        _ = out.pixel_values


def test_arrays_are_int64_with_a_batch_axis(tokenizer):
    out = tokenizer("a cat", return_tensors="np")
    assert list(out) == ["input_ids", "attention_mask"]
    assert all(value.shape == (1, 4) and value.dtype == np.int64 for value in out.values())


def test_tensors(tokenizer):
    import torch

    out = tokenizer(TEXTS, padding=True, return_tensors="pt")
    assert out.input_ids.dtype == torch.int64 and out.input_ids.shape == (3, 6)
    assert out.attention_mask.tolist() == [[1, 1, 1, 0, 0, 0], [1] * 6, [1, 1, 0, 0, 0, 0]]


def test_tensors_without_torch_say_so(monkeypatch, tokenizer):
    real = builtins.__import__

    def without_torch(name, *args, **kwargs):
        if name == "torch":
            raise ImportError("No module named 'torch'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    with pytest.raises(TokenizerError, match="needs torch"):
        tokenizer("a", return_tensors="pt")


def test_no_mask_and_no_special_tokens(tokenizer):
    out = tokenizer("a cat", return_attention_mask=False, add_special_tokens=False)
    assert out == {"input_ids": [320, 2368]}


def test_rows_of_several_lengths_make_no_array(tokenizer):
    with pytest.raises(TokenizerError, match=r"rows of 2 to 6 tokens.*padding=True"):
        tokenizer(TEXTS, return_tensors="np")
    with pytest.raises(TokenizerError, match="truncation=True"):
        tokenizer(TEXTS, padding="max_length", max_length=4, truncation=False, return_tensors="np")


@pytest.mark.parametrize("length", [1, 2, 76, 77, 78, 79])
def test_the_end_token_stays_last(tokenizer, length):
    whole = tokenizer("cat " * 100, truncation=True, max_length=1000).input_ids
    cut = tokenizer("cat " * 100, truncation=True, max_length=length).input_ids
    assert cut == [*whole[: length - 1], tokenizer.eos_token_id]


@pytest.mark.parametrize("words", [74, 75])
def test_a_text_that_fits_is_left_alone(tokenizer, words):
    assert len(tokenizer("cat " * words, truncation=True).input_ids) == words + 2
    assert len(tokenizer("cat " * words).input_ids) == words + 2


def test_a_text_too_long_comes_whole_with_a_warning(tokenizer):
    with pytest.warns(UserWarning, match="78 tokens is longer than the model's 77") as caught:
        assert len(tokenizer("cat " * 76).input_ids) == 78
    assert caught[0].filename == __file__


def test_the_originals_padding(tokenizer, original):
    tokenizer_ = type(tokenizer)(pad_token="!")
    out = tokenizer_(["! !! !!!"], padding="max_length", return_tensors="np")
    want = [49406, *original.encode("! !! !!!"), 49407]
    assert out.input_ids[0].tolist() == want + [0] * (77 - len(want))
    assert out.attention_mask.sum() == len(want)


def test_left_padding(tokenizer):
    left = type(tokenizer)(padding_side="left")
    out = left(["a", "a b"], padding=True)
    assert out.input_ids == [[49407, 49406, 320, 49407], [49406, 320, 321, 49407]]
    assert out.attention_mask == [[0, 1, 1, 1], [1, 1, 1, 1]]


def test_no_length_anywhere_changes_nothing_and_says_so():
    for padding, truncation in (("max_length", False), (False, True)):
        with pytest.warns(UserWarning, match="no max_length"):
            assert plan_lengths(padding, truncation, None, int(1e30)) == (None, None)


def test_a_length_without_use_is_said():
    with pytest.warns(UserWarning, match="max_length changes nothing"):
        assert plan_lengths(True, False, 5, 77) == ("longest", None)


@pytest.mark.parametrize(
    "options",
    [
        {"padding": "longer"},
        {"padding": 1},
        {"padding": None},
        {"truncation": "only_second"},
        {"return_tensors": "tf"},
        {"max_length": 0},
        {"max_length": -1},
        {"max_length": True},
        {"max_length": 3.5},
    ],
)
def test_a_wrong_option_is_named(tokenizer, options):
    with pytest.raises(TokenizerError, match=f"^{next(iter(options))}: must be"):
        tokenizer("a", **options)


def test_numbers_that_fit_no_array():
    with pytest.raises(TokenizerError, match="makes no array"):
        stack([[2**70]], "np")
    with pytest.raises(TokenizerError, match="makes no array"):
        stack([["x"]], "np")


def test_pad_takes_columns_rows_and_arrays(tokenizer):
    want = {"input_ids": [[1, 2, 3], [4, 49407, 49407]], "attention_mask": [[1, 1, 1], [1, 0, 0]]}
    assert tokenizer.pad({"input_ids": [[1, 2, 3], [4]]}) == want
    rows = [{"input_ids": np.array([1, 2, 3])}, {"input_ids": (4,)}]
    assert tokenizer.pad(rows) == want
    assert tokenizer.pad(rows, return_tensors="np").input_ids.tolist() == want["input_ids"]
    short = tokenizer.pad({"input_ids": [4]}, padding="max_length", max_length=2)
    assert short == {"input_ids": [4, 49407], "attention_mask": [1, 0]}


@pytest.mark.parametrize(
    "encoded",
    [
        None,
        [],
        {},
        {"attention_mask": [1]},
        {"input_ids": 3},
        [{"input_ids": [1]}, {"input_ids": [1], "attention_mask": [1]}],
        {"input_ids": [[1, 2]], "attention_mask": [[1]]},
    ],
)
def test_pad_refuses_what_it_cannot_pad(tokenizer, encoded):
    with pytest.raises(TokenizerError, match=r"^pad: "):
        tokenizer.pad(encoded)
