"""Each operation against torch, over shapes and extremes that Hypothesis draws."""

import inspect
import itertools

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import torch
from comparing import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st
from mutants import mutant
from torch.nn import functional
from transformers import BeitConfig
from transformers.models.beit import modeling_beit

from refimpl import ops
from refimpl.errors import InputError
from refimpl.graph.encoder import Mlp
from refimpl.graph.interface import Mask, Ops
from refimpl.interpolation import cubic_matrix
from refimpl.params import LayerNorm, Linear, PatchEmbedding
from refimpl.trace import Record

NODE = Linear("node", None, None)
PUBLIC = [name for name in vars(Ops) if not name.startswith("_") and name != "tap"]

sizes = st.integers(1, 9)
seeds = st.integers(0, 2**32 - 1)
dtypes = st.sampled_from([np.float32, np.float64])
few = settings(max_examples=40, deadline=None)


def draw(seed, dtype, *shapes, scale=1.0):
    rng = np.random.default_rng(seed)
    return [(rng.standard_normal(shape) * scale).astype(dtype) for shape in shapes]


def within(dtype):
    return 2e-6 if dtype == np.float32 else 1e-13


@pytest.mark.parametrize("name", [*PUBLIC, "tap"])
def test_every_operation_of_the_protocol_is_here_with_its_arguments(name):
    def names(function):
        return [p.name for p in inspect.signature(function).parameters.values() if p.name != "self"]

    assert names(getattr(ops, name)) == names(getattr(Ops, name))


@pytest.mark.parametrize("interpreter", [ops, Record(ops, {}), mutant("exp", ops.exp)])
def test_module_recorder_and_mutant_are_interpreters(interpreter):
    assert isinstance(interpreter, Ops)
    for name in [*PUBLIC, "tap"]:  # Python 3.12's isinstance looks for attributes in this way
        inspect.getattr_static(interpreter, name)


@few
@given(seeds, dtypes, sizes, sizes, sizes, st.booleans())
def test_linear(seed, dtype, rows, d_in, d_out, with_bias):
    x, weight, bias = draw(seed, dtype, (2, rows, d_in), (d_out, d_in), (d_out,))
    bias = bias if with_bias else None
    as_torch = [None if a is None else torch.tensor(a) for a in (x, weight, bias)]
    assert_close(ops.linear(x, weight, bias), functional.linear(*as_torch), within(dtype), "y")


def test_linear_names_the_shapes_that_do_not_fit():
    with pytest.raises(InputError, match=r"linear: weight \(4, 5\) takes rows of 5; x is \(2, 3\)"):
        inspect.unwrap(ops.linear)(np.ones((2, 3)), np.ones((4, 5)))


@few
@given(seeds, dtypes, sizes, st.integers(2, 40), st.sampled_from([1e-3, 1.0, 1e3]))
def test_layer_norm(seed, dtype, rows, width, scale):
    x, weight, bias = draw(seed, dtype, (rows, width), (width,), (width,))
    x = x * dtype(scale) + dtype(scale)
    before = x.copy()
    wanted = functional.layer_norm(
        torch.tensor(x), (width,), torch.tensor(weight), torch.tensor(bias), 1e-5
    )
    found = ops.layer_norm(x, weight, bias, 1e-5)
    assert_close(found, wanted, 20 * within(dtype), "y")
    np.testing.assert_array_equal(x, before)


def test_layer_norm_names_weights_of_another_width():
    with pytest.raises(InputError, match=r"weight must be \(3,\).*got \(5,\)"):
        inspect.unwrap(ops.layer_norm)(np.ones((2, 3)), np.ones(5), np.ones(5), 1e-5)


