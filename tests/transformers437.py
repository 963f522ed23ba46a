"""Transformers 4.37.2's stored answers, and our models on the same weights.

The files are in data/transformers437/; fixture_makers/transformers437_answers.py makes them.
"""

import json
from pathlib import Path

from safetensors import safe_open

from refimpl import configs, models
from refimpl.params import fill

FOLDER = Path(__file__).parent / "data" / "transformers437"
NAMES = sorted(path.stem for path in FOLDER.glob("*.safetensors"))


class Stored:
    """One model of 4.37.2: its class, config and weights, and the calls that were made of it."""

    def __init__(self, name):
        with safe_open(FOLDER / f"{name}.safetensors", "np") as file:
            self.tensors = {key: file.get_tensor(key) for key in file.keys()}
            about = json.loads(file.metadata()["about"])
        assert about["transformers"] == "4.37.2"
        self.kind = about["class"]
        self.config = about["config"]
        self.weights = self._under("weights")
        places = (key.split(".")[0] for key in self.tensors if ".out." in key)
        self.calls = sorted(set(places) - {"weights"})

    def _under(self, prefix):
        start = f"{prefix}."
        return {k.removeprefix(start): x for k, x in self.tensors.items() if k.startswith(start)}

    def inputs(self, call):
        """What went in: arrays, and flags as Python's."""
        found = self._under(f"{call}.in")
        return {name: x if x.ndim else bool(x) for name, x in found.items()}

    def outputs(self, call):
        """What came out, by dotted name, in float64."""
        return self._under(f"{call}.out")

    def ours(self, dtype):
        """Our model of the same class, config and weights."""
        config = getattr(configs, self.kind.replace("Model", "Config"))(**self.config)
        model = getattr(models, self.kind)(config, dtype=dtype)
        model.params = fill(model.params, self.weights, dtype)
        return model


def flat(output, prefix=""):
    """All arrays of an output of ours by dotted name, as the files have them."""
    found = {}
    pairs = enumerate(output) if isinstance(output, tuple) else output.items()
    for key, value in pairs:
        name = f"{prefix}{key}"
        if isinstance(value, tuple) or hasattr(value, "items"):
            found.update(flat(value, f"{name}."))
        else:
            found[name] = value
    return found
