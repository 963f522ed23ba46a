"""The calls of a tokenizer, in the form of Transformers 4 and 5: what all models' tokenizers share.

A text takes this way: it is cut at added tokens (added_tokens.py), each stretch between them is
normalised (`normalizer`, a Step of text/alignment.py), and the model's tokenizer turns the normalised
stretch into ids (`_segment_ids`, fast) or into pieces with offsets (`_segment_pieces`, the same
ids); segments.py leads it. Here whole batches are encoded: text_inputs.py reads the texts,
plan.py the options, truncation.py cuts, template.py adds the special tokens, batching.py
pads, and encoding.py is what comes out. decoding.py is the way back. Built on by every model's
tokenizer.

Source: transformers 5.23.0, tokenization_utils_base.py and tokenization_utils_tokenizers.py (the
results where versions differ); 4.57.6 (calls that are no longer there).
"""

from collections.abc import Mapping
from typing import Any

from tokenizers_py.calls.added_tokens import AddedToken
from tokenizers_py.calls.batching import (
    UNLIMITED,
    check_length,
    check_option,
    check_side,
    pad_batch,
    plan_lengths,
    warn,
)
from tokenizers_py.calls.columns import encodings, lay_out, only_ids
from tokenizers_py.calls.decoding import Decoding
from tokenizers_py.calls.encoding import BatchEncoding, Encoding
from tokenizers_py.calls.explain import Explains
from tokenizers_py.calls.plan import CallPlan, Row
from tokenizers_py.calls.template import Frame, Template
from tokenizers_py.calls.text_inputs import read_samples
from tokenizers_py.calls.truncation import LONGEST_FIRST
from tokenizers_py.errors import TokenizerError
from tokenizers_py.text.alignment import Step
from tokenizers_py.text.normalization import check_text


