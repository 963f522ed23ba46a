r"""Training of a unigram vocabulary: far too many pieces at first, then fewer and fewer.

The model: a text is a row of pieces, each drawn by its own probability. How the text was cut is not
seen, so the probabilities are found by expectation-maximisation:

    E  count each piece over *all* ways to cut each word, each way weighted by its probability
       (`expected_counts`: forward, then the counts flow back);
    M  new log probability = digamma(count) - digamma(sum of counts), which is log(count / sum) with
       rare pieces made rarer still, so that they fade out.

After each two rounds the quarter of the pieces that is missed least is dropped, until 1.1 times
the wanted number is left; single letters always stay, so that every word can be cut. The pieces
to begin with come from seed_pieces.py, the counting over all ways is in lattice.py, the `.model`
file is made in sentencepiece_model.py.

Three things differ from upstream, so the result is another vocabulary, about as good (the tests
compare the likelihood of unseen lines): seeds that are always followed by a space are used too;
letters take part in every round, however rare; and the 1.1 is taken of the pieces to be learnt,
not of these and the special ones.

Source: Kudo 2018 (arXiv:1804.10959), section 3.2; Liang & Klein 2007, tutorial "Structured Bayesian
nonparametric models" (the digamma); sentencepiece 0.2.1, unigram_model_trainer.cc.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers_py.files import FilePath
from tokenizers_py.sentencepiece.model_file import SentencePieceModel
from tokenizers_py.training.lattice import (
    Lattice,
    best_cut,
    digamma,
    expected_counts,
    lattice_of,
)
from tokenizers_py.training.seed_pieces import seeds
from tokenizers_py.training.sentencepiece_model import (
    Options,
    Prepared,
    build_model,
    prepare,
    save_model,
)
from tokenizers_py.training.words import Texts

_LEAST_COUNT = 0.5  # a piece expected less often is dropped (sentencepiece's threshold)
_SURPLUS = 1.1  # pruning stops at so many times the wanted number; the rest goes by score


@dataclass(frozen=True)
class EmStep:
    """One round of expectation and maximisation, as one watches it."""

    step: int
    pieces: int  # how many pieces there were
    log_likelihood: float  # of the corpus, over all ways to cut it, per character
    tokens: float  # expected number of pieces per character
    example: tuple[str, ...]  # the longest of the most frequent words, cut the best way

    def __str__(self) -> str:
        """Write the step as one line."""
        return (
            f"{self.step:3}  {self.pieces:7} pieces, log likelihood {self.log_likelihood:.4f} and "
            f"{self.tokens:.4f} pieces per character, as in {' '.join(self.example)}"
        )


class UnigramTraining(Iterator[EmStep]):
    """A unigram vocabulary that shrinks, one round of EM a step; made by `train_unigram`."""

    def __init__(self, corpus: Prepared, options: Options) -> None:
        self._letters, self._room, self._options = corpus.letters, corpus.room, options
        longest, parts = options.max_sentencepiece_length, corpus.parts
        start = seeds(parts, corpus.letters, longest, options.seed_sentencepiece_size)
        total = math.log(sum(start.values()))
        self.log_probs = {piece: math.log(max(n, 1)) - total for piece, n in start.items()}
        self._words = [(lattice_of(part, start, longest), n) for part, n in parts.items()]
        self._characters = sum(len(part) * count for part, count in parts.items())
        self._example = _frequent_long(parts)
        self._enough = int(corpus.room * _SURPLUS)
        self._rounds_left = options.num_sub_iterations
        self._step = 0

    def __next__(self) -> EmStep:
        """Run one round of EM, and before it a pruning when it is time."""
        if self._rounds_left == 0:
            if len(self.log_probs) <= self._enough:
                raise StopIteration
            self._keep(self._prune())
            self._rounds_left = self._options.num_sub_iterations
        self._rounds_left -= 1
        self._step += 1
        return self._round()

    def _round(self) -> EmStep:
        expected = dict.fromkeys(self.log_probs, 0.0)
        likelihood = 0.0
        for lattice, count in self._words:
            likelihood += count * expected_counts(lattice, self.log_probs, count, expected)
        before, tokens = len(self.log_probs), sum(expected.values())
        self._maximise(expected)
        _, example = best_cut(self._lattice(self._example), self.log_probs)
        likelihood, tokens = likelihood / self._characters, tokens / self._characters
        return EmStep(self._step, before, likelihood, tokens, tuple(example))

    def _maximise(self, expected: Mapping[str, float]) -> None:
        counts = {
            piece: max(count, _LEAST_COUNT)
            for piece, count in expected.items()
            if count >= _LEAST_COUNT or piece in self._letters
        }
        total = digamma(sum(counts.values()))
        self._keep({piece: digamma(count) - total for piece, count in counts.items()})

    def _keep(self, log_probs: dict[str, float]) -> None:
        """Go on with these pieces only."""
        fewer = len(log_probs) < len(self.log_probs)
        self.log_probs = log_probs
        if fewer:
            self._words = [
                ([[way for way in ways if way[1] in log_probs] for ways in lattice], count)
                for lattice, count in self._words
            ]

    def _prune(self) -> dict[str, float]:
        """Choose the pieces whose loss would cost most, and all letters.

        Without a piece, each of its places would be cut as the piece itself is cut best without
        it. A piece that even now is better cut up goes at once.
        """
        used = dict.fromkeys(self.log_probs, 0)
        for lattice, count in self._words:
            for piece in best_cut(lattice, self.log_probs)[1]:
                used[piece] += count
        total = sum(used.values())
        losses = {}
        for piece, own in self.log_probs.items():
            if piece not in self._letters and used[piece]:
                score, others = best_cut(self._lattice(piece), self.log_probs, without=piece)
                if score <= own:
                    losses[piece] = _loss(used[piece], [used[other] for other in others], total)
        keep = max(self._enough, int(self._options.shrinking_factor * len(self.log_probs)))
        order = sorted(losses, key=lambda piece: (-losses[piece], piece))
        kept = [*self._letters, *order[: max(0, keep - len(self._letters))]]
        return {piece: self.log_probs[piece] for piece in kept}

    def _lattice(self, word: str) -> Lattice:
        return lattice_of(word, self.log_probs, self._options.max_sentencepiece_length)

    def vocabulary(self) -> dict[str, float]:
        """Run what is left, then give each final piece its log probability, the best piece first.

        All letters are kept, and the most probable longer pieces. A letter that was hardly ever
        used gets the score of the least probable piece, as upstream has it.
        """
        for _ in self:
            pass
        longer = {p: score for p, score in self.log_probs.items() if p not in self._letters}
        least = min(longer.values(), default=-math.inf)
        letters = {letter: max(self.log_probs[letter], least) for letter in self._letters}
        best = _best_first(longer)[: self._room - len(letters)]
        chosen = {**letters, **{piece: longer[piece] for piece in best}}
        return {piece: chosen[piece] for piece in _best_first(chosen)}

    def model(self) -> SentencePieceModel:
        """Run what is left, then make the SentencePiece model.

        Raises:
            TokenizerError: There are too few pieces, and `hard_vocab_limit` is set.
        """
        return build_model(self.vocabulary(), self._options, "unigram")

    def save(self, folder: FilePath) -> tuple[str, ...]:
        """Write the model into a folder, as spiece.model.

        Raises:
            TokenizerError: There are too few pieces, or the file cannot be written.
        """
        return save_model(self.model(), folder)


def train_unigram(texts: Texts, vocab_size: int, **options: Any) -> UnigramTraining:
    """Begin to train a unigram vocabulary; iterate over the result to watch it shrink.

    Then `save` writes the SentencePiece model. Where the corpus has
    too few pieces for `vocab_size`, that is an error, as it is upstream.

    Args:
        texts: Lines of a corpus; or sentences with their counts.
        vocab_size: Number of pieces at the end, special ones included.
        options: See `Options`: names and defaults are those of `SentencePieceTrainer.train`.

    Raises:
        TokenizerError: An option is unusable, `vocab_size` has no room for the alphabet (it says
            how much is needed), or there is nothing to learn from.

    >>> training = train_unigram({"low": 5, "lower": 2, "newest": 6, "widest": 3}, 18)
    >>> for step in training:
    ...     print(step)
      1       30 pieces, log likelihood -0.4664 and 0.1737 pieces per character, as in ▁newest
      2       15 pieces, log likelihood -0.2896 and 0.1684 pieces per character, as in ▁newest
    >>> list(training.vocabulary())[:3]
    ['▁newest', '▁low', '▁widest']
    """
    chosen = Options(vocab_size, **options)
    return UnigramTraining(prepare(texts, chosen), chosen)


def _best_first(scores: Mapping[str, float]) -> list[str]:
    return sorted(scores, key=lambda piece: (-scores[piece], piece))


def _frequent_long(parts: Mapping[str, int]) -> str:
    """Choose a word to watch: of the twenty most frequent long ones the longest."""
    long = [part for part in parts if 6 <= len(part) <= 24] or [part[:24] for part in parts]
    return max(sorted(long, key=lambda part: -parts.get(part, 0))[:20], key=len)


def _loss(own: int, others: Sequence[int], total: int) -> float:
    """Estimate how much log likelihood is lost with a piece that is used `own` times.

    Its places go to the `others`, which are used so often now; `total` is the use of all pieces.
    """
    with_it = math.log(own / total)
    new_total = total + own * (len(others) - 1)
    without_it = sum(math.log((other + own) / new_total) for other in others)
    return own * (with_it - without_it)
