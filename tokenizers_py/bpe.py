"""Byte-pair encoding: how one word becomes entries of a vocabulary.

A word is written as one printable symbol per UTF-8 byte (`word_symbols`). Then neighbours are
joined, always the pair that stands first in the list of merges, until no pair of neighbours is in
the list (`merge_symbols`; `merge_steps` shows each join). What remains are the tokens;
`text_of_tokens` is the way back. There are two kinds: CLIP marks the last symbol of a word with
"</w>"; GPT-2 and RoBERTa mark nothing, there the space before a word belongs to it.
Called by word_encoder.py; the list of merges comes from vocabulary.py.

Source: Sennrich et al. 2016 (arXiv:1508.07909); openai/CLIP d05afc4, clip/simple_tokenizer.py;
openai/gpt-2, src/encoder.py.
"""

import functools
import heapq
import itertools
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tokenizers_py.errors import TokenizerError

END_OF_WORD = "</w>"  # stands on the last symbol of a word, so that "cat" and "cat|alog" differ
ERRORS = ("replace", "strict", "ignore", "backslashreplace")  # see bytes.decode
_SHORT = 20  # up to so many symbols, searching all pairs anew is faster than keeping count


class Merge(NamedTuple):
    """One join: which merge it was, what was joined, and where (counted in the word's symbols)."""

    rank: int
    left: str
    right: str
    place: int


