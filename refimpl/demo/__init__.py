"""The demo model: a tiny trained CLIP that ships with the package, and a picture to try it on.

It knows emoji and clean clip-art, not photographs; MODEL_CARD.md says what it was trained on and
how well it does. Made by bench/demo_model. Next: refimpl/checkpoints, which reads the folder.
"""

from pathlib import Path


def model_folder() -> Path:
    """Return the folder of the checkpoint, in the hub's layout.

    >>> sorted(p.suffix for p in model_folder().glob("model.*"))
    ['.safetensors']
    """
    return Path(__file__).parent / "model"
