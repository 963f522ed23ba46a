"""SentencePiece's normalising: replacement rules, then spaces, which become U+2581 "▁".

SentencePiece has no words, only text: the space is a character of its pieces like any other, made
visible. A text is read in chunks (what one rule replaces, one user-defined symbol, or else one
character), and these things happen to them, each switched by a flag of the model's spec:

    remove_extra_whitespaces     no spaces at the start and the end, one between words
    add_dummy_prefix             one space in front, so that a word looks the same everywhere
    treat_whitespace_as_suffix   ... or behind
    escape_whitespaces           every space becomes "▁"

`SentencePieceNormalizer` does it twice: in one go for ids, and chunk by chunk for offsets. Built on
charsmap.py and user_symbols.py; used by processor.py, for text on its way in and (a model may have
a denormaliser) on its way out.
Source: google/sentencepiece 0.2.3, src/normalizer.cc, Normalizer::Normalize.
"""

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from tokenizers_py.sentencepiece.charsmap import CharsMap
from tokenizers_py.sentencepiece.model_file import NormalizerSpec
from tokenizers_py.sentencepiece.user_symbols import UserSymbols
from tokenizers_py.text.alignment import AlignedText, Step

SPACE = "\u2581"

Chunk = tuple[int, int, str]  # [start, end) of the text, and what stands for it


