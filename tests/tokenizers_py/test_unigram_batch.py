"""Many unigram texts at once: the same ids as text by text, and the same best ways as word by word."""

import copy
import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import spm_models
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizers_py.sentencepiece import unigram_texts
from tokenizers_py.sentencepiece.array_trie import STOP, ArrayTrie
from tokenizers_py.sentencepiece.model_file import PieceType
from tokenizers_py.sentencepiece.unigram_batch import WORDS_AT_ONCE, BatchViterbi
from tokenizers_py.sentencepiece.unigram_words import best_with_lead
from tokenizers_py.sentencepiece.words import code_row
from tokenizers_py.unigram import Unigram, to_float32

LETTERS = "ab▁é日"
PIECES = st.lists(st.text(LETTERS, min_size=1, max_size=4), max_size=14, unique=True)


@pytest.fixture
def small_blocks(monkeypatch):
    """Let even a few short texts be done in several blocks, and forget after a few words."""
    monkeypatch.setattr(unigram_texts, "FEW", 0)
    monkeypatch.setattr(unigram_texts, "BLOCK", 40)
    monkeypatch.setattr(unigram_texts, "REMEMBERED_WORDS", 9)


def solved(model, words):
    """Solve words in a batch: for each the ids and the lead."""
    lengths = np.array([len(word) for word in words], np.int64)
    batch = BatchViterbi(model)
    found = batch.solve(code_row("".join(words)), np.cumsum(lengths) - lengths, lengths)
    ids = [*(number for _, number, _ in model.pieces), model.unknown_id]
    for first, count, lead in zip(found.firsts, found.counts, found.leads, strict=True):
        yield [ids[piece] for piece in found.pieces[first : first + count]], lead


@settings(max_examples=100, deadline=None)
@given(PIECES, st.text(LETTERS + "x\U0010ffff", max_size=60))
def test_the_trie_finds_every_piece_at_every_place(pieces, text):
    trie = ArrayTrie(pieces)
    row = np.append(trie.classes(code_row(text)), STOP)
    found = set()
    for length, starts, owners in trie.find(row, np.arange(len(text))):
        found |= {(int(s), length, int(p)) for s, p in zip(starts, owners, strict=True)}
    assert found == {
        (start, len(piece), number)
        for number, piece in enumerate(pieces)
        for start in range(len(text))
        if text.startswith(piece, start)
    }


def test_a_large_trie():
    pieces = spm_models.both("t5_base.spiece")[0].id_to_piece(list(range(3, 32000)))
    trie = ArrayTrie(pieces)
    lengths = np.array([len(piece) for piece in pieces])
    row = np.append(trie.classes(code_row("\0".join(pieces))), STOP)
    firsts = np.cumsum(lengths + 1) - lengths - 1
    seen = np.full(len(pieces), -1)
    place = dict(zip(firsts.tolist(), range(len(pieces)), strict=True))
    for length, starts, owners in trie.find(row, firsts):
        for start, owner in zip(starts.tolist(), owners.tolist(), strict=True):
            if lengths[place[start]] == length:
                seen[place[start]] = owner
    assert seen.tolist() == list(range(len(pieces)))


@settings(max_examples=100, deadline=None)
@given(
    PIECES,
    st.sampled_from([0.5, 0.1, 1 / 3, 40.0, 1000.1]),
    st.lists(st.text(LETTERS + "x", min_size=1, max_size=40), max_size=9),
    st.randoms(use_true_random=False),
)
def test_a_batch_gives_what_each_word_gives(pieces, grid, words, generator):
    rows = [(p, n, to_float32(generator.randint(-9, 0) * grid)) for n, p in enumerate(pieces)]
    model = Unigram(rows, -1, to_float32(-10 * grid - 10))
    expected = [best_with_lead(word, model) for word in words]
    assert list(solved(model, words)) == [(one.ids, lead) for one, lead in expected]


def test_more_words_than_are_done_at_once():
    ours = spm_models.both("t5_base.spiece")[1]._loaded.encoder.segmenter.model
    words = list(dict.fromkeys(spm_models.corpus("botchan").split()))[: WORDS_AT_ONCE + 500]
    assert len(words) > WORDS_AT_ONCE
    for word, (ids, lead) in zip(words, solved(ours, words), strict=True):
        expected = best_with_lead(word, ours)
        assert (ids, lead) == (expected[0].ids, expected[1])


