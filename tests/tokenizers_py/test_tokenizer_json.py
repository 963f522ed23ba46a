"""tokenizer.json: the models and pipelines that are read, and everything else refused by name."""

import json

import pytest
import tokenizers
import transformers
from tokenizers import models, normalizers, pre_tokenizers, processors

from tokenizers_py import CLIPTokenizer, TokenizerError
from tokenizers_py.calls.template import Template
from tokenizers_py.folders.agreement import check_agrees
from tokenizers_py.folders.reading import read_folder
from tokenizers_py.folders.tokenizer_json import (
    BERT_NORMALIZERS,
    BERT_PRE_TOKENIZERS,
    CLIP_NORMALIZERS,
    CLIP_PRE_TOKENIZERS,
    ROBERTA_NORMALIZERS,
    ROBERTA_PRE_TOKENIZERS,
    check_steps,
    read_bpe,
    read_wordpiece,
)

TOKENS = "l o w e r l</w> w</w> r</w> lo low</w> er</w> <unk> <|startoftext|> <|endoftext|>".split()
MERGES = [("l", "o"), ("lo", "w</w>"), ("e", "r</w>")]
WORDS = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "cat": 3, "##s": 4}


def clip_json(folder):
    """What Transformers 5 writes for a tiny CLIP vocabulary."""
    ids = {token: number for number, token in enumerate(TOKENS)}
    transformers.CLIPTokenizer(vocab=ids, merges=MERGES).save_pretrained(folder)
    return json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))


def put(folder, content):
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    return read_folder(folder)


def save(folder, model, **parts):
    """What the `tokenizers` library writes for a pipeline."""
    tokenizer = tokenizers.Tokenizer(model)
    for name, part in parts.items():
        setattr(tokenizer, name, part)
    tokenizer.save(str(folder / "tokenizer.json"))
    return read_folder(folder)


def test_both_forms_of_merges(tmp_path):
    content = clip_json(tmp_path)
    theirs = transformers.CLIPTokenizer.from_pretrained(tmp_path)("lower <|endoftext|>").input_ids
    assert (
        CLIPTokenizer.from_pretrained(tmp_path, profile="transformers")(
            "lower <|endoftext|>"
        ).input_ids
        == theirs
    )
    assert content["model"]["merges"] == [list(pair) for pair in MERGES]
    content["model"]["merges"] = [" ".join(pair) for pair in MERGES]
    assert read_bpe(put(tmp_path, content), "</w>").merges == MERGES


def test_what_the_first_releases_left_out(tmp_path):
    content = clip_json(tmp_path)
    for name in ("fuse_unk", "byte_fallback", "ignore_merges", "dropout", "type"):
        del content["model"][name]
    assert len(read_bpe(put(tmp_path, content), "</w>").ids) == len(TOKENS)
    content["model"] = {"unk_token": "[UNK]", "vocab": WORDS}
    assert read_wordpiece(put(tmp_path, content)).max_input_chars_per_word == 100


