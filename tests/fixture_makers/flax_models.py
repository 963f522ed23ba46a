"""Makes tests/data/checkpoints/flax/: random Flax models as Transformers 4 saves them, with their outputs.

Flax's classes are gone from Transformers 5, and JAX is no dependency of these tests, so the files
are stored. To make them anew, in an environment of its own with Python 3.11:

    pip install jax==0.4.38 jaxlib==0.4.38 flax==0.10.2 transformers==4.57.6 "numpy<2.3"
    python tests/fixture_makers/flax_models.py

Weights are random in norms and biases, too, so that a wrong one shows.
"""

from pathlib import Path

import jax
import numpy as np
import transformers

FOLDER = Path(__file__).parents[1] / "data" / "checkpoints" / "flax"
TOWER = {"hidden_size": 16, "intermediate_size": 20, "num_attention_heads": 2}
LAYERS = {"num_hidden_layers": 2}
PICTURE = {"image_size": 12, "patch_size": 4}
TEXT = {"vocab_size": 50, "max_position_embeddings": 12}
EOS = {"eos_token_id": 49, "bos_token_id": 48, "pad_token_id": 1}
CLIP = transformers.CLIPConfig(
    text_config={**TOWER, **LAYERS, **TEXT, **EOS},
    vision_config={**TOWER, **LAYERS, **PICTURE},
    projection_dim=10,
)
BERT = transformers.BertConfig(**TOWER, **LAYERS, **TEXT)
VIT = transformers.ViTConfig(**TOWER, **LAYERS, **PICTURE)
MODELS = {
    "clip": (transformers.FlaxCLIPModel, CLIP),
    "clip_and_bert": (
        transformers.FlaxVisionTextDualEncoderModel,
        transformers.VisionTextDualEncoderConfig.from_vision_text_configs(
            CLIP.vision_config, BERT, projection_dim=10
        ),
    ),
    "vit_and_bert": (
        transformers.FlaxVisionTextDualEncoderModel,
        transformers.VisionTextDualEncoderConfig.from_vision_text_configs(
            VIT, BERT, projection_dim=10
        ),
    ),
}


def main():
    """Write every model."""
    for name, (kind, config) in MODELS.items():
        rng = np.random.default_rng(len(name))

        def draw(path, x, rng=rng):
            if x.ndim == 0:
                return np.float32(2.3)
            near = 1.0 if path[-1].key == "scale" else 0.0
            return np.float32(near + 0.3 * rng.standard_normal(x.shape))

        size = PICTURE["image_size"]
        model = kind(config, input_shape=((1, 5), (1, size, size, 3)), seed=0)
        model.params = jax.tree_util.tree_map_with_path(draw, model.params)
        pixels = np.float32(rng.standard_normal((2, 3, size, size)))
        ids = rng.integers(2, 47, (3, 9))
        ids[:, 6] = 49
        out = model(input_ids=ids, pixel_values=pixels)
        folder = FOLDER / name
        model.save_pretrained(folder)
        np.savez(
            folder / "outputs.npz",
            pixel_values=pixels,
            input_ids=ids,
            image_embeds=out.image_embeds,
            text_embeds=out.text_embeds,
            logits_per_image=out.logits_per_image,
        )


if __name__ == "__main__":
    main()
