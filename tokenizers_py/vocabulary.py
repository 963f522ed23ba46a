"""A byte-pair vocabulary and the two files that hold one.

merges.txt is the list of merges; vocab.json gives each token its id. Ids also follow from the
merges alone (`ids_from_merges`), which is how CLIP's own vocabulary is made. Every file is checked
here, once, so that bpe.py need not. Called by clip.py and roberta.py. (A tokenizer.json, which
holds both in one file, is read by folders/tokenizer_json.py.)

Source: openai/CLIP d05afc4, clip/simple_tokenizer.py; transformers 4.57.6 and 5.23.0 (the layouts).
"""

import functools
import gzip
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tokenizers_py.bpe import END_OF_WORD, byte_alphabet
from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import (
    MAX_FILE_BYTES,
    FilePath,
    check_ids,
    read_bytes,
    read_json_object,
    read_text,
)

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
    limit: int | None = MERGE_LIMIT,
) -> Vocabulary:
    """Read merges.txt, and vocab.json where there is one; without it the merges give the ids.

    `limit` is how many merges count: CLIP's limit, or None for all.

    Raises:
        TokenizerError: A file cannot be read or breaks a rule; names the file and the line.
    """
    merges = read_merges(merges_file, limit)
    if vocab_file is None:
        ids = ids_from_merges(merges, special_tokens, str(merges_file))
    else:
        ids = read_vocab(vocab_file)
        _check_merges_known(merges, ids, str(merges_file), str(vocab_file))
    return Vocabulary(ids, {pair: rank for rank, pair in enumerate(merges)})


def given_vocabulary(
    vocab_file: FilePath | None,
    merges_file: FilePath | None,
    vocabulary: Vocabulary | None,
    limit: int | None = None,
) -> Vocabulary:
    """Take the vocabulary that a tokenizer is made with: two files, or one that was read before.

    Raises:
        TokenizerError: Neither or both are given, or a file cannot be used.
    """
    if vocabulary is not None:
        if vocab_file is not None or merges_file is not None:
            raise TokenizerError("vocabulary: pass either it or files, not both")
        return vocabulary
    if vocab_file is None or merges_file is None:
        raise TokenizerError(
            f"needs vocab_file and merges_file; got {vocab_file!r:.60} and {merges_file!r:.60}"
        )
    return vocabulary_from_files(vocab_file, merges_file, limit=limit)


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
        merge = ids[tokens[number]] - 2 * len(alphabet) + 1
        raise TokenizerError(
            f"{source}, merge {merge}: makes {tokens[number]!r}, which is in the vocabulary before. "
            "The merges alone give no ids here: pass vocab_file too."
        )
    for token in special_tokens:
        ids.setdefault(token, len(ids))
    return ids


def read_merges(path: FilePath, limit: int | None = MERGE_LIMIT) -> list[Merge]:
    """Read merges.txt, or OpenAI's bpe_simple_vocab_16e6.txt.gz: one pair a line, best first.

    As in the original, what follows the first `limit` merges is not used. A first line with
    "#version" is a comment. Lines may end in LF or CR LF.

    Trap: where there is no such first line, Transformers 5 takes it as a merge, as here; 4.57.6
    drops it whatever it holds, and so loses one merge.

    Raises:
        TokenizerError: A line is no pair, or a pair stands there twice; names the line.
    """
    lines = _read_lines(path)
    first = 2 if "#version" in lines[0] else 1
    lines = lines[first - 1 :]
    merges: list[Merge] = []
    for number, line in enumerate(lines[:limit], start=first):
        left, _, right = line.partition(" ")
        if not left or not right or " " in right or "\r" in line:
            raise TokenizerError(
                f"{path}, line {number}: must be two symbols with one space between; "
                f"got {line[:60]!r}"
            )
        merges.append((left, right))
    _check_no_repeats(merges, str(path), first)
    return merges


def _read_lines(path: FilePath) -> list[str]:
    """Read the lines of a text file, which may be packed with gzip."""
    raw = read_bytes(path)
    if not raw.startswith(b"\x1f\x8b"):
        text = read_text(path)
    else:
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(raw)) as packed:
                raw = packed.read(MAX_FILE_BYTES + 1)
            text = raw.decode("utf-8")
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            raise TokenizerError(f"{path}: no packed text: {error}") from error
        if len(raw) > MAX_FILE_BYTES:
            raise TokenizerError(f"{path}: unpacks to more than {MAX_FILE_BYTES} bytes")
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        raise TokenizerError(f"{path}: is empty; needs one merge a line")
    return lines


def read_vocab(path: FilePath) -> dict[str, int]:
    """Read vocab.json: one object, token to id."""
    return check_ids(read_json_object(path), str(path))


def _check_no_repeats(merges: Sequence[Merge], source: str, first: int) -> None:
    if len(set(merges)) == len(merges):
        return
    seen: dict[Merge, int] = {}
    for number, pair in enumerate(merges, start=first):
        if pair in seen:
            raise TokenizerError(
                f"{source}, line {number}: the merge {' '.join(pair)!r} stands there before, "
                f"at {seen[pair]}"
            )
        seen[pair] = number


def _check_merges_known(
    merges: Sequence[Merge], ids: dict[str, int], source: str, vocab_source: str
) -> None:
    for number, (left, right) in enumerate(merges, start=1):
        for token in (left, right, left + right):
            if token not in ids:
                raise TokenizerError(
                    f"{source}, merge {number} ({left!r:.40} and {right!r:.40}): {token!r:.60} is "
                    f"not in {vocab_source}"
                )
