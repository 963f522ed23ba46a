"""Byte-pair training: the merges are those of the `tokenizers` library's trainer."""

import gzip
import itertools
import json
import time
from pathlib import Path

import pytest
import tokenizers
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers

from tokenizers_py.clip import CLIPTokenizer
from tokenizers_py.errors import TokenizerError
from tokenizers_py.roberta import RobertaTokenizer
from tokenizers_py.training.bpe import FLAVOURS, train_bpe
from tokenizers_py.training.merging import Merging
from tokenizers_py.training.words import clip_words

TEXTS = Path(__file__).parent.parent / "data" / "text"
SAMPLES = [
    "It was a dark night, wasn't it?  I'd say 25 £ more!",
    "ＢＯＴＣＨＡＮ naïve café — 坊っちゃん\n\n  😀 end ",
    "",
    "unbelievablylongwordsgoonandonandon",
]


def corpus(name):
    return gzip.open(TEXTS / f"{name}.txt.gz", "rt", encoding="utf-8").read().splitlines()


@pytest.fixture(scope="module")
def botchan():
    return corpus("botchan")


def library_merges(texts, pre_tokenizer, **options):
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    trainer = trainers.BpeTrainer(show_progress=False, **options)
    tokenizer.train_from_iterator(texts, trainer)
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def library_merges_of_words(counts, alphabet, **options):
    """Train on words of symbols. The alphabet's order is fixed by naming it as special tokens."""
    texts = [f"{word} " * count for word, count in counts.items()]
    split = pre_tokenizers.WhitespaceSplit()
    return library_merges(texts, split, special_tokens=list(alphabet), **options)


def test_gpt2_merges_on_botchan(botchan):
    training = train_bpe(botchan, 256 + 1 + 5000, flavour="gpt2")
    steps = list(training)
    bytes_only = pre_tokenizers.ByteLevel.alphabet()
    expected = library_merges(
        botchan,
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        vocab_size=256 + 5000,
        initial_alphabet=bytes_only,
    )
    assert [step.pair for step in steps] == expected
    assert len(steps) == 5000 and steps[0].count > steps[-1].count
    assert training.merges == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", ["botchan", "wagahaiwa_nekodearu"])
def test_gpt2_merges_until_no_pair_is_left(name):
    """Some 11,500 and 50,000 merges."""
    texts = corpus(name)
    training = train_bpe(texts, 60_000, flavour="gpt2", min_frequency=2)
    training.finish()
    assert training.merges == library_merges(
        texts,
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        vocab_size=59_999,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )


def test_clip_merges_on_botchan(botchan):
    kind = FLAVOURS["clip"]
    spelt = [" ".join("".join(kind.spell(w))[:-4] for w in clip_words(line)) for line in botchan]
    expected = library_merges(
        spelt,
        pre_tokenizers.WhitespaceSplit(),
        vocab_size=512 + 5000,
        end_of_word_suffix="</w>",
        special_tokens=list(kind.alphabet),
    )
    training = train_bpe(botchan, 512 + 2 + 5000)
    training.finish()
    assert training.merges == expected
    assert len(expected) == 5000


WORDS = st.dictionaries(
    st.text("ab", min_size=1, max_size=12) | st.text("abcdé", min_size=1, max_size=8),
    st.integers(1, 5),
    min_size=1,
    max_size=8,
)


@settings(max_examples=100, deadline=None)
@given(WORDS, st.integers(1, 3), st.integers(0, 30), st.sampled_from([None, 2, 3, 5]))
def test_few_letters_make_ties_and_overlaps(counts, least, merges, longest):
    alphabet = sorted(set("".join(counts)))
    training = Merging(
        alphabet,
        [(list(word), count) for word, count in counts.items()],
        len(alphabet) + merges,
        min_frequency=least,
        max_token_length=longest,
    )
    training.finish()
    assert training.merges == library_merges_of_words(
        counts,
        alphabet,
        vocab_size=len(alphabet) + merges,
        min_frequency=least,
        # The library allows tokens shorter than this, though its name says otherwise.
        max_token_length=None if longest is None else longest + 1,
    )


def test_the_library_allows_shorter_tokens_than_it_says():
    counts = {"abcabcabcabc": 9}
    made = {
        len("".join(pair))
        for pair in library_merges_of_words(counts, "abc", vocab_size=30, max_token_length=4)
    }
    assert max(made) == 3


def test_the_library_resolves_ties_of_word_ends_at_random():
    """So its merges can be compared only where the order of the symbols is fixed."""
    texts = [f"{a}{b}" for a in "abcdefgh" for b in "abcdefgh"]
    found = {
        tuple(
            library_merges(
                texts, pre_tokenizers.WhitespaceSplit(), vocab_size=30, end_of_word_suffix="</w>"
            )
        )
        for _ in range(20)
    }
    assert len(found) > 1


def count_naively(words, merges):
    """Sennrich's algorithm 1 as it stands there: all pairs are counted anew for each merge."""
    made = []
    for _ in range(merges):
        pairs = {}
        for symbols, count in words.items():
            for pair in itertools.pairwise(symbols):
                pairs[pair] = pairs.get(pair, 0) + count
        best = max(pairs, key=pairs.get)
        made.append((best, pairs[best]))
        joined = {}
        for symbols, count in words.items():
            parts, place = [], 0
            while place < len(symbols):
                two = symbols[place : place + 2] == best
                parts.append("".join(best) if two else symbols[place])
                place += 1 + two
            joined[tuple(parts)] = count
        words = joined
    return made


