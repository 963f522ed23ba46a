"""The command `refimpl`: one file for each command; this is where it begins.

classify.py         which label fits a picture
tokenize_texts.py   texts to ids
info.py             what a checkpoint is
convert.py          a checkpoint as its authors published it, to the hub's layout
preprocess.py       what happens to a picture before the model, step by step
verify.py           our numbers beside published ones
common.py           what they share

Stands on top of everything. Bad use or input ends in one line on standard error and exit code 2;
no traceback. With `--json` standard output holds one JSON document and nothing else. A lone `-`
in a list reads its items from standard input, one a line.

argparse, from the standard library, because it takes `--labels "a cat" "a dog"` as it stands.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Sequence

from refimpl.cli.classify import add_classify
from refimpl.cli.common import BAD_INPUT, FINE, complain, warn
from refimpl.cli.convert import add_convert
from refimpl.cli.info import add_info
from refimpl.cli.preprocess import add_preprocess
from refimpl.cli.tokenize_texts import add_tokenize
from refimpl.cli.verify import add_verify
from refimpl.version import __version__

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 fine, 1 a difference, 2 bad use or input."""
    parsed = _parser().parse_args(arguments)
    warnings.showwarning = warn
    try:
        code: int = parsed.run(parsed)
        sys.stdout.flush()
    except (ValueError, OSError, MemoryError) as error:
        if isinstance(error, BrokenPipeError):  # whoever read our output has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FINE
        complain(error)
        return BAD_INPUT
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="refimpl",
        description="The golden reference for image-text models, in numpy.",
        epilog="Exit codes: 0 fine, 1 a check found a difference, 2 bad use or input.",
    )
    parser.add_argument("--version", action="version", version=f"refimpl {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add_classify(commands)
    add_tokenize(commands)
    add_info(commands)
    add_convert(commands)
    add_preprocess(commands)
    add_verify(commands)
    return parser
