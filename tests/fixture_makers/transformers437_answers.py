"""What Transformers 4.37.2 answers in decoder mode, with relative positions and with head masks.

No later version has all of these, and it cannot be installed beside the one that the tests import.
So its answers are stored: tests/data/transformers437/, one file a model, made by

    pip install --no-deps --target FOLDER transformers==4.37.2 tokenizers==0.15.2 \
        huggingface_hub==0.25.2 requests certifi charset-normalizer idna urllib3
    python tests/fixture_makers/transformers437_answers.py FOLDER

in the environment of the tests (torch 2.13.0, numpy 2). A file holds `weights.NAME` in float32, and
for each call its `CALL.in.NAME` and its `CALL.out.NAME`, the latter computed in float64 on the same
weights. Its metadata hold the class, the config and the versions.
"""

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file

HERE = Path(__file__).parents[1] / "data" / "transformers437"
SIZES = {
    "vocab_size": 23,
    "hidden_size": 8,
    "intermediate_size": 9,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 9,
    "type_vocab_size": 2,
}
DECODER = {"is_decoder": True, "add_cross_attention": True}
VISION = {
    "hidden_size": 6,
    "intermediate_size": 7,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 6,
    "patch_size": 3,
}
BATCH, LENGTH, OTHERS = 2, 5, 3  # texts, their tokens, the encoder's states
RNG = np.random.default_rng(437)
IDS = RNG.integers(2, SIZES["vocab_size"], (BATCH, LENGTH))
VECTORS = RNG.standard_normal((BATCH, LENGTH, SIZES["hidden_size"]))
STATES = RNG.standard_normal((BATCH, OTHERS, SIZES["hidden_size"]))
PADDED = np.array([[1] * 5, [1, 1, 1, 0, 0]])
HOLES = np.array([[[1, 0, 1, 1, 1], [1, 1, 0, 1, 1], [1] * 5, [0, 1, 1, 1, 0], [1] * 5]] * 2)
STATES_PADDED = np.array([[1, 1, 1], [1, 0, 1]])
STATES_HOLES = RNG.integers(0, 2, (BATCH, LENGTH, OTHERS))
STATES_HOLES[..., 0] = 1
HEADS = np.array([0.0, 1.5])
LAYERS = np.array([[1.0, 0.25], [0.5, 2.0]])

PLAIN = {"input_ids": IDS}
NOT_KEPT = {"use_cache": np.array(False)}
ENCODER_CALLS = {
    "plain": PLAIN,
    "padded": {**PLAIN, "attention_mask": PADDED},
    "each_its_mask": {**PLAIN, "attention_mask": HOLES},
    "types_and_positions": {
        **PLAIN,
        "token_type_ids": np.array([[0, 0, 1, 1, 0]] * BATCH),
        "position_ids": np.array([[3, 1, 0, 2, 8]]),
    },
    "vectors": {"inputs_embeds": VECTORS, "attention_mask": PADDED},
    "head_mask": {**PLAIN, "head_mask": HEADS},
    "head_mask_by_layer": {**PLAIN, "head_mask": LAYERS},
}
ACROSS = {**PLAIN, "encoder_hidden_states": STATES}
DECODER_CALLS = {
    "plain": PLAIN,
    "padded": {**PLAIN, **NOT_KEPT, "attention_mask": PADDED},
    "each_its_mask": {**PLAIN, **NOT_KEPT, "attention_mask": HOLES},
    "vectors": {**NOT_KEPT, "inputs_embeds": VECTORS},
    "across": ACROSS,
    "across_padded": {**ACROSS, **NOT_KEPT, "encoder_attention_mask": STATES_PADDED},
    "across_each_its_mask": {**ACROSS, **NOT_KEPT, "encoder_attention_mask": STATES_HOLES},
    "across_head_mask": {**ACROSS, **NOT_KEPT, "attention_mask": PADDED, "head_mask": LAYERS},
}
RELATIVE = ("relative_key", "relative_key_query")
# File: class, config, calls, and whether texts are also read piece by piece.
MODELS = {
    f"{prefix}_{kind}{suffix}": (name, {"position_embedding_type": kind, **extra}, calls)
    for prefix, name, kinds in (
        ("chinese_clip_text", "ChineseCLIPText", ("absolute", *RELATIVE)),
        ("bert", "Bert", RELATIVE[:1]),
        ("roberta", "Roberta", ("absolute", RELATIVE[1])),
    )
    for kind in kinds
    for suffix, extra, calls in (("", {}, ENCODER_CALLS), ("_decoder", DECODER, DECODER_CALLS))
}


