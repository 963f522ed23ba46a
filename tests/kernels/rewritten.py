"""A kernel's file with one piece of its source changed: a wrong twin that the tests must notice."""

import importlib.util
import sys
import tempfile
from pathlib import Path

_SERIAL = iter(range(10**9))


def rewritten(module, before, after, times=1):
    """Import the module's source again with `before` replaced by `after`.

    The new source lies in a file of its own, because Triton reads a kernel's source from its file.
    """
    source = Path(module.__file__).read_text()
    assert source.count(before) == times, f"{before!r} is {source.count(before)} times there"
    name = f"{module.__name__.replace('.', '_')}_wrong_{next(_SERIAL)}"
    folder = Path(tempfile.mkdtemp(prefix="wrong-twin-"))
    path = folder / f"{name}.py"
    path.write_text(source.replace(before, after))
    spec = importlib.util.spec_from_file_location(name, path)
    wrong = importlib.util.module_from_spec(spec)
    sys.modules[name] = wrong
    spec.loader.exec_module(wrong)
    return wrong
