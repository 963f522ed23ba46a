"""The pre-norm transformer encoder that CLIP's towers (and ViT's, and SigLIP's) are made of.

A stack of layers, each x += attention(norm(x)); x += mlp(norm(x)). Each block stands beside the
tree of its weights and the specification that a config makes of it.

Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3; Radford et al. 2021
(arXiv:2103.00020), section 2.4; checkpoint names as in Transformers 5.23, modeling_clip.py.
Called by graph/clip.py, siglip.py, and vit.py with its kin. The post-norm stack is graph/bert.py's.
Operations: graph/interface.py.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

from refimpl.graph.interface import Mask, Ops
from refimpl.params import LayerNorm, Linear, layer_norm_spec, linear_spec
from refimpl.shapes import Array, Float


@runtime_checkable
class EncoderConfig(Protocol):
    """What the blocks read of a tower's config."""

    @property
    def hidden_size(self) -> int:
        """Width D."""

    @property
    def intermediate_size(self) -> int:
        """MLP width M."""

    @property
    def num_hidden_layers(self) -> int:
        """How many layers."""

    @property
    def num_attention_heads(self) -> int:
        """Heads H; each is D / H wide."""

    @property
    def hidden_act(self) -> str:
        """Activation of the MLP."""

    @property
    def layer_norm_eps(self) -> float:
        """Epsilon inside the root of every layer norm."""


@dataclass(frozen=True, slots=True)
class Attention:
    """Four projections; head h owns columns h·K to (h+1)·K of q, k and v."""

    SIDE_BY_SIDE: ClassVar = ("q_proj", "k_proj", "v_proj")
    """On a device these lie in memory in this order, so `ops.linears` is one product."""
    path: str
    k_proj: Linear  # (D, D)
    v_proj: Linear  # (D, D)
    q_proj: Linear  # (D, D)
    out_proj: Linear  # (D, D)


@dataclass(frozen=True, slots=True)
class Mlp:
    """Two linear layers with an activation between."""

    path: str
    fc1: Linear  # (M, D)
    fc2: Linear  # (D, M)


@dataclass(frozen=True, slots=True)
class EncoderLayer:
    """One pre-norm transformer layer."""

    path: str
    self_attn: Attention
    layer_norm1: LayerNorm
    mlp: Mlp
    layer_norm2: LayerNorm


@dataclass(frozen=True, slots=True)
class Encoder:
    """A stack of layers."""

    path: str
    layers: tuple[EncoderLayer, ...]


class InitialStds(NamedTuple):
    """Standard deviations of a layer's freshly drawn weights, each family's own."""

    qkv: float
    out: float
    fc1: float
    fc2: float


def encoder_spec(cfg: EncoderConfig, path: str, stds: InitialStds) -> Encoder:
    """Specify a stack of layers."""
    width = cfg.hidden_size

    def layer(path: str) -> EncoderLayer:
        attention = f"{path}.self_attn"
        return EncoderLayer(
            path,
            Attention(
                attention,
                k_proj=linear_spec(f"{attention}.k_proj", width, width, stds.qkv),
                v_proj=linear_spec(f"{attention}.v_proj", width, width, stds.qkv),
                q_proj=linear_spec(f"{attention}.q_proj", width, width, stds.qkv),
                out_proj=linear_spec(f"{attention}.out_proj", width, width, stds.out),
            ),
            layer_norm_spec(f"{path}.layer_norm1", width),
            mlp_spec(cfg, f"{path}.mlp", stds),
            layer_norm_spec(f"{path}.layer_norm2", width),
        )

    layers = (layer(f"{path}.layers.{index}") for index in range(cfg.num_hidden_layers))
    return Encoder(path, tuple(layers))


def mlp_spec(cfg: EncoderConfig, path: str, stds: InitialStds) -> Mlp:
    """Specify the two linear layers of an MLP."""
    return Mlp(
        path,
        fc1=linear_spec(f"{path}.fc1", cfg.hidden_size, cfg.intermediate_size, stds.fc1),
        fc2=linear_spec(f"{path}.fc2", cfg.intermediate_size, cfg.hidden_size, stds.fc2),
    )


def self_attention(
    ops: Ops,
    cfg: EncoderConfig,
    p: Attention,
    x: Float[Array, "B L D"],
    mask: Mask,
    head_mask: Float[Array, " H"] | None = None,
) -> Float[Array, "B L D"]:
    """Let every token gather from the tokens it may see; `head_mask` weighs the heads."""
    q, k, v = ops.linears(x, (p.q_proj, p.k_proj, p.v_proj))
    q, k, v = ops.tap(p, "q", q), ops.tap(p, "k", k), ops.tap(p, "v", v)
    heads = cfg.num_attention_heads
    head_width = cfg.hidden_size // heads
    context = ops.attention(
        p, q, k, v, heads=heads, mask=mask, scale=head_width**-0.5, head_mask=head_mask
    )
    return ops.tap(p, "output", ops.linear(context, p.out_proj.weight, p.out_proj.bias))


def mlp(ops: Ops, cfg: EncoderConfig, p: Mlp, x: Float[Array, "B L D"]) -> Float[Array, "B L D"]:
    """Widen each token, bend it, narrow it again."""
    h = ops.linear_activation(p, x, cfg.hidden_act)  # (B, L, M)
    return ops.tap(p, "output", ops.linear(h, p.fc2.weight, p.fc2.bias))


def layer_norm(
    ops: Ops, cfg: EncoderConfig, p: LayerNorm, x: Float[Array, "*b D"]
) -> Float[Array, "*b D"]:
    """Apply a layer norm with the tower's epsilon, and name its output."""
    return ops.tap(p, "output", ops.layer_norm(x, p.weight, p.bias, cfg.layer_norm_eps))


def encoder_layer(
    ops: Ops,
    cfg: EncoderConfig,
    p: EncoderLayer,
    x: Float[Array, "B L D"],
    mask: Mask,
    head_mask: Float[Array, " H"] | None = None,
) -> Float[Array, "B L D"]:
    """One layer: attention and MLP, each on the normalised stream and added back to it."""
    h = layer_norm(ops, cfg, p.layer_norm1, x)
    h = self_attention(ops, cfg, p.self_attn, h, mask, head_mask)
    x, h = ops.add_layer_norm(p, "attention_residual", x, h, p.layer_norm2, cfg.layer_norm_eps)
    return ops.tap(p, "output", x + mlp(ops, cfg, p.mlp, h))


def encoder(
    ops: Ops,
    cfg: EncoderConfig,
    p: Encoder,
    x: Float[Array, "B L D"],
    mask: Mask,
    head_mask: Float[Array, "N H"] | None = None,
) -> Float[Array, "B L D"]:
    """Run the stack; the taps `input` and `layers.N.output` are upstream's hidden_states."""
    x = ops.tap(p, "input", x)
    for index, layer in enumerate(p.layers):
        weights = None if head_mask is None else head_mask[index]
        x = encoder_layer(ops, cfg, layer, x, mask, weights)
    return x
