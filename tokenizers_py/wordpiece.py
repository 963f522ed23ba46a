"""WordPiece: a word becomes the longest vocabulary entry it begins with, then the next, and so on.

Entries that stand inside a word are written with "##" in front: "playing" is "play", "##ing".
There are no merges and no probabilities, only the vocabulary; so training decides everything, and
cutting is greedy. Called by bert.py with the words from text/bert_text.py; `explain` shows the steps.
The vocabulary is read here too: vocab.txt, one entry a line, whose id is the line's number.

Source: Schuster and Nakajima 2012; Wu et al. 2016 (arXiv:1609.08144); google-research/bert,
tokenization.py, WordpieceTokenizer. A trie with failure links cuts a word in one pass over its
letters: Song et al. 2021 (arXiv:2012.15524).
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import FilePath, read_text

INSIDE = "##"  # stands before an entry that continues a word
LINE_SEPARATORS = ("\u2028", "##\u2028")  # entries of bert-base-chinese that are whitespace


class Choice(NamedTuple):
    """One step of cutting a word: at `start`, these entries were looked up, and `piece` was there.

    `piece` is None where no entry fits: the word is then unknown as a whole.
    """

    start: int
    candidates: tuple[str, ...]
    piece: str | None


class WordPiece:
    """The greedy longest-match-first cut of one word.

    Args:
        ids: The vocabulary.
        unknown: The entry for a word that cannot be cut.
        max_letters: A longer word is unknown without a look; None lifts the limit.

    Raises:
        TokenizerError: The vocabulary has no `unknown`.

    Work is bounded by letters times the longest entry: a longer candidate cannot be found.

    >>> cut = WordPiece({"[UNK]": 0, "play": 1, "##ing": 2, "##i": 3, "##n": 4}, "[UNK]")
    >>> cut.pieces("playing")
    [('play', 0, 4), ('##ing', 4, 7)]
    >>> cut.pieces("playful"), cut.ids("playing"), cut.ids("playful")
    ([('[UNK]', 0, 7)], [1, 2], [0])
    """

    def __init__(self, ids: Mapping[str, int], unknown: str, max_letters: int | None = 100) -> None:
        if unknown not in ids:
            raise TokenizerError(f"unk_token: {unknown!r} is not in the vocabulary")
        self.vocabulary = ids
        self.unknown = unknown
        self.max_letters = max_letters
        self._inside = {
            token[len(INSIDE) :]: number
            for token, number in ids.items()
            if token.startswith(INSIDE)
        }
        self._longest = max(map(len, ids), default=0)
        self._longest_inside = max(map(len, self._inside), default=0)

    def ids(self, word: str) -> list[int]:
        """Cut a word into ids."""
        return [number for number, _, _ in self.cut(word)]

    def pieces(self, word: str) -> list[tuple[str, int, int]]:
        """Cut a word into entries, each with the stretch [start, end) of the word it stands for."""
        unknown = self.vocabulary[self.unknown]
        return [
            (
                self.unknown if number == unknown else INSIDE * (start > 0) + word[start:end],
                start,
                end,
            )
            for number, start, end in self.cut(word)
        ]

    def cut(self, word: str) -> list[tuple[int, int, int]]:
        """Cut a word: the id of each piece, and its stretch [start, end) of the word.

        Trap: one letter that fits nowhere makes the whole word unknown, not only that letter.
        """
        length = len(word)
        unknown = [(self.vocabulary[self.unknown], 0, length)]
        if self.max_letters is not None and length > self.max_letters:
            return unknown
        found: list[tuple[int, int, int]] = []
        entries, longest = self.vocabulary, self._longest
        start = 0
        while start < length:
            for end in range(min(length, start + longest), start, -1):
                number = entries.get(word[start:end])
                if number is not None:
                    found.append((number, start, end))
                    break
            else:
                return unknown
            start = end
            entries, longest = self._inside, self._longest_inside
        return found

    def steps(self, word: str) -> Iterator[Choice]:
        """Cut a word, and tell every choice: the definition of the algorithm, to be read.

        >>> cut = WordPiece({"[UNK]": 0, "a": 1, "##bc": 2}, "[UNK]")
        >>> for step in cut.steps("abc"):
        ...     print(*step)
        0 ('abc', 'ab', 'a') a
        1 ('##bc',) ##bc
        """
        if self.max_letters is not None and len(word) > self.max_letters:
            yield Choice(0, (), None)
            return
        start = 0
        while start < len(word):
            prefix, longest = (INSIDE, self._longest_inside) if start else ("", self._longest)
            candidates: list[str] = []
            piece = None
            for end in range(min(len(word), start + longest), start, -1):
                candidates.append(prefix + word[start:end])
                if candidates[-1] in self.vocabulary:
                    piece = candidates[-1]
                    break
            yield Choice(start, tuple(candidates), piece)
            if piece is None:
                return
            start = end


def join_pieces(tokens: Sequence[str]) -> str:
    """Turn tokens into text: a space before each, but none before what continues a word.

    >>> join_pieces(["play", "##ing", "cards"])
    'playing cards'
    """
    return " ".join(tokens).replace(" " + INSIDE, "").strip()


# What is written together again, in this order. The Rust library does it token by token, so that
# "don", "'", "t" stay apart.
CN_CLIP_TIDIES = [
    *((f" {mark}", mark) for mark in ".?!,"),
    (" ' ", "'"),
    *((f" {end}", end) for end in ("n't", "'m", "'s", "'ve", "'re")),
]
RUST_TIDIES = [*CN_CLIP_TIDIES[:7], (" do not", " don't"), *CN_CLIP_TIDIES[7:]]


def tidied(text: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Write together what the pairs say.

    >>> tidied("it 's .", RUST_TIDIES)
    "it's."
    """
    for apart, together in pairs:
        text = text.replace(apart, together)
    return text


