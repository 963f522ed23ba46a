"""Writes tests/data/flax/: the same small tree as Flax itself saves it, whole and in chunks.

Run it in an environment of its own, with `pip install flax==0.12.8 jax==0.10.2`:

    python tests/fixture_makers/flax_files.py

tests/refimpl/checkpoints/test_msgpack_file.py reads the files; Flax is not needed there.
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
from flax import serialization, traverse_util

FOLDER = Path(__file__).parents[1] / "data" / "flax"


def tree():
    """Arrays of numpy and of JAX, of several types and ranks, and a number that is no array."""
    rng = np.random.default_rng(0)
    return {
        "text_model": {"embeddings": {"embedding": jnp.asarray(rng.random((5, 4), np.float32))}},
        "vision_model": {
            "patch": {
                "kernel": rng.random((2, 2, 3, 4), np.float32).astype(np.float16),
                "bias": jnp.asarray([1.0, -2.5, 3e38], jnp.bfloat16),
            }
        },
        "ids": np.arange(3, dtype=np.int32),
        "flag": np.array([True, False]),
        "logit_scale": np.float32(2.5),
        "logit_bias": jnp.asarray(-10.0),
        "empty": np.zeros((0, 3), np.float32),
        "step": 7,
    }


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "plain.msgpack").write_bytes(serialization.to_bytes(tree()))
    serialization.MAX_CHUNK_SIZE = 32  # bytes; a real array is cut at 1 GiB
    (FOLDER / "chunked.msgpack").write_bytes(serialization.to_bytes(tree()))
    flat = traverse_util.flatten_dict(tree(), sep="/")
    del flat["step"]
    wide = {k: np.asarray(x, np.float32 if k.endswith("bias") else None) for k, x in flat.items()}
    np.savez(FOLDER / "want.npz", **wide)


if __name__ == "__main__":
    main()
