"""CLIP's tokenizer: the parts of this package joined, with the calls of Transformers 4.

Text is cleaned (text/normalization.py), cut into words (text/pre_tokenization.py), each word into tokens
(word_encoder.py, bpe.py). Batches, padding and the way back from ids are the same for every
tokenizer (calls/tokenizer.py). There are three upstreams, which disagree on some texts; `PROFILES` names
them.

Source: openai/CLIP d05afc4, clip/simple_tokenizer.py; transformers 5.23.0 and 4.57.6, models/clip/.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers_py.bpe import END_OF_WORD, check_errors, text_of_tokens
from tokenizers_py.calls.added_tokens import AddedToken
from tokenizers_py.calls.pieces import ExplainedWord, Piece
from tokenizers_py.calls.template import Template
from tokenizers_py.calls.token_table import check_tokens
from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import FilePath
from tokenizers_py.folders.pretrained import NO_LIMIT, PreTrainedTokenizer
from tokenizers_py.folders.reading import TokenizerFiles
from tokenizers_py.folders.tokenizer_json import (
    CLIP_NORMALIZERS,
    CLIP_PRE_TOKENIZERS,
    check_steps,
    read_bpe,
)
from tokenizers_py.folders.writing import merges_bytes, vocab_bytes
from tokenizers_py.text.alignment import AlignedText
from tokenizers_py.text.normalization import (
    CLIP_OPENAI,
    CLIP_TRANSFORMERS,
    CLIP_TRANSFORMERS_SLOW,
)
from tokenizers_py.text.pre_tokenization import transformers_pattern, word_pattern
from tokenizers_py.vocabulary import (
    MERGE_LIMIT,
    SPECIAL_TOKENS,
    Vocabulary,
    shipped_vocabulary,
    vocabulary_from_files,
)
from tokenizers_py.word_encoder import WordEncoder

START, END = SPECIAL_TOKENS
SPECIAL_NAMES = ("bos_token", "eos_token", "unk_token", "pad_token")
OPENAI_FILE = "bpe_simple_vocab_16e6.txt.gz"

# The upstreams, each with how it cleans text. "openai": OpenAI's own code, which the released
# weights were trained with. "transformers": Transformers 5, and 4's fast tokenizer.
# "transformers-slow": 4.57.6's slow tokenizer where ftfy is not installed.
OPENAI, TRANSFORMERS, SLOW = "openai", "transformers", "transformers-slow"
PROFILES = {
    OPENAI: CLIP_OPENAI,
    TRANSFORMERS: CLIP_TRANSFORMERS,
    SLOW: CLIP_TRANSFORMERS_SLOW,
}


class CLIPTokenizer(PreTrainedTokenizer):
    """Text to token ids and back, equal on every text to the upstream that `profile` names.

    Args:
        vocab_file: vocab.json; without it the merges give the ids, as in the original.
        merges_file: merges.txt, of which 48,894 merges count, under "transformers" all; without both files it is CLIP's vocabulary of 49,408 tokens.
        vocabulary: A vocabulary that was read already, in place of the files.
        profile: "openai" (what the released models were trained with), "transformers" or
            "transformers-slow"; see PROFILES.
        bos_token: Stands before each text; found inside a text too, as is `eos_token`.
        eos_token: Stands after each text; where it stands, CLIP pools.
        unk_token: Taken for what is not in the vocabulary (never happens with CLIP's own).
        pad_token: Fills short rows. OpenAI's own code pads with id 0, which is the token "!".
        errors: What becomes of bytes that are no UTF-8 when ids are decoded; as in `bytes.decode`.
        model_max_length: Length that the model can take; 77 for CLIP's own vocabulary, else none.
        padding_side: "right" or "left".
        truncation_side: "right" or "left".
        added_tokens: Further tokens, by id.
        clean_up_tokenization_spaces: Whether `decode` removes the spaces before punctuation.

    Raises:
        TokenizerError: A file breaks a rule (see vocabulary.py), or a special token is missing.

    Trap: the end token stays last when a text is cut, and it is the pad token too, so only
    `attention_mask` tells padding from the end.

    >>> tokenizer = CLIPTokenizer()
    >>> tokenizer("a photo of a cat")["input_ids"]
    [49406, 320, 1125, 539, 320, 2368, 49407]
    >>> tokenizer(["a cat", "a photo"], padding="max_length", return_tensors="np").input_ids.shape
    (2, 77)
    >>> [CLIPTokenizer(profile=name).tokenize("ﬁ") for name in ("openai", "transformers")]
    [['fi</w>'], ['ï', '¬', 'ģ</w>']]
    """

    template = Template(("bos_token",), ("eos_token", "eos_token"), ("eos_token",))
    keeps_spaces = True

    def __init__(
        self,
        vocab_file: FilePath | None = None,
        merges_file: FilePath | None = None,
        *,
        vocabulary: Vocabulary | None = None,
        profile: str = OPENAI,
        bos_token: str = START,
        eos_token: str = END,
        unk_token: str = END,
        pad_token: str = END,
        errors: str = "replace",
        model_max_length: int | None = None,
        padding_side: str = "right",
        truncation_side: str = "right",
        added_tokens: Mapping[int, AddedToken] | None = None,
        clean_up_tokenization_spaces: bool = False,
    ) -> None:
        if profile not in PROFILES:
            raise TokenizerError(
                f"profile: must be one of {', '.join(PROFILES)}; got {profile!r:.60}"
            )
        shipped = vocab_file is None and merges_file is None and vocabulary is None
        if vocabulary is None:
            vocabulary = _read(vocab_file, merges_file, (bos_token, eos_token), profile)
        elif vocab_file is not None or merges_file is not None:
            raise TokenizerError("vocabulary: pass either it or files, not both")
        else:
            vocabulary = _cut(vocabulary, profile)
        if model_max_length is None:
            model_max_length = 77 if shipped else NO_LIMIT
        self.profile = profile
        self.slow = self.odd_to_first = profile == SLOW
        self.errors = check_errors(errors)
        self.normalizer = PROFILES[profile]
        self._vocabulary = vocabulary
        self._made_for: dict[str, str] | None = None
        tokens = (bos_token, eos_token, unk_token, pad_token)
        super().__init__(
            vocabulary.ids,
            dict(zip(SPECIAL_NAMES, tokens, strict=True)),
            model_max_length=model_max_length,
            padding_side=padding_side,
            truncation_side=truncation_side,
            added_tokens=added_tokens,
            specials_in_text=profile != OPENAI,
            clean_up_tokenization_spaces=clean_up_tokenization_spaces,
        )

    @classmethod
    def _read_vocabulary(cls, files: TokenizerFiles) -> dict[str, Any]:
        vocab, merges = files.path("vocab.json"), files.path("merges.txt")
        if vocab and merges:
            return {"vocab_file": vocab, "merges_file": merges}
        if files.tokenizer_json is not None:
            model = read_bpe(files, END_OF_WORD)
            check_steps(files, "normalizer", *CLIP_NORMALIZERS)
            check_steps(files, "pre_tokenizer", *CLIP_PRE_TOKENIZERS)
            vocabulary = Vocabulary(model.ids, {pair: n for n, pair in enumerate(model.merges)})
            return {"vocabulary": vocabulary}
        if packed := files.path(OPENAI_FILE):
            return {"vocabulary": vocabulary_from_files(None, packed), "model_max_length": 77}
        raise files.missing(("vocab.json", "merges.txt"), ("tokenizer.json",), (OPENAI_FILE,))

    def _vocabulary_files(self) -> dict[str, bytes]:
        return {
            "vocab.json": vocab_bytes(self._vocabulary.ids),
            "merges.txt": merges_bytes(self._vocabulary.ranks),
        }

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Turn tokens back into text."""
        return text_of_tokens(check_tokens(tokens), END_OF_WORD, self.errors).strip()

    def _segment_ids(self, text: str, first: bool) -> list[int]:
        return self._words().encode(text)

    def _segment_pieces(self, text: AlignedText, first: bool) -> list[Piece]:
        return self._words().pieces(text)

    def _explain_segment(self, text: AlignedText, first: bool) -> list[ExplainedWord]:
        return self._words().explain(text)

    def _words(self) -> WordEncoder:
        """Give what finds and encodes words; made anew when the special tokens have changed."""
        if self._made_for is not self._special:
            self._encoder = self._make_encoder()
            self._made_for = self._special
        return self._encoder

    def _make_encoder(self) -> WordEncoder:
        """Say how words are found and encoded, special tokens that stand in the text included.

        OpenAI's expression finds them, in any case: text is in lower case by then. So does that
        of the slow tokenizer, which knows CLIP's own two only. That of Transformers 5 finds them
        too, but cuts what it has found once more, as GPT-2 cuts words.
        """
        ends = [self._special[end] for end in ("bos_token", "eos_token") if end in self._special]
        tokens = ends if self.profile == OPENAI else SPECIAL_TOKENS
        fixed: dict[str, tuple[str, int]] = {}
        split: dict[str, tuple[str, ...]] = {}
        if self.profile == TRANSFORMERS:
            pattern = transformers_pattern(SPECIAL_TOKENS)
            split = {token: ("<|", token[2:-2], "|>") for token in SPECIAL_TOKENS}
        else:
            pattern = word_pattern(tuple(tokens))
            fixed = {
                token.lower(): (token, self._ids[token]) for token in tokens if token in self._ids
            }
        return WordEncoder(
            self._vocabulary,
            pattern,
            self.unk_token_id,
            END_OF_WORD,
            fixed=fixed,
            split=split,
            spaces_part=not any(" " in token for token in tokens),
        )


CLIPTokenizerFast = CLIPTokenizer  # the name that version 4 has for its Rust-backed one


def _read(
    vocab_file: FilePath | None,
    merges_file: FilePath | None,
    special_tokens: tuple[str, str],
    profile: str,
) -> Vocabulary:
    if merges_file is not None:
        whole = vocab_file is not None and profile == TRANSFORMERS
        limit = None if whole else MERGE_LIMIT
        return vocabulary_from_files(vocab_file, merges_file, special_tokens, limit)
    if vocab_file is not None:
        raise TokenizerError(f"{vocab_file}: needs its merges too; pass merges_file")
    return shipped_vocabulary()


def _cut(vocabulary: Vocabulary, profile: str) -> Vocabulary:
    """Leave the merges out that an upstream does not read, where a vocabulary has so many.

    OpenAI's code and Transformers 4's slow tokenizer read 48,894 merges and no more. Version 5
    reads all, as does 4's fast tokenizer out of tokenizer.json.
    """
    if profile == TRANSFORMERS or len(vocabulary.ranks) <= MERGE_LIMIT:
        return vocabulary
    ranks = {pair: rank for pair, rank in vocabulary.ranks.items() if rank < MERGE_LIMIT}
    return Vocabulary(vocabulary.ids, ranks)
