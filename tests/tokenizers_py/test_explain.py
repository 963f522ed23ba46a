"""`explain` tells the truth: what it shows leads to the ids that a call gives, on any text."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizers_py import BertTokenizer, CLIPTokenizer, RobertaTokenizer, SiglipTokenizer
from tokenizers_py.bpe import Merge, byte_alphabet, word_symbols
from tokenizers_py.calls.explain import describe
from tokenizers_py.vocabulary import Vocabulary
from tokenizers_py.wordpiece import Choice

DATA = Path(__file__).parents[1] / "data" / "tokenizers"
TEXTS = [
    "a photo of a cat",
    "Tokenizers, plëase! ﬁ &amp; “x”",
    "  two\t words\n",
    "日本語 と 中文 한국어 🐱👩‍🚀",
    "",
    "end<|endoftext|> and [MASK]after</s>the end",
    "ΟΔΟΣ İstanbul Ⅷ ² don't",
]
pytestmark = pytest.mark.filterwarnings("ignore:This sequence already has its end token")
PIECES = [
    "cat",
    " ",
    "Σ",
    "é",
    "e\u0301",
    "中",
    "<|endoftext|>",
    "[SEP]",
    "</s>",
    "\u200d",
    "!",
    "９",
]


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory, toy_roberta):
    """One of each kind and profile."""
    vocab = tmp_path_factory.mktemp("bert") / "vocab.txt"
    vocab.write_bytes(gzip.decompress((DATA / "bert/bert-base-uncased.vocab.txt.gz").read_bytes()))
    spiece = DATA / "siglip" / "tiny.model"
    clip = ("openai", "transformers", "transformers-slow")
    bert = ("transformers", "transformers-slow", "cn_clip")
    siglip = ("big_vision", "transformers", "transformers-4")
    return [
        *(CLIPTokenizer(profile=profile) for profile in clip),
        *(BertTokenizer(vocab, profile=profile) for profile in bert),
        *(SiglipTokenizer(spiece, profile=profile) for profile in siglip),
        toy_roberta,
    ]


@pytest.fixture(scope="module")
def toy_roberta():
    """RoBERTa's algorithm on CLIP's merges of plain letters."""
    letters = [*byte_alphabet().values()]
    merges = [("Ġ", "c"), ("a", "t"), ("Ġc", "at"), ("e", "n"), ("en", "d")]
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *letters, *map("".join, merges), "<mask>"]
    ids = {token: number for number, token in enumerate(tokens)}
    ranks = {pair: number for number, pair in enumerate(merges)}
    return RobertaTokenizer(vocabulary=Vocabulary(ids, ranks))


def check(tokenizer, text):
    explanation = tokenizer.explain(text)
    batch = tokenizer(text, return_offsets_mapping=True, verbose=False)
    assert [token.id for token in explanation.tokens] == batch["input_ids"]
    assert [(t.start, t.end) for t in explanation.tokens] == batch["offset_mapping"]
    words = [word for stretch in explanation.stretches for word in stretch.words]
    pieces = [piece.id for word in words for piece in word.pieces]
    plain = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    if isinstance(tokenizer, SiglipTokenizer) and pieces != plain:
        assert words[0].pieces[0].token == "▁" and words[1].text == "</s>"  # a lone "▁" is dropped
        pieces = pieces[1:]
    assert pieces == plain
    for word in words:
        check_decisions(tokenizer, word)
    for stretch in explanation.stretches:
        if not stretch.added_token:
            reached = stretch.stages[-1][1] if stretch.stages else stretch.raw
            assert reached == tokenizer.normalizer(stretch.raw)
    assert json.loads(json.dumps(explanation.to_dict()))["text"] == text
    assert str(explanation).splitlines()


def check_decisions(tokenizer, word):
    """Follow what was decided, by the algorithm's own words only, to the tokens."""
    kinds = {type(decision) for decision in word.decisions}
    assert len(kinds) <= 1
    if isinstance(tokenizer, SiglipTokenizer) and word.decisions:
        taken = [one for one in word.decisions if one.taken]
        assert "".join(one.piece for one in taken) == word.text
        assert taken[-1].best == max(one.best for one in word.decisions if one.end == taken[-1].end)
    if kinds == {Merge}:
        end = "" if isinstance(tokenizer, RobertaTokenizer) else "</w>"
        parts = word_symbols(word.text, end)
        for merge in word.decisions:
            assert parts[merge.place] == merge.left
            right = next(i for i in range(merge.place + 1, len(parts)) if parts[i])
            assert parts[right] == merge.right
            parts[merge.place], parts[right] = merge.left + merge.right, ""
        known = tokenizer.get_vocab()
        assert [part for part in parts if part in known] == [p.token for p in word.pieces]
    if kinds == {Choice}:
        last = word.decisions[-1].piece
        tokens = [one.piece for one in word.decisions] if last else [tokenizer.unk_token]
        assert tokens == [piece.token for piece in word.pieces]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_shown_leads_to_the_ids(tokenizers, text):
    for tokenizer in tokenizers:
        check(tokenizer, text)


@settings(max_examples=60, deadline=None)
@given(
    text=st.lists(st.sampled_from(PIECES) | st.characters(exclude_categories=["Cs"])).map("".join)
)
def test_on_any_text(tokenizers, text):
    for tokenizer in tokenizers:
        check(tokenizer, text)


def test_every_decision_has_its_line(tokenizers):
    clip, bert, siglip = tokenizers[0], tokenizers[3], tokenizers[6]
    assert "merge 24, at symbol 1: 'a' + 't</w>' -> 'at</w>'" in str(clip.explain("cat"))
    assert "at letter 0: 'una', the longest of 7 looked up" in str(bert.explain("unaffable"))
    assert "'▁a' scores " in str(siglip.explain("a cat"))
    unknown = Choice(0, ("a",), None)
    assert describe(unknown) == "at letter 0: none of 1 candidates: unknown word"


def test_options_change_the_result_only(tokenizers):
    clip = tokenizers[0]
    whole, cut = clip.explain("a photo of a cat"), clip.explain("a photo of a cat", max_length=4)
    assert [token.id for token in cut.tokens] == [49406, 320, 1125, 49407]
    assert cut.stretches == whole.stretches
