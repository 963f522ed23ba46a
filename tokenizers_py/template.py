"""Where the special tokens of a model stand around one text or a pair of texts.

Each model's tokenizer has one `Template`; calls.py fills it in.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Template:
    """The special tokens around a text, by name: before, between a pair, after.

    One text is `before A after`, a pair `before A between B after`. `second_type` is the token
    type of B and of what follows it (of A and the rest it is 0).
    """

    before: tuple[str, ...]
    between: tuple[str, ...]
    after: tuple[str, ...]
    second_type: int = 0
