"""Byte-pair encoding: how one word becomes entries of a vocabulary.

A word is written as one printable symbol per UTF-8 byte (`word_symbols`). Then neighbours are
joined, always the pair that stands first in the list of merges, until no pair of neighbours is in
the list (`merge_symbols`). What remains are the tokens; `text_of_tokens` is the way back.
Called by clip.py; the list of merges comes from vocabulary.py.

Source: Sennrich et al. 2016 (arXiv:1508.07909); openai/CLIP d05afc4, clip/simple_tokenizer.py.
"""

import functools
import heapq
import itertools
from collections.abc import Iterable, Mapping, Sequence

END_OF_WORD = "</w>"  # stands on the last symbol of a word, so that "cat" and "cat|alog" differ


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
def _bytes_of_symbols() -> dict[str, bytes]:
    return {symbol: bytes([byte]) for byte, symbol in byte_alphabet().items()}


def word_symbols(word: str) -> list[str]:
    """Spell a word with one symbol per UTF-8 byte, the last one marked as the word's end.

    >>> word_symbols("né")
    ['n', 'Ã', '©</w>']
    """
    alphabet = byte_alphabet()
    symbols = [alphabet[byte] for byte in word.encode("utf-8")]
    if symbols:
        symbols[-1] += END_OF_WORD
    return symbols


def merge_symbols(symbols: Sequence[str], ranks: Mapping[tuple[str, str], int]) -> list[str]:
    """Join neighbours, the pair of lowest rank first, until no neighbours have a rank.

    One round joins every occurrence of one pair, from the left; only then are the pairs that the
    round has made looked at. The word is a linked list (`before`, `after`: places of the
    neighbours) and the pairs wait in a heap by rank and place, so n symbols cost O(n log n); to
    search all pairs anew in each round would cost O(n²), minutes for a word of 100,000 letters.

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
    parts = list(symbols)  # a part that was joined to its left neighbour becomes ""
    end = len(parts)
    before = list(range(-1, end - 1))
    after = list(range(1, end + 1))
    pairs = enumerate(itertools.pairwise(parts))
    waiting = [(ranks[pair], left) for left, pair in pairs if pair in ranks]
    heapq.heapify(waiting)
    while waiting:
        rank = waiting[0][0]
        joined: list[int] = []
        while waiting and waiting[0][0] == rank:
            left = heapq.heappop(waiting)[1]
            right = after[left]
            # A part may have changed since its pair began to wait: ask for the rank again.
            if right < end and ranks.get((parts[left], parts[right])) == rank:
                parts[left] += parts[right]
                parts[right] = ""
                after[left] = after[right]
                if after[left] < end:
                    before[after[left]] = left
                joined.append(left)
        for place in joined:
            for left in (before[place], place):
                right = after[left] if left >= 0 else end
                if right < end and (parts[left], parts[right]) in ranks:
                    heapq.heappush(waiting, (ranks[parts[left], parts[right]], left))
    return [part for part in parts if part]


def text_of_tokens(tokens: Iterable[str]) -> str:
    """Turn tokens back into text: symbols to bytes, bytes to characters, word ends to spaces.

    Bytes that are no UTF-8 (half a character) become U+FFFD. A character outside the alphabet,
    which only a special token can hold, stands for itself.

    >>> text_of_tokens(["lo", "w", "er</w>", "Ã", "©</w>"])
    'lower é '
    """
    table = _bytes_of_symbols()
    raw = b"".join(table.get(c) or c.encode("utf-8") for token in tokens for c in token)
    return raw.decode("utf-8", errors="replace").replace(END_OF_WORD, " ")
