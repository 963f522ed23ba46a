"""Our tokenizers beside their upstreams in one run, one thread: `make bench`.

A case is a list of texts and two sides, ours and a rival. Both first agree on every id; then they
are timed turn by turn, and the ratio of the best times must not fall below the floor that the
project promises: half of the Rust library's speed on captions, three times Transformers' slow
tokenizers, a quarter of sentencepiece. The texts are 100,000 captions (captions.py) and the two
books under tests/data/text, line by line. Slow tokenizers get the first part of them.
"""

import gzip
import os
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the Rust library would use every core

import pytest
import sentencepiece
import transformers
from transformers4 import ask

import tokenizers_py
from bench.captions import captions

DATA = Path(__file__).parents[1] / "tests" / "data"
ROUNDS = 3
SLOW_LINES = 5_000  # what the slow tokenizers get, so that a run takes minutes
SLOW_SOURCE = """
import time
if not given["ftfy"]:
    sys.modules["ftfy"] = None
tokenizer = getattr(transformers, given["class"]).from_pretrained(given["folder"])
seconds = []
for _ in range(2):
    start = time.perf_counter()
    ids = tokenizer(given["texts"])["input_ids"]
    seconds.append(time.perf_counter() - start)
answer = {"ids": ids, "seconds": min(seconds)}
"""


