"""What is new in ViT's kin and the dual encoder, done wrong, must be noticed.

As test_wrong_twins.py: every mutant is an interpreter with one operation replaced by a plausible
mistake, and the comparison with upstream must fail for it.
"""

import numpy as np
import pytest
import upstream
from comparing import relative_l2
from dual_encoder_cases import make_inputs
from dual_encoder_cases import pair as dual_pair
from mutants import mutant
from vit_cases import DINO, SMALL, TOLERANCE, make_mask, make_pixels, pair

from refimpl import ops
from refimpl.graph.interface import Mask

BIASED = {
    **SMALL,
    "use_relative_position_bias": True,
    "use_shared_relative_position_bias": True,
}
GATED = {**DINO, "use_swiglu_ffn": True}


def without_bias(p, q, k, v, *, mask, **given):
    return ops.attention(p, q, k, v, mask=Mask(), **given)


def other_prefix_order(parts, axis):
    return ops.concatenate([parts[1], parts[0], *parts[2:]], axis)


def transposed_grid(table, height, width):
    side = round((len(table) - 3) ** 0.5)
    grid = table[:-3].reshape(side, side, -1).swapaxes(0, 1).reshape(side * side, -1)
    return ops.relative_position_bias(np.concatenate([grid, table[-3:]]), height, width)


def class_rows_exchanged(table, height, width):
    return ops.relative_position_bias(table[[*range(len(table) - 3), -2, -3, -1]], height, width)


def class_rows_left_out(table, height, width):
    bias = ops.relative_position_bias(table, height, width).copy()
    bias[:, :, 0], bias[:, :, :, 0] = 0, 0
    return bias


def nearest(table, rows, columns):
    side = round(len(table) ** 0.5)
    grid = table.reshape(side, side, -1)
    y, x = np.arange(rows) * side // rows, np.arange(columns) * side // columns
    return grid[y][:, x].reshape(rows * columns, -1)


def relu_pooler(p, x, activation, *, tap=ops.tap):
    return ops.linear_activation(p, x, "relu" if activation == "tanh" else activation, tap=tap)


def mean_with_class_token(x, axis):
    return x.mean(axis=axis) + x[:, 0] / x.shape[1]


# (family, fields, height and width, operation, what is wrong with it)
MUTANTS = {
    "ViT without the pooler's tanh": ("ViT", SMALL, None, "linear_activation", relu_pooler),
    "ViT positions by the nearest": ("ViT", SMALL, (48, 40), "interpolate_positions", nearest),
    "DeiT tokens exchanged": ("DeiT", SMALL, None, "concatenate", other_prefix_order),
    "DeiT positions by the nearest": ("DeiT", SMALL, (48, 40), "interpolate_positions", nearest),
    "BEiT without biases": ("Beit", BIASED, None, "attention", without_bias),
    "BEiT biases transposed": (
        "Beit", BIASED, None, "relative_position_bias",
        lambda table, y, x: ops.relative_position_bias(table, y, x).swapaxes(2, 3),
    ),
    "BEiT grid transposed": ("Beit", BIASED, None, "relative_position_bias", transposed_grid),
    "BEiT class rows exchanged": (
        "Beit", BIASED, None, "relative_position_bias", class_rows_exchanged,
    ),
    "BEiT class rows left out": (
        "Beit", BIASED, None, "relative_position_bias", class_rows_left_out,
    ),
    "BEiT window exchanged": (
        "Beit", BIASED, (48, 24), "relative_position_bias",
        lambda table, y, x: ops.relative_position_bias(table, x, y),
    ),
    "BEiT mean with the class token": ("Beit", SMALL, None, "mean", mean_with_class_token),
    "DINOv2 gate exchanged": (
        "Dinov2", GATED, None, "swiglu",
        lambda x: ops.swiglu(np.concatenate(np.split(x, 2, axis=-1)[::-1], axis=-1)),
    ),
    "DINOv2 gate not bent": (
        "Dinov2", GATED, None, "swiglu",
        lambda x: np.split(x, 2, axis=-1)[0] * np.split(x, 2, axis=-1)[1],
    ),
    "DINOv2 positions by the nearest": ("Dinov2", DINO, (48, 40), "interpolate_positions", nearest),
    "DINOv2 class token behind": (
        "Dinov2", DINO, None, "concatenate", lambda parts, axis: ops.concatenate(parts[::-1], axis),
    ),
}  # fmt: skip