@few
@given(seeds, dtypes, sizes, sizes, st.integers(1, 4), st.booleans(), st.booleans())
def test_attention(seed, dtype, batch, length, heads, causal, padded):
    width = 6 * heads
    q, k, v = draw(seed, dtype, *[(batch, length, width)] * 3, scale=3.0)
    padding = None
    if padded:
        padding = np.random.default_rng(seed).random((batch, length)) < 0.7
        padding[:, 0] = True  # a row that sees nothing has a test of its own
    mask = Mask(causal=causal, key_padding=padding)
    seen = {}
    recorder = Record(ops, seen)
    found = recorder.attention(NODE, q, k, v, heads=heads, mask=mask, scale=0.4)
    visible = np.ones((batch, 1, length, length), bool)
    if causal:
        visible = visible & np.tri(length, dtype=bool)
    if padded:
        visible = visible & padding[:, None, None, :]
    split = [torch.tensor(x).reshape(batch, length, heads, 6).transpose(1, 2) for x in (q, k, v)]
    wanted = functional.scaled_dot_product_attention(
        *split, attn_mask=torch.tensor(visible), scale=0.4
    )
    wanted = wanted.transpose(1, 2).reshape(batch, length, width)
    assert_close(found, wanted, 10 * within(dtype), "context")
    assert set(seen) == {"node.scores", "node.probs", "node.context"}
    scores = split[0] @ split[1].transpose(2, 3) * 0.4
    assert_close(seen["node.scores"], scores, 10 * within(dtype), "scores")
    assert not (seen["node.probs"] * ~visible).any()
    np.testing.assert_allclose(seen["node.probs"].sum(-1), 1, rtol=1e-5)


def test_a_row_that_sees_nothing_spreads_evenly():
    q, k, v = draw(0, np.float32, *[(1, 4, 6)] * 3)
    mask = Mask(causal=True, key_padding=np.array([[False, False, True, True]]))
    found = ops.attention(NODE, q, k, v, heads=1, mask=mask, scale=1.0)
    assert_close(found[0, 0], v[0].mean(axis=0), 1e-6, "context")


@few
@given(seeds, dtypes, st.integers(1, 3), st.integers(1, 5), st.integers(0, 12), st.booleans())
def test_patch_embedding(seed, dtype, channels, patch, extra, with_bias):
    height, width = patch + extra, 2 * patch + extra // 2
    pixels, weight, bias = draw(
        seed, dtype, (2, channels, height, width), (7, channels, patch, patch), (7,)
    )
    bias = bias if with_bias else None
    wanted = functional.conv2d(
        *(None if a is None else torch.tensor(a) for a in (pixels, weight, bias)), stride=patch
    )
    wanted = wanted.flatten(2).transpose(1, 2)
    assert_close(ops.patch_embedding(pixels, weight, bias), wanted, 5 * within(dtype), "patches")


@few
@given(seeds, dtypes, st.integers(1, 8), st.integers(1, 19), st.integers(1, 19))
def test_interpolate_positions(seed, dtype, side, height, width):
    (table,) = draw(seed, dtype, (side * side, 5))
    grid = torch.tensor(table).reshape(1, side, side, 5).permute(0, 3, 1, 2)
    wanted = functional.interpolate(grid, (height, width), mode="bicubic", align_corners=False)
    wanted = wanted.permute(0, 2, 3, 1).reshape(-1, 5)
    tolerance = 1e-6 if dtype == np.float32 else 1e-13
    assert_close(ops.interpolate_positions(table, height, width), wanted, tolerance, "positions")


def test_interpolation_weights_add_up_to_one():
    for size_in, size_out in [(7, 12), (12, 7), (1, 5), (16, 16)]:
        np.testing.assert_allclose(cubic_matrix(size_in, size_out).sum(axis=1), 1, rtol=1e-14)


@few
@given(seeds, dtypes, st.integers(1, 5), st.integers(1, 7), st.integers(1, 7), st.integers(1, 3))
def test_relative_position_bias(seed, dtype, side, height, width, heads):
    """Against BEiT's own module, which makes the same of its table."""
    config = BeitConfig(
        image_size=4 * side, patch_size=4, hidden_size=6 * heads, num_attention_heads=heads
    )
    theirs = modeling_beit.BeitRelativePositionBias(config)
    (table,) = draw(seed, dtype, ((2 * side - 1) ** 2 + 3, heads))
    theirs.relative_position_bias_table = torch.nn.Parameter(torch.tensor(table))
    wanted = theirs((height, width)).detach()
    found = ops.relative_position_bias(table, height, width)
    assert_close(found, wanted, 1e-6 if dtype == np.float32 else 1e-13, "bias")


