"""Text to token ids, from scratch: one algorithm a file, one thin file per model's tokenizer.

Read in the order the text travels: text/ (changing it in small steps and cutting it into words),
then an algorithm: bpe.py, wordpiece.py, or unigram.py with the format around it in sentencepiece/.
clip.py, bert.py, roberta.py and siglip.py join them, a few pages each. What a call can do is in
calls/, reading and writing files in folders/, and training/ makes new vocabularies.
This package knows nobody else in the project, and importing it loads nothing until a name is used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from tokenizers_py.errors import TokenizerError

if TYPE_CHECKING:
    from tokenizers_py.auto import AutoTokenizer
    from tokenizers_py.bert import BertTokenizer, BertTokenizerFast
    from tokenizers_py.calls.added_tokens import AddedToken
    from tokenizers_py.calls.batching import BatchEncoding
    from tokenizers_py.clip import CLIPTokenizer, CLIPTokenizerFast
    from tokenizers_py.roberta import RobertaTokenizer, RobertaTokenizerFast
    from tokenizers_py.sentencepiece.processor import SentencePieceProcessor
    from tokenizers_py.siglip import SiglipTokenizer

_HOME = {
    "AddedToken": "tokenizers_py.calls.added_tokens",
    "AutoTokenizer": "tokenizers_py.auto",
    "BatchEncoding": "tokenizers_py.calls.batching",
    "BertTokenizer": "tokenizers_py.bert",
    "BertTokenizerFast": "tokenizers_py.bert",
    "CLIPTokenizer": "tokenizers_py.clip",
    "CLIPTokenizerFast": "tokenizers_py.clip",
    "RobertaTokenizer": "tokenizers_py.roberta",
    "RobertaTokenizerFast": "tokenizers_py.roberta",
    "SentencePieceProcessor": "tokenizers_py.sentencepiece.processor",
    "SiglipTokenizer": "tokenizers_py.siglip",
}

__all__ = [
    "AddedToken",
    "AutoTokenizer",
    "BatchEncoding",
    "BertTokenizer",
    "BertTokenizerFast",
    "CLIPTokenizer",
    "CLIPTokenizerFast",
    "RobertaTokenizer",
    "RobertaTokenizerFast",
    "SentencePieceProcessor",
    "SiglipTokenizer",
    "TokenizerError",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