def test_the_example_of_the_paper():
    counts = {"low": 5, "lower": 2, "newest": 6, "widest": 3}
    spelt = {(*word[:-1], word[-1] + "</w>"): count for word, count in counts.items()}
    steps = list(train_bpe(counts, 512 + 2 + 10))
    assert [(step.pair, step.count) for step in steps[:3]] == count_naively(spelt, 3)
    assert steps[1].example == ("n", "e", "w", "est</w>")
    assert [step.rank for step in steps] == list(range(10))


def test_the_vocabulary_can_be_looked_at_while_it_grows():
    training = train_bpe({"low": 5, "lower": 2}, 512 + 2 + 10)
    assert len(training.vocabulary().ids) == 514
    step = next(training)
    assert training.vocabulary().ids[step.token] == 512
    assert training.vocabulary().ids["<|endoftext|>"] == 514


def test_order_of_texts_does_not_matter(botchan):
    lines = botchan[:300]
    one, two = train_bpe(lines, 900), train_bpe(reversed(lines), 900)
    one.finish(), two.finish()
    assert one.vocabulary() == two.vocabulary()


def test_clip_files_load_in_transformers(botchan, tmp_path):
    training = train_bpe(botchan[:1000], 1500)
    training.finish()
    training.save(tmp_path)
    files = tmp_path / "vocab.json", tmp_path / "merges.txt"
    ours = CLIPTokenizer(*files, profile="transformers")
    theirs = transformers.CLIPTokenizer.from_pretrained(tmp_path)
    assert len(ours) == len(theirs) == 1500
    texts = [*SAMPLES, *botchan[1000:1200]]
    assert [ours(text)["input_ids"] for text in texts] == theirs(texts)["input_ids"]
    assert ours("a photo of a cat")["input_ids"][0] == 1498


def test_roberta_files_load_in_transformers(botchan, tmp_path):
    training = train_bpe(botchan[:1000], 1500, flavour="roberta")
    training.finish()
    training.save(tmp_path)
    ours = RobertaTokenizer(tmp_path / "vocab.json", tmp_path / "merges.txt")
    theirs = transformers.RobertaTokenizer.from_pretrained(tmp_path)
    assert len(ours) == len(theirs) == 1500
    texts = [*SAMPLES, *botchan[1000:1200]]
    assert [ours(text)["input_ids"] for text in texts] == theirs(texts)["input_ids"]


def test_too_few_pairs_end_the_training_early():
    training = train_bpe(["ab ab"], 10_000, min_frequency=2)
    assert [step.token for step in training] == ["ab</w>"]
    assert len(training.vocabulary().ids) == 515
    assert list(train_bpe(["ab"], 10_000, min_frequency=2)) == []


def test_special_tokens_can_be_chosen():
    training = train_bpe(["ab ab"], 259, flavour="gpt2", special_tokens=["<end>", "<pad>"])
    training.finish()
    assert training.vocabulary().ids["<pad>"] == 258
    same = train_bpe(["ab ab"], 300, flavour="gpt2", special_tokens=["ab"])
    same.finish()
    ids = same.vocabulary().ids
    assert sorted(ids.values()) == list(range(len(ids)))  # made by merges too: it has one id


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"vocab_size": 100}, "vocab_size: 100 is too small.*are 514"),
        ({"vocab_size": 0}, "vocab_size: must be a positive whole number; got 0"),
        ({"vocab_size": 600.0}, "vocab_size: must be a positive whole number"),
        ({"vocab_size": True}, "vocab_size: must be a positive whole number"),
        ({"flavour": "llama"}, "flavour: must be one of clip, gpt2, roberta; got 'llama'"),
        ({"min_frequency": 0}, "min_frequency"),
        ({"max_token_length": -1}, "max_token_length"),
        ({"special_tokens": "<s>"}, "special_tokens: must be a list"),
        ({"special_tokens": ["a"]}, "special_tokens: 'a' is in the vocabulary twice"),
        ({"special_tokens": ["<s>", "<s>"]}, "in the vocabulary twice"),
        ({"special_tokens": [3]}, "special_tokens: must be a str; got int"),
        ({"special_tokens": [""]}, "is empty"),
        ({"texts": []}, "not one word"),
        ({"texts": ["", "  "]}, "not one word"),
        ({"texts": {}}, "not one word"),
        ({"texts": "a text"}, r"Pass \[text\]"),
        ({"texts": None}, "must be a list or iterator of str; got NoneType"),
        ({"texts": ["fine", b"bytes"]}, r"texts\[1\]: must be a str; got bytes. Decode"),
        ({"texts": ["fine", None]}, r"texts\[1\]: must be a str; got NoneType"),
        ({"texts": ["\ud800"]}, r"texts\[0\].*half of a surrogate"),
        ({"texts": {"a": 0}}, "'a' must have a positive count; got 0"),
        ({"texts": {"a": 1.5}}, "positive count"),
        ({"texts": {3: 1}}, "must be a str; got int"),
        ({"texts": {"": 1}}, "a word is empty"),
    ],
)
def test_what_cannot_be_trained_says_why(given, message):
    with pytest.raises(TokenizerError, match=message):
        train_bpe(**{"texts": ["some text"], "vocab_size": 600, **given})


def test_a_word_of_100_000_letters_takes_seconds():
    """A trainer that rewrites each word for each merge would take minutes."""
    begin = time.process_time()
    training = train_bpe(["a" * 100_000, "ab" * 50_000], 600)
    training.finish()
    assert time.process_time() - begin < 30
    assert max(map(len, training.tokens)) > 10_000