class SentencePieceNormalizer(Step):
    r"""Normalise texts as a model's spec says.

    Args:
        spec: The rules and the flags.
        user_defined: Symbols that are found before any rule and kept as they are.
        treat_whitespace_as_suffix: Whether the added space goes behind the text.

    Trap: a text of nothing but spaces becomes nothing at all, without the added space; but one of
    deleted characters (a control character under nmt_nfkc) gets it when it goes behind.

    >>> normalize = SentencePieceNormalizer(NormalizerSpec())
    >>> normalize("  Hello   world. ")
    '▁Hello▁world.'
    >>> normalize.align(AlignedText.of(" a  b")).starts
    [1, 1, 2, 4]

    Raises:
        TokenizerError: The spec's charsmap is broken.
    """

    name = "sentencepiece"

    def __init__(
        self,
        spec: NormalizerSpec,
        *,
        user_defined: Sequence[str] = (),
        treat_whitespace_as_suffix: bool = False,
    ) -> None:
        self.spec = spec
        blob = spec.precompiled_charsmap
        self._map = CharsMap(blob) if blob else None
        self._symbols = UserSymbols(user_defined)
        self._space = SPACE if spec.escape_whitespaces else " "
        self._before = self._space if spec.add_dummy_prefix else ""
        self._behind = ""
        if treat_whitespace_as_suffix:
            self._before, self._behind = "", self._before
        # A chunk with two spaces in it keeps them, so a text of such chunks has no short way.
        texts = [*user_defined, *(self._map.replacements.values() if self._map else ())]
        self._short_way = not (spec.remove_extra_whitespaces and any("  " in t for t in texts))
        self._starts, self._goes_on = self._symbols.first, frozenset[str]()
        if self._map:
            self._starts, self._goes_on = self._starts | self._map.alone, self._map.later
        self._stop = _one_of(self._starts | self._goes_on)
        self._ascii_stop = _one_of({c for c in self._starts | self._goes_on if c.isascii()})

    def __call__(self, text: str) -> str:
        """Normalise a text."""
        if not text or not self._short_way:
            return self.with_offsets(text)[0]
        changed = self._replaced(text)
        if self.spec.remove_extra_whitespaces:
            changed = changed.strip(" ")
            if not changed:
                return self.with_offsets(text)[0]
            if "  " in changed:
                changed = " ".join(filter(None, changed.split(" ")))
        if self.spec.escape_whitespaces:
            changed = changed.replace(" ", SPACE)
        changed = self._before + changed
        if self.spec.remove_extra_whitespaces:
            changed = changed.rstrip(self._space)
        return changed + self._behind

    def align(self, given: AlignedText) -> AlignedText:
        """Normalise a text, and align each character with the whole chunk that it comes from.

        The added space stands where the text begins (or ends), and covers nothing.
        """
        characters, starts, ends, _ = self._aligned(given.text)
        spans = [given.span(start, end) for start, end in zip(starts, ends, strict=True)]
        return AlignedText("".join(characters), [s for s, _ in spans], [e for _, e in spans])

    def with_offsets(self, text: str) -> tuple[str, list[int]]:
        """Normalise a text; say for each character, and for the end, where its chunk began.

        Trap: the end of nothing but spaces is 0, not the end of the text.

        >>> SentencePieceNormalizer(NormalizerSpec()).with_offsets("a  b ")
        ('▁a▁b', [0, 0, 1, 3, 4])
        """
        characters, starts, _, end = self._aligned(text)
        return "".join(characters), [*starts, end]

    def _aligned(self, text: str) -> tuple[list[str], list[int], list[int], int]:
        """Normalise chunk by chunk: characters, their starts and ends, and the whole's end."""
        out: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        remove = self.spec.remove_extra_whitespaces

        def put(characters: str, start: int, end: int) -> None:
            out.extend(characters)
            starts.extend([start] * len(characters))
            ends.extend([end] * len(characters))

        begun = False
        after_space = remove
        end = 0
        for start, end, chunk in self._chunks(text):
            if not begun:
                if remove and chunk == " ":
                    continue
                put(self._before, start, start)
                begun = True
            chunk = chunk.lstrip(" ") if after_space else chunk
            put(chunk.replace(" ", self._space), start, end)
            after_space = remove and (chunk.endswith(" ") if chunk else after_space)
        if remove:
            while out and out[-1] == self._space:
                out.pop(), ends.pop()
                end = starts.pop()
        if begun:
            put(self._behind, end, end)
        return out, starts, ends, end if begun else 0

    def _chunks(self, text: str) -> Iterator[Chunk]:
        """Cut a text into its chunks."""
        place = 0
        for start, end, chunk in self._changes(text):
            yield from ((i, i + 1, text[i]) for i in range(place, start))
            yield start, end, chunk
            place = end
        yield from ((i, i + 1, text[i]) for i in range(place, len(text)))

    def _replaced(self, text: str) -> str:
        """Apply the rules, and nothing else."""
        parts: list[str] = []
        place = 0
        for start, end, chunk in self._changes(text):
            parts += text[place:start], chunk
            place = end
        return "".join(parts) + text[place:] if parts else text

    def _changes(self, text: str) -> Iterator[Chunk]:
        """Find the chunks that rules and symbols make, looking only where there can be one.

        That is at a character which is a rule or begins a symbol, or just before one which goes
        on in a rule: letters begin rules ("e" and U+0301), but nothing is looked up at each "e".
        """
        stop = self._ascii_stop if text.isascii() else self._stop
        free = place = 0  # where the last chunk ended, and from where to look on
        while stop and (hit := stop.search(text, place)):
            here = hit.start()
            found = None
            if here > free and text[here] in self._goes_on:
                found = self._chunk(text, here - 1)
            if found is None and text[here] in self._starts:
                found = self._chunk(text, here)
            if found is None:
                place = here + 1
            else:
                yield found
                free = place = found[1]

    def _chunk(self, text: str, place: int) -> Chunk | None:
        if (end := self._symbols.longest(text, place)) > place:
            return place, end, text[place:end]
        found = self._map.longest(text, place) if self._map else None
        return found and (place, *found)


def _one_of(characters: AbstractSet[str]) -> re.Pattern[str] | None:
    """Make a pattern that finds any of some characters.

    `re` has a table for the first 65,536 characters but tries all others one by one, so of those
    it shall stop at every one; who asks looks each character up anyway.
    """
    low = "".join(re.escape(c) for c in sorted(characters) if c <= "\uffff")
    high = "\U00010000-\U0010ffff" if any(c > "\uffff" for c in characters) else ""
    return re.compile(f"[{low}{high}]") if low or high else None