def book(name):
    """Give the lines of a book that are not empty."""
    text = gzip.decompress((DATA / "text" / f"{name}.txt.gz").read_bytes()).decode()
    return [line for line in text.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def texts():
    """The three lists of texts."""
    return {
        "captions": captions(100_000),
        "botchan": book("botchan"),
        "wagahaiwa": book("wagahaiwa_nekodearu"),
    }


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder for each tokenizer, as a hub repository lays it out."""
    root = tmp_path_factory.mktemp("tokenizers")
    tokenizers_py.CLIPTokenizer().save_pretrained(root / "clip")
    (root / "bert").mkdir()
    vocab = gzip.decompress((DATA / "tokenizers/bert/bert-base-uncased.vocab.txt.gz").read_bytes())
    (root / "bert" / "vocab.txt").write_bytes(vocab)
    return root


def race(benchmark, group, texts, ours, rival, floor):
    """Check that both sides agree, time them turn by turn, and hold the ratio to the floor."""
    assert ours(texts) == rival(texts)
    times = {"ours": [], "rival": []}
    for _ in range(ROUNDS):
        for name, side in (("ours", ours), ("rival", rival)):
            start = time.perf_counter()
            side(texts)
            times[name].append(time.perf_counter() - start)
    report(benchmark, group, texts, ours, min(times["ours"]), min(times["rival"]), floor)


def report(benchmark, group, texts, ours, our_seconds, rival_seconds, floor):
    """Record one round of ours and what the rival took; fail below the floor."""
    benchmark.group = group
    benchmark.pedantic(ours, args=(texts,), rounds=1)
    characters = sum(map(len, texts))
    ratio = rival_seconds / our_seconds
    benchmark.extra_info.update(
        rival_seconds=rival_seconds, ratio=ratio, floor=floor, characters=characters
    )
    print(
        f"\n{group:55} ours {characters / our_seconds / 1e6:6.2f}  rival "
        f"{characters / rival_seconds / 1e6:6.2f} Mchar/s  ratio {ratio:5.2f} (floor {floor})"
    )
    assert ratio >= floor


RUST = [("CLIPTokenizer", "clip", "transformers"), ("BertTokenizer", "bert", "transformers")]


@pytest.mark.parametrize(("name", "folder", "profile"), RUST)
@pytest.mark.parametrize("corpus", ["captions", "botchan", "wagahaiwa"])
def test_beside_rust(benchmark, texts, folders, name, folder, profile, corpus):
    """The `tokenizers` library, by its fastest call (ids only, no offsets).

    The promise is about captions; the books are for information.
    """
    ours = getattr(tokenizers_py, name).from_pretrained(folders / folder, profile=profile)
    theirs = getattr(transformers, name).from_pretrained(folders / folder).backend_tokenizer
    theirs.no_padding()
    theirs.no_truncation()
    race(
        benchmark,
        f"{name} ({profile}) beside tokenizers, {corpus}",
        texts[corpus],
        lambda lines: ours(lines, verbose=False)["input_ids"],
        lambda lines: [encoding.ids for encoding in theirs.encode_batch_fast(lines)],
        floor=0.5 if corpus == "captions" else 0.0,
    )


SLOW = [
    ("CLIPTokenizer", "clip", "openai"),
    ("CLIPTokenizer", "clip", "transformers-slow"),
    ("BertTokenizer", "bert", "transformers"),
]


@pytest.mark.parametrize(("name", "folder", "profile"), SLOW)
@pytest.mark.parametrize("corpus", ["captions", "botchan", "wagahaiwa"])
def test_beside_slow_transformers(benchmark, texts, folders, name, folder, profile, corpus):
    """Transformers 4.57.6's Python tokenizers, in a process of their own."""
    lines = texts[corpus][:SLOW_LINES]
    given = {"class": name, "folder": str(folders / folder), "texts": lines}
    rival = ask(SLOW_SOURCE, {**given, "ftfy": profile == "openai"})
    ours = getattr(tokenizers_py, name).from_pretrained(folders / folder, profile=profile)
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        ids = ours(lines, verbose=False)["input_ids"]
        times.append(time.perf_counter() - start)
    assert ids == rival["ids"]
    group = f"{name} ({profile}) beside Transformers 4 slow, {corpus}"
    encode = lambda some: ours(some, verbose=False)["input_ids"]  # noqa: E731
    report(benchmark, group, lines, encode, min(times), rival["seconds"], floor=3.0)


SENTENCEPIECE = [
    ("t5_base.spiece.model", "captions"),
    ("t5_base.spiece.model", "botchan"),
    ("test_ja_model.model", "wagahaiwa"),
]


@pytest.mark.parametrize(("model", "corpus"), SENTENCEPIECE)
def test_beside_sentencepiece(benchmark, texts, model, corpus):
    """The official library, unigram models."""
    file = str(DATA / "tokenizers" / "sentencepiece" / model)
    ours = tokenizers_py.SentencePieceProcessor(model_file=file)
    theirs = sentencepiece.SentencePieceProcessor(model_file=file)
    race(
        benchmark,
        f"{model} beside sentencepiece, {corpus}",
        texts[corpus],
        ours.encode,
        lambda lines: theirs.encode(lines, num_threads=1),
        floor=0.25,
    )


@pytest.mark.parametrize("name", ["CLIPTokenizer", "BertTokenizer", "SentencePieceProcessor"])
def test_one_long_word(benchmark, folders, name):
    """One unbroken word of 1,000, 10,000 and 100,000 letters: at most 15 times more per step."""
    if name == "SentencePieceProcessor":
        file = str(DATA / "tokenizers" / "sentencepiece" / "t5_base.spiece.model")
        encode = tokenizers_py.SentencePieceProcessor(model_file=file).encode
    else:
        folder = {"CLIPTokenizer": "clip", "BertTokenizer": "bert"}[name]
        tokenizer = getattr(tokenizers_py, name).from_pretrained(folders / folder)
        encode = lambda text: tokenizer(text, verbose=False)["input_ids"]  # noqa: E731
    letters = "thequickbrownfoxjumpsoverthelazydogandrunsaway" * 3000
    seconds = []
    for length in (1_000, 10_000, 100_000):
        rounds = []
        for shift in range(3):  # never the same word twice, so that no cache helps
            word = letters[shift : shift + length]
            start = time.perf_counter()
            encode(word)
            rounds.append(time.perf_counter() - start)
        seconds.append(min(rounds))
    benchmark.extra_info["seconds"] = seconds
    benchmark.pedantic(encode, args=(letters[:100_000],), rounds=1)
    print(f"\n{name}: {', '.join(f'{one * 1e3:.2f} ms' for one in seconds)}")
    assert seconds[1] <= 15 * seconds[0] and seconds[2] <= 15 * seconds[1]
