"""A text to words to ids by byte-pair encoding, each word worked out once.

Most words of a text were there before, so what a word became is remembered. Used by clip.py and
roberta.py; the algorithm is bpe.py's, the expression that finds words text/pre_tokenization.py's.
"""

from collections.abc import Iterator, Mapping

from tokenizers_py.bpe import (
    byte_alphabet,
    merge_steps,
    merge_symbols,
    token_spans,
    word_symbols,
)
from tokenizers_py.calls.pieces import ExplainedWord, Piece
from tokenizers_py.text.alignment import AlignedText
from tokenizers_py.text.pre_tokenization import WordPattern
from tokenizers_py.vocabulary import Vocabulary

CACHE_WORDS = 50_000  # the memory of words is emptied when it holds so many
CACHE_LETTERS = 64  # longer words are not worth keeping


class WordEncoder:
    """Encode normalised texts with one vocabulary.

    Args:
        vocabulary: Ids and ranks of merges.
        pattern: Finds the words of a text.
        unknown: The id for what is not in the vocabulary. None leaves symbols that are not in it
            out before anything is merged, so that their neighbours become neighbours.
        end_of_word: What stands on the last symbol of a word: "</w>" or "".
        fixed: Words that are not merged but are one token each: word to token and id.
        split: Words that count as several words.
        spaces_part: Whether no word has a space in it. Then whole stretches between spaces are
            remembered, which saves finding the words in them.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        pattern: WordPattern,
        unknown: int | None,
        end_of_word: str,
        *,
        fixed: Mapping[str, tuple[str, int]] | None = None,
        split: Mapping[str, tuple[str, ...]] | None = None,
        spaces_part: bool = False,
    ) -> None:
        self._vocabulary = vocabulary
        self._pattern = pattern
        self._unknown = unknown
        lacks = byte_alphabet().values() - vocabulary.ids.keys()
        self._lacks = lacks if unknown is None else set[str]()
        self._end_of_word = end_of_word
        self._fixed = fixed or {}
        self._split = split or {}
        self._spaces_part = spaces_part
        self._known: dict[str, tuple[int, ...]] = {}  # words, and stretches of words

    def encode(self, text: str) -> list[int]:
        """Encode a text."""
        known = self._known.get
        ids: list[int] = []
        for stretch in text.split(" ") if self._spaces_part else self._pattern.findall(text):
            found = known(stretch)
            ids += self._stretch_ids(stretch) if found is None else found
        return ids

    def pieces(self, text: AlignedText) -> list[Piece]:
        """Encode a text, and say where each token stands."""
        pieces: list[Piece] = []
        for number, (start, end) in enumerate(self._words(text.text)):
            word = text.text[start:end]
            for token, number_of, first, last in self._tokens(word):
                place = text.span(start + first, start + last)
                pieces.append(Piece(token, number_of, *place, number))
        return pieces

    def explain(self, text: AlignedText) -> list[ExplainedWord]:
        """Encode a text, and give for each word the merges that made its tokens."""
        found: list[ExplainedWord] = []
        for start, end in self._words(text.text):
            word = text.part(start, end)
            merges = (
                ()
                if word.text in self._fixed
                else merge_steps(self._symbols(word.text), self._vocabulary.ranks)
            )
            pieces = tuple(
                Piece(token, number, *word.span(first, last), len(found))
                for token, number, first, last in self._tokens(word.text)
            )
            found.append(ExplainedWord(word.text, *text.span(start, end), tuple(merges), pieces))
        return found

    def word_tokens(self, word: str) -> list[str]:
        """Cut one word into tokens, known or not."""
        return merge_symbols(self._symbols(word), self._vocabulary.ranks)

    def _symbols(self, word: str) -> list[str]:
        symbols = word_symbols(word, self._end_of_word)
        return [one for one in symbols if one not in self._lacks] if self._lacks else symbols

    def _stretch_ids(self, stretch: str) -> tuple[int, ...]:
        words = self._pattern.findall(stretch)
        if len(words) == 1:
            ids = self._word_ids(words[0])
        else:
            ids = tuple(
                number
                for word in words
                for number in self._known.get(word) or self._remember(word, self._word_ids(word))
            )
        return self._remember(stretch, ids)

    def _word_ids(self, word: str) -> tuple[int, ...]:
        if word in self._fixed:
            return (self._fixed[word][1],)
        known = self._vocabulary.ids.get
        parts = self._split[word] if word in self._split else (word,)
        ids = [known(token, self._unknown) for part in parts for token in self.word_tokens(part)]
        return tuple([number for number in ids if number is not None])

    def _remember(self, stretch: str, ids: tuple[int, ...]) -> tuple[int, ...]:
        if len(stretch) <= CACHE_LETTERS:
            if len(self._known) >= CACHE_WORDS:
                self._known.clear()
            self._known[stretch] = ids
        return ids

    def _words(self, text: str) -> Iterator[tuple[int, int]]:
        for match in self._pattern.finditer(text):
            start = match.start()
            for part in self._split.get(match[0], (match[0],)):
                yield start, start + len(part)
                start += len(part)

    def _tokens(self, word: str) -> Iterator[tuple[str, int, int, int]]:
        """Give a word's tokens with their ids and the characters [first, last) they cover."""
        if word in self._fixed:
            yield (*self._fixed[word], 0, len(word))
            return
        tokens = self.word_tokens(word)
        sizes = [len(token) for token in tokens]
        kept = None
        if self._lacks:
            kept = [symbol not in self._lacks for symbol in word_symbols(word, "")]
        else:
            sizes[-1] -= len(self._end_of_word)
        spans = token_spans(word, sizes, kept)
        for token, (first, last) in zip(tokens, spans, strict=True):
            number = self._vocabulary.ids.get(token, self._unknown)
            if number is not None:
                yield token, number, first, last
