import builtins
import copy
import pickle

import numpy as np
import pytest

from tokenizers_py import BatchEncoding, TokenizerError
from tokenizers_py.calls.batching import plan_lengths, stack

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


def test_rows_of_several_lengths_make_no_tensor(tokenizer):
    with pytest.raises(TokenizerError, match=r"rows of 2 to 6 tokens.*padding=True"):
        tokenizer(TEXTS, return_tensors="pt")
    with pytest.raises(TokenizerError, match="truncation=True"):
        tokenizer(TEXTS, padding="max_length", max_length=4, truncation=False, return_tensors="pt")


def test_rows_of_several_lengths_make_an_array_of_arrays(tokenizer, theirs):
    options = {"return_tensors": "np", "return_offsets_mapping": True}
    got, want = tokenizer(TEXTS, **options), theirs(TEXTS, **options)
    assert list(got) == list(want)
    for name, column in want.items():
        assert got[name].dtype == column.dtype == object and got[name].shape == (3,)
        for ours, row in zip(got[name], column, strict=True):
            assert ours.dtype == np.int64
            np.testing.assert_array_equal(ours, row)


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
        {"truncation": "only_third"},
        {"truncation": 1},
        {"padding_side": "top"},
        {"stride": -1},
        {"stride": "2"},
        {"pad_to_multiple_of": 2.5},
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
    rows = [{"input_ids": [1, 2, 3]}, {"input_ids": (4,)}]
    assert tokenizer.pad(rows) == want
    assert tokenizer.pad(rows, return_tensors="np").input_ids.tolist() == want["input_ids"]
    arrays = [{"input_ids": np.array([1, 2, 3])}, {"input_ids": np.array([4])}]
    assert tokenizer.pad(arrays).attention_mask.tolist() == want["attention_mask"]
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


@pytest.mark.parametrize(
    "encoded",
    [
        {"input_ids": [[1, 2, 3], [4]], "token_type_ids": [[0, 0, 1], [0]]},
        {"input_ids": [[1, 2, 3], [4]], "special_tokens_mask": [[1, 0, 1], [0]], "x": [7, 8]},
        {"input_ids": [[1, 2, 3], [4]], "attention_mask": [[1, 1, 0], [1]]},
        [{"input_ids": [1, 2]}, {"input_ids": [3]}],
        [{"input_ids": np.array([1, 2])}, {"input_ids": np.array([3])}],
        {"input_ids": [1, 2, 3]},
        {"input_ids": [[], [1]]},
    ],
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": "max_length", "max_length": 5},
        {"padding": "max_length", "max_length": 5, "pad_to_multiple_of": 4},
        {"pad_to_multiple_of": 2, "padding_side": "left"},
    ],
)
def test_pad_equals_theirs(tokenizer, theirs, encoded, options):
    copies = copy.deepcopy(encoded), copy.deepcopy(encoded)
    got, want = tokenizer.pad(copies[0], **options), theirs.pad(copies[1], **options)
    assert got.keys() == want.keys()
    for name in want:
        assert type(got[name]) is type(want[name])
        np.testing.assert_array_equal(got[name], want[name])


def test_pad_without_a_mask_and_of_nothing(tokenizer, theirs):
    for one in (tokenizer, theirs):
        bare = one.pad({"input_ids": [[1, 2], [4]]}, return_attention_mask=False)
        assert {**bare} == {"input_ids": [[1, 2], [4, 49407]]}
    assert tokenizer.pad({"input_ids": []}) == {"input_ids": [], "attention_mask": []}


def test_padding_needs_a_pad_token(toy_files):
    from tokenizers_py import CLIPTokenizer

    bare = CLIPTokenizer(*toy_files, pad_token=None)
    for call in (lambda: bare("low", padding=True), lambda: bare.pad({"input_ids": [1]})):
        with pytest.raises(TokenizerError, match="no pad_token"):
            call()


def test_lengths_that_contradict_each_other(tokenizer):
    options = {"truncation": True, "padding": True, "max_length": 6, "pad_to_multiple_of": 4}
    with pytest.raises(TokenizerError, match=r"pad_to_multiple_of: .*multiple of 4"):
        tokenizer("a", **options)
    assert len(tokenizer("a", **{**options, "max_length": 8}).input_ids) == 4
    assert tokenizer("a", padding=True, pad_to_multiple_of=0) == tokenizer("a")


@pytest.mark.parametrize(
    "kind", [copy.copy, copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b))]
)
def test_copies_of_an_encoding(tokenizer, kind):
    batch = tokenizer(["a cat", "b"], padding=True, return_tensors="np")
    twin = kind(batch)  # before anybody has asked for its tokens
    assert type(twin) is BatchEncoding and list(twin) == list(batch)
    np.testing.assert_array_equal(twin.input_ids, batch.input_ids)
    assert twin.tokens(1) == batch.tokens(1) and twin.word_ids() == batch.word_ids()


def test_what_numbers_alone_do_not_know():
    with pytest.raises(TokenizerError, match="holds numbers only"):
        BatchEncoding(input_ids=[1]).tokens()
    with pytest.raises(KeyError):
        _ = BatchEncoding(input_ids=[1])["other"]


def test_rows_and_tokens_that_are_not_there(tokenizer):
    batch = tokenizer(["a cat"])
    for call in (lambda: batch.tokens(1), lambda: batch[5], lambda: batch.tokens("a")):
        with pytest.raises(TokenizerError, match="^row .*there are 1"):
            call()
    with pytest.raises(TokenizerError, match="^token 4: there are 4"):
        batch.token_to_word(4)
    assert batch.token_to_word(-2) == batch.token_to_word(2) == 1


def test_warnings_can_be_switched_off(tokenizer):
    assert len(tokenizer("cat " * 76, verbose=False).input_ids) == 78
    assert tokenizer("a", padding=True, max_length=5, verbose=False) == tokenizer("a")
