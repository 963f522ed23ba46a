"""`AutoTokenizer`: the tokenizer that a folder or a hub id is made for.

Which class that is stands in tokenizer_config.json; where it does not, config.json's kind of model
or the vocabulary files tell. The class is imported only then. Read on in folders/pretrained.py.

Source: transformers 5.23.0, models/auto/tokenization_auto.py, TOKENIZER_MAPPING_NAMES.
"""

import importlib
from typing import Any

from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import FilePath, read_json_object, shown
from tokenizers_py.folders.hub import resolve
from tokenizers_py.folders.pretrained import PreTrainedTokenizer
from tokenizers_py.folders.reading import TokenizerFiles, read_folder
from tokenizers_py.folders.tokens import CONFIG, SINGLE

CLASSES = {
    "BertTokenizer": "tokenizers_py.bert",
    "CLIPTokenizer": "tokenizers_py.clip",
    "RobertaTokenizer": "tokenizers_py.roberta",
    "SiglipTokenizer": "tokenizers_py.siglip",
}
MODELS = {
    "BertTokenizer": "align bert blip chinese_clip chinese_clip_text_model flava",
    "CLIPTokenizer": "aimv2 clip clip_text_model clipseg groupvit owlv2 owlvit xclip",
    "RobertaTokenizer": "bridgetower roberta",
    "SiglipTokenizer": "siglip siglip_text_model",
}
_OF_MODEL = {model: name for name, models in MODELS.items() for model in models.split()}
_ANY = ("PreTrainedTokenizer", "TokenizersBackend")  # say nothing about the model
_GEMMA = "; SigLIP 2 has Gemma's tokenizer, whose 256,000 pieces are merged by BPE: not supported"
_WHY_NOT = dict.fromkeys(("GemmaTokenizer", "Siglip2Tokenizer", "siglip2"), _GEMMA)


class AutoTokenizer:
    """Reads the tokenizer of a folder or a hub id, whatever its model.

    >>> import tempfile
    >>> from tokenizers_py import CLIPTokenizer
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = CLIPTokenizer().save_pretrained(folder)
    ...     AutoTokenizer.from_pretrained(folder)("a cat").input_ids
    [49406, 320, 2368, 49407]
    """

    def __init__(self) -> None:
        raise TokenizerError("AutoTokenizer: call AutoTokenizer.from_pretrained(name_or_folder)")

    @classmethod
    def from_pretrained(
        cls,
        name_or_folder: FilePath,
        *,
        profile: str | None = None,
        revision: str | None = None,
        cache_dir: FilePath | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
        **overrides: Any,
    ) -> PreTrainedTokenizer:
        """Read a tokenizer; arguments as of PreTrainedTokenizer.from_pretrained.

        Raises:
            TokenizerError: As there; or nothing in the folder tells which class it is for.
        """
        folder = resolve(
            name_or_folder,
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            token=token,
        )
        files = read_folder(folder)
        name = tokenizer_class(files)
        chosen: type[PreTrainedTokenizer] = getattr(importlib.import_module(CLASSES[name]), name)
        return chosen.from_files(files, profile=profile, **overrides)


def tokenizer_class(files: TokenizerFiles) -> str:
    """Name the class for a folder: by its settings, else its model, else its vocabulary.

    Raises:
        TokenizerError: The class or model is none of ours, or nothing tells.
    """
    named = files.config.get("tokenizer_class")
    if named is not None:
        if not isinstance(named, str):
            raise TokenizerError(f"{files.where('tokenizer_class')}: must be text; got {named!r}")
        name = named.removesuffix("Fast")
        if name in CLASSES:
            return name
        if name not in _ANY:
            raise TokenizerError(
                f"{files.where('tokenizer_class')}: {shown(named)} is not supported; there are "
                f"{', '.join(CLASSES)}{_WHY_NOT.get(name, '')}"
            )
    model = files.model_type()
    if model is not None:
        if model in _OF_MODEL:
            return _OF_MODEL[model]
        raise TokenizerError(
            f'{files.root / "config.json"}, "model_type": there is no tokenizer for '
            f"{shown(model)}, only for {', '.join(sorted(_OF_MODEL))}{_WHY_NOT.get(model, '')}"
        )
    if (found := _by_vocabulary(files)) is not None:
        return found
    raise TokenizerError(
        f"{files.root}: no tokenizer to be seen: {CONFIG} names no tokenizer_class, config.json no "
        f"model_type, and there is no spiece.model, vocab.txt, vocab.json or {SINGLE} of a known "
        "kind"
    )


def _by_vocabulary(files: TokenizerFiles) -> str | None:
    """Tell the class by the vocabulary files, or by the model in tokenizer.json."""
    if files.path("spiece.model"):
        return "SiglipTokenizer"
    if files.path("vocab.txt"):
        return "BertTokenizer"
    if files.path("bpe_simple_vocab_16e6.txt.gz"):
        return "CLIPTokenizer"
    if path := files.path("vocab.json"):
        return _by_tokens(read_json_object(path))
    model = (files.tokenizer_json or {}).get("model")
    if not isinstance(model, dict):
        return None
    if model.get("type") == "WordPiece":
        return "BertTokenizer"
    return _by_tokens(model.get("vocab")) if model.get("type") == "BPE" else None


def _by_tokens(vocabulary: object) -> str | None:
    """Tell CLIP's vocabulary by its end of a word, RoBERTa's by its start and end tokens."""
    if not isinstance(vocabulary, dict):
        return None
    if "!</w>" in vocabulary or "<|startoftext|>" in vocabulary:
        return "CLIPTokenizer"
    return "RobertaTokenizer" if {"<s>", "</s>"} <= vocabulary.keys() else None