def test_relative_position_bias_refuses_a_table_of_another_size():
    for rows in (2, 3, 5, 7, 10, 19):  # 3 more than the square of an odd number would do
        with pytest.raises(InputError, match=rf"{rows} rows"):
            ops.relative_position_bias(np.ones((rows, 2)), 1, 1)


@few
@given(seeds, dtypes, sizes, sizes)
def test_swiglu(seed, dtype, rows, half):
    (x,) = draw(seed, dtype, (2, rows, 2 * half), scale=3)
    gate, gated = torch.tensor(x).chunk(2, dim=-1)
    wanted = functional.silu(gate) * gated
    assert_close(ops.swiglu(x), wanted, 2 * within(dtype), "y")


def test_interpolate_positions_refuses_a_table_that_is_no_square():
    with pytest.raises(InputError, match="6 positions, no square grid"):
        ops.interpolate_positions(np.ones((6, 2)), 4, 4)


finite = st.floats(-1e4, 1e4, width=32)


@few
@given(hnp.arrays(np.float32, (3, 6), elements=finite))
def test_softmax_and_its_logarithm(x):
    assert_close(ops.softmax(x), torch.softmax(torch.tensor(x), -1), 2e-6, "softmax")
    wanted = torch.log_softmax(torch.tensor(x), -1)
    assert_close(ops.log_softmax(x), wanted, 2e-6, "log_softmax")
    assert_close(ops.log_sigmoid(x), functional.logsigmoid(torch.tensor(x)), 2e-6, "log_sigmoid")


@few
@given(hnp.arrays(np.int64, (4, 6), elements=st.integers(0, 3)))
def test_argmax_takes_the_first_of_equals(x):
    wanted = [row.index(max(row)) for row in x.tolist()]
    assert ops.argmax(x).tolist() == wanted


def test_l2_normalize():
    (x,) = draw(0, np.float32, (4, 9))
    assert_close(ops.l2_normalize(x), functional.normalize(torch.tensor(x)), 1e-6, "unit")
    assert np.isnan(ops.l2_normalize(np.zeros((1, 3), np.float32))).all()


def test_linear_activation_taps_before_and_after():
    x, w, b = draw(0, np.float64, (2, 3), (5, 3), (5,))
    seen = {}
    node = Mlp("mlp", Linear("mlp.fc1", w, b), Linear("mlp.fc2", None, None))
    found = Record(ops, seen).linear_activation(node, x, "relu")
    assert_close(seen["mlp.fc1"], x @ w.T + b, 1e-14, "fc1")
    assert_close(found, np.maximum(seen["mlp.fc1"], 0), 0.0, "activation")
    assert seen["mlp.activation"] is found


def test_small_operations():
    table = np.arange(12.0).reshape(4, 3)
    np.testing.assert_array_equal(ops.embedding(table, np.array([[3], [0]])), table[[[3], [0]]])
    np.testing.assert_array_equal(ops.concatenate([table, table], axis=1), np.hstack([table] * 2))
    np.testing.assert_array_equal(ops.repeat_batch(table[1], 2), [[table[1]], [table[1]]])
    np.testing.assert_array_equal(ops.pick_rows(table, np.array([0, 2, 1, 1])), [0, 5, 7, 10])
    np.testing.assert_array_equal(ops.mean(table, axis=1), [1, 4, 7, 10])
    np.testing.assert_array_equal(ops.exp(np.zeros(2)), [1, 1])


@few
@given(seeds, dtypes, sizes, st.integers(0, 4), st.integers(1, 3), st.integers(0, 3))
def test_relative_scores(seed, dtype, queries, earlier, heads, spare):
    keys, width = queries + earlier, 4 * heads
    longest = keys + spare  # the table may have more distances than the text
    q, k, table = draw(seed, dtype, (2, queries, width), (2, keys, width), (2 * longest - 1, 4))
    split = [torch.tensor(x).reshape(2, -1, heads, 4).transpose(1, 2) for x in (q, k)]
    distance = torch.arange(earlier, keys)[:, None] - torch.arange(keys)[None]
    vectors = torch.tensor(table)[distance + longest - 1]  # (L, S, K)
    wanted = torch.einsum("bhld,lrd->bhlr", split[0], vectors)
    found = ops.relative_query_scores(q, table, heads, keys)
    assert_close(found, wanted, 10 * within(dtype), "of queries")
    wanted = torch.einsum("bhrd,lrd->bhlr", split[1], vectors)
    found = ops.relative_key_scores(k, table, heads, queries)
    assert_close(found, wanted, 10 * within(dtype), "of keys")


