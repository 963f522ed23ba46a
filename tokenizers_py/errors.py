"""The one error that bad text, options or vocabulary files end in.

tokenizers_py knows nobody else in this project, so the error is its own; like refimpl's it is a
ValueError that says what was wrong, where, and what would be right.
"""


class TokenizerError(ValueError):
    """A vocabulary file, a text or an option that the tokenizer cannot use."""
