"""A finished tokenizer held against the tokenizer.json of its folder: tokens, ids, special tokens.

Readers differ in which file they take when a folder holds vocabulary files and a tokenizer.json.
So both must say the same, or loading ends in an error here. Called by pretrained.py, last.

Source: tokenizers 0.23.3, processors (BertProcessing, RobertaProcessing, TemplateProcessing).
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from tokenizers_py.calls.template import Template
from tokenizers_py.errors import TokenizerError
from tokenizers_py.files import shown
from tokenizers_py.folders.reading import TokenizerFiles
from tokenizers_py.folders.tokens import SINGLE

Row: TypeAlias = list[tuple[str, str, int]]  # "token" or "text"; which; its token type


def check_agrees(
    files: TokenizerFiles, ids: Mapping[str, int], template: Template, special: Mapping[str, str]
) -> None:
    """Check that tokenizer.json has the tokenizer's ids, and its special tokens around a text.

    Args:
        files: The folder that the tokenizer was read from.
        ids: The tokenizer's vocabulary.
        template: Where its special tokens stand.
        special: Its special tokens by name.

    Raises:
        TokenizerError: They differ; or the file is broken there.
    """
    content = files.tokenizer_json
    if content is None:
        return
    source = str(files.root / SINGLE)
    _check_vocabulary(content.get("model"), ids, source)
    source += ', "post_processor"'
    for wanted, got in zip(_rows(template, special), _their_rows(content, source), strict=True):
        if got is not None and got != wanted:
            raise TokenizerError(
                f"{source}: puts {_written(got)} where this tokenizer puts {_written(wanted)}"
            )
        for kind, token, _ in got or ():
            if kind == "token" and token not in ids:
                raise TokenizerError(f"{source}: {shown(token)} is not in the vocabulary")


def _check_vocabulary(model: object, ids: Mapping[str, int], source: str) -> None:
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocabulary, dict):
        return  # a unigram model's is a list, which no class here reads
    # Upstream strips tokens where it writes vocab.txt as tokenizer.json, so look at them stripped.
    tokens = {number: token.strip() for token, number in ids.items()}
    for token, number in vocabulary.items():
        if type(number) is not int or tokens.get(number) != token.strip():
            raise TokenizerError(
                f"{source}: contradicts the vocabulary files beside it: the id of {shown(token)} "
                f"is {shown(number)} here and {ids.get(token)} there"
            )


def _rows(template: Template, special: Mapping[str, str]) -> tuple[Row, Row]:
    """Lay out what the tokenizer makes of one text, A, and of two."""
    before, between, after = (
        [special[name] for name in names if name in special]
        for names in (template.before, template.between, template.after)
    )
    start: Row = [*(("token", token, 0) for token in before), ("text", "A", 0)]
    single: Row = [*start, *(("token", token, 0) for token in after)]
    kind = template.second_type
    pair: Row = [*start, *(("token", token, 0) for token in between), ("text", "B", kind)]
    return single, [*pair, *(("token", token, kind) for token in after)]


def _their_rows(content: Mapping[str, Any], source: str) -> tuple[Row | None, Row | None]:
    """Lay out what tokenizer.json makes of one text and of two; None where it says nothing."""
    post = content.get("post_processor")
    steps = post.get("processors") if isinstance(post, dict) else None
    if steps is not None and isinstance(steps, list):  # a sequence; ByteLevel adds no tokens
        rest = [s for s in steps if not (isinstance(s, dict) and s.get("type") == "ByteLevel")]
        post = rest[0] if len(rest) == 1 else post
    if post is None:
        return None, None
    kind = post.get("type") if isinstance(post, dict) else None
    try:
        if kind == "TemplateProcessing":
            return _template_row(post["single"]), _template_row(post["pair"])
        if kind in ("BertProcessing", "RobertaProcessing"):
            (sep, _), (cls, _) = post["sep"], post["cls"]
            template = Template(("cls",), ("sep",), ("sep",), second_type=1)
            if kind == "RobertaProcessing":
                template = Template(("cls",), ("sep", "sep"), ("sep",))
            return _rows(template, {"cls": cls, "sep": sep})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TokenizerError(f"{source}: broken: {shown(post)}") from error
    raise TokenizerError(f"{source}: of a kind that is not supported: {shown(post)}")


def _template_row(steps: Any) -> Row:
    row: Row = []
    for step in steps:
        ((kind, what),) = step.items()
        kinds = {"SpecialToken": "token", "Sequence": "text"}
        row.append((kinds[kind], what["id"], what["type_id"]))
    return row


def _written(row: Row) -> str:
    return " ".join(f"{shown(what)}:{shown(number)}" for _, what, number in row)
