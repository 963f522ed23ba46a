"""A suite that never went red proves nothing: each operation, done wrong, must be noticed.

Every mutant is an interpreter with one operation replaced by a plausible mistake. The comparison
that test_clip_against_transformers.py makes must fail for it.
"""

import numpy as np
import pytest
import upstream
from clip_cases import TOLERANCE, make_ids, make_pixels, pair
from comparing import relative_l2
from mutants import mutant

from refimpl import activations, ops
from refimpl.graph.interface import Mask
from refimpl.models import CLIPModel


def attention_with(**changes):
    def wrong(p, q, k, v, *, heads, mask, scale, head_mask=None, tap=ops.tap):
        given = {"heads": heads, "mask": mask, "scale": scale, "head_mask": head_mask, **changes}
        return ops.attention(p, q, k, v, tap=tap, **given)

    return wrong


def wrong_activation(p, x, activation, *, tap=ops.tap):
    y = tap(p, "fc1", ops.linear(x, p.fc1.weight, p.fc1.bias))
    return tap(p, "activation", activations.gelu(y))


def class_token_behind(p, pixels, kernel, class_token, positions, *, tap=ops.tap):
    patches = ops.patch_embedding(pixels, kernel.weight, kernel.bias)
    token = ops.repeat_batch(class_token, len(patches))
    return ops.concatenate([patches, token], 1) + positions


MUTANTS = {
    "patches column by column": (
        "embed_patches",
        lambda p, x, *rest: ops.embed_patches(p, x.swapaxes(2, 3), *rest),
    ),
    "embedding off by one": ("embedding", lambda t, ids: t[np.minimum(ids + 1, len(t) - 1)]),
    "no bias": ("linear", lambda x, w, b=None: ops.linear(x, w)),
    "gelu for quick_gelu": ("linear_activation", wrong_activation),
    "unbiased variance": (
        "layer_norm",
        lambda x, w, b, eps: (
            (x - x.mean(-1, keepdims=True))
            / np.sqrt(x.var(-1, ddof=1, keepdims=True, dtype=x.dtype) + np.float32(eps))
            * w
            + b
        ),
    ),
    "eps outside the root": (
        "layer_norm",
        lambda x, w, b, eps: (
            (x - x.mean(-1, keepdims=True))
            / (np.sqrt(x.var(-1, keepdims=True)) + np.float32(eps * 100))
            * w
            + b
        ),
    ),
    "no scale": ("attention", attention_with(scale=1.0)),
    "no causal mask": ("attention", attention_with(mask=Mask())),
    "heads mixed up": ("attention", attention_with(heads=2)),
    "end token at the last position": ("argmax", lambda x: np.full(len(x), x.shape[1] - 1)),
    "no normalisation": ("l2_normalize", lambda x: x),
    "temperature not exponentiated": ("exp", lambda x: x),
    "class token behind": ("embed_patches", class_token_behind),
    "class token halved": (
        "embed_patches",
        lambda p, x, kernel, token, *rest: ops.embed_patches(p, x, kernel, token / 2, *rest),
    ),
    "keys for queries": ("linears", lambda x, layers: ops.linears(x, [layers[1], *layers[1:]])),
    "attention not added to the stream": (
        "add_layer_norm",
        lambda p, point, x, delta, *rest: ops.add_layer_norm(p, point, 0 * x, delta, *rest),
    ),
    "the norm of what is added": (
        "add_layer_norm",
        lambda p, point, x, delta, *rest: (
            x + delta,
            ops.add_layer_norm(p, point, 0 * x, delta, *rest)[1],
        ),
    ),
    "pooled at the first position": ("pick_rows", lambda x, index: x[:, 0]),
}


@pytest.fixture(scope="module")
def judged():
    config, theirs, ours = pair("small", "float32")
    inputs = {"input_ids": make_ids(config, 3), "pixel_values": make_pixels(config, 3)}
    return config, ours.params, inputs, upstream.run(theirs, **inputs).logits_per_image.numpy()


@pytest.mark.parametrize("name", MUTANTS)
def test_the_mutant_is_noticed(name, judged):
    config, params, inputs, wanted = judged
    found = CLIPModel(config, params=params, ops=mutant(*MUTANTS[name]))(**inputs)
    assert relative_l2(found.logits_per_image, wanted) > TOLERANCE["float32"]


def test_without_a_mutation_there_is_nothing_to_notice(judged):
    config, params, inputs, wanted = judged
    found = CLIPModel(config, params=params, ops=mutant("exp", ops.exp))(**inputs)
    assert relative_l2(found.logits_per_image, wanted) <= TOLERANCE["float32"]