def run(family, fields, size, wrong=None):
    """Ours, with a mutant or without, and upstream's result."""
    config, theirs, ours = pair(family, fields, "float32")
    height, width = size or (None, None)
    given = {"pixel_values": make_pixels(config, 2, height=height, width=width)}
    if size and family in ("ViT", "DeiT"):
        given["interpolate_pos_encoding"] = True
    wanted = upstream.run(theirs, **given).pooler_output
    if wrong:
        ours = type(ours)(config, params=ours.params, ops=mutant(*wrong))
    return ours(**given).pooler_output, wanted


@pytest.mark.parametrize("name", MUTANTS)
def test_the_mutant_is_noticed(name):
    family, fields, size, operation, wrong = MUTANTS[name]
    found, wanted = run(family, fields, size, (operation, wrong))
    assert relative_l2(found, wanted) > 10 * TOLERANCE["float32"]


@pytest.mark.parametrize("case", {(family, size) for family, _, size, _, _ in MUTANTS.values()})
def test_without_a_mutation_there_is_nothing_to_notice(case):
    family, size = case
    found, wanted = run(family, GATED if family == "Dinov2" else SMALL, size)
    assert relative_l2(found, wanted) <= TOLERANCE["float32"]


SCALES = {"Beit": ("lambda_1", "lambda_2"), "Dinov2": ("layer_scale1", "layer_scale2")}


@pytest.mark.parametrize(("family", "scale"), [(f, s) for f in SCALES for s in SCALES[f]])
def test_a_scale_left_out_is_noticed(family, scale):
    config, theirs, ours = pair(family, SMALL if family == "Beit" else DINO, "float32")
    pixels = make_pixels(config, 2)
    wanted = upstream.run(theirs, pixel_values=pixels).pooler_output
    for name, x in ours.state_dict().items():
        if scale in name:
            x[...] = 1
    assert relative_l2(ours(pixels).pooler_output, wanted) > 1e-3


def test_a_mask_of_patches_the_wrong_way_round_is_noticed():
    config, theirs, ours = pair("ViT", SMALL, "float32", use_mask_token=True)
    pixels, mask = make_pixels(config, 2), make_mask(config, 2)
    wanted = upstream.run(theirs, pixel_values=pixels, bool_masked_pos=mask).pooler_output
    assert relative_l2(ours(pixels, mask).pooler_output, wanted) <= TOLERANCE["float32"]
    assert relative_l2(ours(pixels, ~mask).pooler_output, wanted) > 1e-3


DUAL_MUTANTS = {
    "no normalisation": ("l2_normalize", lambda x: x),
    "temperature not exponentiated": ("exp", lambda x: x),
    "positions from 0": ("cumulative_sum", lambda x: ops.cumulative_sum(x) - 1),
    "no biases by distance": ("attention", without_bias),
}


@pytest.mark.parametrize("name", DUAL_MUTANTS)
def test_the_mutant_of_a_dual_encoder_is_noticed(name):
    config, theirs, ours = dual_pair("BeitConfig", "RobertaConfig")
    inputs = make_inputs(config)
    wanted = upstream.run(theirs, **inputs).logits_per_image
    assert relative_l2(ours(**inputs).logits_per_image, wanted) <= TOLERANCE["float32"]
    wrong = type(ours)(config, params=ours.params, ops=mutant(*DUAL_MUTANTS[name]))
    assert relative_l2(wrong(**inputs).logits_per_image, wanted) > 10 * TOLERANCE["float32"]