@functools.cache
def byte_alphabet() -> dict[int, str]:
    """Give each of the 256 bytes a printable character, in the order of the vocabulary's ids.

    The 188 bytes that are printable in Latin-1 stand for themselves and come first. The other 68
    (controls, space, soft hyphen) follow, in order, as the characters from U+0100 on. So no
    symbol is whitespace, and a file of merges can use the space as its separator.

    >>> alphabet = byte_alphabet()
    >>> alphabet[ord("a")], alphabet[ord(" ")], len(set(alphabet.values()))
    ('a', 'Ġ', 256)
    >>> list(alphabet)[:3], list(alphabet)[-1]
    ([33, 34, 35], 173)
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    alphabet = {byte: chr(byte) for byte in printable}
    alphabet.update({byte: chr(0x100 + place) for place, byte in enumerate(others)})
    return alphabet


@functools.cache
def _bytes_of_symbols() -> dict[str, int]:
    return {symbol: byte for byte, symbol in byte_alphabet().items()}


def word_symbols(word: str, end_of_word: str = END_OF_WORD) -> list[str]:
    """Spell a word with one symbol per UTF-8 byte, the last one marked as the word's end.

    Raises:
        TokenizerError: The word holds a surrogate, which has no UTF-8.

    >>> word_symbols("né"), word_symbols(" né", end_of_word="")
    (['n', 'Ã', '©</w>'], ['Ġ', 'n', 'Ã', '©'])
    """
    try:
        one_character_a_byte = word.encode("utf-8").decode("latin-1")
    except UnicodeEncodeError as error:
        raise TokenizerError(
            f"text: has the surrogate U+{ord(word[error.start]):04X} in {word[:40]!r}, which is "
            "no character. Decode UTF-16 as such first"
        ) from error
    symbols = list(one_character_a_byte.translate(byte_alphabet()))
    if symbols:
        symbols[-1] += end_of_word
    return symbols


def merge_symbols(symbols: Sequence[str], ranks: Mapping[tuple[str, str], int]) -> list[str]:
    """Join neighbours, the pair of lowest rank first, until no neighbours have a rank.

    One round joins every occurrence of one pair, from the left; only then are the pairs that the
    round has made looked at. A short word is searched anew in each round (`_merge_short`). That
    would cost O(n²), minutes for a word of 100,000 letters, so a long one keeps count of its pairs
    (`_join`): O(n log n). Both give the same tokens.

    Args:
        symbols: The word, as `word_symbols` spells it; no symbol may be empty.
        ranks: For each pair its place in the list of merges, no two alike.

    Trap: within one round a new pair may already have a lower rank than the round's own pair (in
    a list made by hand). It still waits: joining it at once gives other tokens than the original.

    >>> merge_symbols(["l", "o", "w", "e", "r</w>"], {("l", "o"): 0, ("e", "r</w>"): 1})
    ['lo', 'w', 'er</w>']
    >>> merge_symbols(["a", "b", "a", "b"], {("ab", "a"): 0, ("a", "b"): 1})
    ['ab', 'ab']
    """
    parts = list(symbols)
    if len(parts) <= _SHORT:
        return _merge_short(parts, ranks)
    deque(_join(parts, ranks), maxlen=0)
    return [part for part in parts if part]


def merge_steps(symbols: Sequence[str], ranks: Mapping[tuple[str, str], int]) -> Iterator[Merge]:
    """Say which joins `merge_symbols` makes, one after the other.

    >>> ranks = {("l", "o"): 0, ("lo", "w"): 1}
    >>> [*merge_steps(["l", "o", "w"], ranks)][1]
    Merge(rank=1, left='lo', right='w', place=0)
    """
    return map(Merge._make, _join(list(symbols), ranks))


def _merge_short(parts: list[str], ranks: Mapping[tuple[str, str], int]) -> list[str]:
    never = len(ranks)
    while len(parts) > 1:
        found = [ranks.get(pair, never) for pair in itertools.pairwise(parts)]
        best = min(found)
        if best == never:
            break
        place = found.index(best)
        first, second = parts[place], parts[place + 1]
        while True:
            parts[place : place + 2] = [first + second]
            try:
                place = parts.index(first, place + 1)
                while parts[place + 1] != second:
                    place = parts.index(first, place + 1)
            except (ValueError, IndexError):
                break
    return parts


def _join(
    parts: list[str], ranks: Mapping[tuple[str, str], int]
) -> Iterator[tuple[int, str, str, int]]:
    """Join in place, telling each Merge: a part joined to its left neighbour becomes "".

    The word is a linked list (`before`, `after`: places of the neighbours). The places of pairs
    wait under their rank, and the ranks in a heap.
    """
    end = len(parts)
    before = array("q", range(-1, end - 1))
    after = array("q", range(1, end + 1))
    waiting: dict[int, list[int]] = {}
    for left, pair in enumerate(itertools.pairwise(parts)):
        if pair in ranks:
            waiting.setdefault(ranks[pair], []).append(left)
    order = list(waiting)
    heapq.heapify(order)
    while order:
        rank = heapq.heappop(order)
        joined: list[int] = []
        for left in sorted(waiting.pop(rank)):
            right = after[left]
            # A part may have changed since its pair began to wait: ask for the rank again.
            if right < end and ranks.get((parts[left], parts[right])) == rank:
                yield rank, parts[left], parts[right], left
                parts[left] += parts[right]
                parts[right] = ""
                after[left] = after[right]
                if after[left] < end:
                    before[after[left]] = left
                joined.append(left)
        for place in joined:
            for left in (before[place], place):
                right = after[left] if left >= 0 else end
                if right < end and (new := ranks.get((parts[left], parts[right]))) is not None:
                    if new not in waiting:
                        waiting[new] = []
                        heapq.heappush(order, new)
                    waiting[new].append(left)


def token_spans(
    word: str, sizes: Iterable[int], kept: Iterable[bool] | None = None
) -> list[tuple[int, int]]:
    """Say which characters of a word tokens cover that have `sizes` bytes, one after the other.

    A token that holds a part of a character covers all of it, so two tokens may cover the same.
    `kept` says which bytes of the word the tokens are made of, where it is not all of them.

    >>> token_spans("né!", [1, 1, 1, 1])
    [(0, 1), (1, 2), (1, 2), (2, 3)]
    """
    ends = list(itertools.accumulate(sizes))
    starts = [0, *ends][:-1]
    if word.isascii() and kept is None:
        return list(zip(starts, ends, strict=True))
    owner = [place for place, one in enumerate(word) for _ in one.encode("utf-8")]
    if kept is not None:
        owner = [place for place, stays in zip(owner, kept, strict=True) if stays]
    return [(owner[start], owner[end - 1] + 1) for start, end in zip(starts, ends, strict=True)]


def text_of_tokens(
    tokens: Iterable[str], end_of_word: str = END_OF_WORD, errors: str = "replace"
) -> str:
    """Turn tokens back into text: symbols to bytes, bytes to characters, word ends to spaces.

    Bytes that are no UTF-8 (half a character) become U+FFFD; `errors` is as in `bytes.decode`. A
    token with a character outside the alphabet, which only an added token has, stands for itself.

    >>> text_of_tokens(["lo", "w", "er</w>", "Ã", "©</w>"])
    'lower é '
    >>> text_of_tokens(["Ġlow", "er"], end_of_word="")
    ' lower'
    """
    table = _bytes_of_symbols()
    raw = bytearray()
    for token in tokens:
        try:
            raw += bytes([table[symbol] for symbol in token])
        except KeyError:
            raw += token.encode("utf-8", errors="replace")
    try:
        text = raw.decode("utf-8", errors=check_errors(errors))
    except UnicodeDecodeError as error:
        raise TokenizerError(f"ids: their bytes are no UTF-8: {error}") from error
    return text.replace(end_of_word, " ") if end_of_word else text


def check_errors(errors: object) -> str:
    """Return `errors` when it is a way to decode bytes that are no UTF-8."""
    if errors not in ERRORS:
        raise TokenizerError(f"errors: must be one of {', '.join(ERRORS)}; got {errors!r:.60}")
    return str(errors)
