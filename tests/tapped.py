"""One small run of every family, for the tests that look at its taps.

A run is given an interpreter; it runs every model class that has taps of its own, and gives back
the results that those taps must lead to. `RUNS` names the page of docs/intermediates/ that lists
the taps: a new family adds its run here, and its page there.
"""

import numpy as np
import tiny

from refimpl.configs import (
    BeitConfig,
    BertConfig,
    ChineseCLIPConfig,
    DeiTConfig,
    Dinov2Config,
    SiglipConfig,
    VisionTextDualEncoderConfig,
    ViTConfig,
)
from refimpl.devices import on_host
from refimpl.models import (
    BeitModel,
    BertModel,
    ChineseCLIPModel,
    CLIPForImageClassification,
    CLIPModel,
    DeiTModel,
    Dinov2Model,
    SiglipForImageClassification,
    SiglipModel,
    VisionTextDualEncoderModel,
    ViTModel,
)


def two_towers(model, classifier):
    """Results of a model with two towers, and of its image classifier."""
    out = model(input_ids=tiny.IDS, pixel_values=tiny.PIXELS)
    return [
        out.logits_per_image,
        out.logits_per_text,
        out.text_model_output.last_hidden_state,
        out.vision_model_output.last_hidden_state,
        classifier(pixel_values=tiny.PIXELS).logits,
    ]


def clip(ops, **how):
    config = tiny.config()
    return two_towers(
        CLIPModel(config, ops=ops, **how), CLIPForImageClassification(config, ops=ops, **how)
    )


def siglip(ops, **how):
    text = {**tiny.TEXT, "projection_size": tiny.VISION["hidden_size"]}
    config = SiglipConfig(text_config=text, vision_config=tiny.VISION)
    return two_towers(
        SiglipModel(config, ops=ops, **how), SiglipForImageClassification(config, ops=ops, **how)
    )


BERT = {**tiny.TEXT, "initializer_range": 0.3}
"""With upstream's small fresh weights most of a tower would hardly show in its output."""


def chinese_clip(ops, **how):
    config = ChineseCLIPConfig(text_config=BERT, vision_config=tiny.VISION, projection_dim=10)
    out = ChineseCLIPModel(config, ops=ops, **how)(input_ids=tiny.IDS, pixel_values=tiny.PIXELS)
    return [
        out.logits_per_image,
        out.logits_per_text,
        out.text_model_output.last_hidden_state,
        out.vision_model_output.last_hidden_state,
    ]


def bert(ops, **how):
    """A decoder with everything that a BERT can have."""
    decoder = {"is_decoder": True, "add_cross_attention": True}
    config = BertConfig(**BERT, **decoder, position_embedding_type="relative_key_query")
    states = np.random.default_rng(6).standard_normal((2, 3, 16))
    out = BertModel(config, ops=ops, **how)(tiny.IDS, encoder_hidden_states=states)
    return [out.last_hidden_state, out.pooler_output]


PICTURE = {**tiny.VISION, "initializer_range": 0.3}
MASKED = np.array([[True, False, False, True]] * 2)


def vit(ops, **how):
    model = ViTModel(ViTConfig(**PICTURE), use_mask_token=True, ops=ops, **how)
    return list(model(tiny.PIXELS, MASKED).values())


def deit(ops, **how):
    model = DeiTModel(DeiTConfig(**PICTURE), use_mask_token=True, ops=ops, **how)
    return list(model(tiny.PIXELS, MASKED).values())


def beit(ops, **how):
    """Both biases by distance and the mean pooled; then the class token pooled."""
    values = {**PICTURE, "layer_scale_init_value": 1.0, "use_mask_token": True}
    biased = {"use_relative_position_bias": True, "use_shared_relative_position_bias": True}
    found = []
    for changes in (biased, {"use_mean_pooling": False}):
        model = BeitModel(BeitConfig(**values, **changes), ops=ops, **how)
        found += model(tiny.PIXELS, MASKED).values()
    return found


def dinov2(ops, **how):
    """With the plain MLP, then with the gated one."""
    values = {name: value for name, value in PICTURE.items() if name != "intermediate_size"}
    found = []
    for gated in (False, True):
        model = Dinov2Model(
            Dinov2Config(**values, mlp_ratio=2, use_swiglu_ffn=gated), ops=ops, **how
        )
        found += model(tiny.PIXELS, MASKED).values()
    return found


def vision_text_dual_encoder(ops, **how):
    """Of a ViT and a BERT; other towers have their own pages' names."""
    config = VisionTextDualEncoderConfig(
        {**PICTURE, "model_type": "vit"}, {**BERT, "model_type": "bert"}, projection_dim=10
    )
    model = VisionTextDualEncoderModel(config, ops=ops, **how)
    out = model(input_ids=tiny.IDS, pixel_values=tiny.PIXELS)
    return [
        out.logits_per_image,
        out.logits_per_text,
        out.text_model_output.last_hidden_state,
        out.vision_model_output.last_hidden_state,
    ]


RUNS = {
    "clip": clip,
    "siglip": siglip,
    "chinese_clip": chinese_clip,
    "bert": bert,
    "vit": vit,
    "deit": deit,
    "beit": beit,
    "dinov2": dinov2,
    "vision_text_dual_encoder": vision_text_dual_encoder,
}


def results(name, ops, **how):
    """All results of a family's run in one row; `how` goes to the models, such as `device`."""
    return np.concatenate([np.ravel(on_host(each)) for each in RUNS[name](ops, **how)])
