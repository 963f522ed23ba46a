"""Why a text becomes these ids: every step, from the text to its tokens.

`tokenizer.explain(text)` shows what was normalised, which words there are, and for each word what
the algorithm did: the merges with their ranks, the candidates that WordPiece looked up, or all
pieces of the unigram lattice with their scores and which were taken. Nothing is worked out a second
time in another way: it is the aligned way of segments.py, with the algorithms' own step by step
forms (bpe.merge_steps, wordpiece.WordPiece.steps, lattice.Lattice.candidates).
Printed it is for people, `to_dict` is for programs. A layer of tokenizer.py.
"""

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from tokenizers_py.bpe import Merge
from tokenizers_py.calls.pieces import ExplainedWord
from tokenizers_py.calls.segments import Segments, Stretch
from tokenizers_py.lattice import Candidate
from tokenizers_py.text.alignment import AlignedText
from tokenizers_py.text.normalization import check_text
from tokenizers_py.wordpiece import Choice


class ExplainedStretch(NamedTuple):
    """A part of the text: an added token, or what stands between two of them.

    `stages` are the steps of normalising, each with the text after it, and `words` what came out.
    """

    raw: str
    added_token: bool
    stages: list[tuple[str, str]]
    words: list[ExplainedWord]


class ExplainedToken(NamedTuple):
    """A token of the result: its id, its text, and where it stands; (0, 0) if nowhere."""

    id: int
    token: str
    start: int
    end: int


class Explanation(NamedTuple):
    """All steps from a text to its ids."""

    text: str
    tokenizer: str
    profile: str
    stretches: list[ExplainedStretch]
    tokens: list[ExplainedToken]

    def to_dict(self) -> dict[str, Any]:
        """Give the same as dicts and lists, which JSON can write; decisions name their kind."""
        return {
            "text": self.text,
            "tokenizer": self.tokenizer,
            "profile": self.profile,
            "stretches": [
                {
                    **stretch._asdict(),
                    "stages": [{"step": name, "text": text} for name, text in stretch.stages],
                    "words": [_word_dict(word) for word in stretch.words],
                }
                for stretch in self.stretches
            ],
            "tokens": [token._asdict() for token in self.tokens],
        }

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        profile = f", profile {self.profile}" if self.profile else ""
        yield f"{self.tokenizer}{profile}: {_shown(self.text)}"
        for stretch in self.stretches:
            before = stretch.raw
            for name, after in stretch.stages:
                yield f"  {name}: {'no change' if after == before else _shown(after)}"
                before = after
            for word in stretch.words:
                kind = "added token" if stretch.added_token else "word"
                yield f"  {kind} {_shown(word.text)} from characters {word.start} to {word.end}"
                for decision in word.decisions:
                    yield f"    {describe(decision)}"
                tokens = " ".join(f"{_shown(piece.token)}={piece.id}" for piece in word.pieces)
                yield f"    tokens: {tokens or 'none'}"
        yield "  ids, with the characters that each stands for:"
        for token in self.tokens:
            surface = _shown(self.text[token.start : token.end]) if token.end else "-"
            place = f"[{token.start}, {token.end})"
            yield f"    {token.id:7d}  {_shown(token.token):20}  {place:12}  {surface}"


class Explains(Segments):
    """Gives a tokenizer `explain`."""

    profile: str = ""  # which upstream a tokenizer is equal to, where they differ

    def explain(self, text: str, **options: Any) -> Explanation:
        """Show every step from a text to its ids.

        Args:
            text: One text.
            options: As in a call: `add_special_tokens`, `truncation`, `max_length`, ...; they
                change `tokens`, the result, not the steps.

        Raises:
            TokenizerError: As a call.

        >>> from tokenizers_py import CLIPTokenizer
        >>> print(CLIPTokenizer().explain("Cats!", add_special_tokens=False))
        CLIPTokenizer, profile openai: 'Cats!'
          repair: no change
          unescape: no change
          strip: no change
          whitespace: no change
          lower: 'cats!'
          word 'cats' from characters 0 to 4
            merge 15, at symbol 1: 'a' + 't' -> 'at'
            merge 520, at symbol 1: 'at' + 's</w>' -> 'ats</w>'
            merge 3477, at symbol 0: 'c' + 'ats</w>' -> 'cats</w>'
            tokens: 'cats</w>'=3989
          word '!' from characters 4 to 5
            tokens: '!</w>'=256
          ids, with the characters that each stands for:
               3989  'cats</w>'            [0, 4)        'Cats'
                256  '!</w>'               [4, 5)        '!'
        """
        check_text(text)
        batch = self(text, return_offsets_mapping=True, verbose=False, **options)  # type: ignore[operator]
        rows = zip(batch["input_ids"], batch.tokens(), batch["offset_mapping"], strict=True)
        return Explanation(
            text,
            type(self).__name__,
            self.profile,
            [self._explain_stretch(one) for one in self._stretches(text)],
            [ExplainedToken(number, token, *place) for number, token, place in rows],
        )

    def _explain_stretch(self, stretch: Stretch) -> ExplainedStretch:
        if stretch.token is not None:
            pieces = tuple(self._stretch_pieces(stretch))
            start, end = pieces[0].start, pieces[0].end
            word = ExplainedWord(stretch.text.text, start, end, (), pieces)
            return ExplainedStretch(stretch.raw, True, [], [word])
        words = self._explain_segment(stretch.text, stretch.first)
        return ExplainedStretch(stretch.raw, False, self.normalizer.stages(stretch.raw), words)

    def _explain_segment(self, text: AlignedText, first: bool) -> list[ExplainedWord]:
        """Encode like `_segment_pieces`, and say how; a model's tokenizer adds the decisions."""
        found: list[ExplainedWord] = []
        for _, run in groupby(self._segment_pieces(text, first), lambda piece: piece.word):
            pieces = tuple(run)
            start, end = pieces[0].start, max(piece.end for piece in pieces)
            surface = "".join(piece.token for piece in pieces)
            found.append(ExplainedWord(surface, start, end, (), pieces))
        return found


def describe(decision: Merge | Choice | Candidate) -> str:
    """Say in one line what an algorithm did.

    >>> describe(Merge(4, "a", "t", 1))
    "merge 4, at symbol 1: 'a' + 't' -> 'at'"
    """
    if isinstance(decision, Merge):
        left, right = decision.left, decision.right
        joined = f"{_shown(left)} + {_shown(right)} -> {_shown(left + right)}"
        return f"merge {decision.rank}, at symbol {decision.place}: {joined}"
    if isinstance(decision, Choice):
        looked_up = len(decision.candidates)
        if decision.piece is None:
            return f"at letter {decision.start}: none of {looked_up} candidates: unknown word"
        return (
            f"at letter {decision.start}: {_shown(decision.piece)}, the longest of {looked_up} "
            f"looked up, from {_shown(decision.candidates[0])} down"
        )
    taken = "taken" if decision.taken else "not taken"
    return (
        f"at {decision.start}: {_shown(decision.piece)} scores {decision.score:.4f}, "
        f"{decision.best:.4f} from the start, {taken}"
    )


def _word_dict(word: ExplainedWord) -> dict[str, Any]:
    return {
        **word._asdict(),
        "decisions": [
            {"kind": type(one).__name__.lower(), **one._asdict()} for one in word.decisions
        ],
        "pieces": [piece._asdict() for piece in word.pieces],
    }


def _shown(text: str) -> str:
    """Quote a text on one line, its letters as they are and only controls escaped."""
    quoted = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"')
    return f"'{quoted}'"
