"""Chinese-CLIP: CLIP whose text tower is a BERT.

In the order of graph/clip.py: put them side by side. The image tower, the projections and the
comparison are CLIP's, imported as they are; a text is represented by its first token, [CLS].

Source: Yang et al. 2022 (arXiv:2211.01335), section 2; OFA-Sys/Chinese-CLIP 31863c7,
cn_clip/clip/model.py; checkpoint names as in Transformers 4.37.2, modeling_chinese_clip.py.
Called by models/. Read before: clip.py, bert.py.
"""

from dataclasses import dataclass

from refimpl.configs import ChineseCLIPConfig
from refimpl.graph.bert import Bert, bert_spec, bert_tower
from refimpl.graph.clip import (
    VisionTower,
    compare,
    project,
    projection_spec,
    vision_tower,
    vision_tower_spec,
)
from refimpl.graph.interface import Ops
from refimpl.params import Linear, TensorSpec
from refimpl.shapes import Array, Float

__all__ = [  # the imported parts are the model's own
    "ChineseClip",
    "bert_tower",
    "chinese_clip_spec",
    "compare",
    "project",
    "project_text",
    "vision_tower",
]

# The image tower is CLIP's `vision_tower`.

# The text tower is BERT's `bert_tower`, without its pooler.

# The joint space


@dataclass(frozen=True, slots=True)
class ChineseClip:
    """Both towers, the projections into the joint space, and the temperature."""

    path: str
    logit_scale: Array  # ()
    text_model: Bert  # without pooler
    vision_model: VisionTower
    visual_projection: Linear  # (E, D of the image tower), no bias
    text_projection: Linear  # (E, D of the text tower), no bias


def chinese_clip_spec(cfg: ChineseCLIPConfig) -> ChineseClip:
    """Specify the whole model's weights; both projections have the model's `projection_dim`."""
    return ChineseClip(
        path="",
        logit_scale=TensorSpec((), mean=cfg.logit_scale_init_value),
        text_model=bert_spec(cfg.text_config, "text_model", pooler=False),
        vision_model=vision_tower_spec(cfg.vision_config),
        visual_projection=projection_spec(
            "visual_projection", cfg.vision_config, cfg.projection_dim, cfg.initializer_factor
        ),
        text_projection=projection_spec(
            "text_projection", cfg.text_config, cfg.projection_dim, cfg.initializer_factor
        ),
    )


def project_text(
    ops: Ops, p: ChineseClip, last_hidden_state: Float[Array, "T L D"]
) -> Float[Array, "T E"]:
    """Project a text's first token, [CLS], into the joint space; not normalised."""
    return project(ops, p.text_projection, last_hidden_state[:, 0])
