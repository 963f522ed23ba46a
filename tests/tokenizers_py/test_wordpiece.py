"""WordPiece: one word's cut, held against two upstreams; the vocabulary's file; time."""

import time

import pytest
from bert_cases import CASED, CHINESE, SMALL, UNCASED, cn_clip, corpus, vocab_file
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizers_py.errors import TokenizerError
from tokenizers_py.wordpiece import (
    INSIDE,
    WordPiece,
    join_pieces,
    read_vocab_txt,
    write_vocab_txt,
)

TOYS = st.lists(
    st.builds(
        lambda inside, text: INSIDE * inside + text,
        st.booleans(),
        st.text("abc#é中", min_size=1, max_size=4),
    ),
    max_size=25,
)
WORDS = st.text("abc#é中x", max_size=14)


def rust(ids, limit):
    from tokenizers import Tokenizer, models

    return Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=limit))


@settings(max_examples=100, deadline=None)
@given(tokens=TOYS, words=st.lists(WORDS, max_size=20), limit=st.integers(0, 14))
def test_any_vocabulary(tokens, words, limit):
    ids = {token: n for n, token in enumerate(dict.fromkeys(["[UNK]", *tokens]))}
    cut = WordPiece(ids, "[UNK]", limit)
    first = cn_clip().WordpieceTokenizer(ids, max_input_chars_per_word=limit)
    second = rust(ids, limit)
    for word in words:
        pieces = cut.pieces(word)
        tokens = [piece for piece, _, _ in pieces]
        assert tokens == first.tokenize(word)
        if not word:
            continue  # no text has an empty word
        encoding = second.encode(word)
        assert cut.ids(word) == encoding.ids
        assert tokens == encoding.tokens
        assert [(start, end) for _, start, end in pieces] == encoding.offsets


@settings(max_examples=100, deadline=None)
@given(tokens=TOYS, word=WORDS, limit=st.none() | st.integers(0, 14))
def test_the_steps_are_the_cut(tokens, word, limit):
    ids = {token: n for n, token in enumerate(dict.fromkeys(["[UNK]", *tokens]))}
    cut = WordPiece(ids, "[UNK]", limit)
    steps = list(cut.steps(word))
    taken = [step.piece for step in steps]
    pieces = cut.pieces(word)
    assert [ids[token] for token, _, _ in pieces] == cut.ids(word)
    if None in taken:
        assert taken.index(None) == len(taken) - 1
        assert pieces == [("[UNK]", 0, len(word))]
    else:
        assert taken == [token for token, _, _ in pieces]
        assert [step.start for step in steps] == [start for _, start, _ in pieces]
    for step in steps:
        assert step.piece is None or step.piece == step.candidates[-1]
        assert not any(candidate in ids for candidate in step.candidates[:-1])
        lengths = [len(candidate) for candidate in step.candidates]
        assert lengths == sorted(lengths, reverse=True)


