import pickle
import subprocess
import sys
import time

import pytest

from tokenizers_py import CLIPTokenizer, TokenizerError, vocabulary, word_encoder


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "text: must be a str or a list of str; got NoneType"),
        (5, "got int"),
        (b"cat", "got bytes"),
        ([], "the list is empty"),
        (["a", None], r"text\[1\]: must be a str; got NoneType"),
        ([["a"]], r"text\[0\]: must be a str; got list"),
        (["a", b"b"], r"text\[1\]: .*bytes.*Decode"),
        (["ok", "\udc80"], r"text\[1\]: character 0 is U\+DC80"),
        ({"a": 1}, "got dict"),
    ],
)
def test_wrong_texts(tokenizer, text, message):
    with pytest.raises(TokenizerError, match=message):
        tokenizer(text)


def test_encode_and_tokenize_take_one_text(tokenizer):
    for call in (tokenizer.encode, tokenizer.tokenize):
        with pytest.raises(TokenizerError, match="must be a str"):
            call(["a"])


@pytest.mark.parametrize("ids", [[49408], [-1], 49408, ["a"], [1.5], [[[1, 2]]], None, "cat"])
def test_wrong_ids(tokenizer, ids):
    with pytest.raises(TokenizerError, match=r"^ids?"):
        tokenizer.decode(ids)
    with pytest.raises(TokenizerError, match=r"^ids?"):
        tokenizer.convert_ids_to_tokens(ids)


def test_batch_decode_of_no_rows(tokenizer):
    with pytest.raises(TokenizerError, match="rows of ids"):
        tokenizer.batch_decode(5)


def test_the_pad_token_can_be_set(tokenizer):
    mine = CLIPTokenizer()
    mine.pad_token = "!"
    assert (mine.pad_token_id, tokenizer.pad_token_id) == (0, 49407)
    with pytest.raises(TokenizerError, match="pad_token: '<pad>' is not in the vocabulary"):
        mine.pad_token = "<pad>"
    assert mine.pad_token == "!"


def test_other_start_and_end_tokens_are_found_in_text(tmp_path):
    merges = tmp_path / "merges.txt"
    merges.write_text("#version: 0.2\nc a\n")
    mine = CLIPTokenizer(
        merges_file=merges, bos_token="[BOS]", eos_token="[E]", unk_token="[E]", pad_token="[E]"
    )
    assert mine.tokenize("ca[bos]x [E]") == ["c", "a</w>", "[BOS]", "x</w>", "[E]"]
    assert mine("x").input_ids == [513, 87 + 256, 514]


def test_vocabulary_and_files_together(tokenizer, toy_files):
    with pytest.raises(TokenizerError, match="not both"):
        CLIPTokenizer(*toy_files, vocabulary=tokenizer._vocabulary)


def test_the_cache_is_bounded_and_changes_no_ids(monkeypatch):
    words = [f"{a}{b}" for a in "abcdefgh" for b in "xyz"]
    want = CLIPTokenizer()(words).input_ids
    monkeypatch.setattr(word_encoder, "CACHE_WORDS", 5)
    small = CLIPTokenizer()
    assert small(words).input_ids == want == small(words).input_ids
    small("a" * 1000, truncation=True)
    known = small._words()._known
    assert len(known) <= 5 and max(map(len, known)) <= 64


def test_a_copy_through_pickle(tokenizer):
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert copy(["a cat"]) == tokenizer(["a cat"])


def test_caller_cannot_change_the_vocabulary(tokenizer):
    tokenizer.get_vocab().clear()
    assert len(tokenizer) == 49408


def test_importing_loads_no_other_package():
    code = (
        "import sys, tokenizers_py; "
        "print([n for n in ('numpy', 'ftfy', 'regex', 'torch') if n in sys.modules], "
        "tokenizers_py.CLIPTokenizer.__name__, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "CLIPTokenizer", "False"]


def test_speed():
    start = time.process_time()
    vocabulary.vocabulary_from_files(None, vocabulary._SHIPPED_MERGES)
    assert time.process_time() - start < 0.5  # about 0.04 s; room for a busy machine
    mine = CLIPTokenizer()
    texts = ["a photo of a cat sitting on the mat with some friends"] * 2000
    start = time.process_time()
    mine(texts)
    assert 24_000 / (time.process_time() - start) > 100_000  # words a second; about 500,000
