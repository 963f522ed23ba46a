"""BERT's tokenizer, for Chinese-CLIP and for text towers that are a BERT: WordPiece on clean words.

Text is cleaned and cut into words (text/bert_text.py), each word into entries of the vocabulary
(wordpiece.py). Batches, pairs, padding and added tokens are the same for every tokenizer
(calls/tokenizer.py), folders too (folders/pretrained.py).

Source: transformers 5.23.0 and 4.57.6, models/bert; tokenizers 0.23.3 (normalizers/bert.rs,
pre_tokenizers/bert.rs, models/wordpiece, decoders/wordpiece.rs); cn_clip 1.6.0,
clip/bert_tokenizer.py and clip/utils.py.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tokenizers_py.bert_files import read_bert_folder
from tokenizers_py.calls.added_tokens import AddedToken
from tokenizers_py.calls.pieces import ExplainedWord, Piece
from tokenizers_py.calls.template import Template
from tokenizers_py.calls.token_table import check_tokens
from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import FilePath, check_ids, read_json_object
from tokenizers_py.folders.pretrained import NO_LIMIT, PreTrainedTokenizer, TokenizerFiles
from tokenizers_py.text.alignment import AlignedText
from tokenizers_py.text.bert_text import (
    CN_CLIP,
    PROFILES,
    SLOW,
    TRANSFORMERS,
    WordSplitter,
    bert_normalizer,
    unicode_of,
)
from tokenizers_py.text.normalization import check_no_surrogates
from tokenizers_py.text.siglip_text import LowerOutside
from tokenizers_py.wordpiece import (
    CN_CLIP_TIDIES,
    RUST_TIDIES,
    WordPiece,
    after_others,
    join_pieces,
    read_vocab_txt,
    tidied,
    write_vocab_txt,
)

CONTEXT_LENGTH = 52  # of Chinese-CLIP, [CLS] and [SEP] included
MAX_LETTERS = {TRANSFORMERS: 100, SLOW: 100, CN_CLIP: 200}  # a longer word is unknown
CACHE_WORDS = 50_000  # the cache of words is emptied when it holds so many
CACHE_LETTERS = 64  # longer words are not worth keeping


class BertTokenizer(PreTrainedTokenizer):
    """Text to token ids and back, by WordPiece.

    Args:
        vocab_file: vocab.txt.
        vocabulary: A vocabulary that was read already, token to id, in place of the file.
        profile: Which upstream to be equal to; see below.
        do_lower_case: Whether to lower-case; False for a cased vocabulary.
        strip_accents: Whether to strip accents; None: where case is lowered.
        tokenize_chinese_chars: Whether each ideograph is a word; BERT for Japanese says False.
        unk_token: Stands for a word that the vocabulary cannot spell.
        sep_token: Stands after each text.
        pad_token: Fills short rows.
        cls_token: Stands before the text, or before the first of a pair.
        mask_token: Stands for a hidden word in training; None for a vocabulary without one.
        model_max_length: Length that the model can take; 52 under "cn_clip", else none.
        padding_side: "right" or "left".
        truncation_side: "right" or "left".
        added_tokens: Further tokens that are found in the text, by id.
        clean_up_tokenization_spaces: Whether `decode` removes the spaces before punctuation; as
            the upstream does when None.

    The profiles:

    - "transformers": BertTokenizer of Transformers 5 and BertTokenizerFast of 4, which is what
      most BERT checkpoints in the hub's form meet. Default.
    - "transformers-slow": BertTokenizer of Transformers 4. It reads Unicode as the Python that
      runs does (newer accents and punctuation), drops unassigned characters, and composes letters
      and accents where accents are kept.
    - "cn_clip": the original Chinese-CLIP, which its released checkpoints were trained with, and
      so the default for a folder whose config.json says "chinese_clip". Words of up to 200
      letters; "[MASK]" and the like in a text are ordinary text; 52 tokens.

    Raises:
        TokenizerError: The vocabulary breaks a rule (see wordpiece.py) or lacks a special token;
            or an option has no such value.

    >>> ids = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "cat": 5, "##s": 6}
    >>> tokenizer = BertTokenizer(vocabulary=ids)
    >>> tokenizer("CATS, Càt [MASK]")["input_ids"]
    [2, 5, 6, 1, 5, 4, 3]
    """

    template = Template(("cls_token",), ("sep_token",), ("sep_token",), second_type=1)
    model_input_names = ("input_ids", "token_type_ids", "attention_mask")
    _remade = ("normalizer", "_words", "_first_step", "_cache")

    def __init__(
        self,
        vocab_file: FilePath | None = None,
        *,
        vocabulary: Mapping[str, int] | None = None,
        profile: str = TRANSFORMERS,
        do_lower_case: bool = True,
        strip_accents: bool | None = None,
        tokenize_chinese_chars: bool = True,
        unk_token: str = "[UNK]",
        sep_token: str = "[SEP]",
        pad_token: str = "[PAD]",
        cls_token: str = "[CLS]",
        mask_token: str | None = "[MASK]",
        model_max_length: int | None = None,
        padding_side: str = "right",
        truncation_side: str = "right",
        added_tokens: Mapping[int, AddedToken] | None = None,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> None:
        _check_options(profile, do_lower_case, strip_accents, tokenize_chinese_chars)
        self.profile = profile
        self.slow = self.odd_to_first = profile == SLOW
        self.do_lower_case = do_lower_case
        self.strip_accents = strip_accents
        self.tokenize_chinese_chars = tokenize_chinese_chars
        special = {
            "unk_token": unk_token,
            "sep_token": sep_token,
            "pad_token": pad_token,
            "cls_token": cls_token,
            "mask_token": mask_token,
        }
        self._vocabulary = _read(vocab_file, vocabulary)
        self._cut = WordPiece(self._vocabulary, unk_token, MAX_LETTERS[profile])
        if model_max_length is None:
            model_max_length = CONTEXT_LENGTH if profile == CN_CLIP else NO_LIMIT
        if clean_up_tokenization_spaces is None:
            clean_up_tokenization_spaces = profile == SLOW
        super().__init__(
            dict(self._vocabulary),
            special,
            model_max_length=model_max_length,
            padding_side=padding_side,
            truncation_side=truncation_side,
            added_tokens=added_tokens,
            specials_in_text=profile != CN_CLIP,
            clean_up_tokenization_spaces=clean_up_tokenization_spaces,
        )

    @classmethod
    def default_profile(cls, files: TokenizerFiles) -> str | None:
        """Choose "cn_clip" for a Chinese-CLIP checkpoint: it was trained with that tokenizer."""
        config = files.path("config.json")
        if config is not None and read_json_object(config).get("model_type") == "chinese_clip":
            return CN_CLIP
        return None

    @classmethod
    def _read_vocabulary(cls, files: TokenizerFiles) -> dict[str, Any]:
        return read_bert_folder(files)

    def _vocabulary_files(self) -> dict[str, bytes]:
        return {"vocab.txt": write_vocab_txt(self._vocabulary)}

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Turn tokens back into text: a space before each word, as each upstream tidies it.

        >>> ids = {t: n for n, t in enumerate("[PAD] [UNK] [CLS] [SEP] [MASK]".split())}
        >>> BertTokenizer(vocabulary=ids).convert_tokens_to_string(["cat", "##s", "!", "n't"])
        "cats!n't"
        """
        tokens = check_tokens(tokens)
        if self.profile == TRANSFORMERS:
            first, rest = tokens[:1], tokens[1:]
            return "".join(
                [tidied(token, RUST_TIDIES) for token in first] + [*map(after_others, rest)]
            )
        text = join_pieces(tokens)
        return tidied(text, CN_CLIP_TIDIES) if self.profile == CN_CLIP else text

    def _set_special(self, name: str, token: str) -> None:
        if name == "unk_token" and token not in self._vocabulary:
            raise TokenizerError(f"unk_token: {token!r:.60} is not in the vocabulary")
        super()._set_special(name, token)
        self._set_text_steps()
        self._cut.unknown = self._special.get("unk_token", self._cut.unknown)

    def _refresh_added(self) -> None:
        self._set_text_steps()
        super()._refresh_added()

    def _as_added(self, token: Any, special: bool) -> AddedToken:
        added = super()._as_added(token, special)
        if self.slow and self.do_lower_case and added.normalized and not added.special:
            return replace(added, content=added.content.lower())
        return added

    def _set_text_steps(self) -> None:
        extra = [token.content for token in self._added.values() if token.special]
        spared = tuple(dict.fromkeys([*self._special.values(), *extra])) if self.slow else ()
        self.normalizer = bert_normalizer(
            self.profile,
            lower_case=self.do_lower_case,
            strip_accents=self.strip_accents,
            ideographs=self.tokenize_chinese_chars,
            never_changed=spared,
        )
        # Lower-case before special tokens are looked for, so that "<S>" is "<s>".
        self._first_step = LowerOutside(spared) if spared and self.do_lower_case else None
        self._words = _splitter(self.profile, spared)
        self._cache: dict[str, list[int]] = {}

    def _text_ids(self, text: str, split_special: bool = False) -> list[int]:
        return super()._text_ids(
            self._first_step(text) if self._first_step else text, split_special
        )

    def _text_pieces(self, text: str, split_special: bool = False) -> list[Piece]:
        if self._first_step is None:
            return super()._text_pieces(text, split_special)
        changed = self._first_step.align(AlignedText.of(text))
        pieces = super()._text_pieces(changed.text, split_special)
        return [
            piece._replace(start=start, end=end)
            for piece in pieces
            for start, end in [changed.span(piece.start, piece.end)]
        ]

    def _segment_ids(self, text: str, first: bool) -> list[int]:
        ids: list[int] = []
        for word in self._words(text):
            ids += self._cache.get(word) or self._word_ids(word)
        return ids

    def _segment_pieces(self, text: AlignedText, first: bool) -> list[Piece]:
        pieces: list[Piece] = []
        for number, (start, end) in enumerate(self._words.spans(text.text)):
            if self.profile == TRANSFORMERS:
                check_no_surrogates(text.text[start:end])
            for token, begins, stops in self._cut.pieces(text.text[start:end]):
                span = text.span(start + begins, start + stops)
                pieces.append(Piece(token, self._vocabulary[token], *span, number))
        return pieces

    def _explain_segment(self, text: AlignedText, first: bool) -> list[ExplainedWord]:
        pieces: dict[int | None, list[Piece]] = {}
        for piece in self._segment_pieces(text, first):
            pieces.setdefault(piece.word, []).append(piece)
        return [
            ExplainedWord(
                text.text[start:end],
                *text.span(start, end),
                tuple(self._cut.steps(text.text[start:end])),
                tuple(pieces.get(number, ())),
            )
            for number, (start, end) in enumerate(self._words.spans(text.text))
        ]

    def _word_ids(self, word: str) -> list[int]:
        if self.profile == TRANSFORMERS:
            check_no_surrogates(word)
        ids = self._cut.ids(word)
        if len(self._cache) >= CACHE_WORDS:
            self._cache.clear()
        if len(word) <= CACHE_LETTERS:
            self._cache[word] = ids
        return ids


