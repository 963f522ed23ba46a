"""Every benchmark by the name of its kernel's file."""

from . import (
    activation,
    add_layer_norm,
    attention,
    attention_one_query,
    attention_packed,
    layer_norm,
    linear_activation,
    losses,
    normalize_pixels,
    patch_embedding,
    top_matches,
)

BENCHMARKS = {
    each.op: each
    for each in (
        attention.SHORT,
        attention.ANY_LENGTH,
        attention_one_query.BENCHMARK,
        attention_packed.BENCHMARK,
        layer_norm.BENCHMARK,
        add_layer_norm.BENCHMARK,
        activation.BENCHMARK,
        linear_activation.BENCHMARK,
        patch_embedding.BENCHMARK,
        top_matches.BENCHMARK,
        losses.CONTRASTIVE,
        losses.SIGMOID,
        normalize_pixels.BENCHMARK,
    )
}
