"""Reading tokenizer.json, the one file of the `tokenizers` library: model and pipeline.

The file tells a whole pipeline. A class of this package is one pipeline, so the file's must be the
same one or loading ends in an error: text never gets other ids in silence. Called by the model
classes when a folder holds no vocabulary files; reading.py has parsed the file, and reads the
added tokens out of it.

Source: tokenizers 0.23.3, its serialization; transformers 4.57.6, convert_slow_tokenizer.py;
5.23.0, models/clip, models/bert and models/roberta (the pipelines that they write).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import check_ids, shown
from tokenizers_py.folders.reading import TokenizerFiles
from tokenizers_py.folders.tokens import SINGLE

Merge: TypeAlias = tuple[str, str]
Steps: TypeAlias = Sequence[
    tuple[str, Mapping[str, Sequence[Any]]]
]  # type -> key -> what it may be

MODEL_DEFAULTS = {
    "dropout": (None, 0.0),
    "fuse_unk": (False,),
    "byte_fallback": (False,),
    "ignore_merges": (False,),
}

_CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_CLIP_SPLITS = [
    {"Regex": head + _CLIP_WORDS} for head in ("", r"<\|startoftext\|>|<\|endoftext\|>|")
]

_FLAG = [True, False]
_BYTE_LEVEL = {"add_prefix_space": _FLAG, "trim_offsets": _FLAG, "use_regex": [True]}

# The pipelines that Transformers 4 and 5 write for the models of this package.
CLIP_NORMALIZERS: Sequence[Steps] = [
    [
        ("NFC", {}),
        ("Replace", {"pattern": [{"Regex": r"\s+"}], "content": [" "]}),
        ("Lowercase", {}),
    ]
]
CLIP_PRE_TOKENIZERS: Sequence[Steps] = [
    [
        ("Split", {"pattern": _CLIP_SPLITS, "behavior": ["Removed"], "invert": [True]}),
        ("ByteLevel", {**_BYTE_LEVEL, "add_prefix_space": [False]}),
    ]
]
BERT_NORMALIZERS: Sequence[Steps] = [
    [
        (
            "BertNormalizer",
            {
                "clean_text": [True],
                "handle_chinese_chars": _FLAG,
                "strip_accents": [None, True, False],
                "lowercase": _FLAG,
            },
        )
    ]
]
BERT_PRE_TOKENIZERS: Sequence[Steps] = [[("BertPreTokenizer", {})]]
ROBERTA_NORMALIZERS: Sequence[Steps] = [[]]
ROBERTA_PRE_TOKENIZERS: Sequence[Steps] = [[("ByteLevel", _BYTE_LEVEL)]]
DECODERS: Sequence[Steps] = [
    [],
    [("ByteLevel", {**_BYTE_LEVEL, "use_regex": _FLAG})],
    [("BPEDecoder", {"suffix": ["</w>"]})],
    [("WordPiece", {"prefix": ["##"], "cleanup": _FLAG})],
]
SECTIONS = {
    "version",
    "truncation",
    "padding",
    "added_tokens",
    "normalizer",
    "pre_tokenizer",
    "post_processor",
    "decoder",
    "model",
}


@dataclass(frozen=True)
class BpeModel:
    """The model section of a byte-pair tokenizer."""

    ids: dict[str, int]
    merges: list[Merge]
    unk_token: str | None


@dataclass(frozen=True)
class WordPieceModel:
    """The model section of a WordPiece tokenizer."""

    ids: dict[str, int]
    unk_token: str
    continuing_subword_prefix: str
    max_input_chars_per_word: int


def read_bpe(files: TokenizerFiles, end_of_word_suffix: str = "") -> BpeModel:
    """Read a byte-pair model: its vocabulary and merges, each as "a b" or ["a", "b"].

    Args:
        files: A folder that holds a tokenizer.json.
        end_of_word_suffix: What the class expects behind a word's last symbol: "</w>" for CLIP.

    Raises:
        TokenizerError: It is another kind of model, or something in it is broken.
    """
    model, source = _model(files, "BPE")
    _expect(model, source, "end_of_word_suffix", (end_of_word_suffix, end_of_word_suffix or None))
    _expect(model, source, "continuing_subword_prefix", ("", None))
    for key, allowed in MODEL_DEFAULTS.items():
        _expect(model, source, key, allowed)
    ids = _ids(model, source)
    merges = _merges(model.get("merges"), f'{source}, "merges"', ids)
    return BpeModel(ids, merges, _token_or_none(model, source))


def read_wordpiece(files: TokenizerFiles) -> WordPieceModel:
    """Read a WordPiece model.

    Raises:
        TokenizerError: It is another kind of model, or something in it is broken.
    """
    model, source = _model(files, "WordPiece")
    prefix = model.get("continuing_subword_prefix", "##")
    limit = model.get("max_input_chars_per_word", 100)
    if not isinstance(prefix, str):
        raise TokenizerError(f'{source}: "continuing_subword_prefix" must be text; got {prefix!r}')
    if type(limit) is not int or not 0 <= limit <= 2**31:
        raise TokenizerError(
            f'{source}: "max_input_chars_per_word" must be a count; got {shown(limit)}'
        )
    unknown = _token_or_none(model, source)
    if unknown is None:
        raise TokenizerError(f'{source}: "unk_token" must be a token; it is missing')
    return WordPieceModel(_ids(model, source), unknown, prefix, limit)


def check_steps(files: TokenizerFiles, section: str, *known: Steps) -> dict[str, Any]:
    """Compare the normalizer or the pre-tokenizer with those that the class is equal to.

    Args:
        files: A folder that holds a tokenizer.json.
        section: "normalizer" or "pre_tokenizer".
        known: The lists of steps that the class knows. A step is its type, and for each key what
            it may be; a key that is missing in the file is the first of that.

    Returns:
        All keys of all steps in one, so that a class can take its settings out of it.

    Raises:
        TokenizerError: It is none of them.
    """
    steps = _flat((files.tokenizer_json or {}).get(section), f"{files.root / SINGLE}, {section!r}")
    for wanted in known:
        if len(steps) == len(wanted) and all(
            step.get("type") == kind
            and step.keys() <= {"type", *keys}
            and all(_is_one(step.get(key, may[0]), may) for key, may in keys.items())
            for step, (kind, keys) in zip(steps, wanted, strict=True)
        ):
            return {key: value for step in steps for key, value in step.items()}
    got = " + ".join(str(step.get("type")) for step in steps) or "nothing"
    wanted_names = " or ".join(" + ".join(kind for kind, _ in w) or "nothing" for w in known)
    raise TokenizerError(
        f"{files.root / SINGLE}, {section!r}: this class does {wanted_names} with settings of its "
        f"own; the file asks for {got}, and so for other ids: {shown(steps)}"
    )


def _flat(section: Any, source: str) -> list[dict[str, Any]]:
    """Take sequences of steps apart; nothing is no steps."""
    if section is None:
        return []
    if not isinstance(section, dict):
        raise TokenizerError(f"{source}: must be an object; got {shown(section)}")
    if section.get("type") != "Sequence":
        return [section]
    inner = section.get("normalizers", section.get("pretokenizers"))
    if not isinstance(inner, list):
        raise TokenizerError(f"{source}: a sequence must hold a list of steps")
    return [step for one in inner for step in _flat(one, source)]


def _model(files: TokenizerFiles, kind: str) -> tuple[dict[str, Any], str]:
    content = files.tokenizer_json or {}
    if unknown := content.keys() - SECTIONS:
        raise TokenizerError(f"{files.root / SINGLE}: no such section: {shown(min(unknown))}")
    if content.get("version", "1.0") != "1.0":
        version = shown(content["version"])
        raise TokenizerError(f'{files.root / SINGLE}: "version" must be "1.0"; got {version}')
    check_steps(files, "decoder", *DECODERS)
    source = f'{files.root / SINGLE}, "model"'
    model = content.get("model")
    if not isinstance(model, dict):
        raise TokenizerError(f"{source}: must be an object; got {type(model).__name__}")
    # The first releases of the library wrote no type.
    got = model.get("type", "BPE" if "merges" in model else "WordPiece")
    if got != kind:
        raise TokenizerError(f'{source}: must be of type "{kind}"; got {shown(got)}')
    return model, source


def _expect(model: Mapping[str, Any], source: str, key: str, allowed: Sequence[Any]) -> None:
    value = model.get(key, allowed[0])
    if not _is_one(value, allowed):
        raise TokenizerError(f"{source}: {key!r} must be {allowed[0]!r}; got {shown(value)}")


def _is_one(value: object, allowed: Sequence[Any]) -> bool:
    """Look a value up, without taking 1 for true or 0.0 for false."""
    return any(type(value) is type(one) and value == one for one in allowed)


def _ids(model: Mapping[str, Any], source: str) -> dict[str, int]:
    return check_ids(model.get("vocab"), f'{source}, "vocab"')


def _token_or_none(model: Mapping[str, Any], source: str) -> str | None:
    token = model.get("unk_token")
    if token is not None and not isinstance(token, str):
        raise TokenizerError(f'{source}: "unk_token" must be a token\'s text; got {shown(token)}')
    return token


def _merges(content: object, source: str, ids: Mapping[str, int]) -> list[Merge]:
    if not isinstance(content, list):
        raise TokenizerError(f"{source}: must be a list; got {type(content).__name__}")
    merges: dict[Merge, int] = {}
    for number, entry in enumerate(content):
        parts = entry.split(" ") if isinstance(entry, str) else entry
        if (
            not isinstance(parts, list)
            or len(parts) != 2
            or not all(isinstance(part, str) and part for part in parts)
        ):
            raise TokenizerError(
                f'{source}, entry {number}: must be "a b" or ["a", "b"]; got {shown(entry)}'
            )
        pair = (parts[0], parts[1])
        if pair in merges:
            raise TokenizerError(
                f"{source}, entry {number}: the merge {' '.join(pair)!r} stands there before, at "
                f"{merges[pair]}"
            )
        for token in ("".join(pair), *pair):
            if token not in ids:
                raise TokenizerError(
                    f"{source}, entry {number}: makes {token!r}, which is not in its vocab"
                )
        merges[pair] = number
    return list(merges)
