"""The type checker that the import hook of conftest.py applies to every function of refimpl."""

from beartype import BeartypeConf, beartype

# The numeric tower of PEP 484: an int is welcome where a float is asked for.
check = beartype(conf=BeartypeConf(is_pep484_tower=True))
