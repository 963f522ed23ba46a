"""SigLIP's tokenizer: text cleaned, then cut into pieces by a SentencePiece unigram model.

The cleaning is text/siglip_text.py's, the cutting sentencepiece/'s; here the two are joined as each
upstream joins them (`PROFILES`), with the calls that every tokenizer has (calls/tokenizer.py).

How the released checkpoints got their text, all in google-research/big_vision 0127fb6:
`tokenize(max_len=64, model="c4_en", eos="sticky", pad_value=1)` ("mc4" for the i18n ones), in
configs/proj/image_text/SigLIP_demo.ipynb and the trainer's configs; pp/ops_text.py says what it
does. `lower=True` is `tf.strings.lower` without an encoding, which lower-cases A to Z only: "É"
stays as it is. Punctuation stays. "</s>" is added after every text and stays last when a long one
is cut ("sticky"); what is left of the 64 is filled with id 1, which is "</s>" too, not "<pad>".
Only zero-shot evaluation takes punctuation away, from prompts and class names, before all that
(`canonicalize_text`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tokenizers_py.calls.added_tokens import AddedToken, TokenFinder
from tokenizers_py.calls.pieces import ExplainedWord, Piece
from tokenizers_py.calls.segments import Stretch
from tokenizers_py.calls.template import Frame, Template
from tokenizers_py.calls.token_table import check_tokens
from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import FilePath
from tokenizers_py.folders.pretrained import PreTrainedTokenizer, TokenizerFiles
from tokenizers_py.siglip_frame import EndOnce
from tokenizers_py.siglip_model import SiglipModel
from tokenizers_py.text import siglip_text
from tokenizers_py.text.alignment import AlignedText, Step
from tokenizers_py.text.normalization import check_text
from tokenizers_py.text.siglip_text import META_SPACE, PROFILES, SAME

VOCAB_FILE = "spiece.model"


class SiglipTokenizer(PreTrainedTokenizer):
    """Text to token ids and back, as SigLIP's checkpoints were given their text.

    Args:
        vocab_file: The SentencePiece model, "spiece.model".
        profile: "big_vision" (what the released checkpoints were trained with), "transformers"
            (5.23.0) or "transformers-4" (4.57.6).
        eos_token: Stands after each text.
        unk_token: Stands for what is not in the vocabulary.
        pad_token: Fills short rows; the end token too, not "<pad>".
        do_lower_case: Whether to lower-case a text. The checkpoints know lower case only.
        model_max_length: Length that the model can take; 16 for so400m-patch14-224.
        padding_side: "right" or "left".
        truncation_side: "right" or "left".
        added_tokens: Further tokens that are found in the text, by id.
        clean_up_tokenization_spaces: Whether `decode` removes the spaces before punctuation.
        model_input_names: What a call returns besides. The released folders say ["input_ids"].
        sp_model_kwargs: Must be empty: a tokenizer that samples gives other ids at each call.

    Every profile ends each text with "</s>", and with "</s>" only. Otherwise:

    - "big_vision": A to Z are lower-cased, nothing else is changed before the model file's own
      normaliser. "</s>" and "<unk>" in a text are ordinary characters.
    - "transformers": the text is cut at "</s>" and "<unk>", which stand for themselves. Each
      stretch is lower-cased, ASCII punctuation is removed, whitespace collapsed and stripped. The
      text as a whole gets a "▁" in front (any "▁" in it becomes a space); so after a special token
      the next word has none. A text that ends with "</s>" gets no second one, with a warning.
    - "transformers-4": the same, but lower case comes first, so that "</S>" is the end token too;
      and each character is lower-cased alone, so that there is no final sigma.

    So "A cat." and "a cat" are the same text under "transformers" and differ under "big_vision".

    Trap: SigLIP's text tower pools its last position and knows no attention mask. Both only come
        out right when every row is filled up to the model's length, as in training: call it with
        `padding="max_length", truncation=True`, and leave `attention_mask` alone. Padded to the
        longest text of the batch, the same text gets another vector in another batch.
    Trap: in both "transformers" profiles the ids of a stretch are those of "<unk>" + stretch
        without the first few. Where the model file has no piece for ">", an unknown character
        right after a special token melts into it and is lost: "</s>犬" is "</s>".

    Source: google-research/big_vision 0127fb6, big_vision/pp/ops_text.py, get_pp_tokenize;
    transformers 5.23.0 and 4.57.6, models/siglip/tokenization_siglip.py.

    Raises:
        TokenizerError: The file is no SentencePiece model (it says where), or lacks a special
            token; or an option has no such value.

    >>> import pathlib, tempfile
    >>> from tokenizers_py.sentencepiece import model_file as spm
    >>> rows = [("<pad>", 3), ("</s>", 3), ("<unk>", 2), ("▁a", 1), ("▁cat", 1), (".", 1)]
    >>> pieces = tuple(spm.SentencePiece(text, -1.0, spm.PieceType(kind)) for text, kind in rows)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "spiece.model")
    ...     size = file.write_bytes(spm.write_model(spm.SentencePieceModel(pieces)))
    ...     ours, other = (SiglipTokenizer(file, profile=p) for p in ("big_vision", "transformers"))
    >>> ours("A cat.").input_ids, other("A cat.").input_ids
    ([3, 4, 5, 1], [3, 4, 1])
    >>> ours("a", padding="max_length", return_tensors="np").input_ids.shape
    (1, 64)
    """

    template = Template((), ("eos_token",), ("eos_token",))
    odd_to_first = True  # upstream has slow classes only

    def __init__(
        self,
        vocab_file: FilePath,
        *,
        profile: str = "big_vision",
        eos_token: str = "</s>",
        unk_token: str = "<unk>",
        pad_token: str = "</s>",
        model_max_length: int = 64,
        do_lower_case: bool = True,
        padding_side: str = "right",
        truncation_side: str = "right",
        added_tokens: Mapping[int, AddedToken] | None = None,
        clean_up_tokenization_spaces: bool = False,
        model_input_names: Sequence[str] = ("input_ids", "attention_mask"),
        sp_model_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        _check_options(profile, do_lower_case, sp_model_kwargs)
        self.profile = profile
        self.do_lower_case = do_lower_case
        self.model_input_names = tuple(model_input_names)
        self.sp_model_kwargs: dict[str, Any] = {}
        self._behaviour = PROFILES[profile]
        self.normalizer = self._behaviour.normalizer(do_lower_case)
        self._model = SiglipModel(vocab_file, self._behaviour.dummy_prefix)
        table = self._model.table
        super().__init__(
            {piece: table.id(piece) for piece in table.pieces},
            {"eos_token": eos_token, "unk_token": unk_token, "pad_token": pad_token},
            model_max_length=model_max_length,
            padding_side=padding_side,
            truncation_side=truncation_side,
            added_tokens=added_tokens,
            specials_in_text=self._behaviour.specials_in_text,
            clean_up_tokenization_spaces=clean_up_tokenization_spaces,
        )
        self._tokens = {**dict(enumerate(table.pieces)), **self._tokens}

    @classmethod
    def _read_vocabulary(cls, files: TokenizerFiles) -> dict[str, Any]:
        path = files.path(VOCAB_FILE)
        if path is None and (files.path("tokenizer.model") or files.tokenizer_json):
            raise TokenizerError(
                f"{files.root}: {VOCAB_FILE} missing. A SigLIP 2 checkpoint? Those have Gemma's "
                "tokenizer (tokenizer.json, tokenizer.model), which is not supported"
            )
        if path is None:
            raise files.missing((VOCAB_FILE,))
        return {"vocab_file": path}

    def _vocabulary_files(self) -> dict[str, bytes]:
        return {VOCAB_FILE: self._model.data}

    def canonicalize_text(
        self, text: str, *, keep_punctuation_exact_string: str | None = None
    ) -> str:
        """Take punctuation and (mostly) case out of a prompt; see siglip_text.canonicalize_text.

        Under "big_vision" it is what zero-shot evaluation does with prompts and class names before
        they are tokenized, so call it for those. Under the other profiles every text goes through
        it anyway; "_" is deleted there, and "transformers-4" does not lower-case here.
        """
        kept = keep_punctuation_exact_string
        if self.profile == "big_vision":
            return siglip_text.canonicalize_text(text, keep_punctuation_exact_string=kept)
        if self.do_lower_case and not self._behaviour.lower_first:
            text = check_text(text).lower()
        return siglip_text.without_punctuation(text, kept)

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Turn tokens back into text; special tokens stay, with a space before the first of a run.

        The words come from the model file's rules: "▁" is a space, byte pieces are joined to
        characters, padding and other control pieces are nothing.
        """
        specials = {token.content for token in self._added.values() if token.special}
        text, waiting, after_special = "", list[str](), False
        for token in check_tokens(tokens):
            if token in specials:
                space = "" if after_special else " "
                text += space + self._model.decoder.text_of_pieces(waiting) + token
                waiting = []
            else:
                waiting.append(token)
            after_special = token in specials
        return (text + self._model.decoder.text_of_pieces(waiting)).strip()

    def _text_ids(self, text: str, split_special: bool = False) -> list[int]:
        if not self._behaviour.cleans:
            return super()._text_ids(text, split_special)
        text = self._first_step(text)
        if split_special or not self._raw_finder.finds(text):
            return self._segment_ids(self.normalizer(text), True)
        ids: list[int] = []
        for number, start, end in self._cut_at_tokens(text):
            if number is None:
                ids += self._segment_ids(self.normalizer(text[start:end]), start == 0)
            elif self._is_bare_mark(ids, number):
                ids = [number]
            else:
                ids.append(number)
        return ids

    def _text_pieces(self, text: str, split_special: bool = False) -> list[Piece]:
        pieces = super()._text_pieces(text, split_special)
        if not self._behaviour.cleans or len(pieces) < 2:
            return pieces
        mark, token = pieces[:2]  # a token that was found in the text is a word of its own
        found = token.word == 1 and token.id in self._added
        if not found or not self._is_bare_mark([mark.id], token.id):
            return pieces
        return [piece._replace(word=(piece.word or 1) - 1) for piece in pieces[1:]]

    def _stretches(self, text: str, split_special: bool = False) -> Iterator[Stretch]:
        if not self._behaviour.cleans:
            yield from super()._stretches(text, split_special)
            return
        given = self._first_step.align(AlignedText.of(text))
        parts = [(None, 0, len(given.text))] if split_special else self._cut_at_tokens(given.text)
        for number, start, end in parts:
            raw = given.part(start, end)
            aligned = raw if number is not None else self.normalizer.align(raw)
            yield Stretch(number, aligned, start == 0, raw.text)

    def _stretch_pieces(self, stretch: Stretch) -> list[Piece]:
        if stretch.token is None or not self._behaviour.cleans:
            return super()._stretch_pieces(stretch)
        place = stretch.text.span(0, len(stretch.text.text))
        return [Piece(self._tokens[stretch.token], stretch.token, *place, 0)]

    def _cut_at_tokens(self, text: str) -> list[tuple[int | None, int, int]]:
        """Cut a text at the tokens in it; the first part is a stretch of text, and may be empty."""
        parts = self._raw_finder.cut(text)
        return parts if parts and parts[0][0] is None else [(None, 0, 0), *parts]

    def _is_bare_mark(self, ids: list[int], number: int) -> bool:
        """Say whether all there is before a special token is the "▁" that was put in front."""
        bare = len(ids) == 1 and ids[0] == self._ids.get(META_SPACE, -1)
        return bare and self._added[number].special

    def _segment_ids(self, text: str, first: bool) -> list[int]:
        if not self._behaviour.cleans:
            return self._model.ids(text)
        return self._model.marked_ids(text, first, self.unk_token or "", self._ids)

    def _segment_pieces(self, text: AlignedText, first: bool) -> list[Piece]:
        if not self._behaviour.cleans:
            return self._model.pieces(text)
        return self._model.marked_pieces(text, first, self.unk_token or "", self._ids)

    def _explain_segment(self, text: AlignedText, first: bool) -> list[ExplainedWord]:
        """Explain a stretch as one word: the best way to cut it is one for all of it."""
        pieces = tuple(self._segment_pieces(text, first))
        mark = self.unk_token or "" if self._behaviour.cleans else None
        seen, candidates = self._model.candidates(text.text, first, mark)
        return [ExplainedWord(seen, *text.span(0, len(text.text)), candidates, pieces)]

    def _refresh_added(self) -> None:
        """Look for added tokens in the text as it is; ordinary ones in lower case, as upstream."""
        super()._refresh_added()
        if self._behaviour.cleans:
            found = [
                (self._content(token), number, token)
                for number, token in sorted(self._added.items())
            ]
            self._tokens.update((number, content) for content, number, _ in found)
            self._raw_finder, self._normal_finder = TokenFinder(found), TokenFinder([])

    def _content(self, token: AddedToken) -> str:
        lowers = self.do_lower_case and token.normalized and not token.special
        return token.content.lower() if lowers else token.content

    def _set_special(self, name: str, token: str) -> None:
        super()._set_special(name, token)
        self._first_step: Step = SAME
        if self._behaviour.lower_first and self.do_lower_case:
            self._first_step = siglip_text.LowerOutside(self.all_special_tokens)

    def _frame(self) -> Frame:
        frame = super()._frame()
        return EndOnce(frame.before, frame.between, frame.after, frame.second_type)


def _check_options(profile: object, do_lower_case: object, sp_model_kwargs: object) -> None:
    if not isinstance(profile, str) or profile not in PROFILES:
        raise TokenizerError(f"profile: must be one of {', '.join(PROFILES)}; got {profile!r:.60}")
    if not isinstance(do_lower_case, bool):
        raise TokenizerError(f"do_lower_case: must be True or False; got {do_lower_case!r:.60}")
    if sp_model_kwargs:
        raise TokenizerError(
            f"sp_model_kwargs: must be empty, so that a text has one encoding; got "
            f"{sp_model_kwargs!r:.60}"
        )
