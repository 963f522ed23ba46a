"""`precompiled_charsmap`: the replacement rules of a SentencePiece model, read, applied, written.

A rule replaces one string by another: "ﬁ" by "fi", "e" and U+0301 by "é", a tab by a space. At
each place of a text the longest rule that fits is applied, and reading goes on behind it; a
character that no rule fits stays. The rules are stored so that they can be used as they lie:

    4 bytes    how many bytes the trie has, lowest byte first
    the trie   a double array (double_array.py): from a rule's UTF-8 to a place in ...
    the rest   ... the replacements, each ended by a NUL

Between double_array.py (the trie) and normalizer.py (spaces, and what surrounds the rules); the
rules of Unicode's NFKC are made in unicode_rules.py.
Source: google/sentencepiece 0.2.3, src/normalizer.cc (NormalizePrefix) and src/builder.cc.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from tokenizers_py.errors import TokenizerError
from tokenizers_py.sentencepiece.double_array import (
    BLOCK,
    VALUE,
    DoubleArray,
    Places,
    Units,
    build_units,
    check_units,
)

MAX_MATCHES = 32  # upstream looks at the 32 shortest rules that fit at a place, no more
MAX_RULE_CHARACTERS = 256
MAX_REPLACEMENT_BYTES = 1000
_MAX_STEPS = 100_000  # remembered ones; real texts need a few thousand
_MAX_BYTES = 2**26
_MAX_ENTRIES = 2**20  # listed, or looked at: shared subtrees can hold more rules than atoms exist
_MAX_LOOKS = 2**22  # at nodes of the trie, between two characters too


class CharsMap:
    r"""Rules, ready to be applied.

    Attributes:
        alone: The characters for which there is a rule.
        first: The characters with which a rule of several may begin.
        later: The characters that may follow in one.
        replacements: What the rules replace by: place in the file's pool to text.

    >>> rules = CharsMap(precompile({"ﬁ": "fi", "e\u0301": "é"}))
    >>> rules.longest("caf" + "e\u0301", 3), rules.longest("ﬁt", 0), rules.longest("ﬁt", 1)
    ((5, 'é'), (1, 'fi'), None)

    Raises:
        TokenizerError: The bytes are no such map. Beyond what sentencepiece refuses, we refuse a
            rule that ends inside a character or a replacement that is not UTF-8 (what is left of
            the text would be no text), rules over 256 characters (as in a trie with a loop) and
            replacements over 1000 bytes.
    """

    def __init__(self, blob: bytes) -> None:
        units, pool = _split(blob)
        self._trie = DoubleArray(units)
        self.replacements = _replacements(units, pool)
        self.alone, self.first, self.later = _characters(self._trie)
        self._steps: dict[tuple[int, str], tuple[int, str | None]] = {}

    def longest(self, text: str, place: int) -> tuple[int, str] | None:
        """Find the longest rule that fits at a place: where it ends, and what it replaces by."""
        node, found, matches = DoubleArray.ROOT, None, 0
        for end in range(place + 1, len(text) + 1):
            key = node, text[end - 1]
            node, replacement = self._steps.get(key) or self._step(key)
            if replacement is not None:
                found, matches = (end, replacement), matches + 1
            if node < 0 or matches == MAX_MATCHES:
                break
        return found

    def _step(self, key: tuple[int, str]) -> tuple[int, str | None]:
        """Go on by one character, all its bytes, and remember where that led."""
        node, character = key
        for byte in character.encode("utf-8", "surrogatepass"):
            node = self._trie.step(node, byte)
            if node < 0:
                break
        ends = node >= 0 and (value := self._trie.value(node)) >= 0
        if len(self._steps) >= _MAX_STEPS:
            self._steps.clear()
        self._steps[key] = found = node, self.replacements[value] if ends else None
        return found

    def entries(self) -> dict[str, str]:
        r"""List all rules. There may be very many: NFKC has 225,000.

        >>> CharsMap(precompile({"ﬁ": "fi", "\t": " "})).entries()
        {'\t': ' ', 'ﬁ': 'fi'}

        Raises:
            TokenizerError: There are too many to be listed (they can still be applied).
        """
        found: dict[str, str] = {}
        open_nodes: list[tuple[int, str]] = [(DoubleArray.ROOT, "")]
        walk = _Walk(self._trie)
        for _ in range(MAX_RULE_CHARACTERS):
            which, codes, places = walk.by_character(np.array([n for n, _ in open_nodes]))
            if len(codes) + len(found) > _MAX_ENTRIES:
                raise TokenizerError(f"charsmap: has more than {_MAX_ENTRIES} rules")
            open_nodes = [
                (place, open_nodes[parent][1] + chr(code))
                for parent, code, place in zip(
                    which.tolist(), codes.tolist(), places.tolist(), strict=True
                )
            ]
            for node, key in open_nodes:
                if (value := self._trie.value(node)) >= 0:
                    found[key] = self.replacements[value]
            if not open_nodes:
                break
        return dict(sorted(found.items()))


def entries(blob: bytes) -> dict[str, str]:
    """List all rules of a map, sorted; an empty map is the identity and has none."""
    return CharsMap(blob).entries() if blob else {}


def precompile(rules: Mapping[str, str]) -> bytes:
    r"""Write rules as a map that SentencePiece loads; no rules at all are no bytes.

    >>> blob = precompile({"ﬁ": "fi"})
    >>> int.from_bytes(blob[:4], "little"), blob[-3:]
    (1024, b'fi\x00')

    Raises:
        TokenizerError: A rule has no source, changes nothing, or holds a NUL or half a surrogate
            pair; or more than 31 rules begin one another, which upstream cannot look up.
    """
    for source, target in rules.items():
        if not source or source == target or "\0" in source + target:
            raise TokenizerError(
                f"rule {source!r:.40} -> {target!r:.40}: must change something, without NUL"
            )
        if not _is_text(source + target) or len(source) > MAX_RULE_CHARACTERS:
            raise TokenizerError(f"rule {source!r:.40} -> {target!r:.40}: too long, or no text")
        if sum(source[:end] in rules for end in range(1, len(source) + 1)) >= MAX_MATCHES:
            raise TokenizerError(f"rule {source!r:.40}: more than {MAX_MATCHES - 1} rules begin it")
    if not rules:
        return b""
    pool = bytearray()
    place: dict[str, int] = {}
    for target in sorted(set(rules.values())):
        place[target] = len(pool)
        pool += target.encode() + b"\0"
    units = build_units({source.encode(): place[target] for source, target in rules.items()})
    trie = units.astype("<u4").tobytes()
    return len(trie).to_bytes(4, "little") + trie + bytes(pool)


def _split(blob: bytes) -> tuple[Units, bytes]:
    """Take a map apart into the units of the trie and the pool of replacements."""
    size = int.from_bytes(blob[:4], "little")
    if len(blob) <= 4 or size >= len(blob) - 4:
        raise TokenizerError(
            f"charsmap: says that its trie has {size} bytes; it has {len(blob)} bytes in all"
        )
    if size == 0 or size % (4 * BLOCK):
        raise TokenizerError(f"charsmap: a trie has blocks of {4 * BLOCK} bytes; got {size} bytes")
    pool = blob[4 + size :]
    if not pool.endswith(b"\0"):
        raise TokenizerError("charsmap: the last replacement is not ended by a NUL")
    units = np.frombuffer(blob, "<u4", size // 4, offset=4).astype(np.uint32)
    check_units(units, len(pool))
    return units, pool


def _replacements(units: Units, pool: bytes) -> dict[int, str]:
    """Read every replacement that some rule points to."""
    starts = np.unique(units[units >= VALUE] & ~np.uint32(VALUE)).astype(np.int64)
    nuls = np.flatnonzero(np.frombuffer(pool, np.uint8) == 0)
    stops = nuls[np.searchsorted(nuls, starts)]
    if len(starts) and (
        (stops - starts).max() > MAX_REPLACEMENT_BYTES or (stops - starts).sum() > _MAX_BYTES
    ):
        raise TokenizerError(
            f"charsmap: a replacement has more than {MAX_REPLACEMENT_BYTES} bytes; is a NUL missing?"
        )
    found = {}
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        try:
            found[start] = pool[start:stop].decode()
        except UnicodeDecodeError as error:
            raise TokenizerError(
                f"charsmap: the replacement {pool[start:stop]!r:.40} is not UTF-8: {error.reason}"
            ) from error
    return found


def _characters(trie: DoubleArray) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Find the characters that are a rule, that begin a longer one, and that go on in one."""
    walk = _Walk(trie)
    _, codes, places = walk.by_character(np.array([DoubleArray.ROOT]))
    alone = codes[trie.has_value(places)]
    first = codes[np.unique(walk.children(places)[0])]
    later: set[int] = set()
    seen = 0
    for _ in range(MAX_RULE_CHARACTERS):
        _, codes, places = walk.by_character(np.unique(places))
        if not len(codes):
            return _letters(alone.tolist()), _letters(first.tolist()), _letters(later)
        later.update(np.unique(codes).tolist())
        seen += len(codes)
        if seen > _MAX_ENTRIES:
            break
    raise TokenizerError(f"charsmap: a rule has over {MAX_RULE_CHARACTERS} characters; a loop?")


