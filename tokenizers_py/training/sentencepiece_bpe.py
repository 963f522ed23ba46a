r"""Training of a BPE model for SentencePiece: the loop of merging.py on characters.

What differs from bpe.py is around the loop: words begin with "▁" in place of a space, are spelt in
characters and not in bytes, and the result is a `.model` file. It holds no merges. Each piece has
its rank as (negative) score, and any two neighbours that together are a piece may be joined, the
piece of the best score first.

Source: sentencepiece 0.2.1, bpe_model_trainer.cc (ids and scores). Ties are resolved as in bpe.py,
not as there.
"""

from typing import Any

from tokenizers_py.files import FilePath
from tokenizers_py.sentencepiece.model_file import SentencePieceModel
from tokenizers_py.training.merging import Merging
from tokenizers_py.training.sentencepiece_model import Options, build_model, prepare, save_model
from tokenizers_py.training.words import Texts


class SentencePieceBpeTraining(Merging):
    """A vocabulary that grows by one merge a step; made by `train_sentencepiece_bpe`."""

    options: Options
    letters: dict[str, int]

    def model(self) -> SentencePieceModel:
        """Make all merges that are left, then the model: pieces by rank, then the letters.

        Raises:
            TokenizerError: There are too few pieces, and `hard_vocab_limit` is set.
        """
        self.finish()
        letters = sorted(self.letters, key=lambda letter: (-self.letters[letter], letter))
        order = [*self.tokens[len(letters) :], *letters]
        scores = {piece: -float(rank) for rank, piece in enumerate(order)}
        return build_model(scores, self.options, "bpe")

    def save(self, folder: FilePath) -> tuple[str, ...]:
        """Write the model into a folder, as spiece.model.

        Raises:
            TokenizerError: There are too few pieces, or the file cannot be written.
        """
        return save_model(self.model(), folder)


def train_sentencepiece_bpe(
    texts: Texts, vocab_size: int, **options: Any
) -> SentencePieceBpeTraining:
    """Begin to train a BPE vocabulary for SentencePiece; iterate over the result to watch it.

    Args and errors: as for `train_unigram` (training/unigram.py).

    >>> training = train_sentencepiece_bpe({"low": 5, "lower": 2, "slow": 1}, 15)
    >>> for step in training:
    ...     print(step)
       0  l + o -> lo  (8 times, as in ▁ lo w)
       1  lo + w -> low  (8 times, as in ▁ low)
       2  ▁ + low -> ▁low  (7 times, as in ▁low)
       3  e + r -> er  (2 times, as in ▁low er)
       4  ▁low + er -> ▁lower  (2 times, as in ▁lower)
    >>> [piece.piece for piece in training.model().pieces][3:10]
    ['lo', 'low', '▁low', 'er', '▁lower', 'l', 'o']
    """
    chosen = Options(vocab_size, **options)
    corpus = prepare(texts, chosen)
    training = SentencePieceBpeTraining(
        sorted(corpus.letters),
        [(list(part), count) for part, count in corpus.parts.items()],
        corpus.room,
        min_frequency=chosen.min_frequency,
        max_token_length=chosen.max_sentencepiece_length,
    )
    training.options, training.letters = chosen, corpus.letters
    return training