def test_a_wordpiece_model_with_all_its_settings(tmp_path):
    model = models.WordPiece(
        WORDS, unk_token="[UNK]", continuing_subword_prefix="@@", max_input_chars_per_word=7
    )
    read = read_wordpiece(save(tmp_path, model))
    assert (read.ids, read.unk_token) == (WORDS, "[UNK]")
    assert (read.continuing_subword_prefix, read.max_input_chars_per_word) == ("@@", 7)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"type": "WordPiece"}, 'of type "BPE"; got .WordPiece'),
        ({"type": None}, 'of type "BPE"; got None'),
        ({"end_of_word_suffix": None}, "'end_of_word_suffix' must be '</w>'; got None"),
        ({"end_of_word_suffix": ""}, "'end_of_word_suffix' must be '</w>'; got ''"),
        ({"continuing_subword_prefix": "##"}, "'continuing_subword_prefix' must be ''"),
        ({"dropout": 0.1}, "'dropout' must be None; got 0.1"),
        ({"fuse_unk": True}, "'fuse_unk' must be False; got True"),
        ({"fuse_unk": 0}, "'fuse_unk' must be False; got 0"),
        ({"byte_fallback": True}, "'byte_fallback' must be False"),
        ({"ignore_merges": True}, "'ignore_merges' must be False"),
        ({"unk_token": 5}, '"unk_token" must be a token\'s text; got 5'),
        ({"vocab": [1]}, '"vocab": must be an object'),
        ({"vocab": {"l": -1}}, "the id of 'l' is no id: -1"),
        ({"vocab": {"l": 2**64}}, "the id of 'l' is no id: 18446744073709551616"),
        ({"vocab": {"l": True}}, "the id of 'l' is no id: True"),
        ({"vocab": {"l": 0, "o": 0}}, "'l' and 'o' both have id 0"),
        ({"vocab": {"\udc80": 0}}, "is no token"),
        ({"merges": {}}, '"merges": must be a list'),
        ({"merges": None}, '"merges": must be a list'),
        ({"merges": ["l o", "l"]}, '"merges", entry 1: must be'),
        ({"merges": ["l o", " l"]}, '"merges", entry 1: must be'),
        ({"merges": [["l", "o", "w"]]}, '"merges", entry 0: must be'),
        ({"merges": [["l", 5]]}, '"merges", entry 0: must be'),
        ({"merges": [{"l": "o"}]}, '"merges", entry 0: must be'),
        ({"merges": ["l o", ["l", "o"]]}, '"merges", entry 1: the merge .l o. stands'),
        ({"merges": ["o l"]}, "entry 0: makes 'ol', which is not in its vocab"),
        ({"merges": ["lo w</w>", "l ow</w>"]}, "entry 1: makes 'ow</w>', which is not in its"),
    ],
)
def test_broken_bpe_models(tmp_path, changes, message):
    content = clip_json(tmp_path)
    content["model"] |= changes
    put(tmp_path, content)
    with pytest.raises(TokenizerError, match=rf"tokenizer\.json(:|,) .*{message}"):
        CLIPTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"type": "BPE"}, 'of type "WordPiece"; got .BPE'),
        ({"unk_token": None}, '"unk_token" must be a token; it is missing'),
        ({"continuing_subword_prefix": 5}, '"continuing_subword_prefix" must be text'),
        ({"max_input_chars_per_word": -1}, '"max_input_chars_per_word" must be a count; got -1'),
        ({"max_input_chars_per_word": True}, '"max_input_chars_per_word" must be a count'),
        ({"max_input_chars_per_word": 1e2}, '"max_input_chars_per_word" must be a count'),
        ({"vocab": None}, '"vocab": must be an object'),
    ],
)
def test_broken_wordpiece_models(tmp_path, changes, message):
    save(tmp_path, models.WordPiece(WORDS, unk_token="[UNK]"))
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["model"] |= changes
    with pytest.raises(TokenizerError, match=rf"tokenizer\.json(:|,) .*{message}"):
        read_wordpiece(put(tmp_path, content))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"version": "2.0"}, '"version" must be "1.0"; got .2.0'),
        ({"postprocessor": None}, "no such section: 'postprocessor'"),
        ({"model": None}, '"model": must be an object; got NoneType'),
        ({"model": []}, '"model": must be an object; got list'),
        ({"normalizer": None}, "'normalizer': this class does NFC .* asks for nothing"),
        ({"normalizer": {"type": "NFKC"}}, "'normalizer': .* asks for NFKC"),
        ({"normalizer": []}, "'normalizer': must be an object; got"),
        ({"normalizer": {"type": "Sequence", "normalizers": {}}}, "must hold a list of steps"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "'pre_tokenizer': .* asks for Whitespace"),
        ({"decoder": {"type": "Metaspace"}}, "'decoder': .* asks for Metaspace"),
        ({"post_processor": {"type": "ByteLevel"}}, "of a kind that is not supported"),
        ({"post_processor": "x"}, "of a kind that is not supported"),
        ({"post_processor": {"type": "RobertaProcessing", "sep": ["x"]}}, "broken"),
        (
            {"post_processor": {"type": "TemplateProcessing", "single": [{}], "pair": []}},
            '"post_processor": broken',
        ),
        (
            {
                "post_processor": {
                    "type": "BertProcessing",
                    "sep": ["<|endoftext|>", 13],
                    "cls": ["<|startoftext|>", 12],
                }
            },
            "puts .* where this tokenizer puts",
        ),
    ],
)
def test_other_pipelines_are_refused(tmp_path, changes, message):
    put(tmp_path, clip_json(tmp_path) | changes)
    with pytest.raises(TokenizerError, match=rf"tokenizer\.json(:|,) ?.*{message}"):
        CLIPTokenizer.from_pretrained(tmp_path)


