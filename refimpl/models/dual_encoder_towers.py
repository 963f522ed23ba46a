"""Which towers a dual encoder can have, and loading one of them.

Called by vision_text_dual_encoder.py. The tables go from a tower's config to its model; the kinds of
configs are listed in configs/vision_text_dual_encoder.py, for whoever needs no model.
"""

from pathlib import Path
from typing import Any

from refimpl.base_config import Config
from refimpl.checkpoints.folder import read_config
from refimpl.checkpoints.hub import resolve
from refimpl.checkpoints.originals import read_original
from refimpl.configs import (
    BeitConfig,
    BertConfig,
    ChineseCLIPVisionConfig,
    CLIPTextConfig,
    CLIPVisionConfig,
    DeiTConfig,
    Dinov2Config,
    RobertaConfig,
    SiglipVisionConfig,
    ViTConfig,
)
from refimpl.configs.vision_text_dual_encoder import TEXT_KINDS, VISION_KINDS, tower_config
from refimpl.errors import InputError
from refimpl.models.beit import BeitModel
from refimpl.models.bert import BertModel, RobertaModel
from refimpl.models.chinese_clip import ChineseCLIPVisionModel
from refimpl.models.clip import CLIPTextModel, CLIPVisionModel
from refimpl.models.deit import DeiTModel
from refimpl.models.dinov2 import Dinov2Model
from refimpl.models.siglip import SiglipVisionModel
from refimpl.models.vit import ViTModel
from refimpl.pretrained import PreTrainedModel

Tower = PreTrainedModel[Any, Any]

VISION_TOWERS: dict[type[Config], Any] = {
    ViTConfig: ViTModel,
    DeiTConfig: DeiTModel,
    BeitConfig: BeitModel,
    Dinov2Config: Dinov2Model,
    CLIPVisionConfig: CLIPVisionModel,
    SiglipVisionConfig: SiglipVisionModel,
    ChineseCLIPVisionConfig: ChineseCLIPVisionModel,
}
TEXT_TOWERS: dict[type[Config], Any] = {
    BertConfig: BertModel,
    RobertaConfig: RobertaModel,
    CLIPTextConfig: CLIPTextModel,
}

_HUB = ("revision", "cache_dir", "local_files_only", "token")


def load_tower(side: str, name: str | Path | None, options: dict[str, Any]) -> Tower:
    """Load the tower of one side from its own checkpoint, or from a whole model's."""
    if name is None:
        raise InputError(
            f"from_vision_text_pretrained: without {side}_model= it needs a "
            f"{side}_model_name_or_path"
        )
    where = resolve(name, **{n: options.pop(n) for n in _HUB if n in options})
    kinds, table = (VISION_KINDS, VISION_TOWERS) if side == "vision" else (TEXT_KINDS, TEXT_TOWERS)
    given = options.pop("config", None)
    original = read_original(where) if given is None else None
    if given is None:
        given = original.config if original else read_config(where)
    config = tower_config(f"{side}_config", given, kinds)
    source = original or where
    tower: Tower = table[type(config)].from_pretrained(source, config=config, **options)
    return tower
