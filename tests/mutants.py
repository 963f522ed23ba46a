"""An interpreter with one operation done wrong, for the tests that must turn red.

Every operation is an attribute of its own, none comes through `__getattr__`: from Python 3.12 on,
isinstance against a protocol looks past that method, and the checks of shapes and types, which hold
for every test, would refuse the mutant before a number is compared.
"""

from types import SimpleNamespace

from refimpl import ops


def mutant(name, wrong):
    """The numpy interpreter with `wrong` in place of the operation `name`."""
    assert hasattr(ops, name), name
    return SimpleNamespace(**{**vars(ops), name: wrong})
