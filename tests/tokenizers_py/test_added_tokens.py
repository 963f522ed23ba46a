"""Added tokens are found, numbered and decoded as in the Rust library under Transformers 5.23."""

import sys
import time

import pytest
import tokenizers
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizers_py import CLIPTokenizer, TokenizerError
from tokenizers_py.calls.added_tokens import AddedToken, TokenFinder

FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
CONTENTS = ["ab", "abc", "<x>", "AB", "b c", " ", "é", "e\u0301", "c\u00e7"]
TEXTS = st.text(st.sampled_from("abcABC <x>éÉe\u0301ç_1\u200d\u3000\n!"), max_size=30)


@pytest.fixture(scope="module")
def small_folder(tmp_path_factory):
    """A vocabulary of a few merges, so that a tokenizer is made quickly."""
    folder = tmp_path_factory.mktemp("small")
    merges = folder / "merges.txt"
    merges.write_text("#version: 0.2\na b\nb c</w>\nab c</w>\n")
    CLIPTokenizer(merges_file=merges).save_pretrained(folder / "clip")
    return folder / "clip"


@pytest.fixture(scope="module")
def clip_both(small_folder):
    """A function that makes ours and theirs, without what a test before has added."""

    def make():
        theirs = transformers.CLIPTokenizer.from_pretrained(small_folder)
        return CLIPTokenizer.from_pretrained(small_folder, profile="transformers"), theirs

    return make


def theirs_of(token):
    flags = {name: getattr(token, name) for name in FLAGS}
    return tokenizers.AddedToken(token.content, **flags)


def assert_same(ours, theirs, text, **options):
    options |= {"return_offsets_mapping": True, "verbose": False}
    got, want = ours(text, **options), theirs(text, **options)
    assert got.input_ids == want.input_ids, text
    del options["return_offsets_mapping"]
    assert ours(text, **options).input_ids == want.input_ids, text
    assert got.tokens() == want.tokens(), text
    assert got.word_ids() == want.word_ids(), text
    for place, later in zip(got.offset_mapping, want.offset_mapping, strict=True):
        # Known difference: a run of blanks that the normaliser made one space is the whole run
        # for us; for the Rust library it is the last blank of the run.
        assert place == later or (
            place[1] == later[1] and text[place[0] : later[0] + 1].isspace()
        ), text


def test_a_run_of_blanks_has_other_offsets(clip_both):
    ours, theirs = clip_both()
    for one in (ours, theirs):
        one.add_tokens(" ")
    assert ours("  ", return_offsets_mapping=True).offset_mapping[1] == (0, 2)
    assert theirs("  ", return_offsets_mapping=True).offset_mapping[1] == (1, 2)


tokens = st.builds(
    AddedToken,
    st.sampled_from(CONTENTS),
    **{name: st.booleans() for name in FLAGS},
)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), texts=st.lists(TEXTS, min_size=5, max_size=5), split=st.booleans())
def test_random_tokens_in_random_texts(clip_both, data, texts, split):
    # One pattern has one token: of several whose content is normalised to one text, the Rust
    # library takes any, another one in each run. See test_tokens_that_look_alike.
    chosen = data.draw(st.lists(tokens, min_size=1, max_size=4, unique_by=lambda t: t.content))
    ours, theirs = clip_both()
    seen = set()
    for token in chosen:
        pattern = ours.normalizer(token.content) if token.normalized else token.content
        if (pattern, token.normalized) not in seen:
            seen.add((pattern, token.normalized))
            assert ours.add_tokens([token]) == theirs.add_tokens([theirs_of(token)])
    assert ours.get_added_vocab() == theirs.get_added_vocab()
    for text in texts:
        assert_same(ours, theirs, text, split_special_tokens=split)


@pytest.mark.parametrize("lstrip", [False, True])
@pytest.mark.parametrize("rstrip", [False, True])
@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("single_word", [False, True])
def test_each_flag(clip_both, lstrip, rstrip, normalized, single_word):
    ours, theirs = clip_both()
    token = AddedToken("Q", single_word, lstrip, rstrip, normalized)
    assert ours.add_tokens(token) == theirs.add_tokens(theirs_of(token)) == 1
    for text in ("Q", "aQ b", "a Q  Q b", " \n Q\t", "q Qq Q!Q_Q", "Q\u200d Q \u3000Q", "Q" * 5):
        assert_same(ours, theirs, text)


