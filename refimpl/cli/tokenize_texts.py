"""refimpl tokenize: texts to token ids, with every step explained if asked for."""

import argparse
from typing import Any

from refimpl.cli.common import FINE, add_command, add_model_option, items, print_json, print_table


def add_tokenize(commands: Any) -> None:
    """Add the command and its options."""
    command = add_command(commands, "tokenize", _tokenize, "turn texts into token ids")
    command.add_argument("texts", nargs="+", metavar="TEXT", help="texts; - reads stdin")
    add_model_option(command, "CLIP's own vocabulary")
    command.add_argument(
        "--profile", help="which upstream to follow where they differ, such as transformers"
    )
    command.add_argument(
        "--explain", action="store_true", help="show every step: cleaning, words, merges, scores"
    )


def _tokenize(options: argparse.Namespace) -> int:
    texts = items(options.texts, "texts")
    tokenizer = _tokenizer(options.model, options.profile)
    found = []
    for text in texts:
        if options.explain:
            explanation = tokenizer.explain(text)
            found.append(explanation.to_dict())
            if not options.json:
                print(explanation)
            continue
        ids = tokenizer.encode(text)
        tokens = tokenizer.convert_ids_to_tokens(ids)
        found.append({"text": text, "ids": ids, "tokens": tokens})
        if not options.json:
            print(text)
            print_table([(f"  {i:6d}", token) for i, token in zip(ids, tokens, strict=True)])
    if options.json:
        print_json(found)
    return FINE


def _tokenizer(model: str | None, profile: str | None) -> Any:
    """Give a checkpoint's own tokenizer, whatever its family; CLIP's without a checkpoint."""
    from tokenizers_py import AutoTokenizer, CLIPTokenizer

    if model is None:
        return CLIPTokenizer() if profile is None else CLIPTokenizer(profile=profile)
    return AutoTokenizer.from_pretrained(model, profile=profile)
