"""Whole models on the kernels: every named intermediate equals the numpy reference's.

Tiny models of all families, and one CLIP and one SigLIP with the lengths and head widths of real
ones. In the interpreter on the CPU, or with -m gpu on a GPU.
"""

import numpy as np
import pytest
import tapped
import tiny
import torch
from comparing import relative_l2
from mutants import mutant

from kernels import ops as kernel_ops
from refimpl import ops as numpy_ops
from refimpl.configs import CLIPConfig, SiglipConfig
from refimpl.graph.interface import Mask
from refimpl.models import CLIPModel, SiglipModel
from refimpl.trace import Record

HALF = {"float16": 4e-3, "bfloat16": 3e-2}
"""Relative L2 of a two-layer model's results: about ten roundings of 2⁻¹¹ or 2⁻⁸ on the way."""

KERNELS = {
    "clip": ["embed_patches", "attention", "layer_norm", "add_layer_norm", "linear_activation"],
    "siglip": ["embed_patches", "attention", "layer_norm", "add_layer_norm", "linear_activation"],
    "chinese_clip": ["attention", "layer_norm_of_sum", "linear_activation"],
    "bert": ["attention", "layer_norm_of_sum", "linear_activation"],
    "vit": ["patch_embedding", "attention", "layer_norm", "add_layer_norm", "linear_activation"],
    "deit": ["patch_embedding", "attention", "layer_norm", "add_layer_norm", "linear_activation"],
    "beit": ["patch_embedding", "attention", "layer_norm", "add_layer_norm", "linear_activation"],
    "dinov2": ["patch_embedding", "attention", "layer_norm", "add_layer_norm", "swiglu"],
    "vision_text_dual_encoder": ["patch_embedding", "attention", "layer_norm_of_sum"],
}
"""Operations of which at least the last call of a family's run must be a kernel's."""


def taps(run):
    """Names and values of a run over a recording interpreter, as float64 arrays."""
    seen = {}
    run(seen)
    return {name: _array(value) for name, value in seen.items()}


def _array(value):
    if isinstance(value, torch.Tensor):
        return value.double().cpu().numpy()
    return np.asarray(value, np.float64)


def compare(found, wanted, tolerance):
    assert list(found) == list(wanted)
    for name, right in wanted.items():
        assert found[name].shape == right.shape, name
        error = relative_l2(found[name], right)
        assert error <= tolerance, f"{name}: relative L2 {error:.3g}"


def family_taps(name, device=None, ops=None):
    how = {} if device is None else {"device": device}
    interpreter = ops or (numpy_ops if device is None else kernel_ops)
    return taps(lambda seen: tapped.RUNS[name](Record(interpreter, seen), **how))


@pytest.mark.parametrize("name", tapped.RUNS)
def test_every_intermediate_of_every_family(device, name):
    compare(family_taps(name, device), family_taps(name), 1e-5)
    for op in KERNELS[name]:
        assert kernel_ops.last_choice(op).runs != "torch", kernel_ops.last_choice(op)


def test_there_is_a_line_for_every_family():
    assert set(KERNELS) == set(tapped.RUNS)


@pytest.mark.parametrize(
    ("name", "dtype"), [*((name, "bfloat16") for name in tapped.RUNS), ("clip", "float16")]
)
def test_results_in_half_precision(device, name, dtype):
    wanted = tapped.RUNS[name](numpy_ops)
    found = tapped.RUNS[name](kernel_ops, device=device, dtype=dtype)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.dtype == getattr(torch, dtype)
        error = relative_l2(_array(ours), _array(theirs))
        assert error <= HALF[dtype], error


TEXT = {
    "vocab_size": 60,
    "hidden_size": 128,
    "intermediate_size": 160,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,  # 64 wide
    "max_position_embeddings": 77,
    "eos_token_id": 59,
    "projection_dim": 24,
}
VISION = {
    "hidden_size": 144,
    "intermediate_size": 176,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,  # 72 wide
    "image_size": 112,
    "patch_size": 16,  # 49 patches
}


def real_lengths(family):
    """Configurations with 77 causal (64 unmasked) and 50 (49) tokens, and what to feed them."""
    rng = np.random.default_rng(11)
    pixels = rng.standard_normal((2, 3, 112, 112)).astype(np.float32)
    if family == "clip":
        ids = np.concatenate([rng.integers(0, 59, (2, 76)), np.full((2, 1), 59)], 1)
        return CLIPModel, CLIPConfig(TEXT, {**VISION}, projection_dim=24), ids, pixels
    text = {**TEXT, "max_position_embeddings": 64, "projection_size": 144}
    ids = rng.integers(0, 60, (2, 64))
    return SiglipModel, SiglipConfig(text, VISION), ids, pixels


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_every_intermediate_at_real_lengths_and_head_widths(device, family):
    kind, config, ids, pixels = real_lengths(family)

    def run(ops, **how):
        return lambda seen: kind(config, seed=3, ops=Record(ops, seen), **how)(ids, pixels)

    compare(taps(run(kernel_ops, device=device)), taps(run(numpy_ops)), 1e-5)
    assert kernel_ops.last_choice("attention").runs.startswith("attention")


def test_watching_does_not_change_the_numbers(device):
    for name in ("chinese_clip", "beit"):
        alone = tapped.RUNS[name](kernel_ops, device=device)
        watched = tapped.RUNS[name](Record(kernel_ops, {}), device=device)
        for one, other in zip(alone, watched, strict=True):
            assert torch.equal(one, other), name


WRONG = {
    "no causal mask": (
        "attention",
        lambda *given, mask, **rest: kernel_ops.attention(*given, mask=Mask(), **rest),
    ),
    "heads in another order": (
        "linears",
        lambda x, layers: tuple(y.flip(-1) for y in kernel_ops.linears(x, layers)),
    ),
    "sum not carried on": (
        "add_layer_norm",
        lambda p, point, x, delta, *rest, **tap: (
            x,
            kernel_ops.add_layer_norm(p, point, x, delta, *rest, **tap)[1],
        ),
    ),
    "positions forgotten": (
        "embed_patches",
        lambda p, pixels, kernel, token, positions, **tap: kernel_ops.embed_patches(
            p, pixels, kernel, token, 0 * positions, **tap
        ),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_twin_is_noticed(name, device):
    wrong = mutant_of_kernels(*WRONG[name])
    with pytest.raises(AssertionError, match="relative L2"):
        compare(family_taps("clip", device, wrong), family_taps("clip"), 1e-5)


def mutant_of_kernels(name, wrong):
    """The kernels' interpreter with `wrong` in place of one operation."""
    changed = mutant("tap", numpy_ops.tap)
    vars(changed).update(vars(kernel_ops), **{name: wrong})
    return changed


def test_equal_seeds_give_equal_weights_everywhere(device):
    here, there = tiny.model(), CLIPModel(tiny.config(), device=device)
    for name, array in here.state_dict().items():
        assert np.array_equal(array, there.state_dict()[name].cpu().numpy()), name
