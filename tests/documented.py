"""An example of upstream's documentation, run by our library and by upstream's own.

The example stands in a test as upstream prints it. `OURS` is the whole list of what is changed
before our library runs it, and `BOTH` what is changed for either: addresses become local files.
Afterwards every array, every field of an output and every printed line of the two runs is compared.
"""

import contextlib
import io
import os
import re
import textwrap
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import transformers
from comparing import assert_close

IMAGES = Path(__file__).parent / "data" / "images"
ROCKET = str(IMAGES / "skimage" / "rocket.jpg")
HOPPER = str(IMAGES / "pillow" / "hopper.jpg")
TOLERANCE = 1e-5  # relative L2, in float32

# Pattern and replacement, in order.
BOTH = (
    # network addresses become local files
    (r"http://images.cocodataset.org/val2017/000000039769.jpg", ROCKET),
    (r"https://farm3.staticflickr.com/2674/5850229113_4fe05d5265_z.jpg", HOPPER),
    (r"https://clip-cn-beijing.oss-cn-beijing.aliyuncs.com/pokemon.jpeg", HOPPER),
    (r"https://huggingface.co/datasets/Narsil/image_dummy/raw/main/parrots.png", HOPPER),
    (r"https://huggingface.co/datasets/huggingface/documentation-images/\S*/\S*jpeg", ROCKET),
    (r"import requests\n", ""),
    (r"requests\.get\(url, stream=True\)\.raw", "url"),
    (r"from datasets import load_dataset\n", "from PIL import Image\n"),
    (r"dataset = load_dataset\(.*\)\n", ""),
    (r'dataset\["test"\]\["image"\]\[0\]', f"Image.open({ROCKET!r})"),
    # devices and half precision: both run on a CPU in float32
    (r",\s*device=0", ""),
    (r",\s*(torch_)?dtype=torch\.\w+", ""),
    (r"\.to\(model\.device\)", ""),
)
OURS = (
    (r"from transformers(\.\w+)* import", "from refimpl import"),
    (r'return_tensors="(pt|tf)"', 'return_tensors="np"'),
    # what only a tensor of torch can
    (r"import torch\n", ""),
    (r"torch\.manual_seed\(3\).*\n", ""),
    (r"with torch\.(no_grad|inference_mode)\(\):", "if True:"),
    (r"torch\.sigmoid\((\w+)\)", r"1 / (1 + np.exp(-\1))"),
    (r"(\w+)\.softmax\(dim=1\)", r"np.exp(\1) / np.exp(\1).sum(1, keepdims=True)"),
    (r"(\w+)\.norm\(p=2, dim=-1, keepdim=True\)", r"np.linalg.norm(\1, axis=-1, keepdims=True)"),
    (r"argmax\(dim=1\)", "argmax(1)"),
)
THEIRS = (
    # without a task it asks the hub, which is offline
    (r'pipeline\(model="([^"]+)"\)', r'pipeline("zero-shot-image-classification", "\1")'),
    (r"\s*device_map=\"auto\",?", ""),  # needs one more package
    # since 5.0 upstream gives a composite output here, which its own examples overlook
    (r"(model\.get_(text|image)_features\(\*\*inputs\))", r"\1.pooler_output"),
)

# projected since 5.0, the tower's own state before; the examples of the towers compare it
NEW = ("outputs.text_model_output.pooler_output", "outputs.vision_model_output.pooler_output")


class Example:
    """An example's text, and how to run and judge it.

    Args:
        text: the statements as upstream prints them, without the prompts.
        judged: True compares with upstream's run of the example. "saved" is for examples that
            draw weights at random: upstream loads what our `model` saves and computes its last
            `inputs`. False compares nothing.
        also: more patterns and replacements for this example, for either run; the test says why.
    """

    def __init__(self, text, judged=True, also=()):
        self.text = textwrap.dedent(text).lstrip()
        self.judged = judged
        self.also = also

    def run(self, folder):
        """Run it with our library, judge it, and give the variables it leaves."""
        rules = [*self.also, *BOTH, *OURS]
        ours = execute(rewritten(self.text, rules), folder / "ours")
        if self.judged == "saved":
            judge_saved(ours, folder / "saved")
        elif self.judged:
            rules = [*self.also, *BOTH, *THEIRS]
            theirs = execute(rewritten(self.text, rules), folder / "theirs", quiet=True)
            assert ours["printed"] == theirs["printed"]
            assert compare(ours, theirs) > 0, "nothing was compared"
        return ours


def rewritten(text, rules):
    for pattern, replacement in rules:
        text = re.sub(pattern, replacement, text)
    return text


def execute(code, folder, quiet=False):
    """Run statements in a folder; gives their variables, and under "printed" what they print."""
    folder.mkdir()
    names = {"np": np}
    printed = io.StringIO()
    with contextlib.ExitStack() as stack:
        stack.callback(os.chdir, os.getcwd())
        os.chdir(folder)
        stack.enter_context(contextlib.redirect_stdout(printed))
        if quiet:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        exec(compile(code, "<example>", "exec"), names)
    return {**names, "printed": printed.getvalue()}


def judge_saved(ours, folder):
    """Let upstream load the model that our run leaves, and compute its inputs again."""
    model, inputs = ours["model"], ours["inputs"]
    model.save_pretrained(folder)
    theirs = getattr(transformers, type(model).__name__).from_pretrained(folder).eval()
    with torch.no_grad():
        outputs = theirs(**{name: torch.tensor(value) for name, value in inputs.items()})
    assert agree(model(**inputs), outputs, "outputs") > 0


def compare(ours, theirs):
    """Compare what both runs left under the same names; gives how many arrays were compared."""
    compared = 0
    for name, wanted in theirs.items():
        if isinstance(wanted, (torch.Tensor, Mapping, list)) and not name.startswith("__"):
            assert name in ours, f"our run left no {name}"
            compared += agree(ours[name], wanted, name)
    return compared


def agree(found, wanted, name):
    """Compare an array, or a mapping of them, with upstream's; gives how many were compared."""
    if isinstance(wanted, torch.Tensor):
        assert isinstance(found, np.ndarray | np.generic), f"{name} is a {type(found).__name__}"
        assert_close(np.asarray(found), wanted.detach().numpy(), TOLERANCE, name)
        return 1
    if isinstance(wanted, Mapping):
        found, wanted = (
            {k: v for k, v in x.items() if f"{name}.{k}" not in NEW} for x in (found, wanted)
        )
        assert set(found) == set(wanted), name
        return sum(agree(found[k], v, f"{name}.{k}") for k, v in wanted.items())
    if isinstance(wanted, (list, tuple)):
        assert len(found) == len(wanted), name
        pairs = enumerate(zip(found, wanted, strict=True))
        return sum(agree(f, w, f"{name}[{i}]") for i, (f, w) in pairs)
    if isinstance(wanted, float):
        assert isinstance(found, float), f"{name} is a {type(found).__name__}"
        assert_close(found, wanted, TOLERANCE, name)
        return 1
    assert isinstance(found, str) == isinstance(wanted, str), name
    assert not isinstance(wanted, str) or found == wanted, name
    return 0


def shapes_of_upstream(model_class, config=None):
    """Shapes of all parameters of an upstream model of the default size, without making them."""
    with torch.device("meta"):
        model = model_class(config if config is not None else model_class.config_class())
    return sorted(tuple(p.shape) for p in model.parameters())
