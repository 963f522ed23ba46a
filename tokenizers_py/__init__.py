"""Text to token ids, from scratch: one algorithm a file, one thin file per model's tokenizer.

Read in the order the text travels: normalization.py (clean it), pre_tokenization.py (cut it into
words), bpe.py (cut the words into vocabulary entries), batching.py (cut and pad to equal length).
vocabulary.py and pretrained.py read and write the files; clip.py joins all of it, and the calls
that every tokenizer has are in calls.py.
This package knows nobody else in the project, and importing it loads nothing until a name is used.
"""

from typing import TYPE_CHECKING, Any

from tokenizers_py.errors import TokenizerError

if TYPE_CHECKING:
    from tokenizers_py.batching import BatchEncoding
    from tokenizers_py.clip import CLIPTokenizer

__all__ = ["BatchEncoding", "CLIPTokenizer", "TokenizerError"]


def __getattr__(name: str) -> Any:
    if name == "CLIPTokenizer":
        from tokenizers_py.clip import CLIPTokenizer

        return CLIPTokenizer
    if name == "BatchEncoding":
        from tokenizers_py.batching import BatchEncoding

        return BatchEncoding
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