def test_a_pipeline_with_one_other_setting_is_refused(tmp_path):
    content = clip_json(tmp_path)
    for name, where, value in (
        ("content", content["normalizer"]["normalizers"][1], "_"),
        ("pattern", content["normalizer"]["normalizers"][1], {"String": " "}),
        ("behavior", content["pre_tokenizer"]["pretokenizers"][0], "Isolated"),
        ("invert", content["pre_tokenizer"]["pretokenizers"][0], False),
        ("add_prefix_space", content["pre_tokenizer"]["pretokenizers"][1], True),
        ("use_regex", content["pre_tokenizer"]["pretokenizers"][1], False),
        ("use_regex", content["pre_tokenizer"]["pretokenizers"][1], 1),
        ("something", content["pre_tokenizer"]["pretokenizers"][1], 1),
    ):
        old = where.get(name)
        where[name] = value
        put(tmp_path, content)
        with pytest.raises(TokenizerError, match="with settings of its own; the file asks for"):
            CLIPTokenizer.from_pretrained(tmp_path)
        where[name] = old
        if old is None:
            del where[name]
    assert put(tmp_path, content) and CLIPTokenizer.from_pretrained(tmp_path)


def test_pipelines_of_the_other_models(tmp_path):
    """Each is what the upstream class writes, in 5.23 and by the library itself."""
    model = models.WordPiece(WORDS, unk_token="[UNK]")
    for lowercase, accents in ((True, None), (False, False)):
        files = save(
            tmp_path,
            model,
            normalizer=normalizers.BertNormalizer(lowercase=lowercase, strip_accents=accents),
            pre_tokenizer=pre_tokenizers.BertPreTokenizer(),
        )
        got = check_steps(files, "normalizer", *BERT_NORMALIZERS)
        assert (got["lowercase"], got["strip_accents"]) == (lowercase, accents)
        check_steps(files, "pre_tokenizer", *BERT_PRE_TOKENIZERS)
        with pytest.raises(TokenizerError, match="this class does nothing with settings"):
            check_steps(files, "normalizer", *ROBERTA_NORMALIZERS)
    transformers.RobertaTokenizer(add_prefix_space=True).save_pretrained(tmp_path)
    files = read_folder(tmp_path)
    check_steps(files, "normalizer", *ROBERTA_NORMALIZERS)
    got = check_steps(files, "pre_tokenizer", *ROBERTA_PRE_TOKENIZERS)
    assert (got["add_prefix_space"], got["trim_offsets"]) == (True, True)
    assert read_bpe(files).merges == []
    for section, known in (
        ("normalizer", CLIP_NORMALIZERS),
        ("pre_tokenizer", CLIP_PRE_TOKENIZERS),
    ):
        with pytest.raises(TokenizerError, match="and so for other ids"):
            check_steps(files, section, *known)


CLS_SEP = {"special_tokens": [("[CLS]", 1), ("[SEP]", 2)]}
BERT = Template(("cls",), ("sep",), ("sep",), second_type=1)
ROBERTA = Template(("cls",), ("sep", "sep"), ("sep",))


@pytest.mark.parametrize(
    "post, template",
    [
        (processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1)), BERT),
        (
            processors.TemplateProcessing(
                single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", **CLS_SEP
            ),
            BERT,
        ),
        (processors.RobertaProcessing(("[SEP]", 2), ("[CLS]", 1)), ROBERTA),
        (
            processors.TemplateProcessing(
                single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] [SEP] $B [SEP]", **CLS_SEP
            ),
            ROBERTA,
        ),
        (
            processors.Sequence(
                [
                    processors.ByteLevel(),
                    processors.RobertaProcessing(("[SEP]", 2), ("[CLS]", 1)),
                ]
            ),
            ROBERTA,
        ),
    ],
)
def test_special_tokens_around_a_text(tmp_path, post, template):
    files = save(tmp_path, models.WordPiece(WORDS, unk_token="[UNK]"), post_processor=post)
    special = {"cls": "[CLS]", "sep": "[SEP]"}
    check_agrees(files, WORDS, template, special)
    other = ROBERTA if template is BERT else BERT
    for wrong, names in ((other, special), (template, {"cls": "[SEP]", "sep": "[CLS]"})):
        with pytest.raises(TokenizerError, match=r'tokenizer\.json, "post_processor": puts'):
            check_agrees(files, WORDS, wrong, names)


def test_a_tokenizer_json_that_contradicts_the_files_beside_it(tmp_path):
    content = clip_json(tmp_path)
    (tmp_path / "vocab.json").write_text(json.dumps(content["model"]["vocab"]))
    (tmp_path / "merges.txt").write_text("#version: 0.2\nl o\nlo w</w>\ne r</w>\n")
    assert len(CLIPTokenizer.from_pretrained(tmp_path)) == len(TOKENS)
    ids = content["model"]["vocab"]
    ids["lo"], ids["er</w>"] = ids["er</w>"], ids["lo"]
    put(tmp_path, content)
    with pytest.raises(
        TokenizerError, match=r"tokenizer\.json: contradicts .* 'lo' is 10 here and 8"
    ):
        CLIPTokenizer.from_pretrained(tmp_path)
