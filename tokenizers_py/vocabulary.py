"""A byte-pair vocabulary and the three kinds of file that hold one.

merges.txt is the list of merges; vocab.json gives each token its id; tokenizer.json (Transformers
5 and the `tokenizers` library) holds both. Ids also follow from the merges alone
(`ids_from_merges`), which is how CLIP's own vocabulary is made. Every file is checked here, once,
so that bpe.py and clip.py need not. Called by clip.py and pretrained.py.

Source: openai/CLIP d05afc4, clip/simple_tokenizer.py; transformers 4.57.6 and 5.23.0 (the layouts).
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tokenizers_py.bpe import END_OF_WORD, byte_alphabet
from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import FilePath, check_ids, read_json_object, read_text

Merge: TypeAlias = tuple[str, str]

SPECIAL_TOKENS = ("<|startoftext|>", "<|endoftext|>")  # CLIP's, in the order of their ids
MERGE_LIMIT = 49152 - 256 - 2  # CLIP uses this many of the 262,144 merges in OpenAI's file
_SHIPPED_MERGES = Path(__file__).parent / "data" / "clip" / "merges.txt"


@dataclass(frozen=True)
class Vocabulary:
    """What byte-pair encoding needs to know; never changed once made."""

    ids: dict[str, int]  # token -> id
    ranks: dict[Merge, int]  # pair -> place in the list of merges


@functools.cache
def shipped_vocabulary() -> Vocabulary:
    """Read OpenAI CLIP's vocabulary, which lies in this package: 49,408 tokens, 48,894 merges."""
    return vocabulary_from_files(None, _SHIPPED_MERGES)


def vocabulary_from_files(
    vocab_file: FilePath | None,
    merges_file: FilePath,
    special_tokens: Sequence[str] = SPECIAL_TOKENS,
) -> Vocabulary:
    """Read merges.txt, and vocab.json where there is one; without it the merges give the ids.

    Raises:
        TokenizerError: A file cannot be read or breaks a rule; names the file and the line.
    """
    merges = read_merges(merges_file)
    if vocab_file is None:
        ids = ids_from_merges(merges, special_tokens, str(merges_file))
    else:
        ids = read_vocab(vocab_file)
        _check_merges_known(merges, ids, str(merges_file), str(vocab_file))
    return Vocabulary(ids, {pair: rank for rank, pair in enumerate(merges)})


def ids_from_merges(
    merges: Sequence[Merge], special_tokens: Sequence[str], source: str = "merges"
) -> dict[str, int]:
    """Number the tokens as CLIP does: bytes, bytes that end a word, merges, special tokens.

    >>> ids = ids_from_merges([("c", "a"), ("ca", "t</w>")], ["<s>"])
    >>> ids["!"], ids["!</w>"], ids["ca"], ids["cat</w>"], ids["<s>"]
    (0, 256, 512, 513, 514)
    """
    alphabet = list(byte_alphabet().values())
    tokens = [*alphabet, *(symbol + END_OF_WORD for symbol in alphabet)]
    tokens += [first + second for first, second in merges]
    ids = {token: number for number, token in enumerate(tokens)}
    if len(ids) < len(tokens):
        number = next(n for n, token in enumerate(tokens) if ids[token] != n)
        line = ids[tokens[number]] - 2 * len(alphabet) + 2  # line 1 is the comment
        raise TokenizerError(
            f"{source}, line {line}: makes {tokens[number]!r}, which is in the vocabulary before. "
            "The merges alone give no ids here: pass vocab_file too."
        )
    for token in special_tokens:
        ids.setdefault(token, len(ids))
    return ids


def read_merges(path: FilePath) -> list[Merge]:
    """Read merges.txt: a "#version" line, then one pair a line, the most frequent first.

    As in the original, what follows the first 48,894 merges is not used.
    """
    lines = read_text(path).split("\n")
    if "#version" not in lines[0]:
        raise TokenizerError(
            f'{path}, line 1: must be a comment such as "#version: 0.2"; got {lines[0][:60]!r}'
        )
    if lines[-1] == "":
        lines.pop()
    lines = lines[1 : MERGE_LIMIT + 1]
    merges: list[Merge] = []
    for number, line in enumerate(lines, start=2):
        first, _, second = line.partition(" ")
        if not first or not second or " " in second or "\r" in second:
            hint = "; its lines end in CR LF, save it with LF" if "\r" in line else ""
            raise TokenizerError(
                f"{path}, line {number}: must be two symbols with one space between; "
                f"got {line[:60]!r}{hint}"
            )
        merges.append((first, second))
    _check_no_repeats(merges, str(path))
    return merges


def read_vocab(path: FilePath) -> dict[str, int]:
    """Read vocab.json: one object, token to id."""
    return check_ids(read_json_object(path), str(path))


def read_tokenizer_json(path: FilePath) -> tuple[Vocabulary, dict[str, int]]:
    """Read the vocabulary and the added tokens (text to id) out of a tokenizer.json."""
    content = read_json_object(path)
    model = content.get("model")
    if not isinstance(model, dict) or model.get("type") != "BPE":
        raise TokenizerError(f'{path}: "model" must be an object of type "BPE", as CLIP\'s is')
    if model.get("end_of_word_suffix") != END_OF_WORD or model.get("continuing_subword_prefix"):
        raise TokenizerError(
            f'{path}: "model" must mark word ends with "</w>" and continuations with nothing, '
            "as CLIP's does"
        )
    ids = check_ids(model.get("vocab"), f'{path}, "vocab"')
    merges = _check_merge_list(model.get("merges"), f'{path}, "merges"')
    _check_merges_known(merges, ids, f'{path}, "merges"', "its vocab", first=0)
    added = content.get("added_tokens") or []
    if not isinstance(added, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get("content"), str) for entry in added
    ):
        raise TokenizerError(f'{path}: "added_tokens" must be a list of objects with "content"')
    added_ids = {entry["content"]: entry.get("id") for entry in added}
    return (
        Vocabulary(ids, {pair: rank for rank, pair in enumerate(merges)}),
        check_ids(added_ids, f'{path}, "added_tokens"'),
    )


def _check_merge_list(content: object, source: str) -> list[Merge]:
    if not isinstance(content, list):
        raise TokenizerError(f"{source}: must be a list; got {type(content).__name__}")
    merges: list[Merge] = []
    for number, entry in enumerate(content):
        parts = entry.split(" ") if isinstance(entry, str) else entry
        if (
            not isinstance(parts, list)
            or len(parts) != 2
            or not all(isinstance(part, str) and part for part in parts)
        ):
            raise TokenizerError(
                f'{source}, entry {number}: must be "a b" or ["a", "b"]; got {entry!r:.60}'
            )
        merges.append((parts[0], parts[1]))
    _check_no_repeats(merges, source, first=0)
    return merges


def _check_no_repeats(merges: Sequence[Merge], source: str, first: int = 2) -> None:
    if len(set(merges)) == len(merges):
        return
    seen: dict[Merge, int] = {}
    for number, pair in enumerate(merges, start=first):
        if pair in seen:
            raise TokenizerError(
                f"{source}, {'line' if first else 'entry'} {number}: the merge "
                f"{' '.join(pair)!r} stands there before, at {seen[pair]}"
            )
        seen[pair] = number


def _check_merges_known(
    merges: Sequence[Merge], ids: dict[str, int], source: str, vocab_source: str, first: int = 2
) -> None:
    for number, (left, right) in enumerate(merges, start=first):
        if left + right not in ids:
            raise TokenizerError(
                f"{source}, {'line' if first else 'entry'} {number}: makes {left + right!r}, "
                f"which is not in {vocab_source}"
            )
