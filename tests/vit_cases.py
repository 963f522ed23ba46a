"""ViT and its kin: configurations that differ in every field that changes the maths, and models."""

import numpy as np
import transformers
import upstream
from comparing import assert_close, relative_l2

from refimpl import configs, models
from refimpl.checkpoints.names import compare_trees, reconcile
from refimpl.params import fill, map_leaves, named_leaves

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
WATCH = {"output_hidden_states": True, "output_attentions": True}

SMALL = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 41,
    "image_size": 32,
    "patch_size": 8,
}
DINO = {**SMALL, "mlp_ratio": 2}
del DINO["intermediate_size"]

# Each differs from the small model in the fields named; together they differ in every field that
# changes the maths.
COMMON = {
    "small": {},
    "three_heads": {"hidden_size": 27, "num_attention_heads": 3},
    "one_head": {"num_attention_heads": 1},
    "patch_7_on_30": {"image_size": 30, "patch_size": 7},
    "one_patch": {"image_size": 8, "patch_size": 8},
    "one_channel": {"num_channels": 1},
    "one_layer": {"num_hidden_layers": 1},
    "deep": {"num_hidden_layers": 4},
    "large_eps": {"layer_norm_eps": 0.1},
    "gelu_new": {"hidden_act": "gelu_new"},
    "relu": {"hidden_act": "relu"},
}
VIT = {
    **COMMON,
    "narrow_mlp": {"intermediate_size": 5},
    "no_qkv_bias": {"qkv_bias": False},
    "wide_pooler": {"pooler_output_size": 31},
    "relu_pooler": {"pooler_act": "relu"},
}
BEIT = {
    **COMMON,
    "narrow_mlp": {"intermediate_size": 5},
    "class_token": {"use_mean_pooling": False},
    "positions": {"use_absolute_position_embeddings": True},
    "distances": {"use_relative_position_bias": True},
    "shared_distances": {"use_shared_relative_position_bias": True},
    "all_positions": {
        "use_absolute_position_embeddings": True,
        "use_relative_position_bias": True,
        "use_shared_relative_position_bias": True,
    },
    "one_patch_by_distance": {"image_size": 8, "use_relative_position_bias": True},
    "no_scales": {"layer_scale_init_value": 0.0},
}
DINOV2 = {
    **COMMON,
    "wide_mlp": {"mlp_ratio": 5},
    "gated": {"use_swiglu_ffn": True},
    "gated_wide": {"use_swiglu_ffn": True, "mlp_ratio": 3, "num_hidden_layers": 3},
    "no_qkv_bias": {"qkv_bias": False},
    "no_mask_token": {"use_mask_token": False},
    "drop_path": {"drop_path_rate": 0.5},
}
FAMILIES = {
    "ViT": (SMALL, VIT),
    "DeiT": (SMALL, VIT),
    "Beit": (SMALL, BEIT),
    "Dinov2": (DINO, DINOV2),
}


def config_values(family, name):
    base, changes = FAMILIES[family]
    return {**base, **changes[name]}


def filled(spec, theirs, dtype):
    """Fill a tree with the weights of an upstream model, whose names are version 5's."""
    wanted = {name: leaf.shape for name, leaf in named_leaves(spec)}
    tensors = reconcile(upstream.weights(theirs), wanted)
    compare_trees(wanted, tensors, "upstream")
    return fill(spec, tensors, dtype)


def pair(family, values, dtype, seed=0, **options):
    """Upstream's model on random weights, and ours on the same weights."""
    config = getattr(transformers, f"{family}Config")(**values)
    kind = getattr(transformers, f"{family}Model")
    theirs = upstream.build(lambda cfg: kind(cfg, **options), config, dtype, seed)
    ours_class = getattr(models, f"{family}Model")
    config = getattr(configs, f"{family}Config")(**values)
    spec = ours_class.spec(config, **options)
    return config, theirs, ours_class(config, dtype=dtype, params=filled(spec, theirs, dtype))


def make_pixels(config, batch=3, seed=2, height=None, width=None, dtype="float32"):
    size = (height or config.image_size, width or config.image_size)
    rng = np.random.default_rng(seed)
    return rng.standard_normal((batch, config.num_channels, *size)).astype(dtype)


