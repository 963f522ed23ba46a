"""WordPiece training, by count as the `tokenizers` library does it and by the paper's score."""

import gzip
import itertools
from pathlib import Path

import pytest
import tokenizers
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers

from tokenizers_py.bert import BertTokenizer
from tokenizers_py.errors import TokenizerError
from tokenizers_py.training.wordpiece import SPECIAL_TOKENS, train_wordpiece
from tokenizers_py.training.words import bert_words

TEXTS = Path(__file__).parent.parent / "data" / "text"


@pytest.fixture(scope="module")
def botchan():
    return gzip.open(TEXTS / "botchan.txt.gz", "rt", encoding="utf-8").read().splitlines()


def library_vocabulary(texts, pre_tokenizer, **options):
    tokenizer = tokenizers.Tokenizer(models.WordPiece())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(show_progress=False, **options))
    return tokenizer.get_vocab()


def grown(*args, **options):
    training = train_wordpiece(*args, **options)
    training.finish()
    return training.vocabulary()


def alphabet_of(vocabulary):
    """The tokens that were there before the first merge."""
    return [t for t in vocabulary if t in SPECIAL_TOKENS or len(t.removeprefix("##")) == 1]


def test_count_is_the_library_on_botchan(botchan):
    ours = grown(botchan, 3000, score="count", min_frequency=1)
    words = [" ".join(bert_words(line)) for line in botchan]
    theirs = library_vocabulary(
        words,
        pre_tokenizers.WhitespaceSplit(),
        vocab_size=3000,
        special_tokens=alphabet_of(ours),  # fixes the order, and so the ties
    )
    assert ours == theirs
    assert len(ours) == 3000


def test_count_is_the_library_with_its_own_alphabet(botchan):
    """Where the order is not fixed, the ids of "##" letters and with them ties are luck."""
    ours = grown(botchan, 200, score="count")
    theirs = library_vocabulary(
        [" ".join(bert_words(line)) for line in botchan],
        pre_tokenizers.WhitespaceSplit(),
        vocab_size=200,
        min_frequency=2,
        special_tokens=list(SPECIAL_TOKENS),
    )
    assert len(set(ours) & set(theirs)) > 190
    letters = [token for token in ours if len(token) == 1]
    assert [ours[t] for t in letters] == [theirs[t] for t in letters]


WORDS = st.dictionaries(
    st.text("ab", min_size=1, max_size=10) | st.text("abcé中", min_size=1, max_size=8),
    st.integers(1, 6),
    min_size=1,
    max_size=8,
)


@settings(max_examples=100, deadline=None)
@given(
    WORDS,
    st.integers(1, 3),
    st.integers(0, 25),
    st.sampled_from([None, 2, 4]),
    st.sampled_from(["", "xa"]),
)
def test_count_is_the_library_on_few_letters(counts, least, merges, longest, initial):
    options = {"min_frequency": least, "initial_alphabet": list(initial)}
    size = 5 + 2 * len({*"".join(counts), *initial}) + merges
    ours = grown(counts, size, score="count", max_token_length=longest, **options)
    theirs = library_vocabulary(
        [f"{word} " * count for word, count in counts.items()],
        pre_tokenizers.WhitespaceSplit(),
        vocab_size=size,
        special_tokens=alphabet_of(ours),
        **options,
    )
    if longest is None:  # the library's WordPiece trainer has no such option
        assert ours == theirs
    else:
        assert all(len(t.removeprefix("##")) <= longest for t in ours if t not in SPECIAL_TOKENS)


@pytest.mark.parametrize("limit", [1, 2, 3, 6])
def test_limited_alphabet_is_the_librarys(limit):
    counts = {"abcab": 9, "bada": 7, "ca": 4, "de": 1, "abdab": 3}
    ours = grown(counts, 40, score="count", limit_alphabet=limit, min_frequency=1)
    theirs = library_vocabulary(
        [f"{word} " * count for word, count in counts.items()],
        pre_tokenizers.WhitespaceSplit(),
        vocab_size=40,
        limit_alphabet=limit,
        special_tokens=alphabet_of(ours),
    )
    assert ours == theirs
    assert len([t for t in ours if len(t) == 1]) == min(limit, 5)


