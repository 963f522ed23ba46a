"""What importing costs and touches, measured in fresh interpreters."""

import os
import statistics
import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "triton",
    "transformers",
    "PIL",
    "ftfy",
    "regex",
    "safetensors",
    "huggingface_hub",
)


def python(code):
    """Run code as a user would: without the shape checks that the tests switch on."""
    env = {name: value for name, value in os.environ.items() if name != "REFIMPL_CHECK_SHAPES"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("package", ["refimpl", "kernels", "tokenizers_py"])
def test_importing_a_package_loads_nothing_heavy_and_prints_nothing(package):
    code = f"import sys, {package}; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert python(code) == "[]"


def test_the_models_need_neither_torch_nor_triton_nor_transformers():
    code = (
        "import sys, refimpl; [getattr(refimpl, name) for name in refimpl.__all__]; "
        "print([m for m in ('torch', 'triton', 'transformers', 'jaxtyping') if m in sys.modules])"
    )
    assert python(code) == "[]"


def test_import_adds_little_to_numpys_own():
    code = "import time, numpy; t = time.process_time(); import refimpl; print(time.process_time() - t)"
    assert statistics.median(float(python(code)) for _ in range(5)) < 0.15


def test_no_module_takes_the_place_of_a_public_name():
    code = "import refimpl.cli, refimpl.pipelines, refimpl; print(callable(refimpl.pipeline))"
    assert python(code) == "True"


def test_every_public_name_exists():
    import refimpl

    assert set(refimpl.__all__) <= set(dir(refimpl))
    other_names = {}
    for kind in ("Beit", "Bit", "CLIP", "ChineseCLIP", "DeiT", "Siglip", "ViT"):
        other_names[f"{kind}FeatureExtractor"] = f"{kind}ImageProcessor"
    for kind in ("Bert", "CLIP", "Roberta"):
        other_names[f"{kind}TokenizerFast"] = f"{kind}Tokenizer"
    for name in refimpl.__all__:
        assert getattr(refimpl, name).__name__ == other_names.get(name, name)
    with pytest.raises(AttributeError, match="no attribute 'CLIPNothing'"):
        _ = refimpl.CLIPNothing


def test_transformers_still_imports_beside_our_package_called_kernels():
    code = (
        "import kernels, transformers; assert kernels.__version__ == '0.1.0'; "
        "from transformers import CLIPModel; "
        "from transformers.utils import is_kernels_available; print(is_kernels_available())"
    )
    assert python(code) == "False"
