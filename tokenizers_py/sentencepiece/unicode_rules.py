"""Unicode's NFKC, and what machine translation adds to it, as rules for a charsmap.

SentencePiece does not normalise by Unicode's algorithm; it has that algorithm's results as rules.
Every character that NFKC changes is one rule. Besides, NFKC joins letters and marks that stand
side by side: "e" and U+0301 to "é". So for every character that comes apart into several, each way
to write those parts is a rule as well, unless shorter rules do the same one after the other.

Made for training (training/) and for `precompile` of charsmap.py.
Unicode version: Python's own (unicodedata.unidata_version). Upstream 0.2.3 has the rules of Unicode
17; those for characters that Python's version knows are the same, all 225,000 of them.
Source: google/sentencepiece 0.2.3, src/builder.cc (BuildNFKCMap, MergeNmtMap).
"""

import itertools
import sys
import unicodedata
from collections.abc import Mapping

from tokenizers_py.errors import TokenizerError

_NMT_SPACES = "\t\n\f\r\u061c\u1680\u200b\u200c\u200e\u200f\u2028\u2029\u2581\ufeff\ufffd"
_NMT_DELETED = "".join(map(chr, [*range(0x01, 0x09), 0x0B, *range(0x0E, 0x20), 0x7F, 0x8F, 0x9F]))


def rules(name: str) -> dict[str, str]:
    r"""Make the rules of a name that a trainer may be given: identity, nfkc or nmt_nfkc.

    nmt_nfkc also makes spaces of tabs, ends of lines and invisible marks, drops control
    characters, and leaves U+FF5E alone, which Japanese tells apart from "~".

    >>> rules("identity")
    {}

    Raises:
        TokenizerError: There are no rules of that name.
    """
    if name == "identity":
        return {}
    if name not in ("nfkc", "nmt_nfkc"):
        raise TokenizerError(f"rules: must be identity, nfkc or nmt_nfkc; got {name!r:.40}")
    made = nfkc_rules()
    if name == "nmt_nfkc":
        made |= dict.fromkeys(_NMT_SPACES, " ") | dict.fromkeys(_NMT_DELETED, "")
        del made["\uff5e"]
    return _without_redundant(made)


def nfkc_rules() -> dict[str, str]:
    """Make a rule for each character that NFKC changes, and for each sequence that it joins."""
    made: dict[str, str] = {}
    written_as: dict[str, list[str]] = {}  # a part: the other characters that mean it
    decomposed: set[str] = set()
    for character in map(chr, range(1, sys.maxunicode + 1)):
        if not unicodedata.decomposition(character) and not "\uac00" <= character <= "\ud7a3":
            continue  # NFKC has nothing to say about it
        composed = unicodedata.normalize("NFKC", character)
        if composed != character:
            made[character] = composed
        parts = unicodedata.normalize("NFKD", character)
        if len(parts) == 1:
            written_as.setdefault(parts, []).append(character)
        else:
            decomposed.add(parts)
    for parts in decomposed:
        composed = unicodedata.normalize("NFKC", parts)
        if composed == parts:
            continue
        for sequence in map(
            "".join, itertools.product(*([part, *written_as.get(part, [])] for part in parts))
        ):
            if sequence != composed:
                made[sequence] = composed
    return made


def _without_redundant(made: Mapping[str, str]) -> dict[str, str]:
    """Keep a rule for several characters only if shorter rules would not do the same."""
    kept = {source: target for source, target in made.items() if len(source) == 1}
    for source, target in sorted(made.items(), key=lambda rule: len(rule[0])):
        if len(source) > 1 and _applied(kept, source, len(source) - 1) != target:
            kept[source] = target
    return kept


def _applied(made: Mapping[str, str], text: str, longest: int) -> str:
    out = []
    place = 0
    while place < len(text):
        for end in range(min(place + longest, len(text)), place, -1):
            if text[place:end] in made:
                break
        out.append(made.get(text[place:end], text[place:end]))
        place = end
    return "".join(out)