def merge_by_likelihood(counts, merges, least):
    """The Hugging Face course's formula, everything counted anew for each merge."""
    words = {(w[0], *("##" + c for c in w[1:])): n for w, n in counts.items()}
    letters = sorted({s for w in words for s in w}, key=lambda s: (s.startswith("##"), s))
    letters = [*sorted({c for w in counts for c in w}), *(s for s in letters if s[2:])]
    order = {symbol: number for number, symbol in enumerate(dict.fromkeys(letters))}
    made = []
    for _ in range(merges):
        symbols, pairs = {}, {}
        for word, count in words.items():
            for symbol in word:
                symbols[symbol] = symbols.get(symbol, 0) + count
            for pair in itertools.pairwise(word):
                pairs[pair] = pairs.get(pair, 0) + count
        choices = [
            (-n / (symbols[a] * symbols[b]), -n, order[a], order[b], a, b)
            for (a, b), n in pairs.items()
            if n >= least
        ]
        if not choices:
            break
        *_, first, second = min(choices)
        token = first + second[2:]
        order.setdefault(token, len(order))
        made.append((first, second))
        joined = {}
        for word, count in words.items():
            parts = []
            place = 0
            while place < len(word):
                two = word[place : place + 2] == (first, second)
                parts.append(token if two else word[place])
                place += 1 + two
            joined[tuple(parts)] = joined.get(tuple(parts), 0) + count
        words = joined
    return made


@settings(max_examples=100, deadline=None)
@given(WORDS, st.integers(1, 3), st.integers(0, 15))
def test_likelihood_is_the_formula_counted_naively(counts, least, merges):
    training = train_wordpiece(counts, 10_000, min_frequency=least, special_tokens=[])
    made = [step.pair for step, _ in zip(training, range(merges), strict=False)]
    assert made == merge_by_likelihood(counts, merges, least)


def test_likelihood_is_the_formula_on_real_words(botchan):
    counts = {}
    for line in botchan[:150]:
        for word in bert_words(line):
            counts[word] = counts.get(word, 0) + 1
    training = train_wordpiece(counts, 10_000, min_frequency=3)
    made = [step.pair for step, _ in zip(training, range(150), strict=False)]
    assert made == merge_by_likelihood(counts, 150, 3)
    assert len(made) == 150


def test_the_two_rules_differ(botchan):
    lines = botchan[:500]
    likelihood, count = grown(lines, 500), grown(lines, 500, score="count")
    assert "the" in count and 100 < len(set(likelihood) & set(count)) < 400


@pytest.mark.parametrize("score", ["likelihood", "count"])
def test_the_file_loads_in_transformers(score, botchan, tmp_path):
    training = train_wordpiece(botchan[:1500], 1000, score=score)
    training.finish()
    training.save(tmp_path)
    ours = BertTokenizer(tmp_path / "vocab.txt")
    theirs = transformers.BertTokenizer.from_pretrained(tmp_path)
    assert len(ours) == len(theirs) == 1000
    texts = [*botchan[1500:1700], "Crème 中国 [MASK] # ## 'tis", ""]
    assert [ours(text)["input_ids"] for text in texts] == theirs(texts)["input_ids"]
    assert theirs.unk_token_id not in theirs(botchan[1500:1600])["input_ids"][0]


def test_too_few_pairs_end_the_training_early():
    assert list(grown({"ab": 2}, 100, special_tokens=["[UNK]"])) == ["[UNK]", "a", "b", "##b", "ab"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"vocab_size": 10}, "vocab_size: 10 is too small.*are 19"),
        ({"score": "luck"}, "score: must be one of likelihood, count; got 'luck'"),
        ({"limit_alphabet": 0}, "limit_alphabet: must be a positive whole number"),
        ({"initial_alphabet": ["ab"]}, "alphabet: 'ab' is no character"),
        ({"texts": {"two words": 1}}, "alphabet: ' ' is no character"),
        ({"texts": ["", " "]}, "not one word"),
        ({"texts": [b"bytes"]}, r"texts\[0\]: must be a str"),
        ({"special_tokens": None}, "special_tokens: must be a list"),
        ({"special_tokens": ["[UNK]", "[UNK]"]}, "twice"),
        ({"min_frequency": "2"}, "min_frequency"),
    ],
)
def test_what_cannot_be_trained_says_why(given, message):
    with pytest.raises(TokenizerError, match=message):
        train_wordpiece(**{"texts": ["some text here"], "vocab_size": 600, **given})