def random_weights(model):
    """Give every weight, also of norms, a random float32 value; the model computes in float64."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        fan_in = parameter[0].numel() if parameter.ndim > 1 else 4
        value = torch.empty(parameter.shape).normal_(0, (1 / fan_in) ** 0.5, generator=generator)
        parameter.data = (value + (name.endswith("LayerNorm.weight"))).double()
    return model.double().eval()


def flat(name, value):
    """Give the arrays of an output by name; those in tuples by their index."""
    if isinstance(value, (tuple, list)):
        for index, each in enumerate(value):
            yield from flat(f"{name}.{index}", each)
    elif hasattr(value, "items"):
        for key, each in value.items():
            yield from flat(f"{name}.{key}", each)
    else:
        yield name, value.detach().numpy()


def as_torch(value):
    if isinstance(value, np.ndarray):
        return torch.tensor(value) if value.ndim else bool(value)
    return tuple(map(as_torch, value)) if isinstance(value, tuple) else value


def answers(model, tensors, name, call, **watch):
    """Make one call, and add what went in and what came out."""
    with torch.no_grad():
        out = model(**{key: as_torch(value) for key, value in call.items()}, **watch)
    for key, value in call.items():
        if not isinstance(value, tuple):
            tensors[f"{name}.in.{key}"] = value
    tensors.update(flat(f"{name}.out", out))
    return out


def piece_by_piece(model, tensors, states):
    """Read the texts token by token, and in pieces of 2 and 3 tokens, each with what is kept."""
    beside = {} if states is None else {"encoder_hidden_states": states}
    for name, pieces in (("tokens", (1, 1, 1, 1, 1)), ("pieces", (2, 3))):
        past, start = None, 0
        for index, length in enumerate(pieces):
            end = start + length
            call = {"input_ids": IDS[:, start:end], "attention_mask": PADDED[:, :end], **beside}
            call = {**call, "past_key_values": past} if past else call
            past = answers(model, tensors, f"{name}_{index}", call)["past_key_values"]
            start = end


def save(name, model, config, tensors):
    weights = {f"weights.{key}": value for key, value in model.state_dict().items()}
    stored = {key: value.float().numpy() for key, value in weights.items()}
    about = {
        "class": type(model).__name__,
        "config": config,
        "transformers": transformers.__version__,
        "torch": torch.__version__.partition("+")[0],
    }
    # one entry, for safetensors writes several in any order
    metadata = {"about": json.dumps(about, sort_keys=True)}
    tensors = {key: np.array(value, order="C") for key, value in {**stored, **tensors}.items()}
    save_file(tensors, HERE / f"{name}.safetensors", metadata)
    (HERE / f"{name}.safetensors").chmod(0o644)


def main():
    assert transformers.__version__ == "4.37.2", transformers.__version__
    HERE.mkdir(parents=True, exist_ok=True)
    for name, (family, changes, calls) in MODELS.items():
        config = {**SIZES, **changes}
        config_class = getattr(transformers, f"{family}Config")
        model = random_weights(getattr(transformers, f"{family}Model")(config_class(**config)))
        tensors = {}
        for call, inputs in calls.items():
            # without encoder states, 4.37.2 puts the keys and values among the cross attentions
            probs = "is_decoder" not in config or "encoder_hidden_states" in inputs
            watch = {"output_hidden_states": True, "output_attentions": probs}
            answers(model, tensors, call, inputs, **watch)
        if "is_decoder" in config:
            piece_by_piece(model, tensors, STATES)
        save(name, model, config, tensors)
    whole_model()


def whole_model():
    """Chinese-CLIP with both towers: the documented fields, and its bare features."""
    config = {"text_config": SIZES, "vision_config": VISION, "projection_dim": 4}
    model = transformers.ChineseCLIPModel(transformers.ChineseCLIPConfig(**config))
    model = random_weights(model)
    pixels = RNG.standard_normal((BATCH, 3, 6, 6))
    call = {"input_ids": IDS, "pixel_values": pixels, "attention_mask": PADDED}
    tensors = {}
    answers(model, tensors, "compared", {**call, "return_loss": True})
    tensors["features.out.text"] = (
        model.get_text_features(torch.tensor(IDS), torch.tensor(PADDED)).detach().numpy()
    )
    tensors["features.out.image"] = model.get_image_features(torch.tensor(pixels)).detach().numpy()
    save("chinese_clip", model, config, tensors)


if __name__ == "__main__":
    main()