@pytest.mark.parametrize("highest", [0x3100, pytest.param(sys.maxunicode, marks=pytest.mark.slow)])
def test_every_character_beside_a_token(highest):
    """What belongs to a word, and which blanks are taken along: every code point."""
    q = AddedToken("q", single_word=True, normalized=False)
    z = AddedToken("<z>", lstrip=True, rstrip=True, normalized=False)
    ours = TokenFinder([("q", 1, q), ("<z>", 2, z)])
    theirs = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0}, unk_token="?"))
    theirs.add_tokens([theirs_of(q), theirs_of(z)])
    codes = [code for code in range(1, highest + 1) if not 0xD800 <= code <= 0xDFFF]
    marked = [f"q{chr(c)} {chr(c)}q <z>{chr(c)}a{chr(c)}<z> " for c in codes]
    texts = ["".join(marked[start : start + 200]) for start in range(0, len(marked), 200)]
    found = 0
    for text, want in zip(texts, theirs.encode_batch(texts), strict=True):
        got = [(number, (start, end)) for number, start, end in ours.cut(text) if number]
        assert got == [one for one in zip(want.ids, want.offsets, strict=True) if one[0]]
        found += len(got)
    assert 2 * len(codes) < found < 4 * len(codes)


def test_ids_and_counts(clip_both):
    ours, theirs = clip_both()
    for new in (
        ["new", "NEW", "cat</w>"],
        ["new", "", " "],
        "one",
        [],
        [AddedToken("<s>", special=True), AddedToken("<t>", normalized=False)],
        AddedToken("new", lstrip=True),
    ):
        flat = new if isinstance(new, list) else [new]
        want = [t if isinstance(t, str) else theirs_of(t) for t in flat]
        assert ours.add_tokens(new) == theirs.add_tokens(want)
        assert ours.get_added_vocab() == theirs.get_added_vocab()
        assert (len(ours), ours.vocab_size) == (len(theirs), theirs.vocab_size)
    assert ours.get_vocab() == theirs.get_vocab()
    for number, token in theirs.added_tokens_decoder.items():
        assert theirs_of(ours.added_tokens_decoder[number]) == token
    assert ours.add_tokens(theirs.added_tokens_decoder[517]) == 0  # the library's own class


def test_special_tokens_at_run_time(clip_both):
    ours, theirs = clip_both()
    for new, options in (
        ({"extra_special_tokens": ["<e1>", "<e2>"]}, {}),
        ({"extra_special_tokens": ["<e1>", "<e3>"]}, {"replace_extra_special_tokens": False}),
        ({"additional_special_tokens": ["<e4>"]}, {}),
        ({"pad_token": "<pad>", "mask_token": "<mask>"}, {}),
        ({}, {}),
    ):
        assert ours.add_special_tokens(new, **options) == theirs.add_special_tokens(new, **options)
        assert ours.all_special_tokens == theirs.all_special_tokens
        assert ours.all_special_ids == theirs.all_special_ids
        assert ours.extra_special_tokens == theirs.extra_special_tokens
        assert ours.additional_special_tokens == theirs.extra_special_tokens
        assert ours.special_tokens_map == theirs.special_tokens_map
        assert (ours.pad_token_id, len(ours)) == (theirs.pad_token_id, len(theirs))
    assert_same(ours, theirs, "a<e1> b <e4><pad>c")
    ids = [515, 320, *range(517, 523), 516]
    for skip in (False, True):
        options = {"skip_special_tokens": skip}
        assert ours.decode(ids, **options) == theirs.decode(ids, **options)
        assert ours.convert_ids_to_tokens(ids, **options) == theirs.convert_ids_to_tokens(
            ids, **options
        )