class TokenizerCalls(Explains, Decoding):
    """One text or many to ids, and ids back to text.

    A model's tokenizer gives `template`, `normalizer`, `_segment_ids`, `_segment_pieces` and
    `convert_tokens_to_string`.

    Args:
        ids: The vocabulary: token to id, no id twice.
        special: The special tokens by name ("bos_token", ...); None where the model has none.
        model_max_length: Length that the model can take, start and end included.
        padding_side: "right" or "left".
        truncation_side: "right" or "left".
        added_tokens: Further tokens that are found in a text before the algorithm sees it, with
            their ids; those that are new to the vocabulary extend it. The special tokens are
            found too, as `AddedToken(special=True, normalized=False)` if they are not among them.
        specials_in_text: Whether the special tokens by name are found in a text as such.
        clean_up_tokenization_spaces: Whether `decode` removes the spaces before punctuation.
    """

    model_input_names: tuple[str, ...] = ("input_ids", "attention_mask")
    template: Template
    normalizer: Step
    split_special_tokens = False  # of a call too: special tokens in a text are ordinary text
    odd_to_first = False  # whether pairs are cut as upstream's slow tokenizers do (truncation.py)

    def __init__(
        self,
        ids: dict[str, int],
        special: Mapping[str, str | None],
        *,
        model_max_length: int,
        padding_side: str = "right",
        truncation_side: str = "right",
        added_tokens: Mapping[int, AddedToken] | None = None,
        specials_in_text: bool = True,
        clean_up_tokenization_spaces: bool = False,
    ) -> None:
        self.model_max_length = check_length(model_max_length, "model_max_length")
        self.padding_side = check_side(padding_side)
        self.truncation_side = check_side(truncation_side, "truncation_side")
        self.clean_up_tokenization_spaces = clean_up_tokenization_spaces
        self._fill_table(ids, added_tokens or {})
        self._special, self._extra = {}, []
        for name, token in special.items():
            if token is not None:
                self._set_special(name, token)
        named = self._special.values()
        for content in named:
            marked = AddedToken(content, normalized=False, special=True)
            self._added.setdefault(self._ids[content], marked)
        self._not_found = frozenset() if specials_in_text else frozenset(named)
        self._refresh_added()

    def __call__(
        self,
        text: Any,
        text_pair: Any = None,
        *,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | None = None,
        return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        verbose: bool = True,
        split_special_tokens: bool | None = None,
    ) -> BatchEncoding:
        """Encode one text, one pair, or a list of texts or of pairs.

        Args:
            text: One text gives flat lists; a list of texts, or of pairs, a list for each.
            text_pair: A second text for the one text, or a list of them for the list.
            add_special_tokens: Whether the template's tokens go around each text.
            padding: True or "longest", "max_length", or False.
            truncation: True or "longest_first", "only_first", "only_second", or False. None cuts
                if `max_length` is given alone.
            max_length: In tokens, special ones included; the model's length when not given.
            stride: How many tokens an overflowing row repeats of the one before.
            is_split_into_words: A text is then a list of words; offsets count in each word.
            pad_to_multiple_of: Round the padded length up to a multiple of this.
            padding_side: "right" or "left"; the tokenizer's when not given.
            return_tensors: "np" or "pt" for int64 arrays (B, L); one text is then a batch of one.
            return_token_type_ids: Whether to add `token_type_ids`; by default if the model takes
                them, as it does `attention_mask`.
            return_attention_mask: Whether to add `attention_mask`: 1 for tokens, 0 for padding.
            return_overflowing_tokens: Whether what is cut away comes as more rows, each with
                special tokens; `overflow_to_sample_mapping` says which text a row is of. It is
                what upstream's fast tokenizers do; the slow ones' `num_truncated_tokens` is not
                here.
            return_special_tokens_mask: Whether to add `special_tokens_mask`: 1 for tokens that
                were added, padding too.
            return_offsets_mapping: Whether to add `offset_mapping`: (start, end) of each token in
                its text.
            return_length: Whether to add `length`: tokens in each row, padding included.
            verbose: Whether to warn of what is probably not meant.
            split_special_tokens: Whether special tokens in a text are ordinary text.

        Raises:
            TokenizerError: Wrong kind of text or option, or rows of several lengths for a tensor.

        >>> from tokenizers_py import CLIPTokenizer
        >>> batch = CLIPTokenizer()(["a cat", "a"], padding=True, return_offsets_mapping=True)
        >>> batch.input_ids, batch.offset_mapping[0]
        ([[49406, 320, 2368, 49407], [49406, 320, 49407, 49407]], [(0, 0), (0, 1), (2, 5), (0, 0)])
        """
        check_option("return_tensors", return_tensors, (None, "np", "pt"))
        lengths = (padding, truncation, max_length, self.model_max_length, verbose)
        pad_to, cut_to = plan_lengths(*lengths)
        if pad_to is not None and self.pad_token_id is None:
            raise TokenizerError("padding: this tokenizer has no pad_token; set one")
        if pad_to_multiple_of is not None:
            check_length(pad_to_multiple_of, "pad_to_multiple_of", least=0)
        chosen = truncation if isinstance(truncation, str) else LONGEST_FIRST
        splits = self.split_special_tokens if split_special_tokens is None else split_special_tokens
        plan = CallPlan(
            self._frame() if add_special_tokens else Frame([], [], [], self.template.second_type),
            *(cut_to, chosen, check_length(stride, "stride", least=0)),
            *(check_side(self.truncation_side, "truncation_side"), return_overflowing_tokens),
            *(pad_to, pad_to_multiple_of),
            check_side(self.padding_side if padding_side is None else padding_side),
            splits,
            self.odd_to_first,
        )
        plan.check()
        samples, single = read_samples(text, text_pair, is_split_into_words)
        encode = self._sample_ids if is_split_into_words else self._text_ids
        rows = plan.rows(samples, self._sample_pieces if return_offsets_mapping else encode)
        bare = [only_ids(row) for row in rows] if return_offsets_mapping else rows
        ids = plan.framed(plan.frame, bare)
        if verbose and max_length is None:
            self._warn_if_long(max(map(len, ids)))
        wanted = {
            "token_type_ids": self._wants("token_type_ids", return_token_type_ids),
            "attention_mask": self._wants("attention_mask", return_attention_mask),
            "special_tokens_mask": return_special_tokens_mask,
            "offset_mapping": return_offsets_mapping,
            "length": return_length,
            "overflow_to_sample_mapping": return_overflowing_tokens,
        }
        columns = lay_out(rows, ids, plan, self._fill(), wanted, return_tensors)
        if single and return_tensors is None and not return_overflowing_tokens:
            columns = {
                name: column if name == "length" else column[0] for name, column in columns.items()
            }
        if return_offsets_mapping:
            return BatchEncoding.of(columns, self._encodings(rows, plan))
        return BatchEncoding.of(
            columns, None, lambda: self._encodings(plan.rows(samples, self._sample_pieces), plan)
        )

    def encode(self, text: Any, text_pair: Any = None, **options: Any) -> Any:
        """Return only the ids of one text, or of a pair; options as in a call."""
        if not options.get("is_split_into_words"):
            check_text(text)
        return self(text, text_pair, **options)["input_ids"]

    def encode_plus(self, text: Any, text_pair: Any = None, **options: Any) -> BatchEncoding:
        """Encode one text or pair: the name that version 4 has for a call."""
        return self(text, text_pair, **options)

    def batch_encode_plus(self, batch_text_or_text_pairs: Any, **options: Any) -> BatchEncoding:
        """Encode a list of texts or pairs: the name that version 4 has for a call."""
        return self(batch_text_or_text_pairs, **options)

    def tokenize(
        self, text: str, pair: str | None = None, add_special_tokens: bool = False
    ) -> list[str]:
        """Cut a text, or a pair, into tokens, without those that a call puts around it.

        >>> from tokenizers_py import CLIPTokenizer
        >>> CLIPTokenizer().tokenize("Tokenizers, please!")
        ['token', 'iz', 'ers</w>', ',</w>', 'please</w>', '!</w>']
        """
        check_text(text)
        return self(text, pair, add_special_tokens=add_special_tokens, verbose=False).tokens()

    def pad(
        self,
        encoded_inputs: Any,
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = None,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Pad what was encoded before: a dict of columns, or a list of dicts of one row each.

        `input_ids`, `attention_mask`, `token_type_ids` and `special_tokens_mask` are padded; any
        other column is only stacked. Arrays give arrays, and tensors give tensors.

        Raises:
            TokenizerError: There are no `input_ids`, or the columns' rows differ in length.
        """
        pad_to = plan_lengths(padding, False, max_length, self.model_max_length, verbose)[0]
        if pad_to is not None and self.pad_token_id is None:
            raise TokenizerError("padding: this tokenizer has no pad_token; set one")
        side = check_side(self.padding_side if padding_side is None else padding_side)
        masked = self._wants("attention_mask", return_attention_mask)
        columns = pad_batch(
            *(encoded_inputs, self._fill(), pad_to, pad_to_multiple_of),
            *(side, masked, return_tensors),
        )
        return BatchEncoding(columns)

    @property
    def max_len_single_sentence(self) -> int:
        """How many tokens of one text fit into the model."""
        return self.model_max_length - self.num_special_tokens_to_add()

    @property
    def max_len_sentences_pair(self) -> int:
        """How many tokens of two texts together fit into the model."""
        return self.model_max_length - self.num_special_tokens_to_add(pair=True)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(vocab_size={self.vocab_size}, {self._special})"

    def _wants(self, name: str, asked: bool | None) -> bool:
        return name in self.model_input_names if asked is None else asked

    def _fill(self) -> dict[str, int]:
        return {
            "input_ids": -1 if self.pad_token_id is None else self.pad_token_id,
            "token_type_ids": self.pad_token_type_id,
            "attention_mask": 0,
            "special_tokens_mask": 1,
        }

    def _encodings(self, rows: list[Row], plan: CallPlan) -> list[Encoding]:
        names = {self._ids[token]: token for token in self.all_special_tokens}
        return encodings(rows, plan, names, (self.pad_token or "", self._fill()["input_ids"]))

    def _warn_if_long(self, longest: int) -> None:
        if self.model_max_length < longest and self.model_max_length <= UNLIMITED:
            warn(
                f"a text of {longest} tokens is longer than the model's {self.model_max_length}; "
                "pass truncation=True to cut it"
            )
