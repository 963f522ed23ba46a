"""The table of a tokenizer: its tokens and their ids, and the tokens that were added to it.

The lowest layer of every model's tokenizer; special_tokens.py stands on it.

Source: tokenizers 0.23.3, tokenizer/added_vocabulary.rs (add_tokens); transformers 5.23.0,
tokenization_utils_tokenizers.py (the calls).
"""

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tokenizers_py.calls.added_tokens import AddedToken, TokenFinder
from tokenizers_py.errors import TokenizerError
from tokenizers_py.text.alignment import Step
from tokenizers_py.text.normalization import check_no_surrogates, check_text


class TokenTable:
    """Tokens and ids, both ways."""

    normalizer: Step
    unk_token_id: int | None
    slow = False  # whether added tokens are found and written as Transformers 4's slow ones do

    _remade: tuple[str, ...] = ()  # attributes that cannot be pickled; `_refresh_added` makes them
    _ids: dict[str, int]  # every token, added ones too; never changed in place
    _tokens: dict[int, str]  # how each id is written when it is decoded
    _base_size: int  # how many tokens there were before any was added
    _added: dict[int, AddedToken]  # special tokens too
    _not_found: frozenset[str]  # added tokens that are ordinary text where a text has them
    _raw_finder: TokenFinder
    _normal_finder: TokenFinder

    def _fill_table(self, ids: dict[str, int], added: Mapping[int, AddedToken]) -> None:
        """Start with a vocabulary, and tokens that go on top of it with the ids they have."""
        self._ids, self._base_size = ids, len(ids)
        self._tokens = {number: token for token, number in ids.items()}
        for number, token in added.items():
            check_text(token.content, "added token")
            old = self._ids.get(token.content, number)
            if old != number or self._tokens.get(number, token.content) != token.content:
                taken = f"has id {old}" if old != number else f"{self._tokens[number]!r} has it"
                raise TokenizerError(f"added token {token.content!r}, id {number}: {taken} already")
            self._tokens[number] = token.content
        self._ids = {**ids, **{token.content: number for number, token in added.items()}}
        self._added = dict(added)

    def add_tokens(self, new_tokens: Any, special_tokens: bool = False) -> int:
        """Add one token or several, each a str or an `AddedToken`; returns how many were new.

        What is in the vocabulary keeps its id, and is from now on found before the algorithm
        runs. A new token's id follows the vocabulary and the tokens added before.

        Trap: the ids of a model's embeddings do not grow with it.

        >>> from tokenizers_py import CLIPTokenizer
        >>> tokenizer = CLIPTokenizer()
        >>> tokenizer.add_tokens(["<cat>"]), tokenizer("<cat>s").input_ids
        (1, [49406, 49408, 338, 49407])

        Raises:
            TokenizerError: Something is no token.
        """
        many = isinstance(new_tokens, list | tuple)
        given = new_tokens if many else [new_tokens]
        tokens = [self._as_added(one, special_tokens) for one in given]
        ids, added, count = dict(self._ids), dict(self._added), 0
        number = max(self._base_size, max(added, default=-1) + 1)
        for token in tokens:
            known = ids.get(token.content)
            if not token.content or (known is not None and added.get(known) == token):
                continue
            if known is None:
                while number in self._tokens:  # upstream would use such an id twice
                    number += 1
                known = number
                self._tokens[known] = token.content
            ids[token.content], added[known] = known, token
            count += 1
        self._ids, self._added = ids, added
        self._refresh_added()
        return count

    def _refresh_added(self) -> None:
        """Get ready to find the added tokens; called whenever there are new ones."""
        raw: list[tuple[str, int, AddedToken]] = []
        normal: list[tuple[str, int, AddedToken]] = []
        for number, token in sorted(self._added.items()):
            later = token.normalized and not self.slow
            shown = self.normalizer(token.content) if later else token.content
            self._tokens[number] = shown or token.content
            if token.content not in self._not_found:
                (normal if later else raw).append((shown, number, token))
        self._raw_finder, self._normal_finder = TokenFinder(raw), TokenFinder(normal)

    def _as_added(self, token: Any, special: bool) -> AddedToken:
        return as_added(token, special)

    def __getstate__(self) -> dict[str, Any]:
        return {name: one for name, one in self.__dict__.items() if name not in self._remade}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._remade:
            self._refresh_added()

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> Any:
        """Return a token's id, or a list of them; the unknown token's where there is none."""
        if isinstance(tokens, str):
            return self._ids.get(tokens, self.unk_token_id)
        return [self._ids.get(token, self.unk_token_id) for token in check_tokens(tokens)]

    def get_vocab(self) -> dict[str, int]:
        """Return a copy of the vocabulary, added tokens included: token to id."""
        return dict(self._ids)

    @property
    def vocab(self) -> dict[str, int]:
        """The same as `get_vocab()`."""
        return self.get_vocab()

    @property
    def vocab_size(self) -> int:
        """How many tokens there are without those that were added; `len` counts them too."""
        return self._base_size

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """The tokens that are found before the algorithm runs, special ones too, by id."""
        return dict(sorted(self._added.items()))

    @property
    def added_tokens_encoder(self) -> dict[str, int]:
        """The same, token to id."""
        return {token.content: number for number, token in self.added_tokens_decoder.items()}

    def get_added_vocab(self) -> dict[str, int]:
        """Return the tokens that are found before the algorithm runs: token to id."""
        return self.added_tokens_encoder

    def _token(self, number: int) -> str:
        if number not in self._tokens:
            raise TokenizerError(
                f"id {number} is not in the vocabulary, whose ids go from {min(self._tokens)} to "
                f"{max(self._tokens)}"
            )
        return self._tokens[number]


def check_tokens(tokens: Any) -> list[str]:
    """Return a list of tokens, when it is one."""
    try:
        found = None if isinstance(tokens, str | bytes) else list(tokens)
    except TypeError:  # a numpy array without axes says that it can be iterated over, and cannot
        found = None
    if found is None:
        raise TokenizerError(f"tokens: must be a list of str; got {type(tokens).__name__}")
    for token in found:
        if not isinstance(token, str):
            raise TokenizerError(f"tokens: must be a list of str; it has {token!r:.60}")
    return found


def as_added(token: Any, special: bool) -> AddedToken:
    """Read a token: a str, our `AddedToken`, or the `tokenizers` library's."""
    if isinstance(token, str):
        token = AddedToken(token, normalized=not special, special=special)
    if not isinstance(token, AddedToken):
        try:
            names = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
            token = AddedToken(*(getattr(token, name) for name in names))
        except AttributeError as error:
            raise TokenizerError(
                f"token: must be a str or an AddedToken; got {type(token).__name__}"
            ) from error
    check_no_surrogates(check_text(token.content, "token"), "token")
    added: AddedToken = replace(token, special=True) if special else token
    return added


def plain(values: Any) -> Any:
    """Turn arrays and tensors, and lists of them, into plain lists and numbers."""
    values = values.tolist() if hasattr(values, "tolist") else values
    return [plain(one) for one in values] if isinstance(values, list | tuple) else values


def flat_ids(ids: Any) -> list[int]:
    """Return one row of ids, or one id, as a list of ints."""
    values = plain(ids)
    try:
        return [operator.index(n) for n in (values if isinstance(values, Iterable) else [values])]
    except TypeError as error:
        raise TokenizerError(
            f"ids: must be whole numbers, one row of them; got {values!r:.60}. "
            "batch_decode takes several rows"
        ) from error
