"""Any two towers in one space: two projections and a temperature, and nothing else.

Each tower is a whole model with a pooled state; the projections of both meet as CLIP's do. Which
towers there are says models/dual_encoder_towers.py.

Source: Zhai et al. 2022 (arXiv:2111.07991), which tunes the text tower against a locked image
tower; checkpoint names as in Transformers 4.57, modeling_vision_text_dual_encoder.py: a CLIP or
SigLIP tower hangs under its prefix twice, `vision_model.vision_model.embeddings`.
Read before: graph/clip.py, `compare`.
"""

from dataclasses import dataclass
from typing import Any

from refimpl.configs.vision_text_dual_encoder import VisionTextDualEncoderConfig
from refimpl.graph.clip import Comparison, compare, project
from refimpl.graph.interface import Node, Ops
from refimpl.params import Linear, TensorSpec, hang, linear_spec
from refimpl.shapes import Array, Float


@dataclass(frozen=True, slots=True)
class DualEncoder:
    """Two towers' trees, the projections into the joint space, and the temperature."""

    path: str
    logit_scale: Array  # ()
    vision_model: Any  # a tower's tree, such as graph/vit.py's VisionTower
    text_model: Any
    visual_projection: Linear  # (E, D of the image tower), no bias
    text_projection: Linear  # (E, D of the text tower), no bias


def dual_encoder_spec(
    cfg: VisionTextDualEncoderConfig, vision_model: Node, text_model: Node
) -> DualEncoder:
    """Specify the whole model's weights, given the specifications of two lone towers."""
    return DualEncoder(
        path="",
        logit_scale=TensorSpec((), mean=cfg.logit_scale_init_value),
        vision_model=hang("vision_model", vision_model),
        text_model=hang("text_model", text_model),
        visual_projection=projection_spec(cfg, "visual_projection", cfg.vision_config.hidden_size),
        text_projection=projection_spec(cfg, "text_projection", cfg.text_config.hidden_size),
    )


def projection_spec(cfg: VisionTextDualEncoderConfig, path: str, width: int) -> Linear:
    """Specify a projection; its standard deviation is that of torch's fresh linear layers."""
    return linear_spec(path, width, cfg.projection_dim, std=(3 * width) ** -0.5, bias=False)


def join_towers(
    ops: Ops, p: DualEncoder, text: Float[Array, "T D"], image: Float[Array, "I W"]
) -> Comparison:
    """Project both towers' pooled states, and compare as CLIP does."""
    image_features = project(ops, p.visual_projection, image)
    text_features = project(ops, p.text_projection, text)
    return compare(ops, p, text_features, image_features)
