"""BERT's vocabulary out of a folder: vocab.txt, or tokenizer.json, or both if they agree.

Called by bert.py. wordpiece.py reads vocab.txt, folders/tokenizer_json.py the other; what all models'
folders have in common is folders/reading.py's.

Source: transformers 5.23.0 and 4.57.6, models/bert.
"""

from dataclasses import replace
from typing import Any

from tokenizers_py.errors import TokenizerError
from tokenizers_py.folders.reading import TokenizerFiles
from tokenizers_py.folders.tokenizer_json import (
    BERT_NORMALIZERS,
    BERT_PRE_TOKENIZERS,
    check_steps,
    read_wordpiece,
)
from tokenizers_py.wordpiece import INSIDE, LINE_SEPARATORS, read_vocab_txt

# A setting of tokenizer_config.json: its name in tokenizer.json, and what it is when not given.
SETTINGS: dict[str, tuple[str, bool | None]] = {
    "do_lower_case": ("lowercase", True),
    "strip_accents": ("strip_accents", None),
    "tokenize_chinese_chars": ("handle_chinese_chars", True),
}


def read_bert_folder(files: TokenizerFiles) -> dict[str, Any]:
    """Read the vocabulary of a folder, as keywords of BertTokenizer.

    Raises:
        TokenizerError: There is none, or it is broken; or the folder asks for what only
            Transformers 4's Python tokenizer does.
    """
    path = files.path("vocab.txt")
    if path is None and files.tokenizer_json is None:
        raise files.missing(("vocab.txt",), ("tokenizer.json",))
    if files.config.get("do_basic_tokenize") is False or files.config.get("never_split"):
        raise TokenizerError(
            f'{files.root}: "do_basic_tokenize": false and "never_split" are not supported; '
            "Transformers 5 ignores them"
        )
    given = {} if files.tokenizer_json is None else _from_tokenizer_json(files)
    return given if path is None else {**given, "vocabulary": read_vocab_txt(path)}


def _from_tokenizer_json(files: TokenizerFiles) -> dict[str, Any]:
    """Read the vocabulary of tokenizer.json, and check that the file asks for no other ids.

    Trap: Transformers 5 writes the two entries of bert-base-chinese that are U+2028 as "" and
    "##"; the first of them is no token for anybody else.
    """
    content = files.tokenizer_json or {}
    model = content.get("model")
    if isinstance(model, dict) and isinstance(model.get("vocab"), dict) and "" in model["vocab"]:
        vocab = {token or LINE_SEPARATORS[0]: number for token, number in model["vocab"].items()}
        files = replace(files, tokenizer_json={**content, "model": {**model, "vocab": vocab}})
    found = read_wordpiece(files)
    source = files.root / "tokenizer.json"
    if (found.continuing_subword_prefix, found.max_input_chars_per_word) != (INSIDE, 100):
        raise TokenizerError(f'{source}: needs the prefix "##" and words of up to 100 letters')
    check_steps(files, "pre_tokenizer", *BERT_PRE_TOKENIZERS)
    _check_settings(files, check_steps(files, "normalizer", *BERT_NORMALIZERS))
    return {"vocabulary": found.ids, "unk_token": found.unk_token}


def _check_settings(files: TokenizerFiles, steps: dict[str, Any]) -> None:
    """Check that tokenizer.json normalises as tokenizer_config.json says.

    Trap: BertTokenizer of Transformers 4 and 5 obeys tokenizer_config.json, and lower-cases where
    that says nothing, whatever stands in tokenizer.json; other readers obey tokenizer.json.
    """
    for name, (theirs, default) in SETTINGS.items():
        wanted = files.config.get(name, default)
        if steps.get(theirs, default) != wanted:
            raise TokenizerError(
                f'{files.root}: tokenizer.json says "{theirs}": {steps[theirs]!r}, but '
                f"tokenizer_config.json {wanted!r} for {name!r} (which is its default when "
                "not given); readers differ in which they obey. Make them agree"
            )
