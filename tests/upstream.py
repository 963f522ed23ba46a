"""Transformers as the judge: random weights in its models, its outputs as numpy arrays.

Weights are random everywhere, also in norms and biases: a model with weight 1 and bias 0 cannot
show that we forgot one.
"""

import numpy as np
import torch
from transformers import AttentionInterface, masking_utils
from transformers.models.clip import modeling_clip

ATTENTION = "eager_in_working_dtype"


def eager_in_working_dtype(module, query, key, value, attention_mask, scaling, **kwargs):
    """Upstream's eager attention, with the softmax in the model's dtype.

    Upstream's own always casts the scores to float32, which makes a float64 run no better than
    1e-8 and turns the float64 mask into -inf. In float32 the two are the same function.
    """
    scores = torch.matmul(query, key.transpose(-1, -2)) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    probs = torch.softmax(scores, dim=-1)
    return torch.matmul(probs, value).transpose(1, 2).contiguous(), probs


AttentionInterface.register(ATTENTION, eager_in_working_dtype)
masking_utils.ALL_MASK_ATTENTION_FUNCTIONS.register(ATTENTION, masking_utils.eager_mask)


def build(model_class, config, dtype, seed=0):
    """Build an upstream model on random weights, in eval mode, with eager attention."""
    config._attn_implementation = "eager" if dtype == "float32" else ATTENTION
    model = model_class(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name == "logit_scale":
                parameter.fill_(2.3)
                continue
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 4
            parameter.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
            if "norm" in name.lower() and name.endswith("weight"):
                parameter.add_(1)
    return model.to(getattr(torch, dtype))


def weights(model):
    """All weights of an upstream model, by name."""
    return {name: value.numpy() for name, value in model.state_dict().items()}


def run(model, **inputs):
    """Call an upstream model on numpy inputs."""
    as_torch = {
        name: torch.tensor(value) if isinstance(value, np.ndarray) else value
        for name, value in inputs.items()
    }
    with torch.no_grad():
        return model(**as_torch)


def project_pooled(model, output):
    """Projected features of upstream 5.x, which sit in `pooler_output` of a composite output."""
    assert isinstance(model, modeling_clip.CLIPModel)
    return output.text_model_output.pooler_output, output.vision_model_output.pooler_output
