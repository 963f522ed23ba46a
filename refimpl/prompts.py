"""Label words to sentences: what the zero-shot pipeline asks the text tower about each label.

Called by pipelines.py and by the command line (cli/classify.py).
"""

import reprlib
import string
from collections.abc import Sequence
from typing import Any

from refimpl.errors import InputError


def check_labels(labels: Any) -> list[str]:
    """Return the labels as a list of strings.

    Raises:
        InputError: there are none, or they are one string, which would be taken letter by letter.
    """
    if isinstance(labels, str):
        raise InputError(
            f"candidate_labels must be a list of strings; got the string {labels[:200]!r}"
        )
    try:
        found = list(labels) if labels is not None else []
    except TypeError as error:
        raise InputError(f"candidate_labels must be a list of strings; got {labels!r}") from error
    if not found:
        raise InputError("candidate_labels is empty: give at least one label")
    for label in found:
        if not isinstance(label, str) or not label.strip():
            raise InputError(
                f"candidate_labels must be strings that say something; got {reprlib.repr(label)}"
            )
    return found


def fill_template(template: Any, labels: Sequence[str]) -> list[str]:
    """Put each label into the sentence, as `template.format(label)` does.

    Only plain fields are taken, `{}` and `{0}`: a format may ask for a width of a billion.

    Raises:
        InputError: there is no field in the template, or it is not a format of one plain field.

    >>> fill_template("{} {{or}} not", ["a cat"])
    ['a cat {or} not']
    """
    try:
        if not isinstance(template, str):
            raise TypeError("not a string")
        parts = list(string.Formatter().parse(template))
    except (TypeError, ValueError) as error:
        raise InputError(f"the template {template!r} is no format of text: {error}") from error
    fields = [part[1:] for part in parts if part[1] is not None]
    if not fields:
        raise InputError(f"the template must hold {{}} where the label goes; got {template!r}")
    if any(field not in (("", "", None), ("0", "", None)) for field in fields):
        raise InputError(f"the template may hold {{}} or {{0}}, and nothing else; got {template!r}")
    try:
        return [template.format(label) for label in labels]
    except (IndexError, ValueError) as error:  # two fields, or {} beside {0}
        raise InputError(
            f"the template must hold {{}} once, or {{0}}; got {template!r}: {error}"
        ) from error
