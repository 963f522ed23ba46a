r"""Training of WordPiece, by either of the two rules that go by this name.

Words are spelt in characters; a character that goes on a word is written "##x" and is another
symbol than "x". Then pairs are joined as in BPE (merging.py), but which pair is the best?

"likelihood" is the rule of the paper: join the pair that makes the corpus most likely under a
unigram model. Joining a and b gains log p(ab) - log p(a) - log p(b) for each place, so the score is
count(ab) / (count(a) * count(b)): how much more often the two stand together than by chance. It
likes rare letters that always come together, so it needs a `min_frequency`. Of pairs with the
same score the more frequent one is joined.
"count" is what the `tokenizers` library does: it joins the most frequent pair, as BPE.
Google has not published the trainer behind BERT's own vocabulary.

Either way only the vocabulary is kept, not the merges: tokenizing is greedy, longest piece first.

Source: Schuster & Nakajima 2012, "Japanese and Korean voice search", section 3; the score as the
Hugging Face course writes it (chapter 6, WordPiece); tokenizers 0.23.3, models/wordpiece/trainer.rs.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import FilePath
from tokenizers_py.folders.writing import write_folder
from tokenizers_py.training.merging import Merging, Pair, check_positive, check_tokens
from tokenizers_py.training.words import Texts, bert_words, count_words
from tokenizers_py.wordpiece import write_vocab_txt

CONTINUED = "##"  # stands before a piece that goes on a word
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


class WordPieceTraining(Merging):
    """A WordPiece vocabulary that grows by one piece a step; made by `train_wordpiece`."""

    prefix = CONTINUED

    def vocabulary(self) -> dict[str, int]:
        """Give the pieces and their ids as they are now."""
        return dict(self._ids)

    def save(self, folder: FilePath) -> tuple[str, ...]:
        """Write vocab.txt, one piece a line, in the order of the ids.

        Raises:
            TokenizerError: It cannot be written. What was in the folder is then unchanged.
        """
        return write_folder(folder, {"vocab.txt": write_vocab_txt(self.vocabulary())})


class LikelihoodTraining(WordPieceTraining):
    """Likewise, by the rule of the paper."""

    def score(self, pair: Pair) -> float:
        """Say how much more often the two stand together than by chance, up to a constant."""
        symbols = self.corpus.symbol_count
        return self.corpus.pair_count[pair] / (symbols[pair[0]] * symbols[pair[1]])

    def _risen(self, merged: Pair, new_pairs: list[Pair]) -> list[Pair]:
        """After a merge its two symbols are rarer, so the score of each pair they are in rises."""
        if not self.merges:
            self._pairs_of: defaultdict[int, dict[Pair, None]] = defaultdict(dict)
            self._note(self.corpus.pair_count)
        self._note(new_pairs)
        return [*new_pairs, *self._pairs_of[merged[0]], *self._pairs_of[merged[1]]]

    def _note(self, pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            self._pairs_of[pair[0]][pair] = None
            self._pairs_of[pair[1]][pair] = None


def train_wordpiece(
    texts: Texts,
    vocab_size: int,
    *,
    score: str = "likelihood",
    min_frequency: int = 2,
    special_tokens: Sequence[str] = SPECIAL_TOKENS,
    initial_alphabet: Iterable[str] = (),
    limit_alphabet: int | None = None,
    max_token_length: int | None = None,
    split: Callable[[str], Iterable[str]] = bert_words,
) -> WordPieceTraining:
    """Begin to train a WordPiece vocabulary; iterate over the result to watch it grow.

    The ids: special tokens, characters by code point, the same with "##" (those that go on a
    word somewhere), then pieces as they are made. With score="count" these are the pieces of
    `tokenizers.trainers.WordPieceTrainer`. Trap: that trainer numbers the "##" characters in the
    random order of a hash table, so its ties fall differently from run to run.

    Args:
        texts: Lines of a corpus; or words already counted, `{"low": 5}`.
        vocab_size: Number of pieces at the end, special ones included. Where the corpus has too
            few pairs the training ends before, as upstream's does.
        score: "likelihood" (the paper's rule) or "count" (the library's); see above.
        min_frequency: A pair that occurs less often is not joined.
        special_tokens: They get the first ids.
        initial_alphabet: Characters that shall be in the vocabulary, seen or not.
        limit_alphabet: The most characters to keep, the frequent ones; others are left out of
            their words, whose remaining letters close up, as upstream does it.
        max_token_length: The most characters that a piece may have, "##" not counted.
        split: Cuts a text into words, as the finished tokenizer will.

    Raises:
        TokenizerError: An option is unusable, `vocab_size` has no room for the alphabet (it says
            how much is needed), or there is nothing to learn from.

    The example of the Hugging Face course, where "##u" stands beside everything and so scores low:

    >>> words = {"hug": 10, "pug": 5, "pun": 12, "bun": 4, "hugs": 5}
    >>> for step in train_wordpiece(words, 15, special_tokens=["[UNK]"]):
    ...     print(step)
       0  ##g + ##s -> ##gs  (5 times, score 0.05, as in h ##u ##gs)
       1  p + ##u -> pu  (17 times, score 0.0278, as in pu ##g)
       2  h + ##u -> hu  (15 times, score 0.0526, as in hu ##g)
    """
    kinds = {"likelihood": LikelihoodTraining, "count": WordPieceTraining}
    if score not in kinds:
        raise TokenizerError(f"score: must be one of {', '.join(kinds)}; got {score!r:.60}")
    counts = count_words(texts, split)
    letters = _alphabet(counts, initial_alphabet, limit_alphabet)
    words = [(_spell(word, letters), count) for word, count in counts.items()]
    continued = sorted({s for word, _ in words for s in word if s.startswith(CONTINUED) and s[2:]})
    alphabet = [*check_tokens(special_tokens), *sorted(letters), *continued]
    return kinds[score](
        list(dict.fromkeys(alphabet)),
        words,
        vocab_size,
        min_frequency=min_frequency,
        max_token_length=max_token_length,
    )


def _alphabet(counts: dict[str, int], initial: Iterable[str], limit: int | None) -> set[str]:
    """Choose the characters to keep: those asked for, then the most frequent ones."""
    frequency: Counter[str] = Counter()
    for word, count in counts.items():
        for letter in word:
            frequency[letter] += count
    asked = set(initial)
    for letter in {*asked, *frequency}:
        if not isinstance(letter, str) or len(letter) != 1 or letter.isspace():
            raise TokenizerError(
                f"alphabet: {letter!r:.60} is no character that a line of vocab.txt can hold"
            )
    if limit is None:
        return {*asked, *frequency}
    check_positive("limit_alphabet", limit)
    order = sorted({*asked, *frequency}, key=lambda c: (c not in asked, -frequency[c], c))
    return set(order[:limit])


def _spell(word: str, letters: set[str]) -> list[str]:
    """Spell a word in characters, with "##" before each but its very first.

    >>> _spell("hugs", set("hugs"))
    ['h', '##u', '##g', '##s']
    """
    return [
        CONTINUED * (place > 0) + letter for place, letter in enumerate(word) if letter in letters
    ]
