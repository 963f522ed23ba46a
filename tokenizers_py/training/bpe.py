r"""Training of byte-pair encoding, for CLIP's kind of vocabulary and for GPT-2's.

Each word is spelt with one symbol per UTF-8 byte; the pair of neighbours that occurs most often
becomes a new token; repeat. What a token may hold follows from how words are cut and spelt
(`FLAVOURS`). The loop itself is in merging.py. The finished vocabulary is used by
tokenizers_py/bpe.py: it joins pairs in the order in which they were found here.

Source: Sennrich et al. 2016 (arXiv:1508.07909), algorithm 1; Radford et al. 2019 (bytes instead of
characters); tokenizers 0.23.3, models/bpe/trainer.rs (ties).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tokenizers_py.bpe import END_OF_WORD, byte_alphabet, word_symbols
from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import FilePath
from tokenizers_py.folders.writing import merges_bytes, vocab_bytes, write_folder
from tokenizers_py.training.merging import Merging, check_tokens
from tokenizers_py.training.words import Texts, clip_words, count_words, gpt2_words
from tokenizers_py.vocabulary import Vocabulary


@dataclass(frozen=True)
class Flavour:
    """How a model family cuts and spells its words, and where its special tokens stand."""

    split: Callable[[str], list[str]]  # text -> words
    spell: Callable[[str], list[str]]  # word -> symbols
    alphabet: tuple[str, ...]  # all symbols, in the order of their ids
    first: tuple[str, ...]  # special tokens before the alphabet
    last: tuple[str, ...]  # special tokens after the merges


def byte_symbols(word: str) -> list[str]:
    """Spell a word with one symbol per UTF-8 byte; a space is a symbol like the others.

    >>> byte_symbols(" né")
    ['Ġ', 'n', 'Ã', '©']
    """
    return word_symbols(word, end_of_word="")


_BYTES = tuple(byte_alphabet().values())
_WORD_ENDS = tuple(symbol + END_OF_WORD for symbol in _BYTES)

FLAVOURS = {
    "clip": Flavour(
        clip_words, word_symbols, _BYTES + _WORD_ENDS, (), ("<|startoftext|>", "<|endoftext|>")
    ),
    "gpt2": Flavour(gpt2_words, byte_symbols, _BYTES, (), ("<|endoftext|>",)),
    "roberta": Flavour(
        gpt2_words, byte_symbols, _BYTES, ("<s>", "<pad>", "</s>", "<unk>"), ("<mask>",)
    ),
}


class BpeTraining(Merging):
    """A byte-pair vocabulary that grows by one merge a step; made by `train_bpe`."""

    last: tuple[str, ...] = ()  # the special tokens that come after the merges

    def vocabulary(self) -> Vocabulary:
        """Give the ids and merges as they are now; special tokens included."""
        ids: dict[str, int] = {}
        for token in (*self.tokens, *self.last):
            ids.setdefault(token, len(ids))
        return Vocabulary(ids, {pair: rank for rank, pair in enumerate(self.merges)})

    def save(self, folder: FilePath) -> tuple[str, ...]:
        """Write vocab.json and merges.txt, as every byte-pair tokenizer reads them.

        Raises:
            TokenizerError: Something cannot be written. What was in the folder is then unchanged.
        """
        files = {
            "vocab.json": vocab_bytes(self.vocabulary().ids),
            "merges.txt": merges_bytes(self.merges),
        }
        return write_folder(folder, files)


def train_bpe(
    texts: Texts,
    vocab_size: int,
    *,
    flavour: str = "clip",
    min_frequency: int = 1,
    max_token_length: int | None = None,
    special_tokens: Sequence[str] | None = None,
) -> BpeTraining:
    r"""Begin to train a byte-pair vocabulary; iterate over the result to watch it grow.

    Rule: join the pair that occurs most often; of several, the one with the lower ids. These are
    the merges of `tokenizers.trainers.BpeTrainer` for the same words and the same alphabet.
    Trap: that trainer numbers symbols that carry an end of word ("t</w>") in the random order of
    a hash table, so its own ties fall differently from run to run, unless one fixes their order
    by naming them as special tokens. Here their order is CLIP's: all 256 of them, after the
    256 bytes. Trap: its `max_token_length=n` allows tokens of n - 1 symbols; ours allows n.

    Args:
        texts: Lines of a corpus; or words already counted, `{"low": 5}`.
        vocab_size: Number of tokens at the end, special ones included. Where the corpus has too
            few pairs the training ends before, as upstream's does.
        flavour: "clip" (lower case, marked ends of words, 512 symbols), "gpt2" or "roberta"
            (words with the space before them, 256 symbols; they differ in the special tokens).
        min_frequency: A pair that occurs less often is not joined.
        max_token_length: The most symbols (bytes) that a token may have.
        special_tokens: Other special tokens than the flavour's; all stand at the end.

    Raises:
        TokenizerError: An option is unusable, `vocab_size` has no room for the alphabet (it says
            how much is needed), or there is nothing to learn from.

    The example of Sennrich et al., watched:

    >>> training = train_bpe({"low": 5, "lower": 2, "newest": 6, "widest": 3}, 512 + 2 + 6)
    >>> for step in training:
    ...     print(step)
       0  e + s -> es  (9 times, as in n e w es t</w>)
       1  es + t</w> -> est</w>  (9 times, as in n e w est</w>)
       2  l + o -> lo  (7 times, as in lo w</w>)
       3  e + w -> ew  (6 times, as in n ew est</w>)
       4  n + ew -> new  (6 times, as in new est</w>)
       5  new + est</w> -> newest</w>  (6 times, as in newest</w>)
    >>> training.vocabulary().ids["newest</w>"]
    517
    """
    if flavour not in FLAVOURS:
        raise TokenizerError(f"flavour: must be one of {', '.join(FLAVOURS)}; got {flavour!r:.60}")
    kind = FLAVOURS[flavour]
    first, last = kind.first, kind.last
    if special_tokens is not None:
        first, last = (), check_tokens(special_tokens, kind.alphabet)
    counts = count_words(texts, kind.split)
    training = BpeTraining(
        [*first, *kind.alphabet],
        [(kind.spell(word), count) for word, count in counts.items()],
        vocab_size,
        min_frequency=min_frequency,
        max_token_length=max_token_length,
        reserved=len(last),
    )
    training.last = last
    return training
