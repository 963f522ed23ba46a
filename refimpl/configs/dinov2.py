"""Configuration of DINOv2: every field of a checkpoint's config.json that means something.

Source: Transformers 5.23.0 and 4.57.6, configuration_dinov2.py.
Read next: graph/dinov2.py for what each number does; vit.py for the twin.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from refimpl.configs.towers import VisionTowerConfig


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Dinov2Config(VisionTowerConfig):
    """DINOv2; the defaults are facebook/dinov2-base's, but for the size of its pictures (518).

    Attributes:
        mlp_ratio: MLP width over `hidden_size`.
        qkv_bias: whether queries, keys and values have a bias.
        layerscale_value: first value of the scales of each sub-layer's output.
        drop_path_rate: layers left out in training; no part of inference.
        use_swiglu_ffn: a gated MLP (as in the giant model) instead of the plain one.
        use_mask_token: whether there is a token that takes the place of masked patches.

    The fields of the backbone class are kept as they come (see `Config`).

    >>> Dinov2Config().intermediate_size, Dinov2Config(use_swiglu_ffn=True).intermediate_size
    (3072, 2048)
    """

    model_type: ClassVar[str] = "dinov2"

    patch_size: int = 14
    layer_norm_eps: float = 1e-6
    mlp_ratio: float = 4
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    initializer_range: float = 0.02
    qkv_bias: bool = True
    layerscale_value: float = 1.0
    drop_path_rate: float = 0.0
    use_swiglu_ffn: bool = False
    use_mask_token: bool = True
    if not TYPE_CHECKING:
        intermediate_size: ClassVar[int]  # no field here, as upstream: it follows from the others

    @property  # type: ignore[misc]
    def intermediate_size(self) -> int:
        """MLP width M: gated, two thirds of the plain width, rounded up to a multiple of 8."""
        width = int(self.hidden_size * self.mlp_ratio)
        return (int(width * 2 / 3) + 7) // 8 * 8 if self.use_swiglu_ffn else width

    def _problems(self) -> list[str]:
        problems = super()._problems()
        if not problems and not 1 <= self.hidden_size * self.mlp_ratio <= 2**24:
            problems.append(f"mlp_ratio must make an MLP of some width; got {self.mlp_ratio!r}")
        return problems
