"""RoBERTa's tokenizer: GPT-2's byte-pair encoding, with RoBERTa's special tokens.

Nothing is cleaned. A text is cut into words that keep the space before them
(text/pre_tokenization.py), each word into tokens (word_encoder.py, bpe.py); "Ġ" in a token is that
space. So the first word of a text, which has none, has other tokens than the same word later;
`add_prefix_space` gives it one.

Source: transformers 5.23.0, models/roberta/tokenization_roberta.py; tokenizers 0.23.3,
pre_tokenizers/byte_level.rs.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers_py.bpe import check_errors, text_of_tokens
from tokenizers_py.calls.added_tokens import AddedToken
from tokenizers_py.calls.pieces import ExplainedWord, Piece
from tokenizers_py.calls.template import Template
from tokenizers_py.calls.token_table import check_tokens
from tokenizers_py.files import FilePath
from tokenizers_py.folders.pretrained import PreTrainedTokenizer
from tokenizers_py.folders.reading import TokenizerFiles
from tokenizers_py.folders.tokenizer_json import (
    ROBERTA_NORMALIZERS,
    ROBERTA_PRE_TOKENIZERS,
    check_steps,
    read_bpe,
)
from tokenizers_py.folders.writing import merges_bytes, vocab_bytes
from tokenizers_py.text.alignment import AlignedText, Chain
from tokenizers_py.text.pre_tokenization import gpt2_pattern
from tokenizers_py.vocabulary import Vocabulary, given_vocabulary, vocabulary_from_files
from tokenizers_py.word_encoder import WordEncoder

# How a token writes a space, and what an added token may have swallowed: Unicode's White_Space.
SPACES = "Ġ\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)


class RobertaTokenizer(PreTrainedTokenizer):
    """Text to token ids and back, equal to Transformers' tokenizer.

    Args:
        vocab_file: vocab.json.
        merges_file: merges.txt; all of its merges count.
        vocabulary: A vocabulary that was read already, in place of the files.
        bos_token: Start of a text; `cls_token` stands there.
        eos_token: End of a text; `sep_token` stands there.
        sep_token: Stands after each text, and twice between two.
        cls_token: Stands before a text or pair.
        unk_token: Not used: every byte is in the vocabulary.
        pad_token: Fills short rows.
        mask_token: Found in a text with the spaces before it.
        add_prefix_space: Whether each stretch of text that begins without a space is given one.
        trim_offsets: Whether offsets leave out the spaces in a token.
        errors: What becomes of bytes that are no UTF-8 when ids are decoded; as in `bytes.decode`.
        model_max_length: Length that the model can take.
        padding_side: "right" or "left".
        truncation_side: "right" or "left".
        added_tokens: Further tokens, by id.
        clean_up_tokenization_spaces: Whether `decode` removes the spaces before punctuation.

    Raises:
        TokenizerError: A file breaks a rule (see vocabulary.py), or a special token is missing.

    Trap: with `add_prefix_space`, the text after an added token gets a space too, as in
    Transformers 5; 4.57.6's slow tokenizer gives one to the beginning of the text only.

    >>> ids = {token: n for n, token in enumerate("<s> <pad> </s> <unk> a Ġ t Ġa <mask>".split())}
    >>> tokenizer = RobertaTokenizer(vocabulary=Vocabulary(ids, {("Ġ", "a"): 0}))
    >>> tokenizer.tokenize("at a"), tokenizer("a", "t").input_ids
    (['a', 't', 'Ġa'], [0, 4, 2, 2, 6, 2])
    """

    template = Template(("cls_token",), ("sep_token", "sep_token"), ("sep_token",))
    keeps_spaces = True
    normalizer = Chain("unchanged", [])

    def __init__(
        self,
        vocab_file: FilePath | None = None,
        merges_file: FilePath | None = None,
        *,
        vocabulary: Vocabulary | None = None,
        bos_token: str = "<s>",
        eos_token: str = "</s>",
        sep_token: str = "</s>",
        cls_token: str = "<s>",
        unk_token: str = "<unk>",
        pad_token: str = "<pad>",
        mask_token: str = "<mask>",
        add_prefix_space: bool = False,
        trim_offsets: bool = True,
        errors: str = "replace",
        model_max_length: int = 512,
        padding_side: str = "right",
        truncation_side: str = "right",
        added_tokens: Mapping[int, AddedToken] | None = None,
        clean_up_tokenization_spaces: bool = False,
    ) -> None:
        self._vocabulary = given_vocabulary(vocab_file, merges_file, vocabulary)
        self.add_prefix_space = add_prefix_space
        self.trim_offsets = trim_offsets
        self.errors = check_errors(errors)
        special = {
            "bos_token": bos_token,
            "eos_token": eos_token,
            "unk_token": unk_token,
            "sep_token": sep_token,
            "pad_token": pad_token,
            "cls_token": cls_token,
            "mask_token": mask_token,
        }
        mask = AddedToken(mask_token, lstrip=True, normalized=False, special=True)
        ids = self._vocabulary.ids
        known = {ids[mask_token]: mask} if mask_token in ids else {}
        super().__init__(
            ids,
            special,
            model_max_length=model_max_length,
            padding_side=padding_side,
            truncation_side=truncation_side,
            added_tokens={**known, **(added_tokens or {})},
            clean_up_tokenization_spaces=clean_up_tokenization_spaces,
        )
        self._words = WordEncoder(self._vocabulary, gpt2_pattern(), None, "")

    @classmethod
    def _read_vocabulary(cls, files: TokenizerFiles) -> dict[str, Any]:
        vocab, merges = files.path("vocab.json"), files.path("merges.txt")
        if vocab and merges:
            return {"vocabulary": vocabulary_from_files(vocab, merges, limit=None)}
        if files.tokenizer_json is None:
            raise files.missing(("vocab.json", "merges.txt"), ("tokenizer.json",))
        model = read_bpe(files)
        check_steps(files, "normalizer", *ROBERTA_NORMALIZERS)
        check_steps(files, "pre_tokenizer", *ROBERTA_PRE_TOKENIZERS)
        ranks = {pair: rank for rank, pair in enumerate(model.merges)}
        return {"vocabulary": Vocabulary(model.ids, ranks)}

    def _vocabulary_files(self) -> dict[str, bytes]:
        return {
            "vocab.json": vocab_bytes(self._vocabulary.ids),
            "merges.txt": merges_bytes(self._vocabulary.ranks),
        }

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Turn tokens back into text."""
        return text_of_tokens(check_tokens(tokens), "", self.errors)

    def _segment_ids(self, text: str, first: bool) -> list[int]:
        prefix = " " if self.add_prefix_space and not text.startswith(" ") else ""
        return self._words.encode(prefix + text)

    def _segment_pieces(self, text: AlignedText, first: bool) -> list[Piece]:
        return self._words.pieces(self._with_prefix(text))

    def _explain_segment(self, text: AlignedText, first: bool) -> list[ExplainedWord]:
        return self._words.explain(self._with_prefix(text))

    def _with_prefix(self, text: AlignedText) -> AlignedText:
        if not self.add_prefix_space or not text.text or text.text.startswith(" "):
            return text
        # The space stands for the first character, which is what upstream makes of it.
        return AlignedText(
            " " + text.text, [text.starts[0], *text.starts], [text.ends[0], *text.ends]
        )

    def _text_pieces(self, text: str, split_special: bool = False) -> list[Piece]:
        pieces = super()._text_pieces(text, split_special)
        return [self._trimmed(piece) for piece in pieces] if self.trim_offsets else pieces

    def _trimmed(self, piece: Piece) -> Piece:
        """Leave the spaces of a token out of its offsets.

        Source: tokenizers 0.23.3, pre_tokenizers/byte_level.rs, process_offsets. Trap: it counts
        spaces in the token, and takes a space at the text's beginning for the one that
        `add_prefix_space` gave; in a later stretch it trims a letter in place of that one.
        """
        token, start, end = piece.token, piece.start, piece.end
        before = len(token) - len(token.lstrip(SPACES))
        after = len(token) - len(token.rstrip(SPACES))
        if before == 1 and start == 0 and self.add_prefix_space:
            before = 0
        start = min(start + before, end)
        if after and end >= after:
            end = max(end - after, start)
        return piece._replace(start=start, end=end)


RobertaTokenizerFast = RobertaTokenizer  # the name that version 4 has for its Rust-backed one