@st.composite
def models(draw):
    scores = st.integers(-20, 0).map(lambda n: to_float32(n * grid))
    grid = draw(st.sampled_from([0.5, 0.1, 1 / 3, 40.0, 1000.1]))
    kinds = st.sampled_from([PieceType.NORMAL] * 6 + [PieceType.UNUSED, PieceType.USER_DEFINED])
    pieces = draw(PIECES) or ["a"]
    return spm_models.handmade([(piece, draw(scores), draw(kinds)) for piece in pieces])


@settings(max_examples=100, deadline=None)
@given(models(), st.lists(st.text(LETTERS + " xyz", max_size=50), max_size=12))
def test_many_texts_of_small_models_full_of_ties(model, texts):
    theirs, ours = spm_models.both_of(model)
    texts += [" ".join(texts) * 9, "", "ab" * 400, "xx a xx", "a" * 33 + " b" * 300, *texts]
    expected = theirs.encode(texts, num_threads=1)
    assert ours.encode(texts) == expected
    assert ours.encode(texts) == expected  # now from memory
    assert [ours.encode(text) for text in texts] == expected


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", spm_models.UNIGRAM)
def test_blocks_end_anywhere_and_words_are_forgotten(name):
    theirs, ours = spm_models.both(name)
    ours = type(ours)(model_proto=ours.serialized_model_proto())
    texts = [*spm_models.ODD_TEXTS, *spm_models.lines(60, 30)]
    for some in (texts, texts[::-1], ["", ""], [], ["a"], texts[-1:] * 3):
        assert ours.encode(some) == theirs.encode(some, num_threads=1)
    options = {"add_bos": theirs.bos_id() >= 0, "reverse": True}
    assert ours.encode(texts, **options) == theirs.encode(texts, num_threads=1, **options)


def test_a_text_with_a_word_that_is_not_sure_is_done_by_itself():
    # 0.1 and 0.3 have no exact float32: the cut of "aaa" changes with what stands before.
    pieces = [("a", -0.1), ("aa", -0.2), ("aaa", -0.3), ("▁", -0.7), ("b", -3.3)]
    theirs, ours = spm_models.both_of(spm_models.handmade(pieces))
    generator = random.Random(4)
    texts = [
        " ".join(generator.choice(["aaa", "b" * 9, "aaaaa", "bab"]) for _ in range(size))
        for size in (5, 50, 500, 5, 2000, 1, 20)
    ]
    got = ours.encode(texts)
    assert got == theirs.encode(texts, num_threads=1)
    assert len({tuple(ids[-5:]) for ids in ours.encode(["b " * n + "aaa" for n in range(500)])}) > 1
    assert sum(map(len, got)) > 100


@pytest.mark.parametrize("texts", [["fine" * 300, None], ["fine" * 300, "\ud800"], [b"x", "a"]])
def test_one_bad_text_among_many_is_refused(texts):
    with pytest.raises(ValueError, match="text"):
        spm_models.both("unigram")[1].encode(texts)


def test_threads_share_a_processor():
    theirs, ours = spm_models.both("t5_base.spiece")
    ours = type(ours)(model_proto=ours.serialized_model_proto())
    lines = [line for line in spm_models.corpus("botchan").splitlines() if line][:2000]
    parts = [lines[start::8] + lines[start : start + 50] for start in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ours.encode, parts))
    assert found == [theirs.encode(part, num_threads=1) for part in parts]


def test_a_copy_has_a_memory_of_its_own():
    theirs, ours = spm_models.both("unigram")
    texts = spm_models.lines(60, 0)
    one = ours._loaded.encoder.segmenter
    assert ours.encode(texts) == theirs.encode(texts, num_threads=1)
    other = copy.deepcopy(one)
    assert other.ids_of_all(ours.normalize(texts)) == ours.encode(texts)
    assert other._texts._lock is not one._texts._lock
    assert other._texts._numbers is not one._texts._numbers


def test_after_an_interruption_all_is_as_before(monkeypatch):
    theirs, ours = spm_models.both("unigram")
    ours = type(ours)(model_proto=ours.serialized_model_proto())
    texts = spm_models.lines(90, 0)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(BatchViterbi, "solve", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        ours.encode(texts)
    for others in (texts[60:], texts):  # the first lack some of the words that got numbers
        assert ours.encode(others) == theirs.encode(others, num_threads=1)


def test_memory_stays_bounded():
    ours = spm_models.both("test_model")[1]
    ours = type(ours)(model_proto=ours.serialized_model_proto())
    generator = random.Random(5)
    texts = ["".join(generator.choices("abcdefgh ", k=2000)) for _ in range(400)]
    ours.encode(texts)
    memory = ours._loaded.encoder.segmenter._texts._numbers
    assert len(memory) <= unigram_texts.REMEMBERED_WORDS + unigram_texts.BLOCK