def test_decoding_added_tokens(clip_both):
    ours, theirs = clip_both()
    new = ["NEW", AddedToken("Raw", normalized=False), AddedToken("<s>", special=True), "two words"]
    ours.add_tokens(new)
    theirs.add_tokens([t if isinstance(t, str) else theirs_of(t) for t in new])
    ids = [320, 517, 518, 519, 320, 520]
    assert ours.convert_ids_to_tokens(ids) == theirs.convert_ids_to_tokens(ids)
    for skip in (False, True):
        options = {"skip_special_tokens": skip}
        assert ours.decode(ids, **options) == theirs.decode(ids, **options)
    assert ours.convert_tokens_to_ids(["NEW", "new"]) == theirs.convert_tokens_to_ids(
        ["NEW", "new"]
    )


def test_tokens_that_look_alike(clip_both):
    """Known difference: of tokens that normalise to one text we take the first, they take any."""
    ours, theirs = clip_both()
    for one in (ours, theirs):
        one.add_tokens(["NEWTOK", "NewTok"])
    assert ours("newtok", add_special_tokens=False).input_ids == [517]
    assert theirs("newtok", add_special_tokens=False).input_ids[0] in (517, 518)


def test_an_id_in_a_gap_is_not_given_twice(toy_files):
    """Known difference: upstream numbers from the vocabulary's size, where it has gaps too."""
    vocab, merges = toy_files
    vocab.write_text(vocab.read_text().replace('"low</w>": 15', '"low</w>": 24'))
    ours = CLIPTokenizer(vocab, merges)
    theirs = transformers.CLIPTokenizer.from_pretrained(vocab.parent)
    for one in (ours, theirs):
        one.add_tokens(["xa", "xb"])
    assert ours.convert_tokens_to_ids(["xa", "xb"]) == [23, 25]
    assert theirs.convert_tokens_to_ids(["low</w>", "xa", "xb"]) == [24, 23, 24]


@pytest.mark.parametrize("token", [5, None, b"x", ["x", None], "\ud800", [["x"]]])
def test_what_is_no_token(token):
    ours = CLIPTokenizer()
    with pytest.raises(TokenizerError, match=r"^token: "):
        ours.add_tokens(token)
    assert len(ours) == 49408


@pytest.mark.parametrize(
    "new", [{"cat_token": "x"}, {"pad_token": 5}, {"extra_special_tokens": "x"}]
)
def test_special_tokens_that_are_none(new):
    ours = CLIPTokenizer()
    with pytest.raises(TokenizerError):
        ours.add_special_tokens(new)
    assert (len(ours), ours.pad_token_id) == (49408, 49407)
    with pytest.raises(TokenizerError, match="'<no>' is not in the vocabulary"):
        ours.extra_special_tokens = ["<no>"]


def test_added_tokens_of_the_constructor():
    ours = CLIPTokenizer(
        profile="transformers",
        added_tokens={49410: AddedToken("<far>", lstrip=True), 2368: AddedToken("cat</w>")},
    )
    assert (len(ours), ours.vocab_size) == (49409, 49408)
    assert ours("a <far>").input_ids == [49406, 320, 49410, 49407]
    assert ours.add_tokens("next one") == 1 and ours.convert_tokens_to_ids("next one") == 49411
    for added in ({320: AddedToken("<x>")}, {49500: AddedToken("cat</w>")}):
        with pytest.raises(TokenizerError, match="added token .* already"):
            CLIPTokenizer(added_tokens=added)


def test_other_tokenizers_do_not_change(tokenizer):
    other = CLIPTokenizer()
    other.add_tokens(["zebra crossing"])
    assert len(other) == 49409 and len(tokenizer) == len(CLIPTokenizer()) == 49408
    assert "zebra crossing" not in tokenizer.get_vocab()


@pytest.mark.parametrize(
    "token, text",
    [
        (AddedToken("x", lstrip=True, rstrip=True), " "),
        (AddedToken(" ", rstrip=True), " "),
        (AddedToken("aa"), "a"),
        (AddedToken("a" * 2000 + "b"), "a"),
        (AddedToken("x"), "x "),
    ],
)
def test_the_work_is_linear(token, text):
    finder = TokenFinder([(token.content, 7, token)])

    def seconds(size):
        start = time.process_time()
        finder.cut(text * size + "x")
        return time.process_time() - start

    seconds(1000)
    small = min(seconds(20_000) for _ in range(3))
    assert min(seconds(200_000) for _ in range(2)) < 15 * small + 0.05