BertTokenizerFast = BertTokenizer  # the name that version 4 has for its Rust-backed one


@functools.lru_cache(maxsize=16)
def _splitter(profile: str, spared: tuple[str, ...]) -> WordSplitter:
    return WordSplitter(unicode_of(profile), spared)


def _read(vocab_file: FilePath | None, vocabulary: Mapping[str, int] | None) -> dict[str, int]:
    if (vocab_file is None) == (vocabulary is None):
        raise TokenizerError("vocab_file: pass either it or vocabulary, one of them")
    if vocabulary is not None:
        return check_ids(dict(vocabulary), "vocabulary")
    assert vocab_file is not None
    return read_vocab_txt(vocab_file)


def _check_options(
    profile: str, do_lower_case: object, strip_accents: object, tokenize_chinese_chars: object
) -> None:
    if profile not in PROFILES:
        raise TokenizerError(f"profile: must be one of {', '.join(PROFILES)}; got {profile!r:.60}")
    for name, value, allowed in (
        ("do_lower_case", do_lower_case, (True, False)),
        ("strip_accents", strip_accents, (True, False, None)),
        ("tokenize_chinese_chars", tokenize_chinese_chars, (True, False)),
    ):
        if not any(value is one for one in allowed):
            raise TokenizerError(f"{name}: must be one of {allowed}; got {value!r:.60}")
