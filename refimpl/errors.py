"""The one error that bad input ends in: what was wrong, where, and what would be right.

Raised by every part of refimpl; the command line (cli/) prints it as one line. It is a
ValueError, so callers who already catch that keep working.
"""


class InputError(ValueError):
    """Something the caller gave us (a file, a picture, an array, an option) cannot be used."""