@pytest.mark.parametrize(("name", "book"), [(UNCASED, "botchan"), (CHINESE, "wagahaiwa_nekodearu")])
def test_words_of_a_book(name, book):
    ids = read_vocab_txt(vocab_file(name))
    words = sorted({word.lower() for line in corpus(book).splitlines() for word in line.split()})
    cut = WordPiece(ids, "[UNK]", 200)
    original = cn_clip().WordpieceTokenizer(ids)
    assert len(words) > 1_000
    for word in words[:: len(words) // 1_000]:
        assert [piece for piece, _, _ in cut.pieces(word)] == original.tokenize(word)


def test_the_limit():
    ids = {"[UNK]": 0, "a": 1, "##a": 2}
    for limit in (100, 200):
        cut = WordPiece(ids, "[UNK]", limit)
        assert cut.ids("a" * limit) == [1, *[2] * (limit - 1)]
        assert cut.ids("a" * (limit + 1)) == [0]
        assert list(cut.steps("a" * (limit + 1))) == [(0, (), None)]


@pytest.mark.parametrize("unit", ["a", "ab", "unaffable", "aaaaaaaab", "中"])
def test_time_grows_with_the_word(unit):
    ids = {token: n for n, token in enumerate(SMALL)}
    ids |= {INSIDE + "a" * 30: 100, INSIDE + "un": 101, INSIDE + "a": 102, "中": 103, "##中": 104}
    cut = WordPiece(ids, "[UNK]", None)
    times = []
    for length in (1_000, 10_000, 100_000):
        word = (unit * length)[:length]
        begun = time.process_time()
        cut.ids(word)
        sum(1 for _ in cut.steps(word))
        times.append(time.process_time() - begun)
    assert times[1] < 15 * times[0] + 0.05
    assert times[2] < 15 * times[1] + 0.05


def test_join():
    assert join_pieces(["a", "##b", "##c", "d"]) == "abc d"
    assert join_pieces(["##b", "a"]) == "##b a"
    assert join_pieces([]) == ""


def test_the_unknown_token_must_be_there():
    with pytest.raises(TokenizerError, match="unk_token: '.UNK.' is not in the vocabulary"):
        WordPiece({"a": 0}, "[UNK]")


@pytest.fixture
def write(tmp_path):
    def to_file(content):
        path = tmp_path / "vocab.txt"
        path.write_bytes(content)
        return path

    return to_file


@pytest.mark.parametrize("name", [UNCASED, CASED, CHINESE])
def test_vocabulary_as_upstream_reads_it(name):
    original = cn_clip().load_vocab(str(vocab_file(name)))
    ids = read_vocab_txt(vocab_file(name))
    assert {token.strip(): number for token, number in ids.items()} == original
    assert write_vocab_txt(ids) == vocab_file(name).read_bytes()


@pytest.mark.parametrize(
    ("content", "want"),
    [
        (b"a\nb\n", {"a": 0, "b": 1}),
        (b"a\nb", {"a": 0, "b": 1}),
        (b"a\r\nb\r\n", {"a": 0, "b": 1}),
        ("é\n##\u2028\n\u2028\n".encode(), {"é": 0, "##\u2028": 1, "\u2028": 2}),
        (b"a b\n\x00c\n", {"a b": 0, "\0c": 1}),
    ],
)
def test_good_files(write, content, want):
    assert read_vocab_txt(write(content)) == want


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"a\nb\na\n", "line 3: 'a' stands in line 1 already"),
        (b"a\n\nb\n", "line 2: is empty"),
        (b"a\n\n", "line 2: is empty"),
        (b"a\r\n\r\nb", "line 2: is empty"),
        (b"a\rb\n", "line 1: a carriage return"),
        (b"a\nb \n", "line 2: 'b ' has whitespace at its ends"),
        ("a\n\u3000b\n".encode(), "line 2: .* has whitespace at its ends"),
        (b"\xef\xbb\xbfa\n", "byte order mark"),
        (b"a\nb\xff\n", "line 2: not UTF-8"),
        (b"a\nb\n\xed\xa0\x80\n", "line 3: not UTF-8"),
    ],
)
def test_bad_files(write, content, message):
    with pytest.raises(TokenizerError, match=message) as caught:
        read_vocab_txt(write(content))
    assert "vocab.txt" in str(caught.value)


def test_missing_files(tmp_path):
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(TokenizerError, match="no such file"):
            read_vocab_txt(path)


def test_every_truncation_and_every_changed_byte(write):
    """Each ends in one of our errors, or in what all upstreams read there."""
    from tokenizers import models

    content = ("\n".join([*SMALL, "é", "##中"]) + "\n").encode()
    broken = [content[:length] for length in range(len(content))]
    for place in range(len(content)):
        for byte in (0, 9, 10, 13, 32, 0x41, 0x7F, 0x80, 0xC3, 0xFF, content[place] ^ 1):
            broken.append(content[:place] + bytes([byte]) + content[place + 1 :])
    read = 0
    for one in broken:
        path = write(one)
        try:
            ids = read_vocab_txt(path)
        except TokenizerError:
            continue
        read += 1
        assert ids == models.WordPiece.read_file(str(path)) == cn_clip().load_vocab(str(path))
    assert 0 < read < len(broken)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ({"a": 0, "b": 2}, "no token has id 1"),
        ({"a": 0, "": 1}, "is empty"),
        ({"a\nb": 0}, "holds a line break"),
        ({"a ": 0}, "whitespace"),
    ],
)
def test_vocabularies_that_no_file_can_hold(ids, message):
    with pytest.raises(TokenizerError, match=message):
        write_vocab_txt(ids)