@functools.lru_cache(maxsize=50_000)
def after_others(token: str) -> str:
    """Write a token that has others before it."""
    inside = token.startswith(INSIDE)
    return tidied(token[len(INSIDE) :] if inside else " " + token, RUST_TIDIES)


def read_vocab_txt(path: FilePath) -> dict[str, int]:
    r"""Read vocab.txt: one entry a line, the first has id 0. Lines may end in \n or \r\n.

    Raises:
        TokenizerError: The file is no such list, or one that its readers understand differently:
            an entry twice (its first id would be lost), a carriage return inside a line (some
            end the line there), an entry with whitespace at its ends (some strip it). Names the
            line.

    Trap: two entries of bert-base-chinese are U+2028, alone and after "##". Some readers strip
    them, none can ever find them in a text; here they keep their ids under their name.
    """
    text = read_text(path)
    if not text:
        raise TokenizerError(f"{path}: is empty; needs one entry a line")
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    ids: dict[str, int] = {}
    for number, line in enumerate(lines):
        token = line.removesuffix("\r")
        place = f"{path}, line {number + 1}"
        _check_entry(token, place)
        if token in ids:
            raise TokenizerError(f"{place}: {token!r} stands in line {ids[token] + 1} already")
        ids[token] = number
    return ids


def write_vocab_txt(ids: Mapping[str, int]) -> bytes:
    """Write a vocabulary as vocab.txt.

    Raises:
        TokenizerError: The ids are not 0, 1, 2, ... without a gap, or a token is no line.
    """
    tokens = sorted(ids, key=ids.__getitem__)
    for number, token in enumerate(tokens):
        if ids[token] != number:
            raise TokenizerError(
                f"vocab.txt: no token has id {number}, so {token!r} would get it instead of "
                f"{ids[token]}"
            )
        _check_entry(token, f"vocab.txt, id {number}")
        if "\n" in token:
            raise TokenizerError(f"vocab.txt, id {number}: {token!r} holds a line break")
    return "".join(token + "\n" for token in tokens).encode("utf-8")


def _check_entry(token: str, place: str) -> None:
    if not token:
        raise TokenizerError(f"{place}: is empty; each line is one entry")
    if "\r" in token:
        raise TokenizerError(f"{place}: a carriage return inside the line")
    if token.strip() != token and token not in LINE_SEPARATORS:
        raise TokenizerError(f"{place}: {token!r} has whitespace at its ends")