@few
@given(seeds, sizes, st.sampled_from([np.bool_, np.int32, np.int64]))
def test_cumulative_sum(seed, length, kind):
    x = np.random.default_rng(seed).integers(0, 2, (3, length)).astype(kind)
    assert_close(ops.cumulative_sum(x), torch.tensor(x).long().cumsum(1), 0, "sums")


@few
@given(seeds, dtypes, sizes, st.lists(st.integers(0, 5), min_size=1, max_size=4), st.booleans())
def test_packed_texts_are_as_each_alone(seed, dtype, width, lengths, causal):
    ends = np.cumsum([0, *lengths])
    q, k, v = draw(seed, dtype, *[(1, ends[-1], 2 * width)] * 3)
    given = {"heads": 2, "scale": 0.7}
    packed = ops.attention(NODE, q, k, v, mask=Mask(causal=causal, segments=ends), **given)
    for start, end in itertools.pairwise(ends):
        if start == end:
            continue
        alone = [torch.tensor(x[:, start:end]).unflatten(2, (2, width)) for x in (q, k, v)]
        wanted = functional.scaled_dot_product_attention(
            *[x.transpose(1, 2) for x in alone], is_causal=causal, scale=0.7
        )
        assert_close(
            packed[:, start:end], wanted.transpose(1, 2).flatten(2), within(dtype), "context"
        )


@few
@given(seeds, dtypes, sizes, sizes, st.booleans())
def test_patches_behind_a_class_token_and_with_positions(seed, dtype, width, channels, has_token):
    rows = 6 + has_token
    pixels, weight, bias, token, positions = draw(
        seed,
        dtype,
        (2, channels, 7, 9),  # 2 × 3 patches; a row is left over
        (width, channels, 3, 3),
        (width,),
        (width,),
        (rows, width),
    )
    kernel = PatchEmbedding("patches", weight, bias)
    seen = {}
    found = Record(ops, seen).embed_patches(
        NODE, pixels, kernel, token if has_token else None, positions
    )
    patches = functional.conv2d(*map(torch.tensor, (pixels, weight, bias)), stride=3)
    wanted = patches.flatten(2).transpose(1, 2)
    assert_close(seen["node.patches"], wanted, within(dtype), "patches")
    if has_token:
        wanted = torch.cat([torch.tensor(token).expand(2, 1, width), wanted], 1)
    assert_close(found, wanted + torch.tensor(positions), within(dtype), "tokens")


@few
@given(seeds, dtypes, sizes, sizes, st.booleans())
def test_a_sum_and_its_norm(seed, dtype, rows, width, only_the_norm):
    x, delta, weight, bias = draw(seed, dtype, *[(2, rows, width)] * 2, *[(width,)] * 2)
    norm, seen = LayerNorm("norm", weight, bias), {}
    operation = "layer_norm_of_sum" if only_the_norm else "add_layer_norm"
    found = getattr(Record(ops, seen), operation)(NODE, "sum", x, delta, norm, 1e-3)
    total = torch.tensor(x) + torch.tensor(delta)
    normed = functional.layer_norm(total, (width,), *map(torch.tensor, (weight, bias)), 1e-3)
    assert_close(seen["node.sum"], total, within(dtype), "sum")
    assert_close(seen["norm.output"], normed, 20 * within(dtype), "norm")
    if not only_the_norm:
        assert found[0] is seen["node.sum"]
    assert (found if only_the_norm else found[1]) is seen["norm.output"]


@few
@given(seeds, dtypes, sizes, sizes)
def test_several_linear_layers_of_one_input(seed, dtype, rows, width):
    x, one, two, bias = draw(seed, dtype, (2, rows, width), (3, width), (4, width), (4,))
    found = ops.linears(x, [Linear("one", one, None), Linear("two", two, bias)])
    x, one, two, bias = map(torch.tensor, (x, one, two, bias))
    assert_close(found[0], functional.linear(x, one), within(dtype), "one")
    assert_close(found[1], functional.linear(x, two, bias), within(dtype), "two")