def _letters(codes: Iterable[int]) -> frozenset[str]:
    return frozenset(map(chr, codes))


class _Walk:
    """A way through the trie from characters to characters, of a limited number of looks."""

    def __init__(self, trie: DoubleArray) -> None:
        self._trie = trie
        self._left = _MAX_LOOKS

    def children(self, nodes: Places) -> tuple[Places, Places, Places]:
        """List the children of nodes, and count them against the limit."""
        found = self._trie.children(nodes, self._left)
        self._left -= len(found[0])
        return found

    def by_character(self, nodes: Places) -> tuple[Places, Places, Places]:
        """Go on by one character, up to four bytes, from many nodes: from which, by which, to where.

        The first byte of a character says how many follow: none below 0x80, one from 0xC2, two
        from 0xE0, three from 0xF0. Bytes that are no UTF-8 are followed nowhere: no text has them.
        """
        which, byte, places = self.children(nodes)
        length = 1 + np.searchsorted([0xC0, 0xE0, 0xF0], byte, "right")
        codes = byte & np.array([0, 0x7F, 0x1F, 0x0F, 0x07])[length]
        ok = (byte < 0x80) | (byte >= 0xC2) & (byte <= 0xF4)
        parts = []
        for done in range(1, 5):
            rows = ok & (length == done)
            parts.append((which[rows], codes[rows], places[rows]))
            rows = ok & (length > done)
            if self._trie.has_value(places[rows]).any():
                raise TokenizerError("charsmap: a rule ends inside a character")
            parent, byte, next_places = self.children(places[rows])
            which, length = which[rows][parent], length[rows][parent]
            codes, places = codes[rows][parent] << 6 | byte & 0x3F, next_places
            ok = byte & 0xC0 == 0x80
        return _real(parts)


def _real(parts: list[tuple[Places, Places, Places]]) -> tuple[Places, Places, Places]:
    """Join what was found by one byte, by two, three and four; without what is no character."""
    which, codes, places = (np.concatenate(rows) for rows in zip(*parts, strict=True))
    size = np.concatenate([np.full(len(part[0]), i) for i, part in enumerate(parts)])
    low = np.array([0, 0x80, 0x800, 0x10000])[size]
    real = (codes >= low) & (codes <= 0x10FFFF) & ~((codes >= 0xD800) & (codes <= 0xDFFF))
    return which[real], codes[real], places[real]


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)
