"""CLIP's tokenizer: the parts of this package joined, with the calls of Transformers 4.

Text is cleaned (normalization.py), cut into words (pre_tokenization.py), each word into tokens
(bpe.py). Batches, padding and the way back from ids are the same for every tokenizer (calls.py).

Source: openai/CLIP d05afc4, clip/simple_tokenizer.py (the ids); transformers 4.57.6,
models/clip/tokenization_clip.py (the calls).
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from tokenizers_py.alignment import AlignedText
from tokenizers_py.bpe import merge_symbols, text_of_tokens, word_symbols
from tokenizers_py.calls import TokenizerCalls
from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import FilePath
from tokenizers_py.normalization import CLIP_OPENAI
from tokenizers_py.pieces import Piece
from tokenizers_py.pre_tokenization import split_words, word_pattern
from tokenizers_py.pretrained import (
    NO_LIMIT,
    add_tokens,
    folder_files,
    read_folder,
    write_folder,
)
from tokenizers_py.template import Template
from tokenizers_py.vocabulary import (
    SPECIAL_TOKENS,
    Vocabulary,
    shipped_vocabulary,
    vocabulary_from_files,
)

START, END = SPECIAL_TOKENS
SPECIAL_NAMES = ("bos_token", "eos_token", "unk_token", "pad_token")
DEFAULTS = dict(zip(SPECIAL_NAMES, (START, END, END, END), strict=True))
CACHE_WORDS = 50_000  # the cache of words is emptied when it holds so many
CACHE_LETTERS = 64  # longer words are not worth keeping
Self = TypeVar("Self", bound="CLIPTokenizer")


class CLIPTokenizer(TokenizerCalls):
    """Text to token ids and back, equal to OpenAI's own tokenizer on every text.

    Args:
        vocab_file: vocab.json; without it the merges give the ids, as in the original.
        merges_file: merges.txt; without both files it is CLIP's vocabulary of 49,408 tokens.
        vocabulary: A vocabulary that was read already, in place of the files.
        bos_token: Stands before each text; found inside a text too, as is `eos_token`.
        eos_token: Stands after each text; where it stands, CLIP pools.
        unk_token: Taken for what is not in the vocabulary (never happens with CLIP's own).
        pad_token: Fills short rows. OpenAI's own code pads with id 0, which is the token "!".
        model_max_length: Length that the model can take; 77 for CLIP's own vocabulary, else none.
        padding_side: "right" or "left".

    Raises:
        TokenizerError: A file breaks a rule (see vocabulary.py), or a special token is missing.

    Trap: the end token stays last when a text is cut, and it is the pad token too, so only
    `attention_mask` tells padding from the end.

    >>> tokenizer = CLIPTokenizer()
    >>> tokenizer("a photo of a cat")["input_ids"]
    [49406, 320, 1125, 539, 320, 2368, 49407]
    >>> tokenizer(["a cat", "a photo"], padding="max_length", return_tensors="np").input_ids.shape
    (2, 77)
    """

    template = Template(("bos_token",), ("eos_token", "eos_token"), ("eos_token",))
    normalizer = CLIP_OPENAI

    def __init__(
        self,
        vocab_file: FilePath | None = None,
        merges_file: FilePath | None = None,
        *,
        vocabulary: Vocabulary | None = None,
        bos_token: str = START,
        eos_token: str = END,
        unk_token: str = END,
        pad_token: str = END,
        model_max_length: int | None = None,
        padding_side: str = "right",
    ) -> None:
        shipped = vocab_file is None and merges_file is None and vocabulary is None
        if vocabulary is None:
            vocabulary = _read(vocab_file, merges_file, (bos_token, eos_token))
        elif vocab_file is not None or merges_file is not None:
            raise TokenizerError("vocabulary: pass either it or files, not both")
        if model_max_length is None:
            model_max_length = 77 if shipped else NO_LIMIT
        self._vocabulary = vocabulary
        tokens = (bos_token, eos_token, unk_token, pad_token)
        super().__init__(
            vocabulary.ids,
            dict(zip(SPECIAL_NAMES, tokens, strict=True)),
            model_max_length=model_max_length,
            padding_side=padding_side,
        )

    @classmethod
    def from_pretrained(cls: type[Self], folder: FilePath, **overrides: Any) -> Self:
        """Read a folder as Transformers 4 or 5 writes it; keywords of the class go before files.

        Raises:
            TokenizerError: See pretrained.read_folder.
        """
        vocabulary, added, settings = read_folder(folder)
        settings |= overrides
        special = [settings.get(name, default) for name, default in DEFAULTS.items()]
        try:
            return cls(vocabulary=add_tokens(vocabulary, added, special), **settings)
        except TokenizerError as error:
            raise TokenizerError(f"{folder}: {error}") from error

    def save_pretrained(self, folder: FilePath) -> tuple[str, ...]:
        """Write vocab.json, merges.txt and two config files; returns their paths.

        Raises:
            TokenizerError: See pretrained.write_folder. What was in the folder is then unchanged.
        """
        settings = {
            **self._special,
            "model_max_length": self.model_max_length,
            "padding_side": self.padding_side,
        }
        return write_folder(folder, folder_files(self._vocabulary, settings))

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Turn tokens back into text."""
        return text_of_tokens(tokens).strip()

    def _set_special(self, name: str, token: str) -> None:
        super()._set_special(name, token)
        # Text is in lower case when words are looked for, whatever the tokens' own case is.
        ends = [self._special[end] for end in ("bos_token", "eos_token") if end in self._special]
        self._in_text = {token.lower(): token for token in ends}
        self._cache: dict[str, tuple[int, ...]] = {}

    def _word_tokens(self, word: str) -> list[str]:
        if word in self._in_text:
            return [self._in_text[word]]
        return merge_symbols(word_symbols(word), self._vocabulary.ranks)

    def _segment_ids(self, text: str, first: bool) -> list[int]:
        ids: list[int] = []
        for word in split_words(text, (self.bos_token, self.eos_token)):
            ids += self._cache.get(word) or self._word_ids(word)
        return ids

    def _segment_pieces(self, text: AlignedText, first: bool) -> list[Piece]:
        pattern = word_pattern((self.bos_token, self.eos_token))
        pieces: list[Piece] = []
        for number, match in enumerate(pattern.finditer(text.text)):
            for token in self._word_tokens(match[0]):
                start, end = text.span(*match.span())
                number_of = self._ids.get(token, self.unk_token_id)
                pieces.append(Piece(token, number_of, start, end, number))
        return pieces

    def _word_ids(self, word: str) -> tuple[int, ...]:
        unknown = self.unk_token_id
        ids = tuple(self._ids.get(token, unknown) for token in self._word_tokens(word))
        if len(self._cache) >= CACHE_WORDS:
            self._cache.clear()
        if len(word) <= CACHE_LETTERS:
            self._cache[word] = ids
        return ids


def _read(
    vocab_file: FilePath | None, merges_file: FilePath | None, special_tokens: tuple[str, str]
) -> Vocabulary:
    if merges_file is not None:
        return vocabulary_from_files(vocab_file, merges_file, special_tokens)
    if vocab_file is not None:
        raise TokenizerError(f"{vocab_file}: needs its merges too; pass merges_file")
    return shipped_vocabulary()