def make_mask(config, batch, seed=3, height=None, width=None):
    """Mark about half of the patches."""
    rows, columns = ((side or config.image_size) // config.patch_size for side in (height, width))
    return np.random.default_rng(seed).random((batch, rows * columns)) < 0.5


def assert_outputs_equal(found, wanted, tolerance, name):
    """Compare every field, hidden state and attention of two outputs."""
    there = {key: x for key, x in wanted.items() if x is not None and len(x)}
    assert list(found) == list(there), name
    for key, theirs in there.items():
        if key not in ("hidden_states", "attentions"):
            assert_close(found[key], theirs, tolerance, f"{name}.{key}")
            continue
        assert len(found[key]) == len(theirs), f"{name}.{key}"
        for index, (a, b) in enumerate(zip(found[key], theirs, strict=True)):
            assert_close(a, b, tolerance, f"{name}.{key}[{index}]")


def check_every_field(family, name, dtype):
    """Compare one configuration with upstream, watched and unwatched."""
    config, theirs, ours = pair(family, config_values(family, name), dtype)
    pixels = make_pixels(config, dtype=dtype)
    wanted, found = upstream.run(theirs, pixel_values=pixels, **WATCH), ours(pixels, **WATCH)
    assert len(found.hidden_states) == 1 + config.num_hidden_layers
    assert len(found.attentions) == config.num_hidden_layers
    assert_outputs_equal(found, wanted, TOLERANCE[dtype], name)
    assert ours(pixels).keys() == ["last_hidden_state", "pooler_output"]


def check_sizes(family, values, size, tolerance, dtype="float32", **inputs):
    """Compare pictures of another size than the native one."""
    config, theirs, ours = pair(family, values, dtype)
    pixels = make_pixels(config, 2, height=size[0], width=size[1], dtype=dtype)
    wanted = upstream.run(theirs, pixel_values=pixels, **inputs, **WATCH)
    found = ours(pixel_values=pixels, **inputs, **WATCH)
    assert_outputs_equal(found, wanted, tolerance, f"{size}")


def check_masked_patches(family, values, dtype, size=None, inputs=None, **options):
    """Compare pictures some of whose patches the mask token replaces."""
    config, theirs, ours = pair(family, values, dtype, **options)
    height, width = size or (None, None)
    pixels = make_pixels(config, 2, height=height, width=width, dtype=dtype)
    mask = make_mask(config, 2, height=height, width=width)
    given = {"pixel_values": pixels, "bool_masked_pos": mask, **(inputs or {})}
    wanted, found = upstream.run(theirs, **given, **WATCH), ours(**given, **WATCH)
    assert_outputs_equal(found, wanted, TOLERANCE[dtype], "masked")
    plain = ours(**{**given, "bool_masked_pos": None}).last_hidden_state
    assert relative_l2(plain, found.last_hidden_state) > 1e-2
    as_numbers = ours(**{**given, "bool_masked_pos": mask.astype(np.int64).tolist()})
    assert np.array_equal(as_numbers.last_hidden_state, found.last_hidden_state)


def check_tuple(family):
    """Compare the plain tuple's layout with upstream's."""
    config, theirs, ours = pair(family, config_values(family, "small"), "float32")
    pixels = make_pixels(config)
    wanted = upstream.run(theirs, pixel_values=pixels, return_dict=False)
    found = ours(pixels, return_dict=False)
    assert isinstance(found, tuple) and len(found) == len(wanted) == 2
    for index in range(2):
        assert_close(found[index], wanted[index], 1e-5, f"[{index}]")
    watched = ours(pixels, **WATCH, return_dict=False)
    assert len(watched) == 4 and isinstance(watched[2], tuple)


def check_real_size(family, values):
    """Compare a model of a released size."""
    config, theirs, ours = pair(family, values, "float32")
    pixels = make_pixels(config, 1)
    watch = {"output_hidden_states": True}
    wanted, found = upstream.run(theirs, pixel_values=pixels, **watch), ours(pixels, **watch)
    assert_close(found.pooler_output, wanted.pooler_output, 1e-5, "pooled")
    for index, (a, b) in enumerate(zip(found.hidden_states, wanted.hidden_states, strict=True)):
        assert_close(a, b, 1e-5, f"hidden_states[{index}]")


def on_random_weights(kind, config, seed=0, **options):
    """A model of ours whose every weight is random, also in norms, biases and scales."""
    rng = np.random.default_rng(seed)

    def draw(name, leaf):
        fan_in = max(4, int(np.prod(leaf.shape[1:])))
        x = rng.standard_normal(leaf.shape) * (2 / fan_in) ** 0.5
        is_norm = "norm" in name.lower() and name.endswith("weight")
        return np.asarray(x + is_norm, np.float32)

    return kind(config, params=map_leaves(draw, kind.spec(config, **options)))
